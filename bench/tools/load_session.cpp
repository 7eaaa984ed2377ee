#include "bench/tools/load_session.h"

#include <utility>

#include "bench/tools/content.h"
#include "core/base/text.h"

namespace ringpost::tools {

void LoadSession::begin() {
  state_ = State::fresh;
  has_pipelining_ = has_chunking_ = has_eight_bit_ = has_starttls_ = false;
  starttls_ = secured_ = false;
  line_.clear();
  out_.clear();
  expected_.clear();
  transactions_.clear();
  expected_.push_back({Expect::banner, 0});
}

Pipelining LoadSession::pipelining() const {
  return has_pipelining_ ? host_.options().pipelining : Pipelining::none;
}

void LoadSession::receive(std::string_view bytes, std::int64_t now_ns) {
  while (!bytes.empty() && !broken()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      line_.append(bytes);
      return;
    }
    const std::string_view head = bytes.substr(0, end + 1);
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      on_line(head, now_ns);
    } else {
      const std::string line = std::exchange(line_, {}).append(head);
      on_line(line, now_ns);
    }
  }
}

void LoadSession::on_line(std::string_view line, std::int64_t now_ns) {
  line = trimmed(line);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) {
    line.remove_suffix(1);
  }
  int code = 0;
  if (line.size() < 3 || !parse_decimal(line.substr(0, 3), code) || expected_.empty()) {
    state_ = State::broken;
    return;
  }
  const Expect what = expected_.front().what;
  if (what == Expect::ehlo && line.size() > 4) {
    note_extension(line.substr(4));
  }
  if (line.size() > 3 && line[3] == '-') {
    return;
  }
  on_reply(code, line, now_ns);
}

void LoadSession::note_extension(std::string_view name) {
  has_pipelining_ = has_pipelining_ || starts_ignoring_case(name, "PIPELINING");
  has_chunking_ = has_chunking_ || starts_ignoring_case(name, "CHUNKING");
  has_starttls_ = has_starttls_ || starts_ignoring_case(name, "STARTTLS");
  has_eight_bit_ = has_eight_bit_ || starts_ignoring_case(name, "8BITMIME");
}

void LoadSession::on_reply(int code, std::string_view line, std::int64_t now_ns) {
  const Expected expected = expected_.front();
  expected_.pop_front();
  const bool good = code >= 200 && code < 300;
  switch (expected.what) {
    case Expect::banner:
      if (!good) {
        state_ = State::broken;
        return;
      }
      send_ehlo();
      return;
    case Expect::ehlo: on_ehlo_reply(good); return;
    case Expect::starttls:
      if (!good) {
        state_ = State::broken;
        return;
      }
      starttls_ = secured_ = true;
      send_ehlo();
      return;
    case Expect::mail: transactions_.front().mail_refused = !good; break;
    case Expect::rcpt: on_rcpt_reply(expected.index, good); break;
    case Expect::data: on_data_reply(code, line, now_ns); break;
    case Expect::final_dot: on_final_reply(code, line, now_ns); break;
    case Expect::reset: break;
    case Expect::quit: state_ = State::broken; return;
  }
  if (code == 421) {
    state_ = State::broken;
  }
}

void LoadSession::send_ehlo() {
  out_.append("EHLO ").append(host_.options().helo).append("\r\n");
  expected_.push_back({Expect::ehlo, 0});
}

void LoadSession::on_ehlo_reply(bool good) {
  const bool wants_tls = host_.options().tls && !secured_;
  if (!good || (wants_tls && !has_starttls_)) {
    state_ = State::broken;
  } else if (wants_tls) {
    out_.append("STARTTLS\r\n");
    expected_.push_back({Expect::starttls, 0});
  } else {
    state_ = State::ready;
  }
}

void LoadSession::on_rcpt_reply(unsigned index, bool good) {
  LoadTransaction& transaction = transactions_.front();
  if (good) {
    ++transaction.accepted;
    return;
  }
  transaction.refused.resize(transaction.message.recipients, '0');
  transaction.refused[index] = '1';
}

void LoadSession::on_data_reply(int code, std::string_view line, std::int64_t now_ns) {
  LoadTransaction& transaction = transactions_.front();
  if (code != 354) {
    // What MAIL and RCPT began is still open (RFC 5321, 4.1.1.4).
    out_.append("RSET\r\n");
    expected_.push_back({Expect::reset, 0});
    finish(Ending::refused, -1, line);
    return;
  }
  expected_.push_back({Expect::final_dot, 0});
  if (transaction.accepted == 0) {
    // The server asks for content that nobody is to receive: an empty message ends it.
    out_.append(".\r\n");
    return;
  }
  out_.append(to_wire(transaction.message.content));
  transaction.content_sent = true;
  transaction.final_sent_ns = now_ns;
}

