// Sessions of hosts that take one command at a time, each a reply later than the last.

#include <gtest/gtest.h>

#include "tests/unit/schedule/crowd.h"

namespace ringpost::schedule::test {

namespace {

constexpr Duration kPatience = Duration::seconds(6);
constexpr Duration kPatienceMax = Duration::seconds(231);

}  // namespace

/// Told by the scheduler; asks later in its turn.
class Crowd::Slow final : public JobHolder {
 public:
  Slow(Crowd& crowd, std::size_t index) : crowd_(crowd), index_(index) {}
  void permits_due() override { crowd_.step_soon(index_); }

  Job* job = nullptr;
  std::uint32_t sent = 0;
  Instant begun;
  Instant gives_up = Instant::never();  ///< while it waits for a permit

 private:
  Crowd& crowd_;
  std::size_t index_;
};

void Crowd::step_soon(std::size_t index) {
  Event event;
  event.what = What::step;
  event.session = index;
  post(event, Duration{1});
}

/// The next reply of the host comes after this.
void Crowd::await_reply(std::size_t index, Duration after) {
  Event event;
  event.what = What::step;
  event.session = index;
  event.round = 1;
  post(event, after);
}

void Crowd::start_slow(std::size_t index, Job& job) {
  auto& slow = slow_[index];
  slow = slow ? slow : std::make_shared<Slow>(*this, index);
  ASSERT_EQ(slow->job, nullptr);
  slow->job = &job;
  slow->sent = 0;
  slow->gives_up = Instant::never();
  slow->begun = now.instant;
  job.holder = slow.get();
  const bool tarpit = sessions_[index].destination == 0 && plan_.mail_takes > Duration{};
  await_reply(index, tarpit ? plan_.mail_takes : random_delay(plan_.reply_max));
}

void Crowd::step(std::size_t index, bool replied) {
  const std::shared_ptr<Slow> slow = slow_[index];
  const bool waits = slow->gives_up != Instant::never();
  if (slow->job == nullptr || (!replied && !waits)) {
    return;
  }
  Session& session = sessions_[index];
  Job& job = *slow->job;
  const bool whole = slow->sent == job.recipients.size();
  const Permits permits =
      whole ? Permits{} : scheduler(session.shard).permits(job, slow->sent, 1, now);
  if (permits.count > 0) {
    note_take(session, job, 1);
    ++slow->sent;
    slow->gives_up = Instant::never();
    await_reply(index, random_delay(plan_.reply_max));
    return;
  }
  if (permits.soon && (!waits || now.instant < slow->gives_up)) {
    if (!waits) {
      const Duration took = now.instant - slow->begun;
      slow->gives_up = now.instant + (slow->sent == 0 ? std::clamp(took, kPatience, kPatienceMax)
                                                      : random_delay(plan_.reply_max));
      Event event;
      event.what = What::step;
      event.session = index;
      post(event, slow->gives_up - now.instant);
    }
    return;
  }
  if (!whole) {
    scheduler(session.shard).permits(job, slow->sent, 0, now);
  }
  for (std::size_t k = slow->sent; k < job.recipients.size(); ++k) {
    job.recipients[k].outcome.kind = OutcomeKind::returned;
  }
  slow->job = nullptr;
  slow->gives_up = Instant::never();
  ++(slow->sent == 0 ? given_up : cut_short);
  Event event;
  event.session = index;
  event.what = What::work;
  event.job = &job;
  post(event, random_delay(plan_.reply_max));
}

}  // namespace ringpost::schedule::test
