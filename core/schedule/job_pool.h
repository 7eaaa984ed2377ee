#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "core/mail/job.h"
#include "core/schedule/rate_scope.h"
#include "core/schedule/sender_lanes.h"

namespace ringpost::schedule {

struct LeaveOrder;
struct PayerTag;

/// A job with what the scheduler keeps about it.
struct PooledJob : Job, ListLink<PayerTag> {
  enum class Stage : std::uint8_t { free, in_delivery, settling };

  Stage stage = Stage::free;
  bool ending = false;     ///< carries outcomes decided in the queue; was never delivered
  EntryFacts mail;         ///< of its message
  bool alone = false;      ///< Entry::alone of its recipient
  bool pooled = false;     ///< Entry::pooled of its recipients
  std::uint8_t epoch = 0;  ///< of the queue when its mail was taken
  std::uint8_t era = 0;    ///< Entry::era of its recipients
  std::uint32_t share = 0;
  std::shared_ptr<const LeaveOrder> leaving;  ///< where what comes back goes to

  // Permits of its recipients' RCPTs (late_permits.h).
  std::uint32_t paid = 0;          ///< from the first one on
  bool kept = false;               ///< they were taken when it began, and are used as it goes on
  bool turn = false;               ///< only what is slow was: the rest is as its RCPTs leave
  bool lapsed = false;             ///< some of these were not good for as long
  bool backoff = false;            ///< the queue's mode when they were taken
  IpAddress leaves_from;           ///< source address
  RateScope* kept_from = nullptr;  ///< shared rates that they are of
  UsedBy kept_until;               ///< they have to have left by then
  RateScope::Lease kept_lease;     ///< by which they came, where it was one alone
  Instant paid_at;                 ///< when they were taken
  Instant paid_until;              ///< of others: they have to have left by then
  bool unpaid = false;             ///< counted so: some are paid for as they leave
  bool called = false;             ///< a permit of rates that its queue shares has come for it
  RateScope* scope = nullptr;      ///< where it is counted as unpaid
  RateScope* in_line = nullptr;    ///< among whose payers it stands
  bool waits = false;              ///< among its queue's payers
  bool one_by_one = false;         ///< its session is with a host that takes one command at a time
  bool asked = false;              ///< for its first RCPT's permit
  Duration mail_took;              ///< until then, with such a host
};

/// All jobs of one shard, made at start. One place is held from take() until the outcomes are in
/// the journal: that reserves the outcome's way. Endings may hold a quarter of the places, so that
/// a large deletion does not stop delivery; delivery leaves an eighth, so that it does not stop
/// endings.
class JobPool {
 public:
  explicit JobPool(std::uint32_t count)
      : count_(std::max(count, 2u)), jobs_(std::make_unique<PooledJob[]>(count_)) {
    for (std::uint32_t i = count_; i > 0; --i) {
      jobs_[i - 1].queue_name.reserve(kNameRoom);
      jobs_[i - 1].vmta.reserve(kNameRoom);
      free_.push_front(jobs_[i - 1]);
    }
  }

  /// Places that take() for delivery may still use.
  std::uint32_t delivery_places() const {
    const std::uint32_t most = count_ - std::max(1u, count_ / 8);
    return delivering_ >= most ? 0 : std::min(most - delivering_, count_ - used());
  }
  bool room_for_ending() const { return ending_ < std::max(1u, count_ / 4) && any(); }

  PooledJob& take(bool ending) {
    PooledJob& job = static_cast<PooledJob&>(*free_.pop_front());
    job.stage = ending ? PooledJob::Stage::settling : PooledJob::Stage::in_delivery;
    job.ending = ending;
    ++(ending ? ending_ : delivering_);
    return job;
  }
  void give_back(PooledJob& job) {
    --(job.ending ? ending_ : delivering_);
    job.stage = PooledJob::Stage::free;
    job.leaving.reset();
    job.share = 0;
    job.paid = 0;
    job.called = job.lapsed = false;
    job.clear();
    free_.push_front(job);  // the warmest one is used next
  }

  std::uint32_t used() const { return ending_ + delivering_; }
  std::uint32_t size() const { return count_; }
  const PooledJob& operator[](std::uint32_t index) const { return jobs_[index]; }
  PooledJob& operator[](std::uint32_t index) { return jobs_[index]; }

 private:
  static constexpr std::size_t kNameRoom = 48;  ///< longer names grow it once

  bool any() const { return used() < count_; }

  std::uint32_t count_;
  std::uint32_t delivering_ = 0;
  std::uint32_t ending_ = 0;
  std::unique_ptr<PooledJob[]> jobs_;
  List<Job, Job> free_;
};

}  // namespace ringpost::schedule
