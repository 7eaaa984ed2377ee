// What shards cost each other: a letter written and read, on one thread and between two, its way
// there and back, a look at the mailboxes of many shards, and a parcel of an admission.
// Run: loop_bench --benchmark_min_time=1

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/counting.h"
#include "core/app/parcels.h"
#include "core/loop/mailroom.h"

namespace ringpost {
namespace {

constexpr std::size_t kBox = 256;

// One thread alone: the instructions of a letter.
void BM_Letter(benchmark::State& state) {
  Mailroom room(static_cast<unsigned>(state.range(0)) + 2, kBox);
  Letter letter;
  const bench::Allocations counted(state);
  for (auto _ : state) {
    room.post(1, 0, Letter::of(7, std::uint64_t{42}));
    while (room.take(0, 1, letter)) {
      benchmark::DoNotOptimize(letter);
    }
  }
}
BENCHMARK(BM_Letter)->Arg(2)->Arg(8)->Arg(64);

// What each turn of a loop does where nothing has come.
void BM_LookAtEmptyBoxes(benchmark::State& state) {
  Mailroom room(static_cast<unsigned>(state.range(0)) + 2, kBox);
  for (auto _ : state) {
    benchmark::DoNotOptimize(room.next_sender(0, 1));
    benchmark::DoNotOptimize(room.empty(0));
  }
}
BENCHMARK(BM_LookAtEmptyBoxes)->Arg(2)->Arg(8)->Arg(64);

// Letters from another core, as many as go: cache lines change hands.
void BM_LetterFromAnotherCore(benchmark::State& state) {
  Mailroom room(2, 4096);
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over.load(std::memory_order_relaxed)) {
      room.post(1, 0, Letter::of(7, std::uint64_t{42}));
    }
  });
  Letter letter;
  for (auto _ : state) {
    while (!room.take(0, 1, letter)) {
    }
    benchmark::DoNotOptimize(letter);
  }
  over = true;
  writer.join();
}
BENCHMARK(BM_LetterFromAnotherCore)->UseRealTime();

// There and back, both sides awake; a side that sleeps has to be woken besides.
void BM_LetterThereAndBack(benchmark::State& state) {
  Mailroom room(2, kBox);
  std::atomic<bool> over{false};
  std::thread other([&] {
    Letter letter;
    while (!over.load(std::memory_order_relaxed)) {
      if (room.take(1, 0, letter)) {
        room.post(1, 0, letter);
      }
    }
  });
  Letter letter;
  for (auto _ : state) {
    room.post(0, 1, Letter::of(7, std::uint64_t{42}));
    while (!room.take(0, 1, letter)) {
    }
  }
  over = true;
  other.join();
}
BENCHMARK(BM_LetterThereAndBack)->UseRealTime();

// An admission's names copied into a parcel and the parcel taken back.
void BM_Parcel(benchmark::State& state) {
  app::ParcelPool pool(64, 0);
  Admission admission;
  const std::string domain = "destination-12345.example";
  admission.message = {1, 7, 1};
  admission.domain = domain;
  admission.vmta = "virtual-mta-17";
  admission.count = 1;
  for (int i = 0; i < 64; ++i) {  // their strings get their room
    std::vector<app::AdmissionParcel*> all;
    while (app::AdmissionParcel* parcel = pool.fill(admission, domain)) {
      all.push_back(parcel);
    }
    for (app::AdmissionParcel* parcel : all) {
      pool.take_back(*parcel);
    }
  }
  const bench::Allocations counted(state);
  for (auto _ : state) {
    app::AdmissionParcel* parcel = pool.fill(admission, domain);
    benchmark::DoNotOptimize(parcel);
    pool.take_back(*parcel);
  }
}
BENCHMARK(BM_Parcel);

}  // namespace
}  // namespace ringpost

BENCHMARK_MAIN();
