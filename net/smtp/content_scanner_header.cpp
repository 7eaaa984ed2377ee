#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "net/smtp/content_scanner.h"

// The header section (RFC 5322 section 2.2): which fields there are and where.

namespace ringpost::smtp {
namespace {

struct FieldName {
  std::string_view name;
  KnownField field;
};

constexpr std::array<FieldName, 6> kFieldNames = {{
    {"received", KnownField::received},
    {"date", KnownField::date},
    {"from", KnownField::from},
    {"message-id", KnownField::message_id},
    {"sender", KnownField::sender},
    {"bcc", KnownField::bcc},
}};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view without_line_end(std::string_view line) {
  if (!line.empty() && line.back() == '\n') {
    line.remove_suffix(1);
  }
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  return line;
}

// The field name at the beginning of `line`; empty if there is none. Blanks before the colon are
// obsolete but legal (RFC 5322 section 4.5).
std::string_view field_name(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) {
    return {};
  }
  std::string_view name = line.substr(0, colon);
  while (!name.empty() && is_blank(name.back())) {
    name.remove_suffix(1);
  }
  const bool good =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
  return good ? name : std::string_view{};
}

std::uint32_t narrowed(std::uint64_t offset) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(offset, 0xffffffffU));
}

}  // namespace

// Where the part of the current line that lies in input_ begins.
std::size_t ContentScanner::line_begin_in_input() const {
  return line_raw_ > raw_base_ ? static_cast<std::size_t>(line_raw_ - raw_base_) : 0;
}

// The piece ends inside a header line that has not been looked at: keep its beginning.
void ContentScanner::keep_partial(std::size_t end) {
  const std::size_t begin = line_begin_in_input();
  const std::size_t size = std::min(end - begin, kHeaderLookBytes - partial_);
  std::memcpy(scratch_.data() + partial_, input_.data() + begin, size);
  partial_ += size;
  if (partial_ == kHeaderLookBytes) {
    classify({scratch_.data(), partial_});
  }
}

void ContentScanner::header_line_ended(std::size_t end) {
  if (line_kind_ == LineKind::unseen) {
    const std::size_t begin = line_begin_in_input();
    const std::size_t size = std::min(end - begin, kHeaderLookBytes - partial_);
    std::string_view line = input_.substr(begin, size);
    if (partial_ > 0) {
      if (size > 0) {
        std::memcpy(scratch_.data() + partial_, line.data(), size);
      }
      line = {scratch_.data(), partial_ + size};
    }
    classify(line);
  }
  if (!in_header_) {
    return;
  }
  const std::uint64_t wire = wire_at(end);
  if (line_kind_ == LineKind::other) {
    end_header(line_wire_, wire, raw_at(end));
    return;
  }
  if (field_marked_) {
    summary_.fields.back().range.end = narrowed(wire);
  }
  if (wire > limits_->header_bytes_max) {
    set(ContentFault::header_too_large);
  }
}

// Decides what the line is from its first kHeaderLookBytes octets: a field, its continuation, the
// empty line that ends the section, or text that belongs to the body because the empty line was
// left out.
void ContentScanner::classify(std::string_view line) {
  const bool cut = line.size() == kHeaderLookBytes && line.back() != '\n';
  line = without_line_end(line);
  if (line_dot_ && line_proper_ && transfer_ == Transfer::data) {
    line.remove_prefix(1);
  }
  line_kind_ = LineKind::field;
  if (line.empty()) {
    line_kind_ = LineKind::other;
    return;
  }
  if (is_blank(line.front()) && field_open_) {
    append_value(line, cut);
    add_to_note(trimmed(without_line_end(line)));
    return;
  }
  const std::string_view name = is_blank(line.front()) ? std::string_view{} : field_name(line);
  if (name.empty()) {
    line_kind_ = LineKind::other;
    end_header(line_wire_, line_wire_, line_raw_);
    return;
  }
  read_field(name, line.substr(line.find(':') + 1), cut);
}

