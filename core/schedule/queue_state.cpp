#include "core/schedule/queue_state.h"

namespace ringpost::schedule {

std::string_view name_of(QueueState state) noexcept {
  static constexpr std::array<std::string_view, kQueueStates> kNames = {
      "idle", "ready", "waiting", "deferred", "paused", "ending"};
  const auto index = static_cast<std::size_t>(state);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string_view name_of(Gate gate) noexcept {
  static constexpr std::array<std::string_view, kGates> kNames = {"none",
                                                                  "next-attempt",
                                                                  "sessions-busy",
                                                                  "queue-connections",
                                                                  "group-connections",
                                                                  "vmta-connections",
                                                                  "total-connections",
                                                                  "source-connections",
                                                                  "source-connect-rate",
                                                                  "source-message-rate",
                                                                  "source-data-rate",
                                                                  "host-connections",
                                                                  "mx-connections",
                                                                  "ip-connections",
                                                                  "connect-rate",
                                                                  "rampup-interval",
                                                                  "message-rate",
                                                                  "warm-up",
                                                                  "day-count",
                                                                  "vmta-message-rate",
                                                                  "vmta-connect-rate",
                                                                  "pool-message-rate",
                                                                  "group-message-rate",
                                                                  "group-connect-rate",
                                                                  "data-rate",
                                                                  "vmta-data-rate",
                                                                  "group-data-rate",
                                                                  "group-backoff-connections",
                                                                  "group-backoff-connect-rate",
                                                                  "group-backoff-message-rate",
                                                                  "group-backoff-data-rate",
                                                                  "sender-message-rate",
                                                                  "jobs",
                                                                  "session-room",
                                                                  "growth",
                                                                  "reconnect",
                                                                  "local-fault",
                                                                  "yielding",
                                                                  "queue-retry",
                                                                  "dns-retry",
                                                                  "moving",
                                                                  "no-source",
                                                                  "held",
                                                                  "journal",
                                                                  "paused",
                                                                  "ending",
                                                                  "in-flight",
                                                                  "job-paused",
                                                                  "job-turn"};
  const auto index = static_cast<std::size_t>(gate);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace ringpost::schedule
