#include "core/schedule/day_counts.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/schedule/kept_line.h"
#include "core/schedule/warmup.h"

namespace ringpost::schedule {

namespace {

constexpr std::string_view kDailyWord = "daily";

}  // namespace

// ---- one count ---------------------------------------------------------------------------------

std::uint64_t DayCount::cap_of(std::int64_t day) const {
  if (caps_.empty()) {
    return 0;
  }
  const std::int64_t last = static_cast<std::int64_t>(caps_.size()) - 1;
  return caps_[static_cast<std::size_t>(std::clamp<std::int64_t>(day - first_day_, 0, last))];
}

std::pair<std::int64_t, std::uint64_t> DayCount::next_room() const {
  std::int64_t day = day_;
  std::uint64_t before = count_;
  while (before >= cap_of(day)) {
    // All days from the last number on are alike.
    const bool alike = day - first_day_ + 1 >= static_cast<std::int64_t>(caps_.size());
    const std::uint64_t cap = cap_of(day);
    RP_ASSERT_NOTE(!alike || cap > 0, "no day will ever take it");
    const std::uint64_t days = alike ? before / cap : 1;
    before -= days * cap;
    day += static_cast<std::int64_t>(days);
  }
  return {day, cap_of(day) - before};
}

void DayCount::roll(std::int64_t day) {
  if (day <= day_) {
    return;  // a clock that was set back grants nothing
  }
  for (; day_ < day && durable_ + count_ > 0; ++day_) {
    durable_ -= std::min(durable_, max());
    count_ -= given();
  }
  day_ = day;
}

std::uint64_t DayCount::stride() const { return std::max<std::uint64_t>(1, max() / 100); }

// ---- all of them -------------------------------------------------------------------------------

DayCount& DayCounts::count_of(std::string_view name, std::string_view vmta,
                              std::span<const std::uint32_t> caps, WallTime now) {
  std::unique_ptr<DayCount>& place = counts_[Key{to_lower(name), to_lower(vmta)}];
  const std::int64_t today = day_of(now);
  if (!place) {
    place = std::make_unique<DayCount>();
    place->name_ = to_lower(name);
    place->vmta_ = vmta;
    place->first_day_ = place->day_ = today;
  }
  DayCount& count = *place;
  if (!std::equal(caps.begin(), caps.end(), count.caps_.begin(), count.caps_.end())) {
    count.caps_.assign(caps.begin(), caps.end());
  }
  count.roll(today);
  if (!kept_) {
    count.durable_ = ~std::uint64_t{0};
  }
  return count;
}

void DayCounts::give(DayCount& count, std::uint64_t units) {
  count.count_ += units;
  if (count.count_ + count.stride() / 2 >= count.durable_) {
    ++changes_;
  }
}

void DayCounts::write(std::string& lines, bool exact, WallTime now) {
  for (auto& [key, entry] : counts_) {
    DayCount& count = *entry;
    if (!count.caps_.empty()) {
      count.roll(day_of(now));
    }
    // What is restored and not in use has its numbers unknown: a list may be in its midst.
    if (count.count_ == 0 && count.caps_.size() == 1) {
      count.durable_ = kept_ ? 0 : count.durable_;
      continue;
    }
    const bool ahead = !exact && !count.caps_.empty() && count.left() > 0;
    count.asked_ = count.count_ + (ahead ? std::min(count.stride(), count.left()) : 0);
    if (!exact && kept_) {
      // Never back, though a reload lowers the number: up to here more is given without a write.
      count.asked_ = std::max(count.asked_, count.durable_);
    }
    count.asked_day_ = count.day_;
    lines.append(kDailyWord).append("\t").append(count.name_).append("\t").append(count.vmta_);
    for (const std::int64_t number :
         {count.first_day_, count.day_, static_cast<std::int64_t>(count.asked_)}) {
      lines.append("\t").append(std::to_string(number));
    }
    lines.append("\n");
  }
}

void DayCounts::written(bool durable) {
  for (auto& [key, count] : counts_) {
    const std::uint64_t asked = std::exchange(count->asked_, 0);
    if (durable && count->asked_day_ == count->day_ && asked > count->durable_) {
      const bool waited = !count->covered();
      count->durable_ = asked;
      if (waited) {
        covered_.push_back(count.get());
      }
      if (!count->covered()) {
        ++changes_;
      }
    } else if (!count->covered()) {
      ++changes_;
    }
  }
}

const DayCount* DayCounts::next_covered() {
  if (covered_.empty()) {
    return nullptr;
  }
  const DayCount* count = covered_.back();
  covered_.pop_back();
  return count;
}

bool DayCounts::restore(std::string_view line) {
  if (next_field(line) != kDailyWord) {
    return false;
  }
  auto count = std::make_unique<DayCount>();
  count->name_ = to_lower(next_field(line));
  count->vmta_ = next_field(line);
  std::uint64_t numbers[3] = {};
  for (std::uint64_t& number : numbers) {
    if (!parse_decimal(next_field(line), number) || number > INT64_MAX) {
      return false;
    }
  }
  if (count->name_.empty() || count->vmta_.empty()) {
    return false;
  }
  count->first_day_ = static_cast<std::int64_t>(numbers[0]);
  count->day_ = static_cast<std::int64_t>(numbers[1]);
  count->count_ = count->durable_ = numbers[2];
  Key key{count->name_, to_lower(count->vmta_)};
  counts_[std::move(key)] = std::move(count);
  return true;
}

}  // namespace ringpost::schedule
