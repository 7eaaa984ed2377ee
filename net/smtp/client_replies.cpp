// What the client engine makes of each reply, one handler for each command it can answer.

#include "core/base/text.h"
#include "net/smtp/client_engine.h"

namespace ringpost::smtp {

namespace {

// Codes by which a server says that it did not expect this command now, or does not know it: what
// a server that cannot take groups answers. User and policy refusals use others.
bool is_sequence_error(const Reply& reply) noexcept {
  return reply.code == 500 || reply.code == 502 || reply.code == 503;
}

std::string_view first_word(std::string_view line) noexcept {
  return line.substr(0, line.find(' '));
}

}  // namespace

// In the order of ClientCommand.
const ClientEngine::Handler ClientEngine::kHandlers[] = {
    &ClientEngine::on_banner,   &ClientEngine::on_ehlo,     &ClientEngine::on_helo,
    &ClientEngine::on_starttls, &ClientEngine::on_auth,     &ClientEngine::on_mail,
    &ClientEngine::on_rcpt,     &ClientEngine::on_data,     &ClientEngine::on_content,
    &ClientEngine::on_chunk,    &ClientEngine::on_lone_dot, &ClientEngine::on_rset};

std::size_t ClientEngine::receive(std::string_view bytes, ClientActions& out) noexcept {
  out.clear();
  if (ended()) {
    return bytes.size();  // nothing that still comes can change what was decided
  }
  if (state_ == ClientState::in_handshake) {
    // RFC 3207 section 6: what came before the handshake must not be taken for what follows it.
    finish(ClientClose::protocol_error, {}, "text came behind the reply to STARTTLS", out);
    return bytes.size();
  }
  std::size_t used = 0;
  while (used < bytes.size() && !held_) {
    const ReplyParser::Step step = parser_.feed(bytes.substr(used));
    used += step.consumed;
    switch (step.event) {
      case ReplyParser::Event::need_more: break;
      case ReplyParser::Event::line: on_line(); break;
      case ReplyParser::Event::reply:
        on_line();
        on_reply(out);
        return used;
      case ReplyParser::Event::error:
        finish(ClientClose::protocol_error, {}, text_of(parser_.error()), out);
        return used;
    }
  }
  return used;
}

void ClientEngine::on_line() noexcept {
  const bool hello = !expected_.empty() && (expected_.front().command == ClientCommand::ehlo ||
                                            expected_.front().command == ClientCommand::helo);
  if (!hello || !parser_.reply().positive()) {
    return;
  }
  if (parser_.lines() == 1) {
    names_us_ = !options_.own_name.empty() &&
                equals_ignoring_case(first_word(parser_.line()), options_.own_name);
  } else if (expected_.front().command == ClientCommand::ehlo) {
    capabilities_.add_line(parser_.line());
  }
}

void ClientEngine::on_reply(ClientActions& out) noexcept {
  const Reply& reply = parser_.reply();
  last_code_ = reply.code;
  if (expected_.empty()) {
    if (reply.code == 421) {
      finish(ClientClose::shutting_down, reply, "", out);
    } else {
      finish(ClientClose::protocol_error, reply, "a reply came that nothing had asked for", out);
    }
    return;
  }
  const ExpectedReply front = expected_.front();
  const bool to_content =
      front.command == ClientCommand::content || front.command == ClientCommand::chunk;
  if (to_content && on_early_reply(reply, out)) {
    return;
  }
  if (reply.code == 421 && ready_ && !awaits_verdict(front)) {
    finish(ClientClose::shutting_down, reply, "", out);
    return;
  }
  expected_.pop();
  (this->*kHandlers[static_cast<std::size_t>(front.command)])(front, reply, out);
  if (!ended()) {
    pump(out);
  }
}

// The reply to come decides on a message.
bool ClientEngine::awaits_verdict(const ExpectedReply& front) noexcept {
  return front.command == ClientCommand::content ||
         (front.command == ClientCommand::chunk && slot_of(front.transaction).accepted > 0);
}

// A reply to content that has not wholly left. What refuses it is final, and there is no way to
// stop the content but to close, unless it is a chunk, which a server takes to its end (RFC 3030
// section 2). What accepts it may have overtaken the news that all was sent.
bool ClientEngine::on_early_reply(const Reply& reply, ClientActions& out) noexcept {
  Slot& slot = slot_of(expected_.front().transaction);
  if (slot.body_drained) {
    return false;
  }
  if (!reply.negative() || (slot.chunked && reply.code != 421)) {
    held_ = true;
    return true;
  }
  if (reply.code != 421) {
    end_slot(slot, TransactionEnd::answered, Phase::content, reply, out);
  }
  finish(ClientClose::shutting_down, reply, "refused before the content was sent", out);
  return true;
}

void ClientEngine::on_banner(const ExpectedReply&, const Reply& reply, ClientActions& out) {
  if (!reply.positive()) {
    finish(ClientClose::refused, reply, "greeting", out);
    return;
  }
  enter(ClientState::awaiting_ehlo);
  send_hello(ClientCommand::ehlo, out);
}

void ClientEngine::on_ehlo(const ExpectedReply&, const Reply& reply, ClientActions& out) {
  if (reply.positive()) {
    capabilities_.esmtp = true;
    capabilities_.eight_bit_mime &= options_.eight_bit_mime;
    capabilities_.dsn &= options_.dsn;
    greeted(out);
  } else if (reply.permanent()) {
    enter(ClientState::awaiting_helo);
    send_hello(ClientCommand::helo, out);
  } else {
    finish(ClientClose::refused, reply, "EHLO", out);
  }
}

void ClientEngine::on_helo(const ExpectedReply&, const Reply& reply, ClientActions& out) {
  if (reply.positive()) {
    greeted(out);
  } else {
    finish(ClientClose::refused, reply, "HELO", out);
  }
}

// EHLO or HELO is answered: the session is ready, or has to be encrypted first.
void ClientEngine::greeted(ClientActions& out) noexcept {
  if (secured_ || options_.tls == TlsUse::never || names_us_) {
    log_in(out);
  } else if (capabilities_.starttls) {
    enter(ClientState::awaiting_starttls);
    send_command(ClientCommand::starttls, "STARTTLS\r\n", out);
  } else if (options_.tls == TlsUse::required) {
    finish(ClientClose::tls_refused, {}, "TLS is required and the server does not offer STARTTLS",
           out);
  } else {
    log_in(out);
  }
}

void ClientEngine::on_starttls(const ExpectedReply&, const Reply& reply, ClientActions& out) {
  if (reply.code == 220) {
    enter(ClientState::in_handshake);
    ClientAction action;
    action.kind = ClientAction::Kind::start_tls;
    out.push_back(action);
  } else if (reply.code == 421) {
    finish(ClientClose::refused, reply, "STARTTLS", out);
  } else if (!reply.negative()) {
    finish(ClientClose::protocol_error, reply, "the reply to STARTTLS makes no sense", out);
  } else if (options_.tls == TlsUse::required) {
    finish(ClientClose::tls_refused, reply, "TLS is required and STARTTLS was refused", out);
  } else {
    log_in(out);
  }
}

void ClientEngine::become_ready(ClientActions& out) noexcept {
  if (names_us_) {
    finish(ClientClose::own_name, parser_.reply(), "the server goes by our own name", out);
    return;
  }
  ready_ = true;
  ClientAction action;
  action.kind = ClientAction::Kind::ready;
  action.reply = parser_.reply();
  out.push_back(action);
}

void ClientEngine::on_mail(const ExpectedReply& expected, const Reply& reply, ClientActions& out) {
  Slot& slot = slot_of(expected.transaction);
  --slot.pending;
  slot.mail_answered = reply.positive();
  if (reply.positive()) {
    needs_reset_ = true;
    return;
  }
  if (expected.grouped && is_sequence_error(reply)) {
    finish(ClientClose::pipelining_fault, reply, "MAIL", out);
  } else if (reply.negative()) {
    slot.mail_answered = true;
    if (!slot.over()) {
      end_slot(slot, TransactionEnd::answered, Phase::mail, reply, out);
    }
  } else {
    finish(ClientClose::protocol_error, reply, "MAIL was answered with a 3xx reply", out);
  }
}

void ClientEngine::on_rcpt(const ExpectedReply& expected, const Reply& reply, ClientActions& out) {
  Slot& slot = slot_of(expected.transaction);
  --slot.pending;
  if (slot.over()) {
    ++slot.answered;
    return;  // MAIL was refused: what follows from it says nothing new
  }
  if (reply.intermediate()) {
    finish(ClientClose::protocol_error, reply, "RCPT was answered with a 3xx reply", out);
    return;
  }
  if (expected.grouped && is_sequence_error(reply)) {
    finish(ClientClose::pipelining_fault, reply, "RCPT", out);
    return;
  }
  ++slot.answered;
  slot.accepted += reply.positive() ? 1 : 0;
  ClientAction action;
  action.kind = ClientAction::Kind::recipient_reply;
  action.transaction = slot.number;
  action.recipient = expected.recipient;
  action.phase = Phase::rcpt;
  action.reply = reply;
  out.push_back(action);
  if (slot.answered == slot.total && slot.accepted == 0 && !slot.data_sent) {
    end_slot(slot, TransactionEnd::all_refused, Phase::rcpt, reply, out);
  }
}

void ClientEngine::on_data(const ExpectedReply& expected, const Reply& reply, ClientActions& out) {
  Slot& slot = slot_of(expected.transaction);
  --slot.pending;
  if (reply.intermediate()) {
    on_go_ahead(slot, out);
    return;
  }
  if (reply.positive()) {
    finish(ClientClose::protocol_error, reply, "DATA was answered with a 2xx reply", out);
    return;
  }
  if (slot.over()) {
    return;
  }
  if (slot.accepted == 0) {
    end_slot(slot, TransactionEnd::all_refused, Phase::rcpt, reply, out);
  } else if (expected.grouped && is_sequence_error(reply)) {
    finish(ClientClose::pipelining_fault, reply, "DATA", out);
  } else {
    end_slot(slot, TransactionEnd::answered, Phase::data, reply, out);
  }
}

void ClientEngine::on_go_ahead(Slot& slot, ClientActions& out) {
  slot.body_given = true;
  ++slot.pending;
  if (!slot.over() && slot.accepted > 0) {
    ClientAction action;
    action.kind = ClientAction::Kind::send_body;
    action.transaction = slot.number;
    out.push_back(action);
    expected_.push(ClientCommand::content, slot.number);
    needs_reset_ = false;  // the final dot ends the transaction, however it is answered
    return;
  }
  // DATA went in a group whose MAIL or every RCPT was refused, and the server wants content all
  // the same: an empty one ends this without handing the message to anyone (RFC 2920 section 3.1).
  if (!slot.over()) {
    end_slot(slot, TransactionEnd::all_refused, Phase::rcpt, {}, out);
  }
  slot.body_drained = true;  // there is none
  RP_ASSERT(free_room().size() >= 3);
  free_room()[0] = '.';
  free_room()[1] = '\r';
  free_room()[2] = '\n';
  commit_bytes(3, out);
  expected_.push(ClientCommand::lone_dot, slot.number);
}

void ClientEngine::on_content(const ExpectedReply& expected, const Reply& reply,
                              ClientActions& out) {
  Slot& slot = slot_of(expected.transaction);
  if (reply.intermediate()) {
    finish(ClientClose::protocol_error, reply, "the content was answered with a 3xx reply", out);
    return;
  }
  --slot.pending;
  end_slot(slot, TransactionEnd::answered, Phase::final_reply, reply, out);
  if (reply.code == 421) {
    finish(ClientClose::shutting_down, reply, "", out);
  }
}

void ClientEngine::on_chunk(const ExpectedReply& expected, const Reply& reply, ClientActions& out) {
  Slot& slot = slot_of(expected.transaction);
  unanswered_ -= slot.content_bytes;
  if (reply.intermediate() || (reply.positive() && slot.accepted == 0)) {
    finish(ClientClose::protocol_error, reply, "the reply to BDAT makes no sense", out);
    return;
  }
  if (slot.accepted == 0) {
    --slot.pending;
    if (!slot.over()) {
      end_slot(slot, TransactionEnd::all_refused, Phase::rcpt, reply, out);
    }
    return;
  }
  if (is_sequence_error(reply)) {
    end_slot(slot, TransactionEnd::unattempted, Phase::data, reply, out);
    finish(ClientClose::pipelining_fault, reply, "BDAT", out);
    return;
  }
  bool last = true;  // no MAIL has left behind it
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    last = last && (slots_[i].number <= slot.number || !slots_[i].mail_sent);
  }
  needs_reset_ = needs_reset_ && !(reply.positive() && last);
  on_content(expected, reply, out);
}

void ClientEngine::on_lone_dot(const ExpectedReply& expected, const Reply&, ClientActions&) {
  --slot_of(expected.transaction).pending;
}

void ClientEngine::on_rset(const ExpectedReply&, const Reply& reply, ClientActions& out) {
  if (!reply.positive()) {
    finish(ClientClose::protocol_error, reply, "RSET was refused", out);
  }
}

}  // namespace ringpost::smtp
