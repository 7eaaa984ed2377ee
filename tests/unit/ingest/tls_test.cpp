// Encryption of submissions, over the simulator's engines.

#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

struct TlsWorld : IngestWorld {
  explicit TlsWorld(bool immediate, std::uint64_t seed = 1, sim::NetFaults faults = {})
      : IngestWorld(seed, faults) {
    config->listen[0].tls = tls.server("good:mx.example");
    config->listen[0].immediate_tls = immediate;
    for (SourcePolicy& policy : config->policies) {
      policy.starttls = true;
    }
  }
  TlsContextRef client() { return *tls.client_context({}); }
  /// Says STARTTLS and shakes hands.
  void secure(TestClient& client_end) {
    ASSERT_TRUE(hears(client_end, "220 "));
    client_end.send("EHLO c.example\r\n");
    ASSERT_TRUE(hears(client_end, "250 "));
    client_end.send("STARTTLS\r\n");
    ASSERT_TRUE(hears(client_end, "220 2.0.0"));
    client_end.secure(client());
    ASSERT_TRUE(run_until([&] { return client_end.secured(); }));
  }
  void send_message(TestClient& client_end) {
    client_end.send(
        "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
    ASSERT_TRUE(hears(client_end, "354 "));
    client_end.send("Subject: x\r\n\r\nbody\r\n.\r\n");
    ASSERT_TRUE(hears(client_end, "250 2.0.0 Ok: queued"));
  }
};

TEST(IngestTls, StarttlsEncryptsAndTheTraceSaysSo) {
  sim::NetFaults faults;
  faults.segment_max = 5;
  TlsWorld world(false, 3, faults);
  world.start();
  TestClient& client = world.connect();
  world.secure(client);
  world.send_message(client);
  ASSERT_EQ(world.sink.stored.size(), 1U);
  EXPECT_NE(world.sink.stored[0].prefix.find("with ESMTPS"), std::string::npos);
  EXPECT_NE(client.heard.find("250-STARTTLS"), std::string::npos);
  EXPECT_EQ(client.heard.find("250-STARTTLS"), client.heard.rfind("250-STARTTLS"));
  client.send("QUIT\r\n");
  EXPECT_TRUE(world.hears(client, "221 "));
  EXPECT_TRUE(world.run_until([&] { return client.ended(); }));
  EXPECT_EQ(world.service->stats().tls_sessions, 1U);
}

TEST(IngestTls, ImmediateTlsGreetsInsideTheHandshake) {
  TlsWorld world(true);
  world.start();
  TestClient& client = world.connect();
  world.run_for(Duration::seconds(1));
  EXPECT_EQ(client.heard, "");
  client.secure(world.client());
  ASSERT_TRUE(world.hears(client, "220 "));
  world.send_message(client);
  EXPECT_EQ(client.heard.find("250-STARTTLS"), std::string::npos);
  EXPECT_NE(world.sink.stored[0].prefix.find("with ESMTPS"), std::string::npos);
}

// On a busy machine the end of the handshake and what follows it are found by one turn.
TEST(IngestTls, CommandsRightBehindTheHandshakeAreReadAfterIt) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    sim::NetFaults faults;
    faults.latency_max = Duration::microseconds(300);
    faults.segment_max = 20;
    TlsWorld world(true, seed, faults);
    world.world.turns_take(Duration::microseconds(500));
    world.start();
    TestClient& client = world.connect();
    world.run_for(Duration::milliseconds(10));
    client.secure(world.client());
    client.send("NOOP with some words behind it, so that it comes in pieces\r\n");
    ASSERT_TRUE(world.hears(client, "250 ")) << "seed " << seed;
    EXPECT_TRUE(client.heard.starts_with("220 "));
  }
}

TEST(IngestTls, ItIsNotOfferedWithoutCertificateOrPermission) {
  for (const bool permitted : {false, true}) {
    TlsWorld world(false);
    if (permitted) {
      world.config->listen[0].tls = nullptr;
    } else {
      world.config->policies[1].starttls = false;
    }
    world.start();
    TestClient& client = world.connect();
    client.send("EHLO c.example\r\nSTARTTLS\r\n");
    EXPECT_TRUE(world.hears(client, "502 5.5.1"));
    EXPECT_EQ(client.heard.find("250-STARTTLS"), std::string::npos);
  }
}

TEST(IngestTls, TextBehindStarttlsEndsTheSession) {
  TlsWorld world(false);
  world.start();
  TestClient& client = world.connect();
  client.send("EHLO c.example\r\nSTARTTLS\r\nMAIL FROM:<a@b.example>\r\n");
  EXPECT_TRUE(world.run_until([&] { return client.ended(); }));
  EXPECT_EQ(client.last().substr(0, 3), "220");
}

TEST(IngestTls, HandshakesThatStallOrBreakEnd) {
  TlsWorld world(true);
  world.start();
  TestClient& silent = world.connect();
  TestClient& clear = world.connect();
  clear.send("EHLO c.example\r\n");
  EXPECT_TRUE(world.run_until([&] { return clear.ended(); }, Duration::seconds(5)));
  EXPECT_FALSE(silent.ended());
  EXPECT_TRUE(world.run_until([&] { return silent.ended(); }, Duration::seconds(61)));
  EXPECT_EQ(world.service->stats().tls_failed, 2U);
  EXPECT_TRUE(world.run_until([&] { return world.service->sessions() == 0; }));
}

TEST(IngestTls, ConnectionsMayBreakAnywhere) {
  sim::NetFaults faults;
  faults.reset_percent = 10;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    TlsWorld world(true, seed, faults);
    world.start();
    TestClient& client = world.connect();
    world.run_for(Duration::milliseconds(20));
    client.secure(world.client());
    client.send("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n");
    world.run_for(Duration::seconds(5));
  }
}

}  // namespace
}  // namespace ringpost::ingest
