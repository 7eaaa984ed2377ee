#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/tools/line_file.h"
#include "bench/tools/load_session.h"
#include "bench/tools/ring.h"
#include "bench/tools/socket.h"
#include "bench/tools/stats.h"
#include "bench/tools/tls_filter.h"

namespace ringpost::tools {

/// State that all threads of the generator share.
struct LoadShared {
  LoadOptions options;
  TlsContextPtr tls;
  std::uint64_t run_tag = 0;
  std::int64_t began_ns = 0;
  std::atomic<std::uint64_t> sequence{0};
  std::atomic<std::int64_t> remaining{0};  ///< messages nobody has taken yet
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::int64_t> last_connected_ns{0};
  std::atomic<std::int64_t> last_ended_ns{0};  ///< when the latest reply came
  std::atomic<bool> stop{false};
  std::atomic<bool> gave_up{false};
};

/// What one thread did; written by it, read by the main thread.
struct LoadCounters {
  Counter acked;
  Counter refused;
  Counter unknown;
  Counter unsent;
  Counter recipients;  ///< accepted recipients of acked messages
  Counter bytes;
  Counter connects;
  Counter lost;  ///< connections that ended before QUIT
};

/// One thread of the generator and its share of the connections.
class LoadWorker final : public LoadHost {
 public:
  LoadWorker(LoadShared& shared, unsigned connections);
  ~LoadWorker() override;

  Status open_ledger();
  /// Sends until the messages have ended, the time is over or no server answers.
  Status run();
  const LoadCounters& counters() const { return counters_; }
  const Histogram& latencies() const { return latencies_; }
  const std::string& first_refusal() const { return first_refusal_; }

  const LoadOptions& options() const override { return shared_.options; }
  bool next_message(bool chunking, LoadMessage& message) override;
  std::string recipient_of(std::uint64_t sequence, unsigned k) override;
  void ended(Ending ending, const LoadTransaction& transaction, std::int64_t final_ns,
             std::string_view reply) override;

 private:
  struct Connection {
    explicit Connection(LoadWorker& worker) : session(worker) {}

    LoadSession session;
    TlsFilter tls;
    int fd = -1;
    bool connecting = false;
    bool receiving = false;
    bool sending = false;
    bool shut = false;
    bool dirty = false;
    std::int64_t retry_ns = 0;
    std::string sent;  // what the kernel is sending
    std::size_t sent_bytes = 0;
  };

  void on_event(const Event& event);
  void on_receive(Connection& connection, const Event& event);
  void connect(Connection& connection);
  bool take_bytes(Connection& connection, std::string_view bytes);
  void fill_sent(Connection& connection);
  void shut(Connection& connection);
  void mark(Connection& connection);
  void advance(Connection& connection);
  void start_waiting();
  void close_if_quiet(Connection& connection);
  void write_ledger(Ending ending, const LoadTransaction& transaction, std::string_view reply);
  void append_row(const char* status, const LoadTransaction& transaction, char refused);
  bool over() const;
  bool rate_allows();
  void finish_all();

  LoadShared& shared_;
  MessageMaker maker_;
  Ring ring_;
  LineFile ledger_;
  LoadCounters counters_;
  Histogram latencies_;
  std::string first_refusal_;
  KernelAddress peer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::string plain_;  // what a TLS connection just said
  std::int64_t now_ns_ = 0;
  bool finishing_ = false;
  bool starved_ = false;  // a session asked for work and there was none
};

}  // namespace ringpost::tools
