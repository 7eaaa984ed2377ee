#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/loop/disk.h"
#include "core/loop/ports.h"
#include "spool/format.h"

namespace ringpost::spool {

/// In hexadecimal.
std::string uuid_text(const Uuid& id);
std::string log_folder(const std::string& root, std::uint16_t number);
/// The log-id of a folder's name, or -1.
std::int32_t log_number(std::string_view name);

/// The spool as a whole: its lock, identity and logs. Opened once per process, before the shards
/// start; keeps the lock until destroyed, which must be after all shards stopped.
class SpoolFolder {
 public:
  /// Creates what is missing. `note` (the process id) is shown to who comes second. locked: the
  /// detail is the holder's note; unknown_version: written by a newer program; damaged: the
  /// identity is missing or broken although there are logs.
  static Result<SpoolFolder> open(Disk& disk, Entropy& entropy, const std::string& folder,
                                  unsigned shards, std::string_view note);

  const Uuid& id() const noexcept { return id_; }
  /// The logs of a shard: first the one that takes mail, then adopted ones.
  std::vector<std::uint16_t> logs_of(unsigned shard) const;

 private:
  unsigned shards_ = 1;
  Uuid id_{};
  std::vector<std::uint16_t> logs_;
  std::unique_ptr<FileLock> lock_;
};

/// For tools: identity and logs of a spool; nothing is created, the lock is the caller's matter.
struct SpoolListing {
  Uuid id{};
  std::vector<std::uint16_t> logs;
};
Result<SpoolListing> list_spool(Disk& disk, const std::string& folder);

}  // namespace ringpost::spool
