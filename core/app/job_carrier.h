#pragma once

#include <cstddef>

#include "core/app/letters.h"
#include "core/app/outbox.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"

namespace ringpost::app {

/// Takes jobs from the queue's home shard to the shard whose spool holds the message and back. One
/// per shard; does both ends. A job whose message is here goes straight to the spool.
///
/// While a job is away its completions call the carrier at the other end; the user's handlers are
/// put back before the job is handed over at home.
class JobCarrier : public BodySource {
 public:
  /// All outlive the carrier.
  JobCarrier(Loop& loop, Outbox& outbox, BodySource& spool, unsigned shards);

  void open(Job& job) override;
  void settle(Job& job) override;

  /// Letters job_open, job_opened, job_settle, job_settled.
  void on_letter(LetterKind kind, const JobNote& note);
  /// Jobs that are at another shard now.
  std::size_t away() const noexcept { return away_; }

 private:
  /// The shard that holds the message's log.
  unsigned owner_of(const Job& job) const { return job.message.log % shards_; }
  void send_away(JobCompletion& completion, LetterKind kind);
  void bring_home(JobCompletion& completion, std::int32_t result);
  void on_opened_for_home(Completion& completion);
  void on_settled_for_home(Completion& completion);
  void answer(Completion& completion, LetterKind kind);

  Loop& loop_;
  Outbox& outbox_;
  BodySource& spool_;
  unsigned shards_;
  std::size_t away_ = 0;
};

}  // namespace ringpost::app
