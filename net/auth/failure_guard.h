#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost::auth {

/// Failed attempts, counted by address and by account over all shards, so that guessing can be
/// slowed down. Bounded memory. Called on helper threads; locks for a moment only.
class FailureGuard {
 public:
  explicit FailureGuard(std::size_t entries_max = 65536) : entries_max_(entries_max) {}

  /// Whether another attempt may be judged: fewer than `count` failures of the address, and of the
  /// account, in the last `period`. `count` 0: always. An address that has lately been this user is
  /// not held to the account's failures, so that strangers cannot lock a user out.
  bool allows(const IpAddress& address, std::uint64_t account, std::uint64_t count, Duration period,
              Instant now);
  void failed(const IpAddress& address, std::uint64_t account, Duration period, Instant now);
  void succeeded(const IpAddress& address, std::uint64_t account, Instant now);
  /// Addresses and accounts that are counted.
  std::size_t entries();

 private:
  /// Failures in the current period and the one before; the one before counts by the share of it
  /// that the sliding window still covers.
  struct Count {
    Instant begin;
    std::uint32_t current = 0;
    std::uint32_t before = 0;
  };
  static void turn(Count& entry, Duration period, Instant now);
  static std::uint64_t failures(Count& entry, Duration period, Instant now);
  Count& entry(std::uint64_t key, Instant now);
  void make_room(Instant now);

  std::size_t entries_max_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Count> counts_;
  std::unordered_map<std::uint64_t, Instant> known_;  ///< address and account that went well
};

}  // namespace ringpost::auth