void ContentScanner::read_field(std::string_view name, std::string_view value, bool cut) {
  field_open_ = true;
  field_marked_ = false;
  end_note();
  begin_note(name, trimmed(without_line_end(value)));
  if (++summary_.header_fields > limits_->header_fields_max) {
    set(ContentFault::too_many_fields);
  }
  FieldMark mark;
  bool known = false;
  for (const FieldName& candidate : kFieldNames) {
    if (equals_ignoring_case(name, candidate.name)) {
      mark.field = candidate.field;
      known = true;
    }
  }
  for (std::size_t i = 0; i < controls_.size() && !mark.has_value; ++i) {
    if (equals_ignoring_case(name, controls_[i])) {
      mark.has_value = i < watched_ || !is_marked(i);
      mark.field = known ? mark.field : KnownField::control;
      mark.control = static_cast<std::uint8_t>(i);
    }
  }
  if (!known && !mark.has_value) {
    return;
  }
  if (mark.field == KnownField::received &&
      ++summary_.received_fields > limits_->received_fields_max) {
    set(ContentFault::mail_loop);
  }
  if (summary_.fields.full()) {
    set(ContentFault::repeated_fields);
    return;
  }
  mark.range = {narrowed(line_wire_), narrowed(line_wire_)};
  mark.value_begin = static_cast<std::uint16_t>(values_used_);
  summary_.fields.push_back(mark);
  field_marked_ = true;
  append_value(value, cut);
}

bool ContentScanner::is_marked(std::size_t control) const {
  return std::any_of(
      summary_.fields.begin(), summary_.fields.end(),
      [control](const FieldMark& mark) { return mark.has_value && mark.control == control; });
}

// Adds to the value of a control field: unfolded, each line trimmed, lines joined by a blank.
// `cut`: the line went on beyond what was looked at.
void ContentScanner::append_value(std::string_view text, bool cut) {
  if (!field_marked_ || !summary_.fields.back().has_value) {
    return;
  }
  FieldMark& mark = summary_.fields.back();
  const std::size_t most = mark.control < watched_ ? kControlValueBytes : kWatchedValueBytes;
  mark.value_cut = mark.value_cut || cut;
  text = trimmed(without_line_end(text));
  const auto add = [this, &mark, most](std::string_view part) {
    const std::size_t fits = std::min(
        {part.size(), kControlValueBytes - values_used_, std::size_t{most - mark.value_size}});
    std::memcpy(summary_.values.data() + values_used_, part.data(), fits);
    values_used_ += fits;
    mark.value_size = static_cast<std::uint16_t>(mark.value_size + fits);
    mark.value_cut = mark.value_cut || fits < part.size();
  };
  if (text.empty()) {
    return;
  }
  if (mark.value_size > 0) {
    add(" ");
  }
  add(text);
}

// Notes are for accounting: they are cut where there is no room, they never refuse a message.
void ContentScanner::begin_note(std::string_view name, std::string_view value) {
  for (std::size_t i = 0; i < note_names_.size(); ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if ((notes_seen_ & bit) != 0 || !equals_ignoring_case(name, note_names_[i])) {
      continue;
    }
    // The name, colon and line end fit, or the field is left out.
    if (kNotedBytesMax - summary_.noted.size() < name.size() + 2) {
      return;
    }
    notes_seen_ |= bit;
    for (const char c : note_names_[i]) {
      summary_.noted.push_back(c);
    }
    summary_.noted.push_back(':');
    note_begin_ = summary_.noted.size();
    note_open_ = true;
    add_to_note(value);
    return;
  }
}

void ContentScanner::add_to_note(std::string_view text) {
  if (!note_open_ || text.empty()) {
    return;
  }
  const std::size_t room = kNotedBytesMax - summary_.noted.size() - 1;
  std::size_t used = 0;
  if (summary_.noted.size() > note_begin_ && room > 0) {
    summary_.noted.push_back(' ');
    ++used;
  }
  for (const char c : text.substr(0, room - used)) {
    const auto octet = static_cast<unsigned char>(c);
    summary_.noted.push_back(octet < 0x20 || octet == 0x7f ? ' ' : c);
  }
}

void ContentScanner::end_note() {
  if (note_open_) {
    summary_.noted.push_back('\n');
    note_open_ = false;
  }
}

// The last field ends at `fields_end`, the body begins at `body_begin`; `raw` is the latter as the
// content came.
void ContentScanner::end_header(std::uint64_t fields_end, std::uint64_t body_begin,
                                std::uint64_t raw) {
  in_header_ = false;
  end_note();
  summary_.header_end = narrowed(fields_end);
  summary_.info.header_bytes = narrowed(body_begin);
  summary_.eight_bit_header = first_high_ < raw;
}

}  // namespace ringpost::smtp
