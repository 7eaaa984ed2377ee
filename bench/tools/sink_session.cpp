#include "bench/tools/sink_session.h"

#include <algorithm>
#include <charconv>

#include "core/base/text.h"

namespace ringpost::tools {
namespace {

constexpr std::size_t kCommandMax = 4096;

/// The path between < and > of a MAIL or RCPT command; false if there is none.
bool path_of(std::string_view line, std::string_view& path) {
  const std::size_t open = line.find('<');
  const std::size_t close = line.find('>', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) {
    return false;
  }
  path = line.substr(open + 1, close - open - 1);
  return true;
}

bool contains_any(std::string_view text, const std::vector<std::string>& parts) {
  return std::any_of(parts.begin(), parts.end(), [text](const std::string& part) {
    return text.find(part) != std::string_view::npos;
  });
}

}  // namespace

void SinkSession::reply(std::string_view code, std::string_view enhanced, std::string_view text) {
  replies_.append(code).push_back(' ');
  if (host_.options().enhanced_codes && !enhanced.empty()) {
    replies_.append(enhanced).push_back(' ');
  }
  replies_.append(text).append("\r\n");
}

void SinkSession::greet(bool refuse) {
  if (refuse) {
    reply("421", "4.3.2", "too many connections");
    closing_ = true;
    return;
  }
  reply("220", "", host_.options().host_name + " ESMTP");
}

void SinkSession::receive(std::string_view bytes) {
  // What came with STARTTLS is not to be trusted as what comes after it (RFC 3207, 4.2).
  while (!bytes.empty() && !closing_ && !abort_ && !starttls_) {
    std::size_t used = 0;
    switch (mode_) {
      case Mode::command: used = take_line(bytes); break;
      case Mode::data: used = take_data(bytes); break;
      case Mode::chunk:
      case Mode::swallow: used = take_chunk(bytes); break;
    }
    bytes.remove_prefix(used);
  }
}

std::size_t SinkSession::take_line(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos || !line_.empty()) {
    const std::size_t used = end == std::string_view::npos ? bytes.size() : end + 1;
    line_.append(bytes.substr(0, used));
    if (line_.size() > kCommandMax) {
      reply("500", "5.5.2", "line too long");
      closing_ = true;
    } else if (end != std::string_view::npos) {
      const std::string line = std::exchange(line_, {});
      on_command(line);
    }
    return used;
  }
  on_command(bytes.substr(0, end + 1));
  return end + 1;
}

void SinkSession::on_command(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
    line.remove_suffix(1);
  }
  if (starts_ignoring_case(line, "MAIL FROM:")) {
    on_mail(line);
  } else if (starts_ignoring_case(line, "RCPT TO:")) {
    on_rcpt(line);
  } else if (equals_ignoring_case(line, "DATA")) {
    on_data();
  } else if (starts_ignoring_case(line, "BDAT ") && host_.options().chunking) {
    on_bdat(line);
  } else if (starts_ignoring_case(line, "EHLO ") && host_.options().ehlo) {
    on_ehlo();
  } else if (starts_ignoring_case(line, "HELO ")) {
    clear_envelope();
    reply("250", "", host_.options().host_name);
  } else if (equals_ignoring_case(line, "RSET")) {
    clear_envelope();
    reply("250", "2.0.0", "reset");
  } else if (equals_ignoring_case(line, "NOOP")) {
    reply("250", "2.0.0", "ok");
  } else if (equals_ignoring_case(line, "STARTTLS") && offers_tls()) {
    clear_envelope();
    reply("220", "2.0.0", "go ahead");
    starttls_ = secured_ = true;
  } else if (equals_ignoring_case(line, "QUIT")) {
    reply("221", "2.0.0", "bye");
    closing_ = true;
  } else {
    reply("500", "5.5.1", "command not recognised");
  }
}

bool SinkSession::offers_tls() const { return !host_.options().tls.empty() && !secured_; }

void SinkSession::on_ehlo() {
  const SinkOptions& options = host_.options();
  clear_envelope();
  std::string& out = replies_;
  out.append("250-").append(options.host_name).append("\r\n");
  out.append(options.pipelining ? "250-PIPELINING\r\n" : "");
  out.append(options.eight_bit ? "250-8BITMIME\r\n" : "");
  if (options.size) {
    out.append("250-SIZE");
    if (options.size_max > 0) {
      out.append(" ").append(std::to_string(options.size_max));
    }
    out.append("\r\n");
  }
  out.append(options.smtputf8 ? "250-SMTPUTF8\r\n" : "");
  out.append(options.dsn ? "250-DSN\r\n" : "");
  out.append(options.enhanced_codes ? "250-ENHANCEDSTATUSCODES\r\n" : "");
  out.append(options.chunking ? "250-CHUNKING\r\n" : "");
  out.append(offers_tls() ? "250-STARTTLS\r\n" : "");
  // The last line has a blank after its code; HELP is the extension that promises nothing.
  out.append("250 HELP\r\n");
}