void LoadSession::on_final_reply(int code, std::string_view line, std::int64_t now_ns) {
  const LoadTransaction& transaction = transactions_.front();
  const bool good = code >= 200 && code < 300 && transaction.accepted > 0;
  finish(good ? Ending::acked : Ending::refused, now_ns - transaction.final_sent_ns, line);
}

void LoadSession::finish(Ending ending, std::int64_t final_ns, std::string_view reply) {
  host_.ended(ending, transactions_.front(), final_ns, reply);
  transactions_.pop_front();
}

bool LoadSession::may_start() const {
  if (transactions_.empty()) {
    return true;
  }
  const LoadTransaction& last = transactions_.back();
  if (!last.content_sent || pipelining() == Pipelining::none) {
    return false;
  }
  if (last.bdat && host_.options().bdat_window > 0) {
    return transactions_.size() < host_.options().bdat_window;
  }
  return pipelining() == Pipelining::next && transactions_.size() < 2;
}

bool LoadSession::start_transaction() {
  LoadTransaction& transaction = transactions_.emplace_back();
  if (!host_.next_message(has_chunking_, transaction.message)) {
    transactions_.pop_back();
    return false;
  }
  transaction.bdat =
      has_chunking_ && (host_.options().bdat_window > 0 || transaction.message.bdat_only);
  return true;
}

void LoadSession::advance(std::int64_t now_ns) {
  while (state_ == State::ready) {
    if (!transactions_.empty()) {
      send_commands(transactions_.back(), now_ns);
    }
    if (!may_start() || !start_transaction()) {
      return;
    }
  }
}

void LoadSession::send_commands(LoadTransaction& transaction, std::int64_t now_ns) {
  while (transaction.sent_commands < transaction.commands()) {
    if (!expected_.empty() && pipelining() == Pipelining::none) {
      return;
    }
    if (transaction.mail_refused && transaction.sent_commands == 1) {
      finish(Ending::refused, -1, "MAIL refused");
      return;
    }
    if (pipelining() == Pipelining::none && transaction.accepted == 0 &&
        transaction.sent_commands + 1 == transaction.commands()) {
      // Without pipelining it is known by now that nobody will receive it.
      out_.append("RSET\r\n");
      expected_.push_back({Expect::reset, 0});
      finish(Ending::refused, -1, "every recipient refused");
      return;
    }
    send_command(transaction, now_ns);
  }
}

void LoadSession::send_command(LoadTransaction& transaction, std::int64_t now_ns) {
  const LoadMessage& message = transaction.message;
  const unsigned index = transaction.sent_commands++;
  if (index == 0) {
    out_.append("MAIL FROM:<").append(host_.options().sender).append(">");
    out_.append(message.eight_bit && has_eight_bit_ ? " BODY=8BITMIME" : "").append("\r\n");
    expected_.push_back({Expect::mail, 0});
  } else if (index <= message.recipients) {
    const std::string recipient = host_.recipient_of(message.sequence, index - 1);
    out_.append("RCPT TO:<").append(recipient).append(">\r\n");
    expected_.push_back({Expect::rcpt, index - 1});
  } else if (transaction.bdat) {
    out_.append("BDAT ").append(std::to_string(message.content.size())).append(" LAST\r\n");
    out_.append(message.content);
    transaction.content_sent = true;
    transaction.final_sent_ns = now_ns;
    expected_.push_back({Expect::final_dot, 0});
  } else {
    out_.append("DATA\r\n");
    expected_.push_back({Expect::data, 0});
  }
}

void LoadSession::lost() {
  state_ = State::broken;
  while (!transactions_.empty()) {
    finish(transactions_.front().content_sent ? Ending::unknown : Ending::unsent, -1,
           "connection lost");
  }
}

bool LoadSession::quit() {
  if (state_ == State::ready && transactions_.empty() && expected_.empty()) {
    out_.append("QUIT\r\n");
    expected_.push_back({Expect::quit, 0});
    state_ = State::quitting;
  }
  return state_ == State::quitting || state_ == State::broken;
}

}  // namespace ringpost::tools
