#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/text.h"

namespace ringpost::smtp {

/// Where a client session stands. With several transactions in flight it is the oldest one's.
enum class ClientState : std::uint8_t {
  awaiting_banner,
  awaiting_ehlo,
  awaiting_helo,
  awaiting_starttls,
  in_handshake,
  awaiting_auth,
  idle,
  in_envelope,
  awaiting_go_ahead,
  sending_body,
  awaiting_final_reply,  ///< ambiguous: the server may have taken the message
  resetting,             ///< a transaction without content is being wound up (RSET, lone dot)
  quitting,
  closed,
};
inline constexpr std::size_t kClientStateCount = 14;

/// Which of the client's time limits runs (RFC 5321 section 4.5.3.2). The host knows the lengths.
enum class TimeoutClass : std::uint8_t {
  none,
  banner,            ///< 4.5.3.2.1
  command,           ///< EHLO, HELO, STARTTLS, AUTH, RSET: 5 minutes by custom
  handshake,         ///< of TLS
  envelope,          ///< MAIL and RCPT: 4.5.3.2.2, 4.5.3.2.3
  data_initiation,   ///< 4.5.3.2.4
  data_block,        ///< 4.5.3.2.5, anew with every part the kernel takes
  data_termination,  ///< 4.5.3.2.6
  idle,              ///< how long an unused session is kept
};

struct ClientStateRow {
  ClientState state;
  std::string_view name;
  TimeoutClass timeout;
  std::uint16_t next;  ///< bit set of the states that may follow
  std::string_view operator_text;
};

const ClientStateRow& row_of(ClientState state) noexcept;
bool may_follow(ClientState from, ClientState to) noexcept;

/// The last 32 state changes of one session, for assertions, time-outs and traces.
class TransitionRing {
 public:
  static constexpr std::size_t kSize = 32;
  struct Entry {
    ClientState from = ClientState::awaiting_banner;
    ClientState to = ClientState::awaiting_banner;
    std::uint16_t reply_code = 0;  ///< what made it change; 0 if it was no reply
  };

  void add(Entry entry) noexcept { entries_[count_++ % kSize] = entry; }
  /// How many entries can be read.
  std::size_t size() const noexcept { return count_ < kSize ? count_ : kSize; }
  /// The i-th oldest that is kept.
  const Entry& operator[](std::size_t i) const noexcept {
    return entries_[(count_ < kSize ? i : count_ + i) % kSize];
  }

 private:
  std::array<Entry, kSize> entries_{};
  std::uint32_t count_ = 0;
};

/// Writes the kept changes, oldest first: "awaiting_banner -220-> awaiting_ehlo ...".
void describe(const TransitionRing& ring, TextBuilder& out) noexcept;

}  // namespace ringpost::smtp
