#include "net/ingest/session.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

constexpr std::string_view kEnvelope =
    "EHLO client.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

TEST(IngestSession, StoresAndSaysSo) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send(
      "EHLO client.example\r\nMAIL FROM:<a@b> SIZE=40 BODY=8BITMIME RET=HDRS ENVID=e1\r\n"
      "RCPT TO:<c@d> NOTIFY=DELAY ORCPT=rfc822;x@y\r\nDATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: s\r\n\r\n..body\r\n.\r\nQUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last(), "221 2.0.0 Closing");
  EXPECT_EQ(client.end_result(), 0);
  const auto lines = client.lines();
  EXPECT_EQ(lines.front(), "220 mx.example Ringpost ESMTP");
  EXPECT_EQ(lines[lines.size() - 2].substr(0, 30), "250 2.0.0 Ok: queued as 000000");
  ASSERT_EQ(w.sink.stored.size(), 1U);
  const StoredMessage& m = w.sink.stored[0];
  EXPECT_EQ(m.reverse_path, "a@b");
  EXPECT_EQ(m.addresses(), "c@d");
  EXPECT_EQ(m.recipients[0].original, "rfc822;x@y");
  EXPECT_EQ(m.recipients[0].notify, notify::kDelay);
  EXPECT_EQ(m.envelope_id, "e1");
  EXPECT_EQ(m.ret, DsnReturn::headers);
  EXPECT_EQ(m.body, BodyType::eight_bit_mime);
  EXPECT_EQ(m.vmta, "default");
  EXPECT_EQ(m.helo, "client.example");
  EXPECT_EQ(m.origin, kLoopback);
  EXPECT_EQ(m.content, "Subject: s\r\n\r\n..body\r\n.\r\n");
  EXPECT_TRUE(m.info.dot_lines);
  EXPECT_EQ(w.sink.declared, std::vector<std::uint64_t>{40});
  EXPECT_EQ(m.prefix.substr(0, 60),
            "Received: from client.example ([127.0.0.1])\r\n\tby mx.example ");
  EXPECT_NE(m.prefix.find("with ESMTP\r\n\tfor <c@d>;\r\n\tFri, 15 Jan 2027 "), std::string::npos)
      << m.prefix;
  EXPECT_NE(m.prefix.find("\r\nMessage-ID: <"), std::string::npos);
  EXPECT_NE(m.prefix.find("@mx.example>\r\nDate: Fri, 15 Jan 2027 "), std::string::npos);
  EXPECT_EQ(m.sent, m.prefix + m.content);
  EXPECT_EQ(w.service->stats().messages, 1U);
  EXPECT_EQ(w.service->stats().recipients, 1U);
}

// What signing needs of a message is worked out while it streams in; only what is asked for.
TEST(IngestSession, HashesBodiesForSignatures) {
  IngestWorld w;
  for (SourcePolicy& policy : w.config->policies) {
    policy.body_forms = {true, true};
    policy.fields.push_back({"x-dkim-options", FieldCommand::dkim, true});
    policy.prepare();
  }
  w.start();
  TestClient& client = w.connect();
  client.send(kEnvelope);
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: s\r\nX-DKIM-Options: s=one\r\n\r\n..bo");
  w.run_for(Duration::seconds(1));
  client.send("dy  x \r\n\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: s\r\n\r\n.\r\n");
  ASSERT_TRUE(w.run_until([&] { return w.sink.stored.size() == 2; }));
  const StoredMessage& m = w.sink.stored[0];
  EXPECT_EQ(m.signing.forms, SigningFacts::kSimple | SigningFacts::kRelaxed);
  EXPECT_EQ(m.signing.simple.sha256, sign::Sha256::of(".body  x \r\n"));
  EXPECT_EQ(m.signing.relaxed.sha256, sign::Sha256::of(".body x\r\n"));
  EXPECT_EQ(m.signing.relaxed.octets, 9U);
  EXPECT_EQ(m.signing_options, "s=one");
  EXPECT_EQ(m.sent, m.prefix + "Subject: s\r\n\r\n..body  x \r\n\r\n.\r\n");
  EXPECT_EQ(w.sink.stored[1].signing.simple.sha256, sign::Sha256::of("\r\n"));
  EXPECT_EQ(w.sink.stored[1].signing.relaxed.octets, 0U);
  EXPECT_EQ(w.sink.stored[1].signing_options, "");
}

