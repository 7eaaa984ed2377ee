#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/time.h"
#include "core/schedule/rate_gate.h"

namespace ringpost::schedule {

/// What gates of long periods had come to when the last run ended, so that a limit of an hour or
/// more holds over a restart. Nothing is written while mail flows: after a run that did not end in
/// order every gate begins as empty as the limit can have left it (RateGate::begin_after), which
/// costs one interval of its rate at most.
class RatePositions {
 public:
  /// Limits of shorter periods begin anew.
  static constexpr Duration kLong = Duration::hours(1);

  /// The last run did not end in order; before any restore().
  void begin_after(Now start) { start_ = start; }
  /// Since when the gates' positions are not known.
  Now start() const { return start_; }
  bool has_start() const { return start_.instant.ns != INT64_MIN; }
  /// Takes up a line of write() or write_start(); false: it is none.
  bool restore(std::string_view line, Now now);

  /// Sets up a gate that is new in this run and has its limit. `name` and `vmta` name its queue, or
  /// are "*" and the key of what is shared; `kind` tells the gates of one queue apart.
  void begin(RateGate& gate, std::string_view name, std::string_view vmta, char kind,
             Instant now) const;
  /// One line for a gate that is not at rest.
  static void write(std::string& lines, const RateGate& gate, std::string_view name,
                    std::string_view vmta, char kind, Now now);
  /// Lines of what was restored and still holds; `used(name, vmta)`: its gate speaks for itself.
  template <class Used>
  void write_rest(std::string& lines, Used used, Now now) const {
    for (const auto& [key, kept] : kept_) {
      if (kept.position.rests > now.instant && !used(kept.name, kept.vmta)) {
        write_line(lines, kept.name, kept.vmta, key.back(), kept.position, now);
      }
    }
  }
  void write_start(std::string& lines) const;

 private:
  struct Kept {
    std::string name;
    std::string vmta;
    RateGate::Position position;
  };
  static void write_line(std::string& lines, std::string_view name, std::string_view vmta,
                         char kind, RateGate::Position position, Now now);

  std::unordered_map<std::string, Kept> kept_;  ///< by name, virtual MTA and kind
  Now start_{Instant{INT64_MIN}, WallTime{}};
};

}  // namespace ringpost::schedule
