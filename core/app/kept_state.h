#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/loop/disk.h"
#include "core/loop/loop.h"

namespace ringpost::app {

// What shards know that must outlive them and is no mail: modes of queues, source addresses out of
// use, warm-ups, positions of long rates. Lines (core/schedule/kept_line.h) in small files of the
// spool's folder. Each shard writes
// the whole of its lines into one of two files in turn, so that one of them is always whole. At
// start all are gathered into two base files, because the number of shards may have changed; the
// files of shards count only if they carry the base's epoch.

struct GatheredState {
  std::string lines;        ///< of all shards
  std::uint64_t epoch = 0;  ///< for the files of this run
  bool clean = true;        ///< no run was before, or the last one wrote all it knew at its end
};

/// Reads what an earlier run kept and writes it as the base of the new one. Before the shards
/// start; blocks. Files that are damaged count as not written.
Result<GatheredState> gather_state(Disk& disk, const std::string& folder, unsigned shards);

/// The files of one shard, on its thread.
class KeptState {
 public:
  struct Identity {
    std::uint64_t epoch = 0;
    unsigned shard = 0;
    unsigned shards = 1;
  };

  KeptState(Disk& disk, const std::string& folder, const Identity& identity);
  ~KeptState();
  KeptState(const KeptState&) = delete;
  KeptState& operator=(const KeptState&) = delete;

  /// Creates what is missing; blocks, for the start only.
  Status open();
  /// Requires idle(). Replaces what was kept once it is durable. `last`: nothing will change any
  /// more.
  void write(std::string_view lines, bool last);
  bool idle() const { return write_.idle() && grow_.idle(); }
  /// The last write failed: what was kept before it still is.
  bool failed() const { return failed_; }

 private:
  void start_write();
  void on_grown(Completion& completion);
  void on_written(Completion& completion);

  Disk& disk_;
  std::string folder_;
  Identity identity_;
  FileId files_[2];
  std::uint64_t sizes_[2] = {};  ///< files grow by preparing them, never by a write
  std::uint64_t sequence_ = 0;
  std::string bytes_;
  Slice slice_;
  WriteOp write_;
  PrepareOp grow_;
  bool failed_ = false;
};

}  // namespace ringpost::app
