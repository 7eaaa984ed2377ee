#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/assert.h"
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

/// One reply to come. Packed, since a connection at rest keeps room for all of them.
struct ExpectedReply {
  static constexpr std::uint32_t kRecipientsMax = 1U << 27U;

  ClientCommand command : 4 = ClientCommand::banner;
  bool grouped : 1 = false;          ///< left while another command was unanswered
  std::uint32_t recipient : 27 = 0;  ///< index, for RCPT
  std::uint32_t transaction = 0;     ///< number of the transaction, for MAIL to the content
};
static_assert(sizeof(ExpectedReply) == 8);

/// Replies come in the order of the commands (RFC 2920 section 3.1); this is that order. When it
/// is full no more commands are sent until replies come.
class ExpectedReplies {
 public:
  static constexpr std::size_t kCapacity = 128;

  void push(ClientCommand command, std::uint32_t transaction = 0,
            std::uint32_t recipient = 0) noexcept {
    RP_ASSERT(recipient < ExpectedReply::kRecipientsMax);
    ExpectedReply reply;
    reply.command = command;
    reply.grouped = !fifo_.empty();
    reply.recipient = recipient % ExpectedReply::kRecipientsMax;
    reply.transaction = transaction;
    fifo_.push(reply);
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
