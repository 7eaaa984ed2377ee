#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/smtp/reply.h"

namespace ringpost::smtp {

/// What is accepted of a server, well above what RFC 5321 section 4.5.3.1 lets it send.
inline constexpr std::size_t kReplyLineMax = 2048;        ///< octets, line end included
inline constexpr std::size_t kReplyBytesMax = 64 * 1024;  ///< octets of one whole reply
inline constexpr std::size_t kReplyLinesMax = 100;
/// What is kept of it.
inline constexpr std::size_t kReplyLineKept = 512;
inline constexpr std::size_t kReplyTextKept = 512;

/// Why a reply could not be read.
enum class ReplyError : std::uint8_t {
  none,
  bad_code,      ///< no three digits from 200 to 599, or no space or hyphen behind them
  code_changed,  ///< the lines of one reply do not agree (RFC 5321 section 4.2.1)
  line_too_long,
  reply_too_long,  ///< too many octets or lines
};
std::string_view text_of(ReplyError error) noexcept;

/// Reads replies from a stream of bytes, cut anywhere. Allocates nothing, keeps a bounded part
/// of what it reads; a line may end in CRLF or a bare LF. After an error it stays there.
class ReplyParser {
 public:
  enum class Event : std::uint8_t {
    need_more,  ///< all bytes were taken, no line is complete
    line,       ///< line() is a line of a reply that goes on
    reply,      ///< line() was the last, reply() is whole
    error,
  };
  struct Step {
    Event event = Event::need_more;
    std::size_t consumed = 0;
  };

  /// Takes bytes up to the end of one line at most.
  Step feed(std::string_view bytes) noexcept;

  /// The last line's text behind its code; valid until the next feed.
  std::string_view line() const noexcept;
  /// How many lines the current reply has so far, the last one included.
  std::size_t lines() const noexcept { return lines_; }
  /// Valid from Event::reply until the next feed.
  const Reply& reply() const noexcept { return reply_; }
  ReplyError error() const noexcept { return error_; }
  /// Whether part of a reply has been read.
  bool in_reply() const noexcept { return bytes_ > 0 && !done_; }

 private:
  Step finish_line(std::size_t consumed) noexcept;
  Step fail(ReplyError error, std::size_t consumed) noexcept;
  void keep(std::string_view bytes) noexcept;
  void start_reply() noexcept;
  void append_text(std::string_view text) noexcept;

  std::array<char, kReplyLineKept> line_;
  std::array<char, kReplyTextKept> text_;
  Reply reply_;
  std::size_t line_kept_ = 0;   // octets of line_ in use
  std::size_t line_bytes_ = 0;  // octets of the line read
  std::size_t text_kept_ = 0;
  std::size_t bytes_ = 0;  // octets of the reply read
  std::size_t lines_ = 0;
  bool done_ = true;       // the reply is whole: the next byte begins another
  bool line_done_ = true;  // likewise of the line
  ReplyError error_ = ReplyError::none;
};

}  // namespace ringpost::smtp
