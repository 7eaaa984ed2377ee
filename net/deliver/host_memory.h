#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "net/deliver/report.h"

namespace ringpost::deliver {

/// How long and how much is held against a host.
struct HostMemoryOptions {
  std::size_t hosts_max = 4096;               ///< rounded up to a power of two
  Duration bad_for = Duration::minutes(5);    ///< after it could not be reached
  Duration tried_for = Duration::minutes(1);  ///< one connection is to find out whether it is back
  Duration doubt_for = Duration::days(1);     ///< after it failed at what it advertised
  Duration no_tls_for = Duration::hours(1);   ///< after a handshake failed
  std::uint32_t clean_before_grouping = 50;   ///< transactions
};

/// What is known of a host address now.
struct HostView {
  bool bad = false;         ///< could not be reached lately: try others first
  bool pipelining = true;   ///< may be believed when it offers PIPELINING
  bool chunking = true;     ///< likewise CHUNKING
  bool tls_broken = false;  ///< a handshake failed lately
  bool grouping = false;    ///< so many clean transactions that envelopes may go behind a final dot
};

/// Remembers receiving hosts by address and port, a bounded number: the one not heard of for the
/// longest is forgotten. One per shard, used by its thread only; never allocates once made.
class HostMemory {
 public:
  explicit HostMemory(const HostMemoryOptions& options);

  HostView view(const SocketAddress& host, Instant now) const;
  /// All that are remembered, in no order.
  void rows(std::vector<HostRow>& out, Now now) const;
  /// It could not be connected or did not greet.
  void note_unreachable(const SocketAddress& host, Instant now);
  /// It greeted and answered EHLO.
  void note_reached(const SocketAddress& host, Instant now);
  /// It offers TLS and the handshake failed.
  void note_tls_broken(const SocketAddress& host, Instant now);
  /// Whether mail that leaves by another host since this one could not be reached may come back:
  /// it has been reached since; or the memory of the failure has faded, then for one that asks, and
  /// for the others after `tried_for`.
  bool may_return(const SocketAddress& host, Instant now);
  /// A transaction ended with its final reply.
  void note_clean(const SocketAddress& host, Instant now);
  /// It lost step in a group of commands, or broke off inside one.
  void note_pipelining_fault(const SocketAddress& host, Instant now);
  /// Likewise with whole transactions by BDAT; the smaller groups are still trusted.
  void note_chunking_fault(const SocketAddress& host, Instant now);

 private:
  struct Entry {
    SocketAddress host;
    Instant touched;
    Instant bad_until;    ///< zero: reached since
    Instant tried_until;  ///< one that came back finds out
    Instant doubt_until;
    Instant no_chunks_until;
    Instant no_tls_until;
    std::uint32_t clean = 0;
    bool used = false;
  };
  static constexpr std::size_t kProbes = 8;

  std::size_t place_of(const SocketAddress& host) const;
  const Entry* find(const SocketAddress& host) const;
  Entry& entry(const SocketAddress& host, Instant now);

  HostMemoryOptions options_;
  std::vector<Entry> entries_;
};

}  // namespace ringpost::deliver
