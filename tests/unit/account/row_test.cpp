#include "core/account/row.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/account/account_world.h"

namespace ringpost::account {
namespace {

std::string csv(const std::vector<std::string>& values) {
  std::vector<char> room(values.size() * kCellBytesMax + 2);
  CsvLine line(room);
  for (const std::string& value : values) {
    line.add(value);
  }
  return std::string(line.finish());
}

/// The row of one field for a record.
std::string cell(std::string_view field, const SettledRecord& record, bool iso = true) {
  const auto fields = parse_fields(field);
  EXPECT_TRUE(fields.ok()) << field;
  std::vector<char> room(kRowBytesMax);
  std::string row(RowFormatter(*fields, iso).format(record, room));
  EXPECT_TRUE(row.ends_with("\r\n"));
  return row.substr(0, row.size() - 2);
}

TEST(Csv, QuotesWhatNeedsItAndNothingElse) {
  EXPECT_EQ(csv({"plain", "", "two words", "semi;colon"}), "plain,,two words,semi;colon\r\n");
  EXPECT_EQ(csv({"a,b", "say \"no\"", "\""}), "\"a,b\",\"say \"\"no\"\"\",\"\"\"\"\r\n");
  EXPECT_EQ(csv({""}), "\r\n");
  EXPECT_EQ(csv({"one\r\ntwo\tthree", std::string("nul\0", 4), "del\x7f"}),
            "one  two three,nul ,del \r\n");
  EXPECT_EQ(csv({"b\xc3\xbc"
                 "cher"}),
            "b\xc3\xbc"
            "cher\r\n");
}

TEST(Csv, CutsLongValuesAtACharacter) {
  const std::string quotes(5000, '"');
  EXPECT_EQ(csv({quotes, quotes}).size(), 2 * (2 * kValueBytesMax + 2) + 1 + 2);
  for (std::size_t lead = 0; lead < 4; ++lead) {
    std::string text(lead, 'x');
    while (text.size() < kValueBytesMax + 8) {
      text += "\xf0\x9f\x93\xac";
    }
    const std::string row = csv({text});
    EXPECT_LE(row.size() - 2, kValueBytesMax);
    EXPECT_GT(row.size() - 2, kValueBytesMax - 4);
    EXPECT_EQ((row.size() - 2 - lead) % 4, 0U) << "no part of a character is left";
  }
}

TEST(Row, EveryFieldOfADelivery) {
  const SettledRecord record = [] {
    SettledRecord r = sample_record(3, 77);
    r.original_recipient = "rfc822;to+40example.net";
    r.envelope_id = "env1";
    r.user = "alice";
    r.attempts = 2;
    return r;
  }();
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"type", "d"},
      {"timeLogged", "2023-11-14 22:13:21+0000"},
      {"timeQueued", "2023-11-14 22:13:20+0000"},
      {"orig", "from@example.org"},
      {"rcpt", "to@Example.NET"},
      {"orcpt", "rfc822;to+40example.net"},
      {"dsnAction", "relayed"},
      {"dsnStatus", "2.0.0 (success)"},
      {"dsnDiag", "smtp;250 2.0.0 ok"},
      {"dsnMta", "mx.example.net (192.0.2.3)"},
      {"bounceCat", ""},
      {"srcType", "smtp"},
      {"srcMta", "(192.0.2.1)"},
      {"dlvType", "smtp"},
      {"dlvSourceIp", "192.0.2.2"},
      {"dlvDestinationIp", "192.0.2.3"},
      {"dlvSize", "4096"},
      {"vmta", "v1"},
      {"jobId", "j1"},
      {"envId", "env1"},
      {"queue", "example.net/v1"},
      {"msgId", record.id.text()},
      {"attempts", "2"},
      {"ambiguous", "0"},
      {"logId", "3"},
      {"seq", "77"},
      {"rcvSmtpUser", "alice"},
      {"totalSecondsQueued", "1"},
      {"phase", "final_reply"},
      {"time", "2023-11-14 22:13:21+0000"},
      {"domain", "example.net"},
      {"status", "delivered"},
      {"dsn-status", "2.0.0"},
      {"size", "4096"},
  };
  ASSERT_EQ(expected.size(), kFieldCount);
  for (const auto& [name, value] : expected) {
    EXPECT_EQ(cell(name, record), value) << name;
  }
  EXPECT_EQ(cell("timeLogged", record, false), "1700000001");
}

TEST(Row, AnEmptyRecordHasEmptyCells) {
  SettledRecord record;
  record.kind = OutcomeKind::bounced;
  for (const auto* name : {"orig", "rcpt", "orcpt", "dsnDiag", "dsnMta", "srcMta", "dlvSourceIp",
                           "dlvDestinationIp", "vmta", "jobId", "envId", "domain"}) {
    EXPECT_EQ(cell(name, record), "") << name;
  }
  EXPECT_EQ(cell("srcType", record), "local");
  EXPECT_EQ(cell("dsnStatus", record), "5.0.0 (permanent failure)");
}

