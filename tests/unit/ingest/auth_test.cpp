#include <gtest/gtest.h>

#include "core/base/base64.h"
#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

std::string plain(const std::string& user, const std::string& password) {
  return "AUTH PLAIN " + to_base64('\0' + user + '\0' + password) + "\r\n";
}

/// A world in which strangers must authenticate: joe keeps the rules of the address, ann gets those
/// of a source of her own.
class AuthWorld : public IngestWorld {
 public:
  AuthWorld() {
    config->policies.resize(3);
    auto book = std::make_shared<auth::UserBook>();
    book->add({"joe", *auth::StoredSecret::parse("pw"), kSameRules});
    book->add({"ann", *auth::StoredSecret::parse("pw"), 1});
    SourcePolicy& stranger = config->policies[0];
    stranger.require_auth = true;
    stranger.auth = {true, true, true, true, false};
    stranger.users = book;
    SourcePolicy& own = config->policies[2];
    own.may_relay = true;
    own.require_auth = true;
    own.default_vmta = "hers";
    own.limits.recipients_max = 1;
    own.prepare();
    config->rules.push_back({2, {}});
  }
};

TEST(IngestAuth, NothingIsTakenBefore) {
  AuthWorld w;
  w.start();
  TestClient& client = w.connect(kStranger);
  client.send("EHLO x\r\nMAIL FROM:<a@b>\r\n");
  ASSERT_TRUE(w.hears(client, "530 5.7.0"));
  client.send(plain("joe", "pw"));
  ASSERT_TRUE(w.hears(client, "235"));
  // Rights of the address as before: relaying is another matter.
  client.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
  ASSERT_TRUE(w.hears(client, "550 5.7.1"));
  EXPECT_EQ(w.service->stats().authenticated, 1U);
}

TEST(IngestAuth, BuffersThatHeldASecretGoBackWithoutIt) {
  for (const std::size_t piece : {std::size_t{3}, std::size_t{1000}}) {
    AuthWorld w;
    w.start();
    std::string lent;
    w.server_net.on_recycled = [&lent](std::string_view bytes) { lent += bytes; };
    TestClient& client = w.connect(kStranger);
    client.send("EHLO x\r\n");
    ASSERT_TRUE(w.hears(client, "250 "));
    const std::string secret = plain("joe", "pw");
    for (std::size_t at = 0; at < secret.size(); at += piece) {
      client.send(secret.substr(at, piece));
    }
    ASSERT_TRUE(w.hears(client, "235"));
    EXPECT_GT(lent.size(), 0U);
    EXPECT_EQ(lent.find_first_not_of('\0'), std::string::npos) << lent;
  }
}

TEST(IngestAuth, TheUsersSourceRules) {
  AuthWorld w;
  w.start();
  TestClient& client = w.connect(kStranger);
  client.send("EHLO x\r\n");
  ASSERT_TRUE(w.hears(client, "250 "));
  client.send(plain("ann", "pw") + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n");
  ASSERT_TRUE(w.hears(client, "452 4.5.3"));
  client.send("DATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: x\r\n\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0"));
  ASSERT_EQ(w.sink.stored.size(), 1U);
  EXPECT_EQ(w.sink.stored[0].vmta, "hers");
  EXPECT_EQ(w.sink.stored[0].user, "ann");
}

TEST(IngestAuth, GuessingEnds) {
  AuthWorld w;
  w.config->policies[0].auth_failures_max = 5;
  w.start();
  for (int session = 0; session < 3; ++session) {
    TestClient& client = w.connect(kStranger);
    client.send("EHLO x\r\n" + plain("joe", "a") + plain("joe", "b") + plain("joe", "c") +
                plain("joe", "pw"));
    ASSERT_TRUE(w.run_until([&] { return client.ended(); }));
    EXPECT_EQ(client.last().substr(0, 9), "421 4.7.0");
    EXPECT_EQ(client.heard.find("235"), std::string::npos);
  }
  EXPECT_EQ(w.service->stats().auth_failed, 7U);
  EXPECT_EQ(w.service->stats().authenticated, 0U);
  // The right password does not help now, and does a while later.
  TestClient& early = w.connect(kStranger);
  early.send("EHLO x\r\n" + plain("joe", "pw"));
  ASSERT_TRUE(w.hears(early, "421"));
  w.run_for(Duration::minutes(3));
  TestClient& late = w.connect(kStranger);
  late.send("EHLO x\r\n" + plain("joe", "pw"));
  ASSERT_TRUE(w.hears(late, "235"));
}

