// Reloads and starts that change which destinations share a queue (queue-to, mx-rollup-list) while
// no receiver takes mail and it waits: the names of shared queues are no domains, and nobody's mail
// may be returned because the configuration has forgotten one. At the end every recipient is
// delivered, by the mail host of its own domain or of the queue that its domain shares then, and no
// queue holds mail under a name that the configuration does not have, even where pools are so small
// that shards full of mail that is to move would wait for each other.
//
//   RINGPOST_SIM_SEED=N    first seed (default 1)
//   RINGPOST_SIM_SEEDS=N   how many (default 25)

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "tests/number_from.h"
#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine_run.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {
namespace {

const SocketAddress kServer{IpAddress::v4(127, 0, 0, 1), 2525};
constexpr const char* kDomains[] = {"own", "site0", "site1", "join0", "join1", "late"};

const char* const kCommon =
    "host-name mail.sender.example\nsmtp-listener 127.0.0.1:2525\nspool /spool\n"
    "shutdown-timeout 60s\n<acct-file /acct.csv>\n</acct-file>\n"
    "<source 127.0.0.1>\nalways-allow-relaying yes\nprocess-x-virtual-mta yes\n</source>\n"
    "<virtual-mta a>\nsmtp-source-host 10.1.0.1 a.example\n</virtual-mta>\n"
    "<virtual-mta b>\nsmtp-source-host 10.1.0.2 b.example\n</virtual-mta>\n"
    "<domain *>\nretry-after 5s\nretry-recipients-after 15s\nmax-rcpt-per-message 3\n"
    "bounce-after 9d\n</domain>\n";
/// What a configuration has of these, by bits of its number. All names lead to live hosts.
constexpr const char* kParts[] = {
    "<domain join0.example>\nqueue-to joint.queue\n</domain>\n"
    "<domain joint.queue>\nsmtp-hosts mx.join0.example\n</domain>\n",
    "<domain join1.example>\nqueue-to joint.queue\n</domain>\n"
    "<domain joint.queue>\nsmtp-hosts mx.join0.example\n</domain>\n",
    "domain-macro others late.example,join1.example\n"
    "<domain $others>\nqueue-to other.queue\n</domain>\n"
    "<domain other.queue>\nsmtp-hosts mx.late.example\n</domain>\n",
    "<mx-rollup-list>\nmx mx.site.example site.rollup\n</mx-rollup-list>\n"
    "<domain site.rollup>\nsmtp-hosts mx.site.example\n</domain>\n"};
constexpr unsigned kVariants = 1U << std::size(kParts);

std::string text_of(unsigned bits) {
  std::string text = kCommon;
  for (std::size_t part = 0; part < std::size(kParts); ++part) {
    text += (bits >> part & 1U) != 0 ? kParts[part] : "";
  }
  return text;
}

/// One seed.
class SharingRun : private MachineRun {
 public:
  explicit SharingRun(std::uint64_t seed) : MachineRun(seed) {
    network_.faults().latency_max = Duration::milliseconds(world_.random().between(1, 30));
    if (world_.random().chance(30)) {
      world_.turns_take(Duration::microseconds(world_.random().between(5, 1000)));
    }
    tiny_ = world_.random().chance(25);
    bits_ = static_cast<unsigned>(world_.random().below(kVariants));
    for (unsigned d = 0; d < std::size(kDomains); ++d) {
      const std::string domain = std::string(kDomains[d]) + ".example";
      const std::string host = domain.starts_with("site") ? "mx.site.example" : "mx." + domain;
      zone_.add_mx(domain, 10, host);
      if (domain != "site1.example") {
        const IpAddress ip = IpAddress::v4(12, 0, 1, static_cast<std::uint8_t>(1 + d));
        zone_.add_a(host, ip.text());
        hosts_.push_back(std::make_unique<Receiver>(outside_, SocketAddress{ip, 25}));
        hosts_.back()->manners.rcpt_later = 100;
      }
    }
    for (int i = 0; i < 3; ++i) {
      injectors_.push_back(std::make_unique<Injector>(outside_, kServer));
    }
  }

  std::vector<std::string> run() {
    start();
    for (std::uint64_t n = 2 + world_.random().below(4); n > 0 && good(); --n) {
      send();
      wait();
      if (world_.random().chance(25)) {
        restart();
      } else {
        reload();
      }
    }
    finish();
    return ledger_.complaints();
  }
  unsigned reloads() const { return reloads_; }

 private:
  bool good() const { return ledger_.complaints().empty() && machine_ != nullptr; }

  void start() {
    configure(text_of(bits_));
    MachineRun::start(static_cast<unsigned>(1 + world_.random().below(4)));
  }

