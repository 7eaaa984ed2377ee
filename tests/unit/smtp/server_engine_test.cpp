#include "net/smtp/server_engine.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/smtp/server_recorder.h"

namespace ringpost::smtp {
namespace {

constexpr ServerReply kTimeout{421, "4.4.2", "Timeout"};

TEST(ServerEngine, AnswersAGroupInOneRunOfOutput) {
  ServerSession session;
  session.start();
  session.offer();
  session.take_replies();
  const std::string group = "HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
  EXPECT_EQ(session.engine.feed(group), group.size());
  EXPECT_EQ(session.engine.output(),
            "250 mx.example\r\n250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n"
            "354 End data with <CRLF>.<CRLF>\r\n");
}

TEST(ServerEngine, StopsReadingWhileOutputIsFull) {
  ServerSession session;
  session.start();
  std::string group = "HELO c\r\nMAIL FROM:<a@b>\r\n";
  for (int i = 0; i < 1000; ++i) {
    group += "RCPT TO:<c" + std::to_string(i) + "@d>\r\n";
  }
  const std::size_t used = session.engine.feed(group);
  EXPECT_LT(used, group.size());
  EXPECT_TRUE(session.engine.output_blocked());
  EXPECT_EQ(session.engine.feed(std::string_view(group).substr(used)), 0U);
  // Part of the output leaves: the rest stays in order.
  const std::string before(session.engine.output());
  session.engine.output_sent(100);
  EXPECT_EQ(session.engine.output(), std::string_view(before).substr(100));
  session.said = before.substr(0, 100);
  session.feed(std::string_view(group).substr(used));
  EXPECT_EQ(session.take_replies().size(), 1003U);
  EXPECT_EQ(session.engine.recipients(), 1000U);
}

TEST(ServerEngine, PausesWhereTheHostAsks) {
  class Pausing : public ServerRecorder {
   public:
    void on_content(std::string_view run) override {
      ServerRecorder::on_content(run);
      engine->pause();
    }
  };
  Pausing host;
  std::vector<char> output(ServerEngine::kOutputBytesMin);
  ServerEngine::Lines lines;
  ServerEngine engine({}, host, output, lines);
  ServerProfile profile;
  host.engine = &engine;
  engine.start(profile);
  const std::string all =
      "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcBDAT 3 LAST\r\nabcNOOP\r\n";
  const std::size_t first = engine.feed(all);
  EXPECT_EQ(all.substr(first, 4), "BDAT");
  const std::size_t second = first + engine.feed(std::string_view(all).substr(first));
  EXPECT_EQ(all.substr(second), "NOOP\r\n");
  EXPECT_EQ(engine.feed(std::string_view(all).substr(second)), 6U);
}

TEST(ServerEngine, TurnsAwayWithOneReply) {
  ServerSession session;
  session.engine.turn_away(session.profile, {421, "4.3.2", "Too many connections"});
  session.feed("EHLO c\r\n");
  EXPECT_EQ(session.take_replies(), std::vector<std::string>{"421 4.3.2 Too many connections"});
  EXPECT_EQ(session.engine.state(), ServerState::closed);
  EXPECT_TRUE(session.take_events().empty());
}

TEST(ServerEngine, LostConnectionAbortsOnceAndSaysNothing) {
  ServerSession session;
  session.start();
  session.feed("HELO c\r\nMAIL FROM:<a@b>\r\n");
  session.take_replies();
  EXPECT_TRUE(session.engine.in_transaction());
  session.engine.connection_lost();
  session.engine.connection_lost();
  session.engine.close(kTimeout);
  EXPECT_TRUE(session.engine.output().empty());
  EXPECT_EQ(session.take_events().back(), "abort closed");
  EXPECT_FALSE(session.engine.in_transaction());
}

TEST(ServerEngine, ClosingWhileAVerdictIsAwaitedAborts) {
  ServerSession session;
  session.recorder.hold = true;
  session.start();
  session.feed("HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n");
  EXPECT_EQ(session.engine.state(), ServerState::awaiting_verdict);
  session.engine.close(kTimeout);
  EXPECT_EQ(session.take_events().back(), "abort closed");
}

TEST(ServerEngine, RestIsOnlyBetweenTransactionsAndCommands) {
  ServerSession session;
  session.start();
  EXPECT_TRUE(session.engine.at_rest());
  session.feed("HEL");
  EXPECT_FALSE(session.engine.at_rest());
  session.feed("O c\r\n");
  EXPECT_TRUE(session.engine.at_rest());
  session.feed("MAIL FROM:<a@b>\r\n");
  EXPECT_FALSE(session.engine.at_rest());
  session.feed("RSET\r\n");
  EXPECT_TRUE(session.engine.at_rest());
}

TEST(ServerEngine, HostsTextCannotForgeReplies) {
  ServerSession session;
  session.recorder.answers["mail a@b"] = {550, "5.7.1", "no\r\n250 forged" + std::string(900, 'x')};
  session.start();
  session.feed("HELO c\r\nMAIL FROM:<a@b>\r\n");
  const auto replies = session.take_replies();
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_EQ(replies[2].substr(0, 25), "550 5.7.1 no??250 forgedx");
  EXPECT_LE(replies[2].size(), 510U);
}

TEST(ServerEngine, IsReusedForTheNextSession) {
  ServerSession session;
  session.start();
  session.feed("HELO c\r\nMAIL FROM:<a@b>\r\nFOO\r\nMAI");
  session.engine.connection_lost();
  session.take_events();
  session.take_replies();
  session.start();
  session.feed("", {});
  session.offer();
  EXPECT_EQ(session.take_replies(), std::vector<std::string>{"220 mx.example ESMTP ready"});
  EXPECT_EQ(session.engine.errors(), 0U);
  session.feed("MAIL FROM:<a@b>\r\n");
  EXPECT_EQ(session.take_replies(), std::vector<std::string>{"503 5.5.1 Say EHLO or HELO first"});
}

TEST(ServerEngine, IdleSessionIsSmall) {
  // With an output of kOutputBytesMin, what a session costs the engine stays below 6.5 KiB.
  EXPECT_LE(sizeof(ServerEngine) + ServerEngine::kOutputBytesMin, 6656U);
}

TEST(ServerEngine, EveryStateHasAName) {
  for (int state = 0; state <= static_cast<int>(ServerState::closed); ++state) {
    EXPECT_NE(name_of(static_cast<ServerState>(state)), "unknown");
  }
}

}  // namespace
}  // namespace ringpost::smtp
