// What it costs to find an answer of DNS that is kept. Run: resolve_bench
// --benchmark_min_time=1

#include <memory>
#include <string>
#include <vector>

#include "bench/counting.h"
#include "net/resolve/answer_cache.h"

namespace ringpost::resolve {
namespace {

void BM_CachedAnswer(benchmark::State& state) {
  const auto names = static_cast<std::size_t>(state.range(0));
  AnswerCache cache(names, ~std::size_t{0});
  std::vector<std::string> keys;
  const Instant now{3'600'000'000'000};
  for (std::size_t i = 0; i < names; ++i) {
    keys.push_back("destination-" + std::to_string(i) + ".example/MX");
    auto answer = std::make_shared<Answer>();
    answer->kind = AnswerKind::found;
    answer->mx.push_back({10, "mx." + std::to_string(i) + ".example"});
    answer->expires = now + Duration::hours(1);
    cache.keep(keys.back(), std::move(answer));
  }
  bench::Allocations counted(state);
  std::size_t next = 0;
  for (auto _ : state) {
    const AnswerRef answer = cache.find(keys[next], now);
    next = (next + 7'919) % names;
    if (answer == nullptr) {
      state.SkipWithError("an answer is gone");
      break;
    }
    benchmark::DoNotOptimize(answer.get());
  }
}
BENCHMARK(BM_CachedAnswer)->Arg(1)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace ringpost::resolve

BENCHMARK_MAIN();
