#include "net/smtp/client_engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/text.h"

namespace ringpost::smtp {

namespace {

constexpr std::string_view kQuit = "QUIT\r\n";

constexpr Reply local_reply(std::uint16_t code, EnhancedStatus status, std::string_view text) {
  Reply reply;
  reply.code = code;
  reply.status = status;
  reply.text = text;
  reply.local = true;
  return reply;
}

constexpr Reply kTooLarge =
    local_reply(552, {5, 3, 4}, "message is larger than the receiving server accepts");
constexpr Reply kNoSmtputf8 =
    local_reply(553, {5, 6, 7}, "receiving server does not offer SMTPUTF8, which this needs");
constexpr Reply kNoEightBit =
    local_reply(554, {5, 6, 3}, "receiving server does not offer 8BITMIME, which this needs");
constexpr Reply kUnsound = local_reply(553, {5, 1, 3}, "an address cannot be put into a command");

}  // namespace

std::string_view name_of(ClientClose reason) noexcept {
  static constexpr std::string_view kNames[] = {
      "none",          "quit",           "refused",          "own_name",
      "shutting_down", "protocol_error", "pipelining_fault", "lost",
      "timed_out",     "aborted",        "tls_refused",      "tls_failed",
      "login_refused"};
  const auto index = static_cast<std::size_t>(reason);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

void ClientEngine::start(const ClientOptions& options, ClientActions& out) noexcept {
  out.clear();
  options_ = options;
  capabilities_ = {};
  parser_ = {};
  expected_.clear();
  slots_.clear();
  give_back_room();
  transitions_ = {};
  state_ = ClientState::awaiting_banner;
  next_number_ = 0;
  last_code_ = 0;
  unanswered_ = 0;
  ready_ = held_ = needs_reset_ = names_us_ = secured_ = idle_told_ = false;
  expected_.push(ClientCommand::banner);
}

void ClientEngine::output_drained(ClientActions& out, bool room_free) noexcept {
  out.clear();
  if (room_free) {
    give_back_room();
  }
  bodies_sent(slots_.size());
  if (ended()) {
    return;
  }
  if (held_) {
    resume(out);
    return;
  }
  pump(out);
}

void ClientEngine::bodies_sent(std::size_t count) noexcept {
  for (std::size_t i = 0; i < slots_.size() && count > 0; ++i) {
    if (slots_[i].body_given && !slots_[i].body_drained) {
      slots_[i].body_drained = true;
      --count;
    }
  }
  if (ready_ && !ended()) {
    enter(derived_state());
  }
}

bool ClientEngine::can_resume() const noexcept {
  return held_ && !ended() && !slots_.empty() && slots_[0].body_drained;
}

void ClientEngine::resume(ClientActions& out) noexcept {
  RP_ASSERT(held_ && !ended());
  out.clear();
  held_ = false;
  on_reply(out);
}

void ClientEngine::tls_established(ClientActions& out) noexcept {
  RP_ASSERT(state_ == ClientState::in_handshake);
  out.clear();
  secured_ = true;
  parser_ = {};
  enter(ClientState::awaiting_ehlo);
  send_hello(ClientCommand::ehlo, out);
}

void ClientEngine::tls_failed(std::string_view why, ClientActions& out) noexcept {
  RP_ASSERT(state_ == ClientState::in_handshake);
  out.clear();
  finish(ClientClose::tls_failed, {}, why, out);
}

std::uint32_t ClientEngine::begin(const ClientTransaction& transaction,
                                  ClientActions& out) noexcept {
  RP_ASSERT(wants_transaction() && !transaction.recipients.empty());
  out.clear();
  Slot slot;
  slot.transaction = &transaction;
  slot.number = next_number_++;
  slot.total = static_cast<std::uint32_t>(transaction.recipients.size());
  idle_told_ = false;
  const Reply* refusal = nullptr;
  if (!addresses_are_sound(transaction)) {
    refusal = &kUnsound;
  } else if (capabilities_.too_large(transaction.size)) {
    refusal = &kTooLarge;
  } else if (transaction.needs_smtputf8 && !capabilities_.smtputf8) {
    refusal = &kNoSmtputf8;
  } else if (transaction.eight_bit && options_.eight_bit_needs_offer &&
             !capabilities_.eight_bit_mime) {
    refusal = &kNoEightBit;
  }
  if (refusal != nullptr) {
    end_slot(slot, TransactionEnd::answered, Phase::mail, *refusal, out);
  } else {
    slots_.push(slot);
  }
  pump(out);
  return slot.number;
}

void ClientEngine::allow(std::uint32_t number, std::uint32_t recipients,
                         ClientActions& out) noexcept {
  out.clear();
  Slot& slot = slot_of(number);
  RP_ASSERT(slot.asked && !slot.over() && recipients <= slot.total - slot.sent);
  slot.asked = false;
  allowed_ = recipients;
  pump(out);
  allowed_ = 0;
}

void ClientEngine::cut(std::uint32_t number, ClientActions& out) noexcept {
  out.clear();
  Slot& slot = slot_of(number);
  RP_ASSERT(slot.asked && !slot.over());
  slot.asked = false;
  slot.total = slot.sent;
  if (slot.sent == 0) {
    end_slot(slot, TransactionEnd::unattempted, Phase::rcpt, {}, out);
  } else if (slot.answered == slot.total && slot.accepted == 0) {
    end_slot(slot, TransactionEnd::all_refused, Phase::rcpt, {}, out);
  }
  pump(out);
}

void ClientEngine::quit(ClientActions& out) noexcept {
  out.clear();
  if (!ended()) {
    const bool idle = state_ == ClientState::idle && slots_.empty();
    finish(idle ? ClientClose::quit : ClientClose::aborted, {}, "", out);
  }
}

void ClientEngine::abort(ClientActions& out) noexcept {
  out.clear();
  if (!ended()) {
    finish(ClientClose::aborted, {}, "session was ended by its owner", out);
  }
}

void ClientEngine::connection_lost(ClientActions& out) noexcept {
  out.clear();
  if (state_ == ClientState::quitting) {
    enter(ClientState::closed);
  } else if (state_ != ClientState::closed) {
    if (held_ && parser_.reply().negative() && !slots_[0].over()) {
      // What refuses content holds though the rest of it cannot leave any more.
      end_slot(slots_[0], TransactionEnd::answered, Phase::content, parser_.reply(), out);
    }
    finish(ClientClose::lost, {}, row_of(state_).operator_text, out);
  }
}

void ClientEngine::timed_out(ClientActions& out) noexcept {
  out.clear();
  if (!ended()) {
    finish(ClientClose::timed_out, {}, row_of(state_).operator_text, out);
  }
}

// Sending.

std::span<char> ClientEngine::free_room() noexcept {
  if (room_ == nullptr) {
    room_ = &rooms_.lend();
  }
  return std::span<char>(*room_).subspan(room_used_);
}

void ClientEngine::give_back_room() noexcept {
  wipe_secret();
  room_used_ = 0;
  if (room_ != nullptr) {
    rooms_.take_back(*room_);
    room_ = nullptr;
  }
}

void ClientEngine::commit_bytes(std::size_t size, ClientActions& out) noexcept {
  const std::string_view bytes{room_->data() + room_used_, size};
  room_used_ += size;
  if (!out.empty() && out.back().kind == ClientAction::Kind::send &&
      out.back().bytes.data() + out.back().bytes.size() == bytes.data()) {
    out.back().bytes = {out.back().bytes.data(), out.back().bytes.size() + size};
    return;
  }
  ClientAction action;
  action.kind = ClientAction::Kind::send;
  action.bytes = bytes;
  out.push_back(action);
}

void ClientEngine::send_command(ClientCommand command, std::string_view text,
                                ClientActions& out) noexcept {
  RP_ASSERT(text.size() <= free_room().size());
  std::memcpy(free_room().data(), text.data(), text.size());
  commit_bytes(text.size(), out);
  expected_.push(command);
}

void ClientEngine::send_hello(ClientCommand command, ClientActions& out) noexcept {
  capabilities_ = {};
  names_us_ = false;
  TextBuilder text(free_room());
  text.add(command == ClientCommand::ehlo ? "EHLO " : "HELO ").add(options_.helo).add("\r\n");
  RP_ASSERT(!text.truncated());
  commit_bytes(text.size(), out);
  expected_.push(command);
}

std::size_t ClientEngine::transactions_max() const noexcept {
  constexpr std::size_t kWithData = 2;
  return sends_chunks() ? std::min<std::size_t>(options_.window, kTransactionsMax) : kWithData;
}

bool ClientEngine::window_open() const noexcept {
  if (!sends_chunks() || !wants_transaction() || !may_send()) {
    return false;
  }
  return slots_.empty() || slots_[slots_.size() - 1].body_given;
}

bool ClientEngine::may_send() const noexcept {
  return (pipelining() ? !expected_.full() : expected_.empty()) &&
         kCommandRoom - room_used_ >= kClientCommandMax + kQuit.size();
}

void ClientEngine::pump(ClientActions& out) noexcept {
  drop_finished_slots();
  while (!ended() && pump_one(out)) {
  }
  settle(out);
}

bool ClientEngine::pump_one(ClientActions& out) noexcept {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (i > 0 && !(groups_next() && slots_[i - 1].body_given)) {
      return false;
    }
    if (!slot.over() && !slot.data_sent) {
      return may_send() && pump_envelope(slot, out);
    }
  }
  return false;
}

bool ClientEngine::pump_envelope(Slot& slot, ClientActions& out) noexcept {
  if (!slot.mail_sent) {
    if (needs_reset_) {
      needs_reset_ = false;
      send_command(ClientCommand::rset, "RSET\r\n", out);
      return true;
    }
    commit_bytes(write_mail(free_room(), *slot.transaction, capabilities_), out);
    slot.grouped = !expected_.empty();
    expected_.push(ClientCommand::mail, slot.number);
    slot.mail_sent = true;
    ++slot.pending;
    return true;
  }
  const bool metered = slot.transaction->metered;
  if (slot.sent < slot.total && metered && allowed_ == 0) {
    if (!std::exchange(slot.asked, true)) {
      ClientAction action;
      action.kind = ClientAction::Kind::ask_recipients;
      action.transaction = slot.number;
      out.push_back(action);
    }
    return false;
  }
  if (slot.sent < slot.total) {
    commit_bytes(write_rcpt(free_room(), *slot.transaction, slot.sent, capabilities_), out);
    expected_.push(ClientCommand::rcpt, slot.number, slot.sent);
    ++slot.sent;
    allowed_ -= metered ? 1 : 0;
    ++slot.pending;
    return true;
  }
  const bool chunked = sends_chunks() && slot.transaction->chunkable;
  const std::uint64_t limit =
      chunked ? options_.unanswered_max : options_.wait_for_recipients_above;
  const bool in_group = pipelining() && slot.transaction->body_bytes <= limit;
  if (!in_group && slot.answered < slot.total) {
    return false;
  }
  if (chunked) {
    return pump_chunk(slot, out);
  }
  const std::string_view data = "DATA\r\n";
  std::memcpy(free_room().data(), data.data(), data.size());
  commit_bytes(data.size(), out);
  expected_.push(ClientCommand::data, slot.number);
  slot.data_sent = true;
  ++slot.pending;
  return true;
}

// The whole content in one, behind RCPTs that may be unanswered.
bool ClientEngine::pump_chunk(Slot& slot, ClientActions& out) noexcept {
  const std::uint64_t bytes = slot.transaction->body_bytes;
  if (unanswered_ > 0 && unanswered_ + bytes > options_.unanswered_max) {
    return false;
  }
  commit_bytes(write_last_chunk(free_room(), *slot.transaction), out);
  expected_.push(ClientCommand::chunk, slot.number);
  slot.data_sent = slot.body_given = slot.chunked = true;
  slot.content_bytes = bytes;
  ++slot.pending;
  unanswered_ += bytes;
  needs_reset_ = true;  // unless it is accepted
  ClientAction action;
  action.kind = ClientAction::Kind::send_chunk;
  action.transaction = slot.number;
  out.push_back(action);
  return true;
}

// State and ends.

void ClientEngine::enter(ClientState next) noexcept {
  if (next == state_) {
    return;
  }
  RP_ASSERT_NOTE(may_follow(state_, next), "illegal state change of an SMTP client session");
  transitions_.add({state_, next, last_code_});
  state_ = next;
}

ClientState ClientEngine::derived_state() const noexcept {
  if (slots_.empty() || !slots_[0].mail_sent) {
    return expected_.empty() ? ClientState::idle : ClientState::resetting;
  }
  const Slot& slot = slots_[0];
  if (slot.body_given) {
    if (slot.over()) {
      return ClientState::resetting;
    }
    return slot.body_drained ? ClientState::awaiting_final_reply : ClientState::sending_body;
  }
  return slot.data_sent && slot.mail_answered && slot.answered == slot.sent
             ? ClientState::awaiting_go_ahead
             : ClientState::in_envelope;
}

void ClientEngine::settle(ClientActions& out) noexcept {
  if (!ready_ || ended()) {
    return;
  }
  enter(derived_state());
  if (state_ == ClientState::idle && slots_.empty() && !idle_told_) {
    idle_told_ = true;
    out.push_back({});
  }
}

void ClientEngine::drop_finished_slots() noexcept {
  while (!slots_.empty() && slots_[0].over() && slots_[0].pending == 0) {
    slots_.pop();
  }
}

ClientEngine::Slot& ClientEngine::slot_of(std::uint32_t number) noexcept {
  std::size_t i = 0;
  while (i + 1 < slots_.size() && slots_[i].number != number) {
    ++i;
  }
  RP_ASSERT(slots_[i].number == number);
  return slots_[i];
}

void ClientEngine::end_slot(Slot& slot, TransactionEnd end, Phase phase, const Reply& reply,
                            ClientActions& out) noexcept {
  RP_ASSERT_NOTE(!slot.over(), "a transaction ended twice");
  slot.transaction = nullptr;
  ClientAction action;
  action.kind = ClientAction::Kind::transaction_over;
  action.transaction = slot.number;
  action.end = end;
  action.phase = phase;
  action.reply = reply;
  out.push_back(action);
}

Phase ClientEngine::phase_of(const Slot& slot) noexcept {
  if (slot.body_given) {
    return slot.body_drained ? Phase::final_reply : Phase::content;
  }
  if (!slot.mail_answered) {
    return Phase::mail;
  }
  return slot.answered < slot.total ? Phase::rcpt : Phase::data;
}

TransactionEnd ClientEngine::fate_of(const Slot& slot, ClientClose reason) noexcept {
  // Replies come in order: a server that said 421 before this one's has not taken it.
  if (reason == ClientClose::shutting_down) {
    return TransactionEnd::unattempted;
  }
  if (slot.body_given && slot.body_drained) {
    return TransactionEnd::ambiguous;
  }
  switch (reason) {
    case ClientClose::pipelining_fault:
    case ClientClose::aborted: return TransactionEnd::unattempted;
    default: break;
  }
  // An envelope behind another's final dot has met nothing of its own until MAIL is answered.
  const bool untouched = !slot.mail_sent || (slot.grouped && !slot.mail_answered);
  return untouched ? TransactionEnd::unattempted : TransactionEnd::interrupted;
}

void ClientEngine::finish(ClientClose reason, const Reply& reply, std::string_view detail,
                          ClientActions& out) noexcept {
  const bool silent = reason == ClientClose::lost || reason == ClientClose::timed_out;
  if (reason == ClientClose::pipelining_fault ||
      (silent && state_ != ClientState::sending_body && expected_.any_grouped())) {
    downgrade(out);
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (!slot.over()) {
      end_slot(slot, fate_of(slot, reason), phase_of(slot), reply, out);
    }
  }
  slots_.clear();
  expected_.clear();
  // Not after a pipelining fault: the server may take it for content.
  const bool polite = reason == ClientClose::quit || reason == ClientClose::refused ||
                      reason == ClientClose::own_name || reason == ClientClose::tls_refused ||
                      reason == ClientClose::login_refused;
  if (polite && free_room().size() >= kQuit.size()) {
    std::memcpy(free_room().data(), kQuit.data(), kQuit.size());
    commit_bytes(kQuit.size(), out);
    enter(ClientState::quitting);
  } else {
    enter(ClientState::closed);
  }
  ClientAction close;
  close.kind = ClientAction::Kind::close;
  close.reason = reason;
  close.reply = reply;
  close.detail = detail;
  out.push_back(close);
}

// Of what was in use, the bolder way of grouping is given up first.
void ClientEngine::downgrade(ClientActions& out) noexcept {
  bool chunked = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    chunked = chunked || slots_[i].chunked;
  }
  ClientAction action;
  action.kind =
      chunked ? ClientAction::Kind::downgrade_chunking : ClientAction::Kind::downgrade_pipelining;
  out.push_back(action);
}

}  // namespace ringpost::smtp
