#include "core/schedule/kept_line.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::schedule {

std::string_view next_field(std::string_view& rest) {
  const std::size_t tab = std::min(rest.find('\t'), rest.size());
  const std::string_view field = rest.substr(0, tab);
  rest.remove_prefix(std::min(tab + 1, rest.size()));
  return field;
}

void add_field(std::string& line, std::string_view field) {
  line += '\t';
  for (const char c : field) {
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
}

bool read_time(std::string_view text, WallTime& out) {
  std::uint64_t value = 0;
  if (!parse_decimal(text, value) || value > static_cast<std::uint64_t>(INT64_MAX)) {
    return false;
  }
  out.us = static_cast<std::int64_t>(value);
  return true;
}

bool is_shared_line(std::string_view line) {
  next_field(line);
  return line.starts_with('*');
}

std::uint64_t home_of_line(std::string_view line, std::uint64_t shards) {
  next_field(line);
  const std::string_view name = next_field(line);
  const std::string_view vmta = next_field(line);
  return queue_hash(name, vmta) % std::max<std::uint64_t>(shards, 1);
}

std::string_view subject_of_line(std::string_view line) {
  std::string_view rest = line;
  next_field(rest);
  next_field(rest);
  const std::string_view vmta = next_field(rest);
  return line.substr(0, static_cast<std::size_t>(vmta.data() + vmta.size() - line.data()));
}

}  // namespace ringpost::schedule
