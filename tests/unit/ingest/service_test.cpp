#include "net/ingest/service.h"

#include <gtest/gtest.h>

#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

TEST(IngestService, TurnsAwayWhatIsTooMuch) {
  IngestWorld w;
  w.memory.sessions_max = 3;
  w.memory.turned_away_max = 1;
  w.start();
  std::vector<TestClient*> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(&w.connect());
    ASSERT_TRUE(w.hears(*clients.back(), "220"));
  }
  TestClient& fourth = w.connect();
  TestClient& fifth = w.connect();
  ASSERT_TRUE(w.run_until([&] { return fourth.ended() && fifth.ended(); }));
  EXPECT_EQ(fourth.last() + fifth.last(), "421 4.3.2 Too many connections, try again later");
  EXPECT_EQ(w.service->stats().turned_away, 2U);
  clients[0]->send("QUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return clients[0]->ended(); }));
  w.run_for(Duration::seconds(5));
  EXPECT_TRUE(w.hears(w.connect(), "220"));
}

TEST(IngestService, LimitsConnectionsOfOneAddress) {
  IngestWorld w;
  w.config->connections_per_address_max = 2;
  w.start();
  TestClient& first = w.connect();
  TestClient& second = w.connect();
  ASSERT_TRUE(w.hears(first, "220"));
  ASSERT_TRUE(w.hears(second, "220"));
  EXPECT_TRUE(w.hears(w.connect(), "421 4.3.2"));
  EXPECT_TRUE(w.hears(w.connect(kStranger), "220"));
  first.send("QUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return first.ended(); }));
  w.run_for(Duration::seconds(5));
  EXPECT_TRUE(w.hears(w.connect(), "220"));
}

TEST(IngestService, ALimitOfAllShardsIsSharedAndGivenBack) {
  SessionSlots all(2);
  ASSERT_TRUE(all.take(SessionSlots::kNoGroup));  // by another shard
  IngestWorld w;
  w.memory.slots = &all;
  w.start();
  TestClient& first = w.connect();
  ASSERT_TRUE(w.hears(first, "220"));
  EXPECT_TRUE(w.hears(w.connect(), "421 4.3.2"));
  EXPECT_EQ(all.used(), 2U);
  first.send("QUIT\r\n");
  ASSERT_TRUE(w.run_until([&] { return first.ended(); }));
  w.run_for(Duration::seconds(5));
  EXPECT_EQ(all.used(), 1U);
  EXPECT_TRUE(w.hears(w.connect(), "220"));
}

TEST(IngestService, RulesOfTheListenersSourceHold) {
  IngestWorld w;
  w.config->policies.emplace_back().accept = false;
  w.config->policies.back().prepare();
  w.config->rules.push_back({static_cast<std::uint32_t>(w.config->policies.size() - 1), {}});
  const SocketAddress other{IpAddress::v4(192, 0, 2, 1), 587};
  w.config->listen.push_back({other, 1, nullptr, false});
  w.start();
  EXPECT_TRUE(w.hears(w.connect(), "220"));
  const auto policy_at = [&](const SocketAddress& listener) {
    return &w.config->policy_for(IpAddress::v4(127, 0, 0, 1),
                                 w.config->listener_at(listener)->rules);
  };
  EXPECT_EQ(policy_at(other), &w.config->policies[2]);
  EXPECT_EQ(policy_at(w.config->listen[0].address), &w.config->policies[1]);
}

TEST(IngestService, StopEndsIdleSessionsAndLetsOthersFinish) {
  IngestWorld w;
  w.start();
  TestClient& idle = w.connect();
  TestClient& busy = w.connect();
  busy.send("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  ASSERT_TRUE(w.hears(idle, "220"));
  ASSERT_TRUE(w.hears(busy, "354"));
  w.stop();
  ASSERT_TRUE(w.run_until([&] { return idle.ended(); }));
  EXPECT_EQ(idle.last(), "421 4.3.2 Shutting down, try again later");
  EXPECT_FALSE(w.service->stopped());
  busy.send("x\r\n.\r\n");
  ASSERT_TRUE(w.run_until([&] { return busy.ended(); }));
  const auto lines = busy.lines();
  EXPECT_EQ(lines[lines.size() - 2].substr(0, 12), "250 2.0.0 Ok");
  EXPECT_EQ(lines.back(), "421 4.3.2 Shutting down, try again later");
  ASSERT_TRUE(w.run_until([&] { return w.stop_reported(); }));
  EXPECT_TRUE(w.service->stopped());
  EXPECT_EQ(w.sink.stored.size(), 1U);
}

TEST(IngestService, AbandonedSessionsEndAtOnce) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nbegun");
  ASSERT_TRUE(w.hears(client, "354"));
  w.stop();
  w.run_for(Duration::seconds(30));
  EXPECT_FALSE(w.service->stopped());
  w.service->abandon_sessions();
  ASSERT_TRUE(w.run_until([&] { return w.stop_reported(); }));
  EXPECT_EQ(w.sink.abandoned, 1);
}

TEST(IngestService, NewConfigurationIsForNewSessions) {
  IngestWorld w;
  w.start();
  TestClient& old = w.connect();
  ASSERT_TRUE(w.hears(old, "220 mx.example"));
  auto next = std::make_shared<IngestConfig>(*w.config);
  next->hostname = "new.example";
  for (SourcePolicy& policy : next->policies) {
    policy.prepare();
  }
  w.service->use(next);
  w.config.reset();
  w.config = next;
  old.send("HELO c\r\n");
  EXPECT_TRUE(w.hears(old, "250 mx.example"));
  EXPECT_TRUE(w.hears(w.connect(), "220 new.example"));
}

// Sessions over a network with faults, against a spool with faults: whatever was answered 250 is
// stored, everything ends, nothing leaks.
TEST(IngestService, KeepsItsWordUnderFaults) {
  std::size_t accepted_in_all = 0;
  std::size_t lost_in_all = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    sim::NetFaults faults;
    Random random(seed);
    faults.reset_percent = static_cast<unsigned>(random.below(8));
    faults.segment_max = 1 + random.below(1500);
    faults.window_bytes = 500 + random.below(20'000);
    IngestWorld w(seed, faults);
    w.sink.room_bytes = random.chance(50) ? 1 + random.below(3000) : 0;
    w.sink.commit_time = Duration::microseconds(static_cast<std::int64_t>(random.below(20'000)));
    w.start();
    std::vector<TestClient*> clients;
    for (int c = 0; c < 8; ++c) {
      TestClient& client = w.connect();
      clients.push_back(&client);
      client.send("EHLO c" + std::to_string(c) + "\r\n");
      for (int m = 0; m < 5; ++m) {
        const std::string name = std::to_string(c) + "-" + std::to_string(m);
        const std::string body =
            "Subject: " + name + "\r\n\r\n" + std::string(random.below(3000), 'x') + "\r\n";
        client.send("MAIL FROM:<" + name + "@b>\r\nRCPT TO:<c@d>\r\nBDAT " +
                    std::to_string(body.size()) + " LAST\r\n" + body);
      }
      client.send("QUIT\r\n");
    }
    w.sink.commit_result = 0;
    ASSERT_TRUE(w.run_until([&] { return w.service->sessions() == 0; }, Duration::hours(2)))
        << "seed " << seed;
    w.run_for(Duration::seconds(5));
    std::size_t accepted = 0;
    for (const TestClient* client : clients) {
      for (const std::string& line : client->lines()) {
        accepted += line.substr(0, 24) == "250 2.0.0 Ok: queued as " ? 1 : 0;
      }
    }
    EXPECT_LE(accepted, w.sink.stored.size()) << "seed " << seed;
    EXPECT_EQ(w.sink.stored.size(), w.service->stats().messages) << "seed " << seed;
    accepted_in_all += accepted;
    lost_in_all += 40 - accepted;
  }
  EXPECT_GT(accepted_in_all, 300U);
  EXPECT_GT(lost_in_all, 0U) << "no seed drew a fault: the test tests nothing";
}

}  // namespace
}  // namespace ringpost::ingest
