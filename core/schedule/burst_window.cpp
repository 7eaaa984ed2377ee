#include "core/schedule/burst_window.h"

#include <algorithm>

#include "core/base/assert.h"

namespace ringpost::schedule {

void BurstWindow::begin(std::uint32_t count, Duration period) {
  *this = BurstWindow{};
  count_ = count;
  slot_ns_ = std::max<std::int64_t>(1, (period.ns + kSlots - 1) / kSlots);
}

void BurstWindow::use_up(Instant now) {
  advance(now);
  if (sum_ < count_) {
    used_[static_cast<std::size_t>(slot_ % kKept)] += static_cast<std::uint32_t>(count_ - sum_);
    sum_ = count_;
  }
}

void BurstWindow::advance(Instant now) {
  const std::int64_t slot = std::max<std::int64_t>(slot_, now.ns / slot_ns_);
  if (slot - slot_ >= kKept) {
    used_.fill(0);
    sum_ = 0;
    slot_ = slot;
  }
  while (slot_ < slot) {
    ++slot_;
    std::uint32_t& oldest = used_[static_cast<std::size_t>(slot_ % kKept)];
    sum_ -= oldest;
    oldest = 0;
  }
}

std::uint32_t BurstWindow::available(Instant now) {
  advance(now);
  return now < closed_ || sum_ >= count_ ? 0 : static_cast<std::uint32_t>(count_ - sum_);
}

void BurstWindow::take(std::uint32_t count, Instant now) {
  RP_ASSERT_NOTE(count <= available(now), "a rate permit was taken that is not there");
  used_[static_cast<std::size_t>(slot_ % kKept)] += count;
  sum_ += count;
}

void BurstWindow::give_back(std::uint32_t count, Instant taken) {
  const std::int64_t slot = taken.ns / slot_ns_;
  if (slot < 0 || slot > slot_ || slot <= slot_ - kKept) {
    return;  // it counts no more
  }
  std::uint32_t& used = used_[static_cast<std::size_t>(slot % kKept)];
  const std::uint32_t units = std::min(count, used);
  used -= units;
  sum_ -= units;
}

Instant BurstWindow::opens_at() const {
  if (sum_ < count_) {
    return closed_;
  }
  // A lowered count may need more than the oldest slot to go.
  std::uint64_t left = sum_;
  for (std::int64_t slot = slot_ - kSlots; slot <= slot_; ++slot) {
    left -= slot < 0 ? 0 : used_[static_cast<std::size_t>(slot % kKept)];
    if (left < count_) {
      return std::max(closed_, end_of(slot));
    }
  }
  return closed_;
}

Instant BurstWindow::rests_at() const {
  for (std::int64_t slot = slot_; slot >= 0 && slot > slot_ - kKept; --slot) {
    if (used_[static_cast<std::size_t>(slot % kKept)] != 0) {
      return std::max(closed_, end_of(slot));
    }
  }
  return closed_;
}

}  // namespace ringpost::schedule
