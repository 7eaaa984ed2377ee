// ringpost-load: an SMTP generator that keeps a ledger of what it was promised.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/random.h>

#include <CLI/CLI.hpp>

#include "bench/tools/load_worker.h"
#include "core/base/text.h"

namespace ringpost::tools {
namespace {

constexpr int kExitFailures = 1;
constexpr int kExitUsage = 2;
constexpr int kExitUnreachable = 3;

/// `4096`, `100-65536` or `mix`; an empty text is success.
std::string set_size(const std::string& text, LoadOptions& options) {
  options.mix = text == "mix";
  if (options.mix) {
    return {};
  }
  const std::size_t dash = text.find('-');
  const std::string high = dash == std::string::npos ? text : text.substr(dash + 1);
  if (!parse_decimal(text.substr(0, dash), options.size_min) ||
      !parse_decimal(high, options.size_max) || options.size_max < options.size_min) {
    return "a size is a number of octets, a range LOW-HIGH, or mix";
  }
  return {};
}

void add_content_options(CLI::App& app, LoadOptions& options) {
  app.add_option("--domains", options.domains, "recipient domains d1.SUFFIX, d2.SUFFIX...")
      ->check(CLI::Range(1U, 10'000'000U));
  app.add_option("--domain-suffix", options.domain_suffix)->capture_default_str();
  app.add_option("--recipients", options.recipients, "recipients of each message")
      ->check(CLI::Range(1U, 10'000U));
  app.add_option("--recipient", options.recipient, "one fixed recipient for all messages");
  app.add_option("--from", options.sender, "reverse-path")->capture_default_str();
  app.add_option("--helo", options.helo)->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the content")->capture_default_str();
}

/// Exit code of a bad command line, or -1 to go on.
int parse_options(int argc, char** argv, LoadOptions& options) {
  CLI::App app("Sends mail over SMTP, for tests and measurements.", "ringpost-load");
  std::string to = "127.0.0.1:2525";
  std::string source;
  std::string size = "4096";
  static const std::map<std::string, Pipelining> kPipelining = {
      {"none", Pipelining::none}, {"envelope", Pipelining::envelope}, {"next", Pipelining::next}};
  app.add_option("--to", to, "ADDRESS:PORT of the server")->capture_default_str();
  app.add_option("--source", source, "local address to connect from");
  app.add_option("--threads,-t", options.threads)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--connections,-c", options.connections)
      ->check(CLI::Range(1U, 20'000U))
      ->capture_default_str();
  app.add_option("--messages,-n", options.messages, "0: until --duration ends")
      ->capture_default_str();
  app.add_option("--duration", options.duration_seconds, "seconds");
  app.add_option("--rate", options.rate, "messages a second; 0: as fast as it goes");
  app.add_option("--size", size, "octets, LOW-HIGH, or mix")->capture_default_str();
  add_content_options(app, options);
  app.add_option("--pipelining", options.pipelining,
                 "none; envelope: MAIL RCPT DATA in one group; next: and content with the next "
                 "envelope")
      ->transform(CLI::CheckedTransformer(kPipelining));
  app.add_option("--bdat", options.bdat_window, "use BDAT, this many transactions unanswered")
      ->check(CLI::Range(0U, 1000U));
  app.add_option("--ledger", options.ledger,
                 "append 'status id size hash recipients' once a message has ended");
  app.add_flag("--quick-acks", options.quick_acks,
               "acknowledge at once: kind to peers that leave Nagle's algorithm on");
  app.add_flag("--times", options.times,
               "an acked line ends with the monotonic time of its reply in nanoseconds");
  app.add_flag("--tls", options.tls, "use STARTTLS; any certificate will do");
  app.add_flag("--json", options.json, "print the summary as JSON");
  app.add_flag("--progress", options.progress, "print a line a second");
  app.add_flag("--allow-failures", options.allow_failures,
               "exit 0 even if messages were refused or their fate is unknown");
  app.add_option("--give-up", options.give_up_seconds, "seconds without any connection");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  std::string problem = set_size(size, options);
  Result<SocketAddress> address = SocketAddress::parse(to, 2525);
  if (!address) {
    problem = address.error().describe();
  } else {
    options.to = *address;
  }
  if (!source.empty()) {
    Result<IpAddress> ip = IpAddress::parse(source);
    problem = ip ? problem : ip.error().describe();
    options.source = ip ? *ip : IpAddress();
  }
  if (options.messages == 0 && options.duration_seconds <= 0) {
    problem = "--messages 0 needs --duration";
  }
  if (!problem.empty()) {
    std::fprintf(stderr, "ringpost-load: %s\n", problem.c_str());
    return kExitUsage;
  }
  return -1;
}

using Workers = std::vector<std::unique_ptr<LoadWorker>>;

/// The sums over all threads.
struct Totals {
  explicit Totals(const Workers& workers) {
    for (const auto& worker : workers) {
      const LoadCounters& c = worker->counters();
      acked += c.acked.get();
      refused += c.refused.get();
      unknown += c.unknown.get();
      unsent += c.unsent.get();
      recipients += c.recipients.get();
      bytes += c.bytes.get();
      connects += c.connects.get();
      lost += c.lost.get();
    }
  }
  unsigned long long acked = 0;
  unsigned long long refused = 0;
  unsigned long long unknown = 0;
  unsigned long long unsent = 0;
  unsigned long long recipients = 0;
  unsigned long long bytes = 0;
  unsigned long long connects = 0;
  unsigned long long lost = 0;
};

void print_summary(const LoadShared& shared, const Workers& workers, double seconds) {
  const Totals t(workers);
  Histogram latencies;
  std::string refusal;
  for (const auto& worker : workers) {
    latencies.merge(worker->latencies());
    refusal = refusal.empty() ? worker->first_refusal() : refusal;
  }
  const double rate = seconds > 0 ? static_cast<double>(t.acked) / seconds : 0;
  const auto us = [&latencies](double q) {
    return static_cast<double>(latencies.quantile_ns(q)) / 1e3;
  };
  const double max_us = static_cast<double>(latencies.max_ns()) / 1e3;
  if (shared.options.json) {
    std::printf(
        "{\"acked\":%llu,\"refused\":%llu,\"unknown\":%llu,\"unsent\":%llu,\"recipients\":%llu,"
        "\"bytes\":%llu,\"connects\":%llu,\"lost\":%llu,\"seconds\":%.6f,"
        "\"messages_per_second\":%.1f,\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
        "\"max\":%.1f},\"cpu_seconds\":%.6f}\n",
        t.acked, t.refused, t.unknown, t.unsent, t.recipients, t.bytes, t.connects, t.lost, seconds,
        rate, us(0.5), us(0.9), us(0.99), max_us, process_cpu_seconds());
    return;
  }
  std::printf("accepted %llu messages (%llu recipients, %llu octets) in %.3f s: %.0f msg/s\n",
              t.acked, t.recipients, t.bytes, seconds, rate);
  std::printf("refused %llu, unknown %llu, connections %llu, of these lost %llu\n", t.refused,
              t.unknown, t.connects, t.lost);
  std::printf("final dot to reply: p50 %.0f us, p90 %.0f us, p99 %.0f us, max %.0f us\n", us(0.5),
              us(0.9), us(0.99), max_us);
  if (!refusal.empty()) {
    std::printf("first refusal: %s\n", refusal.c_str());
  }
}

/// Prints progress and ends the run by time or signal, until every worker has returned.
void supervise(LoadShared& shared, const Workers& workers, const std::atomic<int>& running,
               const sigset_t& signals) {
  std::int64_t next_line = shared.began_ns + 1'000'000'000;
  const auto limit =
      shared.began_ns + static_cast<std::int64_t>(shared.options.duration_seconds * 1e9);
  while (running.load() > 0) {
    const timespec wait{0, 5'000'000};
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    const std::int64_t now = monotonic_ns();
    if (signal > 0 || (shared.options.duration_seconds > 0 && now >= limit)) {
      shared.stop.store(true);
    }
    if (shared.options.progress && now >= next_line) {
      next_line += 1'000'000'000;
      const Totals t(workers);
      std::fprintf(stderr, "accepted %llu  refused %llu  unknown %llu\n", t.acked, t.refused,
                   t.unknown);
    }
  }
}

int exit_code(const LoadShared& shared, const Workers& workers) {
  if (shared.gave_up.load()) {
    std::fprintf(stderr, "ringpost-load: no connection to %s\n", shared.options.to.text().c_str());
    return kExitUnreachable;
  }
  const Totals t(workers);
  const bool failed = t.refused + t.unknown > 0 || t.acked == 0;
  return failed && !shared.options.allow_failures ? kExitFailures : 0;
}

int run(int argc, char** argv) {
  LoadShared shared;
  const int bad = parse_options(argc, argv, shared.options);
  if (bad >= 0) {
    return bad;
  }
  LoadOptions& options = shared.options;
  options.threads = std::min(options.threads, options.connections);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (getrandom(&shared.run_tag, sizeof shared.run_tag, 0) != sizeof shared.run_tag) {
    return kExitUsage;
  }
  shared.run_tag >>= 16;
  if (options.tls) {
    Result<TlsContextPtr> tls = client_tls();
    if (!tls) {
      std::fprintf(stderr, "ringpost-load: %s\n", tls.error().describe().c_str());
      return kExitUsage;
    }
    shared.tls = *tls;
  }
  shared.remaining.store(static_cast<std::int64_t>(options.messages));

  Workers workers;
  for (unsigned i = 0; i < options.threads; ++i) {
    const unsigned share =
        options.connections / options.threads + (i < options.connections % options.threads ? 1 : 0);
    workers.push_back(std::make_unique<LoadWorker>(shared, share));
    if (Status opened = workers.back()->open_ledger(); !opened) {
      std::fprintf(stderr, "ringpost-load: %s\n", opened.error().describe().c_str());
      return kExitUsage;
    }
  }
  shared.began_ns = monotonic_ns();
  std::atomic<int> running{static_cast<int>(options.threads)};
  std::vector<std::thread> threads;
  for (auto& worker : workers) {
    threads.emplace_back([&shared, &worker, &running] {
      if (Status ran = worker->run(); !ran) {
        std::fprintf(stderr, "ringpost-load: %s\n", ran.error().describe().c_str());
        shared.stop.store(true);
      }
      running.fetch_sub(1);
    });
  }
  supervise(shared, workers, running, signals);
  for (std::thread& thread : threads) {
    thread.join();
  }
  const std::int64_t last = std::max(shared.last_ended_ns.load(), shared.began_ns);
  print_summary(shared, workers, static_cast<double>(last - shared.began_ns) / 1e9);
  return exit_code(shared, workers);
}

}  // namespace
}  // namespace ringpost::tools

int main(int argc, char** argv) { return ringpost::tools::run(argc, argv); }
