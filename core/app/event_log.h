#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/app/log.h"
#include "core/app/shard_events.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::app {

/// One line as the log has it, with its line end. What peers sent may hold anything: octets that
/// are no printable ASCII are escaped.
std::string event_text(const EventLine& line, unsigned shard);
std::string event_json(const EventLine& line, unsigned shard);
LogLevel level_of(const EventLine& line) noexcept;

/// What happens in sessions, into the log and to operators who watch: empties the rings of all
/// shards in a thread of its own. Made and ended by the main thread, after and before the shards'.
class EventLog {
 public:
  EventLog(unsigned shards, LogForm form, std::size_t ring_bytes = ShardEvents::kRingBytes);
  ~EventLog() { stop(); }
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  ShardEvents& shard(unsigned number) { return *shards_[number]; }
  void start();
  /// Writes what is left. Does nothing the second time.
  void stop();
  /// What the thread does time and again. True: there were lines. Of one thread at a time.
  bool drain();

  // Live traces; any thread.
  /// Lines held for one who watches, octets.
  static constexpr std::size_t kTraceBytesMax = std::size_t{1} << 20;
  /// A trace that nobody has read for so long ends.
  static constexpr Duration kTraceLife = Duration::seconds(15);

  /// no_capacity: kTracesMax are under way. Its number is `filter.number`'s; shards must be told.
  Result<std::uint32_t> open_trace(TraceFilter filter, bool json, Instant now);
  struct TraceRead {
    std::vector<std::string> lines;
    std::uint64_t dropped = 0;  ///< since the last read
  };
  /// not_found: it has ended.
  Result<TraceRead> read_trace(std::uint32_t id, Instant now);
  void close_trace(std::uint32_t id);
  /// Ends traces nobody reads. True: there were some, and shards must be told.
  bool expire(Instant now);
  std::shared_ptr<const TraceFilters> filters() const;

 private:
  struct Trace {
    std::uint32_t id = 0;  ///< 0: free
    TraceFilter filter;
    bool json = false;
    Instant read;
    std::deque<std::string> lines;
    std::size_t bytes = 0;
    std::uint64_t dropped = 0;
    std::uint64_t ring_dropped = 0;  ///< of all rings, as last told
  };

  void run();
  void to_traces(const EventLine& line, unsigned shard);
  std::uint64_t rings_dropped() const;

  LogForm form_;
  std::vector<std::unique_ptr<ShardEvents>> shards_;
  std::vector<std::uint64_t> cursors_;
  std::thread thread_;
  mutable std::mutex mutex_;  ///< guards what follows
  std::condition_variable ended_;
  bool stopping_ = false;
  std::uint32_t last_id_ = 0;
  std::array<Trace, kTracesMax> traces_;
};

}  // namespace ringpost::app