TEST(IngestAuth, NotOfferedToThoseWithoutUsers) {
  AuthWorld w;
  w.start();
  TestClient& local = w.connect(kLoopback);
  local.send("EHLO x\r\n");
  ASSERT_TRUE(w.hears(local, "250 ENHANCED"));
  EXPECT_EQ(local.heard.find("AUTH"), std::string::npos);
}

TEST(IngestAuth, ClearTextStaysOnTheHost) {
  AuthWorld w;
  for (SourcePolicy& policy : w.config->policies) {
    policy.users = w.config->policies[0].users;
    policy.auth = {true, false, false, false, false};
    policy.clear_auth_on_loopback = true;
  }
  w.start();
  TestClient& local = w.connect(kLoopback);
  TestClient& far = w.connect(kStranger);
  local.send("EHLO x\r\n");
  far.send("EHLO x\r\n" + plain("joe", "pw"));
  ASSERT_TRUE(w.hears(local, "250 ENHANCED"));
  EXPECT_NE(local.heard.find("AUTH PLAIN"), std::string::npos);
  ASSERT_TRUE(w.hears(far, "538"));
}

TEST(IngestAuth, SendersAndRecipientsThatMayBeNamed) {
  IngestWorld w;
  w.config->policies[1].senders = {"*@good.test", "boss@*"};
  w.config->policies[1].recipients = {"*@d"};
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO x\r\nMAIL FROM:<a@bad.test>\r\n");
  ASSERT_TRUE(w.hears(client, "550 5.7.1 This sender"));
  client.send("MAIL FROM:<>\r\n");
  ASSERT_TRUE(w.hears(client, "550 5.7.1 This sender"));
  client.send("MAIL FROM:<Boss@x>\r\nRSET\r\nMAIL FROM:<a@GOOD.test>\r\nRCPT TO:<a@e>\r\n");
  ASSERT_TRUE(w.hears(client, "550 5.7.1 This recipient"));
  client.send("RCPT TO:<a@D>\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.1.5"));
}

TEST(IngestAuth, PatternsOfAddresses) {
  EXPECT_TRUE(is_allowed("a@b", {}));
  EXPECT_TRUE(is_allowed("", {"*"}));
  EXPECT_TRUE(is_allowed("a@b", {"x", "A@B"}));
  EXPECT_TRUE(is_allowed("a@b.c", {"*b*"}));
  EXPECT_FALSE(is_allowed("a@bb", {"*@b"}));
  EXPECT_FALSE(is_allowed("", {"a*"}));
  EXPECT_FALSE(is_allowed("xa@b", {"a@b"}));
  EXPECT_FALSE(is_allowed("b", {"*b@*"}));
}

