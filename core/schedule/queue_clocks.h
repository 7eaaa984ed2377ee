#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/time.h"
#include "core/schedule/queue.h"

namespace ringpost::schedule {

/// Retry clocks of queues whose hosts could not be used when the last run ended in order, so that a
/// start does not try all dead destinations at once. Nothing is written while mail flows: after a
/// crash each such queue has one attempt before its time.
class QueueClocks {
 public:
  /// Takes up a line of write(); false: it is none. Times that have passed are left out.
  bool restore(std::string_view line, Now now);
  /// Sets up a queue that is new in this run; what was kept of it is used up.
  void begin(Queue& queue, Instant now);
  /// What is kept of a queue that has not begun lasts no longer than that.
  void shorten(std::string_view name, std::string_view vmta, Instant latest);
  /// A line for a queue whose clock runs.
  static void write(std::string& lines, const Queue& queue, Now now);
  /// Lines of what was restored and no queue has begun with.
  void write_rest(std::string& lines, Now now) const;

 private:
  struct Clock {
    std::string name;
    std::string vmta;
    Instant until;
    std::uint16_t step = 0;      ///< failures in a row
    std::uint8_t rule_step = 0;  ///< deferrals by rule in a row
    bool by_rule = false;
    bool by_dns = false;
    Failure failure;  ///< why; without text: not known
  };
  static void write_line(std::string& lines, const Clock& clock, Now now);

  std::unordered_map<std::string, Clock> clocks_;  ///< by name and virtual MTA
};

}  // namespace ringpost::schedule
