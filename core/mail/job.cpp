#include "core/mail/job.h"

#include <algorithm>

#include "core/base/mail_date.h"
#include "core/base/text.h"

namespace ringpost {

TextRef Job::keep_text(std::string_view text) {
  text = text.substr(0, kOutcomeTextMax);
  const std::size_t offset = texts.size();
  texts.append(text);
  for (std::size_t i = offset; i < texts.size(); ++i) {
    // Replies come from strangers: nothing that could break a log line or a terminal stays.
    const auto c = static_cast<unsigned char>(texts[i]);
    if (c < 0x20 || c == 0x7f) {
      texts[i] = ' ';
    }
  }
  const TextRef ref{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(text.size())};
  if (last_text_.size == ref.size && text_of(last_text_) == text_of(ref)) {
    texts.resize(offset);
    return last_text_;
  }
  last_text_ = ref;
  return ref;
}

void Job::set_date(WallTime now) {
  // Of the fields before it only Received has a value from outside, and that has no line breaks.
  constexpr std::string_view kField = "Date: ";
  const std::string_view prefix = view.prefix;
  std::size_t begin = prefix.starts_with(kField) ? 0 : prefix.find("\r\nDate: ");
  if (!view.content.dated_late || begin == std::string_view::npos) {
    return;
  }
  begin += begin == 0 ? kField.size() : kField.size() + 2;
  std::array<char, kMailDateBytes> room;
  TextBuilder date(room);
  write_mail_date(now, date);
  const std::size_t end = std::min(prefix.find("\r\n", begin), prefix.size());
  dated_prefix.assign(prefix.substr(0, begin)).append(date.view()).append(prefix.substr(end));
  view.prefix = dated_prefix;
}

void Job::clear() {
  message = {};
  queue = {};
  queue_name.clear();
  vmta.clear();
  hidden_records = 0;
  recipients.clear();
  facts.started = facts.ended = {};
  facts.host.clear();
  facts.remote = {};
  facts.local = {};
  facts.offered = 0;
  facts.zero_copy = false;
  facts.way = DeliveryWay::smtp;
  facts.tls = {};
  view = {};
  policy = nullptr;
  holder = nullptr;
  signature.clear();
  dated_prefix.clear();
  texts.clear();
  last_text_ = {};
}

}  // namespace ringpost
