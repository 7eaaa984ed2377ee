#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/base64.h"
#include "tests/unit/smtp/server_recorder.h"

namespace ringpost::smtp {
namespace {

using Lines = std::vector<std::string>;

class ServerAuth : public ::testing::Test {
 protected:
  ServerAuth() {
    session_.profile.auth = {true, true, true, true, false};
    session_.start();
  }
  void hello() {
    session_.feed("EHLO client.example\r\n");
    session_.take_replies();
    session_.take_events();
  }
  Lines say(std::string_view lines) {
    session_.feed(lines);
    return session_.take_replies();
  }

  ServerSession session_;
};

TEST_F(ServerAuth, IsOfferedAsThingsAre) {
  const auto offer = [&] {
    std::string found;
    for (const std::string& line : say("EHLO x\r\n")) {
      found += line.find("AUTH") != std::string::npos ? line.substr(4) : "";
    }
    return found;
  };
  EXPECT_EQ(offer(), "AUTH PLAIN LOGIN CRAM-MD5");
  session_.profile.auth.clear_text_ok = false;
  EXPECT_EQ(offer(), "AUTH CRAM-MD5");
  session_.profile.auth.cram_md5 = false;
  EXPECT_EQ(offer(), "");
  session_.profile.auth.encrypted_only = true;
  session_.profile.auth.clear_text_ok = true;
  EXPECT_EQ(offer(), "");
  session_.engine.connection_lost();
  session_.engine.start(session_.profile, true);
  session_.take_replies();
  EXPECT_EQ(offer(), "AUTH PLAIN LOGIN");
  session_.profile.auth.clear_text_ok = false;
  EXPECT_EQ(offer(), "AUTH PLAIN LOGIN");
}

TEST_F(ServerAuth, Plain) {
  hello();
  EXPECT_EQ(say("AUTH PLAIN AGpvZQBwdw==\r\n"), Lines{"235 2.7.0 Authenticated"});
  EXPECT_EQ(session_.take_events(), Lines{"auth plain \"joe\" \"pw\""});
  EXPECT_TRUE(session_.engine.authenticated());
  EXPECT_EQ(say("AUTH PLAIN AGpvZQBwdw==\r\n"), Lines{"503 5.5.1 Authenticated already"});
  EXPECT_EQ(say("MAIL FROM:<a@b> AUTH=<>\r\n"), Lines{"250 2.1.0 Sender ok"});
}

TEST_F(ServerAuth, PlainInASecondLineAndInPieces) {
  hello();
  EXPECT_EQ(say("auth plain\r\n"), Lines{"334 "});
  EXPECT_EQ(say("am9lAGpv"), Lines{});
  EXPECT_EQ(say("ZQBwdw==\r\n"), Lines{"235 2.7.0 Authenticated"});
  EXPECT_EQ(session_.take_events(), Lines{"auth plain \"joe\" \"pw\""});
}

TEST_F(ServerAuth, NobodyActsForOthers) {
  hello();
  const std::string other = to_base64(std::string("ann\0joe\0pw", 10));
  EXPECT_EQ(say("AUTH PLAIN " + other + "\r\n").front().substr(0, 3), "501");
  EXPECT_TRUE(session_.take_events().empty());
}

TEST_F(ServerAuth, Login) {
  hello();
  EXPECT_EQ(say("AUTH LOGIN\r\nam9l\r\ncHc=\r\n"),
            (Lines{"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 Authenticated"}));
  EXPECT_EQ(session_.take_events(), Lines{"auth login \"joe\" \"pw\""});
}

TEST_F(ServerAuth, LoginWithTheNameAtOnceAndAnEmptyPassword) {
  hello();
  EXPECT_EQ(say("AUTH LOGIN am9l\r\n\r\n"),
            (Lines{"334 UGFzc3dvcmQ6", "535 5.7.8 Authentication failed"}));
  EXPECT_EQ(session_.take_events(), Lines{"auth login \"joe\" \"\""});
  EXPECT_FALSE(session_.engine.authenticated());
  EXPECT_EQ(say("AUTH LOGIN am9l\r\ncHc=\r\n").back(), "235 2.7.0 Authenticated");
}

TEST_F(ServerAuth, CramMd5) {
  hello();
  EXPECT_EQ(say("AUTH CRAM-MD5\r\n"), Lines{"334 " + to_base64("<1.2@mx.example>")});
  EXPECT_EQ(say(to_base64("joe smith 0123") + "\r\n"), Lines{"535 5.7.8 Authentication failed"});
  EXPECT_EQ(session_.take_events(),
            (Lines{"challenge", "auth cram-md5 \"joe smith\" \"0123\" <1.2@mx.example>"}));
}

TEST_F(ServerAuth, RefusesWithAReason) {
  EXPECT_EQ(say("AUTH PLAIN AGpvZQBwdw==\r\n").back().substr(0, 3), "503");
  hello();
  const std::pair<std::string, std::string> cases[] = {
      {"AUTH\r\n", "501 5.5.4"},
      {"AUTH GSSAPI\r\n", "504 5.5.4"},
      {"AUTH PLAIN a b\r\n", "501 5.5.4"},
      {"AUTH PLAIN !!!!\r\n", "501 5.5.2"},
      {"AUTH PLAIN =\r\n", "501 5.5.2"},
      {"AUTH PLAIN\r\n*\r\n", "501 5.7.0"},
      {"AUTH LOGIN\r\n=\r\n", "501 5.5.2"},
      {"AUTH LOGIN\r\n\r\n", "501 5.5.2"},
      {"AUTH CRAM-MD5 am9l\r\n", "501 5.5.4"},
      {"AUTH CRAM-MD5\r\nam9l\r\n", "501 5.5.2"},
      {"AUTH LOGIN " + to_base64("jo\r\nQUIT") + "\r\n", "501 5.5.2"},
      {"AUTH PLAIN\r\nAGpvZQBwdw==\n", "500 5.5.2"},
  };
  for (const auto& [lines, reply] : cases) {
    session_.start();
    hello();
    EXPECT_EQ(say(lines).back().substr(0, 9), reply) << lines;
    EXPECT_EQ(session_.engine.state(), ServerState::idle) << lines;
  }
  session_.take_events();
  EXPECT_EQ(say("MAIL FROM:<a@b>\r\nAUTH PLAIN AGpvZQBwdw==\r\n").back().substr(0, 9), "503 5.5.1");
  session_.engine.connection_lost();
  session_.start();
  session_.profile.auth.clear_text_ok = false;
  hello();
  EXPECT_EQ(say("AUTH PLAIN AGpvZQBwdw==\r\n").back().substr(0, 10), "538 5.7.11");
  session_.profile.auth = {};
  EXPECT_EQ(say("AUTH PLAIN AGpvZQBwdw==\r\n").back().substr(0, 3), "502");
  EXPECT_EQ(say("MAIL FROM:<a@b> AUTH=<>\r\n").back().substr(0, 3), "555");
}

// Credentials of every length, also beyond what is kept; nothing of them is read as a command.
TEST_F(ServerAuth, LongAnswers) {
  for (std::size_t size = 1; size < 4000; size += 37) {
    session_.start();
    hello();
    const std::string secret(size, 'x');
    const Lines replies = say("AUTH LOGIN am9l\r\n" + to_base64(secret) + "\r\nNOOP\r\n");
    ASSERT_EQ(replies.size(), 3U) << size;
    EXPECT_TRUE(replies[1].substr(0, 3) == "535" || replies[1].substr(0, 3) == "501") << size;
    EXPECT_EQ(replies[2], "250 2.0.0 Ok");
  }
}

TEST_F(ServerAuth, TooManyFailuresEndTheSession) {
  hello();
  session_.recorder.hold = true;
  say("AUTH LOGIN am9l\r\neHg=\r\nMAIL FROM:<a@b>\r\n");
  EXPECT_EQ(session_.engine.state(), ServerState::awaiting_auth);
  EXPECT_EQ(session_.held(), "MAIL FROM:<a@b>\r\n");
  session_.engine.complete_auth({421, "4.7.0", "Too many failed authentications"});
  session_.offer();
  EXPECT_EQ(session_.engine.state(), ServerState::closed);
}

TEST_F(ServerAuth, ExternalIsForThoseWhoHaveShownACertificate) {
  session_.profile.auth.external = true;
  hello();
  EXPECT_EQ(say("AUTH EXTERNAL =\r\n"), Lines{"504 5.5.4 Mechanism not offered"});
  session_.engine.connection_lost();
  session_.engine.start(session_.profile, true);
  session_.take_replies();
  const Lines offer = say("EHLO x\r\n");
  EXPECT_NE(std::find(offer.begin(), offer.end(), "250-AUTH PLAIN LOGIN CRAM-MD5 EXTERNAL"),
            offer.end());
  session_.take_events();
  EXPECT_EQ(say("AUTH EXTERNAL =\r\n"), Lines{"535 5.7.8 Authentication failed"});
  EXPECT_EQ(session_.take_events(), Lines{"auth external \"\" \"\""});
  EXPECT_EQ(say("AUTH EXTERNAL\r\n"), Lines{"334 "});
  EXPECT_EQ(say("\r\n"), Lines{"535 5.7.8 Authentication failed"});
  EXPECT_EQ(session_.take_events(), Lines{"auth external \"\" \"\""});
  EXPECT_EQ(say("AUTH EXTERNAL " + to_base64("jo\ne") + "\r\n").front().substr(0, 3), "501");
  EXPECT_EQ(say("AUTH EXTERNAL\r\n*\r\n").back().substr(0, 3), "501");
  EXPECT_TRUE(session_.take_events().empty());
  EXPECT_EQ(say("AUTH EXTERNAL " + to_base64("joe") + "\r\n"), Lines{"235 2.7.0 Authenticated"});
  EXPECT_EQ(session_.take_events(), Lines{"auth external \"joe\" \"\""});
}

}  // namespace
}  // namespace ringpost::smtp
