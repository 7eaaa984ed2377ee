#include "core/account/notice.h"

#include <algorithm>
#include <array>

#include "core/base/idn.h"
#include "core/base/mail_date.h"
#include "core/base/text.h"

namespace ringpost::account {
namespace {

constexpr std::string_view kEnd = "\r\n";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Text of strangers on a line of ours: no line ends, and only ASCII unless the form allows more.
std::string on_one_line(std::string_view text, bool ascii) {
  std::string line(text);
  for (char& c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f || (ascii && octet >= 0x80)) {
      c = '?';
    }
  }
  return line;
}

std::string date_of(WallTime when) {
  std::array<char, kMailDateBytes> room;
  TextBuilder text(room);
  write_mail_date(when, text);
  return std::string(text.view());
}

std::string status_of(EnhancedStatus status) {
  return std::to_string(status.klass) + '.' + std::to_string(status.subject) + '.' +
         std::to_string(status.detail);
}

std::string_view subject_of(NoticeAction action) {
  switch (action) {
    case NoticeAction::failed: return "Your mail could not be delivered";
    case NoticeAction::delayed: return "Your mail is delayed";
    case NoticeAction::relayed: return "Your mail was passed on";
  }
  return {};
}

std::string_view name_of(NoticeAction action) {
  switch (action) {
    case NoticeAction::failed: return "failed";
    case NoticeAction::delayed: return "delayed";
    case NoticeAction::relayed: return "relayed";
  }
  return {};
}

std::string_view words_of(NoticeAction action) {
  switch (action) {
    case NoticeAction::failed:
      return "could not be delivered to the recipients below. No further\r\n"
             "attempt will be made.\r\n";
    case NoticeAction::delayed:
      return "has not been delivered to the recipients below yet. It stays\r\n"
             "here and is tried again; there is nothing you need to do.\r\n";
    case NoticeAction::relayed:
      return "was passed on to the hosts below. They do not say what becomes\r\n"
             "of it, so this is the last report on these recipients.\r\n";
  }
  return {};
}

/// Builds the parts of one notification.
class Writer {
 public:
  Writer(const Notice& notice, std::string& out)
      : notice_(notice), out_(out), boundary_("=_report." + std::string(notice.token)) {}

  void write_front() {
    write_head();
    write_words();
    write_fields();
    begin_original();
  }
  void write_end() {
    if (!notice_.original.empty()) {
      line({});
    }
    out_.append("--").append(boundary_).append("--\r\n.\r\n");
  }

 private:
  void line(std::string_view a, std::string_view b = {}, std::string_view c = {}) {
    out_.append(a).append(b).append(c).append(kEnd);
  }
  void begin_part(std::string_view type, bool eight_bit) {
    line("--", boundary_);
    line("Content-Type: ", type);
    if (eight_bit) {
      line("Content-Transfer-Encoding: 8bit");
    }
    line({});
  }

  bool foreign() const {
    return !is_ascii(notice_.sender) ||
           std::any_of(notice_.recipients.begin(), notice_.recipients.end(),
                       [](const NoticeRecipient& to) { return !is_ascii(to.address); });
  }
  void write_head() {
    line("Date: ", date_of(notice_.now));
    line("From: Mail Delivery System <MAILER-DAEMON@", notice_.host_name, ">");
    line("To: <", notice_.sender, ">");
    line("Subject: ", subject_of(notice_.action));
    out_.append("Message-ID: <").append(notice_.token).append("@");
    line(notice_.host_name, ">");
    line("Auto-Submitted: auto-replied");
    line("MIME-Version: 1.0");
    line("Content-Type: multipart/report; report-type=delivery-status;");
    line(" boundary=\"", boundary_, "\"");
    if (foreign() || notice_.original_eight_bit) {
      line("Content-Transfer-Encoding: 8bit");
    }
    line({});
    header_bytes_ = out_.size();
  }

  void write_words() {
    const bool utf8 = foreign();
    begin_part(utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", utf8);
    line("This is the mail system of ", notice_.host_name, ".");
    line({});
    line("Your message of ", date_of(notice_.arrived));
    out_.append(words_of(notice_.action));
    for (const NoticeRecipient& to : notice_.recipients) {
      line({});
      line("  <", on_one_line(to.address, false), ">");
      write_reason(to);
    }
    line({});
    if (!notice_.contact.empty()) {
      line("For help write to <", notice_.contact, ">.");
      line({});
    }
  }

  void write_reason(const NoticeRecipient& to) {
    if (!to.host.empty()) {
      const std::string address = to.host_address.valid() ? to.host_address.text() : "";
      out_.append("    ").append(on_one_line(to.host, true));
      line(address.empty() ? "" : " [", address, address.empty() ? "" : "]");
    }
    if (to.reply_code != 0) {
      line("    answered: ", diagnostic(to));
    } else if (!to.text.empty()) {
      line("    reason: ", on_one_line(to.text, true));
    }
    if (notice_.action == NoticeAction::delayed && to.retry_until.us > 0) {
      line("    tried until: ", date_of(to.retry_until));
    }
  }

  static std::string diagnostic(const NoticeRecipient& to) {
    std::string text = std::to_string(to.reply_code);
    if (to.status.known()) {
      text.append(" ").append(status_of(to.status));
    }
    return text.append(" ").append(on_one_line(to.text, true));
  }

  void write_fields() {
    const bool utf8 = foreign();
    begin_part(utf8 ? "message/global-delivery-status" : "message/delivery-status", utf8);
    line("Reporting-MTA: dns; ", notice_.host_name);
    if (!notice_.envelope_id.empty()) {
      line("Original-Envelope-Id: ", from_xtext(notice_.envelope_id, true));
    }
    write_received_from();
    line("Arrival-Date: ", date_of(notice_.arrived));
    for (const NoticeRecipient& to : notice_.recipients) {
      line({});
      write_recipient(to, utf8);
    }
    line({});
  }

  /// RFC 3464 section 2.2.4: a name, or else the address as a literal.
  void write_received_from() {
    const std::string_view name = notice_.received_from;
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    });
    if (plain && !name.empty()) {
      line("Received-From-MTA: dns; ", name);
    } else if (notice_.origin.valid()) {
      const std::string address = notice_.origin.text();
      line("Received-From-MTA: dns; [", notice_.origin.is_v4() ? "" : "IPv6:", address + "]");
    }
  }

