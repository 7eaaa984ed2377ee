#include "core/schedule/warmup.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/base/address.h"
#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/schedule/kept_line.h"

namespace ringpost::schedule {

namespace {

constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
constexpr std::uint32_t kDaysMax = 36'500;
constexpr std::string_view kWord = "warmup";
constexpr std::size_t kNumbers = 7;

double per_ns(RateLimit rate) {
  return static_cast<double>(rate.count) / static_cast<double>(rate.period.ns);
}

}  // namespace

std::int64_t day_of(WallTime wall) noexcept {
  return (wall.us - (wall.us < 0 ? kMicrosecondsPerDay - 1 : 0)) / kMicrosecondsPerDay;
}

WallTime begin_of_day(std::int64_t day) noexcept { return {day * kMicrosecondsPerDay}; }

std::uint32_t warmup_days(const WarmupPlan& plan) noexcept {
  const std::int64_t day = Duration::days(1).ns;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(plan.period.ns / day, 1, kDaysMax));
}

RateLimit warmup_rate(const WarmupPlan& plan, std::uint32_t days) noexcept {
  const std::uint32_t all = warmup_days(plan);
  if (days >= all) {
    return plan.end;
  }
  if (days == 0) {
    return plan.start;
  }
  const double part = static_cast<double>(days) / all;
  const double from = per_ns(plan.start);
  const double to = per_ns(plan.end);
  const double rate = plan.linear ? from + (to - from) * part : from * std::pow(to / from, part);
  const Duration period = std::max(plan.start.period, plan.end.period);
  // A hair more, so that what comes out whole by arithmetic does not fall by rounding.
  const double count = rate * static_cast<double>(period.ns) * (1 + 1e-12);
  return {static_cast<std::uint32_t>(std::clamp(count, 1.0, 4e9)), period};
}

std::uint64_t day_allowance(RateLimit rate) noexcept {
  const double day = per_ns(rate) * static_cast<double>(Duration::days(1).ns) * (1 + 1e-12);
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(day));
}

// ---- one warm-up -------------------------------------------------------------------------------

std::string in_order(std::string_view addresses) {
  std::map<IpAddress, std::string_view> sorted;  // what is none comes first
  while (!addresses.empty()) {
    const std::string_view word = addresses.substr(0, addresses.find(' '));
    addresses.remove_prefix(std::min(word.size() + 1, addresses.size()));
    if (!word.empty()) {
      const Result<IpAddress> address = IpAddress::parse(word);
      sorted.emplace(address.ok() ? *address : IpAddress{}, word);
    }
  }
  std::string text;
  for (const auto& [address, word] : sorted) {
    text.append(text.empty() ? "" : " ").append(word);
  }
  return text;
}

void WarmupState::roll(std::int64_t day, Instant now) {
  const bool begun = began_.us != 0 && plan_->start_day <= today_;
  if (begun && plan_->idle_days_count) {
    days_ = static_cast<std::uint32_t>(
        std::min<std::int64_t>(days_ + (day - today_), warmup_days(*plan_)));
  } else if (begun && 2 * sent_ >= day_allowance(rate())) {
    days_ = std::min(days_ + 1, warmup_days(*plan_));
  }
  today_ = day;
  sent_ = 0;
  gate_.configure(rate(), now, slack_);
}

void WarmupState::take(std::uint32_t count, Instant now) {
  gate_.take(count, now);
  sent_ += count;
  book_->sent_ += count;
  if (began_.us == 0) {
    began_ = book_->wall_;
    ++book_->changes_;
  }
}

WarmupRow::WarmupRow(const WarmupState& state)
    : name(state.name_.size() > 1 && state.name_.front() == '*' ? state.name_.substr(1)
                                                                : state.name_),
      vmta(state.vmta_),
      source(state.source_) {
  const WarmupPlan& plan = state.plan();
  of = warmup_days(plan);
  done = state.days_ >= of;
  day = std::min(state.days_ + 1, of);
  rate = state.rate();
  next = warmup_rate(plan, state.days_ + 1);
  sent = state.sent_;
  allowance = day_allowance(rate);
  counts = plan.idle_days_count ? state.began_.us != 0 : 2 * sent >= allowance;
  began = state.began_;
  place = plan.place;
}

// ---- all of them -------------------------------------------------------------------------------

WarmupBook::WarmupBook(Now now, bool keeps) : keeps_(keeps) { roll(now); }

bool WarmupBook::roll(Now now) {
  wall_ = now.wall;
  const std::int64_t day = day_of(now.wall);
  const WallTime midnight{(day + 1) * kMicrosecondsPerDay};
  if (day <= day_ && now.instant < next_roll_) {
    return false;
  }
  next_roll_ = now.instant + (midnight - now.wall);
  if (day <= day_) {
    return false;  // a clock that was set back grants nothing
  }
  day_ = day;
  for (const auto& [key, state] : states_) {
    if (state->plan_ != nullptr && state->today_ < day) {
      state->roll(day, now.instant);
    }
  }
  ++changes_;
  return !states_.empty();
}

