#include "core/schedule/byte_gate.h"

#include <algorithm>

#include "core/base/assert.h"

namespace ringpost::schedule {

namespace {

constexpr std::uint64_t kBurstShare = 25;

}  // namespace

void ByteGate::configure(ByteLimit limit, Instant now, Duration slack) {
  if (limit == limit_ && slack == slack_) {
    return;
  }
  const ByteLimit before = limit_;
  const bool same_time = limit.period == before.period && slack == slack_;
  limit_ = limit;
  slack_ = slack;
  if (!limit.limited()) {
    *this = ByteGate{};
    return;
  }
  const auto tenth = static_cast<std::uint64_t>(static_cast<double>(limit.count) * 1e8 /
                                                static_cast<double>(limit.period.ns));
  burst_ = std::max<std::uint64_t>(1, std::min(tenth, limit.count / kBurstShare));
  if (before.limited()) {
    // What was to be waited for still is; the new burst begins empty.
    paid_at_ = std::max(paid_at_, now) + Duration{cost(burst_)};
  }
  if (before.limited() && same_time) {
    return;
  }
  used_.fill(0);
  slot_ns_ = std::max<std::int64_t>(1, (limit.period.ns + slack.ns + kSlots - 1) / kSlots);
  slot_ = now.ns / slot_ns_;
  const bool counted = before.limited() && sum_ > 0;
  sum_ = 0;
  if (counted) {
    used(slot_) = sum_ = limit.count;  // the most it can be
  }
}

// Rounded up. Sizes are 32 bits and periods at most weeks, a product that needs more than 64.
std::int64_t ByteGate::cost(std::uint64_t size) const {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(size) * static_cast<std::uint64_t>(limit_.period.ns);
  const Wide whole = (product + limit_.count - 1) / limit_.count;
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  return whole > static_cast<Wide>(kMost) ? kMost : static_cast<std::int64_t>(whole);
}

// Slots of what began before the clock did have numbers below 0.
std::uint64_t& ByteGate::used(std::int64_t slot) {
  return used_[static_cast<std::size_t>((slot % kKept + kKept) % kKept)];
}

Instant ByteGate::pace_opens(std::uint64_t size) const {
  return Instant{paid_at_.ns + cost(std::min(size, burst_)) - cost(burst_)};
}

void ByteGate::advance(Instant now) {
  const std::int64_t slot = std::max(slot_, now.ns / slot_ns_);
  if (slot - slot_ >= kKept) {
    used_.fill(0);
    sum_ = 0;
    slot_ = slot;
  }
  while (slot_ < slot) {
    ++slot_;
    std::uint64_t& oldest = used(slot_);
    sum_ -= oldest;
    oldest = 0;
  }
}

bool ByteGate::open_for(std::uint64_t size, Instant now) {
  if (!limited()) {
    return true;
  }
  advance(now);
  return now >= closed_ && now >= pace_opens(size) && (sum_ == 0 || sum_ + size <= limit_.count);
}

Instant ByteGate::opens_for(std::uint64_t size) const {
  if (!limited()) {
    return {};
  }
  const Instant when = std::max(closed_, pace_opens(size));
  std::uint64_t left = sum_;
  for (std::int64_t slot = slot_ - kSlots; slot <= slot_; ++slot) {
    if (left == 0 || left + size <= limit_.count) {
      return slot == slot_ - kSlots ? when : std::max(when, end_of(slot - 1));
    }
    left -= used(slot);
  }
  return std::max(when, end_of(slot_));
}

Instant ByteGate::opens_for(std::uint64_t size, std::uint32_t more) const {
  return !limited() ? Instant{} : opens_for(size) + Duration{cost(size * more)};
}

void ByteGate::take(std::uint64_t size, Instant now) {
  if (!limited()) {
    return;
  }
  RP_ASSERT_NOTE(open_for(size, now), "octets were taken that are not there");
  used(slot_) += size;
  sum_ += size;
  paid_at_ = std::max(paid_at_, now) + Duration{cost(size)};
}

void ByteGate::give_back(std::uint64_t size, Instant taken) {
  const std::int64_t slot = limited() ? taken.ns / slot_ns_ : slot_ + 1;
  const bool counts = slot > slot_ - kKept;
  if (slot > slot_ || (counts && used(slot) < size)) {
    return;  // it is not known here
  }
  if (counts) {
    used(slot) -= size;
    sum_ -= size;
  }
  paid_at_ = paid_at_ - Duration{std::max<std::int64_t>(0, cost(size) - 1)};  // costs round up
}

void ByteGate::close_until(Instant when) {
  closed_ = std::max(closed_, when);
  paid_at_ = std::max(paid_at_, when + Duration{cost(burst_)});
}

ByteGate::Position ByteGate::position(Instant now) const {
  constexpr auto kSlotsOfPart = (kKept + Position::kParts - 1) / Position::kParts;
  Position out;
  out.paid_at = paid_at_;
  for (std::int64_t i = 0; i < kKept; ++i) {
    const std::int64_t slot = slot_ - kKept + 1 + i;
    auto& part = out.parts[static_cast<std::size_t>(i) / kSlotsOfPart];
    if (used(slot) > 0) {
      part.begun = std::min(Instant{(slot + 1) * slot_ns_}, now);
      part.octets += used(slot);
    }
  }
  if (limited() && closed_ > now) {
    out.parts.back() = {closed_ - limit_.period - slack_, limit_.count};
  }
  return out;
}

void ByteGate::go_on(const Position& position, Instant now) {
  if (!limited()) {
    return;
  }
  advance(now);
  paid_at_ = std::max(paid_at_, position.paid_at);
  for (const Position::Part& part : position.parts) {
    // Not later than now, whatever the clocks say; rounded down.
    const std::int64_t begun = std::min(part.begun.ns, now.ns);
    const std::int64_t slot = begun / slot_ns_ - (begun % slot_ns_ < 0 ? 1 : 0);
    if (part.octets > 0 && slot > slot_ - kKept) {
      const std::int64_t place = std::min(slot, slot_);
      used(place) += part.octets;
      sum_ += part.octets;
    }
  }
}

Instant ByteGate::rests_at() const {
  if (!limited()) {
    return {};
  }
  const Instant paid = std::max(paid_at_, closed_);
  for (std::int64_t slot = slot_; slot > slot_ - kKept; --slot) {
    if (used(slot) != 0) {
      return std::max(paid, end_of(slot));
    }
  }
  return paid;
}

}  // namespace ringpost::schedule
