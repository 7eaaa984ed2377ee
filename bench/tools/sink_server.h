#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/tools/line_file.h"
#include "bench/tools/ring.h"
#include "bench/tools/sink_session.h"
#include "bench/tools/stats.h"
#include "bench/tools/tls_filter.h"
#include "core/base/address.h"
#include "core/base/random.h"

namespace ringpost::tools {

/// What one thread has done so far; written by it, read by the main thread.
struct SinkCounters {
  Counter messages;
  Counter recipients;
  Counter bytes;
  Counter connections;
  Counter deferred;
  Counter rejected;
  Counter dropped;
  std::atomic<std::int64_t> first_ns{0};
  std::atomic<std::int64_t> last_ns{0};
};

/// How often each recipient was tried; shared by all threads.
class Greylist {
 public:
  /// Counts this attempt and tells whether it is among the first `count`.
  bool defers(std::string_view recipient, unsigned count);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, unsigned> attempts_;
};

/// State that all threads of the sink share.
struct SinkShared {
  SinkOptions options;
  TlsContextPtr tls;
  Greylist greylist;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> messages{0};
  std::atomic<int> connections{0};
};

/// One thread of the sink: a listener of its own on the shared port, and the sessions it accepted.
class SinkWorker final : public SinkHost {
 public:
  SinkWorker(SinkShared& shared, unsigned index);
  ~SinkWorker() override;

  /// Binds and listens; a port of 0 is replaced by the one the kernel chose.
  Status listen(SocketAddress& address);
  /// Serves until the shared stop flag is set.
  Status run();
  const SinkCounters& counters() const { return counters_; }

  const SinkOptions& options() const override { return shared_.options; }
  bool defers(std::string_view recipient) override;
  bool chance(unsigned percent) override { return random_.chance(percent); }
  void accepted(const SinkSession& session) override;
  void rejected(bool temporary) override;
  void dropped() override { counters_.dropped.add(1); }

 private:
  struct Delayed {
    std::int64_t due_ns = 0;
    std::string bytes;
  };
  struct Connection {
    Connection(SinkWorker& worker, int descriptor) : session(worker), fd(descriptor) {}

    SinkSession session;
    TlsFilter tls;
    int fd;
    bool receiving = false;
    bool sending = false;
    bool dirty = false;
    bool shut = false;
    std::string out;  // what the kernel is sending
    std::size_t sent = 0;
    std::vector<Delayed> delayed;
  };

  void on_event(const Event& event);
  void on_accept(const Event& event);
  void on_receive(Connection& connection, const Event& event);
  bool take_bytes(Connection& connection, std::string_view bytes);
  void on_send(Connection& connection, const Event& event);
  void mark(Connection& connection);
  void end_of_turn();
  void advance(Connection& connection, std::int64_t now);
  void take_replies(Connection& connection, std::int64_t now);
  void shut(Connection& connection);
  void release_if_idle(Connection& connection);
  void keep_raw(const SinkSession& session);
  bool delays() const { return options().latency.ns > 0 || options().reply_delay.ns > 0; }

  SinkShared& shared_;
  unsigned index_;
  Random random_;
  Ring ring_;
  LineFile record_;
  SinkCounters counters_;
  int listener_ = -1;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> waiting_;  // have delayed replies
  std::string plain_;                 // what a TLS connection just said
  std::uint64_t kept_ = 0;
};

}  // namespace ringpost::tools
