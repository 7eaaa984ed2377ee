#include "core/account/finisher.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/account/packer.h"
#include "core/base/text.h"

namespace ringpost::account {
namespace {

constexpr std::size_t kPositionsBytesMax = 1 << 20;

std::string folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? "."
         : slash == 0                    ? "/"
                                         : std::string(path.substr(0, slash));
}

std::string_view base_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// `acct` and `.csv` of `acct.csv`.
std::pair<std::string_view, std::string_view> parts_of(std::string_view base) {
  const auto dot = base.rfind('.');
  return dot == std::string_view::npos || dot == 0
             ? std::pair(base, std::string_view{})
             : std::pair(base.substr(0, dot), base.substr(dot));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* open = ::opendir(folder.c_str());
  if (open == nullptr) {
    return names;
  }
  while (const dirent* entry = ::readdir(open)) {
    names.emplace_back(entry->d_name);
  }
  ::closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status sync_folder(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) {
    return Error::from_errno(errno, "open " + folder);
  }
  const int error = ::fsync(file) < 0 ? errno : 0;
  ::close(file);
  return error == 0 ? Status() : Error::from_errno(error, "sync " + folder);
}

Status rename_durably(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) < 0) {
    return Error::from_errno(errno, "rename " + from);
  }
  return sync_folder(folder_of(to));
}

Status write_synced(const std::string& path, std::string_view bytes, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (file < 0) {
    return Error::from_errno(errno, "make " + path);
  }
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const ssize_t wrote = ::write(file, bytes.data(), bytes.size());
    if (wrote > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote == 0 || errno != EINTR) {
      error = wrote == 0 ? ENOSPC : errno;
    }
  }
  if (error == 0 && ::fsync(file) < 0) {
    error = errno;
  }
  ::close(file);
  return error == 0 ? Status() : Error::from_errno(error, "write " + path);
}

std::string read_whole(const std::string& path) {
  std::string bytes;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return bytes;
  }
  std::array<char, 4096> piece;
  ssize_t got = 0;
  while (bytes.size() < kPositionsBytesMax &&
         (got = ::read(file, piece.data(), piece.size())) > 0) {
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(file);
  return bytes;
}

std::uint64_t size_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

/// Days since 1970-01-01 of a date (Howard Hinnant's formula, proleptic Gregorian).
std::int64_t day_of(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto of_era = static_cast<unsigned>(year - era * 400);
  const unsigned of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/// Keeps others out while it lives.
class Lock {
 public:
  explicit Lock(const std::string& path)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640)) {
    error_ = file_ < 0 || ::flock(file_, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }
  int error() const { return error_; }

 private:
  int file_;
  int error_ = 0;
};

/// Where a finished file goes.
std::string target_of(const FinishRule& rule, const std::string& source) {
  const std::string folder = rule.move_to.empty() ? folder_of(source) : rule.move_to;
  return folder + "/" + std::string(base_of(source)) + std::string(ending_of(rule.packing));
}

}  // namespace

std::string finished_name(std::string_view path, std::int64_t day, unsigned number) {
  const auto [stem, ending] = parts_of(base_of(path));
  const time_t seconds = static_cast<time_t>(day) * 86400;
  struct tm civil {};
  ::gmtime_r(&seconds, &civil);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "-%04d-%02d-%02d-%04u", civil.tm_year + 1900,
                civil.tm_mon + 1, civil.tm_mday, number);
  return folder_of(path) + "/" + std::string(stem) + text.data() + std::string(ending);
}

FinishedNumber number_of_finished(std::string_view path, std::string_view name) {
  const auto [stem, ending] = parts_of(base_of(path));
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (name.ends_with(packed) && !ending.ends_with(packed)) {
      name.remove_suffix(packed.size());
    }
  }
  constexpr std::size_t kMiddle = sizeof "-2026-11-21-0007" - 1;
  if (name.size() < stem.size() + kMiddle + ending.size() || !name.starts_with(stem) ||
      !name.ends_with(ending)) {
    return {};
  }
  const std::string_view middle =
      name.substr(stem.size(), name.size() - stem.size() - ending.size());
  std::int64_t year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned number = 0;
  const bool shaped = middle[0] == '-' && middle[5] == '-' && middle[8] == '-' && middle[11] == '-';
  std::uint64_t years = 0;
  if (!shaped || !parse_decimal(middle.substr(1, 4), years) ||
      !parse_decimal(middle.substr(6, 2), month) || !parse_decimal(middle.substr(9, 2), day) ||
      !parse_decimal(middle.substr(12), number) || month < 1 || month > 12 || day < 1 || day > 31) {
    return {};
  }
  year = static_cast<std::int64_t>(years);
  return {day_of(year, month, day), number};
}

unsigned free_number(const FinishRule& rule, std::int64_t day) {
  unsigned highest = 0;
  for (const std::string& folder : {folder_of(rule.path), rule.move_to}) {
    if (folder.empty()) {
      continue;
    }
    for (const std::string& name : names_in(folder)) {
      const FinishedNumber found = number_of_finished(rule.path, name);
      highest = found.day == day ? std::max(highest, found.number) : highest;
    }
  }
  return highest + 1;
}

std::string archive_position_path(const FinishRule& rule) {
  const std::string folder = rule.move_to.empty() ? folder_of(rule.path) : rule.move_to;
  return folder + "/" + std::string(base_of(rule.path)) + ".archived";
}

// The same layout as an index of one block, so that it has its checksums and its spool.
Status write_positions(const std::string& path, const SpoolId& spool, const LogTable& positions,
                       mode_t mode) {
  std::string bytes;
  const IndexHeader header{spool, 0, 0};
  append_header(bytes, header);
  append_block(bytes, {0, 0, 0, 0, positions_of(positions)}, header, bytes.size());
  const std::string fresh = path + ".new";
  if (auto written = write_synced(fresh, bytes, mode); !written) {
    return written;
  }
  return rename_durably(fresh, path);
}

