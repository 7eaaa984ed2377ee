#include "core/account/rotation.h"

#include <algorithm>

namespace ringpost::account {

std::int64_t Rotation::period_of(std::int64_t unix_seconds) const noexcept {
  return by_time() ? unix_seconds / std::max<std::int64_t>(1, rule_.interval.whole_seconds()) : 0;
}

void Rotation::opened(const ArchiveFile& file, WallTime now) {
  period_ = period_of(file.has_rows() ? file.modified_s() : now.unix_seconds());
}

bool Rotation::due(const ArchiveFile& file, WallTime now) {
  const std::int64_t period = period_of(now.unix_seconds());
  if (!file.has_rows()) {
    period_ = period;
    return false;
  }
  // A clock that went back begins no new file.
  return period > period_ || file.size() >= rule_.max_size;
}

Status Rotation::rotate(ArchiveFile& file, WallTime now) {
  const std::int64_t day = now.unix_seconds() / 86400;
  const std::string name = finished_name(finish_.path, day, free_number(finish_, day));
  if (finish_.moves()) {
    const Status noted = write_positions(name + ".end", spool_, file.synced(), finish_.mode);
    if (!noted) {
      return noted;
    }
  }
  const Status rotated = file.rotate(name);
  if (rotated) {
    period_ = period_of(now.unix_seconds());
  }
  return rotated;
}

}  // namespace ringpost::account
