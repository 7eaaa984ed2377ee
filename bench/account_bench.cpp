// What accounting costs: records a second from a shard's thread through its ring and the log
// writer's thread into CSV files, with one file and with four, alike and unlike each other, until
// all of it is synced. The folder is on tmpfs (/dev/shm), as the packaged unit has it;
// RINGPOST_BENCH_FOLDER names another.
// Run: account_bench --benchmark_min_time=1

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "core/account/accountant.h"
#include "core/account/log_writer.h"

namespace ringpost::account {
namespace {

std::string make_folder() {
  const char* chosen = std::getenv("RINGPOST_BENCH_FOLDER");
  std::string name = std::string(chosen == nullptr ? "/dev/shm" : chosen) + "/account-XXXXXX";
  return ::mkdtemp(name.data()) == nullptr ? std::string() : name;
}

SettledRecord sample() {
  SettledRecord record;
  record.kind = OutcomeKind::delivered;
  record.id = {42, 4711};
  record.received = {1'800'000'000'000'000};
  record.settled = {1'800'000'001'000'000};
  record.reverse_path = "newsletter-bounce@sender.example";
  record.recipient = "some.recipient@receiver.example";
  record.vmta = "vmta12";
  record.queue = "receiver.example";
  record.job = "campaign-2026-11";
  record.host = "mx1.receiver.example";
  record.text = "OK 1800000001 a1b2c3d4e5f6";
  record.reply_code = 250;
  record.status = {2, 0, 0};
  record.origin = IpAddress::v4(192, 0, 2, 1);
  record.local = IpAddress::v4(192, 0, 2, 2);
  record.remote = {IpAddress::v4(198, 51, 100, 3), 25};
  record.size_bytes = 40'000;
  record.attempts = 1;
  return record;
}

/// Columns without the last `number`: files that share no row.
RowStyle unlike_style(std::int64_t number) {
  RowStyle style;
  style.fields.erase(style.fields.end() - number, style.fields.end());
  return style;
}

LogWriterOptions options_for(const std::string& folder, std::int64_t files, bool unlike) {
  LogWriterOptions options;
  for (std::int64_t i = 0; i < files; ++i) {
    AccountFileSpec& spec = options.files.emplace_back();
    spec.style = unlike ? unlike_style(i) : RowStyle{};
    spec.path = folder + "/acct" + std::to_string(i) + ".csv";
    spec.rotation.max_size = 256ULL << 20;
    spec.delete_after = Duration{};
  }
  return options;
}

/// Rows through the thread; the ring's back-pressure counts, as it would for a shard.
void write_records(benchmark::State& state) {
  const std::string folder = make_folder();
  PosixFiles calls;
  auto opened = LogWriter::open(options_for(folder, state.range(0), state.range(1) != 0), calls);
  if (folder.empty() || !opened) {
    state.SkipWithError("the files cannot be made");
    return;
  }
  std::unique_ptr<LogWriter> writer = std::move(opened).value();
  writer->start();
  Accountant accountant(*writer, 0);
  SettledRecord record = sample();
  std::uint64_t full = 0;
  for (auto _ : state) {
    record.sequence++;
    while (!accountant.account(record)) {
      ++full;
      ::usleep(50);
    }
  }
  if (!writer->stop()) {
    state.SkipWithError("the writer did not end");
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(writer->stats().bytes));
  state.counters["ring_full"] = static_cast<double>(full);
  writer.reset();
  static_cast<void>(std::system(("rm -rf '" + folder + "'").c_str()));
}
BENCHMARK(write_records)
    ->ArgNames({"files", "unlike"})
    ->Args({1, 0})
    ->Args({4, 0})
    ->Args({4, 1})
    ->UseRealTime();

/// The shard's share alone: a row is formatted for each file that is unlike the others.
void format_record(benchmark::State& state) {
  std::vector<RowFormatter> formatters;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    formatters.emplace_back(unlike_style(i));
  }
  const SettledRecord record = sample();
  std::string room(kRowBytesMax, '\0');
  for (auto _ : state) {
    for (RowFormatter& formatter : formatters) {
      benchmark::DoNotOptimize(formatter.format(record, {}, room));
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(format_record)->ArgName("files")->Arg(1)->Arg(4);

}  // namespace
}  // namespace ringpost::account

BENCHMARK_MAIN();
