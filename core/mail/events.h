#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/address.h"

namespace ringpost {

/// What is told of a session, beside what always is.
enum class EventKind : std::uint8_t {
  connection,  ///< its beginning and end
  command,     ///< commands and replies, never what proves who somebody is
  content,     ///< of messages
  tls,         ///< handshakes
  resolution,  ///< where a destination's mail goes
  failure,     ///< transfers that did not succeed
};

/// A set of kinds.
using EventKinds = std::uint8_t;
constexpr EventKinds event_bit(EventKind kind) {
  return static_cast<EventKinds>(1U << static_cast<unsigned>(kind));
}
inline constexpr EventKinds kAllEventKinds = 0x3f;

/// Who said the line.
enum class EventSpeaker : std::uint8_t {
  us,
  peer,
  note,  ///< nobody: it tells what happened
  bad,   ///< likewise, and that is a fault
};

/// The session a line is about. Views hold during the call.
struct EventSubject {
  std::uint32_t session = 0;  ///< tells dialogues of a shard apart
  bool incoming = false;
  std::string_view queue;  ///< of a session out
  std::string_view vmta;   ///< likewise
  std::string_view host;   ///< name of the other end, where it is known
  SocketAddress remote;    ///< its address, once there is one
};

/// Who wants to know of one session. Kept by the session; `generation` says whether it still holds.
struct EventInterest {
  EventKinds logged = 0;  ///< by the configuration
  EventKinds traced = 0;  ///< by operators who watch
  std::uint8_t traces = 0;
  std::uint32_t generation = 0;
  std::uint32_t session = 0;

  bool wants(EventKind kind) const noexcept { return ((logged | traced) & event_bit(kind)) != 0; }
};

/// Where sessions of one shard tell what happens in them. Never blocks and never allocates; what
/// finds no room is dropped and counted. On the shard's thread.
class EventSink {
 public:
  virtual ~EventSink() = default;

  /// For a session that begins; `logged` by its configuration.
  EventInterest begin(EventKinds logged) noexcept {
    EventInterest interest;
    interest.logged = logged;
    interest.session = ++sessions_;
    interest.generation = generation_ - 1;  // nobody has looked yet
    return interest;
  }
  /// Whether somebody began or ceased to watch since the interest was last looked at.
  bool outdated(const EventInterest& interest) const noexcept {
    return interest.generation != generation_;
  }
  /// Sees who watches this session now: when it is outdated, and when the other end is known.
  void look(const EventSubject& subject, EventInterest& interest) const noexcept {
    watch(subject, interest);
    interest.generation = generation_;
  }
  /// One line, without its end; cut where it is very long.
  virtual void tell(const EventSubject& subject, const EventInterest& interest, EventKind kind,
                    EventSpeaker speaker, std::string_view line) noexcept = 0;

 protected:
  virtual void watch(const EventSubject& subject, EventInterest& interest) const noexcept = 0;
  /// Those who watch are others now.
  void watchers_changed() noexcept { ++generation_; }

 private:
  std::uint32_t sessions_ = 0;
  std::uint32_t generation_ = 1;
};

/// Calls `line(std::string_view)` for each line of `text`, without line ends.
template <typename Callable>
void for_each_line(std::string_view text, const Callable& line) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view one = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (!one.empty() && one.back() == '\r') {
      one.remove_suffix(1);
    }
    line(one);
  }
}

/// Content of one message that is told, octets; of the rest only the size.
inline constexpr std::uint64_t kContentTold = 64 * 1024;

}  // namespace ringpost
