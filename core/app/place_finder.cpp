#include "core/app/place_finder.h"

#include <cerrno>
#include <utility>

namespace ringpost::app {

PlaceFinder::PlaceFinder(const Ports& ports, unsigned shards)
    : ports_(ports), shards_(shards), parcels_(kMost, ports.loop.shard()) {}

bool PlaceFinder::ask(const Admission& admission) {
  AdmissionParcel* parcel = parcels_.fill(admission, {});
  if (parcel == nullptr) {
    return false;
  }
  parcel->admission.anew = false;
  parcel->asked = admission.count;
  send(*parcel);
  return true;
}

void PlaceFinder::send(AdmissionParcel& parcel) {
  const unsigned owner = parcel.admission.message.log % shards_;
  if (owner == ports_.loop.shard()) {
    look(parcel);
  } else {
    AdmissionParcel* pointer = &parcel;
    ports_.outbox.send(owner, Letter::of(kind_of(LetterKind::place_ask), pointer));
  }
}

void PlaceFinder::on_letter(LetterKind kind, AdmissionParcel& parcel) {
  if (kind == LetterKind::place_ask) {
    look(parcel);
  } else {
    told(parcel);
  }
}

// ---- at the message's shard --------------------------------------------------------------------

void PlaceFinder::look(AdmissionParcel& parcel) {
  if (free_.empty()) {
    free_.push_back(looks_.emplace_back(std::make_unique<Look>()).get());
  }
  Look& look = *free_.back();
  free_.pop_back();
  look.bind<&PlaceFinder::on_looked>(this);
  look.parcel = &parcel;
  look.message = parcel.admission.message;
  ports_.spool.inspect(look);
}

void PlaceFinder::on_looked(Completion& completion) {
  auto& look = static_cast<Look&>(static_cast<spool::InspectOp&>(completion));
  AdmissionParcel* parcel = std::exchange(look.parcel, nullptr);
  Admission& admission = parcel->admission;
  if (look.result == 0) {
    tell(look.view, *parcel);
    ports_.spool.release(look);
  } else {
    // One that cannot be read stays under the name it had, where it gets its end.
    admission.count = look.result == -EIO ? parcel->asked : 0;
  }
  free_.push_back(&look);
  if (parcel->sender == ports_.loop.shard()) {
    told(*parcel);
  } else {
    ports_.outbox.send(parcel->sender, Letter::of(kind_of(LetterKind::place_told), parcel));
  }
}

/// Of the recipients that were asked about, the first and those behind it that go the same way.
void PlaceFinder::tell(const MessageView& view, AdmissionParcel& parcel) const {
  Admission& admission = parcel.admission;
  const Recipient& first = view.envelope.recipients[admission.first];
  admission.count = 1;
  while (admission.count < parcel.asked &&
         first.travels_with(view.envelope.recipients[admission.first + admission.count])) {
    ++admission.count;
  }
  admission.id = view.id;
  parcel.domain.assign(first.domain());
  admission.domain = parcel.domain;
  admission.pool_key = first.pool_key;
  admission.priority = first.priority;
  const std::string_view vmta = first.vmta.empty() ? view.envelope.vmta : first.vmta;
  if (ports_.policies.snapshot().find_vmta(vmta).kind != config::VmtaRef::Kind::none) {
    parcel.vmta.assign(vmta);
    admission.vmta = parcel.vmta;
    admission.pooled = false;
  }
}

// ---- at the queue's shard ----------------------------------------------------------------------

void PlaceFinder::told(AdmissionParcel& parcel) {
  Admission& admission = parcel.admission;
  if (admission.count == 0) {  // the spool ends: it has them
    parcels_.take_back(parcel);
    return;
  }
  if (!ports_.taker.admit(admission)) {
    waiting_.push_back(&parcel);
    return;
  }
  admission.first += admission.count;
  parcel.asked -= admission.count;
  if (parcel.asked > 0) {
    send(parcel);
  } else {
    parcels_.take_back(parcel);
  }
}

void PlaceFinder::retry() {
  if (waiting_.empty()) {
    return;
  }
  std::vector<AdmissionParcel*> waiting;
  waiting.swap(waiting_);
  for (AdmissionParcel* parcel : waiting) {
    told(*parcel);
  }
}

}  // namespace ringpost::app
