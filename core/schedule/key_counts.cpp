#include "core/schedule/key_counts.h"

#include <utility>

#include "core/base/assert.h"

namespace ringpost::schedule {

namespace {

constexpr std::size_t kFirstCells = 64;

}  // namespace

// Where the key is, or the free cell where it belongs.
std::size_t KeyCounts::place_of(std::uint64_t key) const {
  const std::size_t mask = cells_.size() - 1;
  std::size_t at = key & mask;
  while (cells_[at].key != 0 && cells_[at].key != key) {
    at = (at + 1) & mask;
  }
  return at;
}

std::uint32_t KeyCounts::count(std::uint64_t key) const {
  return cells_.empty() ? 0 : cells_[place_of(key)].count;
}

void KeyCounts::add(std::uint64_t key) {
  RP_ASSERT(key != 0);
  if ((used_ + 1) * 2 > cells_.size()) {
    grow();
  }
  Cell& cell = cells_[place_of(key)];
  if (cell.key == 0) {
    cell.key = key;
    ++used_;
  }
  ++cell.count;
}

void KeyCounts::sub(std::uint64_t key) {
  RP_ASSERT_NOTE(count(key) > 0, "more connections were closed than opened");
  const std::size_t mask = cells_.size() - 1;
  std::size_t hole = place_of(key);
  if (--cells_[hole].count > 0) {
    return;
  }
  // What was put further on because this cell was taken moves up.
  for (std::size_t at = (hole + 1) & mask; cells_[at].key != 0; at = (at + 1) & mask) {
    const std::size_t wanted = cells_[at].key & mask;
    if (((at - wanted) & mask) >= ((at - hole) & mask)) {
      cells_[hole] = cells_[at];
      hole = at;
    }
  }
  cells_[hole] = {};
  --used_;
}

void KeyCounts::grow() {
  std::vector<Cell> old(cells_.empty() ? kFirstCells : cells_.size() * 2);
  std::swap(old, cells_);
  for (const Cell& cell : old) {
    if (cell.key != 0) {
      cells_[place_of(cell.key)] = cell;
    }
  }
}

}  // namespace ringpost::schedule
