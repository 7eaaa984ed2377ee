// What scheduling costs: ns and allocations for taking a job under all limits of a delivery, for
// opening a session under leased connection limits, and for admission, with few and with 100,000
// queues. Run: schedule_bench --benchmark_min_time=1

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/counting.h"
#include "core/schedule/scheduler.h"

namespace ringpost::schedule {
namespace {

/// Doors that do nothing; settled jobs are collected.
struct Doorman : SessionHost, SettleSink, PolicySource, LeaseTransport {
  bool offer(QueueId) override { return false; }
  bool open_session(QueueId queue, std::string_view, const QueuePolicyRef&, Instant) override {
    opened.push_back(queue);
    return true;
  }
  void settle(Job& job) override { settling.push_back(&job); }
  QueueSettings settings_of(std::string_view, std::string_view) override {
    QueueSettings settings;
    settings.policy = policy;
    settings.limits.messages = {4'000'000'000, Duration::seconds(1)};
    settings.limits.vmta_connections_max = 1'000'000;
    return settings;
  }
  GlobalLimits global_limits() override { return {4'000'000, 1}; }
  bool send(unsigned, const LeaseMessage&) override { return true; }

  QueuePolicyRef policy = std::make_shared<QueuePolicy>();
  std::vector<QueueId> opened;
  std::vector<Job*> settling;
};

struct Setup {
  explicit Setup(std::uint32_t queues, std::uint32_t virtual_mtas = 1) {
    for (std::uint32_t i = 0; i < virtual_mtas; ++i) {
      vmtas.push_back("v" + std::to_string(i));
    }
    doors.opened.reserve(queues);
    doors.settling.reserve(16);
    scheduler =
        std::make_unique<Scheduler>(SchedulerOptions{}, Doors{doors, doors, doors, doors}, now);
    for (std::uint32_t i = 0; i < queues; ++i) {
      names.push_back("destination-" + std::to_string(i) + ".example");
      admit(i, i);
    }
    while (scheduler->run(now)) {
    }
    for (const QueueId queue : doors.opened) {
      scheduler->session_established(queue, now);
    }
    while (scheduler->run(now)) {
    }
  }
  void admit(std::uint32_t queue, std::uint32_t slot) {
    Admission admission;
    admission.message = {1, slot, 1};
    admission.domain = names[queue];
    admission.vmta = vmtas[queue % vmtas.size()];
    admission.count = 1;
    admission.received = now.wall;
    scheduler->admit(admission, admission.domain, now);
  }
  void tick() {
    now.instant = now.instant + Duration::microseconds(1);
    now.wall = now.wall + Duration::microseconds(1);
  }