TEST(IngestSession, NoReplyBeforeTheSpoolSaysDurable) {
  IngestWorld w;
  w.sink.commit_time = Duration::minutes(20);
  w.start();
  TestClient& client = w.connect();
  client.send(std::string(kEnvelope) + "x\r\n.\r\nMAIL FROM:<second@b>\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  w.run_for(Duration::minutes(19));
  EXPECT_EQ(client.last().substr(0, 3), "354");
  EXPECT_TRUE(w.sink.stored.empty());
  // Our own slowness is no time-out of the client's, and what it sent meanwhile is kept.
  ASSERT_TRUE(
      w.run_until([&] { return client.last() == "250 2.1.0 Sender ok"; }, Duration::minutes(2)));
  EXPECT_EQ(w.sink.stored.size(), 1U);
}

TEST(IngestSession, AddressesWithoutADomainGetOurs) {
  IngestWorld w;
  w.config->policies[1].domain_suffix = "ours.example";
  w.start();
  TestClient& client = w.connect();
  client.send(
      "EHLO c\r\nMAIL FROM:<ann> SIZE=10\r\nRCPT TO:<\"b>ob\"> NOTIFY=NEVER\r\n"
      "RCPT TO:<c@d>\r\nRCPT TO:<e@>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  ASSERT_EQ(w.sink.stored.size(), 1U);
  const StoredMessage& message = w.sink.stored[0];
  EXPECT_EQ(message.reverse_path, "ann@ours.example");
  EXPECT_NE(message.addresses().find("\"b>ob\"@ours.example"), std::string::npos);
  EXPECT_EQ(message.recipients.size(), 2U);
}

TEST(IngestSession, TooManyRecipientsMayFailTheWholeMessage) {
  for (const bool whole : {false, true}) {
    IngestWorld w;
    w.config->policies[1].limits.recipients_max = 2;
    w.config->policies[1].excess_fails_message = whole;
    w.start();
    TestClient& client = w.connect();
    const std::string envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<1@d>\r\nRCPT TO:<2@d>\r\n";
    client.send("EHLO c\r\n" + envelope + "RCPT TO:<3@d>\r\n");
    ASSERT_TRUE(w.hears(client, whole ? "250 2.1.5" : "452 4.5.3"));
    client.send("DATA\r\n");
    ASSERT_TRUE(w.hears(client, whole ? "554 5.5.3" : "354"));
    client.send((whole ? "RSET\r\n" + envelope + "DATA\r\n" : "") +
                std::string("\r\n.\r\nQUIT\r\n"));
    ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
    ASSERT_EQ(w.sink.stored.size(), 1U);
    EXPECT_EQ(w.sink.stored[0].recipients.size(), 2U);
  }
}

TEST(IngestSession, StorageErrorsAreTemporary) {
  struct Row {
    std::int32_t result;
    const char* reply;
  };
  for (const Row& row : {Row{-ENOSPC, "452 4.3.1"}, Row{-EIO, "451 4.3.0"}}) {
    IngestWorld w;
    w.sink.commit_result = row.result;
    w.start();
    TestClient& client = w.connect();
    client.send(std::string(kEnvelope) + "x\r\n.\r\n");
    EXPECT_TRUE(w.hears(client, row.reply));
    EXPECT_TRUE(w.sink.stored.empty());
    EXPECT_EQ(w.service->stats().messages, 0U);
    // The session goes on.
    w.sink.commit_result = 0;
    client.send(std::string(kEnvelope) + "x\r\n.\r\n");
    EXPECT_TRUE(w.hears(client, "250 2.0.0 Ok: queued"));
  }
}

TEST(IngestSession, NoRoomAtTheBeginningOrInTheMiddle) {
  IngestWorld w;
  w.sink.begin_error = ErrorCode::no_space;
  w.start();
  TestClient& client = w.connect();
  client.send(kEnvelope);
  ASSERT_TRUE(w.hears(client, "452 4.3.1"));
  w.sink.begin_error = ErrorCode::none;
  w.sink.append_error = ErrorCode::no_capacity;
  w.sink.append_error_at = 3000;
  client.send("RSET\r\n" + std::string(kEnvelope));
  ASSERT_TRUE(w.hears(client, "354"));
  client.send(std::string(5000, 'x') + "\r\n.\r\nNOOP\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0 Ok"));
  const auto lines = client.lines();
  EXPECT_EQ(lines[lines.size() - 2].substr(0, 9), "452 4.3.1");
  EXPECT_EQ(w.sink.abandoned, 1);
  w.sink.append_error = ErrorCode::io_failed;
  client.send(std::string(kEnvelope) + std::string(5000, 'x') + "\r\n.\r\n");
  EXPECT_TRUE(w.hears(client, "451 4.3.0"));
  EXPECT_EQ(w.service->stats().no_room, 2U);
  EXPECT_EQ(w.service->stats().store_failed, 1U);
  EXPECT_EQ(w.service->stats().content_refused, 0U);
}

TEST(IngestSession, FullBuffersStopTheClient) {
  IngestWorld w;
  w.sink.room_bytes = 4000;
  w.start();
  TestClient& client = w.connect();
  const std::string body = std::string(70, 'x') + "\r\n";
  std::string content;
  while (content.size() < 1'000'000) {
    content += body;
  }
  client.send(std::string(kEnvelope) + content + ".\r\nQUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }, Duration::minutes(10)));
  ASSERT_EQ(w.sink.stored.size(), 1U);
  EXPECT_EQ(w.sink.stored[0].content, content + ".\r\n");
  EXPECT_GT(w.sink.waits, 100);
}

TEST(IngestSession, LostWhileWaitingForRoomLeavesNothing) {
  IngestWorld w;
  w.sink.room_bytes = 100;
  w.sink.room_time = Duration::hours(1);
  w.start();
  TestClient& client = w.connect();
  client.send(std::string(kEnvelope) + std::string(5000, 'x'));
  ASSERT_TRUE(w.run_until([&] { return w.sink.waits == 1; }));
  w.service->abandon_sessions();
  ASSERT_TRUE(w.run_until([&] { return w.service->sessions() == 0; }));
  EXPECT_EQ(w.sink.abandoned, 1);
}

TEST(IngestSession, LostDuringCommitStillAccepts) {
  IngestWorld w;
  w.sink.commit_time = Duration::seconds(5);
  w.start();
  TestClient& client = w.connect();
  client.send(std::string(kEnvelope) + "x\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  w.run_for(Duration::seconds(1));
  client.close();
  ASSERT_TRUE(w.run_until([&] { return w.service->sessions() == 0; }));
  EXPECT_EQ(w.sink.stored.size(), 1U);
  EXPECT_EQ(w.service->stats().messages, 1U);
}

TEST(IngestSession, HalfClosedClientGetsItsReplies) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send(std::string(kEnvelope) + "x\r\n.\r\n");
  client.finish();
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last().substr(0, 12), "250 2.0.0 Ok");
  EXPECT_EQ(client.end_result(), 0);
  EXPECT_EQ(w.sink.stored.size(), 1U);
}

TEST(IngestSession, ContentCutOffIsNotStored) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send(std::string(kEnvelope) + "half a message\r\n");
  client.finish();
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_TRUE(w.sink.stored.empty());
  EXPECT_EQ(w.sink.abandoned, 1);
  EXPECT_EQ(w.service->stats().lost_in_transaction, 1U);
}

