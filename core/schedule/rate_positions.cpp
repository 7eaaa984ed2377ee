#include "core/schedule/rate_positions.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/schedule/kept_line.h"

namespace ringpost::schedule {

namespace {

constexpr std::string_view kRateWord = "rate";
constexpr std::string_view kStartWord = "start";

std::string key_of(std::string_view name, std::string_view vmta, std::string_view kind) {
  return to_lower(name) + "/" + to_lower(vmta) + "/" + std::string(kind);
}

/// The first time of ByteGate parts.
std::int64_t paid_at(std::string_view parts) {
  WallTime when{-1};
  static_cast<void>(read_time(parts.substr(0, parts.find(':')), when));
  return when.us;
}

}  // namespace

bool RatePositions::restore(std::string_view line, Now now) {
  const std::string_view word = next_field(line);
  const std::string_view name = next_field(line);
  const std::string_view vmta = next_field(line);
  const std::string_view kind = next_field(line);
  WallTime when;
  if ((word != kRateWord && word != kStartWord) || kind.empty() ||
      !read_time(next_field(line), when)) {
    return false;
  }
  const Instant at = now.instant + (when - now.wall);
  if (word == kStartWord) {
    // Not in the future: nothing was given between then and now.
    const Now start{std::min(at, now.instant), std::min(when, now.wall)};
    start_ = start.instant > start_.instant ? start : start_;
    return true;
  }
  std::uint64_t used = 0;
  const std::string_view amount = next_field(line);
  const bool octets = kind.starts_with(kOctets);
  if (name.empty() || vmta.empty() || !(octets ? !amount.empty() : parse_decimal(amount, used))) {
    return false;
  }
  restored_ = now;
  Kept& kept = kept_[key_of(name, vmta, kind)];
  kept.name = name;
  kept.vmta = vmta;
  kept.kind = kind;
  kept.position.rests = std::max(kept.position.rests, at);
  kept.position.used = std::max(kept.position.used, static_cast<std::uint32_t>(used));
  if (octets && paid_at(kept.octets) < paid_at(amount)) {
    kept.octets = amount;  // of several lines of one gate the latest, for that only grows
  }
  return true;
}

void RatePositions::begin(RateGate& gate, std::string_view name, std::string_view vmta,
                          std::string_view kind, Instant now) const {
  if (!gate.limited() || gate.limit().period < kLong) {
    return;
  }
  if (has_start() && now - gate.limit().period * 2 < start_.instant) {
    gate.begin_after(std::max(start_.instant, Instant{}),
                     kind.starts_with(kConnects) ? Duration{} : gate.late_max());
  }
  if (!kept_.empty()) {
    if (const auto found = kept_.find(key_of(name, vmta, kind)); found != kept_.end()) {
      gate.go_on(found->second.position, now);
    }
  }
}

void RatePositions::write(std::string& lines, const RateGate& gate, std::string_view name,
                          std::string_view vmta, std::string_view kind, Now now) {
  const RateGate::Position position = gate.position();
  if (gate.limited() && gate.limit().period >= kLong && position.rests > now.instant) {
    write_line(lines, name, vmta, kind, position.rests, std::to_string(position.used), now);
  }
}

void RatePositions::begin(ByteGate& gate, std::string_view name, std::string_view vmta,
                          std::string_view kind, Instant now) const {
  if (!gate.limited() || gate.limit().period < kLong) {
    return;
  }
  if (has_start() && now - gate.limit().period * 2 < start_.instant) {
    gate.begin_after(std::max(start_.instant, Instant{}));
  }
  if (const auto found = kept_.find(key_of(name, vmta, kind)); found != kept_.end()) {
    go_on(gate, found->second.octets, now);
  }
}

// "TIME:OCTETS,...": first, with 0 octets, when the burst is whole, then what began.
void RatePositions::go_on(ByteGate& gate, std::string_view parts, Instant now) const {
  while (!parts.empty()) {
    const std::string_view part = parts.substr(0, std::min(parts.find(','), parts.size()));
    parts.remove_prefix(std::min(part.size() + 1, parts.size()));
    const std::size_t colon = part.find(':');
    WallTime when;
    std::uint64_t octets = 0;
    if (colon == std::string_view::npos || !read_time(part.substr(0, colon), when) ||
        !parse_decimal(part.substr(colon + 1), octets)) {
      continue;
    }
    const Instant at = restored_.instant + (when - restored_.wall);
    ByteGate::Position position;
    (octets == 0 ? position.paid_at : position.parts.front().begun) = at;
    position.parts.front().octets = octets;
    gate.go_on(position, now);
  }
}

void RatePositions::write(std::string& lines, const ByteGate& gate, std::string_view name,
                          std::string_view vmta, std::string_view kind, Now now) {
  if (gate.limited() && gate.limit().period >= kLong && gate.rests_at() > now.instant) {
    const auto add = [&](std::string& text, Instant when, std::uint64_t octets) {
      const WallTime wall = now.wall + (when - now.instant) + Duration::microseconds(1);
      text.append(text.empty() ? "" : ",");
      text.append(std::to_string(std::max<std::int64_t>(0, wall.us))).append(":");
      text.append(std::to_string(octets));
    };
    const ByteGate::Position position = gate.position(now.instant);
    std::string parts;
    add(parts, position.paid_at, 0);
    for (const ByteGate::Position::Part& part : position.parts) {
      if (part.octets > 0) {
        add(parts, part.begun, part.octets);
      }
    }
    write_line(lines, name, vmta, kind, gate.rests_at(), parts, now);
  }
}

void RatePositions::write_line(std::string& lines, std::string_view name, std::string_view vmta,
                               std::string_view kind, Instant rests_at, std::string_view used,
                               Now now) {
  // Wall times are rounded down, here and when it is read.
  const WallTime rests = now.wall + (rests_at - now.instant) + Duration::microseconds(2);
  lines.append(kRateWord).append("\t").append(name).append("\t").append(vmta).append("\t");
  lines.append(kind).append("\t").append(std::to_string(std::max<std::int64_t>(0, rests.us)));
  lines.append("\t").append(used).append("\n");
}

void RatePositions::write_start(std::string& lines) const {
  if (has_start()) {
    lines.append(kStartWord).append("\t*\t-\t-\t").append(std::to_string(start_.wall.us));
    lines.append("\n");
  }
}

}  // namespace ringpost::schedule
