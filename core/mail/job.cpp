#include "core/mail/job.h"

#include <algorithm>

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
  facts.tls = {};
  view = {};
  policy = nullptr;
  signature.clear();
  texts.clear();
  last_text_ = {};
}

}  // namespace ringpost