void SinkSession::on_mail(std::string_view line) {
  const SinkOptions& options = host_.options();
  std::string_view path;
  if (have_mail_) {
    reply("503", "5.5.1", "MAIL already given");
  } else if (!path_of(line, path)) {
    reply("501", "5.5.4", "no path");
  } else if (options.close_after > 0 && messages_ >= options.close_after) {
    reply("421", "4.7.0", "enough messages on this connection");
    closing_ = true;
  } else {
    have_mail_ = true;
    sender_.assign(path);
    reply("250", "2.1.0", "sender ok");
  }
}

void SinkSession::on_rcpt(std::string_view line) {
  const SinkOptions& options = host_.options();
  std::string_view path;
  if (!have_mail_) {
    reply("503", "5.5.1", "MAIL first");
  } else if (!path_of(line, path)) {
    reply("501", "5.5.4", "no path");
  } else if (contains_any(path, options.reject_rcpt)) {
    host_.rejected(false);
    reply("550", "5.1.1", "no such user");
  } else if (contains_any(path, options.defer_rcpt) || host_.defers(path)) {
    host_.rejected(true);
    reply("451", "4.7.1", "try again later");
  } else {
    recipients_.emplace_back(path);
    reply("250", "2.1.5", "recipient ok");
  }
}

void SinkSession::on_data() {
  if (!have_mail_ || recipients_.empty()) {
    reply(have_mail_ ? "554" : "503", "5.5.1", "no valid recipients");
    return;
  }
  begin_content();
  mode_ = Mode::data;
  reply("354", "", "go ahead");
}

void SinkSession::on_bdat(std::string_view line) {
  std::string_view rest = line.substr(5);
  const std::size_t blank = rest.find(' ');
  std::uint64_t size = 0;
  if (!parse_decimal(rest.substr(0, blank), size)) {
    reply("501", "5.5.4", "BDAT needs a size");
    closing_ = true;  // what follows cannot be told from commands any more
    return;
  }
  chunk_last_ =
      blank != std::string_view::npos && equals_ignoring_case(rest.substr(blank + 1), "LAST");
  chunk_left_ = size;
  if (!have_mail_ || recipients_.empty()) {
    mode_ = Mode::swallow;
  } else {
    if (!in_bdat_) {
      begin_content();
      in_bdat_ = true;
    }
    mode_ = Mode::chunk;
  }
  if (size == 0) {
    take_chunk({});
  }
}

void SinkSession::begin_content() {
  dots_.reset();
  digest_.reset(!host_.options().record.empty() || !host_.options().maildir.empty());
  raw_.clear();
}

void SinkSession::on_content(std::string_view piece) {
  digest_.update(piece);
  if (!host_.options().maildir.empty()) {
    raw_.append(piece);
  }
}

std::size_t SinkSession::take_data(std::string_view bytes) {
  const std::size_t used = dots_.feed(bytes, [this](std::string_view run) { on_content(run); });
  if (dots_.done()) {
    on_message_end();
  } else if (host_.options().drop_in_data_percent > 0 && digest_.size() > 0 &&
             host_.chance(host_.options().drop_in_data_percent)) {
    host_.dropped();
    abort_ = true;
  }
  return used;
}

std::size_t SinkSession::take_chunk(std::string_view bytes) {
  const std::size_t used = std::min<std::uint64_t>(bytes.size(), chunk_left_);
  chunk_left_ -= used;
  if (mode_ == Mode::chunk && used > 0) {
    on_content(bytes.substr(0, used));
  }
  if (chunk_left_ > 0) {
    return used;
  }
  if (mode_ == Mode::swallow) {
    reply(have_mail_ ? "554" : "503", "5.5.1", "no valid recipients");
    mode_ = Mode::command;
    if (chunk_last_) {
      clear_envelope();
    }
  } else if (chunk_last_) {
    on_message_end();
  } else {
    reply("250", "2.0.0", "chunk taken");
    mode_ = Mode::command;
  }
  return used;
}

void SinkSession::on_message_end() {
  const SinkOptions& options = host_.options();
  digest_.finish();
  mode_ = Mode::command;
  if (options.size_max > 0 && digest_.size() > options.size_max) {
    host_.rejected(false);
    reply("552", "5.3.4", "message too large");
  } else {
    ++messages_;
    host_.accepted(*this);
    if (options.drop_after_dot_percent > 0 && host_.chance(options.drop_after_dot_percent)) {
      host_.dropped();
      abort_ = true;
    } else {
      reply("250", "2.0.0", "accepted");
    }
  }
  final_reply_ = true;
  clear_envelope();
}

void SinkSession::clear_envelope() {
  have_mail_ = false;
  in_bdat_ = false;
  recipients_.clear();
}

}  // namespace ringpost::tools
