#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/app/letters.h"
#include "core/app/outbox.h"
#include "core/app/parcels.h"
#include "core/app/policy_book.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "spool/spool.h"

namespace ringpost::app {

/// Finds anew where mail belongs whose queue has a name that says nothing of its destinations: the
/// rules by which domains share queues have changed. Queues do not know domains of their own, so
/// the envelope is asked, at the shard that holds the message; then the mail is placed as a start
/// would place it. One per shard, which does both ends.
class PlaceFinder {
 public:
  struct Ports {  ///< all outlive the finder
    Loop& loop;
    Outbox& outbox;
    spool::Spool& spool;
    const PolicyBook& policies;
    AdmissionSink& taker;
  };
  /// So much mail may be under way; what comes then waits in its queue.
  static constexpr std::size_t kMost = 256;

  PlaceFinder(const Ports& ports, unsigned shards);

  /// Takes over these recipients, which are of one queue of this shard. False: no room now.
  bool ask(const Admission& admission);
  /// Letters place_ask, place_told.
  void on_letter(LetterKind kind, AdmissionParcel& parcel);
  /// Offers what found no room; every turn.
  void retry();
  /// No message is looked at here.
  bool idle() const noexcept { return free_.size() == looks_.size(); }

 private:
  struct Look : spool::InspectOp {
    AdmissionParcel* parcel = nullptr;
  };

  void send(AdmissionParcel& parcel);
  void look(AdmissionParcel& parcel);
  void on_looked(Completion& completion);
  void tell(const MessageView& view, AdmissionParcel& parcel) const;
  void told(AdmissionParcel& parcel);

  Ports ports_;
  unsigned shards_;
  ParcelPool parcels_;
  std::vector<AdmissionParcel*> waiting_;  ///< told, but there was no room for it
  std::vector<std::unique_ptr<Look>> looks_;
  std::vector<Look*> free_;
};

}  // namespace ringpost::app