TEST(IngestSession, SilentClientTimesOut) {
  IngestWorld w;
  w.start();
  TestClient& idle = w.connect();
  TestClient& slow = w.connect();
  slow.send(std::string(kEnvelope) + "begun\r\n");
  ASSERT_TRUE(w.hears(slow, "354"));
  for (int i = 0; i < 3; ++i) {
    w.run_for(Duration::minutes(4));
    for (int line = 0; line < 10; ++line) {
      slow.send(std::string(998, 'x') + "\r\n");
    }
  }
  w.run_for(Duration::seconds(10));
  EXPECT_TRUE(idle.ended());
  EXPECT_EQ(idle.last(), "421 4.4.2 Timeout, closing");
  EXPECT_FALSE(slow.ended()) << "it kept sending";
  w.run_for(Duration::minutes(6));
  EXPECT_TRUE(slow.ended());
  EXPECT_EQ(slow.last(), "421 4.4.2 Timeout, closing");
  EXPECT_EQ(w.service->stats().timeouts, 2U);
  EXPECT_EQ(w.service->sessions(), 0U);
}

TEST(IngestSession, ClientThatDoesNotReadIsDropped) {
  sim::NetFaults faults;
  faults.window_bytes = 1000;
  IngestWorld w(1, faults);
  w.start();
  TestClient& client = w.connect();
  client.deaf(true);
  std::string flood = "EHLO c\r\n";
  for (int i = 0; i < 900; ++i) {
    flood += "NOOP\r\n";
  }
  client.send(flood);
  w.run_for(Duration::minutes(20));
  EXPECT_EQ(w.service->sessions(), 0U);
  EXPECT_EQ(w.service->stats().timeouts, 1U);
}

