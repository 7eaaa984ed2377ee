// Turns inside a queue, over whole machines: behind a backlog of others the single message of
// another tenant, that of another job and one of higher priority start within the bounds of
// docs/limits.md; those that were on disk with the backlog when the daemon was killed, lost its
// power or stopped, and those that come while what it left is being sent.
//
//   RINGPOST_SIM_SEED=N    first seed (default 46)
//   RINGPOST_SIM_SEEDS=N   how many (default 9)

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/number_from.h"
#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine_run.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {
namespace {

const SocketAddress kServer{IpAddress::v4(127, 0, 0, 1), 2525};
const SocketAddress kHost{IpAddress::v4(12, 0, 1, 1), 25};
constexpr std::size_t kSessions = 3;
constexpr std::size_t kTakenAhead = 12;  ///< by a session at most
/// Of a recipient each: of two tenants, of the job, and of the tenant with one message.
constexpr std::size_t kTurns = 4;
constexpr std::size_t kQuicker = 12;  ///< others that quicker sessions begin meanwhile
constexpr int kBacklog = 400;
constexpr std::size_t kLate = 150;  ///< of them are sent when others come

const char* const kConfiguration =
    "host-name mail.sender.example\nsmtp-listener 127.0.0.1:2525\nspool /spool\n"
    "<acct-file /acct.csv>\n</acct-file>\n"
    "<pattern-list ranks>\nrcpt-to /urgent@/ recipient-priority=90\n</pattern-list>\n"
    "<source 127.0.0.1>\nalways-allow-relaying yes\nprocess-x-job yes\npattern-list ranks\n"
    "</source>\n"
    "<domain *>\nmax-smtp-out 3\n</domain>\n";

enum class End { kill, power_cut, stop };

/// One seed.
class TenantsRun : private MachineRun {
 public:
  TenantsRun(std::uint64_t seed, End end) : MachineRun(seed), end_(end) {
    network_.faults().latency_max = Duration::milliseconds(world_.random().between(1, 30));
    if (world_.random().chance(30)) {
      world_.turns_take(Duration::microseconds(world_.random().between(5, 1000)));
    }
    zone_.add_mx("big.example", 10, "mx.big.example");
    zone_.add_a("mx.big.example", kHost.ip.text());
    host_ = std::make_unique<Receiver>(outside_, kHost);
    host_->manners.chunking = world_.random().chance(50);
    clean_before_grouping_ = 3;  // sessions take mail ahead soon
    for (int i = 0; i < 3; ++i) {
      injectors_.push_back(std::make_unique<Injector>(outside_, kServer));
    }
    configure(kConfiguration);
  }

  std::vector<std::string> run() {
    if (start(draw_shards()) && fill() && end_life() && start(draw_shards()) && go_on()) {
      stop();
      ledger_.reconcile(accounts_.text_of("/acct.csv"));
    }
    return ledger_.complaints();
  }
  std::size_t most_before() const { return most_before_; }

 private:
  /// Single messages among others, that have come when `since` recipients had been sent.
  struct Singles {
    std::string tenant;
    std::string job;
    std::string urgent;
    std::size_t since = 0;
  };

  unsigned draw_shards() { return static_cast<unsigned>(1 + world_.random().below(3)); }

  std::string send(const std::string& tenant, const std::string& mark, const std::string& job) {
    const std::string number = std::to_string(ledger_.mails.size());
    const std::string text = "Subject: x\r\nMessage-ID: <m@inject.example>\r\n\r\nhello\r\n";
    Mail mail;
    mail.from = "s" + number + "@" + tenant;
    mail.to.push_back("r" + number + "." + mark + "@big.example");
    mail.notify.assign(1, "NEVER");
    mail.content = (job.empty() ? "" : "X-Job: " + job + "\r\n") + text;
    mail.expected = Injector::wire_form(text);
    std::string to = mail.to.front();
    ledger_.mails.push_back(std::move(mail));
    const std::size_t sent = ledger_.mails.size() - 1;
    injectors_[sent % injectors_.size()]->submit(sent);
    return to;
  }

