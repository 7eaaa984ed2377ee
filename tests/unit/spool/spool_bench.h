#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "spool/spool.h"
#include "tests/sim/world/sim_disk.h"

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
  void wake_peer(unsigned) override {}
  void wake() override {}
  void pass(Duration time) { now_ = {now_.instant + time, now_.wall + time}; }

  bool slow = false;  ///< no operation ends

 private:
  sim::SimDisk& disk_;
  Random random_;
  Now now_;
};

/// A recipient that was offered for scheduling.
struct Offered {
  SpoolHandle message;
  MessageId id;
  std::string domain;
  std::string vmta;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint16_t attempts = 0;
  bool ambiguous = false;
  WallTime next;
};

class TestAdmissions : public AdmissionSink {
 public:
  bool admit(const Admission& a) override {
    if (closed || (refuse_every > 0 && ++asked % refuse_every == 0)) {
      return false;
    }
    offered.push_back({a.message, a.id, std::string(a.domain), std::string(a.vmta), a.first,
                       a.count, a.attempts, a.ambiguous_before, a.next_attempt});
    return true;
  }

  std::deque<Offered> offered;
  unsigned refuse_every = 0;
  unsigned asked = 0;
  bool closed = false;
};

/// A settled record that owns its texts.
struct Accounted {
  std::uint64_t sequence = 0;
  MessageId id;
  OutcomeKind kind = OutcomeKind::pending;
  bool ambiguous = false;
  std::uint16_t attempts = 0;
  std::string recipient;
  std::string reverse_path;
  std::string text;
  std::string host;
};

/// Accounting whose file survives any crash; what is archived is set by the test. As the real one
/// does, it knows what its file has and passes over what a restart offers again.
class TestOutcomes : public OutcomeSink {
 public:
  bool account(const SettledRecord& r) override {
    if (closed || (refuse_every > 0 && ++asked % refuse_every == 0)) {
      return false;
    }
    const Accounted now{r.sequence, r.id, r.kind, r.ambiguous, r.attempts,
                        std::string(r.recipient), std::string(r.reverse_path),
                        std::string(r.text), std::string(r.host)};
    const auto [known, fresh] = ever.emplace(std::pair(r.log, r.sequence), now);
    consistent = consistent && known->second.id == now.id &&
                 known->second.recipient == now.recipient && known->second.kind == now.kind;
    std::uint64_t& last = last_sequence[r.log];
    if (r.sequence <= last) {
      consistent = consistent && !fresh;
      return true;
    }
    last = r.sequence;
    records.push_back(now);
    return true;
  }
  std::uint64_t archived(std::uint16_t log) const override {
    const auto found = archive.find(log);
    return found == archive.end() ? 0 : found->second;
  }
  void archive_all() { archive = last_sequence; }
  /// A restart after which only the archive is left: what lay above it is offered again.
  void lose_unarchived() {
    for (auto& [log, last] : last_sequence) {
      last = archive[log];
    }
    std::erase_if(records, [&](const Accounted& r) { return r.sequence > archive[0]; });
  }

  std::vector<Accounted> records;
  std::map<std::pair<std::uint16_t, std::uint64_t>, Accounted> ever;
  std::map<std::uint16_t, std::uint64_t> last_sequence;
  std::map<std::uint16_t, std::uint64_t> archive;
  unsigned refuse_every = 0;
  unsigned asked = 0;
  bool closed = false;
  /// A sequence always means the same outcome, and comes in order.
  bool consistent = true;
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
};
TestMail make_mail(std::uint64_t number, std::size_t content_bytes, std::size_t recipients = 1);

/// One run of a spool, from start to crash or stop.
class Session {
 public:
  Session(sim::SimFiles& files, const SpoolOptions& options, TestAdmissions& admissions,
      TestOutcomes& outcomes, std::uint64_t seed, unsigned shards = 1, unsigned shard = 0,
      Now start = {Instant{Duration::hours(1).ns}, WallTime{1'800'000'000'000'000}});
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
  /// A job for all recipients of an offer.
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
