#include "core/app/source_limits.h"

#include <gtest/gtest.h>

#include "core/app/gate_setting.h"
#include "core/app/policy_book.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

const char* const kSourceText =
    "<virtual-mta v>\nsmtp-source-host 192.0.2.1 a.example\nsmtp-source-host 192.0.2.9 b.example\n"
    "</virtual-mta>\n"
    "<domain one.example>\nsource-ip-max-smtp-out 0/0 5\nsource-ip-max-smtp-out 192.0.2.8/29 2\n"
    "source-ip-max-connect-rate 0/0 3/m\nsource-ip-max-msg-rate 192.0.2.9/32 7/h\n"
    "source-ip-max-data-volume-rate 0/0 1000/m\n</domain>\n"
    "<domain old.example>\nmax-smtp-out-per-source-ip 4\n</domain>\n"
    "domain-macro both x.example,y.example shared\n"
    "<domain $both>\nsource-ip-max-smtp-out 0/0 6\nsource-ip-max-connect-rate 0/0 8/m\n"
    "source-ip-max-msg-rate 0/0 9/m\nsource-ip-max-data-volume-rate 0/0 10/m\n</domain>\n";

std::string text_of(const schedule::QueueSettings& settings) {
  std::string text;
  for (std::size_t i = 0; settings.limits.by_source && i < settings.limits.by_source->size(); ++i) {
    const schedule::SourceLimit& one = (*settings.limits.by_source)[i];
    text += one.ip.text() + " " + std::to_string(one.connections_max) + " " +
            std::to_string(one.connects.count) + " " + std::to_string(one.messages.count) + " " +
            std::to_string(one.octets.count) + ";";
  }
  return text;
}

std::string rates_of(const schedule::RatePlan* plan) {
  std::string text;
  for (std::size_t i = 0; plan != nullptr && i < plan->rates.size(); ++i) {
    const schedule::SharedRate& rate = plan->rates[i];
    const bool of_source =
        rate.of == schedule::RateOf::source || rate.of == schedule::RateOf::source_octets;
    text += of_source ? std::to_string(rate.limit.count + rate.octets.count) + ";" : "other;";
  }
  return text;
}

TEST(SourceLimits, TheNarrowestNetworkHolds) {
  PolicyBook book(snapshot_of(kSourceText));
  const auto one = book.settings_of("one.example", "v");
  EXPECT_EQ(text_of(one), "192.0.2.1 5 3 0 1000;192.0.2.9 2 3 7 1000;");
  EXPECT_TRUE(one.policy->paced);
  ASSERT_NE(one.backoff, nullptr);
  EXPECT_EQ(one.backoff->limits.by_source, one.limits.by_source);
  EXPECT_EQ(text_of(book.settings_of("old.example", "v")), "192.0.2.1 4 0 0 0;192.0.2.9 4 0 0 0;");
  EXPECT_EQ(text_of(book.settings_of("other.example", "v")), "");
  // The address that the system chooses is one that 0/0 holds for.
  const auto chosen = book.settings_of("one.example", "{default}");
  ASSERT_EQ(chosen.limits.by_source->size(), 1U);
  EXPECT_EQ(chosen.limits.by_source->front().connections_max, 5U);
}

TEST(SourceLimits, RatesOfAGroupAreThoseOfItsPlans) {
  PolicyBook book(snapshot_of(kSourceText));
  const auto x = book.settings_of("x.example", "v");
  EXPECT_EQ(text_of(x), "192.0.2.1 6 0 0 0;192.0.2.9 6 0 0 0;");
  EXPECT_EQ(rates_of(book.rate_plan(x.limits.shared_messages.plan)), "9;10;9;10;");
  for (const schedule::SourceLimit& one : *x.limits.by_source) {
    EXPECT_EQ(rates_of(book.rate_plan(one.shared_messages.plan)), "9;10;");
  }
  EXPECT_EQ(rates_of(book.rate_plan(x.limits.shared_connects.plan)), "8;8;");
  EXPECT_EQ(book.settings_of("y.example", "v").limits.shared_messages.scope,
            x.limits.shared_messages.scope);
}

