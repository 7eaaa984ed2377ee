// ringpost-sink: an SMTP receiver that takes everything, misbehaves on request, and remembers.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "bench/tools/sink_server.h"

namespace ringpost::tools {
namespace {

void add_behaviour(CLI::App& app, SinkOptions& options) {
  app.add_flag("--no-ehlo{false}", options.ehlo, "answer EHLO with 500");
  app.add_flag("--no-pipelining{false}", options.pipelining, "do not offer PIPELINING");
  app.add_flag("--no-8bitmime{false}", options.eight_bit, "do not offer 8BITMIME");
  app.add_flag("--no-size{false}", options.size, "do not offer SIZE");
  app.add_flag("--no-smtputf8{false}", options.smtputf8, "do not offer SMTPUTF8");
  app.add_flag("--no-dsn{false}", options.dsn, "do not offer DSN");
  app.add_flag("--no-enhancedstatuscodes{false}", options.enhanced_codes,
               "do not offer ENHANCEDSTATUSCODES, nor send such codes");
  app.add_flag("--no-chunking{false}", options.chunking, "do not offer CHUNKING");
  app.add_option("--size-max", options.size_max, "largest message in octets (0: no limit)");
  app.add_option("--defer-first", options.defer_first,
                 "answer 451 to the first N attempts at each recipient");
  app.add_option("--reject-rcpt", options.reject_rcpt,
                 "answer 550 to recipients that contain this text (may be repeated)");
  app.add_option("--defer-rcpt", options.defer_rcpt,
                 "answer 451 to recipients that contain this text (may be repeated)");
  app.add_option("--close-after", options.close_after,
                 "answer 421 to MAIL after N messages on a connection");
  app.add_option("--drop-after-dot", options.drop_after_dot_percent,
                 "record, then close without a reply, N percent of the messages");
  app.add_option("--drop-in-data", options.drop_in_data_percent,
                 "close within the content, with N percent chance per received piece");
  app.add_option("--max-connections", options.connections_max, "answer 421 beyond N connections");
}

/// Exit code of a bad command line, or -1 to go on.
int parse_options(int argc, char** argv, SinkOptions& options) {
  CLI::App app("Receives mail over SMTP, for tests and measurements.", "ringpost-sink");
  unsigned latency_ms = 0;
  unsigned reply_delay_ms = 0;
  app.add_option("--listen,-l", options.listen, "ADDRESS:PORT; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--threads,-t", options.threads, "threads, each with its own listener")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--host-name", options.host_name, "name in the banner");
  add_behaviour(app, options);
  app.add_option("--latency", latency_ms, "milliseconds before every reply");
  app.add_option("--reply-delay", reply_delay_ms, "milliseconds more before a message's reply");
  app.add_option("--seed", options.seed, "seed of what happens by chance");
  app.add_option("--record", options.record,
                 "append 'id recipient size hash' per accepted recipient, before the reply");
  app.add_flag("--quick-acks", options.quick_acks,
               "acknowledge at once: kind to peers that leave Nagle's algorithm on");
  app.add_flag("--times", options.times,
               "a record's line ends with the monotonic time of acceptance in nanoseconds");
  app.add_option("--tls", options.tls, "offer STARTTLS with the key and certificate of this PEM");
  app.add_option("--maildir", options.maildir, "keep each message's content in this folder");
  app.add_option("--stats-interval", options.stats_interval_seconds, "print counters every N s");
  app.add_flag("--json", options.json, "print counters as JSON");
  app.add_option("--quit-after", options.quit_after, "stop after N accepted messages");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  options.latency = Duration::milliseconds(latency_ms);
  options.reply_delay = Duration::milliseconds(reply_delay_ms);
  return -1;
}

using Workers = std::vector<std::unique_ptr<SinkWorker>>;

void print_stats(const Workers& workers, bool json, FILE* to) {
  std::uint64_t sums[7] = {};
  std::int64_t first = 0;
  std::int64_t last = 0;
  for (const auto& worker : workers) {
    const SinkCounters& c = worker->counters();
    const Counter* row[7] = {&c.messages, &c.recipients, &c.bytes,  &c.connections,
                             &c.deferred, &c.rejected,   &c.dropped};
    for (int i = 0; i < 7; ++i) {
      sums[i] += row[i]->get();
    }
    const std::int64_t began = c.first_ns.load(std::memory_order_relaxed);
    if (began != 0) {
      first = first == 0 ? began : std::min(first, began);
      last = std::max(last, c.last_ns.load(std::memory_order_relaxed));
    }
  }
  const double active = static_cast<double>(last - first) / 1e9;
  const double rate = active > 0 ? static_cast<double>(sums[0]) / active : 0;
  const char* text =
      json ? "{\"messages\":%llu,\"recipients\":%llu,\"bytes\":%llu,\"connections\":%llu,"
             "\"deferred\":%llu,\"rejected\":%llu,\"dropped\":%llu,\"active_seconds\":%.6f,"
             "\"messages_per_second\":%.1f,\"cpu_seconds\":%.6f}\n"
           : "messages %llu  recipients %llu  bytes %llu  connections %llu  deferred %llu  "
             "rejected %llu  dropped %llu  active %.3f s  %.0f msg/s  cpu %.3f s\n";
  // One format in two spellings, both with the same arguments in the same order.
  std::fprintf(to, text, static_cast<unsigned long long>(sums[0]),
               static_cast<unsigned long long>(sums[1]), static_cast<unsigned long long>(sums[2]),
               static_cast<unsigned long long>(sums[3]), static_cast<unsigned long long>(sums[4]),
               static_cast<unsigned long long>(sums[5]), static_cast<unsigned long long>(sums[6]),
               active, rate, process_cpu_seconds());
  std::fflush(to);
}

/// Waits for SIGTERM or SIGINT, the workers' own stop, and prints counters meanwhile.
void supervise(SinkShared& shared, const Workers& workers, const sigset_t& signals) {
  const std::int64_t step = std::int64_t{shared.options.stats_interval_seconds} * 1'000'000'000;
  std::int64_t next = monotonic_ns() + step;
  while (!shared.stop.load()) {
    const timespec wait{0, 100'000'000};
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGTERM || signal == SIGINT) {
      shared.stop.store(true);
    }
    if (signal == SIGUSR1 || (step > 0 && monotonic_ns() >= next)) {
      next += step;
      print_stats(workers, shared.options.json, stderr);
    }
  }
}

int run(int argc, char** argv) {
  SinkShared shared;
  const int bad = parse_options(argc, argv, shared.options);
  if (bad >= 0) {
    return bad;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  // Port 0 is no port to the parser, and means any free one here.
  std::string_view listen = shared.options.listen;
  const bool any_port = listen.size() > 2 && listen.substr(listen.size() - 2) == ":0";
  listen.remove_suffix(any_port ? 2 : 0);
  Result<SocketAddress> address = SocketAddress::parse(listen, 2526);
  if (!address) {
    std::fprintf(stderr, "ringpost-sink: %s\n", address.error().describe().c_str());
    return 2;
  }
  if (any_port) {
    address->port = 0;
  }
  if (!shared.options.maildir.empty()) {
    ::mkdir(shared.options.maildir.c_str(), 0755);
  }
  if (!shared.options.tls.empty()) {
    Result<TlsContextPtr> tls = server_tls(shared.options.tls);
    if (!tls) {
      std::fprintf(stderr, "ringpost-sink: %s\n", tls.error().describe().c_str());
      return 2;
    }
    shared.tls = *tls;
  }
  Workers workers;
  for (unsigned i = 0; i < shared.options.threads; ++i) {
    workers.push_back(std::make_unique<SinkWorker>(shared, i));
    if (Status listening = workers.back()->listen(*address); !listening) {
      std::fprintf(stderr, "ringpost-sink: %s\n", listening.error().describe().c_str());
      return 2;
    }
  }
  std::printf("listening on %s\n", address->text().c_str());
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (auto& worker : workers) {
    threads.emplace_back([&shared, &worker] {
      if (Status served = worker->run(); !served) {
        std::fprintf(stderr, "ringpost-sink: %s\n", served.error().describe().c_str());
        shared.stop.store(true);
      }
    });
  }
  supervise(shared, workers, signals);
  for (std::thread& thread : threads) {
    thread.join();
  }
  print_stats(workers, shared.options.json, stdout);
  return 0;
}

}  // namespace
}  // namespace ringpost::tools

int main(int argc, char** argv) { return ringpost::tools::run(argc, argv); }
