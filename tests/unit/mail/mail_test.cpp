#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "core/mail/doors.h"
#include "core/mail/job.h"
#include "core/mail/message_id.h"
#include "core/mail/report.h"
#include "core/mail/return_path.h"

namespace ringpost {
namespace {

TEST(MessageId, TextRoundTripsAndSorts) {
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const MessageId id{random.next(), random.next()};
    const std::string text = id.text();
    EXPECT_EQ(text.size(), MessageId::kTextSize);
    EXPECT_EQ(MessageId::parse(text), id);
    const MessageId other{id.high, id.low + 1};
    EXPECT_EQ(other.text() > text, other > id);
  }
  EXPECT_EQ((MessageId{~0ULL, ~0ULL}.text()), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
}

TEST(Job, WritesTheDateOfTheAttemptWhereTheMessageAsksForIt) {
  const WallTime now = WallTime{1'800'000'000'000'000};  // Fri, 15 Jan 2027 08:00:00
  Job job;
  job.view.prefix = "Received: by Date: x\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nA: b\r\n";
  const std::string_view before = job.view.prefix;
  job.set_date(now);
  EXPECT_EQ(job.view.prefix.data(), before.data()) << "it is dated already";
  job.view.content.dated_late = true;
  job.set_date(now);
  EXPECT_EQ(job.view.prefix,
            "Received: by Date: x\r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\nA: b\r\n");
  job.view.prefix = "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n";
  job.set_date(now);
  EXPECT_EQ(job.view.prefix, "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n\r\n");
}

TEST(MessageId, RefusesWhatIsNone) {
  EXPECT_FALSE(MessageId::parse("").has_value());
  EXPECT_FALSE(MessageId::parse(std::string(25, '0')).has_value());
  EXPECT_FALSE(MessageId::parse("8" + std::string(25, '0')).has_value()) << "129 bits";
  EXPECT_FALSE(MessageId::parse("u" + std::string(25, '0')).has_value());
}

TEST(Job, KeepsEqualTextsOnceAndCleansThem) {
  Job job;
  const TextRef first = job.keep_text("4.7.1 come\r\nback\x1b[2J later");
  const TextRef second = job.keep_text("4.7.1 come\r\nback\x1b[2J later");
  EXPECT_EQ(job.text_of(first), "4.7.1 come  back [2J later");
  EXPECT_EQ(first.offset, second.offset);
  const TextRef third = job.keep_text(std::string(2000, 'x'));
  EXPECT_EQ(third.size, kOutcomeTextMax);
  EXPECT_EQ(job.text_of(first), "4.7.1 come  back [2J later");
}

TEST(Recipient, DomainIsBehindTheLastAt) {
  EXPECT_EQ((Recipient{.address = "\"a@b\"@example.com", .original = {}}.domain()), "example.com");
  EXPECT_EQ((Recipient{.address = "postmaster", .original = {}}.domain()), "");
}

TEST(MessageView, CountsWhatLeaves) {
  MessageView view;
  view.prefix = "Received: x\r\n";
  view.body = "A: b\r\nX-Job: 1\r\n\r\nhi\r\n.\r\n";
  const ByteRange kept[] = {{0, 6}, {16, 25}};
  view.kept = kept;
  EXPECT_EQ(view.sent_bytes(), 13U + 6U + 9U);
}

TEST(ReturnPath, IsMadeForEachRecipientWhereAsked) {
  const auto path = [](std::string_view from, std::string_view to, std::array<char, 2> verp) {
    Envelope envelope;
    envelope.reverse_path = from;
    envelope.verp = verp;
    char room[kReturnPathBytesMax];
    TextBuilder out(room);
    write_return_path(envelope, to, out);
    return std::string(out.view());
  };
  EXPECT_EQ(path("list@a.example", "bob@b.example", {}), "list@a.example");
  EXPECT_EQ(path("list@a.example", "bob@b.example", {'-', '='}), "list-bob=b.example@a.example");
  EXPECT_EQ(path("list@a.example", "bob@b.example", {'+', '='}), "list+bob=b.example@a.example");
  EXPECT_EQ(path("", "bob@b.example", {'-', '='}), "");
  EXPECT_EQ(path("list@a.example", "\"b b\"@b.example", {'-', '='}), "list@a.example");
  EXPECT_EQ(path("list@a.example", "bob@[192.0.2.1]", {'-', '='}), "list@a.example");
}

TEST(Reports, AreOwedAsNotifySays) {
  Envelope envelope;
  envelope.reverse_path = "a@b.example";
  const auto owed = [&](OutcomeKind kind, std::uint8_t notify, std::uint16_t offered = 0) {
    return report_owed(kind, notify, offered, envelope);
  };
  EXPECT_TRUE(owed(OutcomeKind::bounced, 0));
  EXPECT_TRUE(owed(OutcomeKind::expired, notify::kFailure));
  EXPECT_FALSE(owed(OutcomeKind::bounced, notify::kSuccess | notify::kDelay));
  EXPECT_FALSE(owed(OutcomeKind::bounced, notify::kNever));
  EXPECT_FALSE(owed(OutcomeKind::cancelled, 0));
  EXPECT_FALSE(owed(OutcomeKind::delivered, 0));
  EXPECT_TRUE(owed(OutcomeKind::delivered, notify::kSuccess));
  EXPECT_FALSE(owed(OutcomeKind::delivered, notify::kSuccess, offered::kDsn)) << "it tells itself";
  EXPECT_FALSE(owed(OutcomeKind::deferred, notify::kDelay));
  EXPECT_TRUE(delay_wanted(notify::kDelay, envelope));
  EXPECT_FALSE(delay_wanted(0, envelope));
  envelope.reports = report_rule::kNone;
  EXPECT_FALSE(owed(OutcomeKind::bounced, 0));
  EXPECT_FALSE(delay_wanted(notify::kDelay, envelope));
  envelope.reports = 0;
  envelope.reverse_path = "";
  EXPECT_FALSE(owed(OutcomeKind::bounced, 0)) << "nobody is told of a notification";
}

}  // namespace
}  // namespace ringpost
