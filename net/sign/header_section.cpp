#include "net/sign/header_section.h"

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::sign {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

void HeaderSection::clear() noexcept {
  text_.clear();
  marks_.clear();
  fields_.clear();
  line_begin_ = 0;
  line_started_ = false;
  in_line_ = false;
  ended_ = false;
  lines_ = HeaderLines();
}

void HeaderSection::open_field() { marks_.push_back({line_begin_, line_begin_}); }

// Copies to the end of the line, or of `wire`; returns where that is.
std::size_t HeaderSection::take_line(std::string_view wire, std::size_t at) {
  while (at < wire.size()) {
    const auto lf = wire.find('\n', at);
    const std::size_t end = lf == std::string_view::npos ? wire.size() : lf + 1;
    text_.append(wire.substr(at, end - at));
    at = end;
    if (lf != std::string_view::npos && text_.size() >= 2 && text_[text_.size() - 2] == '\r') {
      marks_.back().end = text_.size();
      line_begin_ = text_.size();
      line_started_ = false;
      in_line_ = false;
      lines_.begin_line();
      break;
    }
  }
  return at;
}

void HeaderSection::feed(std::string_view wire) {
  using Verdict = HeaderLines::Verdict;
  std::size_t at = 0;
  while (at < wire.size() && !ended_) {
    if (in_line_) {
      at = take_line(wire, at);
      continue;
    }
    const char c = wire[at++];
    const Verdict verdict = lines_.look(c);
    const bool stuffed = !line_started_ && c == '.';
    line_started_ = true;
    if (!stuffed) {
      text_.push_back(c);
    }
    if (verdict == Verdict::field) {
      open_field();
      in_line_ = true;
    } else if (verdict == Verdict::continuation) {
      in_line_ = true;
    } else if (verdict != Verdict::open) {
      text_.resize(line_begin_);
      ended_ = true;
    }
  }
}

void HeaderSection::read(std::string_view prefix, std::string_view content,
                         std::span<const ByteRange> kept) {
  clear();
  feed(prefix);
  for (const ByteRange& range : kept) {
    RP_ASSERT(range.begin <= range.end && range.end <= content.size());
    feed(content.substr(range.begin, range.size()));
  }
  finish();
}

void HeaderSection::finish() {
  if (in_line_) {
    // Wire form ends every line; a line cut off counts as ended.
    text_.append("\r\n");
    marks_.back().end = text_.size();
  }
  ended_ = true;
  in_line_ = false;
  fields_.clear();
  for (const Mark& mark : marks_) {
    HeaderField field;
    field.text = std::string_view(text_).substr(mark.begin, mark.end - mark.begin);
    field.colon = field.text.find(':');
    RP_ASSERT(field.colon != std::string_view::npos);
    field.name = trimmed(field.text.substr(0, field.colon));
    fields_.push_back(field);
  }
}

const HeaderField* HeaderSection::find(std::string_view name, std::size_t* count) const noexcept {
  const HeaderField* first = nullptr;
  std::size_t found = 0;
  for (const HeaderField& field : fields_) {
    if (equals_ignoring_case(field.name, name)) {
      first = first == nullptr ? &field : first;
      ++found;
    }
  }
  if (count != nullptr) {
    *count = found;
  }
  return first;
}

// Unfolding removes every CRLF (each stands before a blank, but for the last).
void append_relaxed_value(std::string_view value, std::string& out) {
  bool blank = false;
  bool any = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (is_blank(c)) {
      blank = true;
      continue;
    }
    if (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n') {
      ++i;
      continue;
    }
    if (blank && any) {
      out.push_back(' ');
    }
    out.push_back(c);
    blank = false;
    any = true;
  }
}

void append_canonical(const HeaderField& field, Canon canon, std::string& out) {
  if (canon == Canon::simple) {
    out.append(field.text);
    return;
  }
  for (const char c : field.name) {
    out.push_back(ascii_lower(c));
  }
  out.push_back(':');
  append_relaxed_value(field.value(), out);
  out.append("\r\n");
}

}  // namespace ringpost::sign
