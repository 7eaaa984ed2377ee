#pragma once

#include <string>
#include <vector>

#include "core/app/metrics.h"
#include "core/base/time.h"

namespace ringpost::app {

/// Free space of one file system.
struct DiskSpace {
  std::string path;  ///< a folder that the daemon writes to
  std::uint64_t free_bytes = 0;
  std::uint64_t size_bytes = 0;
};

/// What the host says, read anew for each look.
struct HostFacts {
  std::vector<DiskSpace> disks;
  std::uint64_t memory_available = 0;  ///< octets; 0 of total 0: not known
  std::uint64_t memory_total = 0;
};
/// Blocking, but for a moment only.
HostFacts read_host(const std::vector<std::string>& folders);
/// Resident memory of this process in octets.
std::uint64_t resident_memory();

/// One reason why all is not well.
struct Trouble {
  std::string_view area;  ///< disk, memory, dns, clock, log-writer, spool, intake
  std::string text;
};

/// Judges figures; remembers those of the look before for what only a difference tells. Used by one
/// thread at a time.
class HealthWatch {
 public:
  /// File systems with less free are in trouble: a fiftieth, and no more than 1 GiB is asked for.
  static constexpr std::uint64_t kFreeShare = 50;
  static constexpr std::uint64_t kFreeMost = std::uint64_t{1} << 30;
  /// Memory below this share of all is trouble.
  static constexpr std::uint64_t kMemoryShare = 20;
  /// A step of the wall clock beyond this is told of for kClockMemory.
  static constexpr Duration kClockStep = Duration::seconds(2);
  static constexpr Duration kClockMemory = Duration::minutes(5);
  /// Damage is told of for so long after it was found: it does not go away by itself, and nothing
  /// more is lost. The metric and `ringpost status` have it until the next start.
  static constexpr Duration kDamageMemory = Duration::minutes(60);
  /// So many routes were asked for and more than half failed: DNS is in trouble.
  static constexpr std::uint64_t kResolutionsLeast = 20;

  std::vector<Trouble> look(const MonitorFigures& figures, const HostFacts& host, Now now);

 private:
  void look_at_dns(const MonitorFigures& figures, std::vector<Trouble>& out);
  void look_at_clock(Now now, std::vector<Trouble>& out);
  void look_at_damage(const MonitorFigures& figures, Now now, std::vector<Trouble>& out);

  std::uint64_t resolutions_ = 0;
  std::uint64_t resolutions_failed_ = 0;
  bool dns_failing_ = false;
  bool has_clock_ = false;
  std::int64_t clock_offset_us_ = 0;  ///< wall clock less monotonic clock
  std::int64_t clock_step_us_ = 0;
  Instant clock_told_until_;
  std::uint64_t damaged_ = 0;
  Instant damage_told_until_;
};

/// `{"healthy":...,"reasons":[{"area":...,"reason":...}]}`.
std::string health_json(const std::vector<Trouble>& troubles);

}  // namespace ringpost::app
