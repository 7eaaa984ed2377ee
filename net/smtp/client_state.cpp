#include "net/smtp/client_state.h"

namespace ringpost::smtp {

namespace {

using S = ClientState;
using T = TimeoutClass;

template <class... States>
constexpr std::uint16_t set(States... states) {
  return static_cast<std::uint16_t>((0U | ... | (1U << static_cast<unsigned>(states))));
}

constexpr std::uint16_t kEnd = set(S::quitting, S::closed);

constexpr std::array<ClientStateRow, kClientStateCount> kRows{{
    {S::awaiting_banner, "awaiting_banner", T::banner, set(S::awaiting_ehlo) | kEnd,
     "waiting for the server's greeting"},
    {S::awaiting_ehlo, "awaiting_ehlo", T::command,
     set(S::awaiting_helo, S::awaiting_starttls, S::awaiting_auth, S::idle) | kEnd,
     "waiting for the reply to EHLO"},
    {S::awaiting_helo, "awaiting_helo", T::command, set(S::idle) | kEnd,
     "EHLO was refused, waiting for the reply to HELO"},
    {S::awaiting_starttls, "awaiting_starttls", T::command,
     set(S::in_handshake, S::awaiting_auth, S::idle) | kEnd, "waiting for the reply to STARTTLS"},
    {S::in_handshake, "in_handshake", T::handshake, set(S::awaiting_ehlo, S::closed),
     "TLS handshake in progress"},
    {S::awaiting_auth, "awaiting_auth", T::command, set(S::idle) | kEnd,
     "waiting for the reply to AUTH"},
    {S::idle, "idle", T::idle, set(S::in_envelope, S::sending_body, S::resetting) | kEnd,
     "connected, nothing to send"},
    {S::in_envelope, "in_envelope", T::envelope,
     set(S::idle, S::awaiting_go_ahead, S::sending_body, S::resetting) | kEnd,
     "sender and recipients are being offered"},
    {S::awaiting_go_ahead, "awaiting_go_ahead", T::data_initiation,
     set(S::idle, S::in_envelope, S::sending_body, S::resetting) | kEnd,
     "waiting for the reply to DATA"},
    {S::sending_body, "sending_body", T::data_block,
     set(S::idle, S::in_envelope, S::awaiting_final_reply, S::resetting) | kEnd,
     "content is being sent"},
    {S::awaiting_final_reply, "awaiting_final_reply", T::data_termination,
     set(S::idle, S::in_envelope, S::sending_body, S::resetting) | kEnd,
     "content is sent, waiting for the final reply; losing the connection now is ambiguous"},
    {S::resetting, "resetting", T::command,
     set(S::idle, S::in_envelope, S::sending_body, S::awaiting_final_reply) | kEnd,
     "an unfinished transaction is being cleared"},
    {S::quitting, "quitting", T::none, set(S::closed), "QUIT is sent"},
    {S::closed, "closed", T::none, 0, "over"},
}};

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].state) != i) {
      return false;
    }
  }
  return true;
}
static_assert(rows_in_order(), "kRows is indexed by state");

}  // namespace

const ClientStateRow& row_of(ClientState state) noexcept {
  return kRows[static_cast<std::size_t>(state)];
}

bool may_follow(ClientState from, ClientState to) noexcept {
  return (row_of(from).next & set(to)) != 0;
}

void describe(const TransitionRing& ring, TextBuilder& out) noexcept {
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const TransitionRing::Entry& entry = ring[i];
    if (i == 0) {
      out.add(row_of(entry.from).name);
    }
    out.add(" -").add_number(entry.reply_code).add("-> ").add(row_of(entry.to).name);
  }
}

}  // namespace ringpost::smtp
