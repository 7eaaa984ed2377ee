#include "core/app/shard.h"

#include <algorithm>

#include "core/app/letters.h"

namespace ringpost::app {
namespace {

constexpr Duration kLookInterval = Duration::seconds(1);
/// Admissions that found no room after a part of them was taken: then no others are begun.
constexpr std::size_t kHeldMax = 64;

/// Records of receipts cost room in the journal: there are none unless a file shows them.
spool::SpoolOptions spool_options(spool::SpoolOptions options,
                                  const account::Accountant& accountant) {
  options.receipts = accountant.shows(account::records::kReceived);
  return options;
}

}  // namespace

Shard::Shard(ShardSettings settings, const ShardPorts& ports, Mailroom& mailroom,
             account::LogWriter& accounts)
    : settings_(std::move(settings)),
      ports_(ports),
      loop_(settings_.shard, ports.driver, mailroom, *this),
      outbox_(loop_, mailroom.endpoints()),
      policies_(settings_.snapshot, 1, settings_.keys, &ports.tls.contexts()),
      accountant_(accounts, settings_.shard),
      reports_(loop_, policies_, settings_.shards),
      notices_(loop_, policies_, settings_.shard),
      spool_(spool_options(settings_.spool, accountant_), settings_.spool_id, settings_.spool_logs,
             {loop_, ports.disk, ports.entropy, *this, accountant_, &reports_}),
      carrier_(loop_, outbox_, spool_, settings_.shards),
      signer_(loop_, carrier_, ports.crypto, settings_.signer),
      parcels_(settings_.parcels, settings_.shard),
      move_parcels_(settings_.parcels, settings_.shard),
      lent_(settings_.shards),
      finder_({loop_, outbox_, spool_, policies_, *this}, settings_.shards),
      search_(loop_, spool_, *this) {
  reports_.set_spool(spool_);
  notices_.set_spool(spool_);
  reports_.set_questions(*this);
  decision_log_.set_notify(notices_);
  schedule_timer_.bind<&Shard::on_schedule_timer>(this);
  ingest_stopped_.bind<&Shard::on_ingest_stopped>(this);
  inquiry_.op.bind<&Shard::on_inspected>(this);
  searched_.bind<&Shard::on_searched>(this);
  spool_stopped_.bind<&Shard::on_spool_stopped>(this);
  waiting_parcels_.reserve(settings_.parcels);
}

Shard::~Shard() { loop_.timers().disarm(schedule_timer_); }

Status Shard::start(Dns& dns) {
  resolver_ = std::make_unique<resolve::Resolver>(loop_, dns, settings_.resolve, ports_.sts);
  deliverer_ = std::make_unique<deliver::Deliverer>(loop_, ports_.net, ports_.tls, *resolver_,
                                                    signer_, settings_.deliver);
  scheduler_ = std::make_unique<schedule::Scheduler>(
      settings_.schedule,
      schedule::Doors{*deliverer_, *this, policies_, *this, nullptr, &mover_, &decision_log_,
                      accountant_.shows(account::records::kQueue) ? this : nullptr},
      loop_.now());
  deliverer_->set_work_source(*scheduler_);
  if (ports_.store != nullptr) {
    deliverer_->set_store(*ports_.store);
  }
  if (ports_.events != nullptr) {
    ports_.events->use(loop_);
    deliverer_->set_events(*ports_.events);
  }
  deliverer_->set_connect_gate(scheduler_->connect_gate());
  policies_.set_sources(deliverer_->sources());
  deliverer_->sources().set_missing(settings_.missing_sources, loop_.now().wall);
  scheduler_->set_missing_sources(settings_.missing_sources, loop_.now());
  if (auto restored = scheduler_->restore_pauses(settings_.pause_rules, loop_.now()); !restored) {
    return Error::of(restored.error().code, settings_.spool_folder +
                                                "/paused: " + restored.error().describe() +
                                                "; mend the file or remove it");
  }
  if (auto restored = scheduler_->source_rules().restore(settings_.source_rules); !restored) {
    return Error::of(restored.error().code, settings_.spool_folder +
                                                "/sources: " + restored.error().describe() +
                                                "; mend the file or remove it");
  }
  if (auto restored = restore_jobs(); !restored) {
    return restored;
  }
  if (auto opened = open_state(); !opened) {
    return opened;
  }
  auto recovered = spool_.start();
  if (!recovered) {
    return recovered.error();
  }
  recovery_ = std::move(*recovered);
  // Schedule's settlements of a turn reach the journal in the same turn, letters leave last.
  loop_.add_hook(signer_);
  loop_.add_hook(*this);
  loop_.add_hook(spool_);
  loop_.add_hook(reports_);
  loop_.add_hook(notices_);
  loop_.add_hook(outbox_);
  return {};
}

Status Shard::listen() {
  if (settings_.authentication != nullptr) {
    desk_ = std::make_unique<auth::Desk>(loop_, ports_.crypto, *settings_.authentication,
                                         ports_.logins);
  }
  ingest_ = std::make_unique<ingest::IngestService>(loop_, ports_.net, ports_.tls, spool_,
                                                    ports_.entropy, settings_.ingest_memory,
                                                    settings_.ingest_config, desk_.get());
  if (ports_.events != nullptr) {
    ingest_->set_events(*ports_.events);
  }
  return ingest_->start();
}

// ---- letters -----------------------------------------------------------------------------------

void Shard::on_letter(const Letter& letter, Now now) {
  const auto kind = static_cast<LetterKind>(letter.kind);
  switch (kind) {
    case LetterKind::parcel: on_parcel(*letter.as<AdmissionParcel*>(), now); return;
    case LetterKind::parcel_back: on_parcel_back(*letter.as<AdmissionParcel*>()); return;
    case LetterKind::places_back: scheduler_->places().lend(-letter.as<std::int64_t>()); return;
    case LetterKind::place_ask:
    case LetterKind::place_told: finder_.on_letter(kind, *letter.as<AdmissionParcel*>()); return;
    case LetterKind::queue_ask: answer(*letter.as<QueueQuestion*>()); return;
    case LetterKind::queue_told: reports_.told(*letter.as<QueueQuestion*>()); return;
    case LetterKind::job_open:
    case LetterKind::job_opened:
    case LetterKind::job_settle:
    case LetterKind::job_settled: carrier_.on_letter(kind, letter.as<JobNote>()); return;
    case LetterKind::lease:
      scheduler_->on_lease(letter.as<schedule::LeaseMessage>(), letter.from);
      return;
    case LetterKind::control: on_control(*letter.as<ControlTask*>(), letter.from, now); return;
    case LetterKind::drain: drain(); return;
    case LetterKind::abandon: abandon(); return;
    case LetterKind::checkpoint: checkpoint(); return;
    default: RP_ASSERT_NOTE(false, "a letter no shard gets");
  }
}

// ---- spool -> schedule -------------------------------------------------------------------------

bool Shard::admit(const Admission& admission) {
  const std::uint32_t seen = moves_.next_serial();
  Admission placed = moves_.concern(admission.received) ? as_moved(admission) : admission;
  placed.era = policies_.era();
  return admit_placed(placed, seen);
}

bool Shard::admit_placed(const Admission& admission, std::uint32_t seen) {
  const std::size_t most = admission.moved ? 2 * kHeldMax : kHeldMax;
  return held_admissions_.size() < most && place_mail(admission, seen);
}

// `seen`: rules of operators below that number are heeded in it. `by`: what it came in takes it on:
// shards that waited for parcels of their own to do that might have them all at each other.
bool Shard::place_mail(const Admission& admission, std::uint32_t seen, Carried* by) {
  const Placement place = policies_.place(admission, loop_.now().instant);
  Admission chosen = admission;
  chosen.rules_seen = seen;
  chosen.vmta = place.vmta;
  chosen.pooled = place.pooled;
  if (place.counted) {
    chosen.counted = true;
    chosen.choice = place.choice;
    chosen.overflow = place.overflow;
  }
  const std::string_view name = place.queue;
  const auto home =
      static_cast<unsigned>(schedule::queue_hash(name, place.vmta) % settings_.shards);
  if (home == loop_.shard()) {
    const schedule::Taken taken = give(chosen, name, by);
    if (taken == schedule::Taken::some) {
      pass_on(chosen);
    }
    return taken != schedule::Taken::none;
  }
  AdmissionParcel* parcel = nullptr;
  if (by != nullptr) {
    parcel = &by->parcel;
    ParcelPool::refill(*parcel, chosen, name);
    by->sent_on = true;
  } else {
    parcel = (chosen.moved ? move_parcels_ : parcels_).fill(chosen, name);
    if (parcel == nullptr) {
      return false;
    }
    scheduler_->places().lend(chosen.moved ? 1 : 0);
  }
  outbox_.send(home, Letter::of(kind_of(LetterKind::parcel), parcel));
  return true;
}

// The rest of an admission that was taken in part, so it cannot be refused any more.
void Shard::pass_on(const Admission& rest) {
  if (!place_mail(rest, rest.rules_seen)) {
    held_admissions_.emplace_back(rest);
  }
}

// What this shard has learned of a destination since, the sender may not know. What is for somebody
// else because of the day goes back with its parcel.
Shard::Arrival Shard::take_in(AdmissionParcel& parcel, Now now) {
  if (policies_.ahead(parcel.admission)) {
    return Arrival::waits;  // until the same configuration has come here
  }
  Carried by{parcel};
  bool taken = false;
  const std::string_view shared = policies_.known_rollup(parcel.queue_name, now.instant);
  if (shared.empty()) {
    const schedule::Taken took = give(parcel.admission, parcel.queue_name, &by);
    if (!by.sent_on) {
      parcel.again = took == schedule::Taken::some;
    }
    taken = took != schedule::Taken::none;
  } else {
    Admission admission = parcel.admission;
    admission.domain = shared;
    admission.rolled_up = true;
    admission.era = policies_.era();
    taken = place_mail(admission, admission.rules_seen, &by);
  }
  return by.sent_on ? Arrival::sent_on : taken ? Arrival::taken : Arrival::waits;
}

void Shard::on_parcel(AdmissionParcel& parcel, Now now) {
  if (!arrive(parcel, now)) {
    waiting_parcels_.push_back(&parcel);
  }
}

/// False: it waits.
bool Shard::arrive(AdmissionParcel& parcel, Now now) {
  const bool full = scheduler_->places().left() <= 0;
  const Arrival arrival = take_in(parcel, now);
  if (arrival != Arrival::taken) {
    return arrival == Arrival::sent_on;
  }
  if (parcel.sender == settings_.shard) {
    on_parcel_back(parcel);  // sent on to where it came from
    return true;
  }
  parcel.lent = full && parcel.admission.moved && !parcel.again;
  if (parcel.lent) {
    ++lent_[parcel.sender];
    scheduler_->places().lend(-1);
  }
  outbox_.send(parcel.sender, Letter::of(kind_of(LetterKind::parcel_back), &parcel));
  return true;
}

void Shard::on_parcel_back(AdmissionParcel& parcel) {
  const bool moved = parcel.admission.moved;
  if (moved && !parcel.lent) {
    scheduler_->places().lend(-1);
  }
  if (parcel.again) {
    pass_on(parcel.admission);
  }
  (moved ? move_parcels_ : parcels_).take_back(parcel);
}

// Places of others that are used no more, to whom has lent most of them first.
void Shard::give_places_back() {
  for (;;) {
    const auto most = std::max_element(lent_.begin(), lent_.end());
    const std::int64_t count =
        std::min(std::int64_t{*most}, std::max(scheduler_->places().left(), std::int64_t{0}));
    if (count == 0) {
      return;
    }
    *most -= static_cast<std::uint32_t>(count);
    scheduler_->places().lend(count);
    outbox_.send(static_cast<unsigned>(most - lent_.begin()),
                 Letter::of(kind_of(LetterKind::places_back), count));
  }
}

void Shard::retry_parcels(Now now) {
  bool refused = false;  // new mail: what moves goes on
  for (auto held = held_admissions_.begin(); held != held_admissions_.end();) {
    const Admission& rest = held->admission;
    if ((refused && !rest.moved) || !place_mail(rest, rest.rules_seen)) {
      refused = refused || !rest.moved;
      ++held;
    } else {
      held = held_admissions_.erase(held);
    }
  }
  std::erase_if(waiting_parcels_, [&](AdmissionParcel* parcel) { return arrive(*parcel, now); });
}

// ---- schedule -> spool -------------------------------------------------------------------------

void Shard::settle(Job& job) {
  count_outcomes(job);
  job.settled.bind<&Shard::on_settled>(this);
  carrier_.settle(job);
}

void Shard::on_settled(Completion& completion) {
  scheduler_->retire(static_cast<JobCompletion&>(completion).job, loop_.now());
}

bool Shard::send(unsigned shard, const schedule::LeaseMessage& message) {
  outbox_.send(shard, Letter::of(kind_of(LetterKind::lease), message));
  return true;
}

void Shard::queue_deferred(const schedule::QueueDeferral& deferral) {
  SettledRecord record;
  record.kind = OutcomeKind::deferred;
  record.phase = deferral.failure.phase;
  record.reply_code = deferral.failure.reply_code;
  record.status = deferral.failure.status;
  record.text = deferral.at.text;
  record.settled = loop_.now().wall;
  record.queue = deferral.name;
  record.vmta = deferral.vmta;
  record.hidden_records = deferral.hidden_records;
  record.way = deferral.at.way;
  record.local = deferral.at.local;
  record.remote = deferral.at.remote;
  record.host = deferral.at.host;
  spool_.note_queue(record);
}

void Shard::ask(QueueQuestion& question) {
  question.asker = settings_.shard;
  const auto home =
      static_cast<unsigned>(schedule::queue_hash(question.asked, question.vmta) % settings_.shards);
  if (home == settings_.shard) {
    answer(question);
  } else {
    QueueQuestion* pointer = &question;
    outbox_.send(home, Letter::of(kind_of(LetterKind::queue_ask), pointer));
  }
}

void Shard::answer(QueueQuestion& question) {
  const schedule::Queue* queue = scheduler_->queues().find(question.asked, question.vmta);
  if (queue != nullptr && queue->last_failure != nullptr) {
    question.known = true;
    question.status = queue->last_failure->outcome.status;
    question.text = queue->last_failure->text;
    question.when = queue->last_failure->at;
  } else {
    question.shared = policies_.known_rollup(question.asked, loop_.now().instant);
  }
  if (question.asker == settings_.shard) {
    reports_.told(question);
  } else {
    QueueQuestion* pointer = &question;
    outbox_.send(question.asker, Letter::of(kind_of(LetterKind::queue_told), pointer));
  }
}

void Shard::count_outcomes(const Job& job) {
  for (const JobRecipient& recipient : job.recipients) {
    counters_.ambiguous += recipient.outcome.ambiguous ? 1 : 0;
    switch (recipient.outcome.kind) {
      case OutcomeKind::delivered: ++counters_.delivered; break;
      case OutcomeKind::deferred: ++counters_.deferred; break;
      case OutcomeKind::bounced: ++counters_.bounced; break;
      case OutcomeKind::expired: ++counters_.expired; break;
      case OutcomeKind::cancelled: ++counters_.cancelled; break;
      case OutcomeKind::pending:
      case OutcomeKind::returned: break;
    }
  }
}

// ---- drive -------------------------------------------------------------------------------------

bool Shard::end_of_turn(Now now) {
  if (stage_ == Stage::closing) {
    return false;
  }
  if (!waiting_parcels_.empty() || !held_admissions_.empty()) {
    retry_parcels(now);
  }
  give_places_back();
  finder_.retry();
  if (sources_seen_ != deliverer_->sources().changes()) {
    sources_seen_ = deliverer_->sources().changes();
    scheduler_->refresh(now);  // mail of pools leaves members that cannot send
  }
  scheduler_->hold(!spool_.may_issue());
  const bool more = scheduler_->run(now);
  keep_state(now);
  if (!more) {
    const Instant keep = std::max(state_due(), now.instant);
    loop_.timers().arm(schedule_timer_, std::min(scheduler_->next_wakeup(now), keep));
  }
  if (now.instant >= next_look_) {
    next_look_ = now.instant + kLookInterval;
    if (spool_.stats().journal_alarm) {
      accountant_.relieve(now.instant);
    }
    if (ingest_ != nullptr && accepts_failed_ != ingest_->stats().accept_failed) {
      accepts_failed_ = ingest_->stats().accept_failed;
      accepts_.tell(ingest_->stats().accept_error, now.instant);
    }
  }
  if (stage_ == Stage::draining && nothing_in_flight() && state_kept()) {
    stage_ = Stage::drained;
    outbox_.send(settings_.main_endpoint,
                 Letter::of(kind_of(LetterKind::drained), std::uint64_t{0}));
  }
  return more;
}

void Shard::on_schedule_timer(Now) {
  // The hook at the end of this turn runs the scheduler.
}

// ---- ending ------------------------------------------------------------------------------------

void Shard::drain() {
  if (stage_ != Stage::running) {
    return;
  }
  stage_ = Stage::draining;
  stop_intake();
  deliverer_->drain();
  reports_.drain();
  notices_.drain();
}

void Shard::stop_intake() {
  if (!intake_stopped_) {
    intake_stopped_ = true;
    ingest_->stop(ingest_stopped_);
  }
}

void Shard::abandon() {
  ingest_->abandon_sessions();
  deliverer_->abort();
}

void Shard::on_ingest_stopped(Completion&) {
  // The hook at the end of this turn sees whether all else is done too.
}

bool Shard::nothing_in_flight() const {
  return ingest_->stopped() && deliverer_->sessions_open() == 0 && scheduler_->totals().jobs == 0 &&
         carrier_.away() == 0 && reports_.idle() && notices_.idle() && finder_.idle();
}

void Shard::checkpoint() {
  RP_ASSERT(stage_ == Stage::drained || stage_ == Stage::draining);
  stage_ = Stage::closing;
  spool_.stop(spool_stopped_);
}

void Shard::on_spool_stopped(Completion& completion) {
  outbox_.send(settings_.main_endpoint,
               Letter::of(kind_of(LetterKind::stopped), std::int64_t{completion.result}));
  loop_.stop();
}

}  // namespace ringpost::app
