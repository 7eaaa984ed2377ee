// What reading SMTP costs: content by the octet, with lines of usual length, with lines that begin
// with dots, and by the scalar twin of the block masks; addresses of commands. Run: scripts/bench
// micro, or smtp_bench --benchmark_min_time=1

#include <string>
#include <vector>

#include "bench/counting.h"
#include "bench/scalar_masks.h"
#include "net/smtp/content_scanner.h"
#include "net/smtp/content_scanner_blocks.h"
#include "net/smtp/mailbox.h"

namespace ringpost::smtp {
namespace {

/// Takes the runs and forgets them.
struct NoRuns : ContentRuns {
  void on_content(std::string_view run) override { benchmark::DoNotOptimize(run.data()); }
};

/// About `bytes` octets as they come behind DATA; each `dotted`-th line begins with a dot.
std::string content(std::size_t bytes, std::size_t dotted) {
  std::string text =
      "Received: from a.example by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
      "From: a@a.example\r\nTo: b@b.example\r\nSubject: a benchmark\r\n"
      "Message-ID: <1@a.example>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n";
  for (std::size_t line = 1; text.size() + 80 < bytes; ++line) {
    text += dotted > 0 && line % dotted == 0 ? ".." : "ab";
    text.append(72, static_cast<char>('a' + line % 26));
    text += "\r\n";
  }
  return text + ".\r\n";
}

void scan(benchmark::State& state, const std::string& text) {
  ContentScanner scanner;
  const ContentLimits limits;
  std::vector<char> scratch(ContentScanner::kHeaderLookBytes);
  NoRuns runs;
  bench::Allocations counted(state);
  for (auto _ : state) {
    scanner.start(Transfer::data, BareLineEnds::refuse, limits, {}, scratch);
    if (scanner.feed(text, runs) != text.size() || !scanner.ended()) {
      state.SkipWithError("the content did not end");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void BM_Content(benchmark::State& state) {
  scan(state, content(static_cast<std::size_t>(state.range(0)), 0));
}
BENCHMARK(BM_Content)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

void BM_ContentWithDots(benchmark::State& state) {
  scan(state, content(64 << 10, static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(BM_ContentWithDots)->Arg(100)->Arg(10)->Arg(1);

template <BlockMasks (*Masks)(const char*)>
void masks(benchmark::State& state) {
  const std::string text = content(64 << 10, 0);
  bench::Allocations counted(state);
  std::int64_t bytes = 0;
  for (auto _ : state) {
    std::uint64_t seen = 0;
    for (std::size_t at = 0; at + kBlockBytes <= text.size(); at += kBlockBytes) {
      const BlockMasks found = Masks(text.data() + at);
      seen ^= found.lf ^ (found.cr << 1) ^ found.high;
    }
    benchmark::DoNotOptimize(seen);
    bytes += static_cast<std::int64_t>(text.size());
  }
  state.SetBytesProcessed(bytes);
}
BlockMasks by_vectors(const char* bytes) { return masks_of_block(bytes); }

void BM_MasksByVectors(benchmark::State& state) { masks<by_vectors>(state); }
BENCHMARK(BM_MasksByVectors);
void BM_MasksScalar(benchmark::State& state) { masks<bench::scalar_masks>(state); }
BENCHMARK(BM_MasksScalar);

void BM_ParsePath(benchmark::State& state) {
  constexpr std::string_view kPaths[] = {
      "<someone@example.com>", "<a.rather.long.name+tag@mail.some-organisation.example>",
      "<\"quoted one\"@example.net>", "<bounce=user=example.org=12345@list.example>"};
  bench::Allocations counted(state);
  std::size_t next = 0;
  for (auto _ : state) {
    const ParsedPath parsed = parse_path(kPaths[next++ % std::size(kPaths)], false);
    benchmark::DoNotOptimize(parsed.used);
    if (parsed.fault != PathFault::none) {
      state.SkipWithError("a path was refused");
      break;
    }
  }
}
BENCHMARK(BM_ParsePath);

}  // namespace
}  // namespace ringpost::smtp

BENCHMARK_MAIN();
