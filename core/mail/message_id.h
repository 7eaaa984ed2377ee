#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace ringpost {

/// Ringpost's own name for an accepted message, never the Message-ID header field. Unique over
/// all spools: `high` is drawn per log generation, `low` counts the log's messages.
struct MessageId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  static constexpr std::size_t kTextSize = 26;

  auto operator<=>(const MessageId&) const = default;
  /// 26 lower-case characters of Crockford's base 32, most significant first; what the 250 reply,
  /// logs and commands show.
  std::string text() const;
  /// Writes exactly kTextSize characters.
  void write_text(char* out) const noexcept;
  /// The inverse of text(), in either case.
  static std::optional<MessageId> parse(std::string_view text) noexcept;
};

/// Where a message lives: a slot of one spool log. Valid while any recipient is unsettled; the
/// generation tells a reused slot from the one that was meant.
struct SpoolHandle {
  std::uint16_t log = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  auto operator<=>(const SpoolHandle&) const = default;
};

/// What a pool's member is chosen by, in place of the message's id, once the mail has left a queue:
/// a queue does not know the id, and a start must choose as was chosen then.
inline MessageId stand_in_id(const SpoolHandle& message, WallTime received) {
  return {message.log, static_cast<std::uint64_t>(received.us)};
}

}  // namespace ringpost
