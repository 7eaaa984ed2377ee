#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/schedule/scheduler.h"

namespace ringpost::schedule::test {

/// One scheduler with hand-driven doors: the test decides when sessions open, end and settle.
class Hand : public SessionHost,
             public SettleSink,
             public PolicySource,
             public LeaseTransport,
             public SessionCloser,
             public DecisionSink,
             public DeferralSink {
 public:
  explicit Hand(SchedulerOptions options = {}) {
    policy = std::make_shared<QueuePolicy>();
    now.instant = Instant{} + Duration::hours(5);
    now.wall = WallTime{1'800'000'000'000'000};
    options_ = options;
  }

  /// Made at first use, so that a test can set policy and limits before.
  Scheduler& scheduler() {
    if (!scheduler_) {
      scheduler_ = std::make_unique<Scheduler>(
          options_,
          Doors{*this, *this, *this, *this, with_closer ? this : nullptr, mover, this, this}, now);
    }
    return *scheduler_;
  }

  // Doors.
  bool offer(QueueId queue) override {
    auto& idle = idle_sessions[queue];
    if (idle == 0) {
      return false;
    }
    --idle;
    offered.push_back(queue);
    return true;
  }
  bool open_session(QueueId queue, std::string_view destination, const QueuePolicyRef& opened_with,
                    Instant leave) override {
    last_policy = opened_with;
    leave_until = leave;
    if (refuse_open) {
      ++refused;
      return false;
    }
    opened.push_back({queue, std::string(destination)});
    ++opening[queue];
    return true;
  }
  void settle(Job& job) override { settling.push_back(&job); }
  QueueSettings settings_of(std::string_view domain, std::string_view) override {
    const auto found = limits_of.find(std::string(domain));
    if (const auto own = settings.find(std::string(domain)); own != settings.end()) {
      return own->second;
    }
    return {policy, found == limits_of.end() ? limits : found->second, {}, false, twin};
  }
  void recheck(QueueId queue) override { rechecked.push_back(queue); }
  void decided(const Decision& decision) override { decided_ids.push_back(decision.id()); }
  void ended(const Decision& decision, std::string_view why) override {
    ended_ids.push_back(decision.id() + " by " + std::string(why));
  }
  void queue_deferred(const QueueDeferral& deferral) override {
    deferrals.push_back(std::string(deferral.name) + "/" + std::string(deferral.vmta) + ": " +
                        std::string(deferral.at.text));
  }
  GlobalLimits global_limits() override { return global; }
  bool send(unsigned shard, const LeaseMessage& message) override {
    sent.emplace_back(shard, message);
    return true;
  }
  bool close_idle(QueueId queue) override {
    auto& idle = idle_sessions[queue];
    if (idle == 0) {
      return false;
    }
    --idle;
    closed.push_back(queue);
    return true;
  }

  // Steps.
  bool admit(std::string_view domain, std::uint32_t slot, std::uint32_t count = 1,
             std::string_view vmta = "v1") {
    Admission admission;
    admission.message = {1, slot, 7};
    admission.domain = domain;
    admission.vmta = vmta;
    admission.count = count;
    admission.received = now.wall;
    return scheduler().admit(admission, domain, now);
  }
  void run() {
    int turns = 0;
    while (scheduler().run(now) && ++turns < 10'000) {
    }
    exhausted = exhausted || turns >= 10'000;
  }
  void advance(Duration d) {
    now.instant = now.instant + d;
    now.wall = now.wall + d;
    run();
  }
  Instant wakeup() { return scheduler().next_wakeup(now); }
  /// Steps from one wake-up to the next until `until` has passed since now.
  void advance_by_wakeups(Duration d) {
    const Instant end = now.instant + d;
    for (int steps = 0; steps < 1'000'000; ++steps) {
      const Instant next = std::min(wakeup(), end);
      advance(next - now.instant);
      if (now.instant >= end) {
        return;
      }
    }
    exhausted = true;
  }
  QueueId establish() {
    const QueueId queue = opened.back().first;
    establish(queue);
    return queue;
  }
  void establish(QueueId queue) {
    scheduler().session_established(queue, now);
    --opening[queue];
    ++established[queue];
  }
  void finish(Job& job, OutcomeKind kind, std::string_view text = "said so", int code = 450) {
    for (JobRecipient& recipient : job.recipients) {
      recipient.outcome.kind = kind;
      recipient.outcome.phase = Phase::rcpt;
      recipient.outcome.reply_code = static_cast<std::uint16_t>(code);
      recipient.outcome.text = job.keep_text(text);
    }
    scheduler().finished(job, now);
  }
  /// All settling jobs are in the journal; counts final outcomes by kind.
  void retire_all() {
    while (!settling.empty()) {
      Job* job = settling.back();
      settling.pop_back();
      for (const JobRecipient& recipient : job->recipients) {
        if (is_final(recipient.outcome.kind)) {
          ++finals[recipient.outcome.kind];
          last_text = std::string(job->text_of(recipient.outcome.text));
          last_outcome = recipient.outcome;
        }
      }
      scheduler().retire(*job, now);
    }
  }
  /// One that is established if it fits the end, and if there are any.
  void end(QueueId queue, SessionEnd how, OutcomeKind kind = OutcomeKind::deferred,
           std::string_view text = "no answer") {
    Outcome failure;
    failure.kind = kind;
    failure.phase = Phase::connect;
    SessionFailure at{text};
    const bool at_work = how == SessionEnd::normal || how == SessionEnd::lost;
    at.established = at_work ? established[queue] > 0 : opening[queue] == 0;
    --(at.established ? established : opening)[queue];
    scheduler().session_ended(queue, how, failure, at, now);
  }
  QueueRow row(std::string_view domain) {
    std::vector<QueueRow> rows;
    QueuePattern pattern;
    pattern.domain = std::string(domain);
    scheduler().rows(pattern, 10, rows, now);
    return rows.empty() ? QueueRow{} : rows.front();
  }

  Now now;
  std::shared_ptr<QueuePolicy> policy;
  QueueLimits limits;
  std::map<std::string, QueueLimits> limits_of;
  std::map<std::string, QueueSettings> settings;  ///< of domains that have all of their own
  GlobalLimits global;
  bool with_closer = true;
  AdmissionSink* mover = nullptr;
  bool refuse_open = false;
  bool exhausted = false;
  int refused = 0;
  std::map<QueueId, int> idle_sessions;
  std::map<QueueId, int> opening;  ///< sessions
  std::map<QueueId, int> established;
  std::vector<QueueId> offered;
  std::vector<std::pair<QueueId, std::string>> opened;
  std::vector<QueueId> closed;
  std::vector<QueueId> rechecked;
  std::vector<std::string> deferrals;  ///< as accounting hears of them
  std::vector<std::string> decided_ids;
  std::vector<std::string> ended_ids;
  std::shared_ptr<BackoffTwin> twin;
  QueuePolicyRef last_policy;
  Instant leave_until;  ///< of the session opened last
  std::vector<Job*> settling;
  std::vector<std::pair<unsigned, LeaseMessage>> sent;
  std::map<OutcomeKind, int> finals;
  std::string last_text;
  Outcome last_outcome;

 private:
  SchedulerOptions options_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace ringpost::schedule::test
