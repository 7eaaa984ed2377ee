#pragma once

#include <cstdint>

#include <benchmark/benchmark.h>

namespace ringpost::bench {

/// Calls of operator new in this process so far.
std::uint64_t allocations() noexcept;

/// Counts the allocations of the iterations between its making and its end, per iteration. Made
/// after everything that may allocate once.
class Allocations {
 public:
  explicit Allocations(benchmark::State& state) : state_(state), before_(allocations()) {}
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;
  ~Allocations() {
    const auto iterations = state_.iterations() > 0 ? state_.iterations() : 1;
    state_.counters["allocations"] =
        static_cast<double>(allocations() - before_) / static_cast<double>(iterations);
  }

 private:
  benchmark::State& state_;
  std::uint64_t before_;
};

}  // namespace ringpost::bench