TEST(IngestProxy, TheConveyedAddressCounts) {
  IngestWorld w;
  w.config->policies[0].accept = true;
  w.config->policies.resize(3);
  w.config->policies[2].proxied = true;
  w.config->policies[2].prepare();
  const IpAddress balancer = IpAddress::v4(10, 0, 0, 1);
  w.config->rules[0].rules.push_back({*IpNetwork::parse("10.0.0.0/8"), 2});
  w.start();
  TestClient& inside = w.connect(balancer);
  inside.send("PROXY TCP4 127.0.0.1 192.0.2.1 5000 25\r\nEHLO x\r\nMAIL FROM:<a@b>\r\n");
  inside.send("RCPT TO:<c@d>\r\nDATA\r\n");
  ASSERT_TRUE(w.hears(inside, "354"));
  inside.send("Subject: x\r\n\r\n.\r\n");
  ASSERT_TRUE(w.hears(inside, "250 2.0.0"));
  EXPECT_EQ(w.sink.stored[0].origin, kLoopback);
  TestClient& outside = w.connect(balancer);
  outside.send("PROXY TCP4 198.51.100.7 192.0.2.1 5000 25\r\n");
  ASSERT_TRUE(w.hears(outside, "220"));
  outside.send("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
  ASSERT_TRUE(w.hears(outside, "550 5.7.1"));
}

TEST(IngestAuth, AfterStarttlsAlone) {
  AuthWorld w;
  w.config->listen[0].tls = w.tls.server("good:mx.example");
  w.config->policies[0].starttls = true;
  w.config->policies[0].auth = {true, true, false, false, false};
  w.start();
  TestClient& client = w.connect(kStranger);
  client.send("EHLO x\r\n" + plain("ann", "pw"));
  ASSERT_TRUE(w.hears(client, "538 5.7.11"));
  EXPECT_EQ(client.heard.find("250-AUTH"), std::string::npos);
  client.send("STARTTLS\r\n");
  ASSERT_TRUE(w.hears(client, "220 2.0.0"));
  client.secure(*w.tls.client_context({}));
  ASSERT_TRUE(w.run_until([&] { return client.secured(); }));
  client.send(plain("ann", "pw"));
  ASSERT_TRUE(w.hears(client, "503"));  // EHLO first: what was said in clear is forgotten
  client.send("EHLO x\r\n");
  ASSERT_TRUE(w.hears(client, "250 ENHANCED"));
  EXPECT_NE(client.heard.find("250-AUTH PLAIN LOGIN\r\n"), std::string::npos);
  client.send(plain("ann", "pw") + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  ASSERT_TRUE(w.hears(client, "354"));
  client.send("Subject: x\r\n\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0"));
  EXPECT_NE(w.sink.stored[0].prefix.find("with ESMTPSA"), std::string::npos);
}

TEST(IngestAuth, NoStarttlsAfterIt) {
  AuthWorld w;
  w.config->listen[0].tls = w.tls.server("good:mx.example");
  w.config->policies[0].starttls = true;
  w.start();
  TestClient& client = w.connect(kStranger);
  client.send("EHLO x\r\n" + plain("joe", "pw"));
  ASSERT_TRUE(w.hears(client, "235"));
  client.send("STARTTLS\r\n");
  ASSERT_TRUE(w.hears(client, "503 5.5.1"));
}

TEST(IngestProxy, AHandshakeBehindTheHeader) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    IngestWorld w(seed);
    w.config->listen[0].tls = w.tls.server("good:mx.example");
    w.config->listen[0].immediate_tls = true;
    w.config->policies[1].proxied = true;
    w.start();
    TestClient& client = w.connect();
    client.send("PROXY TCP4 127.0.0.1 192.0.2.1 5000 25\r\n");
    w.run_for(Duration::milliseconds(20));
    client.secure(*w.tls.client_context({}));
    ASSERT_TRUE(w.hears(client, "220 mx.example")) << seed;
    EXPECT_TRUE(client.secured());
  }
}

TEST(IngestProxy, WithoutAHeaderNothingIsSaid) {
  IngestWorld w;
  w.config->policies[1].proxied = true;
  w.start();
  TestClient& rude = w.connect();
  rude.send("EHLO x\r\n");
  ASSERT_TRUE(w.run_until([&] { return rude.ended(); }));
  EXPECT_EQ(rude.heard, "");
  TestClient& silent = w.connect();
  ASSERT_TRUE(w.run_until([&] { return silent.ended(); }, Duration::minutes(6)));
  EXPECT_EQ(silent.heard, "");
  TestClient& gone = w.connect();
  gone.send("PROXY TCP4 1");
  gone.finish();
  ASSERT_TRUE(w.run_until([&] { return gone.ended(); }));
  EXPECT_EQ(gone.heard, "");
  EXPECT_EQ(w.service->stats().proxy_refused, 2U);
}

TEST(IngestProxy, StopsWhileAHeaderIsAwaited) {
  IngestWorld w;
  w.config->policies[1].proxied = true;
  w.start();
  TestClient& client = w.connect();
  w.run_for(Duration::seconds(1));
  w.stop();
  ASSERT_TRUE(w.run_until([&] { return w.stop_reported(); }));
  EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace ringpost::ingest