/// The counts of all rates that a plan has.
std::string counts_of(PolicyBook& book, std::uint64_t plan) {
  std::string text;
  for (const schedule::SharedRate& rate : book.rate_plan(plan)->rates) {
    text += std::to_string(rate.limit.count + rate.octets.count) + ";";
  }
  return text;
}

// Permits are asked for each address: they count in its own rates and in all that the group counts
// in, in back-off mode in its twins too.
TEST(SourceLimits, AddressesOfAGroupHaveScopesOfTheirOwn) {
  PolicyBook book(
      snapshot_of("<virtual-mta v>\nsmtp-source-host 192.0.2.1 a.example\nsmtp-source-host "
                  "192.0.2.9 b.example\nmax-msg-rate 90/m\n</virtual-mta>\n"
                  "domain-macro both x.example,y.example shared\n<domain $both>\n"
                  "max-msg-rate 50/m\nsource-ip-max-msg-rate 0/0 9/m\n"
                  "source-ip-max-msg-rate 192.0.2.9/32 7/m\nbackoff-max-msg-rate 5/m\n"
                  "</domain>\n"));
  const auto x = book.settings_of("x.example", "v");
  const auto y = book.settings_of("y.example", "v");
  EXPECT_FALSE(x.limits.shared_messages.own.limited());
  EXPECT_EQ(counts_of(book, x.limits.shared_messages.plan), "90;50;9;7;");
  ASSERT_EQ(x.limits.by_source->size(), 2U);
  const char* const of_address[] = {"90;50;9;", "90;50;7;"};
  const char* const in_backoff[] = {"90;50;9;5;", "90;50;7;5;"};
  const schedule::QueueLimits& twin = x.backoff->limits;
  for (std::size_t i = 0; i < 2; ++i) {
    const schedule::SharedRates& one = (*x.limits.by_source)[i].shared_messages;
    EXPECT_EQ(counts_of(book, one.plan), of_address[i]);
    EXPECT_EQ(one.scope, (*y.limits.by_source)[i].shared_messages.scope);
    EXPECT_EQ(book.rate_plan(one.plan)->home, book.rate_plan(x.limits.shared_messages.plan)->home);
    EXPECT_EQ(counts_of(book, (*twin.by_source)[i].shared_messages.plan), in_backoff[i]);
    EXPECT_NE((*twin.by_source)[i].shared_messages.scope, one.scope);
  }
  EXPECT_EQ(counts_of(book, twin.shared_messages.plan), "90;50;9;7;5;");
}

// The same of octets, whatever is limited beside them.
TEST(SourceLimits, AddressesOfAGroupHaveOctetsOfTheirOwn) {
  PolicyBook book(
      snapshot_of("<virtual-mta v>\nsmtp-source-host 192.0.2.1 a.example\nsmtp-source-host "
                  "192.0.2.9 b.example\nmax-smtp-data-volume-rate 900/m\n</virtual-mta>\n"
                  "domain-macro both x.example,y.example shared\n<domain $both>\n"
                  "max-data-volume-rate 500/m\nsource-ip-max-data-volume-rate 0/0 90/m\n"
                  "source-ip-max-data-volume-rate 192.0.2.9/32 70/m\n"
                  "backoff-max-data-volume-rate 50/m\n</domain>\n"));
  const auto x = book.settings_of("x.example", "v");
  const auto y = book.settings_of("y.example", "v");
  EXPECT_EQ(counts_of(book, x.limits.shared_messages.plan), "900;500;90;70;");
  EXPECT_TRUE(book.rate_plan(x.limits.shared_messages.plan)->split);
  ASSERT_EQ(x.limits.by_source->size(), 2U);
  const char* const of_address[] = {"900;500;90;", "900;500;70;"};
  const char* const in_backoff[] = {"900;500;90;50;", "900;500;70;50;"};
  for (std::size_t i = 0; i < 2; ++i) {
    const schedule::SharedRates& one = (*x.limits.by_source)[i].shared_messages;
    const schedule::SharedRates& twin = (*x.backoff->limits.by_source)[i].shared_messages;
    EXPECT_EQ(counts_of(book, one.plan), of_address[i]);
    EXPECT_FALSE(book.rate_plan(one.plan)->split);
    EXPECT_EQ(one.scope, (*y.limits.by_source)[i].shared_messages.scope);
    EXPECT_EQ(counts_of(book, twin.plan), in_backoff[i]);
    EXPECT_NE(twin.scope, one.scope);
  }
}

