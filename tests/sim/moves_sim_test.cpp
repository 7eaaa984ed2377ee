// Moves by operators over shards, with kills, power cuts, stops and changing numbers of shards:
// while no receiver takes mail, orders of all kinds move it, by virtual MTA, job, queue and shared
// queue, to virtual MTAs, pools and single queues; at the end every recipient has one ending, by
// the virtual MTA it was moved to, and each start puts as much into every virtual MTA as the end
// before left there.
//
//   RINGPOST_SIM_SEED=N    first seed (default 1)
//   RINGPOST_SIM_SEEDS=N   how many (default 30)

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "tests/number_from.h"
#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine_run.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {
namespace {

using Vmtas = std::set<std::string>;

const SocketAddress kServer{IpAddress::v4(127, 0, 0, 1), 2525};
/// Destinations: three with mail hosts of their own, three that share theirs, two put together by
/// name, and one that only moves lead to.
constexpr const char* kDomains[] = {"own0",  "own1",  "own2",  "site0", "site1",
                                    "site2", "join0", "join1", "parked"};
constexpr std::size_t kSentTo = 8;
constexpr const char* kVmtas[] = {"a", "b", "c", "d"};
constexpr const char* kJobs[] = {"", "red", "blue"};
constexpr const char* kShared = "site.rollup";

const char* const kConfiguration =
    "host-name mail.sender.example\nsmtp-listener 127.0.0.1:2525\nspool /spool\n"
    "shutdown-timeout 60s\n<acct-file /acct.csv>\n</acct-file>\n"
    "<source 127.0.0.1>\nalways-allow-relaying yes\nprocess-x-virtual-mta yes\n"
    "process-x-job yes\n</source>\n"
    "<virtual-mta a>\nsmtp-source-host 10.1.0.1 a.example\n</virtual-mta>\n"
    "<virtual-mta b>\nsmtp-source-host 10.1.0.2 b.example\n</virtual-mta>\n"
    "<virtual-mta c>\nsmtp-source-host 10.1.0.3 c.example\n</virtual-mta>\n"
    "<virtual-mta d>\nsmtp-source-host 10.1.0.4 d.example\n</virtual-mta>\n"
    "<virtual-mta-pool both>\nvirtual-mta b\nvirtual-mta c\n</virtual-mta-pool>\n"
    "<virtual-mta-pool hashed>\nsource-hash domain\nvirtual-mta a\nvirtual-mta d\n"
    "</virtual-mta-pool>\n"
    "<virtual-mta-pool each>\nsource-hash recipient\nvirtual-mta a\nvirtual-mta c\n"
    "</virtual-mta-pool>\n"
    "<mx-rollup-list>\nmx mx.site.example site.rollup\n</mx-rollup-list>\n"
    "<domain site.rollup>\nsmtp-hosts mx.site.example\n</domain>\n"
    "<domain join0.example>\nqueue-to joint.queue\n</domain>\n"
    "<domain join1.example>\nqueue-to joint.queue\n</domain>\n"
    "<domain joint.queue>\nsmtp-hosts mx.join0.example\n</domain>\n"
    "<domain *>\nretry-after 5s\nretry-recipients-after 15s\nmax-rcpt-per-message 3\n"
    "bounce-after 9d\n</domain>\n";

const std::map<std::string, Vmtas> kTakers = {
    {"a", {"a"}},         {"b", {"b"}},           {"c", {"c"}},        {"d", {"d"}},
    {"both", {"b", "c"}}, {"hashed", {"a", "d"}}, {"each", {"a", "c"}}};

/// One seed.
class MovesRun : private MachineRun {
 public:
  explicit MovesRun(std::uint64_t seed) : MachineRun(seed) {
    network_.faults().latency_max = Duration::milliseconds(world_.random().between(1, 30));
    if (world_.random().chance(30)) {
      world_.turns_take(Duration::microseconds(world_.random().between(5, 1000)));
    }
    tiny_ = world_.random().chance(25);
    for (unsigned d = 0; d < std::size(kDomains); ++d) {
      const std::string domain = std::string(kDomains[d]) + ".example";
      const std::string host = domain.starts_with("site") ? "mx.site.example" : "mx." + domain;
      zone_.add_mx(domain, 10, host);
      if (!domain.starts_with("site") || domain == "site0.example") {
        const IpAddress ip = IpAddress::v4(12, 0, 1, static_cast<std::uint8_t>(1 + d));
        zone_.add_a(host, ip.text());
        hosts_.push_back(std::make_unique<Receiver>(outside_, SocketAddress{ip, 25}));
        hosts_.back()->manners.rcpt_later = 100;
      }
    }
    for (int i = 0; i < 3; ++i) {
      injectors_.push_back(std::make_unique<Injector>(outside_, kServer));
    }
    configure(kConfiguration);
  }

