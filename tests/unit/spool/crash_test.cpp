// Seeded crash tests: a random workload on a tiny profile, cut by kills, power cuts and clean
// stops at random moments, with and without I/O errors; then everything is drained and held
// against what was promised. A few hundred seeds take a second; the long form is
//   RINGPOST_SEEDS=10000 unit_spool --gtest_filter='SpoolCrash.*'
// and RINGPOST_FIRST_SEED=100037 RINGPOST_SEEDS=1 repeats one that failed.

#include <gtest/gtest.h>

#include <set>

#include "tests/number_from.h"
#include "tests/unit/spool/spool_bench.h"

namespace ringpost::spool::testing {
namespace {

using Place = std::pair<MessageId, std::uint32_t>;  ///< message and recipient

class CrashWorld {
 public:
  CrashWorld(std::uint64_t seed, bool errors) : random_(seed), files_(seed + 7), seed_(seed) {
    options_.block_bytes = random_.chance(50) ? kSector : 1024;
    options_.checkpoint_bytes_per_turn = random_.chance(50) ? 64 : 4096;
    options_.compact_percent = random_.chance(80) ? 60 : 0;
    options_.compact_look =
        Duration::milliseconds(5 + static_cast<std::int64_t>(random_.below(40)));
    options_.compact_pause = Duration::milliseconds(1);
    options_.compact_bytes = random_.chance(50) ? 4096 : 16 << 10;
    options_.receipts = seed % 2 == 0;
    errors_ = errors;
    outcomes_.refuse_every = random_.chance(30) ? 3 : 0;
    admissions_.refuse_every = random_.chance(30) ? 3 : 0;
  }

  void run() {
    files_.faults = {};
    const std::uint64_t crashes = 2 + random_.below(4);
    for (std::uint64_t i = 0; i <= crashes && !::testing::Test::HasFailure(); ++i) {
      start();
      work(30 + random_.below(150));
      crash();
    }
    files_.faults = {};
    start();
    drain();
    check();
    moved_ += session_->spool->stats().compacted_messages;
  }
  /// Messages that compaction moved.
  std::uint64_t moved() const { return moved_; }

 private:
  struct Mail {
    TestMail mail;
    bool acknowledged = false;
    bool refused = false;
    MessageId id;
  };
  struct Out {
    Session::Work* work = nullptr;
    Offered offered;
    bool checked = false;
  };

  void start() {
    files_.faults = {};
    session_ = std::make_unique<Session>(files_, options_, admissions_, outcomes_,
                                         seed_ * 100 + ++runs_, 1, 0, clock_);
    ASSERT_TRUE(session_->started()) << session_->error.describe();
    RecoveryReport found = session_->report;
    if (errors_) {
      // The header of a file given up after a torn write: reported, nothing was in it.
      found.damaged_segments = 0;
    }
    ASSERT_FALSE(found.damage()) << found.summary();
    offered_this_run_.clear();
    if (errors_) {
      files_.faults.write_error = static_cast<unsigned>(random_.below(4));
      files_.faults.short_write = static_cast<unsigned>(random_.below(3));
      files_.faults.sync_error = static_cast<unsigned>(random_.below(4));
      files_.faults.prepare_error = static_cast<unsigned>(random_.below(20));
    }
  }

  void crash() {
    gather();
    moved_ += session_->spool->stats().compacted_messages;
    const std::uint64_t how = random_.below(10);
    files_.faults = {};
    if (how < 2 && commits_.empty() && out_.empty()) {
      ASSERT_TRUE(session_->stop()) << "seed " << seed_;
      gather();
    } else if (how < 5) {
      files_.kill();
    } else {
      files_.crash();
    }
    clock_ = session_->driver.now();
    clock_ = {clock_.instant + Duration::seconds(1), clock_.wall + Duration::seconds(1)};
    session_.reset();
    commits_.clear();
    out_.clear();
    admissions_.offered.clear();
    if (random_.chance(20)) {
      outcomes_.lose_unarchived();
    }
  }

  void work(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      switch (random_.below(8)) {
        case 0:
        case 1: submit(); break;
        case 2:
        case 3: issue(); break;
        case 4:
        case 5: settle(); break;
        case 6:
          if (random_.chance(20)) {
            outcomes_.archive_all();
          }
          defer_queue();
          break;
        default: turns(random_.below(30)); break;
      }
      turns(random_.below(3));
      gather();
    }
  }

  /// A queue is put off; each time it has a name of its own.
  void defer_queue() {
    const std::string name = "queue" + std::to_string(queues_noted_++);
    SettledRecord record;
    record.kind = OutcomeKind::deferred;
    record.queue = name;
    record.text = "refused";
    session_->spool->note_queue(record);
  }

  void turns(std::uint64_t count) {
    for (; count > 0; --count) {
      session_->turn();
    }
  }

