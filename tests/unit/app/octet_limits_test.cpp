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
