#include "core/schedule/byte_gate.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/schedule/made_up.h"

namespace ringpost::schedule {

namespace {

constexpr std::uint64_t kBurstShare = 25;

/// Who makes up for a delay comes sooner by that part of its time.
constexpr std::int64_t kSooner = 3;

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
    last_size_ = 0;
    late_ns_ = 0;
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
    count(limit.count, now);  // the most it can be
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

// A slot is as old as the last message in it: where there are but a few in a period, each counts
// for a period and no longer.
Instant ByteGate::last_of(std::int64_t slot) const {
  const auto place = static_cast<std::size_t>((slot % kKept + kKept) % kKept);
  return {slot * slot_ns_ + ((ends_[place] + 1) * slot_ns_ + kParts - 1) / kParts};
}

void ByteGate::count(std::uint64_t size, Instant when) {
  const std::int64_t slot = std::min(slot_, when.ns / slot_ns_ - (when.ns % slot_ns_ < 0 ? 1 : 0));
  const auto place = static_cast<std::size_t>((slot % kKept + kKept) % kKept);
  const std::int64_t part = (when.ns - slot * slot_ns_) * kParts / slot_ns_;
  const auto end = static_cast<std::uint8_t>(std::clamp<std::int64_t>(part, 0, kParts - 1));
  ends_[place] = used_[place] == 0 ? end : std::max(ends_[place], end);
  used_[place] += size;
  sum_ += size;
}

// Beyond the burst.
std::int64_t ByteGate::made_up(std::uint64_t size) const {
  const std::int64_t most = std::int64_t{kMadeUp} * cost(std::max(size, last_size_)) - cost(burst_);
  return std::clamp<std::int64_t>(most, 0, limit_.period.ns);
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
  for (std::int64_t old = slot_ - kSlots; old <= slot_ - kSlots + 1 && gone(old) <= now; ++old) {
    sum_ -= used(old);
    used(old) = 0;
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
      return slot == slot_ - kSlots ? when : std::max(when, gone(slot - 1));
    }
    left -= used(slot);
  }
  return std::max(when, gone(slot_));
}

Instant ByteGate::opens_for(std::uint64_t size, std::uint32_t more) const {
  if (!limited()) {
    return {};
  }
  // Where something is to be made up for, each may come sooner by a third of its time.
  const std::int64_t all = cost(size * more);
  return opens_for(size) + Duration{all - std::min(late_ns_, all / kSooner)};
}

void ByteGate::take(std::uint64_t size, Instant now) {
  if (!limited()) {
    return;
  }
  RP_ASSERT_NOTE(open_for(size, now), "octets were taken that are not there");
  count(size, now);
  const std::int64_t most = made_up(size);
  const std::int64_t late = std::max<std::int64_t>(0, now.ns - paid_at_.ns);
  late_ns_ = late > most ? 0 : std::min(late_ns_ + late, most);  // or nobody waited
  const std::int64_t sooner = std::min(late_ns_, cost(size) / kSooner);
  late_ns_ -= sooner;
  paid_at_ = std::max(paid_at_, now) + Duration{cost(size) - sooner};
  last_size_ = size;
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
      part.begun = std::min(last_of(slot), now);
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
    // Not later than now, whatever the clocks say.
    const Instant begun = std::min(part.begun, now);
    if (part.octets > 0 && begun + limit_.period + slack_ > now) {
      count(part.octets, begun);
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
      return std::max(paid, gone(slot));
    }
  }
  return paid;
}

}  // namespace ringpost::schedule
