#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "bench/tools/content.h"
#include "bench/tools/load_message.h"
#include "bench/tools/load_session.h"

namespace ringpost::tools {
namespace {

TEST(MessageMaker, MixedMessagesAreLegalAndOfEveryKind) {
  LoadOptions options;
  options.mix = true;
  MessageMaker maker(options, 0xabc);
  LoadMessage message;
  int open_ended = 0;
  int eight_bit = 0;
  unsigned recipients_max = 0;
  for (std::uint64_t sequence = 0; sequence < 200; ++sequence) {
    maker.make(sequence, true, message);
    std::string_view rest = message.content;
    ASSERT_TRUE(rest.starts_with(kIdField));
    ASSERT_NE(std::string::npos, rest.find("\r\n\r\n"));
    while (!rest.empty()) {
      const std::size_t end = rest.find("\r\n");
      const std::string_view line = rest.substr(0, end);
      ASSERT_LE(line.size(), 998U);
      ASSERT_EQ(std::string_view::npos, line.find_first_of("\r\n")) << "a bare CR or LF";
      if (end == std::string_view::npos) {
        ASSERT_TRUE(message.bdat_only);
        ++open_ended;
        break;
      }
      rest.remove_prefix(end + 2);
    }
    eight_bit += message.eight_bit ? 1 : 0;
    recipients_max = std::max(recipients_max, message.recipients);
    EXPECT_EQ(content_hash(message.content), message.hash);
  }
  EXPECT_EQ(20, open_ended);
  EXPECT_EQ(20, eight_bit);
  EXPECT_GT(recipients_max, 2U);
  maker.make(6, false, message);
  EXPECT_FALSE(message.bdat_only);
  EXPECT_TRUE(message.content.ends_with("\r\n"));
}

TEST(MessageMaker, SizesAreMet) {
  LoadOptions options;
  options.size_min = options.size_max = 4096;
  MessageMaker maker(options, 1);
  LoadMessage message;
  maker.make(1, true, message);
  EXPECT_NEAR(4096, static_cast<double>(message.content.size()), 2);
}

/// Gives a number of messages and notes how they ended.
class NotingHost final : public LoadHost {
 public:
  explicit NotingHost(unsigned messages) : maker_(options_, 1), left_(messages) {}

  LoadOptions options_;
  std::vector<Ending> endings;
  std::string refused;

  const LoadOptions& options() const override { return options_; }
  bool next_message(bool chunking, LoadMessage& message) override {
    if (left_ == 0) {
      return false;
    }
    --left_;
    maker_.make(sequence_++, chunking, message);
    return true;
  }
  std::string recipient_of(std::uint64_t sequence, unsigned k) override {
    return maker_.recipient(sequence, k);
  }
  void ended(Ending ending, const LoadTransaction& transaction, std::int64_t,
             std::string_view) override {
    endings.push_back(ending);
    refused = transaction.refused;
  }

 private:
  MessageMaker maker_;
  unsigned left_;
  std::uint64_t sequence_ = 0;
};

/// What the session wrote since the last look, content left out.
std::string said(LoadSession& session) {
  std::string out = std::exchange(session.out(), {});
  const std::size_t content = out.find(kIdField);
  if (content != std::string::npos) {
    out.erase(content, out.find("\r\n.\r\n", content) + 5 - content);
  }
  return out;
}

class LoadSessionTest : public ::testing::Test {
 protected:
  void answer(LoadSession& session, std::string_view reply) {
    session.receive(reply, 0);
    session.advance(0);
  }
  void greet(LoadSession& session) {
    session.begin();
    answer(session, "220 x\r\n");
    EXPECT_EQ("EHLO load.example\r\n", said(session));
    answer(session, "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
  }
};

TEST_F(LoadSessionTest, TheNextEnvelopeTravelsBehindTheContent) {
  NotingHost host(2);
  host.options_.pipelining = Pipelining::next;
  LoadSession session(host);
  greet(session);
  EXPECT_EQ("MAIL FROM:<sender@load.example>\r\nRCPT TO:<u0.0@d1.example>\r\nDATA\r\n",
            said(session));
  answer(session, "250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ("MAIL FROM:<sender@load.example>\r\nRCPT TO:<u1.0@d1.example>\r\nDATA\r\n",
            said(session));
  answer(session, "250 taken\r\n250 ok\r\n250 ok\r\n");
  EXPECT_EQ(1U, host.endings.size());
  session.lost();
  EXPECT_EQ((std::vector<Ending>{Ending::acked, Ending::unsent}), host.endings);
}

TEST_F(LoadSessionTest, AllRecipientsRefusedYetAskedForContentSendsALoneDot) {
  NotingHost host(1);
  LoadSession session(host);
  greet(session);
  said(session);
  answer(session, "250 ok\r\n550 no\r\n354 go\r\n");
  EXPECT_EQ(".\r\n", said(session));
  answer(session, "250 taken\r\n");
  EXPECT_EQ((std::vector<Ending>{Ending::refused}), host.endings);
  EXPECT_EQ("1", host.refused);
}

TEST_F(LoadSessionTest, ALostReplyIsUnknown) {
  NotingHost host(1);
  LoadSession session(host);
  greet(session);
  answer(session, "250 ok\r\n250 ok\r\n354 go\r\n");
  session.lost();
  EXPECT_EQ((std::vector<Ending>{Ending::unknown}), host.endings);
}

}  // namespace
}  // namespace ringpost::tools