  std::vector<std::string> run() {
    start();
    for (std::uint64_t lives = 1 + world_.random().below(5); lives > 0 && good(); --lives) {
      live();
      end_life();
      start();
    }
    finish();
    if (ledger_.complaints().empty()) {
      ledger_.reconcile(accounts_.text_of("/acct.csv"));
      check_places();
    }
    return ledger_.complaints();
  }
  unsigned moves() const { return orders_; }
  unsigned moved() const { return moved_; }

 private:
  /// Where the model has a recipient.
  struct Place {
    std::set<std::pair<std::string, std::string>> in;  ///< one of these queues
    std::string job;
  };
  struct Order {
    bool by_job = false;
    std::string job;
    std::string queue = "*";
    std::string vmta = "*";
    std::string to;
    std::string name;
  };

  bool good() const { return ledger_.complaints().empty() && machine_ != nullptr; }

  void start() {
    if (!ledger_.complaints().empty()) {
      return;
    }
    move_rules_ = moves_.serialized();
    if (!MachineRun::start(static_cast<unsigned>(1 + world_.random().below(4)))) {
      return;
    }
    world_.run_for(Duration::seconds(1));
    if (!left_.empty() && census() != left_) {
      ledger_.complain("a start put mail elsewhere: " + text_of(left_) + "before, " +
                       text_of(census()) + "after");
    }
    left_.clear();
  }

  void live() {
    for (std::uint64_t n = 1 + world_.random().below(4); n > 0 && good() && !half_done_; --n) {
      send();
      if (world_.random().chance(70)) {
        world_.run_for(world_.delay_between(Duration{0}, Duration::seconds(90)));
      }
      order();
      if (world_.random().chance(30) && good() && !half_done_) {
        order();  // while mail of the first is on its way between shards
      }
    }
  }

  void end_life() {
    if (!good()) {
      return;
    }
    if (!half_done_ && !tiny_ && world_.random().chance(60)) {
      world_.run_for(Duration::seconds(5));
      left_ = census();
    } else {
      std::uint64_t steps = world_.random().below(300);
      world_.run_until([&steps] { return steps-- == 0; }, Duration::seconds(1));
    }
    if (!half_done_ && world_.random().chance(25)) {
      stop();
    } else {
      crash(world_.random().chance(50));
    }
    half_done_ = false;
    world_.run_for(Duration::seconds(1));
  }

  void send() {
    Random& random = world_.random();
    for (std::uint64_t n = random.below(12); n > 0; --n) {
      const std::size_t number = ledger_.mails.size();
      const auto pick = static_cast<std::size_t>(random.below(kTakers.size()));
      const auto& [vmta, takers] = *std::next(kTakers.begin(), static_cast<std::ptrdiff_t>(pick));
      const std::string job = kJobs[random.below(std::size(kJobs))];
      Mail mail;
      mail.from = "s" + std::to_string(number) + "@inject.example";
      for (std::uint64_t r = 1 + random.below(5); r > 0; --r) {
        const std::string domain = std::string(kDomains[random.below(kSentTo)]) + ".example";
        mail.to.push_back("r" + std::to_string(number) + "." + std::to_string(r) + "@" + domain);
        const bool joined = domain.starts_with("join");
        for (const std::string& taker : takers) {
          places_[mail.to.back()].in.insert({joined ? "joint.queue" : domain, taker});
        }
        places_[mail.to.back()].job = job;
      }
      mail.notify.assign(mail.to.size(), "NEVER");
      const std::string text = "Subject: x\r\nMessage-ID: <m@inject.example>\r\n\r\nhello\r\n";
      mail.content =
          "X-Virtual-MTA: " + vmta + "\r\n" + (job.empty() ? "" : "X-Job: " + job + "\r\n") + text;
      mail.expected = Injector::wire_form(text);
      ledger_.mails.push_back(std::move(mail));
      injectors_[random.below(injectors_.size())]->submit(number);
    }
    if (random.chance(40)) {
      // Some of it is on its way between shards when the order comes.
      std::uint64_t steps = random.below(200);
      world_.run_until([&steps] { return steps-- == 0; }, Duration::seconds(1));
      return;
    }
    world_.run_until(
        [&] {
          return std::all_of(injectors_.begin(), injectors_.end(),
                             [](const auto& injector) { return injector->idle(); });
        },
        Duration::minutes(5));
  }

  std::vector<schedule::QueueRow> rows() {
    auto task = std::make_unique<app::ControlTask>();
    task->kind = app::ControlKind::queues;
    task = machine_->ask(std::move(task));
    std::vector<schedule::QueueRow> all;
    if (task == nullptr) {
      ledger_.complain("a command was not answered");
      return all;
    }
    for (const auto& part : task->parts) {
      all.insert(all.end(), part.queues.begin(), part.queues.end());
    }
    return all;
  }

