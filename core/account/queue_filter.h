#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace ringpost::account {

/// `queue-filter`: which queues an accounting file shows. Immutable once filled.
class QueueFilter {
 public:
  /// `domain/vmta` or `domain` for all its queues, `*` for any run of characters; `!` before it
  /// leaves the queue out, whatever else names it. invalid: nothing but `!` or blanks.
  Status add(std::string_view pattern);
  /// Whether the file shows records of `queue` (domain/vmta). Without patterns it shows all; with
  /// none but those that leave out, all others.
  bool takes(std::string_view queue) const noexcept;
  bool takes_all() const noexcept { return shown_.empty() && left_out_.empty(); }

 private:
  std::vector<std::string> shown_;
  std::vector<std::string> left_out_;
};

}  // namespace ringpost::account
