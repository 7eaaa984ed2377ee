#include "core/account/row.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/account/accountant.h"
#include "core/account/queue_filter.h"
#include "core/mail/job.h"
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

std::string row_of(RowStyle style, const SettledRecord& record) {
  std::vector<char> room(kRowBytesMax);
  RowFormatter formatter(std::move(style));
  return std::string(formatter.format(record, bounce_category(record), room));
}

RowStyle style_of(std::string_view fields) {
  const auto list = parse_fields(fields);
  EXPECT_TRUE(list.ok()) << fields;
  RowStyle style;
  style.fields = *list;
  return style;
}

/// The row of one field for a record.
std::string cell(std::string_view field, const SettledRecord& record, bool iso = true) {
  RowStyle style = style_of(field);
  style.iso_times = iso;
  const std::string row = row_of(std::move(style), record);
  EXPECT_TRUE(row.ends_with("\r\n"));
  return row.substr(0, row.size() - 2);
}

std::string header_of(FieldList fields) {
  RowStyle style;
  style.fields = std::move(fields);
  return RowFormatter(style).header();
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

TEST(Csv, EachOctetAloneAndAmongPlainOnes) {
  for (int octet = 0; octet < 256; ++octet) {
    const char c = static_cast<char>(octet);
    const bool control = octet < 0x20 || octet == 0x7f;
    std::string shown(1, control ? ' ' : c);
    shown = c == '"' ? "\"\"" : shown;
    for (const std::string& around : {std::string(), std::string("abcdefgh")}) {
      std::string wanted = around + shown + around;
      wanted = c == '"' || c == ',' ? '"' + wanted + '"' : wanted;
      EXPECT_EQ(csv({around + c + around}), wanted + "\r\n") << octet;
    }
  }
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
    r.submitted = "pool1";
    r.queue = "Example.rollup";
    r.helo = "injector.example.org";
    r.offered = offered::kPipelining | offered::kSize;
    r.tls_protocol = "TLSv1.3";
    r.tls_cipher = "TLS_AES_128_GCM_SHA256";
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
      {"srcMta", "injector.example.org (192.0.2.1)"},
      {"dlvType", "smtp"},
      {"dlvSourceIp", "192.0.2.2"},
      {"dlvDestinationIp", "192.0.2.3"},
      {"dlvEsmtpAvailable", "\"PIPELINING,SIZE\""},
      {"dlvSize", "4096"},
      {"vmta", "v1"},
      {"jobId", "j1"},
      {"envId", "env1"},
      {"queue", "example.rollup/v1"},
      {"vmtaPool", "pool1"},
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
      {"dlvTlsProtocol", "TLSv1.3"},
      {"dlvTlsCipher", "TLS_AES_128_GCM_SHA256"},
      {"timeFirstAttempt", ""},
      {"rcvSourceIp", "192.0.2.1"},
      {"rcvDestinationIp", ""},
      {"userString", ""},
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
      "dsn-status size dlvTlsProtocol dlvTlsCipher timeFirstAttempt rcvSourceIp rcvDestinationIp "
      "userString header_a header_b header_c");
  ASSERT_TRUE(fields.ok());
  ASSERT_EQ(fields->size(), kFieldCount + 3);
  const std::string noted = "a:" + huge + "\nb:" + huge;
  record.noted = noted;
  RowStyle style;
  style.fields = *fields;
  style.user_string = huge;
  EXPECT_LE(row_of(style, record).size(), kRowBytesMax);
  style.form = RowForm::json;
  EXPECT_LE(row_of(style, record).size(), kRowBytesMax);
  const std::string wrong(100'000, '\xff');
  record.text = record.reverse_path = record.recipient = record.original_recipient = wrong;
  EXPECT_LE(row_of(style, record).size(), kRowBytesMax);
}

TEST(Fields, ListsSelectOrderAndSet) {
  EXPECT_EQ(header_of(*parse_fields("time,type,vmta,domain,rcpt,status,dsn-status,size")),
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
  for (const auto* foreign : {"timeImprinted", "reportedDomain", "arf_x"}) {
    EXPECT_EQ(look_up_field(foreign), FieldName::empty) << "a column, so that others keep theirs";
    const auto list = parse_fields("rcpt," + std::string(foreign) + ",type");
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list->size(), 3U);
    EXPECT_EQ((*list)[1].title, foreign);
    std::vector<std::string> headers;
    collect_headers(*list, headers);
    EXPECT_TRUE(headers.empty());
  }
  EXPECT_EQ(look_up_field("colour"), FieldName::unknown);
  EXPECT_EQ(look_up_field("header_X-Job"), FieldName::recorded);
  EXPECT_FALSE(parse_fields("").ok());
  EXPECT_FALSE(parse_fields(" , ").ok());
  EXPECT_FALSE(parse_fields("type,type").ok());
  EXPECT_FALSE(parse_fields("type,!type").ok());
}

TEST(Fields, HeaderFieldsOfTheMessage) {
  SettledRecord record = sample_record(0, 1);
  record.noted = "subject:Hello, world\nx-campaign:c 7\nfrom:A <a@example.org>\n";
  EXPECT_EQ(cell("header_Subject", record), "\"Hello, world\"");
  EXPECT_EQ(cell("header_X-CAMPAIGN", record), "c 7");
  EXPECT_EQ(cell("header_x-camp", record), "");
  EXPECT_EQ(header_of(*parse_fields("rcpt,header_X-Campaign")), "rcpt,header_X-Campaign\r\n");
  EXPECT_FALSE(parse_fields("header_subject,header_Subject").ok()) << "the same field";
  EXPECT_FALSE(parse_fields("header_").ok());
  EXPECT_FALSE(parse_fields("header_a:b").ok());
  RowStyle style = style_of("userString");
  style.user_string = "lot 5";
  EXPECT_EQ(row_of(style, record), "lot 5\r\n");
  style.user_string_from = true;
  EXPECT_EQ(row_of(style, record), "A <a@example.org>\r\n");
}

TEST(Fields, KindsShareAFile) {
  const auto joined = join_fields({{records::kDelivered, *parse_fields("rcpt,type,dlvSourceIp")},
                                   {records::kBounced, *parse_fields("dsnStatus,rcpt")}});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(header_of(*joined), "type,rcpt,dlvSourceIp,dsnStatus\r\n");
  RowStyle style;
  style.fields = *joined;
  SettledRecord record = sample_record(0, 1);
  EXPECT_EQ(row_of(style, record), "d,to@Example.NET,192.0.2.2,\r\n");
  record.kind = OutcomeKind::bounced;
  record.status = {5, 1, 1};
  EXPECT_EQ(row_of(style, record), "b,to@Example.NET,,5.1.1 (bad destination mailbox address)\r\n");
}

TEST(Fields, AHeaderFieldMayFillAColumn) {
  FieldList list = *parse_fields("type,envId");
  ASSERT_TRUE(map_header(list, records::kBounced, "header_X-Ref", "envId").ok());
  ASSERT_TRUE(map_header(list, records::kBounced, "Subject", "userString").ok());
  EXPECT_FALSE(map_header(list, records::kBounced, "header_Other", "envId").ok());
  EXPECT_FALSE(map_header(list, records::kBounced, "header_a", "colour").ok());
  EXPECT_FALSE(map_header(list, records::kBounced, "header_a", "type").ok());
  std::vector<std::string> names;
  collect_headers(list, names);
  EXPECT_EQ(names, (std::vector<std::string>{"x-ref", "subject"}));
  RowStyle style;
  style.fields = list;
  SettledRecord record = sample_record(0, 1);
  record.envelope_id = "e1";
  record.noted = "x-ref:r1\nsubject:s1\n";
  EXPECT_EQ(row_of(style, record), "d,e1,\r\n");
  record.kind = OutcomeKind::expired;
  EXPECT_EQ(row_of(style, record), "b,r1,s1\r\n");
}

TEST(Row, LinesOfJson) {
  RowStyle style = style_of("type,rcpt,dsnDiag,dlvSize,jobId,header_Subject");
  style.form = RowForm::json;
  EXPECT_EQ(RowFormatter(style).header(), "");
  SettledRecord record = sample_record(0, 1);
  record.text = "a \"quoted\" back\\slash\ttab";
  record.job = {};
  record.noted = "subject:\xc3\xbc \xff\xc3 \xed\xa0\x80 \xf0\x9f\x93\xac\n";
  EXPECT_EQ(row_of(style, record),
            "{\"type\":\"d\",\"rcpt\":\"to@Example.NET\","
            "\"dsnDiag\":\"smtp;250 2.0.0 a \\\"quoted\\\" back\\\\slash tab\","
            "\"dlvSize\":4096,"
            "\"header_Subject\":\"\xc3\xbc \xef\xbf\xbd\xef\xbf\xbd "
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xf0\x9f\x93\xac\"}\n");
}

TEST(Row, RulesComeBeforeStatusAndPhase) {
  class Rules final : public BounceRules {
   public:
    std::string_view category(std::string_view text) const override {
      asked = text;
      return text.find("gone fishing") != std::string_view::npos ? "holiday" : "";
    }
    mutable std::string asked;
  } rules;
  SettledRecord record = sample_record(0, 1);
  record.kind = OutcomeKind::bounced;
  record.status = {5, 1, 1};
  record.reply_code = 550;
  record.text = "gone fishing";
  EXPECT_EQ(bounce_category(record, &rules), "holiday");
  EXPECT_EQ(rules.asked, "5.1.1;smtp;550 5.1.1 gone fishing");
  record.text = "no";
  EXPECT_EQ(bounce_category(record, &rules), "bad-mailbox");
  record.kind = OutcomeKind::expired;
  record.text = "gone fishing";
  EXPECT_EQ(bounce_category(record, &rules), "message-expired") << "our own ending";
}

TEST(Row, RulesAreAskedOnceForTheSameText) {
  class Rules final : public BounceRules {
   public:
    std::string_view category(std::string_view text) const override {
      ++asked;
      return text.size() % 2 == 0 ? "even" : "odd";
    }
    mutable int asked = 0;
  };
  const auto rules = std::make_shared<Rules>();
  const RememberedRules remembered(rules);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(remembered.category("4.2.2;full"), "even");
    EXPECT_EQ(remembered.category("4.2.1;rests"), "odd");
  }
  EXPECT_EQ(rules->asked, 2);
  for (int i = 0; i < 1000; ++i) {
    const std::string text = "text " + std::to_string(i);
    EXPECT_EQ(remembered.category(text), text.size() % 2 == 0 ? "even" : "odd");
  }
}