LogTable read_positions(const std::string& path, const SpoolId& spool) {
  const IndexScan scan = scan_index(read_whole(path));
  if (!scan.header || scan.header->spool != spool || scan.blocks.size() != 1) {
    return {};
  }
  return table_of(scan.blocks.front().positions);
}

LogTable archived_positions(const FinishRule& rule, const SpoolId& spool) {
  LogTable highest = read_positions(archive_position_path(rule), spool);
  const std::string folder = rule.move_to.empty() ? folder_of(rule.path) : rule.move_to;
  for (const std::string& name : names_in(folder)) {
    // A file that got its name although its positions did not reach the archive's yet.
    if (!name.ends_with(".end")) {
      continue;
    }
    const std::string file = name.substr(0, name.size() - 4);
    const bool packed = file.ends_with(ending_of(rule.packing));
    if (!packed || number_of_finished(rule.path, file).day < 0 || !exists(folder + "/" + file)) {
      continue;
    }
    highest.raise(read_positions(folder + "/" + name, spool));
  }
  return highest;
}

Result<FinishReport> Finisher::run(WallTime now) {
  const Lock lock(rule_.path + ".lock");
  if (lock.error() != 0) {
    return Error::from_errno(lock.error(), "lock " + rule_.path + ".lock");
  }
  FinishReport report;
  const std::string folder = folder_of(rule_.path);
  for (const std::string& name : names_in(folder)) {
    const std::string source = folder + "/" + name;
    const bool packed_here = name.ends_with(".gz") || name.ends_with(".zst");
    if (!rule_.moves() || packed_here || number_of_finished(rule_.path, name).day < 0) {
      continue;
    }
    if (const Status done = finish(source, report); !done) {
      report.problems.push_back(done.error().describe());
    }
  }
  if (const Status tidied = tidy_ends(); !tidied) {
    report.problems.push_back(tidied.error().describe());
  }
  remove_old(now, report);
  return report;
}

/// Positions that a killed run left beside files in their place.
Status Finisher::tidy_ends() {
  if (!rule_.moves()) {
    return {};
  }
  const std::string folder = rule_.move_to.empty() ? folder_of(rule_.path) : rule_.move_to;
  for (const std::string& name : names_in(folder)) {
    if (!name.ends_with(".end")) {
      continue;
    }
    const std::string file = name.substr(0, name.size() - 4);
    if (!file.ends_with(ending_of(rule_.packing)) || number_of_finished(rule_.path, file).day < 0) {
      continue;
    }
    if (exists(folder + "/" + file)) {
      if (const Status recorded = record(folder + "/" + file, folder + "/" + file); !recorded) {
        return recorded;
      }
    }
    ::unlink((folder + "/" + name).c_str());
  }
  return {};
}

Status Finisher::finish(const std::string& source, FinishReport& report) {
  const std::string target = target_of(rule_, source);
  step("begun");
  if (exists(target)) {
    // A run before this one was ended behind the renaming, or the name is taken by another file.
    if (const Status same = verify_packed(source, target, rule_.packing); !same) {
      return same;
    }
  } else if (const Status placed = place(source, target); !placed) {
    return placed;
  }
  step("placed");
  if (const Status recorded = record(source, target); !recorded) {
    return recorded;
  }
  step("recorded");
  report.bytes_read += size_of(source);
  report.bytes_kept += size_of(target);
  if (::unlink(source.c_str()) < 0 && errno != ENOENT) {
    return Error::from_errno(errno, "remove " + source);
  }
  step("removed");
  ::unlink((target + ".end").c_str());
  ::unlink((source + ".end").c_str());
  ++report.finished;
  report.files.push_back(target);
  return sync_folder(folder_of(source));
}

/// Source -> packed, synced and verified under its final name, its positions beside it.
Status Finisher::place(const std::string& source, const std::string& target) {
  const std::string part = target + ".part";
  if (const Status packed = pack_file(source, part, rule_.packing, rule_.mode); !packed) {
    return packed;
  }
  step("packed");
  if (const Status same = verify_packed(source, part, rule_.packing); !same) {
    return same;
  }
  step("verified");
  if (exists(source + ".end")) {
    const LogTable end = read_positions(source + ".end", spool_);
    if (const Status noted = write_positions(target + ".end", spool_, end, rule_.mode); !noted) {
      return noted;
    }
  }
  step("noted");
  return rename_durably(part, target);
}

/// The archive's position passes what the file holds.
Status Finisher::record(const std::string& source, const std::string& target) {
  const std::string path = archive_position_path(rule_);
  LogTable positions = read_positions(path, spool_);
  const LogTable before = positions;
  positions.raise(read_positions(source + ".end", spool_));
  positions.raise(read_positions(target + ".end", spool_));
  return positions == before ? Status() : write_positions(path, spool_, positions, rule_.mode);
}

void Finisher::remove_old(WallTime now, FinishReport& report) {
  if (rule_.delete_after.is_forever() || !rule_.move_to.empty()) {
    return;  // what was moved away belongs to whoever asked for it
  }
  const std::string folder = folder_of(rule_.path);
  for (const std::string& name : names_in(folder)) {
    const bool finished = number_of_finished(rule_.path, name).day >= 0;
    struct stat status {};
    const std::string path = folder + "/" + name;
    if (!finished || ::stat(path.c_str(), &status) < 0) {
      continue;
    }
    const WallTime changed{static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000};
    if (now - changed > rule_.delete_after && ::unlink(path.c_str()) == 0) {
      ::unlink((path + ".end").c_str());
      ++report.deleted;
    }
  }
}

}  // namespace ringpost::account
