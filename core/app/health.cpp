#include "core/app/health.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace ringpost::app {
namespace {

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

void look_at_disks(const HostFacts& host, std::vector<Trouble>& out) {
  for (const DiskSpace& disk : host.disks) {
    const std::uint64_t wanted =
        std::min(disk.size_bytes / HealthWatch::kFreeShare, HealthWatch::kFreeMost);
    if (disk.free_bytes < wanted) {
      out.push_back({"disk", disk.path + " has " + mebibytes(disk.free_bytes) +
                                 " free, less than " + mebibytes(wanted)});
    }
  }
}

void look_at_memory(const HostFacts& host, std::vector<Trouble>& out) {
  if (host.memory_total > 0 &&
      host.memory_available < host.memory_total / HealthWatch::kMemoryShare) {
    out.push_back({"memory", "the host has " + mebibytes(host.memory_available) + " of " +
                                 mebibytes(host.memory_total) + " available"});
  }
}

void look_at_accounts(const MonitorFigures& figures, std::vector<Trouble>& out) {
  if (figures.accounts.failing) {
    out.push_back(
        {"log-writer", "accounting files cannot be written; records wait in the journal"});
  }
  if (figures.accounts.ring_bytes_used * 10 > figures.accounts.ring_bytes * 9) {
    out.push_back({"log-writer", "the log writer does not keep up: its rings are full"});
  }
  if (figures.accounts.archiver.failing) {
    out.push_back({"log-writer", "finished accounting files cannot be brought to their place"});
  }
}

}  // namespace

HostFacts read_host(const std::vector<std::string>& folders) {
  HostFacts facts;
  for (const std::string& folder : folders) {
    struct statvfs status {};
    if (::statvfs(folder.c_str(), &status) == 0) {
      facts.disks.push_back(
          {folder, status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize});
    }
  }
  std::ifstream memory("/proc/meminfo");
  std::string name;
  std::uint64_t kibibytes = 0;
  for (std::string unit; memory >> name >> kibibytes && std::getline(memory, unit);) {
    if (name == "MemTotal:") {
      facts.memory_total = kibibytes << 10;
    } else if (name == "MemAvailable:") {
      facts.memory_available = kibibytes << 10;
    }
  }
  return facts;
}

std::uint64_t resident_memory() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::vector<Trouble> HealthWatch::look(const MonitorFigures& figures, const HostFacts& host,
                                       Now now) {
  std::vector<Trouble> out;
  look_at_disks(host, out);
  look_at_memory(host, out);
  look_at_accounts(figures, out);
  look_at_dns(figures, out);
  look_at_clock(now, out);
  look_at_damage(figures, now, out);
  if (figures.draining) {
    out.push_back({"intake", "it drains: no mail is taken until the next start"});
  }
  for (const ShardStatus& shard : figures.shards) {
    for (const std::string& alarm : shard.alarms) {
      out.push_back({"spool", alarm});
    }
  }
  return out;
}

// Between two looks with few resolutions nothing is learnt: the judgement stays. Figures may be
// older than those of the last look, when two visitors ask at once.
void HealthWatch::look_at_dns(const MonitorFigures& figures, std::vector<Trouble>& out) {
  std::uint64_t all = 0;
  std::uint64_t failed = 0;
  for (const ShardStatus& shard : figures.shards) {
    all += shard.resolutions;
    failed += shard.resolutions_failed;
  }
  if (all >= resolutions_ + kResolutionsLeast) {
    dns_failing_ = (failed - resolutions_failed_) * 2 > all - resolutions_;
    resolutions_ = all;
    resolutions_failed_ = failed;
  }
  if (dns_failing_) {
    out.push_back({"dns", "more than half of the routes asked for last had no answer from DNS"});
  }
}

void HealthWatch::look_at_damage(const MonitorFigures& figures, Now now,
                                 std::vector<Trouble>& out) {
  std::uint64_t damaged = 0;
  for (const ShardStatus& shard : figures.shards) {
    damaged += shard.quarantined;
  }
  if (damaged > damaged_) {
    damage_told_until_ = now.instant + kDamageMemory;
  }
  damaged_ = std::max(damaged_, damaged);
  if (damaged > 0 && now.instant < damage_told_until_) {
    out.push_back({"spool", std::to_string(damaged) +
                                " messages are quarantined: damaged on disk; the log names them"});
  }
}

void HealthWatch::look_at_clock(Now now, std::vector<Trouble>& out) {
  const std::int64_t offset = now.wall.us - now.instant.ns / 1000;
  const std::int64_t step = offset - clock_offset_us_;
  if (has_clock_ && std::abs(step) > kClockStep.ns / 1000) {
    clock_step_us_ = step;
    clock_told_until_ = now.instant + kClockMemory;
  }
  has_clock_ = true;
  clock_offset_us_ = offset;
  if (now.instant < clock_told_until_) {
    out.push_back({"clock", "the clock was set " + std::string(clock_step_us_ < 0 ? "back" : "on") +
                                " by " + std::to_string(std::abs(clock_step_us_) / 1'000'000) +
                                " s"});
  }
}

std::string health_json(const std::vector<Trouble>& troubles) {
  nlohmann::json reasons = nlohmann::json::array();
  for (const Trouble& trouble : troubles) {
    reasons.push_back({{"area", std::string(trouble.area)}, {"reason", trouble.text}});
  }
  return nlohmann::json{{"healthy", troubles.empty()}, {"reasons", std::move(reasons)}}.dump(
             -1, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace ringpost::app
