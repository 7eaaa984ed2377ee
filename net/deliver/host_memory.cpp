#include "net/deliver/host_memory.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "core/base/hash.h"

namespace ringpost::deliver {

HostMemory::HostMemory(const HostMemoryOptions& options)
    : options_(options), entries_(std::bit_ceil(std::max(options.hosts_max, kProbes))) {}

std::size_t HostMemory::place_of(const SocketAddress& host) const {
  const auto& octets = host.ip.octets;
  const std::string_view bytes(reinterpret_cast<const char*>(octets.data()), octets.size());
  return (hash64(bytes) + host.port * 0x9e3779b97f4a7c15ULL) & (entries_.size() - 1);
}

const HostMemory::Entry* HostMemory::find(const SocketAddress& host) const {
  const std::size_t place = place_of(host);
  for (std::size_t i = 0; i < kProbes; ++i) {
    const Entry& entry = entries_[(place + i) & (entries_.size() - 1)];
    if (entry.used && entry.host == host) {
      return &entry;
    }
  }
  return nullptr;
}

HostMemory::Entry& HostMemory::entry(const SocketAddress& host, Instant now) {
  const std::size_t place = place_of(host);
  Entry* victim = nullptr;
  for (std::size_t i = 0; i < kProbes; ++i) {
    Entry& entry = entries_[(place + i) & (entries_.size() - 1)];
    if (entry.used && entry.host == host) {
      entry.touched = now;
      return entry;
    }
    if (victim == nullptr || (victim->used && (!entry.used || entry.touched < victim->touched))) {
      victim = &entry;
    }
  }
  *victim = {};
  victim->used = true;
  victim->host = host;
  victim->touched = now;
  return *victim;
}

HostView HostMemory::view(const SocketAddress& host, Instant now) const {
  HostView view;
  const Entry* entry = find(host);
  if (entry != nullptr) {
    view.bad = now < entry->bad_until;
    view.tls_broken = now < entry->no_tls_until;
    view.chunking = now >= entry->no_chunks_until;
    view.pipelining = now >= entry->doubt_until;
    view.grouping = view.pipelining && entry->clean >= options_.clean_before_grouping;
  } else {
    view.grouping = options_.clean_before_grouping == 0;
  }
  return view;
}

void HostMemory::rows(std::vector<HostRow>& out, Now now) const {
  const auto wall_of = [&](Instant until) {
    return until > now.instant ? now.wall + (until - now.instant) : WallTime{};
  };
  for (const Entry& entry : entries_) {
    if (entry.used) {
      out.push_back(
          {entry.host, entry.clean, wall_of(entry.bad_until), wall_of(entry.doubt_until)});
    }
  }
}

void HostMemory::note_unreachable(const SocketAddress& host, Instant now) {
  entry(host, now).bad_until = now + options_.bad_for;
}

void HostMemory::note_reached(const SocketAddress& host, Instant now) {
  entry(host, now).bad_until = Instant{};
}

bool HostMemory::may_return(const SocketAddress& host, Instant now) {
  Entry& known = entry(host, now);
  if (known.bad_until == Instant{}) {
    return true;
  }
  if (now < std::max(known.bad_until, known.tried_until)) {
    return false;
  }
  known.tried_until = now + options_.tried_for;
  return true;
}

void HostMemory::note_tls_broken(const SocketAddress& host, Instant now) {
  entry(host, now).no_tls_until = now + options_.no_tls_for;
}

void HostMemory::note_clean(const SocketAddress& host, Instant now) {
  Entry& known = entry(host, now);
  known.clean += known.clean < options_.clean_before_grouping ? 1 : 0;
}

void HostMemory::note_pipelining_fault(const SocketAddress& host, Instant now) {
  Entry& known = entry(host, now);
  known.clean = 0;
  known.doubt_until = now + options_.doubt_for;
}

void HostMemory::note_chunking_fault(const SocketAddress& host, Instant now) {
  entry(host, now).no_chunks_until = now + options_.doubt_for;
}

}  // namespace ringpost::deliver
