#include "core/config/options.h"

#include <array>
#include <string>
#include <unordered_map>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

std::string folded(std::string_view name) {
  std::string out = to_lower(name);
  for (char& c : out) {
    c = c == '_' ? '-' : c;
  }
  return out;
}

std::vector<OptionRow> make_rows() {
  std::vector<OptionRow> rows;
  add_global_rows(rows);
  add_source_rows(rows);
  add_virtual_mta_rows(rows);
  add_queue_rows(rows);
  add_file_rows(rows);
  add_global_inert_rows(rows);
  add_source_inert_rows(rows);
  add_queue_inert_rows(rows);
  add_other_rows(rows);
  for (OptionRow& row : rows) {
    if (row.is_read()) {
      row.no_effect = pending_reason(row.id);
    }
  }
  return rows;
}

/// Rows by name and alias. Constant once made.
using NameIndex = std::unordered_multimap<std::string, const OptionRow*>;

const NameIndex& name_index() {
  static const NameIndex kIndex = [] {
    NameIndex index;
    for (const OptionRow& row : option_rows()) {
      index.emplace(row.name, &row);
      for (const std::string_view alias : split_words(row.aliases)) {
        index.emplace(alias, &row);
      }
    }
    return index;
  }();
  return kIndex;
}

}  // namespace

const std::vector<OptionRow>& option_rows() {
  static const std::vector<OptionRow> kRows = make_rows();
  return kRows;
}

const OptionRow* find_option(std::string_view name, Scope scope) {
  const auto [first, last] = name_index().equal_range(folded(name));
  for (auto it = first; it != last; ++it) {
    if (has(it->second->scopes, scope)) {
      return it->second;
    }
  }
  return nullptr;
}

ScopeSet scopes_of(std::string_view name) {
  ScopeSet scopes = 0;
  const auto [first, last] = name_index().equal_range(folded(name));
  for (auto it = first; it != last; ++it) {
    scopes |= it->second->scopes;
  }
  return scopes;
}

std::vector<std::string_view> names_in(Scope scope) {
  std::vector<std::string_view> names;
  for (const OptionRow& row : option_rows()) {
    if (has(row.scopes, scope)) {
      names.push_back(row.name);
      for (const std::string_view alias : split_words(row.aliases)) {
        names.push_back(alias);
      }
    }
  }
  for (const SectionRow& row : section_rows()) {
    if (has(row.parents, scope)) {
      names.push_back(row.kind);
    }
  }
  return names;
}

const OptionRow& row_of(OptionId id) {
  static const std::array<const OptionRow*, kOptionCount> kFirst = [] {
    std::array<const OptionRow*, kOptionCount> first{};
    for (const OptionRow& row : option_rows()) {
      const auto index = static_cast<std::size_t>(row.id);
      if (row.id != OptionId::none && first[index] == nullptr) {
        first[index] = &row;
      }
    }
    return first;
  }();
  const OptionRow* row = kFirst[static_cast<std::size_t>(id)];
  RP_ASSERT_NOTE(row != nullptr, "a setting without a row");
  return *row;
}

std::vector<std::string_view> split_words(std::string_view words) {
  std::vector<std::string_view> out;
  while (!words.empty()) {
    const std::size_t end = words.find(' ');
    if (end != 0) {
      out.push_back(words.substr(0, end));
    }
    words.remove_prefix(end == std::string_view::npos ? words.size() : end + 1);
  }
  return out;
}

}  // namespace ringpost::config
