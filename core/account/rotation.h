#pragma once

#include <cstdint>
#include <string>

#include "core/account/archive_file.h"
#include "core/account/finisher.h"
#include "core/base/time.h"

namespace ringpost::account {

/// When a file is finished and a new one begun.
struct RotationRule {
  Duration interval = Duration::forever();  ///< periods count from 1970-01-01T00:00Z, in UTC
  std::uint64_t max_size = ~std::uint64_t{0};
};

/// Decides and carries out the rotation of one file. Used by the log writer's thread.
class Rotation {
 public:
  Rotation(RotationRule rule, FinishRule finish, SpoolId spool)
      : rule_(rule), finish_(std::move(finish)), spool_(spool) {}

  /// The file was opened; what stands in it belongs to the period it was last written in.
  void opened(const ArchiveFile& file, WallTime now);
  /// Whether the file is to be finished now. A file without rows just goes on in the new period.
  bool due(const ArchiveFile& file, WallTime now);
  /// Finishes the file, all of which is synced: its positions are put beside its new name first.
  Status rotate(ArchiveFile& file, WallTime now);
  bool by_time() const noexcept { return !rule_.interval.is_forever(); }

 private:
  std::int64_t period_of(std::int64_t unix_seconds) const noexcept;

  RotationRule rule_;
  FinishRule finish_;
  SpoolId spool_;
  std::int64_t period_ = 0;
};

}  // namespace ringpost::account
