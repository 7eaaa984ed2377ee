#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/assert.h"

namespace ringpost::account {

/// Log-ids are below this.
inline constexpr std::size_t kLogsMax = 1024;

/// A sequence per log; 0 where nothing is known (journals begin at 1).
class LogTable {
 public:
  LogTable() : sequences_(kLogsMax, 0) {}

  std::uint64_t operator[](std::size_t log) const noexcept {
    RP_ASSERT(log < kLogsMax);
    return sequences_[log];
  }
  void set(std::size_t log, std::uint64_t sequence) noexcept {
    RP_ASSERT(log < kLogsMax);
    sequences_[log] = sequence;
    used_ = std::max(used_, log + 1);
  }
  void clear() noexcept {
    std::fill(sequences_.begin(), sequences_.end(), 0);
    used_ = 0;
  }
  /// Each sequence to at least that of `other`.
  void raise(const LogTable& other) noexcept {
    for (std::size_t log = 0; log < other.used_; ++log) {
      if (other.sequences_[log] > sequences_[log]) {
        set(log, other.sequences_[log]);
      }
    }
  }
  /// All logs at or above this have the sequence 0.
  std::size_t used() const noexcept { return used_; }
  bool operator==(const LogTable& other) const noexcept { return sequences_ == other.sequences_; }

 private:
  std::vector<std::uint64_t> sequences_;
  std::size_t used_ = 0;
};

}  // namespace ringpost::account
