#include "tests/unit/schedule/rate_watch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/schedule/rate_book.h"
#include "core/schedule/rate_positions.h"

namespace ringpost::schedule::test {

void RateWatch::use(const std::string& name, RateLimit limit, std::size_t count, Instant now) {
  if (!limit.limited()) {
    return;
  }
  Rate& rate = rates_[name];
  rate.limit = limit;
  if (now <= std::max(rate.from, all_from_)) {
    return;
  }
  std::vector<std::int64_t>& times = rate.times;
  times.insert(times.end(), count, now.ns);
  if (times.size() > limit.count) {
    ASSERT_GE(times.back() - times[times.size() - 1 - limit.count], limit.period.ns)
        << "rate exceeded: " << name << " at " << now.ns;
  }
}

void RateWatch::use(const std::string& name, ByteLimit limit, std::uint32_t size, Instant now) {
  if (!limit.limited()) {
    return;
  }
  Octets& of = octets_[name];
  of.limit = limit;
  if (now <= std::max(of.from, all_from_)) {
    return;
  }
  while (of.first < of.seen.size() && of.seen[of.first].first + limit.period.ns <= now.ns) {
    of.sum -= of.seen[of.first++].second;
  }
  of.seen.emplace_back(now.ns, size);
  of.sum += size;
  ASSERT_TRUE(of.sum <= limit.count || of.first + 1 == of.seen.size())
      << "octets exceeded: " << name << " at " << now.ns;
}

void RateWatch::reloaded(const std::string& name, RateLimit limit, Instant now) {
  Rate& rate = rates_[name];
  if (rate.limit != limit) {
    rate = {limit, {}, now + RateBook::kLifeMax};
  }
}

void RateWatch::reloaded(const std::string& name, ByteLimit limit, Instant now) {
  Octets& of = octets_[name];
  if (of.limit != limit) {
    of = {limit, {}, 0, 0, now + RateBook::kLifeMax};
  }
}

void RateWatch::reloaded_all(Instant now) {
  rates_.clear();
  octets_.clear();
  all_from_ = now + RateBook::kLifeMax;
}

void RateWatch::restarted() {
  for (auto& [name, rate] : rates_) {
    if (rate.limit.period < RatePositions::kLong) {
      rate.times.clear();
    }
  }
  std::erase_if(octets_,
                [](const auto& one) { return one.second.limit.period < RatePositions::kLong; });
}

}  // namespace ringpost::schedule::test
