#include "core/app/gate_setting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "core/app/control_answers.h"
#include "core/app/rate_plans.h"
#include "core/config/explain.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

using schedule::Gate;

/// "NAME VALUE :LINE", or "default" for the line.
std::string text_of(const std::optional<GateSetting>& setting) {
  if (!setting) {
    return {};
  }
  const std::size_t line = setting->place.rfind(':');
  return setting->name + " " + setting->value + " " +
         (line == std::string::npos ? setting->place : setting->place.substr(line));
}

// What no directive limits. A gate that is in neither list needs a row, or a place here.
constexpr Gate kOfNoLimit[] = {Gate::none,   Gate::day_count, Gate::jobs,        Gate::session_room,
                               Gate::growth, Gate::reconnect, Gate::local_fault, Gate::yielding,
                               Gate::moving, Gate::no_source, Gate::journal,     Gate::paused,
                               Gate::ending, Gate::in_flight, Gate::job_paused,  Gate::job_turn};

TEST(GateSettings, EveryGateThatStandsForALimitNamesItsLine) {
  const auto snapshot = snapshot_of(
      "total-max-smtp-out 9\nmx-connection-limit * 9\nip-connection-limit 0/0 9\n"
      "<sender a@b.example>\nmax-msg-rate 1/h\n</sender>\n"
      "<virtual-mta v>\nsmtp-source-host 192.0.2.1 v.example\nmax-smtp-out 9\nmax-msg-rate 9/h\n"
      "max-connect-rate 9/h\nmax-smtp-data-volume-rate 9k/h\n</virtual-mta>\n"
      "<virtual-mta-pool p>\nvirtual-mta v\nmax-msg-rate 9/h\n</virtual-mta-pool>\n"
      "<domain *>\nmax-smtp-out 9\nmax-per-host-out 9\nmax-connect-rate 9/h\n"
      "max-data-volume-rate 9k/h\nsmtp-out-rampup-interval 1m\nbackoff-max-smtp-out 3\n"
      "max-msg-rate 9/h\nbackoff-max-connect-rate 3/h\nbackoff-max-msg-rate 3/h\n"
      "backoff-max-data-volume-rate 3k/h\nsource-ip-max-smtp-out 0/0 9\n"
      "source-ip-max-connect-rate 0/0 9/h\nsource-ip-max-msg-rate 0/0 9/h\n"
      "source-ip-max-data-volume-rate 0/0 9k/h\nretry-after 9m\nretry-recipients-after 9m\n"
      "retry-after-dns-error 9m\ntype smtp\n</domain>\n"
      "<domain warm.example>\nwarmup {\nperiod 9d\nstart-rate 1/h\nend-rate 9/h\n}\n</domain>\n");
  const std::uint64_t pool = RatePlans::pool_messages("p");
  const std::uint64_t sender = RatePlans::messages_of(snapshot->sender_rules().front());
  const GateHost host{"mx.example", *IpAddress::parse("192.0.2.9")};
  for (std::size_t number = 0; number < schedule::kGates; ++number) {
    const Gate gate = static_cast<Gate>(number);
    SCOPED_TRACE(schedule::name_of(gate));
    const char* const queue = gate == Gate::warmup ? "warm.example" : "a.example";
    const auto setting = gate == Gate::sender_message_rate
                             ? sender_rate_behind(sender, *snapshot)
                             : setting_behind(gate, *snapshot, queue, "v", {host, false, pool});
    const bool of_limit =
        std::find(std::begin(kOfNoLimit), std::end(kOfNoLimit), gate) == std::end(kOfNoLimit);
    EXPECT_EQ(setting.has_value(), of_limit);
    EXPECT_NE(text_of(setting).find(':') != std::string::npos, !of_limit) << text_of(setting);
    EXPECT_GT(schedule::name_of(gate).size(), 3U);
  }
}

