#pragma once

#include <cstdint>
#include <string>

#include "core/schedule/scheduler.h"

namespace ringpost::schedule::test {

/// A session of the crowd, or a look at where a queue's mail would go.
struct CrowdSession {
  unsigned shard = 0;
  QueueId queue;
  std::string name;  ///< domain/vmta
  std::string vmta;
  std::size_t destination = 0;
  enum class State { opening, idle, woken, busy, closing, gone } state = State::opening;
  int jobs_left = 0;
  bool told = false;     ///< that it is established
  Job* ahead = nullptr;  ///< the job that follows, if asked for already
  std::uint64_t idle_round = 0;
  bool scout = false;
  bool slow = false;
  bool reads_late = false;
  bool backoff = false;  ///< opened in that mode
  bool again = false;    ///< its latest leave to connect was given in back-off mode
  Instant leave_until;   ///< it may connect once until then
  ConnectPermit permit;
  std::string host;
  IpAddress address;  ///< invalid: not connected
  std::size_t source = 0;
};

}  // namespace ringpost::schedule::test
