#include "net/smtp/client_engine.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "tests/unit/smtp/client_script.h"

namespace ringpost::smtp {

namespace {

constexpr std::string_view kOpen =
    "S: 220 mx\nI: drained\nS: 250-mx\nS: 250-PIPELINING\nS: 250 SIZE 1000000\n";

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(ClientEngine, StaysSmall) {
  // 20,000 sessions of this are within a pool that a shard can hold.
  EXPECT_LE(sizeof(ClientEngine), 8192U);
}

TEST(ClientEngine, SendsAThousandRecipientsInBoundedRoom) {
  std::string script = "T: a@a.example many=1000\n" + std::string(kOpen) + "I: begin 0\n";
  for (int i = 0; i < 1001; ++i) {
    script += "S: 250 Ok\n";
  }
  script += "S: 354 go\nI: drained\nS: 250 queued\nI: quit\n";
  ClientScript player;
  const std::string played = player.play(script);
  EXPECT_EQ(count(played, "C: RCPT TO:"), 1000U);
  EXPECT_EQ(count(played, "R: rcpt 0 "), 1000U);
  EXPECT_EQ(count(played, "C: DATA\n"), 1U);
  EXPECT_NE(played.find("R: over 0 answered final_reply 250 queued"), std::string::npos);
  EXPECT_NE(played.find("C: RCPT TO:<r999@b.example>"), std::string::npos);
}

TEST(ClientEngine, StopsOfferingRecipientsOnceMailIsRefused) {
  ClientScript player;
  std::string script = "T: a@a.example many=1000\n" + std::string(kOpen) +
                       "option: drain manual\nI: begin 0\nS: 550 no\nI: drained\n";
  const std::string played = player.play(script);
  EXPECT_LT(count(played, "C: RCPT TO:"), 200U);
  EXPECT_EQ(count(played, "C: DATA\n"), 0U);
  EXPECT_NE(played.find("R: over 0 answered mail 550 no"), std::string::npos);
}

TEST(ClientEngine, ExtensionsCountFromTheLastEhloOnly) {
  ClientEngine::Rooms rooms;
  ClientEngine engine{rooms};
  ClientActions actions;
  ClientOptions options;
  options.helo = "out.example";
  engine.start(options, actions);
  const auto say = [&](std::string_view text) {
    while (!text.empty()) {
      text.remove_prefix(engine.receive(text, actions));
    }
  };
  say("220 x\r\n");
  say("250-x\r\n250-PIPELINING\r\n250-SIZE 5\r\n250 auth=LOGIN PLAIN\r\n");
  EXPECT_TRUE(engine.capabilities().pipelining);
  EXPECT_TRUE(engine.capabilities().auth);
  EXPECT_EQ(engine.capabilities().size_limit, 5U);
  engine.start(options, actions);
  say("220 x\r\n");
  say("550-PIPELINING\r\n550 SIZE 7\r\n");
  say("250 x PIPELINING\r\n");
  EXPECT_TRUE(engine.wants_transaction());
  EXPECT_FALSE(engine.capabilities().pipelining);
  EXPECT_FALSE(engine.capabilities().esmtp);
  EXPECT_EQ(engine.capabilities().size_limit, 0U);
}

TEST(ClientEngine, KeepsTheLastTransitions) {
  ClientScript player;
  std::string script(kOpen);
  for (int i = 0; i < 20; ++i) {
    script = "T: a@a.example b@b.example\n" + script + "I: begin " + std::to_string(i) +
             "\nS: 250 a\nS: 250 b\nS: 354 c\nI: drained\nS: 250 d\n";
  }
  player.play(script);
  const TransitionRing& ring = player.engine().transitions();
  ASSERT_EQ(ring.size(), TransitionRing::kSize);
  for (std::size_t i = 1; i < ring.size(); ++i) {
    EXPECT_EQ(ring[i].from, ring[i - 1].to);
    EXPECT_TRUE(may_follow(ring[i].from, ring[i].to));
  }
  EXPECT_EQ(ring[31].to, ClientState::idle);
  EXPECT_EQ(ring[31].reply_code, 250);
}

TEST(ClientEngine, DescribesItsTransitions) {
  ClientScript player;
  player.play(kOpen);
  player.play("I: quit\n");
  char room[200];
  TextBuilder text(room);
  describe(player.engine().transitions(), text);
  EXPECT_EQ(text.view(), "awaiting_banner -220-> awaiting_ehlo -250-> idle -250-> quitting");
}

TEST(ClientState, EveryStateCanBeLeftForClosedAndNoneLeavesIt) {
  for (std::size_t i = 0; i < kClientStateCount; ++i) {
    const auto state = static_cast<ClientState>(i);
    EXPECT_FALSE(row_of(state).name.empty());
    EXPECT_FALSE(row_of(state).operator_text.empty());
    EXPECT_EQ(may_follow(state, ClientState::closed), state != ClientState::closed);
    EXPECT_FALSE(may_follow(ClientState::closed, state));
  }
  EXPECT_FALSE(may_follow(ClientState::idle, ClientState::awaiting_final_reply));
  EXPECT_FALSE(may_follow(ClientState::awaiting_go_ahead, ClientState::awaiting_final_reply));
}

TEST(ClientEngine, TimeoutClassesFollowTheStates) {
  ClientScript player;
  std::string script(kOpen);
  player.play("T: a@a.example b@b.example\n" + script + "I: begin 0\n");
  EXPECT_EQ(player.engine().timeout_class(), TimeoutClass::envelope);
  player.play("S: 250 a\nS: 250 b\n");
  EXPECT_EQ(player.engine().timeout_class(), TimeoutClass::data_initiation);
  player.play("option: drain manual\nS: 354 go\n");
  EXPECT_EQ(player.engine().timeout_class(), TimeoutClass::data_block);
  player.play("I: drained\n");
  EXPECT_EQ(player.engine().timeout_class(), TimeoutClass::data_termination);
}

// A server that says anything at any time: each transaction must end exactly once, and after a
// close nothing is open. ClientScript checks both as it goes.
TEST(ClientEngine, RandomServersEndEveryTransactionOnce) {
  constexpr std::string_view kReplies[] = {
      "250 Ok",  "250 Ok",  "250 Ok", "250 Ok", "250 Ok",         "354 go",       "354 go",
      "354 go",  "550 no",  "451 no", "503 no", "421 bye",        "452 too many", "250-x\nS: 250 y",
      "garbage", "220 hey", "500 x",  "552 x",  "250-a\nS: 251 b"};
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Random random(seed);
    std::string script;
    for (int i = 0; i < 40; ++i) {
      script += "T: a@a.example many=" + std::to_string(1 + random.below(4)) +
                " body=" + std::to_string(random.below(2000)) + "\n";
    }
    script += "option: threshold 1000\n";
    script += random.chance(20) ? "option: group_next off\n" : "";
    script += random.chance(30) ? "S: 220 a\nI: drained\nS: 250 b\n" : kOpen;
    script += random.chance(50) ? "option: drain manual\n" : "";
    ClientScript player;
    player.play(script);
    std::size_t begun = 0;
    for (int step = 0; step < 200 && !player.engine().ended(); ++step) {
      if (player.engine().wants_transaction() && begun < 40 && random.chance(40)) {
        player.play("I: begin " + std::to_string(begun++) + "\n");
      } else if (random.chance(30)) {
        player.play("I: drained\n");
      } else if (random.chance(2)) {
        player.play(random.chance(50) ? "I: lost\n" : "I: timeout\n");
      } else {
        // Mostly in step, so that sessions come far.
        const bool in_step = random.chance(80);
        const std::size_t pick = in_step ? random.below(11) : random.below(std::size(kReplies));
        player.play("S: " + std::string(kReplies[pick]) + "\n");
      }
      if (HasFailure()) {
        FAIL() << "seed " << seed;
      }
    }
    if (!player.engine().ended()) {
      player.play("I: abort\n");
    }
    ASSERT_EQ(player.open_transactions(), 0U) << "seed " << seed;
  }
}

}  // namespace

}  // namespace ringpost::smtp
