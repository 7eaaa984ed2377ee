#include "core/app/table.h"

#include <algorithm>

namespace ringpost::app {
namespace {

bool is_number(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,%") == std::string::npos;
}

}  // namespace

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<bool> right(header_.size(), !rows_.empty());
  for (std::size_t i = 0; i < header_.size(); ++i) {
    std::size_t width = header_[i].size();
    for (const auto& row : rows_) {
      width = std::max(width, row[i].size());
      right[i] = right[i] && is_number(row[i]);
    }
    widths.push_back(width);
  }
  std::string out;
  const auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (right[i] ? pad + row[i] : row[i] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_row(header_);
  for (const auto& row : rows_) {
    add_row(row);
  }
  return out;
}

}  // namespace ringpost::app
