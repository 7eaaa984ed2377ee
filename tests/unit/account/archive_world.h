#pragma once

#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/account/finisher.h"
#include "core/account/log_writer.h"
#include "tests/unit/account/account_world.h"

namespace ringpost::account {

namespace fs = std::filesystem;

inline constexpr WallTime kNow{1'795'000'000'000'000};
inline constexpr std::int64_t kDay = 20'775;

/// The octets of a finished file, unpacked by the programs that an operator would use.
inline std::string unpacked(const std::string& path) {
  const std::string tool = path.ends_with(".gz")    ? "gzip -dc "
                           : path.ends_with(".zst") ? "zstd -dcq "
                                                    : "cat ";
  FILE* pipe = ::popen((tool + path).c_str(), "r");
  std::string bytes;
  char piece[4096];
  for (std::size_t got = 0; (got = ::fread(piece, 1, sizeof piece, pipe)) > 0;) {
    bytes.append(piece, got);
  }
  EXPECT_EQ(::pclose(pipe), 0) << path;
  return bytes;
}

inline std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline bool is_archive(const std::string& name) {
  return name.ends_with(".csv") || name.ends_with(".csv.gz") || name.ends_with(".csv.zst");
}

/// Rows `log,seq` of all finished files of the folder; `doubles` counts those that came again.
inline std::multiset<std::string> rows_of(const std::string& folder, bool with_current) {
  std::multiset<std::string> rows;
  for (const std::string& name : files_in(folder)) {
    if (!is_archive(name) || (!with_current && name == "acct.csv")) {
      continue;
    }
    const auto lines = lines_of(unpacked(folder + "/" + name));
    rows.insert(lines.begin() + (lines.empty() ? 0 : 1), lines.end());
  }
  return rows;
}

inline testing::AssertionResult each_once(const std::multiset<std::string>& rows, unsigned last) {
  for (unsigned i = 1; i <= last; ++i) {
    const std::string row = "4," + std::to_string(i);
    if (rows.count(row) != 1) {
      return testing::AssertionFailure() << row << " stands " << rows.count(row) << " times";
    }
  }
  return rows.size() == last ? testing::AssertionSuccess()
                             : testing::AssertionFailure() << rows.size() << " rows";
}

/// An accounting file in a folder that may vanish, and an archive that stays.
struct Host {
  Folder root;
  std::string memory = root / "memory";
  std::string disk = root / "disk";
  SpoolId spool{{1, 2, 3}};

  Host() {
    fs::create_directory(memory);
    fs::create_directory(disk);
  }
  FinishRule rule(Packing packing) const {
    FinishRule rule;
    rule.path = memory + "/acct.csv";
    rule.move_to = disk;
    rule.packing = packing;
    return rule;
  }
  LogWriterOptions options(Packing packing) const {
    LogWriterOptions options;
    options.spool = spool;
    AccountFileSpec spec;
    spec.path = memory + "/acct.csv";
    spec.style.fields = {Field::log_id, Field::seq};
    spec.move_to = disk;
    spec.packing = packing;
    options.files = {spec};
    return options;
  }
};

/// The folder `memory` is lost with the power, `disk` is not.
class VolatileFiles final : public QuickFiles {
 public:
  bool is_volatile(const std::string& path) override {
    return path.find("/memory/") != std::string::npos;
  }
};

inline void pass(LogWriter& writer, Duration time, Instant& now) {
  for (const Instant end = now + time; now <= end; now = now + Duration::milliseconds(100)) {
    while (writer.pump(now)) {
    }
  }
}

}  // namespace ringpost::account
