#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ringpost::app {

/// A plain text table for terminals: columns as wide as their widest cell, numbers to the right.
class Table {
 public:
  static constexpr std::size_t kNarrowest = 12;  ///< words cut shorter tell nothing

  explicit Table(std::vector<std::string> header)
      : header_(std::move(header)),
        least_(header_.size(), kNarrowest),
        may_go_below_(header_.size()),
        whole_(header_.size()) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  /// Where lines are too short for all columns, the cells of this one stand on a line of their own,
  /// below their row.
  void may_go_below(std::size_t column) { may_go_below_[column] = true; }
  /// Where it is cut, so much of it is left at least.
  void at_least(std::size_t column, std::size_t octets) { least_[column] = octets; }
  /// For what somebody may type again.
  void never_cut(std::size_t column) { whole_[column] = true; }
  /// Whether lines of so many octets have room for it as it is. 0: any length.
  bool fits(std::size_t width) const;
  /// Lines of at most `width` octets: titles take several lines, the widest columns of words are
  /// cut, and what may go below does, if it must. 0: any length.
  std::string text(std::size_t width = 0) const;

 private:
  struct Column {
    std::size_t index = 0;
    std::size_t width = 0;
    std::size_t least = 0;  ///< it is not made narrower
    bool right = false;     ///< numbers
  };

  Column column_at(std::size_t index, bool broken_title) const;
  std::vector<Column> columns(bool broken_titles) const;
  void add_titles(const std::vector<Column>& columns, std::string& out) const;
  void add_below(const std::vector<std::string>& row, const std::vector<Column>& shown,
                 std::size_t width, std::string& out) const;

  std::vector<std::string> header_;
  std::vector<std::size_t> least_;
  std::vector<bool> may_go_below_;
  std::vector<bool> whole_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ringpost::app
