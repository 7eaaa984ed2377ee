// room: account
// What strangers say stands in notifications: replies, names of hosts, ORCPT, ENVID, EHLO. Nothing
// of it may begin a line of its own, end the content, or be other than ASCII where the form has
// ASCII alone. Each line of the input is one of them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/account/notice.h"

namespace {

using namespace ringpost;
using namespace ringpost::account;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

constexpr std::array<std::string_view, 14> kFields = {"Reporting-MTA",
                                                      "Original-Envelope-Id",
                                                      "Received-From-MTA",
                                                      "Arrival-Date",
                                                      "Original-Recipient",
                                                      "Final-Recipient",
                                                      "Action",
                                                      "Status",
                                                      "Remote-MTA",
                                                      "Diagnostic-Code",
                                                      "Last-Attempt-Date",
                                                      "Will-Retry-Until",
                                                      "Final-Log-ID",
                                                      "--=_report.t.0.f--"};

/// The part for programs: a known field on each line, or an empty one.
void check_fields(std::string_view text) {
  const std::string_view begin =
      "\r\n--=_report.t.0.f\r\nContent-Type: message/delivery-status\r\n\r\n";
  const std::size_t at = text.find(begin);
  if (at == std::string_view::npos) {
    std::abort();
  }
  text.remove_prefix(at + begin.size());
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::string_view name = line.substr(0, std::min(line.find(':'), line.size() - 1));
    if (line == "\r" || line == ".\r") {
      continue;
    }
    if (std::find(kFields.begin(), kFields.end(), name) == kFields.end()) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  NoticeRecipient to;
  to.address = "bob@example.org";
  to.status = {5, 1, 1};
  to.reply_code = size % 2 == 0 ? 550 : 0;
  to.text = take_line(input);
  to.host = take_line(input);
  to.original = take_line(input);
  const std::array recipients = {to};
  Notice notice;
  notice.host_name = "mail.example.com";
  notice.token = "t.0.f";
  notice.sender = "list@example.com";
  notice.envelope_id = take_line(input);
  notice.received_from = take_line(input);
  notice.recipients = recipients;
  std::string text;
  const ContentInfo info = write_notice(notice, text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool end = text[i] == '\n';
    if (end != (i > 0 && text[i - 1] == '\r') || static_cast<unsigned char>(text[i]) >= 0x80) {
      std::abort();
    }
  }
  if (text.find("\r\n.\r\n") + 5 != text.size() || info.dot_lines || info.eight_bit) {
    std::abort();
  }
  check_fields(text);
  return 0;
}