TEST(QueueFilter, ChoosesQueues) {
  QueueFilter all;
  EXPECT_TRUE(all.takes("a.example/v1"));
  QueueFilter some;
  for (const auto* pattern : {"*/mta1", "!b.example/*", "c.example", "!*.rollup"}) {
    ASSERT_TRUE(some.add(pattern).ok());
  }
  EXPECT_TRUE(some.takes("a.example/MTA1"));
  EXPECT_FALSE(some.takes("a.example/mta10"));
  EXPECT_FALSE(some.takes("b.example/mta1"));
  EXPECT_TRUE(some.takes("c.example/mta2"));
  EXPECT_FALSE(some.takes("google.rollup/mta1"));
  QueueFilter without;
  ASSERT_TRUE(without.add("!b.example").ok());
  EXPECT_TRUE(without.takes("a.example/v"));
  EXPECT_FALSE(without.takes("b.example/v"));
  EXPECT_FALSE(without.add("!").ok());
}

TEST(Fields, TheManualListsThemAllInOrder) {
  const std::string manual = slurp(RINGPOST_SOURCE_DIR "/docs/accounting.md");
  std::size_t at = manual.find("## Fields");
  for (const FieldRow& row : field_table()) {
    const std::string line =
        "\n| `" + std::string(row.name) + "` | " + std::string(row.help) + " |\n";
    const std::size_t found = manual.find(line, at);
    ASSERT_NE(found, std::string::npos) << line;
    at = found;
  }
}

