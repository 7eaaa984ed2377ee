#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringpost {

/// Counters of one shard's adapters, all since start. Plain integers: written by the shard's
/// thread, read there or after it stopped.
struct WireStats {
  // The ring.
  std::uint64_t submissions = 0;  ///< operations handed to the kernel
  std::uint64_t completions = 0;
  std::uint64_t kernel_entries = 0;   ///< io_uring_enter calls
  std::uint64_t submission_full = 0;  ///< the submission queue had to be flushed early
  std::uint64_t completion_overflows = 0;
  std::uint64_t peers_woken_by_ring = 0;
  std::uint64_t peers_woken_by_event = 0;

  // Sockets.
  std::uint64_t accepted = 0;
  std::uint64_t connected = 0;
  std::uint64_t connects_failed = 0;
  std::uint64_t streams_open = 0;  ///< now, not since start
  std::uint64_t sends = 0;
  std::uint64_t sends_continued = 0;  ///< short sends that were taken up again
  std::uint64_t bytes_sent = 0;
  std::uint64_t zero_copy_sends = 0;     ///< given to the kernel as zero-copy
  std::uint64_t zero_copy_released = 0;  ///< release notices received
  std::uint64_t zero_copy_copied = 0;    ///< of these, the kernel says it copied after all
  std::uint64_t zero_copy_refused = 0;   ///< asked for, but sent plainly
  std::uint64_t chunks_received = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t buffers_exhausted = 0;  ///< a receive stopped because no buffer was free
  std::uint64_t receives_armed = 0;

  // Files.
  std::uint64_t disk_writes = 0;
  std::uint64_t disk_syncs = 0;
  std::uint64_t disk_errors = 0;

  // Name service.
  std::uint64_t dns_queries = 0;
  std::uint64_t dns_timeouts = 0;
  std::uint64_t dns_malformed = 0;
  std::uint64_t dns_waiting_max = 0;  ///< most questions that ever waited for a free place
};

/// What this kernel lacks, one sentence a line for the log: the missing feature and what is done
/// in its place. Empty where everything is there.
struct ProbeReport {
  std::vector<std::string> lines;
};

}  // namespace ringpost
