#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace ringpost {

/// The blocking halves of Disk::prepare and Disk::populate, for worker threads. Each returns 0 or
/// a negative errno.

/// How fast files are filled with zeroes, for all shards of a process. Lives longer than they.
struct FillPace {
  std::uint64_t rate = 64ULL << 20U;      ///< bytes a second and file while nobody waits for any
  std::atomic<std::uint32_t> awaited{0};  ///< files that somebody waits for: all go at full speed
};

struct PrepareTask {
  std::string path;
  std::uint64_t size = 0;
  bool zero = true;
  unsigned file_mode = 0640;
  const FillPace* pace = nullptr;  ///< none: at full speed
};
/// Creates or takes the file, allocates and zeroes it, syncs it and its folder. A file it created
/// is removed again when this fails.
std::int32_t prepare_file(const PrepareTask& task);

/// Faults pages of a mapping in. -EIO: the medium could not give them.
std::int32_t populate_range(const void* address, std::uint64_t size);

/// fsync of a folder.
std::int32_t sync_folder_now(const std::string& folder);

}  // namespace ringpost
