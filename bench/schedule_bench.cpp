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

// The permit alone: all scopes of a new connection checked and taken, leases in hand.
void BM_ConnectionPermit(benchmark::State& state) {
  LeaseBook book(0, static_cast<unsigned>(state.range(0)));
  Doorman doors;
  Scope* scopes[2];
  std::vector<std::unique_ptr<Waiter>> waiters;
  for (int i = 0; i < 2; ++i) {
    scopes[i] = &book.scope(static_cast<std::uint64_t>(state.range(0)) * (i + 1), 100'000, 1);
    waiters.push_back(std::make_unique<Waiter>());
    book.wait(*scopes[i], *waiters.back(), false);
  }
  for (int i = 0; i < 8; ++i) {
    book.flush(doors);
  }
  while (Scope* scope = book.next_open()) {
    Waiter& waiter = *scope->head();
    waiter.place->remove(waiter);
    waiter.place = nullptr;
    book.waiter_left(*scope);
  }
  const std::uint64_t before = bench::allocations();
  for (auto _ : state) {
    bool all = true;
    for (Scope* scope : scopes) {
      all = all && LeaseBook::has_room(*scope, false);
    }
    if (!all) {
      state.SkipWithError("no lease in hand");
      break;
    }
    for (Scope* scope : scopes) {
      book.take(*scope);
    }
    for (Scope* scope : scopes) {
      book.release(*scope);
    }
  }
  state.counters["allocations"] =
      static_cast<double>(bench::allocations() - before) /
      static_cast<double>(std::max<std::int64_t>(1, state.iterations()));
}
BENCHMARK(BM_ConnectionPermit)->Arg(1)->Arg(2)->Arg(8)->Arg(64);

// Permits of a rate that queues share, from the want to the use: asked for, granted and taken in
// one turn each, over all gates they count in. Letters between shards are not part of it.
void BM_SharedRatePermit(benchmark::State& state) {
  struct Plans : Doorman {
    const RatePlan* rate_plan(std::uint64_t) override { return &plan; }
    RatePlan plan;
  } doors;
  const auto shards = static_cast<unsigned>(state.range(0));
  doors.plan.home = 0;
  for (std::uint64_t key = 1; key <= 2; ++key) {
    doors.plan.rates.push_back({key, {4'000'000'000, Duration::seconds(1)}, RateOf::vmta, false});
  }
  WarmupBook warmups(Now{});
  const RatePositions positions{};
  RateBook book(0, shards, doors, warmups, positions);
  RateScope& scope = book.scope(7, 7, {}, 1);
  Instant now{3'600'000'000'000};
  const std::uint32_t each = 10;
  std::uint64_t before = 0;
  for (auto _ : state) {
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
    if (before == 0) {
      before = bench::allocations();
    }
  }
  const double permits = static_cast<double>(state.iterations()) * each;
  state.counters["allocations"] = static_cast<double>(bench::allocations() - before) / permits;
  state.SetItemsProcessed(static_cast<std::int64_t>(permits));
}
BENCHMARK(BM_SharedRatePermit)->Arg(1)->Arg(2)->Arg(8)->Arg(64);

void BM_RatePermit(benchmark::State& state) {
  RateGate gate;
  Instant now{};
  gate.configure({1'000'000'000, Duration::seconds(1)}, now);
  for (auto _ : state) {
    now = now + Duration{10};
    if (gate.available(now) > 0) {
      gate.take(1, now);
    }
    benchmark::DoNotOptimize(gate);
  }
}
BENCHMARK(BM_RatePermit);

}  // namespace
}  // namespace ringpost::schedule

BENCHMARK_MAIN();
