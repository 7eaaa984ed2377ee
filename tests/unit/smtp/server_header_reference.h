#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/text.h"
#include "net/smtp/content_scanner.h"

// The part of the scanner's twin that reads header sections; see server_content_reference.h.

namespace ringpost::smtp::reference {

struct Case {
  Transfer transfer = Transfer::data;
  BareLineEnds bare = BareLineEnds::refuse;
  ContentLimits limits;
  std::vector<std::string_view> controls;
};

// The header section, line by line.
class HeaderReader {
 public:
  HeaderReader(const Case& c, ContentSummary& s, unsigned& faults)
      : case_(c), summary_(s), faults_(faults) {}

  bool open() const { return open_; }

  // `look`: the line as it came with its end, cut, its stuffed dot removed.
  void line(std::string look, std::size_t wire_begin, std::size_t wire_end, std::size_t raw_begin,
            std::size_t raw_end, bool cut) {
    if (!look.empty() && look.back() == '\n') {
      look.pop_back();
    }
    if (!look.empty() && look.back() == '\r') {
      look.pop_back();
    }
    if (look.empty()) {
      return close(wire_begin, wire_end, raw_end);
    }
    const bool blank = look[0] == ' ' || look[0] == '\t';
    if (blank && any_field_) {
      value(look, cut);
    } else if (blank || !field(look, wire_begin, cut)) {
      return close(wire_begin, wire_begin, raw_begin);
    }
    if (marked_) {
      summary_.fields.back().range.end = static_cast<std::uint32_t>(wire_end);
    }
    if (wire_end > case_.limits.header_bytes_max) {
      faults_ |= 1U << static_cast<unsigned>(ContentFault::header_too_large);
    }
  }

  void close(std::size_t fields_end, std::size_t body, std::size_t raw) {
    open_ = false;
    summary_.header_end = static_cast<std::uint32_t>(fields_end);
    summary_.info.header_bytes = static_cast<std::uint32_t>(body);
    body_raw_ = raw;
  }
  std::size_t body_raw() const { return body_raw_; }

 private:
  bool field(const std::string& look, std::size_t wire_begin, bool cut) {
    const auto colon = look.find(':');
    if (colon == std::string::npos) {
      return false;
    }
    std::string name = to_lower(look.substr(0, colon));
    while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) {
      name.pop_back();
    }
    for (const char c : name) {
      if (c < 33 || c > 126) {
        return false;
      }
    }
    if (name.empty()) {
      return false;
    }
    any_field_ = true;
    marked_ = false;
    if (++summary_.header_fields > case_.limits.header_fields_max) {
      faults_ |= 1U << static_cast<unsigned>(ContentFault::too_many_fields);
    }
    FieldMark mark;
    if (!recognise(name, mark)) {
      return true;
    }
    if (mark.field == KnownField::received &&
        ++summary_.received_fields > case_.limits.received_fields_max) {
      faults_ |= 1U << static_cast<unsigned>(ContentFault::mail_loop);
    }
    if (summary_.fields.full()) {
      faults_ |= 1U << static_cast<unsigned>(ContentFault::repeated_fields);
      return true;
    }
    mark.range.begin = static_cast<std::uint32_t>(wire_begin);
    mark.value_begin = static_cast<std::uint16_t>(used_);
    summary_.fields.push_back(mark);
    marked_ = true;
    value(look.substr(colon + 1), cut);
    return true;
  }

  bool recognise(const std::string& name, FieldMark& mark) const {
    const std::pair<std::string_view, KnownField> known[] = {
        {"date", KnownField::date},         {"message-id", KnownField::message_id},
        {"received", KnownField::received}, {"bcc", KnownField::bcc},
        {"from", KnownField::from},         {"sender", KnownField::sender}};
    for (const auto& [text, kind] : known) {
      if (name == text) {
        mark.field = kind;
        return true;
      }
    }
    for (std::size_t i = 0; i < case_.controls.size(); ++i) {
      if (name == case_.controls[i]) {
        mark.field = KnownField::control;
        mark.control = static_cast<std::uint8_t>(i);
        return true;
      }
    }
    return false;
  }

  void value(std::string_view text, bool cut) {
    if (!marked_ || summary_.fields.back().field != KnownField::control) {
      return;
    }
    FieldMark& mark = summary_.fields.back();
    mark.value_cut = mark.value_cut || cut;
    const std::string line(trimmed(text));
    if (line.empty()) {
      return;
    }
    for (const char c : (mark.value_size > 0 ? " " : "") + line) {
      if (used_ == kControlValueBytes) {
        mark.value_cut = true;
        return;
      }
      summary_.values[used_++] = c;
      ++mark.value_size;
    }
  }

  const Case& case_;
  ContentSummary& summary_;
  unsigned& faults_;
  bool open_ = true;
  bool any_field_ = false;
  bool marked_ = false;
  std::size_t used_ = 0;
  std::size_t body_raw_ = 0;
};

}  // namespace ringpost::smtp::reference