TEST(Row, EndingsAreToldApart) {
  SettledRecord record = sample_record(0, 1);
  record.reply_code = 550;
  record.status = {5, 1, 1};
  record.text = "no such user, \"sorry\"";
  record.kind = OutcomeKind::bounced;
  EXPECT_EQ(cell("type", record), "b");
  EXPECT_EQ(cell("dsnAction", record), "failed");
  EXPECT_EQ(cell("dsnStatus", record), "5.1.1 (bad destination mailbox address)");
  EXPECT_EQ(cell("dsnDiag", record), "\"smtp;550 5.1.1 no such user, \"\"sorry\"\"\"");
  EXPECT_EQ(cell("bounceCat", record), "bad-mailbox");
  record.kind = OutcomeKind::expired;
  record.reply_code = 0;
  record.status = {};
  record.text = "not delivered within its life";
  EXPECT_EQ(cell("type", record), "b");
  EXPECT_EQ(cell("status", record), "expired");
  EXPECT_EQ(cell("dsnStatus", record), "4.4.7 (delivery time expired)");
  EXPECT_EQ(cell("dsnDiag", record), "x-ringpost;not delivered within its life");
  EXPECT_EQ(cell("bounceCat", record), "message-expired");
  record.kind = OutcomeKind::cancelled;
  EXPECT_EQ(cell("type", record), "b");
  EXPECT_EQ(cell("status", record), "cancelled");
  EXPECT_EQ(cell("bounceCat", record), "cancelled");
  record.kind = OutcomeKind::deferred;
  record.ambiguous = true;
  EXPECT_EQ(cell("type", record), "t");
  EXPECT_EQ(cell("dsnAction", record), "delayed");
  EXPECT_EQ(cell("ambiguous", record), "1");
}

TEST(Row, CategoriesFollowStatusOrPhase) {
  SettledRecord record;
  record.kind = OutcomeKind::deferred;
  const std::vector<std::pair<EnhancedStatus, std::string>> by_status = {
      {{5, 1, 2}, "bad-domain"},
      {{5, 1, 10}, "bad-domain"},
      {{5, 1, 8}, "invalid-sender"},
      {{5, 2, 1}, "inactive-mailbox"},
      {{4, 2, 2}, "quota-issues"},
      {{5, 3, 4}, "content-related"},
      {{4, 4, 1}, "no-answer-from-host"},
      {{4, 4, 2}, "bad-connection"},
      {{5, 4, 6}, "routing-errors"},
      {{5, 5, 2}, "protocol-errors"},
      {{5, 6, 3}, "content-related"},
      {{5, 7, 1}, "policy-related"},
      {{5, 0, 0}, "other"},
  };
  for (const auto& [status, category] : by_status) {
    record.status = status;
    EXPECT_EQ(bounce_category(record), category);
  }
  record.status = {};
  record.phase = Phase::connect;
  EXPECT_EQ(bounce_category(record), "no-answer-from-host");
  record.phase = Phase::data;
  EXPECT_EQ(bounce_category(record), "bad-connection");
  record.phase = Phase::route;
  EXPECT_EQ(bounce_category(record), "other");
}

TEST(Row, HugeValuesStayWithinTheMaximum) {
  const std::string huge(100'000, '"');
  SettledRecord record = sample_record(1, 1);
  record.text = record.reverse_path = record.recipient = record.original_recipient = huge;
  record.envelope_id = record.vmta = record.job = record.user = record.host = huge;
  const auto fields = parse_fields(
      "* rcvSmtpUser totalSecondsQueued phase time domain status "
      "dsn-status size");
  ASSERT_TRUE(fields.ok());
  ASSERT_EQ(fields->size(), kFieldCount);
  std::vector<char> room(kRowBytesMax);
  EXPECT_LE(RowFormatter(*fields, true).format(record, room).size(), kRowBytesMax);
}

TEST(Fields, ListsSelectOrderAndSet) {
  EXPECT_EQ(RowFormatter(*parse_fields("time,type,vmta,domain,rcpt,status,dsn-status,size"), true)
                .header(),
            "time,type,vmta,domain,rcpt,status,dsn-status,size\r\n");
  EXPECT_EQ(*parse_fields("RCPT , DSN_STATUS\ttype"),
            (FieldList{Field::rcpt, Field::dsn_status_code, Field::type}));
  EXPECT_EQ(parse_fields("*")->size(), kDefaultFieldCount);
  const auto without = parse_fields("*, !orcpt !msgId");
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without->size(), kDefaultFieldCount - 2);
  EXPECT_EQ(parse_fields("rcpt,*")->front(), Field::rcpt);
  EXPECT_EQ(parse_fields("rcpt,*")->size(), kDefaultFieldCount);
}

TEST(Fields, WrongListsAreErrorsThatNameTheField) {
  const auto unknown = parse_fields("type,colour");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::invalid);
  EXPECT_NE(unknown.error().detail.find("'colour'"), std::string::npos);
  for (const auto* foreign : {"dlvEsmtpAvailable", "vmtaPool", "header_Subject"}) {
    const auto list = parse_fields(foreign);
    ASSERT_FALSE(list.ok());
    EXPECT_EQ(list.error().code, ErrorCode::unsupported);
    EXPECT_NE(list.error().detail.find(foreign), std::string::npos);
  }
  EXPECT_FALSE(parse_fields("").ok());
  EXPECT_FALSE(parse_fields(" , ").ok());
  EXPECT_FALSE(parse_fields("type,type").ok());
  EXPECT_FALSE(parse_fields("type,!type").ok());
}

TEST(Fields, RecordTypes) {
  EXPECT_EQ(*parse_records("d,b"), records::kDefault);
  EXPECT_EQ(*parse_records("transient, Delivery"), records::kTransient | records::kDelivered);
  EXPECT_EQ(parse_records("d,x").error().code, ErrorCode::invalid);
  EXPECT_EQ(parse_records("rb").error().code, ErrorCode::unsupported);
  EXPECT_FALSE(parse_records("").ok());
  EXPECT_EQ(record_of(OutcomeKind::expired), records::kBounced);
  EXPECT_EQ(record_of(OutcomeKind::returned), 0);
}

}  // namespace
}  // namespace ringpost::account
