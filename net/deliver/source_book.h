#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost::deliver {

/// Why a source address is not used.
enum class SourceReason : std::uint8_t {
  not_here,  ///< it is no address of this host; comes back by itself
  command,   ///< an operator disabled it
  reply,     ///< a receiver's reply did, through a pattern
};
std::string_view name_of(SourceReason reason) noexcept;

/// A source address that is out of use, for all queues or for one.
struct SourceOff {
  IpAddress ip;
  std::string queue;  ///< "name/vmta"; empty: all queues
  SourceReason reason = SourceReason::command;
  Instant until = Instant::never();  ///< comes back then
  WallTime since;
  std::string text;  ///< the reply or the operator's words, for people
};

/// Which local addresses may be used for new connections just now. One per shard, used by its
/// thread; the few that are out of use are looked through, so that the usual case costs nothing.
class SourceBook {
 public:
  /// Whether a new connection of the queue `name`/`vmta` may leave from `ip`. The unspecified
  /// address always may. Allocates nothing.
  bool usable(const IpAddress& ip, std::string_view name, std::string_view vmta, Instant now) const;
  /// The same for all queues; a disabling that is over counts until expire().
  bool usable(const IpAddress& ip) const;
  /// Takes an address out of use. A second disabling for the same queue and reason replaces the
  /// first.
  void disable(SourceOff off);
  /// Lets it be used again whoever disabled it, for the queue or, where that is empty, for all and
  /// every one; an address that is not on this host stays out. False: nothing was disabled.
  bool enable(const IpAddress& ip, std::string_view queue = {});
  /// The addresses that cannot be bound just now, in place of those told before.
  void set_missing(std::span<const IpAddress> missing, WallTime now);
  /// Forgets what is over.
  void expire(Instant now);
  std::span<const SourceOff> off() const { return off_; }
  /// Grows whenever an address goes out of use for all queues, or comes back.
  std::uint64_t changes() const { return changes_; }

 private:
  void note_change(std::uint64_t before);
  std::uint64_t off_for_all() const;

  std::vector<SourceOff> off_;
  std::uint64_t changes_ = 0;
};

}  // namespace ringpost::deliver