  void wait() {
    if (world_.random().chance(60)) {
      world_.run_for(world_.delay_between(Duration{0}, Duration::seconds(60)));
    } else {
      std::uint64_t steps = world_.random().below(400);
      world_.run_until([&steps] { return steps-- == 0; }, Duration::seconds(1));
    }
  }

  void send() {
    Random& random = world_.random();
    for (std::uint64_t n = 1 + random.below(12); n > 0; --n) {
      const std::size_t number = ledger_.mails.size();
      Mail mail;
      mail.from = "s" + std::to_string(number) + "@inject.example";
      for (std::uint64_t r = 1 + random.below(6); r > 0; --r) {
        mail.to.push_back("r" + std::to_string(number) + "." + std::to_string(r) + "@" +
                          kDomains[random.below(std::size(kDomains))] + ".example");
      }
      mail.notify.assign(mail.to.size(), "NEVER");
      const std::string text = "Subject: x\r\nMessage-ID: <m@inject.example>\r\n\r\nhello\r\n";
      mail.content = std::string("X-Virtual-MTA: ") + (random.chance(50) ? "a" : "b") + "\r\n";
      mail.content += text;
      mail.expected = Injector::wire_form(text);
      ledger_.mails.push_back(std::move(mail));
      injectors_[random.below(injectors_.size())]->submit(number);
    }
  }

  void reload() {
    bits_ = static_cast<unsigned>(world_.random().below(kVariants));
    MachineRun::reload(text_of(bits_));
    ++reloads_;
    world_.trace("reload", bits_);
  }

  void restart() {
    crash(world_.random().chance(50));
    world_.run_for(Duration::seconds(1));
    bits_ = static_cast<unsigned>(world_.random().below(kVariants));
    start();
  }

  /// Mail is where the configuration in force says.
  void check_names() {
    std::set<std::string> names = {"own.example", "site0.example", "site1.example"};
    const bool other = (bits_ & 4U) != 0;
    names.insert((bits_ & 1U) != 0 ? "joint.queue" : "join0.example");
    // Written out beats a macro.
    names.insert((bits_ & 2U) != 0 ? "joint.queue" : other ? "other.queue" : "join1.example");
    names.insert(other ? "other.queue" : "late.example");
    if ((bits_ & 8U) != 0) {
      names.insert("site.rollup");
    }
    auto task = std::make_unique<app::ControlTask>();
    task->kind = app::ControlKind::queues;
    task = machine_->ask(std::move(task));
    if (task == nullptr) {
      return ledger_.complain("a command was not answered");
    }
    for (const auto& part : task->parts) {
      for (const schedule::QueueRow& row : part.queues) {
        if (row.ready + row.deferred + row.in_flight > 0 && !names.contains(row.name)) {
          ledger_.complain("mail waits in " + row.name + "/" + row.vmta);
        }
      }
    }
  }

  void finish() {
    if (!good()) {
      return;
    }
    world_.run_for(Duration::minutes(2));
    check_names();
    for (auto& host : hosts_) {
      host->manners.rcpt_later = 0;
    }
    machine_->command(app::ControlKind::retry_now, "*/*");
    if (!world_.run_until([&] { return machine_->settled(); }, Duration::hours(2))) {
      ledger_.complain("NOT LIVE: " + std::to_string(machine_->status().queued_recipients) +
                       " recipients are left");
      Machine::crash(std::move(machine_), false);
      return;
    }
    if (const auto status = machine_->status(); status.bounced + status.expired > 0) {
      ledger_.complain(std::to_string(status.bounced + status.expired) + " were returned");
    }
    if (stop() && ledger_.complaints().empty()) {
      const std::string rows = accounts_.text_of("/acct.csv");
      ledger_.reconcile(rows);
      if (rows.starts_with("b,") || rows.find("\nb,") != std::string::npos) {
        ledger_.complain("mail was returned:\n" + rows.substr(rows.find("\nb,") + 1, 300));
      }
    }
  }

  std::vector<std::unique_ptr<Receiver>> hosts_;
  std::vector<std::unique_ptr<Injector>> injectors_;
  unsigned bits_ = 0;
  unsigned reloads_ = 0;
};

TEST(SharingSim, NobodysMailIsReturnedBecauseAQueuesNameIsGone) {
  const std::uint64_t first = number_from("RINGPOST_SIM_SEED", 1);
  const std::uint64_t seeds = number_from("RINGPOST_SIM_SEEDS", 25);
  unsigned reloads = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SharingRun run(seed);
    for (const std::string& complaint : run.run()) {
      ADD_FAILURE() << "seed " << seed << ": " << complaint;
    }
    reloads += run.reloads();
  }
  std::printf("%u reloads\n", reloads);
  EXPECT_TRUE(seeds < 10 || reloads > seeds) << reloads;
}

}  // namespace
}  // namespace ringpost::sim
