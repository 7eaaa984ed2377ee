#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/fixed_vector.h"

namespace ringpost::smtp {

/// What the client sent, or waits for, that is answered by one reply.
enum class ClientCommand : std::uint8_t {
  banner,  ///< the greeting, which nobody asked for
  ehlo,
  helo,
  starttls,
  auth,
  mail,
  rcpt,
  data,
  content,   ///< the final dot
  chunk,     ///< BDAT with LAST, a whole content (RFC 3030)
  lone_dot,  ///< ends a content that we do not want to send
  rset,
};

/// One reply to come.
struct ExpectedReply {
  ClientCommand command = ClientCommand::banner;
  bool grouped = false;           ///< left while another command was unanswered
  std::uint32_t transaction = 0;  ///< number of the transaction, for MAIL to the content
  std::uint32_t recipient = 0;    ///< index, for RCPT
};

/// Replies come in the order of the commands (RFC 2920 section 3.1); this is that order. When it
/// is full no more commands are sent until replies come.
class ExpectedReplies {
 public:
  static constexpr std::size_t kCapacity = 128;

  void push(ClientCommand command, std::uint32_t transaction = 0,
            std::uint32_t recipient = 0) noexcept {
    fifo_.push({command, !fifo_.empty(), transaction, recipient});
  }
  ExpectedReply pop() noexcept { return fifo_.pop(); }
  const ExpectedReply& front() const noexcept { return fifo_[0]; }
  bool empty() const noexcept { return fifo_.empty(); }
  bool full() const noexcept { return fifo_.full(); }
  std::size_t size() const noexcept { return fifo_.size(); }
  const ExpectedReply& operator[](std::size_t i) const noexcept { return fifo_[i]; }
  /// Whether any command was sent behind an unanswered one.
  bool any_grouped() const noexcept {
    for (std::size_t i = 0; i < fifo_.size(); ++i) {
      if (fifo_[i].grouped) {
        return true;
      }
    }
    return false;
  }
  void clear() noexcept { fifo_.clear(); }

 private:
  FixedFifo<ExpectedReply, kCapacity> fifo_;
};

}  // namespace ringpost::smtp