  Now now{Instant{3'600'000'000'000}, WallTime{1'800'000'000'000'000}};
  Doorman doors;
  std::vector<std::string> names;
  std::vector<std::string> vmtas;
  std::unique_ptr<Scheduler> scheduler;
};

// A whole message: admission, the permit and the job, its outcome, its end.
void BM_Message(benchmark::State& state) {
  const auto queues = static_cast<std::uint32_t>(state.range(0));
  Setup setup(queues);
  std::uint32_t next = 0;
  std::uint64_t before = 0;
  for (auto _ : state) {
    if (next == queues) {
      before = bench::allocations();
    }
    const std::uint32_t queue = next++ % queues;
    setup.tick();
    setup.admit(queue, next);
    Job* job = setup.scheduler->take(setup.doors.opened[queue], setup.now);
    job->recipients[0].outcome.kind = OutcomeKind::delivered;
    setup.scheduler->finished(*job, setup.now);
    setup.scheduler->retire(*setup.doors.settling.back(), setup.now);
    setup.doors.settling.pop_back();
  }
  const std::uint64_t counted = next > queues ? next - queues : 1;
  state.counters["allocations"] =
      static_cast<double>(bench::allocations() - before) / static_cast<double>(counted);
}
BENCHMARK(BM_Message)->Arg(1)->Arg(1'000)->Arg(100'000);

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// The same with a long backlog: recipients queued for many destinations by 10,000 virtual MTAs.
// Memory is that of the recipients alone; the queues were there before.
void BM_Backlog(benchmark::State& state) {
  const auto recipients = static_cast<std::uint32_t>(state.range(0));
  const auto queues = static_cast<std::uint32_t>(state.range(1));
  Setup setup(queues, 10'000);
  const std::size_t before = resident_bytes();
  const std::clock_t begun = std::clock();
  for (std::uint32_t i = queues; i < recipients; ++i) {
    setup.admit(i % queues, i);
  }
  const double filling = static_cast<double>(std::clock() - begun) * 1e9 / CLOCKS_PER_SEC;
  const double added = std::max(1U, recipients - queues);
  state.counters["bytes_each"] = static_cast<double>(resident_bytes() - before) / added;
  state.counters["admission_ns"] = filling / added;
  std::uint32_t next = 0;
  for (auto _ : state) {
    const std::uint32_t queue = next++ % queues;
    setup.tick();
    setup.admit(queue, recipients + next);
    Job* job = setup.scheduler->take(setup.doors.opened[queue], setup.now);
    job->recipients[0].outcome.kind = OutcomeKind::delivered;
    setup.scheduler->finished(*job, setup.now);
    setup.scheduler->retire(*setup.doors.settling.back(), setup.now);
    setup.doors.settling.pop_back();
  }
}
BENCHMARK(BM_Backlog)
    ->Args({1'000, 1'000})
    ->Args({1'000'000, 1'000})
    ->Args({5'000'000, 1'000})
    ->Args({100'000, 100'000})
    ->Args({1'000'000, 100'000})
    ->Args({5'000'000, 100'000})
    ->Iterations(2'000'000);

// Memory of queues: of 100,000 that have one recipient each, no session yet.
void BM_Queues(benchmark::State& state) {
  for (auto _ : state) {
    const std::size_t before = resident_bytes();
    Setup setup(static_cast<std::uint32_t>(state.range(0)), 10'000);
    state.counters["bytes_each"] =
        static_cast<double>(resident_bytes() - before) / static_cast<double>(state.range(0));
  }
}
BENCHMARK(BM_Queues)->Arg(100'000)->Iterations(1)->Unit(benchmark::kMillisecond);

constexpr std::uint32_t kVmtas = 10'000;

/// Of so many queues the virtual MTA of each, in an order without pattern.
std::vector<std::uint32_t> vmtas_of(std::size_t queues) {
  std::vector<std::uint32_t> out(queues);
  for (std::size_t i = 0; i < queues; ++i) {
    out[i] = static_cast<std::uint32_t>((i * 2'654'435'761U >> 7) %
                                        std::min<std::size_t>(queues, kVmtas));
  }
  return out;
}

// The permit alone, of that many shards and queues in turn: all scopes of a new connection checked
// and taken, leases in hand; those of the queue's virtual MTA and of the whole.
void BM_ConnectionPermit(benchmark::State& state) {
  const auto shards = static_cast<std::uint64_t>(state.range(0));
  LeaseBook book(0, static_cast<unsigned>(shards));
  Doorman doors;
  const std::vector<std::uint32_t> queues = vmtas_of(static_cast<std::size_t>(state.range(1)));
  std::vector<Scope*> scopes(1 + std::min<std::size_t>(queues.size(), kVmtas));
  for (std::size_t i = 0; i < scopes.size(); ++i) {
    Waiter waiter;
    scopes[i] = &book.scope(shards * (i + 1), 100'000, 1);  // its owner is this shard
    book.wait(*scopes[i], waiter, false);
    for (int turn = 0; turn < 8; ++turn) {
      book.flush(doors);
    }
    while (Scope* const scope = book.next_open()) {
      Waiter& one = *scope->head();
      one.place->remove(one);
      one.place = nullptr;
      book.waiter_left(*scope);
    }
  }
  const std::uint64_t before = bench::allocations();
  std::size_t next = 0;
  for (auto _ : state) {
    Scope* const both[] = {scopes[1 + queues[next]], scopes[0]};
    next = next + 1 == queues.size() ? 0 : next + 1;
    if (!LeaseBook::has_room(*both[0], false) || !LeaseBook::has_room(*both[1], false)) {
      state.SkipWithError("no lease in hand");
      break;
    }
    for (Scope* const scope : both) {
      book.take(*scope);
    }
    for (Scope* const scope : both) {
      book.release(*scope);
    }
  }
  state.counters["allocations"] =
      static_cast<double>(bench::allocations() - before) /
      static_cast<double>(std::max<std::int64_t>(1, state.iterations()));
}
BENCHMARK(BM_ConnectionPermit)->ArgsProduct({{1, 2, 8, 64}, {1, 100'000}});

// Permits of rates that queues share, of that many shards and queues in turn, from the want to the
// use: asked for, granted and taken in one turn each, over all gates they count in, those of the
// queue's virtual MTA and of a pool. Letters between shards are not part of it.
void BM_SharedRatePermit(benchmark::State& state) {
  struct Plans : Doorman {
    const RatePlan* rate_plan(std::uint64_t base) override {
      plan.rates.clear();
      for (const std::uint64_t key : {base, std::uint64_t{1}}) {
        plan.rates.push_back({key, {4'000'000'000, Duration::seconds(1)}, RateOf::vmta, false});
      }
      return &plan;
    }
    RatePlan plan;
  } doors;
  doors.plan.home = 0;
  const std::vector<std::uint32_t> queues = vmtas_of(static_cast<std::size_t>(state.range(1)));
  WarmupBook warmups(Now{});
  const RatePositions positions{};
  RateBook book(0, static_cast<unsigned>(state.range(0)), doors, warmups, positions);
  std::vector<RateScope*> scopes;
  for (std::uint64_t i = 0; i < std::min<std::size_t>(queues.size(), kVmtas); ++i) {
    scopes.push_back(&book.scope(100 + i, 100 + i, {}, 1));
  }
  Instant now{3'600'000'000'000};
  const std::uint32_t each = 10;
  std::size_t next = 0;
  std::uint64_t begun = 0;
  std::uint64_t before = 0;
  for (auto _ : state) {
    RateScope& scope = *scopes[queues[next]];
    next = next + 1 == queues.size() ? 0 : next + 1;
    now = now + Duration::microseconds(1);
    book.set_want(scope, each);
    for (int i = 0; i < 2; ++i) {
      book.flush(doors);
      book.run(now);
    }
    book.flush(doors);
    while (book.next_stirred() != nullptr) {
    }
    if (RateBook::available(scope, now) < each) {
      state.SkipWithError("no permit came");
      break;
    }
    RateBook::take(scope, each, 0, now);
    if (++begun == queues.size()) {
      before = bench::allocations();  // each has been used once
    }
  }
  const double permits = static_cast<double>(state.iterations()) * each;
  state.counters["allocations"] =
      begun < queues.size() ? -1 : static_cast<double>(bench::allocations() - before) / permits;
  state.SetItemsProcessed(static_cast<std::int64_t>(permits));
}
BENCHMARK(BM_SharedRatePermit)->ArgsProduct({{1, 2, 8, 64}, {1, 100'000}});

// A queue's own rate, of that many queues in turn.
void BM_RatePermit(benchmark::State& state) {
  std::vector<RateGate> gates(static_cast<std::size_t>(state.range(0)));
  Instant now{};
  for (RateGate& gate : gates) {
    gate.configure({1'000'000'000, Duration::seconds(1)}, now);
  }
  const std::uint64_t before = bench::allocations();
  std::size_t next = 0;
  for (auto _ : state) {
    RateGate& gate = gates[next];
    next = next + 1 == gates.size() ? 0 : next + 1;
    now = now + Duration{10};
    if (gate.available(now) > 0) {
      gate.take(1, now);
    }
    benchmark::DoNotOptimize(gate);
  }
  state.counters["allocations"] =
      static_cast<double>(bench::allocations() - before) /
      static_cast<double>(std::max<std::int64_t>(1, state.iterations()));
}
BENCHMARK(BM_RatePermit)->Arg(1)->Arg(100'000);

}  // namespace
}  // namespace ringpost::schedule

BENCHMARK_MAIN();
