// What sessions tell the event log.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/deliver/deliver_world.h"

namespace ringpost::deliver {
namespace {

constexpr const char* kHost = "192.0.2.1";

class Listener : public EventSink {
 public:
  struct Line {
    EventKind kind;
    EventSpeaker speaker;
    std::string text;
    std::string host;
  };
  void tell(const EventSubject& subject, const EventInterest&, EventKind kind, EventSpeaker speaker,
            std::string_view line) noexcept override {
    lines.push_back({kind, speaker, std::string(line), std::string(subject.host)});
  }
  std::size_t count(EventKind kind) const {
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(), [kind](const Line& line) { return line.kind == kind; }));
  }
  bool said(EventSpeaker speaker, std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(), [&](const Line& line) {
      return line.speaker == speaker && line.text == text;
    });
  }
  bool mentions(std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const Line& line) { return line.text.find(text) != std::string::npos; });
  }
  std::vector<Line> lines;

 private:
  void watch(const EventSubject&, EventInterest&) const noexcept override {}
};

struct EventWorld : DeliverWorld {
  explicit EventWorld(EventKinds kinds) {
    deliverer->set_events(listener);
    policy->events = kinds;
  }
  TestHost& host(HostManners manners = {}) {
    add_route("mx.example.org", 10, kHost);
    return add_host(kHost, std::move(manners));
  }
  bool deliver(const std::string& content = "Subject: x\r\n\r\nbody\r\n.\r\n") {
    add_message(content, {"a@example.org"});
    return open() && run();
  }
  Listener listener;
};

TEST(DeliverEvents, NothingUnlessWanted) {
  EventWorld world(0);
  world.host();
  ASSERT_TRUE(world.deliver());
  EXPECT_TRUE(world.listener.lines.empty());
}

TEST(DeliverEvents, TheWholeDialogue) {
  EventWorld world(kAllEventKinds);
  world.host();
  ASSERT_TRUE(world.deliver());
  const Listener& heard = world.listener;
  EXPECT_TRUE(heard.mentions("host mx.example.org preference 10: 192.0.2.1"));
  EXPECT_TRUE(heard.mentions("connected from "));
  EXPECT_TRUE(heard.said(EventSpeaker::us, "DATA"));
  EXPECT_TRUE(heard.mentions("RCPT TO:<a@example.org>"));
  EXPECT_TRUE(std::any_of(heard.lines.begin(), heard.lines.end(), [](const Listener::Line& line) {
    return line.speaker == EventSpeaker::peer && line.text.rfind("354", 0) == 0;
  }));
  EXPECT_TRUE(heard.said(EventSpeaker::us, "body"));
  EXPECT_TRUE(heard.mentions("closed: "));
  EXPECT_EQ(heard.count(EventKind::failure), 0U);
  EXPECT_TRUE(std::all_of(heard.lines.begin(), heard.lines.end(), [](const Listener::Line& line) {
    return line.kind == EventKind::resolution || line.host == "mx.example.org";
  }));
}

TEST(DeliverEvents, ContentHasABound) {
  EventWorld world(event_bit(EventKind::content));
  world.host();
  std::string content;
  for (int i = 0; i < 3000; ++i) {
    content += "a line of content that is repeated often\r\n";
  }
  ASSERT_TRUE(world.deliver(content + ".\r\n"));
  std::size_t told = 0;
  for (const auto& line : world.listener.lines) {
    EXPECT_EQ(line.kind, EventKind::content);
    told += line.text.size() + 2;
  }
  EXPECT_LE(told, kContentTold + 100);
  EXPECT_TRUE(world.listener.mentions(" more octets)"));
}

TEST(DeliverEvents, FailuresAlone) {
  EventWorld world(event_bit(EventKind::failure));
  HostManners manners;
  manners.hook = [](const std::string& line) -> std::string {
    return line.rfind("RCPT", 0) == 0 ? "550 5.1.1 nobody of that name" : "";
  };
  world.host(manners);
  ASSERT_TRUE(world.deliver());
  ASSERT_EQ(world.listener.lines.size(), 1U);
  EXPECT_EQ(world.listener.lines[0].text,
            "bounced <a@example.org> at rcpt: 550 nobody of that name");
  EXPECT_EQ(world.listener.lines[0].speaker, EventSpeaker::bad);
}

TEST(DeliverEvents, AHostThatCannotBeReached) {
  EventWorld world(event_bit(EventKind::failure) | event_bit(EventKind::connection));
  world.add_route("mx.example.org", 10, kHost);
  ASSERT_TRUE(world.deliver());
  EXPECT_TRUE(world.listener.mentions("not connected: "));
  EXPECT_TRUE(world.listener.mentions("no transfer, at connect: "));
}

// Passwords show up neither in what we say nor in what a host repeats.
TEST(DeliverEvents, SecretsAreNotTold) {
  for (const bool login : {false, true}) {
    EventWorld world(kAllEventKinds);
    world.policy->login = std::make_shared<const Login>(Login{"joe", SecretText("secret"), true});
    HostManners manners;
    manners.extensions += login ? "|AUTH LOGIN" : "|AUTH PLAIN";
    manners.hook = [](const std::string& line) -> std::string {
      return line == "AUTH LOGIN" || line == "am9l" ? "334 VXNlcm5hbWU6"
             : line == "c2VjcmV0"                   ? "535 5.7.8 not secret (c2VjcmV0)"
             : line.rfind("AUTH PLAIN", 0) == 0     ? "535 5.7.8 not secret (AGpvZQBzZWNyZXQ=)"
                                                    : "";
    };
    world.host(manners);
    ASSERT_TRUE(world.deliver());
    const Listener& heard = world.listener;
    EXPECT_TRUE(heard.said(EventSpeaker::us, login ? "AUTH LOGIN" : "AUTH PLAIN (not shown)"));
    EXPECT_TRUE(heard.said(EventSpeaker::peer, "535 (not shown)"));
    for (const char* secret : {"secret", "c2VjcmV0", "AGpvZQBzZWNyZXQ"}) {
      EXPECT_FALSE(heard.mentions(secret)) << secret;
    }
  }
}

}  // namespace
}  // namespace ringpost::deliver
