#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/account/archive_file.h"
#include "core/account/file_calls.h"
#include "core/mail/doors.h"

namespace ringpost::account {

/// A folder that goes with the test, in memory where there is such a place: the crashes here are
/// made by hand, and thousands of small files would wait long for a disk.
class Folder {
 public:
  Folder() {
    const std::string memory = "/dev/shm/";
    const std::string base = ::access(memory.c_str(), W_OK) == 0 ? memory : testing::TempDir();
    std::string pattern = base + "ringpost-account-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Replaces the content, keeping the inode.
inline void spill(const std::string& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find("\r\n", at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  return lines;
}

/// Real files without waiting for the disk: a simulated crash does not ask what was durable.
class QuickFiles : public PosixFiles {
 public:
  int sync(int) override { return 0; }
  int sync_folder_of(const std::string&) override { return 0; }
};

/// Files with failures on demand, and a record of what was written where.
class FaultyFiles final : public QuickFiles {
 public:
  struct Written {
    bool index = false;
    std::uint64_t offset = 0;
    std::string bytes;
  };

  std::int64_t room = -1;  ///< octets that can still be appended; below 0: any number
  int index_failures = 0;  ///< so many index writes fail half-way
  int sync_failures = 0;   ///< so many syncs fail; what was not synced turns to zeroes
  std::vector<Written> stream;

  ssize_t append(int file, std::string_view bytes) override {
    if (room == 0) {
      return -ENOSPC;
    }
    if (room > 0 && bytes.size() > static_cast<std::size_t>(room)) {
      bytes = bytes.substr(0, static_cast<std::size_t>(room));
    }
    FileStatus before;
    status(file, before);
    const ssize_t wrote = PosixFiles::append(file, bytes);
    if (wrote > 0) {
      room -= room > 0 ? wrote : 0;
      stream.push_back({false, before.size, std::string(bytes.substr(0, wrote))});
    }
    return wrote;
  }
  ssize_t write_at(int file, std::uint64_t offset, std::string_view bytes) override {
    if (index_failures > 0) {
      --index_failures;
      PosixFiles::write_at(file, offset, bytes.substr(0, bytes.size() / 2));
      return -EIO;
    }
    stream.push_back({true, offset, std::string(bytes)});
    return PosixFiles::write_at(file, offset, bytes);
  }
  int sync(int file) override {
    FileStatus now;
    status(file, now);
    if (sync_failures > 0) {
      --sync_failures;
      truncate(file, std::min(now.size, synced_[file]));
      truncate(file, now.size);
      return -EIO;
    }
    synced_[file] = now.size;
    return 0;
  }
  void close(int file) override {
    synced_.erase(file);
    PosixFiles::close(file);
  }

 private:
  std::map<int, std::uint64_t> synced_;
};

/// A settled record of a delivery.
inline SettledRecord sample_record(std::uint16_t log, std::uint64_t sequence) {
  SettledRecord record;
  record.log = log;
  record.sequence = sequence;
  record.id = {log, sequence};
  record.kind = OutcomeKind::delivered;
  record.phase = Phase::final_reply;
  record.reply_code = 250;
  record.status = {2, 0, 0};
  record.text = "ok";
  record.received = {1'700'000'000'000'000};
  record.settled = {1'700'000'001'000'000};
  record.reverse_path = "from@example.org";
  record.recipient = "to@Example.NET";
  record.vmta = "v1";
  record.job = "j1";
  record.origin = IpAddress::v4(192, 0, 2, 1);
  record.local = IpAddress::v4(192, 0, 2, 2);
  record.remote = {IpAddress::v4(192, 0, 2, 3), 25};
  record.host = "mx.example.net";
  record.size_bytes = 4096;
  record.attempts = 1;
  return record;
}

/// Rows of a file with the columns logId,seq, after its header line.
class RowCount {
 public:
  explicit RowCount(const std::string& path) {
    const std::string text = slurp(path);
    whole_ = text.empty() || text.ends_with("\r\n");
    const auto lines = lines_of(text);
    for (std::size_t i = 1; i < lines.size(); ++i) {
      ++count_[lines[i]];
    }
    header_ = lines.empty() ? "" : lines[0];
  }
  /// Every record of 1..last of each log stands there exactly once, and nothing else.
  testing::AssertionResult exactly(const std::map<unsigned, unsigned>& last_by_log) const {
    std::size_t expected = 0;
    for (const auto& [log, last] : last_by_log) {
      for (unsigned sequence = 1; sequence <= last; ++sequence, ++expected) {
        const std::string row = std::to_string(log) + "," + std::to_string(sequence);
        const auto at = count_.find(row);
        if (at == count_.end() || at->second != 1) {
          return testing::AssertionFailure()
                 << row << " stands " << (at == count_.end() ? 0 : at->second) << " times";
        }
      }
    }
    if (count_.size() != expected || !whole_ || header_ != "logId,seq") {
      return testing::AssertionFailure() << count_.size() << " rows, header '" << header_ << "'";
    }
    return testing::AssertionSuccess();
  }
  std::size_t rows() const { return count_.size(); }

 private:
  std::map<std::string, int> count_;
  std::string header_;
  bool whole_ = false;
};

}  // namespace ringpost::account
