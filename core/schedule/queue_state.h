#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringpost::schedule {

/// What a queue awaits. Exactly one holds at a time; jobs and sessions may be under way in each.
/// Route look-up is no state of its own: the session that is being opened makes it.
enum class QueueState : std::uint8_t {
  idle,      ///< nothing to start: empty, or all its mail waits for its own next attempt
  ready,     ///< has mail to start and stands in the dispatcher's round
  waiting,   ///< has mail to start; a limit or its own busy sessions hold it (see Gate)
  deferred,  ///< the queue's own clock runs: no host could be reached
  paused,    ///< by an operator
  ending,    ///< all mail that was in it gets one final outcome
};
inline constexpr std::size_t kQueueStates = 6;

/// The gate at which a queue's mail waits, for `show queues` and `why`.
enum class Gate : std::uint8_t {
  none,
  next_attempt,         ///< the recipient's own retry time
  sessions_busy,        ///< its sessions take it in turn; the backlog justifies no further one
  queue_connections,    ///< max-smtp-out of the queue
  group_connections,    ///< max-smtp-out of its group of destinations
  vmta_connections,     ///< max-smtp-out of the virtual MTA
  total_connections,    ///< connections of the whole process
  source_connections,   ///< source-ip-max-smtp-out
  source_connect_rate,  ///< source-ip-max-connect-rate
  source_message_rate,  ///< source-ip-max-msg-rate
  source_data_rate,     ///< source-ip-max-data-volume-rate
  host_connections,     ///< max-per-host-out
  mx_connections,       ///< mx-connection-limit
  ip_connections,       ///< ip-connection-limit
  connect_rate,
  connect_gap,  ///< smtp-out-rampup-interval
  message_rate,
  warmup,             ///< the rate of its warm-up
  day_count,          ///< what it was given today is not on disk yet
  vmta_message_rate,  ///< over all queues of the virtual MTA
  vmta_connect_rate,
  pool_message_rate,   ///< over all members of a pool
  group_message_rate,  ///< over all domains of a group
  group_connect_rate,
  data_rate,                  ///< octets of the queue
  vmta_data_rate,             ///< octets over all queues of the virtual MTA
  group_data_rate,            ///< octets over all domains of a group
  group_backoff_connections,  ///< over those of them that are in back-off mode
  group_backoff_connect_rate,
  group_backoff_message_rate,
  group_backoff_data_rate,
  sender_message_rate,  ///< over all queues that mail of the sender is in
  jobs,                 ///< places for mail in transit on this shard
  session_room,         ///< the session host has no room
  growth,               ///< a further session came to nothing; those it has go on
  reconnect,            ///< a pause after broken sessions
  local_fault,          ///< a pause after a fault of our own (no port, no address)
  yielding,             ///< gives a connection up for queues that have waited longer
  queue_retry,          ///< the queue's own clock
  dns_retry,            ///< the same, since its domain could not be looked up
  moving,               ///< its mail goes to another queue, which has no room yet
  no_source,            ///< all its source addresses are disabled
  held,                 ///< its settings demand what cannot be done: nothing starts
  journal,              ///< outcomes cannot be written: nothing starts
  paused,
  ending,
  in_flight,   ///< not waiting: in a transaction or being settled
  job_paused,  ///< its job is paused by an operator
  job_turn,    ///< mail of other jobs in the queue goes before it
};
inline constexpr std::size_t kGates = 49;

/// It waits for one of its own rates of messages or octets.
constexpr bool opens_by_itself(Gate gate) noexcept {
  return gate == Gate::message_rate || gate == Gate::warmup || gate == Gate::data_rate ||
         gate == Gate::source_message_rate || gate == Gate::source_data_rate;
}

/// It waits for a connection to a mail host that has as many as it may have.
constexpr bool is_of_host(Gate gate) noexcept {
  return gate >= Gate::host_connections && gate <= Gate::ip_connections;
}

/// It waits for what is limited by source address.
constexpr bool is_of_source(Gate gate) noexcept {
  return gate >= Gate::source_connections && gate <= Gate::source_data_rate;
}

std::string_view name_of(QueueState state) noexcept;
std::string_view name_of(Gate gate) noexcept;

/// Legal moves, a row per state as a set of bits. Asserted on every change. Only the dispatcher
/// finds out what a queue waits for, so `waiting` is entered from `ready` alone.
inline constexpr std::array<std::uint8_t, kQueueStates> kQueueMoves = [] {
  constexpr auto set = [](auto... states) {
    return static_cast<std::uint8_t>(((1u << static_cast<unsigned>(states)) | ...));
  };
  using enum QueueState;
  return std::array<std::uint8_t, kQueueStates>{
      set(ready, deferred, paused, ending),          // idle: mail comes, or no host was reached
      set(idle, waiting, deferred, paused, ending),  // ready: visited, or drained by its sessions
      set(idle, ready, deferred, paused, ending),    // waiting: the gate opens, or drained
      set(idle, ready, paused, ending),              // deferred: its clock rings or is reset
      set(idle, ready, deferred, ending),            // paused: resumed
      set(idle, ready, deferred, paused),            // ending: done
  };
}();

constexpr bool may_move(QueueState from, QueueState to) noexcept {
  return (kQueueMoves[static_cast<std::size_t>(from)] >> static_cast<unsigned>(to) & 1u) != 0;
}

}  // namespace ringpost::schedule