  void submit() {
    const std::uint64_t number = mails_.size();
    const bool large = random_.chance(15);
    const std::size_t bytes = large ? 5'000 + random_.below(15'000) : 60 + random_.below(3'000);
    Mail mail;
    mail.mail = make_mail(number, bytes, 1 + random_.below(4));
    const std::uint64_t declared = large && random_.chance(60) ? bytes : 0;
    mails_.push_back(mail);
    Session::Commit& commit = session_->submit(mails_.back().mail, declared);
    commit.number = number;
    commits_.push_back(&commit);
  }

  void issue() {
    if (admissions_.offered.empty() || out_.size() > 20) {
      return;
    }
    const Offered offered = admissions_.offered.front();
    admissions_.offered.pop_front();
    note_offer(offered);
    out_.push_back({&session_->issue(offered), offered});
    for (std::uint32_t i = 0; i < offered.count; ++i) {
      issued_ever_.insert({offered.id, offered.first + i});
    }
  }

  void note_offer(const Offered& offered) {
    for (std::uint32_t i = offered.first; i < offered.first + offered.count; ++i) {
      const Place place{offered.id, i};
      EXPECT_TRUE(offered_this_run_.insert(place).second) << "offered twice, seed " << seed_;
      EXPECT_EQ(0U, settled_durably(offered.id, i)) << "settled mail came back, seed " << seed_;
      if (offered.ambiguous) {
        EXPECT_EQ(1U, issued_ever_.count(place)) << "marked without cause, seed " << seed_;
      } else {
        EXPECT_EQ(0U, attempted_.count(place)) << "an attempt is forgotten, seed " << seed_;
      }
    }
  }

  std::size_t settled_durably(const MessageId& id, std::uint32_t index) {
    std::size_t finals = 0;
    for (const auto& [place, record] : outcomes_.ever) {
      finals += record.id == id && record.final() &&
                        record.recipient.rfind("user" + std::to_string(index) + "@", 0) == 0
                    ? 1
                    : 0;
    }
    return finals;
  }

  void settle() {
    if (out_.empty()) {
      return;
    }
    const std::size_t chosen = random_.below(out_.size());
    const Out out = out_[chosen];
    if (!out.work->opened) {
      return;
    }
    out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(chosen));
    ASSERT_EQ(0, out.work->job.opened.result) << describe(out);
    check_content(out);
    constexpr OutcomeKind kKinds[] = {OutcomeKind::delivered, OutcomeKind::bounced,
                                      OutcomeKind::deferred, OutcomeKind::returned};
    const OutcomeKind kind = kKinds[random_.below(4)];
    session_->settle_now(*out.work, kind);
    if (!is_final(kind)) {
      // A restart may find the mark or, where the outcome came to the disk, not.
      for (std::uint32_t i = 0; i < out.offered.count; ++i) {
        attempted_.erase({out.offered.id, out.offered.first + i});
      }
      // The scheduler would try again: in this run it may be issued once more.
      admissions_.offered.push_back(out.offered);
      for (std::uint32_t i = 0; i < out.offered.count; ++i) {
        offered_this_run_.erase({out.offered.id, out.offered.first + i});
      }
      admissions_.offered.back().ambiguous = false;
    }
  }

  std::string describe(const Out& out) const {
    std::string text = "message " + out.offered.id.text() + ", seed " + std::to_string(seed_);
    for (const Mail& mail : mails_) {
      text += mail.id == out.offered.id ? ", acknowledged as " + mail.mail.from : "";
    }
    return text;
  }

  void check_content(const Out& out) {
    const MessageView& view = out.work->job.view;
    const std::string& from = std::string(view.envelope.reverse_path);
    std::uint64_t number = ~0ULL;
    for (std::uint64_t n = 0; n < mails_.size(); ++n) {
      number = mails_[n].mail.from == from ? n : number;
    }
    ASSERT_LT(number, mails_.size()) << "a message nobody sent, seed " << seed_;
    const Mail& mail = mails_[number];
    EXPECT_FALSE(mail.refused) << "refused mail is delivered, seed " << seed_;
    EXPECT_EQ(mail.mail.prefix + mail.mail.content, body_of(view)) << "seed " << seed_;
    EXPECT_EQ(mail.mail.to.size(), view.envelope.recipients.size());
    if (mail.acknowledged) {
      EXPECT_EQ(mail.id, view.id);
    }
  }

  /// Notes what was acknowledged since.
  void gather() {
    std::erase_if(commits_, [&](Session::Commit* commit) {
      if (!commit->done) {
        return false;
      }
      Mail& mail = mails_[commit->number];
      mail.acknowledged = commit->result == 0;
      mail.id = commit->id;
      // A refusal is only binding once its note is durable; that is tested by itself.
      EXPECT_TRUE(errors_ || mail.acknowledged || commit->result == -105) << commit->result;
      return true;
    });
    for (const Out& out : out_) {
      for (std::uint32_t i = 0; out.work->opened && i < out.offered.count; ++i) {
        attempted_.insert({out.offered.id, out.offered.first + i});
      }
    }
    EXPECT_TRUE(outcomes_.consistent) << "seed " << seed_;
  }