// The same of connections, also where octets are limited.
TEST(SourceLimits, AddressesOfAGroupHaveConnectionRatesOfTheirOwn) {
  PolicyBook book(
      snapshot_of("<virtual-mta v>\nsmtp-source-host 192.0.2.1 a.example\nsmtp-source-host "
                  "192.0.2.9 b.example\nmax-connect-rate 90/m\n</virtual-mta>\n"
                  "domain-macro both x.example,y.example shared\n<domain $both>\n"
                  "max-connect-rate 50/m\nsource-ip-max-connect-rate 192.0.2.9/32 7/m\n"
                  "backoff-max-connect-rate 5/m\nmax-data-volume-rate 1M/m\n</domain>\n"));
  const auto x = book.settings_of("x.example", "v");
  const auto y = book.settings_of("y.example", "v");
  EXPECT_FALSE(x.limits.shared_connects.own.limited());
  EXPECT_EQ(counts_of(book, x.limits.shared_connects.plan), "90;50;7;");
  ASSERT_EQ(x.limits.by_source->size(), 2U);
  const char* const of_address[] = {"90;50;", "90;50;7;"};
  const char* const in_backoff[] = {"90;50;5;", "90;50;7;5;"};
  const schedule::QueueLimits& twin = x.backoff->limits;
  for (std::size_t i = 0; i < 2; ++i) {
    const schedule::SharedRates& one = (*x.limits.by_source)[i].shared_connects;
    EXPECT_EQ(counts_of(book, one.plan), of_address[i]);
    EXPECT_EQ(one.scope, (*y.limits.by_source)[i].shared_connects.scope);
    EXPECT_EQ(book.rate_plan(one.plan)->home, book.rate_plan(x.limits.shared_connects.plan)->home);
    EXPECT_FALSE(book.rate_plan(one.plan)->split);
    EXPECT_EQ(counts_of(book, (*twin.by_source)[i].shared_connects.plan), in_backoff[i]);
    EXPECT_NE((*twin.by_source)[i].shared_connects.scope, one.scope);
    EXPECT_EQ((*x.limits.by_source)[i].shared_messages.scope, 0U);
  }
  EXPECT_EQ(counts_of(book, twin.shared_connects.plan), "90;50;7;5;");
}

TEST(SourceLimits, WhyNamesTheLine) {
  const auto snapshot = snapshot_of(kSourceText);
  const auto told = [&](schedule::Gate gate) {
    const auto setting = setting_behind(gate, *snapshot, "one.example", "v");
    return setting ? setting->name + " " + setting->place.substr(setting->place.rfind(':'))
                   : std::string();
  };
  EXPECT_EQ(told(schedule::Gate::source_connections), "source-ip-max-smtp-out :6");
  EXPECT_EQ(told(schedule::Gate::source_connect_rate), "source-ip-max-connect-rate :8");
  EXPECT_EQ(told(schedule::Gate::source_message_rate), "source-ip-max-msg-rate :9");
  EXPECT_EQ(told(schedule::Gate::source_data_rate), "source-ip-max-data-volume-rate :10");
}

TEST(SourceLimits, AFaultyLineIsToldOnce) {
  config::CheckOptions options;
  options.host_name = "mx.example";
  for (const char* line : {"source-ip-max-smtp-out 10.0.0.0/33 5", "source-ip-max-msg-rate 0/0 x",
                           "source-ip-max-connect-rate 0/0 5/fortnight",
                           "source-ip-max-data-volume-rate 0/0", "max-smtp-out-per-source-ip x"}) {
    const auto result = config::check_text(
        "test.conf", std::string("<domain a.example>\n") + line + "\n</domain>\n", options);
    EXPECT_FALSE(result.ok()) << line;
    EXPECT_EQ(result.diagnostics.size(), 1U) << config::render_text(result.diagnostics);
  }
}

}  // namespace
}  // namespace ringpost::app