  void write_recipient(const NoticeRecipient& to, bool utf8) {
    const std::size_t semicolon = to.original.find(';');
    if (semicolon != std::string_view::npos) {
      out_.append("Original-Recipient: ");
      out_.append(on_one_line(to.original.substr(0, semicolon), true));
      line("; ", from_xtext(to.original.substr(semicolon + 1), !utf8));
    }
    const bool plain = !utf8 || is_ascii(to.address);
    line("Final-Recipient: ", plain ? "rfc822; " : "utf-8; ", on_one_line(to.address, false));
    line("Action: ", name_of(notice_.action));
    line("Status: ", status_of(to.status));
    if (!to.host.empty()) {
      line("Remote-MTA: dns; ", on_one_line(to.host, true));
    }
    if (to.reply_code != 0) {
      line("Diagnostic-Code: smtp; ", diagnostic(to));
    } else if (!to.text.empty()) {
      line("Diagnostic-Code: x-ringpost; ", on_one_line(to.text, true));
    }
    if (to.last_attempt.us > 0) {
      line("Last-Attempt-Date: ", date_of(to.last_attempt));
    }
    if (notice_.action == NoticeAction::delayed && to.retry_until.us > 0) {
      line("Will-Retry-Until: ", date_of(to.retry_until));
    }
    if (!notice_.log_id.empty()) {
      line("Final-Log-ID: ", notice_.log_id);
    }
  }

  void begin_original() {
    if (notice_.original.empty()) {
      return;
    }
    const bool eight_bit = notice_.original_eight_bit;
    if (notice_.whole) {
      begin_part(notice_.smtputf8 ? "message/global" : "message/rfc822", eight_bit);
    } else {
      begin_part(notice_.smtputf8 ? "message/global-headers" : "text/rfc822-headers", eight_bit);
    }
  }

 public:
  std::size_t header_bytes_ = 0;

 private:
  const Notice& notice_;
  std::string& out_;
  std::string boundary_;
};

}  // namespace

std::string from_xtext(std::string_view xtext, bool ascii) {
  std::string text;
  for (std::size_t i = 0; i < xtext.size(); ++i) {
    char c = xtext[i];
    if (c == '+' && i + 2 < xtext.size() && hex_digit(xtext[i + 1]) >= 0 &&
        hex_digit(xtext[i + 2]) >= 0) {
      const int octet = hex_digit(xtext[i + 1]) * 16 + hex_digit(xtext[i + 2]);
      if (!ascii || octet < 0x80) {
        c = static_cast<char>(octet);
        i += 2;
      }
    }
    text += c;
  }
  return on_one_line(text, ascii);
}

void WireCount::add(std::string_view run) {
  if (run.empty()) {
    return;
  }
  dots_ += line_ended_ && run.front() == '.' ? 1 : 0;
  for (std::size_t at = run.find("\n."); at != std::string_view::npos;
       at = run.find("\n.", at + 1)) {
    ++dots_;
  }
  line_ended_ = run.back() == '\n';
  eight_bit_ = eight_bit_ || !is_ascii(run);
  bytes_ += run.size();
}

ContentInfo WireCount::info(std::uint32_t header_bytes) const {
  ContentInfo info;
  info.wire_bytes = static_cast<std::uint32_t>(bytes_);
  info.header_bytes = header_bytes;
  info.eight_bit = eight_bit_;
  // The last dot is that of the final line: dot, CR, LF.
  info.dot_lines = dots_ > 1;
  info.size = info.wire_bytes - 3 - (dots_ - 1);
  return info;
}

ContentInfo write_notice(const Notice& notice, std::string& out) {
  out.clear();
  Writer writer(notice, out);
  writer.write_front();
  for (const std::string_view run : notice.original) {
    out.append(run);
  }
  writer.write_end();
  WireCount count;
  count.add(out);
  return count.info(static_cast<std::uint32_t>(writer.header_bytes_));
}

void write_frame(const Notice& notice, NoticeFrame& frame) {
  frame = {};
  Writer front(notice, frame.before);
  front.write_front();
  frame.header_bytes = static_cast<std::uint32_t>(front.header_bytes_);
  Writer(notice, frame.after).write_end();
}

}  // namespace ringpost::account