  /// Delivers everything that is left.
  void drain() {
    first_kept_queue_ = queues_noted_;
    defer_queue();
    for (int i = 0; i < 20'000 && !::testing::Test::HasFailure(); ++i) {
      issue();
      turns(2);
      for (std::size_t n = 0; n < out_.size();) {
        if (!out_[n].work->opened) {
          ++n;
          continue;
        }
        ASSERT_EQ(0, out_[n].work->job.opened.result) << describe(out_[n]);
        check_content(out_[n]);
        session_->settle_now(*out_[n].work, OutcomeKind::delivered);
        out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(n));
      }
      const SpoolStats stats = session_->spool->stats();
      if (stats.messages == 0 && stats.accounting_behind == 0 && stats.unsynced_outcomes == 0) {
        return;
      }
    }
    ADD_FAILURE() << "did not drain, seed " << seed_ << ", " << session_->spool->stats().messages
                  << " messages left";
  }

  void check() {
    EXPECT_TRUE(outcomes_.consistent) << "seed " << seed_;
    EXPECT_EQ(0U, session_->spool->stats().accounting_lost) << "seed " << seed_;
    std::map<std::pair<std::string, std::string>, int> finals;
    std::map<std::pair<std::string, std::string>, int> receipts;
    std::map<std::string, int> queues;
    for (const Accounted& record : outcomes_.records) {
      if (record.final()) {
        ++finals[{record.reverse_path, record.recipient}];
      } else if (record.type == RecordType::received) {
        ++receipts[{record.reverse_path, record.recipient}];
      } else if (record.type == RecordType::queue) {
        ++queues[record.queue];
      }
    }
    for (const auto& [name, count] : queues) {
      EXPECT_EQ(1, count) << name << ", seed " << seed_;
    }
    EXPECT_EQ(1, queues["queue" + std::to_string(first_kept_queue_)]) << "seed " << seed_;
    for (const Mail& mail : mails_) {
      for (const std::string& to : mail.mail.to) {
        const int count = finals[{mail.mail.from, to}];
        EXPECT_EQ(options_.receipts ? count : 0, (receipts[{mail.mail.from, to}]))
            << "receipts of " << mail.mail.from << " to " << to << ", seed " << seed_;
        if (mail.acknowledged) {
          EXPECT_EQ(1, count) << mail.mail.from << " to " << to << ", seed " << seed_;
        } else {
          EXPECT_LE(count, 1) << mail.mail.from << " to " << to << ", seed " << seed_;
        }
      }
    }
    outcomes_.archive_all();
    // Active, opened ahead, one for copies, spares up to their maximum, and one on its way; of the
    // journal, what was written since the last checkpoint began, which in pieces of 64 octets is
    // long itself.
    const std::uint64_t journal_most = 10 * options_.journal_segment_bytes;
    const auto recycled = [&] {
      const SpoolStats stats = session_->spool->stats();
      return stats.segments <= 7 && stats.journal_bytes <= journal_most;
    };
    EXPECT_TRUE(session_->turn_until(recycled, 800))
        << "segments leak, seed " << seed_ << ": " << session_->spool->stats().segments << ", "
        << session_->spool->stats().journal_bytes << " octets of journal";
  }

  Random random_;
  sim::SimFiles files_;
  std::uint64_t seed_;
  bool errors_ = false;
  SpoolOptions options_ = tiny_options();
  TestAdmissions admissions_;
  TestOutcomes outcomes_;
  Now clock_{Instant{Duration::hours(1).ns}, WallTime{1'800'000'000'000'000}};
  std::unique_ptr<Session> session_;
  std::uint64_t runs_ = 0;
  std::uint64_t moved_ = 0;
  unsigned queues_noted_ = 0;
  unsigned first_kept_queue_ = 0;  ///< of the last run, which is not cut
  std::deque<Mail> mails_;
  std::vector<Session::Commit*> commits_;
  std::vector<Out> out_;
  std::set<Place> offered_this_run_;
  std::set<Place> issued_ever_;
  /// Opened, and not known to have ended otherwise than finally: marked if they come back.
  std::set<Place> attempted_;
};

void run_seeds(std::uint64_t first, std::uint64_t count, bool errors) {
  first = number_from("RINGPOST_FIRST_SEED", first);
  count = number_from("RINGPOST_SEEDS", count);
  std::uint64_t moved = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashWorld world(seed, errors);
    world.run();
    if (::testing::Test::HasFailure()) {
      return;
    }
    moved += world.moved();
  }
  ::testing::Test::RecordProperty("moved", std::to_string(moved));
  EXPECT_TRUE(count < 100 || moved > 0) << "no seed compacts";
}

TEST(SpoolCrash, WithoutErrors) { run_seeds(1, 150, false); }

TEST(SpoolCrash, WithErrors) { run_seeds(100'001, 150, true); }

}  // namespace
}  // namespace ringpost::spool::testing