  /// Recipients by virtual MTA.
  std::map<std::string, unsigned> census() {
    std::map<std::string, unsigned> sums;
    for (const schedule::QueueRow& row : rows()) {
      sums[row.vmta] += row.ready + row.deferred + row.in_flight;
    }
    std::erase_if(sums, [](const auto& one) { return one.second == 0; });
    return sums;
  }
  static std::string text_of(const std::map<std::string, unsigned>& sums) {
    std::string text;
    for (const auto& [vmta, count] : sums) {
      text += vmta + "=" + std::to_string(count) + " ";
    }
    return text;
  }

  /// Mail of the sites whose queue is the shared one, in all their virtual MTAs.
  bool all_rolled_up() {
    const auto all = rows();
    return !tiny_ && std::none_of(all.begin(), all.end(), [](const schedule::QueueRow& row) {
      return row.name.starts_with("site") && row.name != kShared &&
             row.ready + row.deferred + row.in_flight > 0;
    });
  }

  Order draw() {
    Random& random = world_.random();
    Order order;
    const auto pick = static_cast<std::ptrdiff_t>(random.below(kTakers.size()));
    order.to = std::next(kTakers.begin(), pick)->first;
    const bool rolled = all_rolled_up();
    switch (random.below(5)) {
      case 0:
        order.by_job = true;
        order.job = kJobs[1 + random.below(std::size(kJobs) - 1)];
        break;
      case 1: order.queue = std::string(kDomains[random.below(3)]) + ".example"; break;
      case 2: order.queue = random.chance(50) ? "joint.queue" : "own*"; break;
      case 3: order.queue = rolled ? (random.chance(70) ? kShared : "*.rollup") : "*"; break;
      default: break;
    }
    if (!order.by_job && random.chance(60)) {
      order.vmta = kVmtas[random.below(std::size(kVmtas))];
    }
    if (random.chance(10)) {
      order.name = "parked.example";
    }
    // Which of the names that a site's mail has had is hashed, a start cannot know.
    const bool sites = order.by_job || order.queue.ends_with("rollup") || order.queue == "*";
    order.to = sites && order.name.empty() && order.to == "hashed" ? "both" : order.to;
    return order;
  }

  /// What waits is due: among the moves, and at a start in their order.
  void schedule() {
    const Order what = draw();
    auto task = make_task(what);
    task->kind = app::ControlKind::retry_now;
    task->takers.clear();
    task->move.vmta.clear();
    task->move.name.clear();
    task->move.at_once = true;
    task->pattern = task->move.queues;
    task->job = task->move.job;
    EXPECT_TRUE(moves_.add(task->move, world_.now().wall));
    task = machine_->ask(std::move(task));
    if (task == nullptr) {
      return ledger_.complain("what is due was not answered");
    }
    for (const auto& part : task->parts) {
      if (!part.error.empty()) {
        ledger_.complain("what is due was refused: " + part.error);
      }
    }
  }

  /// As the control thread does it: counted first, on disk, then done.
  void order() {
    if (world_.random().chance(20)) {
      schedule();
    }
    const Order order = draw();
    auto task = make_task(order);
    task->dry_run = true;
    task = machine_->ask(std::move(task));
    if (task == nullptr) {
      return ledger_.complain("a move was not answered");
    }
    if (std::any_of(task->parts.begin(), task->parts.end(),
                    [](const auto& part) { return !part.error.empty(); })) {
      return;  // an earlier one still goes on
    }
    auto doing = make_task(order);
    for (const auto& part : task->parts) {
      doing->move.add_rolled(part.rolled);
      moved_ += static_cast<unsigned>(part.touched.recipients);
    }
    EXPECT_TRUE(moves_.add(doing->move, world_.now().wall));
    ++orders_;
    world_.trace("move", orders_);
    if (std::getenv("RINGPOST_SIM_TELL") != nullptr) {
      std::printf(
          "move %s to %s\n",
          order.by_job ? ("job " + order.job).c_str() : (order.queue + "/" + order.vmta).c_str(),
          (order.name + "/" + order.to).c_str());
    }
    const bool rolled = order.queue == kShared || order.queue == "*.rollup";
    for (auto& [recipient, place] : places_) {
      const auto number = static_cast<std::size_t>(mail_number(recipient));
      Place after = place;
      apply(order, after, rolled);
      if (ledger_.mails[number].fate == MailFate::accepted) {
        place = after;
      } else {
        place.in.insert(after.in.begin(), after.in.end());  // it may have come later
      }
    }
    if (world_.random().chance(10)) {
      half_done_ = true;  // killed in between, before any shard heard of it
      return;
    }
    doing = machine_->ask(std::move(doing));
    if (doing == nullptr) {
      return ledger_.complain("a move was not answered");
    }
    for (const auto& part : doing->parts) {
      moves_.learn(part.rolled);
      if (!part.error.empty()) {
        ledger_.complain("a move was refused: " + part.error);
      }
    }
  }

