// What is counted on one connection, or in one transaction: max-msg-per-connection,
// max-errors-per-connection and max-rcpt-per-message, with 1 to 8 shards, over reloads that change
// them while mail is under way, orderly ends and crashes; and that connections and transactions are
// as full as they may be, so that none of these limits costs more than it says.
//
//   RINGPOST_SIM_SEED=N    first seed (default 1)
//   RINGPOST_SIM_SEEDS=N   how many (default 200; a sanitizer's build a tenth)

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/number_from.h"
#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine_run.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 20;
#else
constexpr std::uint64_t kSeeds = 200;
#endif

const SocketAddress kServer{IpAddress::v4(127, 0, 0, 1), 2525};

/// Of a domain; 0: no limit.
struct Limits {
  unsigned messages = 0;    ///< on a connection
  unsigned errors = 0;      ///< on a connection
  unsigned recipients = 0;  ///< in a transaction
  unsigned connections = 1;
  bool operator==(const Limits&) const = default;
};

struct Destination {
  std::string name;
  Limits limits;
  std::unique_ptr<Receiver> host;
};

/// What the runs below have in common: a machine, some domains with a host each, mail for them.
class PerConnection : protected MachineRun {
 public:
  explicit PerConnection(std::uint64_t seed) : MachineRun(seed), random_(world_.random()) {
    NetFaults& faults = network_.faults();
    faults.latency_max = Duration::milliseconds(random_.between(1, 40));
    if (random_.chance(30)) {
      world_.turns_take(Duration::microseconds(random_.between(5, 1000)));
    }
    there_and_back_ = faults.latency_max * 2 + Duration::milliseconds(100);
    for (int i = 0; i < 3; ++i) {
      injectors_.push_back(std::make_unique<Injector>(outside_, kServer));
    }
  }

 protected:
  void add_destination() {
    const auto number = static_cast<std::uint8_t>(destinations_.size() + 1);
    Destination& one = destinations_.emplace_back();
    one.name = "d" + std::to_string(number) + ".example";
    const IpAddress ip = IpAddress::v4(12, 0, 1, number);
    zone_.add_mx(one.name, 10, "mx." + one.name);
    zone_.add_a("mx." + one.name, ip.text());
    one.host = std::make_unique<Receiver>(outside_, SocketAddress{ip, 25});
    one.host->manners.pipelining = random_.chance(60);
    one.host->manners.chunking = random_.chance(50);
    one.host->manners.there_and_back = there_and_back_;
  }

  std::string text() const {
    std::string out =
        "host-name mail.sender.example\nsmtp-listener 127.0.0.1:2525\nspool /spool\n"
        "shutdown-timeout 60s\n<acct-file /acct.csv>\n</acct-file>\n"
        "<source 127.0.0.1>\nalways-allow-relaying yes\ndefault-virtual-mta a\n</source>\n"
        "<virtual-mta a>\nsmtp-source-host 10.1.0.1 a.example\n</virtual-mta>\n"
        "<domain *>\nretry-after 2s\nretry-recipients-after 2s\nbounce-after 9d\n</domain>\n";
    const auto count = [](unsigned limit) {
      return (limit == 0 ? std::string("unlimited") : std::to_string(limit)) + "\n";
    };
    for (const Destination& one : destinations_) {
      out += "<domain " + one.name + ">\nmax-smtp-out " + std::to_string(one.limits.connections) +
             "\nmax-msg-per-connection " + count(one.limits.messages) +
             "max-errors-per-connection " + count(one.limits.errors) + "max-rcpt-per-message " +
             count(one.limits.recipients) + "</domain>\n";
    }
    return out;
  }

  /// Returns how many recipients it has.
  unsigned send(const Destination& to) {
    const std::size_t number = ledger_.mails.size();
    Mail mail;
    mail.from = "s" + std::to_string(number) + "@inject.example";
    const auto recipients = static_cast<unsigned>(1 + random_.below(random_.chance(30) ? 12 : 2));
    for (unsigned r = 0; r < recipients; ++r) {
      mail.to.push_back("r" + std::to_string(number) + "." + std::to_string(r) + "@" + to.name);
    }
    mail.notify.assign(mail.to.size(), "NEVER");
    mail.content = "Subject: x\r\nMessage-ID: <m@inject.example>\r\n\r\nhello\r\n";
    mail.expected = Injector::wire_form(mail.content);
    ledger_.mails.push_back(std::move(mail));
    injectors_[number % injectors_.size()]->submit(number);
    return recipients;
  }

