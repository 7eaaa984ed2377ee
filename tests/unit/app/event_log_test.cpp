#include "core/app/event_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ringpost::app {
namespace {

EventSubject out_session() {
  EventSubject subject;
  subject.queue = "example.com";
  subject.vmta = "v1";
  subject.host = "mx.example.com";
  subject.remote = {IpAddress::v4(192, 0, 2, 1), 25};
  return subject;
}

TraceFilter filter(std::string_view text, EventKinds kinds = kAllEventKinds) {
  auto parsed = TraceFilter::parse(text);
  EXPECT_TRUE(parsed.ok()) << text;
  parsed->kinds = kinds;
  return *parsed;
}

bool fits(std::string_view text, const EventSubject& subject) {
  return filter(text).matches(subject);
}

TEST(TraceFilter, NamesQueuesAndHosts) {
  const EventSubject out = out_session();
  EXPECT_TRUE(fits("example.com", out));
  EXPECT_TRUE(fits("example.com/v1", out));
  EXPECT_TRUE(fits("*/v1", out));
  EXPECT_FALSE(fits("example.com/v2", out));
  EXPECT_TRUE(fits("MX.example.com", out));
  EXPECT_FALSE(fits("mx.example.com/v1", out));
  EXPECT_TRUE(fits("192.0.2.1", out));
  EXPECT_TRUE(fits("192.0.2.0/24", out));
  EXPECT_FALSE(fits("192.0.2.2", out));
  EventSubject in;
  in.incoming = true;
  in.remote = {IpAddress::v4(198, 51, 100, 7), 40000};
  EXPECT_TRUE(fits("198.51.100.7", in));
  EXPECT_FALSE(fits("example.com", in));
  EXPECT_FALSE(TraceFilter::parse("two words").ok());
}

TEST(EventText, NothingSentCanBreakALineOrATerminal) {
  EventLine line;
  line.speaker = EventSpeaker::peer;
  line.queue = "example.com";
  line.vmta = "v1";
  line.text = "250 \x1b[2J\r\nfake\\ \xff";
  const std::string text = event_text(line, 3);
  EXPECT_NE(text.find(" info out 3.0 example.com/v1 < 250 \\x1b[2J\\x0d\\x0afake\\\\ \\xff\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const auto json = nlohmann::json::parse(event_json(line, 3));
  EXPECT_EQ(json["from"], "peer");
  EXPECT_EQ(json["session"], "3.0");
  EXPECT_EQ(json["queue"], "example.com/v1");
}

TEST(EventLog, ATraceGetsItsKindsAndNobodyElses) {
  EventLog log(1, LogForm::text, 4096);
  const auto queue =
      log.open_trace(filter("example.com", event_bit(EventKind::command)), false, {});
  const auto other = log.open_trace(filter("elsewhere.example"), false, {});
  ASSERT_TRUE(queue.ok() && other.ok());
  log.shard(0).use(log.filters());
  EventInterest interest = log.shard(0).begin(0);
  ASSERT_TRUE(log.shard(0).outdated(interest));
  log.shard(0).look(out_session(), interest);
  EXPECT_TRUE(interest.wants(EventKind::command));
  EXPECT_FALSE(interest.wants(EventKind::content));
  log.shard(0).tell(out_session(), interest, EventKind::command, EventSpeaker::us, "EHLO x");
  EXPECT_TRUE(log.drain());
  const auto read = log.read_trace(*queue, {});
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->lines.size(), 1U);
  EXPECT_NE(read->lines[0].find("mx.example.com[192.0.2.1:25] > EHLO x"), std::string::npos);
  EXPECT_TRUE(log.read_trace(*other, {})->lines.empty());
  log.close_trace(*queue);
  EXPECT_EQ(log.read_trace(*queue, {}).error().code, ErrorCode::not_found);
  log.shard(0).use(log.filters());
  EXPECT_TRUE(log.shard(0).outdated(interest));
  log.shard(0).look(out_session(), interest);
  EXPECT_FALSE(interest.wants(EventKind::command));
}

TEST(EventLog, WhatFindsNoRoomIsDroppedAndCounted) {
  EventLog log(1, LogForm::text, 4096);
  const auto id = log.open_trace(filter("example.com"), false, {});
  log.shard(0).use(log.filters());
  EventInterest interest = log.shard(0).begin(0);
  log.shard(0).look(out_session(), interest);
  const std::string longest(5000, 'x');
  for (int i = 0; i < 100; ++i) {
    log.shard(0).tell(out_session(), interest, EventKind::content, EventSpeaker::us, longest);
  }
  EXPECT_GT(log.shard(0).dropped(), 90U);
  EXPECT_EQ(log.shard(0).told() + log.shard(0).dropped(), 100U);
  log.drain();
  const auto read = log.read_trace(*id, {});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->lines.size(), log.shard(0).told());
  EXPECT_EQ(read->dropped, log.shard(0).dropped());
  EXPECT_NE(read->lines[0].find("x (cut)\n"), std::string::npos);
  EXPECT_EQ(log.read_trace(*id, {})->dropped, 0U);
}

TEST(EventLog, ASlowWatcherLosesLinesAndOneThatIsGoneIsForgotten) {
  EventLog log(1, LogForm::json, 1 << 16);
  const auto id = log.open_trace(filter("192.0.2.1"), true, {});
  log.shard(0).use(log.filters());
  EventInterest interest = log.shard(0).begin(0);
  log.shard(0).look(out_session(), interest);
  const std::string line(1000, 'x');
  constexpr int kLines = 2000;
  for (int i = 0; i < kLines; ++i) {
    log.shard(0).tell(out_session(), interest, EventKind::content, EventSpeaker::us, line);
    log.drain();
  }
  const auto read = log.read_trace(*id, {});
  ASSERT_TRUE(read.ok());
  EXPECT_GT(read->dropped, 0U);
  EXPECT_EQ(read->lines.size() + read->dropped, static_cast<std::size_t>(kLines));
  EXPECT_LE(read->lines.size() * line.size(), EventLog::kTraceBytesMax);
  EXPECT_FALSE(log.expire(Instant{} + EventLog::kTraceLife));
  EXPECT_TRUE(log.expire(Instant{} + EventLog::kTraceLife + Duration::milliseconds(1)));
  EXPECT_EQ(log.filters(), nullptr);
  for (std::size_t i = 0; i < kTracesMax; ++i) {
    EXPECT_TRUE(log.open_trace(filter("*"), false, {}).ok());
  }
  EXPECT_EQ(log.open_trace(filter("*"), false, {}).error().code, ErrorCode::no_capacity);
}

}  // namespace
}  // namespace ringpost::app
