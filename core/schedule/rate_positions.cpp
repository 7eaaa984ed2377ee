#include "core/schedule/rate_positions.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/schedule/kept_line.h"

namespace ringpost::schedule {

namespace {

constexpr std::string_view kRateWord = "rate";
constexpr std::string_view kStartWord = "start";

std::string key_of(std::string_view name, std::string_view vmta, char kind) {
  return to_lower(name) + "/" + to_lower(vmta) + "/" + kind;
}

}  // namespace

bool RatePositions::restore(std::string_view line, Now now) {
  const std::string_view word = next_field(line);
  const std::string_view name = next_field(line);
  const std::string_view vmta = next_field(line);
  const std::string_view kind = next_field(line);
  WallTime when;
  if ((word != kRateWord && word != kStartWord) || kind.size() != 1 ||
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
  if (name.empty() || vmta.empty() || !parse_decimal(next_field(line), used)) {
    return false;
  }
  Kept& kept = kept_[key_of(name, vmta, kind.front())];
  kept.name = name;
  kept.vmta = vmta;
  kept.position.rests = std::max(kept.position.rests, at);
  kept.position.used = std::max(kept.position.used, static_cast<std::uint32_t>(used));
  return true;
}

void RatePositions::begin(RateGate& gate, std::string_view name, std::string_view vmta, char kind,
                          Instant now) const {
  if (!gate.limited() || gate.limit().period < kLong) {
    return;
  }
  if (has_start() && now - gate.limit().period * 2 < start_.instant) {
    gate.begin_after(std::max(start_.instant, Instant{}));
  }
  if (!kept_.empty()) {
    if (const auto found = kept_.find(key_of(name, vmta, kind)); found != kept_.end()) {
      gate.go_on(found->second.position, now);
    }
  }
}

void RatePositions::write(std::string& lines, const RateGate& gate, std::string_view name,
                          std::string_view vmta, char kind, Now now) {
  if (gate.limited() && gate.limit().period >= kLong && gate.rests_at() > now.instant) {
    write_line(lines, name, vmta, kind, gate.position(), now);
  }
}

void RatePositions::write_line(std::string& lines, std::string_view name, std::string_view vmta,
                               char kind, RateGate::Position position, Now now) {
  const WallTime rests = now.wall + (position.rests - now.instant);
  lines.append(kRateWord).append("\t").append(name).append("\t").append(vmta).append("\t");
  lines.append(1, kind).append("\t").append(std::to_string(std::max<std::int64_t>(0, rests.us)));
  lines.append("\t").append(std::to_string(position.used)).append("\n");
}

void RatePositions::write_start(std::string& lines) const {
  if (has_start()) {
    lines.append(kStartWord).append("\t*\t-\t-\t").append(std::to_string(start_.wall.us));
    lines.append("\n");
  }
}

}  // namespace ringpost::schedule