  Singles send_singles(const std::string& name) {
    Singles singles;
    singles.tenant = send(name + ".example", "tenant", "");
    singles.job = send("first.example", "job", name);
    singles.urgent = send("first.example", "urgent", "");
    return singles;
  }

  /// What was given to the injectors is accepted.
  bool all_taken() {
    const auto idle = [](const auto& injector) { return injector->idle(); };
    world_.run_until([&] { return std::all_of(injectors_.begin(), injectors_.end(), idle); },
                     Duration::minutes(10));
    for (const Mail& mail : ledger_.mails) {
      if (mail.fate != MailFate::accepted) {
        ledger_.complain(mail.to.front() + " was not taken");
        return false;
      }
    }
    return true;
  }

  /// The queue is paused before any mail comes.
  bool fill() {
    machine_->command(app::ControlKind::pause, "*/*");
    world_.run_for(Duration::seconds(1));
    for (int i = 0; i < kBacklog; ++i) {
      send(i % 5 == 0 ? "second.example" : "first.example", "1", "");
    }
    if (!all_taken()) {
      return false;
    }
    early_ = send_singles("early");
    return all_taken();
  }

  bool end_life() {
    if (end_ == End::stop) {
      return stop();
    }
    crash(end_ == End::power_cut);
    return true;
  }

  bool go_on() {
    const auto waiting = [&] { return machine_->status().queued_recipients; };
    if (!world_.run_until([&] { return waiting() == ledger_.mails.size(); },
                          Duration::minutes(1))) {
      ledger_.complain(std::to_string(waiting()) + " of " + std::to_string(ledger_.mails.size()) +
                       " recipients were found again");
      return false;
    }
    world_.run_for(Duration::seconds(1));
    if (ledger_.named_total() != 0) {
      ledger_.complain("recipients were sent from a paused queue");
    }
    machine_->command(app::ControlKind::resume, "*/*");
    world_.run_until([&] { return ledger_.named_total() >= kLate; }, Duration::minutes(30));
    late_ = send_singles("late");
    if (!all_taken()) {
      return false;
    }
    late_.since = ledger_.named_total();
    if (!world_.run_until([&] { return machine_->settled(); }, Duration::minutes(30))) {
      ledger_.complain("NOT LIVE: " + std::to_string(waiting()) + " recipients are left");
      return false;
    }
    if (late_.since + kSessions * kTakenAhead + kQuicker + 2 * kTurns >= kBacklog) {
      ledger_.complain("hardly any backlog was left for those that came late");
    }
    for (const Singles* singles : {&early_, &late_}) {
      const std::size_t first = singles->since + kSessions * kTakenAhead + 1 + kQuicker;
      check(singles->urgent, first, singles->since);
      check(singles->tenant, first + kTurns, singles->since);
      check(singles->job, first + kTurns, singles->since);
    }
    return true;
  }

  void check(const std::string& to, std::size_t most, std::size_t since) {
    const std::size_t before = ledger_.named_before(to);
    if (before > most) {
      ledger_.complain(to + " started after " + std::to_string(before - since) + " others, not " +
                       std::to_string(most - since));
    }
    most_before_ = std::max(most_before_, before - std::min(before, since));
  }

  End end_;
  std::unique_ptr<Receiver> host_;
  std::vector<std::unique_ptr<Injector>> injectors_;
  Singles early_;
  Singles late_;
  std::size_t most_before_ = 0;
};

TEST(TenantsSim, HaveTheirTurnsAfterARestart) {
  const std::uint64_t first = number_from("RINGPOST_SIM_SEED", 46);
  const std::uint64_t seeds = number_from("RINGPOST_SIM_SEEDS", 9);
  std::size_t most_before = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    constexpr End kEnds[] = {End::kill, End::power_cut, End::stop};
    TenantsRun run(seed, kEnds[seed % 3]);
    for (const std::string& complaint : run.run()) {
      ADD_FAILURE() << "seed " << seed << ": " << complaint;
    }
    most_before = std::max(most_before, run.most_before());
  }
  std::printf("at most %zu before a single one\n", most_before);
}

}  // namespace
}  // namespace ringpost::sim