TEST(GateSettings, APoolsRateIsThatOfThePoolThatHoldsTheMail) {
  const auto snapshot = snapshot_of(
      "<virtual-mta v>\nsmtp-source-host 192.0.2.1 v.example\n</virtual-mta>\n"
      "<virtual-mta-pool one>\nvirtual-mta v\nmax-msg-rate 5/m\n</virtual-mta-pool>\n"
      "<virtual-mta-pool two>\nvirtual-mta v\nmax-smtp-msg-rate 9/m\nmax-msg-rate 7/m\n"
      "</virtual-mta-pool>\n");
  const auto told = [&](std::string_view pool) {
    return text_of(setting_behind(Gate::pool_message_rate, *snapshot, "a.example", "v",
                                  {{}, false, RatePlans::pool_messages(pool)}));
  };
  EXPECT_EQ(told("one"), "max-msg-rate 5/m :6");
  EXPECT_EQ(told("TWO"), "max-msg-rate 7/m :11");
  EXPECT_EQ(told("gone"), "");
  EXPECT_EQ(text_of(setting_behind(Gate::vmta_message_rate, *snapshot, "a.example", "v")),
            "max-msg-rate 9/m :10");
}

const char* const kQueues =
    "<mx-rollup-list>\nmx *.mx.example big.rollup\n</mx-rollup-list>\n"
    "<domain *>\nmax-msg-rate 100/h\nqueue-to all.example\n</domain>\n"
    "<domain big.rollup>\nsmtp-hosts mx.example\nmax-msg-rate 7/h\n</domain>\n"
    "<domain all.example>\nsmtp-hosts mx.example\nmax-msg-rate 8/h\n</domain>\n"
    "<domain own.example>\nmax-msg-rate 9/h\n</domain>\n"
    "domain-macro both one.example,two.example shared\n"
    "<domain $both>\nmax-msg-rate 6/h\n</domain>\n";

/// What the answer to `why` says of mail for `recipient` in the queue `where`.
std::string told_of(const std::string& recipient, const schedule::WhyRow& where) {
  const auto snapshot = snapshot_of(kQueues);
  ControlTask found;
  found.parts.resize(1);
  found.parts[0].message.found = true;
  found.parts[0].message.recipients = {recipient};
  found.parts[0].message.settled = {false};
  ControlTask waiting;
  waiting.parts.resize(1);
  waiting.parts[0].waiting = {where};
  const auto row =
      nlohmann::json::parse(answer_trace(found, waiting, *snapshot))["result"]["recipients"][0];
  const std::string place = row.value("place", "");
  return row.value("setting", "") + " " + place.substr(std::min(place.rfind(':'), place.size()));
}

// Mail that a rollup or a command put elsewhere waits at the limits of the queue it is in.
TEST(GateSettings, AreThoseOfTheQueueThatTheMailIsIn) {
  schedule::WhyRow where;
  where.vmta = "{default}";
  where.count = 1;
  where.gate = Gate::message_rate;
  where.name = "big.rollup";
  EXPECT_EQ(told_of("x@own.example", where), "max-msg-rate 7/h :10");
  where.name = "own.example";
  EXPECT_EQ(told_of("x@other.example", where), "max-msg-rate 9/h :17");
  where.name = "all.example";
  EXPECT_EQ(told_of("x@other.example", where), "max-msg-rate 8/h :14");
  where.name = "two.example";
  where.gate = Gate::group_message_rate;
  EXPECT_EQ(told_of("x@two.example", where), "max-msg-rate 6/h :21");
  where.vmta = "gone";
  EXPECT_EQ(told_of("x@two.example", where), "max-msg-rate 6/h :21") << "as of the default one";
}