TEST(IngestSession, ReadingStopsForWhatComesBehindTheNextEnvelope) {
  IngestWorld w;
  w.start();
  w.sink.commit_time = Duration::seconds(2);
  TestClient& client = w.connect();
  client.send(kEnvelope);
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("x\r\n.\r\nMAIL FROM:<a@b>\r\n");
  w.run_for(Duration::seconds(1));
  EXPECT_EQ(w.server_net.pauses(), 0U) << "an envelope behind a message is the usual thing";
  client.send("RCPT TO:<c@d>\r\n");
  w.run_for(Duration::milliseconds(500));
  EXPECT_EQ(w.server_net.pauses(), 1U);
  client.send("DATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("y\r\n.\r\n");
  ASSERT_TRUE(w.run_until([&] { return w.sink.stored.size() == 2; }));
  EXPECT_EQ(w.server_net.pauses(), 1U) << "it reads again once it was answered";
}

TEST(IngestSession, RepliesSurviveCloseWithInputUnread) {
  IngestWorld w;
  w.config->policies[1].limits.errors_max = 1;
  w.start();
  TestClient& client = w.connect();
  std::string junk;
  for (int i = 0; i < 5000; ++i) {
    junk += "JUNK JUNK JUNK\r\n";
  }
  client.send(junk);
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last(), "421 4.7.0 Too many errors, closing");
}

TEST(IngestSession, StrangersMayNotRelay) {
  IngestWorld w;
  w.config->relay_domains = {"here.example", "*.sub.example"};
  w.start();
  TestClient& client = w.connect(kStranger);
  client.send(
      "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@HERE.example>\r\n"
      "RCPT TO:<c@x.sub.example>\r\nRCPT TO:<c@sub.example>\r\nRCPT TO:<postmaster>\r\n");
  ASSERT_TRUE(w.hears(client, "550 5.1.1"));
  EXPECT_EQ(client.lines(),
            (std::vector<std::string>{
                "220 mx.example Ringpost ESMTP", "250 mx.example", "250 2.1.0 Sender ok",
                "550 5.7.1 Relaying denied for your address", "250 2.1.5 Recipient ok",
                "250 2.1.5 Recipient ok", "550 5.7.1 Relaying denied for your address",
                "550 5.1.1 No mailboxes here; give a full address"}));
  EXPECT_EQ(w.service->stats().relay_denied, 2U);
}

TEST(IngestSession, SourcesWithoutServiceAreTurnedAway) {
  IngestWorld w;
  w.config->policies[0].accept = false;
  w.start();
  TestClient& client = w.connect(kStranger);
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.lines(), std::vector<std::string>{"554 5.7.1 No mail service for your address"});
}

TEST(IngestSession, NobodySendsWhereAuthenticationIsRequired) {
  IngestWorld w;
  w.config->policies[1].require_auth = true;
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  const auto lines = client.lines();
  EXPECT_EQ(lines[lines.size() - 3], "530 5.7.0 Authentication required");
  EXPECT_EQ(lines[lines.size() - 2], "503 5.5.1 Need MAIL first");
}