TEST(Rows, OfReceiptsAndQueuesShowWhatConcernsThem) {
  SettledRecord record;
  record.type = RecordType::received;
  record.log = 3;
  record.sequence = 17;
  record.received = record.settled = {1'800'000'000'000'000};
  record.reverse_path = "list@example.com";
  record.recipient = "bob@example.org";
  record.helo = "app";
  record.origin = IpAddress::v4(192, 0, 2, 9);
  record.received_at = IpAddress::v4(192, 0, 2, 1);
  record.vmta = "v1";
  record.noted = "x-ref:r7\n";
  RowStyle style;
  style.fields = default_fields(records::kReceived);
  EXPECT_EQ(header_of(style.fields),
            "type,timeLogged,orig,rcpt,orcpt,srcType,srcMta,rcvSourceIp,rcvDestinationIp,vmta,"
            "jobId,envId,msgId,logId,seq\r\n");
  const std::string id = record.id.text();
  EXPECT_EQ(row_of(style, record),
            "r,2027-01-15 08:00:00+0000,list@example.com,bob@example.org,,smtp,app "
            "(192.0.2.9),192.0.2.9,192.0.2.1,v1,,," +
                id + ",3,17\r\n");
  EXPECT_EQ(cell("status", record), "received");
  EXPECT_EQ(cell("header_X-Ref", record), "r7");
  for (const char* field : {"dsnAction", "dsnStatus", "dsnDiag", "bounceCat", "dlvType", "queue",
                            "attempts", "phase", "timeFirstAttempt", "totalSecondsQueued"}) {
    EXPECT_EQ(cell(field, record), "") << field;
  }
  SettledRecord queue;
  queue.type = RecordType::queue;
  queue.log = 3;
  queue.sequence = 18;
  queue.kind = OutcomeKind::deferred;
  queue.settled = record.settled;
  queue.queue = "Example.org";
  queue.vmta = "v1";
  queue.status = {4, 4, 1};
  queue.text = "mx.example.org 192.0.2.7:25: connection refused";
  queue.host = "mx.example.org";
  queue.local = IpAddress::v4(192, 0, 2, 1);
  queue.remote = {IpAddress::v4(192, 0, 2, 7), 25};
  style.fields = default_fields(records::kQueue);
  EXPECT_EQ(header_of(style.fields),
            "type,timeLogged,queue,vmta,dsnStatus,dsnDiag,dsnMta,dlvType,dlvSourceIp,"
            "dlvDestinationIp,logId,seq\r\n");
  EXPECT_EQ(row_of(style, queue),
            "tq,2027-01-15 08:00:00+0000,example.org/v1,v1,4.4.1 (no answer from "
            "host),x-ringpost;mx.example.org 192.0.2.7:25: connection refused,mx.example.org "
            "(192.0.2.7),smtp,192.0.2.1,192.0.2.7,3,18\r\n");
  for (const char* field : {"rcpt", "orig", "msgId", "attempts", "ambiguous", "dlvSize", "domain",
                            "dsnAction", "timeQueued", "bounceCat"}) {
    EXPECT_EQ(cell(field, queue), "") << field;
  }
}

TEST(Rows, FirstAttemptIsATimeOrNothing) {
  SettledRecord record;
  record.kind = OutcomeKind::delivered;
  EXPECT_EQ(cell("timeFirstAttempt", record), "");
  record.first_attempt = {1'800'000'000'000'000};
  EXPECT_EQ(cell("TIMEFIRSTATTEMPT", record), "2027-01-15 08:00:00+0000");
  EXPECT_EQ(cell("timeFirstAttempt", record, false), "1800000000");
}

TEST(Fields, AFileOfSeveralKindsHasTheirUnion) {
  const FieldList both = default_fields(records::kDefault | records::kReceived);
  EXPECT_EQ(both.size(), default_fields().size() + 2);
  EXPECT_EQ(both.back().field, Field::rcv_destination_ip);
  EXPECT_EQ(*parse_fields("*", records::kQueue), default_fields(records::kQueue));
}

TEST(Fields, RecordTypes) {
  EXPECT_EQ(*parse_records("d,b"), records::kDefault);
  EXPECT_EQ(*parse_records("transient, Delivery"), records::kTransient | records::kDelivered);
  EXPECT_EQ(parse_records("d,x").error().code, ErrorCode::invalid);
  EXPECT_EQ(parse_records("rb").error().code, ErrorCode::unsupported);
  EXPECT_FALSE(parse_records("").ok());
  EXPECT_EQ(*parse_records("tq,receipt"), records::kQueue | records::kReceived);
  SettledRecord record;
  record.kind = OutcomeKind::expired;
  EXPECT_EQ(record_of(record), records::kBounced);
  record.kind = OutcomeKind::returned;
  EXPECT_EQ(record_of(record), 0);
  record.type = RecordType::received;
  EXPECT_EQ(record_of(record), records::kReceived);
  record.type = RecordType::queue;
  EXPECT_EQ(record_of(record), records::kQueue);
}

}  // namespace
}  // namespace ringpost::account
