#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/base/time.h"
#include "spool/format.h"

namespace ringpost::spool {

/// Sizes and bounds of the logs of one shard. All memory of the spool follows from them.
struct SpoolOptions {
  std::string folder;
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint32_t block_bytes = kPage;     ///< batches of acceptance segments begin on these
  std::uint32_t spare_segments = 2;      ///< kept ready ahead of need
  std::uint32_t spare_segments_max = 8;  ///< more free ones are unlinked

  std::uint64_t journal_segment_bytes = 16ULL << 20;
  std::uint32_t journal_reserve_segments = 4;    ///< ready ahead, so that a full disk stops no
                                                 ///< outcome; with fewer no mail is accepted
  std::uint64_t journal_max_bytes = 1ULL << 30;  ///< half: alarm; whole: acceptance stops
  std::uint32_t journal_batch_bytes = 256 << 10;

  Duration settle_sync_interval = Duration::milliseconds(100);
  std::uint32_t unsettled_max = 100'000;  ///< unsynced outcomes; above no job is opened

  std::uint32_t small_message_max = 128 << 10;  ///< larger ones stream to an extent
  std::uint32_t message_max = 40U << 20;        ///< largest content in wire form
  std::uint32_t head_room = 64 << 10;           ///< in an extent for record head and envelope
  std::uint32_t stream_write = 64 << 10;        ///< gathered content that is worth a write
  std::uint32_t stream_gather = 256 << 10;      ///< above it the sender has to wait
  std::uint32_t first_extent = 1 << 20;         ///< for a message that did not declare its size
  std::uint32_t batch_bytes_max = 4 << 20;
  std::uint32_t chunk_bytes = 8 << 10;  ///< unit of the gathering buffers
  std::uint32_t chunks = 8192;
  std::uint32_t writers_max = 10'000;  ///< messages being received at once
  std::uint32_t streams_max = 256;     ///< of them large

  bool receipts = false;             ///< accounting gets a record of each accepted recipient
  bool deliver_only = false;         ///< no message is accepted
  std::uint64_t min_free_bytes = 0;  ///< of the file system; below, none is accepted

  std::uint32_t max_messages = 10'000'000;
  Duration warm_time = Duration::seconds(60);      ///< how long written or populated bytes count as
                                                   ///< present in memory
  std::uint32_t window_bytes = 256 << 10;          ///< unit of populating
  Duration retry_interval = Duration::seconds(1);  ///< after a file could not be prepared
  std::uint32_t admissions_per_turn = 1024;
  std::uint32_t accounting_per_turn = 1024;
  std::uint32_t checkpoint_bytes_per_turn = 32 << 10;

  // Compaction.
  std::uint32_t compact_percent =
      20;  ///< of a segment live: no more, and it is rewritten. 0: never
  Duration compact_look = Duration::seconds(60);  ///< how often segments are looked at; those that
                                                  ///< empty faster by themselves are left alone
  Duration compact_pause = Duration::milliseconds(20);  ///< after each copy
  std::uint32_t compact_bytes = 256 << 10;              ///< copied by one write

  /// Whether the figures fit each other.
  Status check() const;
};

}  // namespace ringpost::spool
