#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/schedule/leases.h"

namespace ringpost::schedule {

struct Queue;

/// One way from a local address to an address of a mail host: what a connection counts in there.
struct HostWay {
  static constexpr std::size_t kShared = 4;
  static constexpr std::size_t kOwn = 2;

  /// Over all shards, in the fixed order in which units are taken.
  std::array<std::uint64_t, kShared> shared{};  ///< 0: nothing
  std::array<std::uint32_t, kShared> shared_max{};
  std::array<std::uint64_t, kOwn> own{};  ///< of the queue alone; 0: nothing
  std::array<std::uint32_t, kOwn> own_max{};
  std::string host;
  IpAddress remote;
  IpAddress local;
  bool rated = false;  ///< there are rates of what leaves from `local`

  bool limited() const {
    const auto some = [](std::uint32_t max) { return max != 0; };
    return rated || std::any_of(shared_max.begin(), shared_max.end(), some) ||
           std::any_of(own_max.begin(), own_max.end(), some);
  }
  bool same(const HostWay& other) const { return shared == other.shared && own == other.own; }
};

/// A queue's place in the line of one host scope; it may stand in several.
struct HostSlot : Waiter {
  Queue* queue = nullptr;
  Scope* scope = nullptr;  ///< nullptr: in none
};

/// What a queue whose connections to single hosts are limited knows and holds. Made when the first
/// such limit applies.
struct HostSide {
  static constexpr std::size_t kWays = 16;

  /// Units of a whole way.
  enum class Unit : std::uint8_t {
    none,
    kept,  ///< for the next session
    lent,  ///< to the session that is being opened
  };

  std::vector<HostWay> ways;        ///< where its sessions would connect to
  std::vector<HostWay> seen;        ///< by the present scout, or where the last session might not
  std::vector<HostSlot> slots;      ///< as many as ways while it waits
  std::vector<std::uint64_t> held;  ///< scopes of which it has a unit that nobody uses yet
  std::vector<std::uint64_t> connected;  ///< scopes that its connections count in, one each
  std::string blocked_host;              ///< what it waits for, for people
  IpAddress blocked_address;
  Instant learned;     ///< when the ways were
  Instant hold_until;  ///< what it holds and others want goes back then
  Instant rechecked;   ///< when its idle sessions were last asked to give way
  Duration patience;
  Instant paid_until;            ///< the permit of the connection being made holds so long
  IpAddress paid_from;           ///< and for this source address
  const void* policy = nullptr;  ///< by which the ways are limited, as a mark only
  std::uint32_t version = 0;     ///< of the settings, alike
  std::uint32_t turn = 0;        ///< of the ways
  Unit unit = Unit::none;
  bool known = false;  ///< the ways are
  bool scouting = false;

  bool holds(std::uint64_t key) const {
    return std::find(held.begin(), held.end(), key) != held.end();
  }
  bool waits_in(const Scope& scope) const {
    return std::any_of(slots.begin(), slots.end(),
                       [&](const HostSlot& slot) { return slot.scope == &scope; });
  }
};

}  // namespace ringpost::schedule