  bool start() {
    return snapshot_ != nullptr && MachineRun::start(static_cast<unsigned>(1 + random_.below(8)));
  }
  bool good() const { return ledger_.complaints().empty() && machine_ != nullptr; }

  bool all_taken() {
    const auto idle = [](const auto& injector) { return injector->idle(); };
    return world_.run_until([&] { return std::all_of(injectors_.begin(), injectors_.end(), idle); },
                            Duration::minutes(10));
  }

  void finish() {
    if (good() && !(all_taken() &&
                    world_.run_until([&] { return machine_->settled(); }, Duration::hours(2)))) {
      ledger_.complain("NOT LIVE: " + std::to_string(machine_->status().queued_recipients) +
                       " recipients are left");
    }
    if (good() && stop()) {
      ledger_.reconcile(accounts_.text_of("/acct.csv"));
    }
  }

  Random& random_;
  Duration there_and_back_;
  std::vector<Destination> destinations_;
  std::vector<std::unique_ptr<Injector>> injectors_;
};

/// Limits that change again and again while mail is under way.
class ChangingRun : private PerConnection {
 public:
  explicit ChangingRun(std::uint64_t seed) : PerConnection(seed) {
    for (std::uint64_t n = 1 + random_.below(3); n > 0; --n) {
      add_destination();
      Manners& manners = destinations_.back().host->manners;
      manners.rcpt_never = static_cast<unsigned>(random_.chance(50) ? random_.below(40) : 0);
      manners.rcpt_later = static_cast<unsigned>(random_.chance(50) ? random_.below(40) : 0);
    }
    draw_limits();
    use_limits();
  }

  std::vector<std::string> run() {
    configure(text());
    start();
    for (std::uint64_t n = 2 + random_.below(4); n > 0 && good(); --n) {
      for (std::uint64_t mails = 20 + random_.below(60); mails > 0; --mails) {
        send(destinations_[random_.below(destinations_.size())]);
      }
      world_.run_for(world_.delay_between(Duration{0}, Duration::seconds(4)));
      if (random_.chance(25)) {
        restart();
      } else {
        change();
      }
    }
    finish();
    return ledger_.complaints();
  }
  std::uint64_t busy_changes() const { return busy_changes_; }

 private:
  void draw_limits() {
    for (Destination& one : destinations_) {
      const auto draw = [&](unsigned most) {
        return random_.chance(40) ? 0 : static_cast<unsigned>(1 + random_.below(most));
      };
      one.limits = {draw(8), draw(4), static_cast<unsigned>(1 + random_.below(6)),
                    static_cast<unsigned>(1 + random_.below(3))};
    }
  }
  void use_limits() {
    for (Destination& one : destinations_) {
      expect(one, one.limits);
    }
  }
  static void expect(Destination& of, const Limits& limits) {
    of.host->manners.messages_max = limits.messages;
    of.host->manners.refused_max = limits.errors;
    of.host->manners.recipients_max = limits.recipients;
  }
  /// What holds for a connection of which nobody knows by which of the two it was opened.
  static Limits looser(const Limits& a, const Limits& b) {
    const auto more = [](unsigned x, unsigned y) { return x == 0 || y == 0 ? 0 : std::max(x, y); };
    return {more(a.messages, b.messages), more(a.errors, b.errors),
            more(a.recipients, b.recipients), 0};
  }

  void change() {
    std::vector<Limits> before;
    for (const Destination& one : destinations_) {
      before.push_back(one.limits);
      busy_changes_ += one.host->open_sessions() > 0 ? 1 : 0;
    }
    draw_limits();
    for (std::size_t i = 0; i < destinations_.size(); ++i) {
      expect(destinations_[i], looser(destinations_[i].limits, before[i]));
    }
    const Instant begun = world_.instant();
    reload(text());
    world_.run_for(Duration::seconds(1));
    use_limits();
    for (std::size_t i = 0; i < destinations_.size(); ++i) {
      const Limits& now = destinations_[i].limits;
      if (now.messages != before[i].messages || now.errors != before[i].errors) {
        destinations_[i].host->sender_changed(begun);
      }
    }
  }

