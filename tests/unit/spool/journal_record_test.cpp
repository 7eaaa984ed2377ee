#include "spool/journal_record.h"

#include <gtest/gtest.h>

#include <string>

#include "core/mail/job.h"
#include "tests/unit/spool/spool_fixture.h"

namespace ringpost::spool::testing {
namespace {

struct StringOut {
  std::string& text;
  void put(const void* data, std::size_t bytes) {
    text.append(static_cast<const char*>(data), bytes);
  }
};

OutcomeFields full_fields() {
  OutcomeFields fields;
  fields.message = 7;
  SettledRecord& record = fields.record;
  record.kind = OutcomeKind::delivered;
  record.vmta = "member";
  record.submitted = "pool";
  record.queue = "big.rollup";
  record.helo = "injector.example";
  record.noted = "subject:s\nx-a:b\n";
  record.offered = offered::kChunking | offered::kAuth;
  record.hidden_records = record_bit::kTransient;
  record.text = "ok";
  return fields;
}

std::string bytes_of(const OutcomeFields& fields) {
  std::string bytes;
  StringOut out{bytes};
  Encoder encode(out);
  write_outcome_fields(encode, fields);
  return bytes;
}

TEST(OutcomeRecord, CarriesItsAdditions) {
  const std::string bytes = bytes_of(full_fields());
  OutcomeFields read;
  ASSERT_TRUE(read_outcome(bytes, read));
  EXPECT_EQ(read.record.vmta, "member");
  EXPECT_EQ(read.record.submitted, "pool");
  EXPECT_EQ(read.record.queue, "big.rollup");
  EXPECT_EQ(read.record.helo, "injector.example");
  EXPECT_EQ(read.record.noted, "subject:s\nx-a:b\n");
  EXPECT_EQ(read.record.offered, offered::kChunking | offered::kAuth);
  EXPECT_EQ(read.record.hidden_records, record_bit::kTransient);
}

TEST(OutcomeRecord, OfTheFirstRevisionEndsWithTheReply) {
  OutcomeFields plain;
  plain.record.kind = OutcomeKind::bounced;
  plain.record.vmta = "v1";
  plain.record.text = "no";
  const std::string bytes = bytes_of(plain);  // `read` refers to it
  OutcomeFields read;
  ASSERT_TRUE(read_outcome(bytes, read));
  EXPECT_EQ(read.record.vmta, "v1");
  EXPECT_EQ(read.record.text, "no");
  EXPECT_TRUE(read.record.queue.empty() && read.record.submitted.empty());
}

TEST(OutcomeRecord, UnknownTagsArePassedOverAndCutOnesRefused) {
  std::string bytes = bytes_of(full_fields());
  OutcomeFields read;
  const std::string more = bytes + std::string("\xc8\x03new", 5);
  ASSERT_TRUE(read_outcome(more, read));
  EXPECT_EQ(read.record.queue, "big.rollup");
  EXPECT_FALSE(read_outcome(more.substr(0, more.size() - 1), read));
  EXPECT_FALSE(read_outcome(bytes + "\x01", read));
}

TEST_F(SpoolTest, WhatAccountingShowsSurvivesAKill) {
  auto run = start();
  TestMail mail = make_mail(1, 700);
  mail.vmta = "Pool";
  mail.noted = "subject:hello\n";
  ASSERT_EQ(0, run->deliver_in(mail));
  kill(run);
  run = start();
  Session::Work& work = run->open_now(take_offer(*run));
  ASSERT_EQ(0, work.job.opened.result);
  EXPECT_EQ("subject:hello\n", work.job.view.envelope.noted);
  work.job.queue_name = "one.rollup";
  work.job.vmta = "member";
  work.job.hidden_records = record_bit::kDelivered;
  work.job.facts.offered = offered::kDsn;
  // What was read before the kill is not asked for: the record is read back after it.
  outcomes_.closed = true;
  run->settle_now(work, OutcomeKind::delivered);
  ASSERT_TRUE(run->turn_until([&] { return work.settled; }));
  kill(run);
  outcomes_.closed = false;
  run = start();
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  const Accounted& record = outcomes_.records[0];
  EXPECT_EQ("member", record.vmta);
  EXPECT_EQ("Pool", record.submitted);
  EXPECT_EQ("one.rollup", record.queue);
  EXPECT_EQ("client.example", record.helo);
  EXPECT_EQ("subject:hello\n", record.noted);
  EXPECT_EQ(offered::kDsn, record.offered);
  EXPECT_EQ(record_bit::kDelivered, record.hidden);
  EXPECT_EQ(0U, run->report.messages);
}

}  // namespace
}  // namespace ringpost::spool::testing
