#include "net/smtp/reply_parser.h"

#include <algorithm>
#include <cstring>

namespace ringpost::smtp {

namespace {

constexpr std::size_t kCodeBytes = 3;

bool is_digit(char c, char low, char high) noexcept { return c >= low && c <= high; }

}  // namespace

std::string_view text_of(ReplyError error) noexcept {
  switch (error) {
    case ReplyError::none: return "no error";
    case ReplyError::bad_code: return "a reply line does not begin with a reply code";
    case ReplyError::code_changed: return "the lines of a reply carry different codes";
    case ReplyError::line_too_long: return "a reply line is too long";
    case ReplyError::reply_too_long: return "a reply is too long";
  }
  return "unknown";
}

void ReplyParser::start_reply() noexcept {
  reply_ = {};
  text_kept_ = bytes_ = lines_ = 0;
  done_ = false;
}

void ReplyParser::keep(std::string_view bytes) noexcept {
  const std::size_t fits = std::min(bytes.size(), line_.size() - line_kept_);
  std::memcpy(line_.data() + line_kept_, bytes.data(), fits);
  line_kept_ += fits;
  line_bytes_ += bytes.size();
  bytes_ += bytes.size();
}

ReplyParser::Step ReplyParser::fail(ReplyError error, std::size_t consumed) noexcept {
  error_ = error;
  return {Event::error, consumed};
}

ReplyParser::Step ReplyParser::feed(std::string_view bytes) noexcept {
  if (error_ != ReplyError::none) {
    return {Event::error, 0};
  }
  if (bytes.empty()) {
    return {};
  }
  if (done_) {
    start_reply();
  }
  if (line_done_) {
    line_kept_ = line_bytes_ = 0;
    line_done_ = false;
  }
  const std::size_t newline = bytes.find('\n');
  const std::size_t taken = newline == std::string_view::npos ? bytes.size() : newline + 1;
  keep(bytes.substr(0, taken));
  if (line_bytes_ > kReplyLineMax) {
    return fail(ReplyError::line_too_long, taken);
  }
  if (bytes_ > kReplyBytesMax) {
    return fail(ReplyError::reply_too_long, taken);
  }
  if (newline != std::string_view::npos) {
    return finish_line(taken);
  }
  return {Event::need_more, taken};
}

std::string_view ReplyParser::line() const noexcept {
  const std::size_t start = std::min(line_kept_, kCodeBytes + 1);
  return {line_.data() + start, line_kept_ - start};
}

void ReplyParser::append_text(std::string_view text) noexcept {
  if (lines_ > 1 && text_kept_ > 0 && text_kept_ < text_.size() && !text.empty()) {
    text_[text_kept_++] = ' ';
  }
  for (const char c : text) {
    if (text_kept_ == text_.size()) {
      return;
    }
    const auto octet = static_cast<unsigned char>(c);
    text_[text_kept_++] = octet == '\t' ? ' ' : (octet < 0x20 || octet == 0x7f) ? '?' : c;
  }
}

ReplyParser::Step ReplyParser::finish_line(std::size_t consumed) noexcept {
  line_done_ = true;
  if (line_bytes_ <= line_.size()) {
    --line_kept_;  // the line feed; longer lines lost theirs with their tail
  }
  if (line_kept_ > 0 && line_[line_kept_ - 1] == '\r') {
    --line_kept_;
  }
  if (line_kept_ < kCodeBytes || !is_digit(line_[0], '2', '5') || !is_digit(line_[1], '0', '9') ||
      !is_digit(line_[2], '0', '9')) {
    return fail(ReplyError::bad_code, consumed);
  }
  const char mark = line_kept_ == kCodeBytes ? ' ' : line_[kCodeBytes];
  if (mark != ' ' && mark != '-') {
    return fail(ReplyError::bad_code, consumed);
  }
  const auto code =
      static_cast<std::uint16_t>((line_[0] - '0') * 100 + (line_[1] - '0') * 10 + (line_[2] - '0'));
  if (++lines_ > kReplyLinesMax) {
    return fail(ReplyError::reply_too_long, consumed);
  }
  if (lines_ == 1) {
    reply_.code = code;
    reply_.status = read_enhanced_status(line(), code);
  } else if (code != reply_.code) {
    return fail(ReplyError::code_changed, consumed);
  }
  append_text(line());
  if (mark == '-') {
    return {Event::line, consumed};
  }
  done_ = true;
  reply_.text = {text_.data(), text_kept_};
  return {Event::reply, consumed};
}

}  // namespace ringpost::smtp
