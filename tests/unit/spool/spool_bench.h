#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "spool/spool.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/unit/spool/spool_sinks.h"

namespace ringpost::spool::testing {

class TestEntropy : public Entropy {
 public:
  explicit TestEntropy(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<unsigned char> out) override {
    for (unsigned char& octet : out) {
      octet = static_cast<unsigned char>(random_.next());
    }
  }

 private:
  Random random_;
};

/// Steps the simulated disk a random number of operations a turn; time passes when all is quiet.
class TestDriver : public Driver {
 public:
  TestDriver(sim::SimDisk& disk, std::uint64_t seed, Now start)
      : disk_(disk), random_(seed), now_(start) {}

  Now now() override { return now_; }
  void wait(ReadyList& ready, Instant until) override {
    pass(Duration::microseconds(50));
    bool any = false;
    for (std::uint64_t i = random_.below(3); !slow && i > 0; --i) {
      any = disk_.step(ready) || any;
    }
    if (any || until <= now_.instant) {
      return;
    }
    if (!slow && disk_.step(ready)) {
      return;
    }
    pass(std::min(until - now_.instant, Duration::milliseconds(50)));
  }
  void finish(Completion&, std::int32_t) override {}
  void wake_peer(unsigned) override {}
  void wake() override {}
  void pass(Duration time) { now_ = {now_.instant + time, now_.wall + time}; }

  bool slow = false;  ///< no operation ends

 private:
  sim::SimDisk& disk_;
  Random random_;
  Now now_;
};

class NoLetters : public LetterHandler {
 public:
  void on_letter(const Letter&, Now) override {}
};

/// A message to submit, and its content in wire form.
struct TestMail {
  std::string from = "sender@example.net";
  std::vector<std::string> to;
  std::string content;
  std::string prefix = "Received: by test\r\n";
  std::string vmta = "default";
  std::string noted;
  std::uint64_t sender_rule = 0;
  std::vector<std::uint8_t>
      priorities;  ///< of the first recipients; the others have the normal one
  SigningFacts signing;
  bool dated_late = false;
};
TestMail make_mail(std::uint64_t number, std::size_t content_bytes, std::size_t recipients = 1);

/// One run of a spool, from start to crash or stop.
class Session {
 public:
  Session(sim::SimFiles& files, const SpoolOptions& options, TestAdmissions& admissions,
          TestOutcomes& outcomes, std::uint64_t seed, unsigned shards = 1, unsigned shard = 0,
          Now start = {Instant{Duration::hours(1).ns}, WallTime{1'800'000'000'000'000}},
          ReportSink* reports = nullptr);
  ~Session();

  bool started() const { return error.code == ErrorCode::none; }
  void turn() { loop_.turn(loop_.now().instant + Duration::milliseconds(20)); }
  /// Turns until `done()` holds; false after a great many turns.
  template <class Done>
  bool turn_until(Done done, int turns = 20'000) {
    for (int i = 0; i < turns; ++i) {
      if (done()) {
        return true;
      }
      turn();
    }
    return done();
  }
  void settle_down(int turns = 60) {
    for (int i = 0; i < turns; ++i) {
      turn();
    }
  }

  struct Commit : CommitOp {
    bool done = false;
    std::uint64_t number = 0;
    void on_done(Completion&) { done = true; }
  };
  struct Work {
    Job job;
    bool opened = false;
    bool settled = false;
    void on_opened(Completion&) { opened = true; }
    void on_settled(Completion&) { settled = true; }
  };

  /// Appends in pieces and commits; the commit may never complete.
  Commit& submit(const TestMail& mail, std::uint64_t declared = 0);
  /// Submits and turns until it is durable or refused; result.
  std::int32_t deliver_in(const TestMail& mail, MessageId* id = nullptr);
  /// A job for all recipients of an offer, not opened.
  Work& plan(const Offered& offered);
  /// The same, opened.
  Work& issue(const Offered& offered);
  Work& open_now(const Offered& offered);
  void settle_now(Work& work, OutcomeKind kind, std::string_view text = "ok");
  /// Clean stop; false if it did not end.
  bool stop();

  sim::SimFiles& files;
  sim::SimDisk disk;
  TestDriver driver;
  TestEntropy entropy;
  Error error;
  RecoveryReport report;
  std::unique_ptr<SpoolFolder> folder;
  std::unique_ptr<Spool> spool;

  Loop& loop() { return loop_; }

 private:
  void on_stopped(Completion&) { stopped_ = true; }

  NoLetters letters_;
  Mailroom mailroom_{1, 16};
  Loop loop_;
  std::deque<Commit> commits_;
  std::deque<Work> works_;
  Completion stop_;
  bool stopped_ = false;
};

/// Segments of 64 KiB with sectors as blocks, small journals, two spares.
SpoolOptions tiny_options();
std::string body_of(const MessageView& view);

}  // namespace ringpost::spool::testing