  std::unique_ptr<app::ControlTask> make_task(const Order& order) {
    auto task = std::make_unique<app::ControlTask>();
    task->kind = app::ControlKind::move;
    task->move.by_job = order.by_job;
    task->move.job = order.job;
    if (!order.by_job) {
      task->move.queues = *schedule::QueuePattern::parse(order.queue + "/" + order.vmta);
    }
    task->move.vmta = order.to;
    task->move.name = order.name;
    task->move.before = world_.now().wall;
    const Vmtas& takers = kTakers.at(order.to);
    task->takers.assign(takers.begin(), takers.end());
    return task;
  }

  static void apply(const Order& order, Place& place, bool rolled) {
    const Vmtas& takers = kTakers.at(order.to);
    std::set<std::pair<std::string, std::string>> after;
    for (const auto& [queue, vmta] : place.in) {
      const std::string name = rolled && queue.starts_with("site") ? kShared : queue;
      const bool fits = order.by_job ? place.job == order.job
                                     : schedule::glob_matches(order.queue, name) &&
                                           schedule::glob_matches(order.vmta, vmta);
      const bool there = (order.name.empty() || order.name == name) && takers.count(vmta) != 0;
      if (!fits || there) {
        after.insert({queue, vmta});
        continue;
      }
      for (const std::string& taker : takers) {
        after.insert({order.name.empty() ? queue : order.name, taker});
      }
    }
    place.in = std::move(after);
  }

  void finish() {
    if (!good()) {
      return;
    }
    for (auto& host : hosts_) {
      host->manners.rcpt_later = 0;
    }
    machine_->command(app::ControlKind::retry_now, "*/*");
    const bool settled = world_.run_until([&] { return machine_->settled(); }, Duration::hours(2));
    if (!settled) {
      const auto status = machine_->status();
      ledger_.complain("NOT LIVE: " + std::to_string(status.queued_recipients) +
                       " recipients are left");
      Machine::crash(std::move(machine_), false);
      return;
    }
    stop();
  }

  /// Every recipient left by the virtual MTA it was moved to.
  void check_places() {
    const std::string whole = accounts_.text_of("/acct.csv");
    std::string_view text = whole;
    std::map<std::string, std::size_t> columns;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::vector<std::string> cells = cells_of(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (columns.empty()) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
          columns[cells[i]] = i;
        }
        continue;
      }
      const auto cell = [&](const char* name) { return cells.at(columns.at(name)); };
      const auto place = places_.find(cell("rcpt"));
      const auto by = [&](const auto& one) { return one.second == cell("vmta"); };
      if (place != places_.end() &&
          std::none_of(place->second.in.begin(), place->second.in.end(), by)) {
        ledger_.complain(place->first + " left by " + cell("vmta") + ", it was moved to " +
                         place->second.in.begin()->second);
      }
    }
  }
  static std::vector<std::string> cells_of(std::string_view line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      quoted = quoted != (c == '"');
      if (c == ',' && !quoted) {
        cells.emplace_back();
      } else if (c != '"' && c != '\r') {
        cells.back() += c;
      }
    }
    return cells;
  }

  std::vector<std::unique_ptr<Receiver>> hosts_;
  std::vector<std::unique_ptr<Injector>> injectors_;
  app::MoveRules moves_;
  std::map<std::string, Place> places_;  ///< by recipient
  std::map<std::string, unsigned> left_;
  bool half_done_ = false;
  unsigned orders_ = 0;
  unsigned moved_ = 0;
};

TEST(MovesSim, EveryRecipientEndsOnceWhereItWasMovedTo) {
  const std::uint64_t first = number_from("RINGPOST_SIM_SEED", 1);
  const std::uint64_t seeds = number_from("RINGPOST_SIM_SEEDS", 30);
  unsigned moves = 0;
  unsigned moved = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    MovesRun run(seed);
    for (const std::string& complaint : run.run()) {
      ADD_FAILURE() << "seed " << seed << ": " << complaint;
    }
    moves += run.moves();
    moved += run.moved();
  }
  std::printf("%u moves, %u recipients moved\n", moves, moved);
  EXPECT_TRUE(seeds < 10 || moved > 10 * seeds) << "the seeds draw too little";
}

}  // namespace
}  // namespace ringpost::sim