  void restart() {
    if (random_.chance(40)) {
      if (!stop()) {
        return;
      }
    } else {
      crash(random_.chance(50));
    }
    world_.run_for(Duration::seconds(1));
    draw_limits();
    use_limits();
    configure(text());
    start();
  }

  std::uint64_t busy_changes_ = 0;
};

/// Runs all seeds, some at a time in a child: what a crash leaves in memory goes with it. Returns
/// the sum of what `run` returns; it reports what is wrong.
template <class Run>
std::uint64_t run_seeds(std::uint64_t seeds, Run run) {
  constexpr std::uint64_t kSeedsPerChild = 20;
  void* const page = ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    ADD_FAILURE() << "no memory to share";
    return 0;
  }
  auto* const sum = static_cast<std::uint64_t*>(page);
  const std::uint64_t first = number_from("RINGPOST_SIM_SEED", 1);
  const std::uint64_t end = first + seeds;
  for (std::uint64_t from = first; from < end; from += kSeedsPerChild) {
    const std::uint64_t to = std::min(end, from + kSeedsPerChild);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      for (std::uint64_t seed = from; seed < to; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        *sum += run(seed);
      }
      std::fflush(nullptr);
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "one of the seeds " << from << " to " << to - 1;
  }
  const std::uint64_t total = *sum;
  ::munmap(page, sizeof(std::uint64_t));
  return total;
}

template <class Run>
std::uint64_t complaints_of(Run&& run) {
  for (const std::string& complaint : run.run()) {
    ADD_FAILURE() << complaint;
  }
  return run.busy_changes();
}

TEST(PerConnectionSim, LimitsHoldOverReloadsAndRestarts) {
  const std::uint64_t seeds = number_from("RINGPOST_SIM_SEEDS", kSeeds);
  const std::uint64_t busy =
      run_seeds(seeds, [](std::uint64_t seed) { return complaints_of(ChangingRun(seed)); });
  std::printf("%lu reloads with connections open\n", busy);
  EXPECT_GE(busy, seeds / 2) << "the seeds draw too little";
}

/// Mail that waits until all of it is there, for hosts that take everything.
class FullRun : private PerConnection {
 public:
  explicit FullRun(std::uint64_t seed) : PerConnection(seed) {
    add_destination();
    to().limits = {static_cast<unsigned>(1 + random_.below(12)), 0,
                   static_cast<unsigned>(1 + random_.below(6)),
                   static_cast<unsigned>(1 + random_.below(4))};
  }

  std::vector<std::string> run() {
    configure(text());
    if (start()) {
      machine_->command(app::ControlKind::pause, "*/*");
      world_.run_for(Duration::seconds(1));
      const unsigned each = to().limits.recipients;
      for (std::uint64_t mails = 30 + random_.below(100); mails > 0; --mails) {
        wanted_ += (send(to()) + each - 1) / each;
      }
      if (!all_taken()) {
        ledger_.complain("mail was not taken");
      }
      machine_->command(app::ControlKind::resume, "*/*");
      finish();
    }
    compare();
    return ledger_.complaints();
  }
  static std::uint64_t busy_changes() { return 0; }

 private:
  Destination& to() { return destinations_.front(); }

  void compare() {
    unsigned all = 0;
    unsigned cut_short = 0;
    for (const unsigned transactions : to().host->transactions()) {
      all += transactions;
      cut_short += transactions > 0 && transactions < to().limits.messages ? 1 : 0;
    }
    if (all != wanted_) {
      ledger_.complain(std::to_string(all) + " transactions, " + std::to_string(wanted_) +
                       " would do");
    }
    // The last one of each that are open at once.
    if (cut_short > to().limits.connections) {
      ledger_.complain(std::to_string(cut_short) + " connections were not used up, " +
                       std::to_string(to().limits.connections) + " are open at once");
    }
  }

  unsigned wanted_ = 0;
};

TEST(PerConnectionSim, LimitsAreUsedUp) {
  run_seeds(number_from("RINGPOST_SIM_SEEDS", kSeeds),
            [](std::uint64_t seed) { return complaints_of(FullRun(seed)); });
}

}  // namespace
}  // namespace ringpost::sim