TEST(IngestSession, MailForOurPostmasterReachesThoseNamed) {
  IngestWorld w;
  w.config->postmasters = {"ops@a.example", "night@b.example"};
  w.config->own_names = {"mx.example"};
  w.start();
  TestClient& client = w.connect(kStranger);
  client.send(
      "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<abuse@other.example>\r\n"
      "RCPT TO:<Abuse@MX.example>\r\nRCPT TO:<postmaster>\r\n"
      "RCPT TO:<MAILER-DAEMON@mx.example>\r\nBDAT 3 LAST\r\n.ab");
  ASSERT_TRUE(w.hears(client, "250 2.0.0 Ok: queued"));
  EXPECT_EQ(w.service->stats().relay_denied, 1U);
  EXPECT_EQ(w.sink.stored.at(0).addresses(),
            "ops@a.example ops@a.example ops@a.example "
            "night@b.example night@b.example night@b.example");
}

TEST(IngestSession, RecipientsAreGroupedByDomain) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO c\r\nMAIL FROM:<>\r\n");
  for (const char* rcpt : {"1@x", "1@y", "2@X", "1@z", "2@y", "3@x"}) {
    client.send("RCPT TO:<" + std::string(rcpt) + ">\r\n");
  }
  client.send("BDAT 3 LAST\r\n.ab");
  ASSERT_TRUE(w.hears(client, "250 2.0.0 Ok: queued"));
  EXPECT_EQ(w.sink.stored.at(0).addresses(), "1@x 2@X 3@x 1@y 2@y 1@z");
  EXPECT_EQ(w.sink.stored.at(0).content, "..ab\r\n.\r\n");
  EXPECT_EQ(w.sink.stored.at(0).prefix.find("for <"), std::string::npos);
}

TEST(IngestSession, FullEnvelopePoolIsTemporary) {
  IngestWorld w;
  w.memory.envelope_blocks = 2;
  w.start();
  TestClient& first = w.connect();
  TestClient& second = w.connect();
  TestClient& third = w.connect();
  first.send("EHLO c\r\nMAIL FROM:<a@b>\r\n");
  second.send("EHLO c\r\nMAIL FROM:<a@b>\r\n");
  ASSERT_TRUE(w.hears(first, "250 2.1.0"));
  ASSERT_TRUE(w.hears(second, "250 2.1.0"));
  third.send("EHLO c\r\nMAIL FROM:<a@b>\r\n");
  EXPECT_TRUE(w.hears(third, "452 4.3.1"));
  const std::string local(200, 'l');
  for (int i = 0; i < 20; ++i) {
    first.send("RCPT TO:<" + local + std::to_string(i) + "@d>\r\n");
  }
  EXPECT_TRUE(w.hears(first, "452 4.5.3"));
  second.send("RSET\r\n");
  ASSERT_TRUE(w.hears(second, "250 2.0.0"));
  third.send("MAIL FROM:<a@b>\r\n");
  EXPECT_TRUE(w.hears(third, "250 2.1.0"));
}

TEST(IngestSession, RecipientsOfManyBlocksStayInOrder) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO c\r\nMAIL FROM:<a@b>\r\n");
  std::string want;
  for (int i = 0; i < 200; ++i) {
    const std::string address = "some-longer-local-part-" + std::to_string(i) + "@example.org";
    client.send("RCPT TO:<" + address + "> ORCPT=rfc822;" + address + "\r\n");
    want += (i == 0 ? "" : " ") + address;
  }
  client.send("RCPT TO:<one-too-many@d>\r\n");
  ASSERT_TRUE(w.hears(client, "452 4.5.3"));
  client.send("DATA\r\nx\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0 Ok: queued"));
  EXPECT_EQ(w.sink.stored.at(0).addresses(), want);
  EXPECT_EQ(w.sink.stored.at(0).recipients[199].original,
            "rfc822;some-longer-local-part-199@example.org");
}

}  // namespace
}  // namespace ringpost::ingest
