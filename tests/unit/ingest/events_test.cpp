// What sessions tell the event log.

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/base64.h"
#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

class Listener : public EventSink {
 public:
  void tell(const EventSubject& subject, const EventInterest&, EventKind kind, EventSpeaker speaker,
            std::string_view line) noexcept override {
    EXPECT_TRUE(subject.incoming);
    const char* mark = speaker == EventSpeaker::us     ? "> "
                       : speaker == EventSpeaker::peer ? "< "
                                                       : "";
    lines.push_back(mark + std::string(line));
    kinds.push_back(kind);
  }
  bool said(const std::string& line) const {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  }
  bool mentions(std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }
  std::vector<std::string> lines;
  std::vector<EventKind> kinds;
  /// Watched from now on.
  void watch_all(EventKinds wanted) {
    watched = wanted;
    watchers_changed();
  }
  EventKinds watched = 0;

 private:
  void watch(const EventSubject&, EventInterest& interest) const noexcept override {
    interest.traced = watched;
    interest.traces = watched != 0 ? 1 : 0;
  }
};

// Outlives the sessions, which tell of their end.
struct WithListener {
  Listener listener;
};

struct EventWorld : WithListener, IngestWorld {
  explicit EventWorld(EventKinds kinds) {
    for (SourcePolicy& policy : config->policies) {
      policy.events = kinds;
    }
  }
  void start_told() {
    start();
    service->set_events(listener);
  }
};

constexpr const char* kMail =
    "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

TEST(IngestEvents, TheDialogueButNotTheContent) {
  EventWorld w(event_bit(EventKind::command) | event_bit(EventKind::connection));
  w.start_told();
  TestClient& client = w.connect();
  client.send(kMail);
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: x\r\n\r\nthe body\r\n.\r\nQUIT\r\n");
  ASSERT_TRUE(w.hears(client, "221"));
  ASSERT_TRUE(w.run_until([&] { return w.listener.said("closed"); }));
  const Listener& heard = w.listener;
  EXPECT_EQ(heard.lines.front(), "connected to 192.0.2.1");
  EXPECT_TRUE(heard.said("< RCPT TO:<c@d.example>"));
  EXPECT_TRUE(heard.mentions("> 220 mx.example"));
  EXPECT_TRUE(heard.mentions("> 250 2.0.0 Ok: queued as "));
  EXPECT_FALSE(heard.mentions("the body"));
  // Each reply once, however often the output was looked at.
  EXPECT_EQ(std::count_if(heard.lines.begin(), heard.lines.end(),
                          [](const std::string& line) { return line.rfind("> 354", 0) == 0; }),
            1);
}

TEST(IngestEvents, ContentWhereAsked) {
  EventWorld w(event_bit(EventKind::content));
  w.start_told();
  TestClient& client = w.connect();
  client.send(kMail);
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: x\r\n\r\n" + std::string(kContentTold, 'b') + "\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0"));
  EXPECT_TRUE(w.listener.said("< Subject: x"));
  EXPECT_TRUE(w.listener.mentions(" more octets)"));
}

TEST(IngestEvents, AWatcherSeesTheRestOfASession) {
  EventWorld w(0);
  w.start_told();
  TestClient& client = w.connect();
  client.send("EHLO x\r\n");
  ASSERT_TRUE(w.hears(client, "250 "));
  EXPECT_TRUE(w.listener.lines.empty());
  w.listener.watch_all(event_bit(EventKind::command));
  client.send("NOOP\r\n");
  ASSERT_TRUE(w.run_until([&] { return w.listener.mentions("> 250 "); }));
  w.listener.watch_all(0);
  const std::size_t before = w.listener.lines.size();
  client.send("RSET\r\nQUIT\r\n");
  ASSERT_TRUE(w.hears(client, "221"));
  EXPECT_EQ(w.listener.lines.size(), before);
}

// However a client sends its password, the log does not have it.
TEST(IngestEvents, SecretsAreNotTold) {
  EventWorld w(kAllEventKinds);
  SourcePolicy& policy = w.config->policies[0];
  auto book = std::make_shared<auth::UserBook>();
  book->add({"joe", *auth::StoredSecret::parse("hunter2"), kSameRules});
  policy.auth = {true, true, true, true, false};
  policy.users = book;
  w.start_told();
  const std::string plain = to_base64(std::string("\0joe\0hunter2", 12));
  const std::string password = to_base64(std::string("hunter2"));
  for (const std::string& said :
       {"AUTH PLAIN " + plain + "\r\n", "auth plain\r\n" + plain + "\r\n",
        "AUTH LOGIN\r\n" + to_base64(std::string("joe")) + "\r\n" + password + "\r\n",
        "AUTH " + plain + "\r\n", "AUTH CRAM-SHA " + plain + "\r\n" + password + "\r\n",
        password + "\r\n", "AUTH PLAIN " + plain + "\n", "AUTH\t" + plain + "\r\n"}) {
    TestClient& client = w.connect(kStranger);
    client.send("EHLO x\r\n");
    ASSERT_TRUE(w.hears(client, "250 "));
    client.send(said);
    w.run_for(Duration::seconds(2));
    client.close();
    w.run_for(Duration::seconds(1));
  }
  EXPECT_TRUE(w.listener.said("< AUTH PLAIN (not shown)"));
  EXPECT_TRUE(w.listener.said("< AUTH LOGIN"));
  EXPECT_FALSE(w.listener.mentions(password));
  EXPECT_FALSE(w.listener.mentions(plain));
  EXPECT_FALSE(w.listener.mentions("hunter2"));
}

}  // namespace
}  // namespace ringpost::ingest
