#include "core/app/table.h"

#include <algorithm>

namespace ringpost::app {
namespace {

bool is_number(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,%") == std::string::npos;
}

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 12;  // words cut shorter tell nothing

/// Narrows the widest columns of words until a line fits, or none can give way any more.
void fit(std::vector<std::size_t>& widths, const std::vector<bool>& right, std::size_t width) {
  std::size_t total = (widths.size() - 1) * kGap;
  for (const std::size_t column : widths) {
    total += column;
  }
  while (total > width) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (!right[i] && widths[i] > kNarrowest &&
          (widest == widths.size() || widths[i] > widths[widest])) {
        widest = i;
      }
    }
    if (widest == widths.size()) {
      return;
    }
    --widths[widest];
    --total;
  }
}

std::string cut(const std::string& cell, std::size_t width) {
  return cell.size() <= width ? cell : cell.substr(0, width - 3) + "...";
}

}  // namespace

std::string Table::text(std::size_t width_max) const {
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
  if (width_max != 0) {
    fit(widths, right, width_max);
  }
  std::string out;
  const auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = cut(row[i], widths[i]);
      const std::string pad(widths[i] - cell.size(), ' ');
      line += std::string(i == 0 ? 0 : kGap, ' ') + (right[i] ? pad + cell : cell + pad);
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
