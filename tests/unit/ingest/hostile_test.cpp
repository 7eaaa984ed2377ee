// Clients that want to keep a session for as little as they can.

#include <gtest/gtest.h>

#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

constexpr std::string_view kHostileEnvelope =
    "EHLO client.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

/// Sends one octet each `pause` until the session ends or `limit` has passed; when it ended.
Duration drip(IngestWorld& w, TestClient& client, std::string_view octets, Duration pause,
              Duration limit) {
  const Instant begin = w.world.now().instant;
  std::size_t at = 0;
  while (!client.ended() && w.world.now().instant - begin < limit) {
    client.send(octets.substr(at++ % octets.size(), 1));
    w.run_until([&] { return client.ended(); }, pause);
  }
  return w.world.now().instant - begin;
}

TEST(IngestHostile, ACommandOctetByOctetRunsOutOfTime) {
  IngestWorld w;
  w.config->policies[1].command_timeout = Duration::seconds(60);
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO x\r\n");
  ASSERT_TRUE(w.hears(client, "250 "));
  const Duration took =
      drip(w, client, "NOOPxxxxxxxxxxxxxxx", Duration::seconds(7), Duration::minutes(10));
  EXPECT_GE(took, Duration::seconds(55));
  EXPECT_LE(took, Duration::seconds(75));
  EXPECT_EQ(client.last().substr(0, 9), "421 4.4.2");
}

TEST(IngestHostile, ContentOctetByOctetRunsOutOfTime) {
  for (const bool chunked : {false, true}) {
    IngestWorld w;
    for (SourcePolicy& policy : w.config->policies) {
      policy.command_timeout = policy.data_timeout = Duration::seconds(60);
    }
    w.start();
    TestClient& client = w.connect();
    client.send(std::string(kHostileEnvelope) + (chunked ? "BDAT 1000000\r\n" : "DATA\r\n"));
    ASSERT_TRUE(w.hears(client, chunked ? "250 2.1.5" : "354"));
    const Duration took =
        drip(w, client, "content\r\n", Duration::seconds(2), Duration::minutes(10));
    EXPECT_LE(took, Duration::seconds(130));
    EXPECT_EQ(client.last().substr(0, 9), "421 4.4.2");
    EXPECT_TRUE(w.sink.stored.empty());
  }
}

TEST(IngestHostile, ASlowLineThatMovesIsServed) {
  IngestWorld w;
  for (SourcePolicy& policy : w.config->policies) {
    policy.data_timeout = Duration::seconds(20);
  }
  w.start();
  TestClient& client = w.connect();
  client.send(std::string(kHostileEnvelope) + "DATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  for (int i = 0; i < 60; ++i) {
    client.send(std::string(398, 'x') + "\r\n");
    w.run_for(Duration::seconds(10));
    ASSERT_FALSE(client.ended());
  }
  client.send(".\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0"));
}

TEST(IngestHostile, ALineWithoutAnEndIsCut) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  for (int i = 0; i < 80 && !client.ended(); ++i) {
    client.send(std::string(1024, 'x'));
    w.run_for(Duration::milliseconds(50));
  }
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last(), "421 4.7.0 Command line without an end");
}

TEST(IngestHostile, GarbageEndsTheSession) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  std::string garbage;
  for (int i = 0; i < 20'000; ++i) {
    garbage += static_cast<char>(i * 7919 >> 3);
  }
  client.send(garbage);
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last().substr(0, 9), "421 4.7.0");
  EXPECT_LT(client.heard.size(), 4000U);
}

TEST(IngestHostile, ChunksOfNothingAreCounted) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  std::string chunks(kHostileEnvelope);
  for (int i = 0; i < 5000; ++i) {
    chunks += "BDAT 0\r\n";
  }
  client.send(chunks);
  ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last(), "421 4.7.0 Too many commands without a message");
  EXPECT_TRUE(w.sink.stored.empty());
}

// Every way in which text can get from the envelope into the header of a message.
TEST(IngestHostile, NothingOfTheEnvelopeBecomesAField) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  const std::string_view lines[] = {"EHLO a\r\n",
                                    "EHLO a)\tfor <x>; X-Evil: yes\r\n",
                                    "MAIL FROM:<\"a\\\x0b"
                                    "b\"@c>\r\n",
                                    "MAIL FROM:<a\x01@b>\r\n",
                                    "MAIL FROM:<a@b> ENVID=a+0D+0AX-Evil:+20yes\r\n",
                                    "RSET\r\n",
                                    "MAIL FROM:<a@b>\r\n",
                                    "RCPT TO:<\"c\r\nX-Evil: yes\"@d>\r\n",
                                    "RCPT TO:<\"c\nX-Evil: yes\"@d>\r\n",
                                    "RCPT TO:<c@d> ORCPT=rfc822;c\x7f@d\r\n",
                                    "RCPT TO:<c@d> ORCPT=rfc822;c+0D+0AX-Evil:+20yes\r\n",
                                    "DATA\r\n"};
  for (const std::string_view line : lines) {
    client.send(line);
    w.run_for(Duration::seconds(1));
  }
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: x\r\n\r\nbody\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0"));
  ASSERT_EQ(w.sink.stored.size(), 1U);
  const std::string& sent = w.sink.stored[0].sent;
  EXPECT_EQ(sent.find("\nX-Evil"), std::string::npos) << sent;
  EXPECT_EQ(sent.find('\x7f'), std::string::npos);
  EXPECT_EQ(sent.find('\x01'), std::string::npos);
  for (std::size_t at = 0; (at = sent.find('\n', at)) != std::string::npos; ++at) {
    ASSERT_EQ(sent[at - 1], '\r');
  }
}

}  // namespace
}  // namespace ringpost::ingest
