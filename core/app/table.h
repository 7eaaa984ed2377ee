#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ringpost::app {

/// A plain text table for terminals: columns as wide as their widest cell, numbers to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  /// Lines of at most `width` octets: the widest column of words gives way first. 0: any length.
  std::string text(std::size_t width = 0) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ringpost::app
