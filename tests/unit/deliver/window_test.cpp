// Many messages on one connection: how many round trips they cost, and what becomes of those in
// flight when it breaks.

#include <gtest/gtest.h>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {

namespace {

constexpr const char* kReceiver = "192.0.2.1";
constexpr const char* kChunking = "PIPELINING|CHUNKING|SIZE 50000000|8BITMIME|DSN";
constexpr Duration kOneWay = Duration::milliseconds(40);

DeliverOptions trusting() {
  DeliverOptions options;
  options.hosts.clean_before_grouping = 0;
  return options;
}

HostManners chunking() {
  HostManners manners;
  manners.extensions = kChunking;
  return manners;
}

sim::NetFaults distant() {
  sim::NetFaults faults;
  faults.latency_min = faults.latency_max = kOneWay;
  return faults;
}

void add_messages(DeliverWorld& world, int count) {
  for (int i = 0; i < count; ++i) {
    world.add_message("n: " + std::to_string(i) + "\r\n\r\nbody", {"a@example.org"});
  }
}

std::size_t chunked_at(const TestHost& host) {
  std::size_t chunked = 0;
  for (const ReceivedMessage& message : host.messages) {
    chunked += message.chunked ? 1 : 0;
  }
  return chunked;
}

// Round trips that each of 200 messages costs on one connection once it is in its stride.
double round_trips_a_message(const HostManners& manners, std::uint32_t window) {
  constexpr int kBefore = 40;
  constexpr int kCounted = 200;
  DeliverWorld world(3, trusting(), distant());
  TestHost& host = world.add_host(kReceiver, manners);
  world.add_route("mx.example.org", 10, kReceiver);
  world.policy->pipeline_window = window;
  add_messages(world, kBefore + kCounted + 40);
  EXPECT_TRUE(world.open());
  EXPECT_TRUE(world.run_until([&] { return host.messages.size() >= kBefore; }));
  const Instant begun = world.world.instant();
  const std::size_t before = host.messages.size();
  EXPECT_TRUE(world.run_until([&] { return host.messages.size() >= before + kCounted; }));
  const double took = static_cast<double>((world.world.instant() - begun).ns);
  EXPECT_EQ(host.connections, 1U);
  world.run();
  return took / static_cast<double>((kOneWay * 2).ns) / kCounted;
}

TEST(DeliverWindow, OneRoundTripAMessageWithPipelining) {
  const double trips = round_trips_a_message({}, 4);
  EXPECT_GT(trips, 0.95);
  EXPECT_LE(trips, 1.01);
}

TEST(DeliverWindow, AQuarterOfARoundTripWithWindowsOfFour) {
  const double trips = round_trips_a_message(chunking(), 4);
  EXPECT_GT(trips, 0.2);
  EXPECT_LE(trips, 0.255);
  EXPECT_LE(round_trips_a_message(chunking(), 16), 0.07);
}

TEST(DeliverWindow, AWindowOfOneOrChunkingIgnoredMeansData) {
  for (const bool ignored : {false, true}) {
    DeliverWorld world(5, trusting());
    TestHost& host = world.add_host(kReceiver, chunking());
    world.add_route("mx.example.org", 10, kReceiver);
    world.policy->pipeline_window = ignored ? 4 : 1;
    world.policy->ignore_chunking = ignored;
    add_messages(world, 20);
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
    EXPECT_EQ(host.messages.size(), 20U);
    EXPECT_EQ(chunked_at(host), 0U);
  }
}

TEST(DeliverWindow, ContentArrivesAsItIsByEitherWay) {
  DeliverWorld world(5, trusting());
  TestHost& host = world.add_host(kReceiver, chunking());
  world.add_route("mx.example.org", 10, kReceiver);
  for (int i = 0; i < 60; ++i) {
    const std::string body(static_cast<std::size_t>(i % 7 == 0 ? 100'000 : i * 10), 'z');
    const std::size_t number =
        world.add_message("n: " + std::to_string(i) + "\r\n\r\n" + body, {"a@example.org"});
    world.messages[number].dot_lines = i % 5 == 0;
  }
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(host.messages.size(), 60U);
  for (std::size_t i = 0; i < 60; ++i) {
    std::size_t arrived = 0;
    for (const ReceivedMessage& got : host.messages) {
      if (got.content == world.expected_content(i)) {
        ++arrived;
        EXPECT_EQ(got.chunked, i % 5 != 0);
      }
    }
    EXPECT_EQ(arrived, 1U);
    EXPECT_EQ(world.messages[i].outcomes.at(0).kind, OutcomeKind::delivered);
  }
  EXPECT_EQ(world.deliverer->stats().chunks, 48U);
}

TEST(DeliverWindow, BegunOnlyAfterEnoughCleanTransactions) {
  DeliverOptions options;
  options.hosts.clean_before_grouping = 20;
  DeliverWorld world(7, options);
  TestHost& host = world.add_host(kReceiver, chunking());
  world.add_route("mx.example.org", 10, kReceiver);
  add_messages(world, 60);
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  ASSERT_EQ(host.messages.size(), 60U);
  for (std::size_t i = 0; i < 60; ++i) {
    EXPECT_TRUE(i < 20 ? !host.messages[i].chunked : i < 22 || host.messages[i].chunked) << i;
  }
}

TEST(DeliverWindow, AHostThatOnlyAdvertisesItGetsDataFromThenOn) {
  DeliverWorld world(5, trusting());
  HostManners manners = chunking();
  TestHost& host = world.add_host(kReceiver, manners);
  host.manners.hook = [&host](const std::string& line) -> std::string {
    return line == "." && host.messages.back().chunked ? "500 5.5.2 what" : "";
  };
  world.add_route("mx.example.org", 10, kReceiver);
  world.requeues_returned = true;
  add_messages(world, 10);
  ASSERT_TRUE(world.open());
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.ended[0].end, SessionEnd::lost);
  const std::size_t chunked = chunked_at(host);
  EXPECT_GE(chunked, 1U);
  for (int round = 0; round < 3 && !world.queued.empty(); ++round) {
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run());
  }
  EXPECT_EQ(chunked_at(host), chunked) << "no BDAT again";
  EXPECT_EQ(world.messages[0].outcomes.at(0).kind, OutcomeKind::delivered);
  EXPECT_FALSE(world.messages[0].outcomes.at(0).ambiguous);
  EXPECT_EQ(world.messages[9].outcomes.at(0).kind, OutcomeKind::delivered);
}

// A rate permit comes with each message: it must leave when it is taken, window or not.
TEST(DeliverWindow, APacedQueueSendsAheadWhatItMay) {
  DeliverWorld world(3, trusting(), distant());
  TestHost& host = world.add_host(kReceiver, chunking());
  world.add_route("mx.example.org", 10, kReceiver);
  world.policy->paced = true;
  add_messages(world, 100);
  ASSERT_TRUE(world.open());
  std::size_t most = 0;
  ASSERT_TRUE(world.run_until([&] {
    std::size_t in_hand = 0;
    for (const auto& message : world.messages) {
      in_hand += static_cast<std::size_t>(message.taken - message.finished);
    }
    most = std::max(most, in_hand);
    return host.messages.size() == 100;
  }));
  EXPECT_EQ(most, 4U);
  ASSERT_TRUE(world.run());
}

// Whichever octet the connection breaks at, and where it is given up between two transactions.
TEST(DeliverWindow, WhatIsGivenBackUnsentStandsInItsOrder) {
  std::size_t returned_most = 0;
  for (const std::uint32_t window : {1u, 4u}) {
    for (std::size_t octets = 40; octets < 2'000; octets += 11) {
      DeliverWorld world(octets, trusting());
      TestHost& host = world.add_host(kReceiver, chunking());
      world.add_route("mx.example.org", 10, kReceiver);
      world.policy->pipeline_window = window;
      world.requeues_returned = true;
      const bool leaves = octets % 2 == 0;
      host.manners.octets_in_max = leaves ? ~std::size_t{0} : octets;
      add_messages(world, 30);
      ASSERT_TRUE(world.open());
      if (leaves) {
        ASSERT_TRUE(world.run_until([&] { return host.messages.size() >= octets / 100; }));
        world.mode_changed = true;
      }
      ASSERT_TRUE(world.run());
      std::size_t returned = 0;
      for (const std::size_t number : world.queued) {
        returned += world.messages[number].taken > 0 ? 1 : 0;
      }
      returned_most = std::max(returned_most, returned);
      EXPECT_TRUE(std::is_sorted(world.queued.begin(), world.queued.end()))
          << octets << " octets, window of " << window;
    }
  }
  EXPECT_GE(returned_most, 3U);
}

/// What came of messages on connections that break.
struct Broken {
  std::size_t twice = 0;
  std::size_t marked = 0;
};

// Sends until all is delivered over connections that break each time at the same octet.
Broken deliver_broken(std::size_t in_max, std::size_t out_max, std::uint32_t window) {
  DeliverWorld world(in_max * 31 + out_max, trusting());
  TestHost& host = world.add_host(kReceiver, chunking());
  world.add_route("mx.example.org", 10, kReceiver);
  world.policy->pipeline_window = window;
  host.manners.octets_in_max = in_max;
  host.manners.octets_out_max = out_max;
  constexpr int kMessages = 5;
  add_messages(world, kMessages);
  std::vector<bool> marked(kMessages);
  for (int round = 0; round < 20 && !world.queued.empty(); ++round) {
    if (round == 1) {
      host.manners.octets_in_max = host.manners.octets_out_max = ~std::size_t{0};
    }
    EXPECT_TRUE(world.open());
    EXPECT_TRUE(world.run());
    for (std::size_t i = 0; i < kMessages; ++i) {
      auto& message = world.messages[i];
      EXPECT_EQ(message.taken, message.finished);
      const bool tried =
          message.finished > 0 && message.job.recipients[0].outcome.kind != OutcomeKind::pending;
      if (tried && message.outcomes[0].kind != OutcomeKind::delivered) {
        marked[i] = marked[i] || message.outcomes[0].ambiguous;
        message.job.recipients[0].outcome = {};
        world.queued.push_back(i);
      }
    }
  }
  Broken broken;
  for (std::size_t i = 0; i < kMessages; ++i) {
    std::size_t arrived = 0;
    for (const ReceivedMessage& got : host.messages) {
      arrived += got.content == world.expected_content(i) ? 1 : 0;
    }
    EXPECT_EQ(world.messages[i].outcomes.at(0).kind, OutcomeKind::delivered) << i;
    EXPECT_GE(arrived, 1U) << i;
    EXPECT_TRUE(arrived == 1 || marked[i]) << "message " << i << " came twice without a mark";
    broken.twice += arrived > 1 ? 1 : 0;
    broken.marked += marked[i] ? 1 : 0;
  }
  return broken;
}

TEST(DeliverWindow, ConnectionsBreakAtEveryOctetOnTheWayThere) {
  std::size_t marked = 0;
  for (std::size_t octets = 0; octets < 900 && !HasFailure(); ++octets) {
    SCOPED_TRACE(octets);
    const Broken broken = deliver_broken(octets, ~std::size_t{0}, 4);
    marked += broken.marked;
  }
  EXPECT_GT(marked, 100U);
}

TEST(DeliverWindow, ConnectionsBreakAtEveryOctetOnTheWayBack) {
  std::size_t twice = 0;
  for (std::size_t octets = 0; octets < 700 && !HasFailure(); ++octets) {
    SCOPED_TRACE(octets);
    twice += deliver_broken(~std::size_t{0}, octets, 4).twice;
  }
  EXPECT_GT(twice, 100U) << "replies that were lost";
}

}  // namespace

}  // namespace ringpost::deliver
