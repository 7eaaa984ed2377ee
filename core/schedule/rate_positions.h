#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/time.h"
#include "core/schedule/byte_gate.h"
#include "core/schedule/rate_gate.h"

namespace ringpost::schedule {

/// What gates of long periods had come to when the last run ended, so that a limit of an hour or
/// more holds over a restart. But for debts of octets nothing is written while mail flows: after a
/// run that did not end in order every gate begins as empty as the limit can have left it
/// (RateGate::begin_after), which costs one interval of its rate, or three.
class RatePositions {
 public:
  /// Limits of shorter periods begin anew.
  static constexpr Duration kLong = Duration::hours(1);
  static constexpr std::string_view kOctets = "o";    ///< kinds of gates of octets begin with it
  static constexpr std::string_view kConnects = "c";  ///< kinds of gates of connections do

  /// The last run did not end in order; before any restore().
  void begin_after(Now start) { start_ = start; }
  /// Since when the gates' positions are not known.
  Now start() const { return start_; }
  bool has_start() const { return start_.instant.ns != INT64_MIN; }
  /// Takes up a line of write() or write_start(); false: it is none.
  bool restore(std::string_view line, Now now);

  /// Sets up a gate that is new in this run and has its limit. `name` and `vmta` name its queue, or
  /// are "*" and the key of what is shared; `kind` tells the gates of one queue apart.
  void begin(RateGate& gate, std::string_view name, std::string_view vmta, std::string_view kind,
             Instant now) const;
  /// The same for a limit of octets; after a run that did not end in order nothing for one period.
  void begin(ByteGate& gate, std::string_view name, std::string_view vmta, std::string_view kind,
             Instant now) const;
  static void write(std::string& lines, const ByteGate& gate, std::string_view name,
                    std::string_view vmta, std::string_view kind, Now now);
  /// A message that takes longer than a period to be paid for has begun: what is owed is to be
  /// written now, not only at the end of the run.
  bool owes(const ByteGate& gate, Instant now) const {
    return gate.limited() && gate.limit().period >= kLong && gate.in_debt(now);
  }
  /// One line for a gate that is not at rest.
  static void write(std::string& lines, const RateGate& gate, std::string_view name,
                    std::string_view vmta, std::string_view kind, Now now);
  /// Lines of what was restored and still holds; `used(name, vmta)`: its gate speaks for itself.
  template <class Used>
  void write_rest(std::string& lines, Used used, Now now) const {
    for (const auto& [key, kept] : kept_) {
      if (kept.position.rests > now.instant && !used(kept.name, kept.vmta)) {
        write_kept(lines, kept, now);
      }
    }
  }
  /// Of these, what octets of which nothing was begun in this run still cost.
  template <class Used>
  void write_owed(std::string& lines, Used used, Now now) const {
    for (const auto& [key, kept] : kept_) {
      if (kept.kind.starts_with(kOctets) && kept.position.rests > now.instant &&
          !used(kept.name, kept.vmta)) {
        write_kept(lines, kept, now);
      }
    }
  }
  void write_start(std::string& lines) const;

 private:
  void go_on(ByteGate& gate, std::string_view parts, Instant now) const;
  struct Kept {
    std::string name;
    std::string vmta;
    RateGate::Position position;
    std::string kind;
    std::string octets;  ///< parts of ByteGate::Position, with times of the wall clock
  };
  static void write_line(std::string& lines, std::string_view name, std::string_view vmta,
                         std::string_view kind, Instant rests, std::string_view used, Now now);
  static void write_kept(std::string& lines, const Kept& kept, Now now) {
    write_line(lines, kept.name, kept.vmta, kept.kind, kept.position.rests,
               kept.kind.starts_with(kOctets) ? kept.octets : std::to_string(kept.position.used),
               now);
  }

  std::unordered_map<std::string, Kept> kept_;  ///< by name, virtual MTA and kind
  Now start_{Instant{INT64_MIN}, WallTime{}};
  Now restored_;  ///< when the lines were read
};

}  // namespace ringpost::schedule
