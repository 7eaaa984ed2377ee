#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/account/file_calls.h"
#include "core/account/position_index.h"
#include "core/base/result.h"

namespace ringpost::account {

struct ArchiveFileOptions {
  std::string path;    ///< the index is `path` + ".pos"
  std::string header;  ///< first line of a new file, with its line end; empty for JSON
  mode_t mode = 0640;
  SpoolId spool{};  ///< positions of another spool are void
  LogTable floor;   ///< what the archive of finished files holds: not wanted any more
};

/// One accounting file with its index. Rows are added in the order of their log's sequence and
/// reach the file exactly once, over crashes at any point: what the index does not vouch for is
/// cut off at the next start and has to be added again. Blocking; used by one thread.
///
/// Journals count from 1.
///
/// After an error every call may be repeated until it succeeds; nothing is lost in between, except
/// that rewound() tells of rows to be added again.
class ArchiveFile {
 public:
  ArchiveFile(FileCalls& calls, ArchiveFileOptions options);
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;
  ~ArchiveFile();

  /// Opens or makes the file, cuts what is not vouched for and takes the positions up. Once, first.
  Status recover();

  /// Whether the record is not in the file yet.
  bool wants(std::size_t log, std::uint64_t sequence) const noexcept {
    return sequence > taken_[log];
  }
  /// Takes a wanted record; `row` is empty when this file does not show it.
  void take(std::size_t log, std::uint64_t sequence, std::string_view row);
  /// Whether records may be taken: nothing is left over from a failed write or sync.
  bool ready() const noexcept { return buffer_.empty() && !must_go_back_ && !must_adopt_; }
  std::size_t buffered() const noexcept { return buffer_.size() - buffer_done_; }

  /// Writes what was taken and its index block. From then on a kill loses none of it.
  Status write();
  /// Makes what was written durable; nothing may be buffered.
  Status sync();
  /// Gives up what is not synced, at the next write(); then rewound().
  void retreat() noexcept { must_go_back_ = must_go_back_ || dirty_ || !buffer_.empty(); }
  /// A failed sync took data back that had been written: records above synced() are to be taken
  /// again. Said once.
  bool rewound() noexcept;
  /// Gives the file another name in its folder and begins a new one; nothing may be unsynced.
  Status rotate(const std::string& finished);
  /// Whether rows stand in it.
  bool has_rows() const noexcept { return size_ > options_.header.size(); }
  std::uint64_t size() const noexcept { return size_; }
  /// When the file was last written to before it was opened; seconds since 1970.
  std::int64_t modified_s() const noexcept { return identity_.modified_s; }
  /// Opens the path anew where it no longer names the open file; nothing may be unsynced.
  Status reopen();

  /// Sequences that are in the file and durable.
  const LogTable& synced() const noexcept { return synced_; }
  std::uint64_t bytes_written() const noexcept { return bytes_written_; }
  /// What an operator should know of recovery and later events. Empties the list.
  std::vector<std::string> notes();

 private:
  Error failed(int result, const char* what) const;
  IndexScan read_index(const std::string& path);
  Status recover_from(const IndexScan& scan);
  Status cut_file(int file, const std::string& path, const IndexScan& scan, bool& whole);
  std::size_t trusted_blocks(int file, const IndexScan& scan);
  bool holds(int file, const IndexBlock& block);
  Result<std::uint64_t> hash_of(int file, std::uint64_t from, std::uint64_t to);
  Status adopt();
  Status adopt_anew();
  Status prepare_content(std::uint64_t& size, bool& misfit);
  Status move_aside();
  Status append_all(std::string_view bytes);
  Status write_block(std::uint64_t hash_from, std::uint64_t hash);
  Status new_index();
  Status go_back();
  Status notice_others();
  IndexHeader index_header() const;

  FileCalls& calls_;
  ArchiveFileOptions options_;
  std::string index_path_;
  int file_ = -1;
  int index_ = -1;
  FileStatus identity_;
  std::uint64_t size_ = 0;  ///< of the data file
  std::uint64_t index_size_ = 0;
  std::uint64_t synced_size_ = 0;
  std::uint64_t block_from_ = 0;  ///< where the data of the next block begins
  std::string buffer_;
  std::size_t buffer_done_ = 0;
  LogTable taken_;
  LogTable data_synced_;       ///< what the first synced_size_ octets hold
  LogTable synced_;            ///< the same, vouched for by a durable index
  bool dirty_ = false;         ///< taken since the last sync
  bool index_broken_ = false;  ///< the index must be written anew
  bool must_adopt_ = false;    ///< the path was to be opened anew and could not be
  bool must_go_back_ = false;  ///< a sync failed: the unsynced data may be gone
  bool rewound_ = false;
  std::uint64_t bytes_written_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace ringpost::account
