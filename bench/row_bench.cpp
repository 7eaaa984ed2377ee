// What a row of accounting costs to write as text. Run: row_bench
// --benchmark_min_time=1

#include <string_view>
#include <vector>

#include "bench/counting.h"
#include "core/account/line.h"

namespace ringpost::account {
namespace {

constexpr std::string_view kCells[] = {"d",
                                       "2026-11-22 04:00:00+0000",
                                       "2026-11-22 03:59:58+0000",
                                       "sender@example.com",
                                       "recipient@example.net",
                                       "",
                                       "relayed",
                                       "2.0.0 (success)",
                                       "smtp;250 2.0.0 Ok: queued as 4F2D1C0B, \"thanks\"",
                                       "mx1.example.net (192.0.2.25)",
                                       "smtp",
                                       "host.example.com (192.0.2.1)",
                                       "smtp",
                                       "198.51.100.7",
                                       "192.0.2.25",
                                       "PIPELINING,8BITMIME,SIZE",
                                       "4211",
                                       "vmta1",
                                       "job-42",
                                       "",
                                       "example.net/vmta1"};

template <class Form>
void row(benchmark::State& state) {
  std::vector<char> room(kCellBytesMax * (std::size(kCells) + 1) + 3);
  bench::Allocations counted(state);
  std::int64_t bytes = 0;
  for (auto _ : state) {
    Form line(room);
    for (const std::string_view cell : kCells) {
      line.title("title");
      line.add(cell);
    }
    line.title("size");
    line.add_number(4'211);
    bytes += static_cast<std::int64_t>(line.finish().size());
  }
  state.SetBytesProcessed(bytes);
}
void BM_CsvRow(benchmark::State& state) { row<CsvLine>(state); }
BENCHMARK(BM_CsvRow);
void BM_JsonRow(benchmark::State& state) { row<JsonLine>(state); }
BENCHMARK(BM_JsonRow);

}  // namespace
}  // namespace ringpost::account

BENCHMARK_MAIN();
