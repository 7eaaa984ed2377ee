#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/account/row_ring.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/loop/loop.h"
#include "core/mail/events.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

/// What an operator watches with `trace --live`: a queue, a host by name, an address or a network.
struct TraceFilter {
  std::uint8_t number = 0;  ///< below kTracesMax
  EventKinds kinds = 0;
  std::optional<IpNetwork> network;
  schedule::QueuePattern queue;  ///< where there is no network
  bool names_host = false;       ///< its domain may also be a host's name

  /// invalid: neither address nor pattern.
  static Result<TraceFilter> parse(std::string_view text);
  bool matches(const EventSubject& subject) const noexcept;
};

/// Live traces at a time.
inline constexpr std::size_t kTracesMax = 8;
using TraceFilters = std::vector<TraceFilter>;

/// One line of the event log on its way from a shard. Views into the ring.
struct EventLine {
  WallTime time;
  std::uint32_t session = 0;
  EventKind kind = EventKind::connection;
  EventSpeaker speaker = EventSpeaker::note;
  bool incoming = false;
  bool logged = false;
  bool cut = false;         ///< it was longer
  std::uint8_t traces = 0;  ///< who watches
  std::string_view queue;
  std::string_view vmta;
  std::string_view host;
  SocketAddress remote;
  std::string_view text;

  static EventLine read(std::string_view entry) noexcept;
};

/// The way of one shard's sessions into the event log: a bounded ring that the log's thread
/// empties. Made by whoever makes the shard; used by its thread, but for the ring's reading side.
class ShardEvents final : public EventSink {
 public:
  static constexpr std::size_t kTextMax = 1024;
  static constexpr std::size_t kRingBytes = std::size_t{1} << 20;

  explicit ShardEvents(std::size_t ring_bytes_power_of_two = kRingBytes)
      : ring_(ring_bytes_power_of_two) {}

  /// Whose time lines bear; before the first of them.
  void use(const Loop& loop) noexcept { loop_ = &loop; }
  /// Others watch from now on; null: nobody.
  void use(std::shared_ptr<const TraceFilters> filters);
  void tell(const EventSubject& subject, const EventInterest& interest, EventKind kind,
            EventSpeaker speaker, std::string_view line) noexcept override;

  // Any thread.
  std::uint64_t told() const noexcept { return told_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }
  account::RowRing& ring() noexcept { return ring_; }

 private:
  void watch(const EventSubject& subject, EventInterest& interest) const noexcept override;

  account::RowRing ring_;
  const Loop* loop_ = nullptr;
  std::shared_ptr<const TraceFilters> filters_;
  std::atomic<std::uint64_t> told_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace ringpost::app
