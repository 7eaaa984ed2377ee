// What the crowd remembers, and asserts, of what is taken.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/schedule/crowd.h"

namespace ringpost::schedule::test {

void Crowd::note_take(const Session& session, const Job& job) {
  first_take.try_emplace(session.name, now.instant);
  started.try_emplace(job.message.slot, Start{now.instant, taken});
  const std::size_t count = job.recipients.size();
  ASSERT_LE(count, kRecipientsMax);
  taken += count;
  note_rate(session.name, plan_.messages, count);
  note_rate("messages " + session.vmta, rate_of(plan_.vmta_messages, session.vmta), count);
  if (in_group(session.destination)) {
    note_rate("group messages " + session.vmta, plan_.group_messages, count);
    if (in_backoff_.count(session.destination) != 0) {
      note_rate("group back-off messages " + session.vmta, plan_.group_backoff_messages, count);
    }
  }
  if (plan_.warmup != nullptr) {
    note_warmup(plan_.vmta_warmup               ? session.vmta
                : in_group(session.destination) ? "group/" + session.vmta
                                                : session.name,
                count);
  }
  if (const SourceLimit* const limit = limit_of(session)) {
    const std::string name = session.name + " from " + std::to_string(session.source);
    note_rate(name, limit->messages, count);
    note_octets(name, limit->octets, sizes_[job.message.slot]);
    taken_from[session.source] += count;
  }
  note_octets(session.name, plan_.octets, sizes_[job.message.slot]);
  if (const std::size_t v = std::stoul(session.vmta.substr(1)); v < plan_.vmta_octets.size()) {
    note_octets(session.vmta, plan_.vmta_octets[v], sizes_[job.message.slot]);
  }
  const auto sender = senders_.find(job.message.slot);
  if (sender != senders_.end()) {
    note_rate("sender " + std::to_string(sender->second), plan_.sender_messages[sender->second - 1],
              count);
  }
  taken_of[sender == senders_.end() ? 0 : sender->second] += count;
  note_rate("messages of the pool", plan_.pooled ? plan_.pool_messages : RateLimit{}, count);
}

RateLimit Crowd::rate_of(const std::vector<RateLimit>& rates, std::string_view vmta) const {
  const std::size_t index = std::stoul(std::string(vmta.substr(1)));
  return index < rates.size() ? rates[index] : RateLimit{};
}

void Crowd::note_rate(const std::string& name, RateLimit limit, std::size_t count) {
  if (!limit.limited() || rates_settle_) {
    return;
  }
  auto& times = sent_[name];
  times.insert(times.end(), count, now.instant.ns);
  if (times.size() > limit.count) {
    ASSERT_GE(times.back() - times[times.size() - 1 - limit.count], limit.period.ns)
        << "rate exceeded: " << name << " at " << now.instant.ns;
  }
}

void Crowd::note_octets(const std::string& name, ByteLimit limit, std::uint32_t size) {
  if (!limit.limited() || rates_settle_) {
    return;
  }
  octets_of[name] += size;
  Octets& of = octets_[name];
  while (of.first < of.seen.size() && of.seen[of.first].first + limit.period.ns <= now.instant.ns) {
    of.sum -= of.seen[of.first++].second;
  }
  of.seen.emplace_back(now.instant.ns, size);
  of.sum += size;
  ASSERT_TRUE(of.sum <= limit.count || of.first + 1 == of.seen.size())
      << "octets exceeded: " << name << " at " << now.instant.ns;
}

/// The rate cannot have grown by more than one step for each day on which something was sent, or
/// where idle days count for each day since.
void Crowd::note_warmup(const std::string& name, std::size_t count) {
  std::set<std::int64_t>& days = warm_days_[name];
  const std::int64_t today = day_of(now.wall);
  days.insert(today);
  const auto before = static_cast<std::uint32_t>(plan_.warmup->idle_days_count
                                                     ? today - *days.begin()
                                                     : static_cast<std::int64_t>(days.size()) - 1);
  note_rate("warm-up of " + name, warmup_rate(*plan_.warmup, before), count);
}

}  // namespace ringpost::schedule::test
