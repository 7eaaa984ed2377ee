// What a large configuration costs: time and memory to load it, ns to find a queue's settings the
// first time and later. Run: config_bench

#include <sys/resource.h>

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/config/check.h"

namespace {

using namespace ringpost;
using namespace ringpost::config;

/// A configuration of so many domain sections and virtual MTAs, every tenth virtual MTA with a
/// domain section of its own.
std::string large_text(std::size_t domains, std::size_t vmtas) {
  std::string text = "<domain *>\n    retry-after 10m,30m,1h\n    max-smtp-out 20\n</domain>\n";
  for (std::size_t i = 0; i < domains; ++i) {
    text += "<domain d" + std::to_string(i) + ".example>\n    max-smtp-out " +
            std::to_string(i % 50 + 1) + "\n    max-msg-rate " + std::to_string(i % 900 + 1) +
            "/h\n    max-msg-per-connection 50\n    bounce-after 2d\n</domain>\n";
  }
  for (std::size_t i = 0; i < vmtas; ++i) {
    const std::string number = std::to_string(i);
    text += "<virtual-mta v" + number + ">\n    smtp-source-host 10." + std::to_string(i / 65536) +
            "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256) + " v" + number +
            ".example\n    max-smtp-out 100\n";
    text += i % 10 == 0 ? "    <domain *>\n        max-msg-rate 20/h\n    </domain>\n" : "";
    text += "</virtual-mta>\n";
  }
  return text;
}

double peak_megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void load(benchmark::State& state) {
  const std::string text = large_text(static_cast<std::size_t>(state.range(0)),
                                      static_cast<std::size_t>(state.range(1)));
  for (auto _ : state) {
    const CheckResult result = check_text("large.conf", text, {});
    if (!result.ok()) {
      state.SkipWithError("the configuration does not load");
    }
    benchmark::DoNotOptimize(result.snapshot.get());
  }
  state.counters["text_MB"] = static_cast<double>(text.size()) / 1e6;
  state.counters["peak_MB"] = peak_megabytes();
}
BENCHMARK(load)->Args({1000, 100})->Args({100'000, 10'000})->Unit(benchmark::kMillisecond);

void first_look_up(benchmark::State& state) {
  const CheckResult result = check_text("large.conf", large_text(100'000, 1000), {});
  PolicyCache cache(result.snapshot);
  std::size_t i = 0;
  for (auto _ : state) {
    const std::string domain = "d" + std::to_string(i++ % 100'000) + ".example";
    benchmark::DoNotOptimize(&cache.policy_for(domain, static_cast<VmtaId>(i % 1000)));
  }
}
BENCHMARK(first_look_up)->Iterations(100'000);

void later_look_up(benchmark::State& state) {
  const CheckResult result = check_text("large.conf", large_text(100'000, 10), {});
  PolicyCache cache(result.snapshot);
  std::vector<std::string> domains;
  for (std::size_t i = 0; i < 1000; ++i) {
    domains.push_back("d" + std::to_string(i * 97) + ".example");
    cache.policy_for(domains.back(), 3);
  }
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(&cache.policy_for(domains[i++ % domains.size()], 3));
  }
}
BENCHMARK(later_look_up);

}  // namespace

BENCHMARK_MAIN();
