#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/app/gate_setting.h"
#include "core/app/policy_book.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

const char* const kVolumes =
    "domain-macro both one.example,two.example shared\n"
    "<domain $both>\nmax-data-volume-rate 5000/h\n</domain>\n"
    "<virtual-mta v>\nsmtp-source-host 192.0.2.1 v.example\n"
    "max-smtp-data-volume-rate 9000/m\n</virtual-mta>\n"
    "<domain slow.example>\nmax-data-volume-rate 700/m\n"
    "backoff-max-data-volume-rate 70/m\n</domain>\n";

std::string text_of(const schedule::ByteLimit& limit) {
  return std::to_string(limit.count) + " in " + std::to_string(limit.period.ns / 1'000'000'000);
}

/// The rates of octets among those that a permit of the queue counts in.
std::string plan_of(PolicyBook& book, const schedule::QueueSettings& settings) {
  std::string text;
  const schedule::RatePlan* const plan = book.rate_plan(settings.limits.shared_messages.plan);
  for (std::size_t i = 0; plan != nullptr && i < plan->rates.size(); ++i) {
    const schedule::SharedRate& rate = plan->rates[i];
    if (rate.octets.limited()) {
      text += rate.of == schedule::RateOf::vmta_octets ? "vmta " : "group ";
      text += text_of(rate.octets) + ";";
    }
  }
  return text;
}

TEST(OctetLimits, AreOfQueuesGroupsAndVirtualMtas) {
  PolicyBook book(snapshot_of(kVolumes));
  const auto own = book.settings_of("slow.example", "v");
  EXPECT_EQ(text_of(own.limits.octets), "700 in 60");
  EXPECT_EQ(plan_of(book, own), "vmta 9000 in 60;");
  EXPECT_TRUE(own.policy->paced);
  ASSERT_NE(own.backoff, nullptr);
  EXPECT_EQ(text_of(own.backoff->limits.octets), "70 in 60");
  const auto grouped = book.settings_of("one.example", "v");
  EXPECT_FALSE(grouped.limits.octets.limited());
  EXPECT_EQ(plan_of(book, grouped), "vmta 9000 in 60;group 5000 in 3600;");
  const auto free = book.settings_of("other.example", "{default}");
  EXPECT_FALSE(free.limits.octets.limited());
  EXPECT_EQ(plan_of(book, free), "");
  EXPECT_FALSE(free.policy->paced);
}

// Twins of a group hold over it as a whole, and what is in back-off mode counts in its other rates.
TEST(GroupBackoff, TwinsCountBesideTheGroupsOwn) {
  PolicyBook book(snapshot_of(
      "domain-macro both one.example,two.example shared\n"
      "<domain $both>\nmax-smtp-out 9\nmax-msg-rate 50/s\nmax-connect-rate 5/s\n"
      "backoff-max-smtp-out 2\nbackoff-max-msg-rate 3/s\nbackoff-max-connect-rate 1/s\n"
      "backoff-max-data-volume-rate 70/m\n</domain>\n"
      "domain-macro plain three.example,four.example shared\n"
      "<domain $plain>\nmax-smtp-out 9\nbackoff-max-smtp-out 9\nmax-msg-rate 50/s\n</domain>\n"
      "<virtual-mta v>\nsmtp-source-host 192.0.2.1 v.example\nmax-msg-rate 80/s\n"
      "</virtual-mta>\n"));
  const auto one = book.settings_of("one.example", "v");
  const auto two = book.settings_of("two.example", "v");
  ASSERT_NE(one.backoff, nullptr);
  const schedule::QueueLimits& twin = one.backoff->limits;
  EXPECT_EQ(twin.group, one.limits.group);
  EXPECT_EQ(twin.group_connections_max, 9U);
  EXPECT_NE(twin.backoff_group, 0U);
  EXPECT_EQ(twin.backoff_group, two.backoff->limits.backoff_group);
  EXPECT_EQ(twin.backoff_group_connections_max, 2U);
  EXPECT_EQ(one.limits.backoff_group, 0U) << "in normal mode it counts in the group alone";
  EXPECT_EQ(one.backoff->policy->connections_max, 0U);
  EXPECT_FALSE(twin.messages.limited() || twin.connects.limited() || twin.octets.limited());
  EXPECT_EQ(twin.shared_messages.scope, two.backoff->limits.shared_messages.scope);
  const auto count_in = [&](std::uint64_t plan) {
    std::vector<std::pair<schedule::RateOf, std::uint64_t>> found;
    const schedule::RatePlan* const rates = book.rate_plan(plan);
    for (std::size_t i = 0; rates != nullptr && i < rates->rates.size(); ++i) {
      const schedule::SharedRate& rate = rates->rates[i];
      found.emplace_back(rate.of, rate.octets.limited() ? rate.octets.count : rate.limit.count);
    }
    return found;
  };
  using Of = schedule::RateOf;
  using Rates = std::vector<std::pair<Of, std::uint64_t>>;
  EXPECT_EQ(count_in(twin.shared_messages.plan), (Rates{{Of::vmta, 80},
                                                        {Of::group, 50},
                                                        {Of::group_backoff, 3},
                                                        {Of::group_backoff_octets, 70}}));
  EXPECT_EQ(count_in(twin.shared_connects.plan), (Rates{{Of::group, 5}, {Of::group_backoff, 1}}));
  // The group's own rate is the very one that its domains in normal mode count in.
  EXPECT_EQ(book.rate_plan(twin.shared_messages.plan)->rates[1].key,
            one.limits.shared_messages.scope);
  const auto same = book.settings_of("three.example", "v");
  EXPECT_EQ(same.backoff->limits.backoff_group, 0U);
  EXPECT_EQ(same.backoff->limits.shared_messages.scope, same.limits.shared_messages.scope);
}

TEST(OctetLimits, WhyNamesTheLine) {
  const auto snapshot = snapshot_of(kVolumes);
  const auto told = [&](schedule::Gate gate, const char* domain, bool backoff) {
    const auto setting = setting_behind(gate, *snapshot, domain, "v", {{}, backoff});
    return setting ? setting->name + " " + setting->value + " " +
                         setting->place.substr(setting->place.rfind(':'))
                   : std::string();
  };
  EXPECT_EQ(told(schedule::Gate::data_rate, "slow.example", false),
            "max-data-volume-rate 700/m :10");
  EXPECT_EQ(told(schedule::Gate::data_rate, "slow.example", true),
            "backoff-max-data-volume-rate 70/m :11");
  EXPECT_EQ(told(schedule::Gate::vmta_data_rate, "slow.example", true),
            "max-smtp-data-volume-rate 9000/m :7");
  EXPECT_EQ(told(schedule::Gate::group_data_rate, "two.example", true),
            "max-data-volume-rate 5000/h :3");
}

}  // namespace
}  // namespace ringpost::app