TEST(GateSettings, OfNewConnectionsTheOneThatHolds) {
  const auto snapshot = snapshot_of(
      "<domain gap.example>\nsmtp-out-rampup-interval 20s\n</domain>\n"
      "domain-macro slow one.example,two.example shared\n"
      "<domain $slow>\nmax-connect-rate 6/m\nsmtp-out-rampup-interval 11s\n</domain>\n"
      "domain-macro rate three.example,four.example shared\n"
      "<domain $rate>\nmax-connect-rate 6/m\nsmtp-out-rampup-interval 9s\n</domain>\n");
  const auto told = [&](Gate gate, const char* queue, bool backoff = false) {
    return text_of(setting_behind(gate, *snapshot, queue, "{default}", {{}, backoff}));
  };
  EXPECT_EQ(told(Gate::connect_gap, "gap.example"), "smtp-out-rampup-interval 20s :2");
  EXPECT_EQ(told(Gate::connect_gap, "gap.example", true), "smtp-out-rampup-interval 20s :2");
  EXPECT_EQ(told(Gate::group_connect_rate, "two.example"), "smtp-out-rampup-interval 11s :7");
  EXPECT_EQ(told(Gate::group_connect_rate, "four.example"), "max-connect-rate 6/m :11");
}

TEST(GateSettings, OfWaitsForATimeTheOneThatHolds) {
  const auto snapshot = snapshot_of(
      "<domain *>\nretry-after 30m\nretry-after-dns-error 3m\nbackoff-retry-after 2h\n</domain>\n"
      "<domain ladder.example>\nretry-recipients-after 0s\n</domain>\n");
  const auto told = [&](Gate gate, const char* queue, bool backoff) {
    return text_of(setting_behind(gate, *snapshot, queue, "{default}", {{}, backoff}));
  };
  EXPECT_EQ(told(Gate::dns_retry, "a.example", false), "retry-after-dns-error 3m :3");
  EXPECT_EQ(told(Gate::dns_retry, "a.example", true), "retry-after-dns-error 3m :3");
  EXPECT_EQ(told(Gate::queue_retry, "a.example", false), "retry-after 30m :2");
  EXPECT_EQ(told(Gate::queue_retry, "a.example", true), "backoff-retry-after 2h :4");
  EXPECT_EQ(told(Gate::next_attempt, "a.example", false), "retry-recipients-after 10m default");
  EXPECT_EQ(told(Gate::next_attempt, "ladder.example", false), "retry-after 30m :2");
}

TEST(GateSettings, HeldMailIsHeldByTheTypeOfItsQueue) {
  const auto snapshot = snapshot_of(
      "<domain web.example>\ntype http-delivery\nrequire-starttls yes\n</domain>\n"
      "<domain files.example>\ntype file\nfile-destination /var/mail/x\n</domain>\n");
  EXPECT_EQ(text_of(setting_behind(Gate::held, *snapshot, "web.example", "{default}")),
            "type http-delivery :2");
}

TEST(GateSettings, OfWarmUpsThatOfTheQueueOrOfTheVirtualMta) {
  const std::string block = "warmup {\nperiod 9d\nstart-rate 1/h\nend-rate 9/h\n}\n";
  const auto snapshot =
      snapshot_of("<virtual-mta v>\nsmtp-source-host 192.0.2.1 v.example\n" + block +
                  "</virtual-mta>\n<domain a.example>\n" + block + "</domain>\n");
  const auto line = [&](std::uint64_t rate) {
    const std::string text =
        text_of(setting_behind(Gate::warmup, *snapshot, "a.example", "v", {{}, false, rate}));
    return text.substr(0, 6) + text.substr(text.rfind(' '));
  };
  EXPECT_EQ(line(0), "warmup :10");
  EXPECT_EQ(line(RatePlans::vmta_warmup("v")), "warmup :3");
}

TEST(GateSettings, WhatIsNotWrittenIsTheDefault) {
  const auto snapshot = snapshot_of("");
  EXPECT_EQ(text_of(setting_behind(Gate::total_connections, *snapshot, "a.example", "{default}")),
            "total-max-smtp-out 1200 default");
  EXPECT_EQ(text_of(setting_behind(Gate::queue_connections, *snapshot, "a.example", "{default}")),
            "max-smtp-out 20 default");
  const auto lower = snapshot_of("<domain *>\nmax-smtp-out 4\nbackoff-max-smtp-out 9\n</domain>\n");
  EXPECT_EQ(text_of(setting_behind(Gate::queue_connections, *lower, "a.example", "{default}",
                                   {{}, true})),
            "max-smtp-out 4 :2")
      << "no more in back-off mode";
}

}  // namespace
}  // namespace ringpost::app
