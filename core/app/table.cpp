#include "core/app/table.h"

#include <algorithm>

namespace ringpost::app {
namespace {

bool is_number(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,%") == std::string::npos;
}

constexpr std::size_t kGap = 2;

template <class Columns>
std::size_t total_of(const Columns& columns) {
  std::size_t total = columns.empty() ? 0 : (columns.size() - 1) * kGap;
  for (const auto& column : columns) {
    total += column.width;
  }
  return total;
}

/// The same with all columns of words as narrow as they may be.
template <class Columns>
std::size_t least_of(Columns columns) {
  for (auto& column : columns) {
    column.width = std::min(column.width, column.least);
  }
  return total_of(columns);
}

/// Narrows the widest columns of words until a line fits, or none can give way any more.
template <class Columns>
void narrow(Columns& columns, std::size_t width) {
  for (std::size_t total = total_of(columns); total > width; --total) {
    auto* widest = static_cast<typename Columns::value_type*>(nullptr);
    for (auto& column : columns) {
      const bool gives = column.width > column.least;
      if (gives && (widest == nullptr || column.width > widest->width)) {
        widest = &column;
      }
    }
    if (widest == nullptr) {
      return;
    }
    --widest->width;
  }
}

std::string cut(const std::string& cell, std::size_t width) {
  if (cell.size() <= width) {
    return cell;
  }
  std::size_t end = width - 3;
  while (end > 0 && (static_cast<unsigned char>(cell[end]) & 0xc0) == 0x80) {
    --end;  // not within a character
  }
  return cell.substr(0, end) + "...";
}

/// The words of a title on lines of at most `width`.
std::vector<std::string> broken(const std::string& title, std::size_t width) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < title.size();) {
    const std::size_t end = std::min(title.find(' ', at), title.size());
    const std::string word = title.substr(at, end - at);
    if (!lines.empty() && lines.back().size() + 1 + word.size() <= width) {
      lines.back() += " " + word;
    } else {
      lines.push_back(word);
    }
    at = end + 1;
  }
  return lines;
}

void add_cell(std::string& line, bool first, bool right, const std::string& cell,
              std::size_t width) {
  const std::string pad(width - std::min(width, cell.size()), ' ');
  line += std::string(first ? 0 : kGap, ' ') + (right ? pad + cell : cell + pad);
}

void end_line(std::string& out, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

}  // namespace

Table::Column Table::column_at(std::size_t index, bool broken_title) const {
  Column column{index, 0, least_[index], !rows_.empty()};
  for (const auto& row : rows_) {
    column.width = std::max(column.width, row[index].size());
    column.right = column.right && is_number(row[index]);
  }
  for (const std::string& part : broken(header_[index], broken_title ? 0 : header_[index].size())) {
    column.width = std::max(column.width, part.size());
  }
  column.least = whole_[index] || column.right ? column.width : column.least;
  return column;
}

std::vector<Table::Column> Table::columns(bool broken_titles) const {
  std::vector<Column> columns;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    columns.push_back(column_at(i, broken_titles));
  }
  return columns;
}

bool Table::fits(std::size_t width) const {
  return width == 0 || total_of(columns(false)) <= width;
}

void Table::add_titles(const std::vector<Column>& columns, std::string& out) const {
  std::vector<std::vector<std::string>> titles;
  std::size_t lines = 1;
  for (const Column& column : columns) {
    titles.push_back(broken(header_[column.index], column.width));
    lines = std::max(lines, titles.back().size());
  }
  for (std::size_t n = 0; n < lines; ++n) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::size_t above = lines - titles[i].size();  // titles stand on their cells
      add_cell(line, i == 0, columns[i].right, n < above ? "" : titles[i][n - above],
               columns[i].width);
    }
    end_line(out, std::move(line));
  }
}

void Table::add_below(const std::vector<std::string>& row, const std::vector<Column>& shown,
                      std::size_t width, std::string& out) const {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool above = std::any_of(shown.begin(), shown.end(),
                                   [i](const Column& column) { return column.index == i; });
    if (!above && !row[i].empty() && row[i] != "-") {
      line += (line.empty() ? "    " : ", ") + header_[i] + ": " + row[i];
    }
  }
  if (!line.empty()) {
    out += cut(line, width) + "\n";
  }
}

std::string Table::text(std::size_t width) const {
  const bool whole = fits(width);
  std::vector<Column> shown = columns(!whole);
  if (!whole) {
    for (std::size_t i = header_.size(); i-- > 0 && least_of(shown) > width;) {
      if (may_go_below_[i]) {
        shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    narrow(shown, width);
  }
  std::string out;
  add_titles(shown, out);
  for (const auto& row : rows_) {
    std::string line;
    for (const Column& column : shown) {
      add_cell(line, &column == shown.data(), column.right, cut(row[column.index], column.width),
               column.width);
    }
    end_line(out, std::move(line));
    if (shown.size() < header_.size()) {
      add_below(row, shown, width, out);
    }
  }
  return out;
}

}  // namespace ringpost::app