WarmupState& WarmupBook::state_of(WarmupPlanRef plan, std::string_view queue, Duration slack,
                                  Instant now) {
  RP_ASSERT(plan != nullptr && plan->start.limited() && plan->end.limited());
  const std::string name = to_lower(plan->name.empty() ? queue : std::string_view(plan->name));
  std::unique_ptr<WarmupState>& place = states_[Key{name, to_lower(plan->vmta), plan->source}];
  if (!place) {
    place = std::make_unique<WarmupState>();
    place->name_ = name;
    place->source_ = plan->source;
    place->today_ = day_;
    if (plan->start_day != 0 && plan->start_day < day_) {
      // Whoever names a day in the past has warmed up since then.
      place->days_ = static_cast<std::uint32_t>(
          std::min<std::int64_t>(day_ - plan->start_day, warmup_days(*plan)));
    }
  }
  WarmupState& state = *place;
  const bool fresh = state.plan_ == nullptr;
  state.vmta_ = plan->vmta;
  state.book_ = this;
  state.plan_ = std::move(plan);
  state.slack_ = slack;
  if (fresh) {
    state.gate_.configure(state.loaded_ ? state.loaded_rate_ : state.rate(), now, slack);
    if (state.loaded_) {
      state.gate_.go_on({now + (state.full_at_ - wall_), 0}, now);
    }
    if (start_ != Instant::never()) {
      state.gate_.begin_after(start_, std::max(RateGate::late_max(state.plan_->start),
                                               RateGate::late_max(state.plan_->end)));
    }
  }
  if (state.today_ < day_) {
    state.roll(day_, now);
  }
  state.gate_.configure(state.rate(), now, slack);
  return state;
}

void WarmupBook::write(std::string& lines, Now now) const {
  for (const auto& [key, entry] : states_) {
    const WarmupState& state = *entry;
    // A shared one that is not in use here may be so at another shard; if nowhere, it is kept by
    // one.
    const bool elsewhere = state.plan_ == nullptr && state.name_.starts_with('*') && !keeps_;
    if (elsewhere || (state.began_.us == 0 && state.days_ == 0)) {
      continue;
    }
    WallTime full_at = state.full_at_;
    RateLimit rate = state.loaded_rate_;
    if (state.plan_ != nullptr) {
      full_at = now.wall + (state.gate_.position().rests - now.instant) + Duration::microseconds(2);
      rate = state.rate();
    }
    lines.append(kWord).append("\t").append(state.name_).append("\t").append(state.vmta_);
    lines.append("\t").append(state.source_);
    const std::int64_t numbers[kNumbers] = {state.began_.us,
                                            state.today_,
                                            state.days_,
                                            static_cast<std::int64_t>(state.sent_),
                                            std::max<std::int64_t>(0, full_at.us),
                                            rate.count,
                                            rate.period.ns};
    for (const std::int64_t number : numbers) {
      lines.append("\t").append(std::to_string(number));
    }
    lines.append("\n");
  }
}

bool WarmupBook::restore(std::string_view line) {
  if (next_field(line) != kWord) {
    return false;
  }
  auto state = std::make_unique<WarmupState>();
  state->name_ = to_lower(next_field(line));
  state->vmta_ = next_field(line);
  state->source_ = in_order(next_field(line));  // once they stood as in the configuration
  std::uint64_t numbers[kNumbers] = {};
  for (std::uint64_t& number : numbers) {
    if (!parse_decimal(next_field(line), number) || number > INT64_MAX) {
      return false;
    }
  }
  if (state->name_.empty() || state->vmta_.empty()) {
    return false;
  }
  state->began_ = {static_cast<std::int64_t>(numbers[0])};
  state->today_ = static_cast<std::int64_t>(numbers[1]);
  state->days_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(numbers[2], kDaysMax));
  state->sent_ = numbers[3];
  state->full_at_ = {static_cast<std::int64_t>(numbers[4])};
  state->loaded_rate_ = {static_cast<std::uint32_t>(std::min<std::uint64_t>(numbers[5], ~0u)),
                         Duration{static_cast<std::int64_t>(numbers[6])}};
  state->loaded_ = state->loaded_rate_.limited();
  std::unique_ptr<WarmupState>& place =
      states_[Key{state->name_, to_lower(state->vmta_), state->source_}];
  const auto rank = [](const WarmupState& one) {
    return std::tuple{one.days_, one.today_, one.sent_, one.full_at_.us};
  };
  if (!place || rank(*place) < rank(*state)) {
    place = std::move(state);
  }
  return true;
}

}  // namespace ringpost::schedule
