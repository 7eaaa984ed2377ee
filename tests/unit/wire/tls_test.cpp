#include "net/wire/openssl_tls.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/loop/secure_net.h"
#include "net/wire/kernel_tls.h"
#include "tests/unit/wire/test_certificates.h"
#include "tests/unit/wire/wire_shard.h"

namespace ringpost {
namespace {

constexpr const char* kHost = "mx.mail.example";

/// Two engines that hand each other their bytes, in pieces of `piece` octets.
struct Talk {
  explicit Talk(OpenSslEngines& made_by, TlsContextRef client_context, TlsContextRef server_context)
      : engines(made_by) {
    client_op.context = std::move(client_context);
    client_op.host_name = kHost;
    server_op.context = std::move(server_context);
    server_op.server = true;
  }

  /// True when both sides are done.
  bool shake_hands() {
    client = engines.make(client_op);
    server = engines.make(server_op);
    for (int i = 0; i < 10 && !(client_done && server_done); ++i) {
      client_done = client_done || step(*client, client_op);
      move(*client, *server, to_server);
      server_done = server_done || step(*server, server_op);
      move(*server, *client, to_client);
    }
    return client_done && server_done;
  }
  bool step(TlsEngine& engine, SecureOp& op) {
    const TlsEngine::Step result = engine.handshake(op);
    failed = failed || result == TlsEngine::Step::failed;
    return result == TlsEngine::Step::done;
  }
  static void move(TlsEngine& from, TlsEngine& to, std::string& held) {
    held.assign(from.output().begin(), from.output().end());
    from.output().clear();
    if (!held.empty()) {
      to.give(held);
    }
  }
  /// What `to` reads of what `from` has to say, given in pieces of one octet.
  static std::string carry(TlsEngine& from, TlsEngine& to) {
    const std::string bytes(from.output().begin(), from.output().end());
    from.output().clear();
    std::string text;
    char room[700];
    while (!to.needs_bytes()) {
      EXPECT_EQ(to.read(room), 0U);  // tickets that came behind the handshake
    }
    for (const char& c : bytes) {
      to.give({&c, 1});
      while (const std::size_t size = to.read(room)) {
        text.append(room, size);
      }
      EXPECT_TRUE(to.needs_bytes() || to.ended());
    }
    return text;
  }

  OpenSslEngines& engines;
  SecureOp client_op;
  SecureOp server_op;
  std::unique_ptr<TlsEngine> client;
  std::unique_ptr<TlsEngine> server;
  std::string to_server;
  std::string to_client;
  bool client_done = false;
  bool server_done = false;
  bool failed = false;
};

class OpenSsl : public ::testing::Test {
 protected:
  TlsContextRef client(TlsProtocol protocol = {}) {
    TlsClientSettings settings;
    settings.protocol = std::move(protocol);
    settings.authorities = true;
    settings.ca_file = authority.ca_file();
    auto made = engines.client_context(settings);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().describe());
    return *made;
  }
  TlsContextRef server(std::vector<std::string> files, TlsProtocol protocol = {}) {
    TlsServerSettings settings;
    settings.protocol = std::move(protocol);
    for (std::string& file : files) {
      settings.certificates.push_back({std::move(file), ""});
    }
    auto made = engines.server_context(settings);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().describe());
    return *made;
  }

  TestAuthority authority;
  OpenSslEngines engines{std::make_shared<OpenSslAuthorities>()};
};

TlsProtocol only(TlsVersion version) {
  TlsProtocol protocol;
  protocol.v1_0 = version == TlsVersion::v1_0;
  protocol.v1_1 = version == TlsVersion::v1_1;
  protocol.v1_2 = version == TlsVersion::v1_2;
  protocol.v1_3 = version == TlsVersion::v1_3;
  return protocol;
}

TEST_F(OpenSsl, EveryVersionCarriesBytesBothWays) {
  const TlsContextRef shown = server({authority.issue(kHost)});
  for (const TlsVersion version :
       {TlsVersion::v1_0, TlsVersion::v1_1, TlsVersion::v1_2, TlsVersion::v1_3}) {
    Talk talk(engines, client(only(version)), server({authority.issue(kHost)}, only(version)));
    ASSERT_TRUE(talk.shake_hands()) << name_of(version) << talk.client_op.error_text();
    EXPECT_EQ(talk.client_op.facts.version, version);
    EXPECT_EQ(talk.server_op.facts.version, version);
    EXPECT_FALSE(talk.client_op.facts.cipher.empty());
    EXPECT_FALSE(talk.client_op.facts.verified);
    const std::string text(TlsEngine::kPieceMax, 'x');
    EXPECT_TRUE(talk.client->write(text));
    EXPECT_GT(talk.client->output().size(), text.size());
    EXPECT_EQ(Talk::carry(*talk.client, *talk.server), text);
    EXPECT_TRUE(talk.server->write("back"));
    EXPECT_EQ(Talk::carry(*talk.server, *talk.client), "back");
    talk.client->end();
    EXPECT_EQ(Talk::carry(*talk.client, *talk.server), "");
    EXPECT_TRUE(talk.server->ended());
    EXPECT_FALSE(talk.server->broken());
  }
}

TEST_F(OpenSsl, OldPeersAreRefusedUnlessAllowed) {
  Talk talk(engines, client(), server({authority.issue(kHost)}, only(TlsVersion::v1_0)));
  EXPECT_FALSE(talk.shake_hands());
  EXPECT_TRUE(talk.failed);
  EXPECT_FALSE(talk.client_op.error_text().empty());
  EXPECT_EQ(talk.client_op.failure, TlsFailure::validation_failure);
}

TEST_F(OpenSsl, CertificatesAreChecked) {
  struct Case {
    std::string file;
    TlsFailure failure;
  };
  const Case cases[] = {
      {authority.issue(kHost), TlsFailure::none},
      {authority.issue("*.mail.example"), TlsFailure::none},
      {authority.issue("other.example"), TlsFailure::certificate_host_mismatch},
      {authority.issue(kHost, -1), TlsFailure::certificate_expired},
      {authority.issue(kHost, 30, true), TlsFailure::certificate_not_trusted},
  };
  for (const Case& one : cases) {
    Talk talk(engines, client(), server({one.file}));
    talk.client_op.check = TlsCheck::certificate;
    EXPECT_EQ(talk.shake_hands(), one.failure == TlsFailure::none);
    EXPECT_EQ(talk.client_op.failure, one.failure) << talk.client_op.error_text();
    EXPECT_EQ(talk.client_op.facts.verified, one.failure == TlsFailure::none);
  }
}

TEST_F(OpenSsl, WhatAClientShowsIsTold) {
  struct Case {
    std::string file;
    ClientProof pinned;   ///< where nobody vouches for certificates
    ClientProof vouched;  ///< where the authority does
  };
  const Case cases[] = {
      {"", ClientProof::none, ClientProof::none},
      {authority.issue("joe"), ClientProof::good, ClientProof::good},
      {authority.issue("joe", -1), ClientProof::expired, ClientProof::expired},
      {authority.issue("joe", 30, true), ClientProof::good, ClientProof::untrusted},
  };
  const std::string own = authority.issue(kHost);
  for (const Case& one : cases) {
    for (const bool vouched : {false, true}) {
      for (const TlsVersion version : {TlsVersion::v1_2, TlsVersion::v1_3}) {
        TlsServerSettings asking;
        asking.protocol = only(version);
        asking.certificates.push_back({own, ""});
        asking.asks_clients = true;
        asking.ca_file = vouched ? authority.ca_file() : "";
        TlsClientSettings showing;
        showing.certificate.file = one.file;
        Talk talk(engines, *engines.client_context(showing), *engines.server_context(asking));
        ASSERT_TRUE(talk.shake_hands()) << one.file;
        EXPECT_EQ(talk.server_op.facts.client, vouched ? one.vouched : one.pinned) << one.file;
        EXPECT_EQ(talk.server_op.facts.client_digest == CertificateDigest{}, one.file.empty());
      }
    }
  }
}

TEST_F(OpenSsl, WhatAClientHasShownCountsInAResumedSession) {
  const std::string shown = authority.issue("joe");
  TlsServerSettings asking;
  asking.certificates.push_back({authority.issue(kHost), ""});
  asking.asks_clients = true;
  const TlsContextRef listener = *engines.server_context(asking);
  TlsClientSettings showing;
  showing.certificate.file = shown;
  const TlsContextRef visitor = *engines.client_context(showing);
  CertificateDigest first{};
  for (const bool again : {false, true}) {
    Talk talk(engines, visitor, listener);
    talk.client_op.session_key = "mx";
    ASSERT_TRUE(talk.shake_hands());
    EXPECT_EQ(talk.server_op.facts.resumed, again);
    EXPECT_EQ(talk.server_op.facts.client, ClientProof::good);
    EXPECT_TRUE(!again || talk.server_op.facts.client_digest == first);
    first = talk.server_op.facts.client_digest;
    EXPECT_TRUE(talk.server->write("x"));
    EXPECT_EQ(Talk::carry(*talk.server, *talk.client), "x");
  }
}

TEST_F(OpenSsl, ACheckCanBeOnlyAdvice) {
  for (const bool good : {true, false}) {
    Talk talk(engines, client(), server({authority.issue(good ? kHost : "other.example")}));
    talk.client_op.check = TlsCheck::certificate;
    talk.client_op.advisory = true;
    ASSERT_TRUE(talk.shake_hands()) << talk.client_op.error_text();
    EXPECT_EQ(talk.client_op.facts.verified, good);
    EXPECT_EQ(talk.client_op.failure,
              good ? TlsFailure::none : TlsFailure::certificate_host_mismatch);
  }
}

TEST_F(OpenSsl, TheNameChoosesTheCertificate) {
  const TlsContextRef both = server({authority.issue("first.example"), authority.issue(kHost)});
  for (const char* name : {"first.example", kHost, "unknown.example"}) {
    Talk talk(engines, client(), both);
    talk.client_op.host_name = name;
    talk.client_op.check = TlsCheck::certificate;
    EXPECT_EQ(talk.shake_hands(), std::string_view(name) != "unknown.example") << name;
  }
}

TEST_F(OpenSsl, SessionsAreResumedByKeyAndName) {
  const TlsContextRef mine = client();
  const TlsContextRef theirs = server({authority.issue("*.mail.example")});
  const auto resumed = [&](const char* key, const char* name, TlsCheck check) {
    Talk talk(engines, mine, theirs);
    talk.client_op.session_key = key;
    talk.client_op.host_name = name;
    talk.client_op.check = check;
    EXPECT_TRUE(talk.shake_hands());
    // Tickets of TLS 1.3 come behind the handshake.
    talk.server->write("x");
    EXPECT_EQ(Talk::carry(*talk.server, *talk.client), "x");
    EXPECT_EQ(talk.client_op.facts.verified, check != TlsCheck::none);
    return talk.client_op.facts.resumed;
  };
  EXPECT_FALSE(resumed("a", kHost, TlsCheck::certificate));
  EXPECT_TRUE(resumed("a", kHost, TlsCheck::certificate));
  EXPECT_TRUE(resumed("a", kHost, TlsCheck::certificate));
  EXPECT_FALSE(resumed("b", kHost, TlsCheck::certificate));
  EXPECT_FALSE(resumed("a", "other.mail.example", TlsCheck::certificate));
  EXPECT_FALSE(resumed("a", kHost, TlsCheck::none));
  EXPECT_FALSE(resumed("", kHost, TlsCheck::certificate));
  EXPECT_FALSE(resumed("", kHost, TlsCheck::certificate));
}

TEST_F(OpenSsl, TlsaRecordsTakeThePlaceOfAuthorities) {
  const TlsContextRef theirs = server({authority.issue("other.example", -1, true)});
  TlsaRecord record{3, 0, 0, authority.last_der()};
  for (const bool matches : {true, false}) {
    Talk talk(engines, client(), theirs);
    talk.client_op.check = TlsCheck::dane;
    if (!matches) {
      authority.issue("other.example");
      record.data = authority.last_der();
    }
    talk.client_op.tlsa = {&record, 1};
    EXPECT_EQ(talk.shake_hands(), matches) << talk.client_op.error_text();
    EXPECT_EQ(talk.client_op.facts.verified, matches);
    EXPECT_EQ(talk.client_op.failure, matches ? TlsFailure::none : TlsFailure::validation_failure);
  }
}

TEST_F(OpenSsl, AChangedOctetBreaksTheConnection) {
  Talk talk(engines, client(), server({authority.issue(kHost)}));
  ASSERT_TRUE(talk.shake_hands());
  ASSERT_TRUE(talk.client->write("hello"));
  talk.client->output().back() ^= 1;
  EXPECT_EQ(Talk::carry(*talk.client, *talk.server), "");
  EXPECT_TRUE(talk.server->broken());
  EXPECT_FALSE(talk.server->write("more"));
}

TEST_F(OpenSsl, SettingsThatCannotBeUsedAreTold) {
  TlsClientSettings settings;
  settings.protocol.ciphers = "NONSENSE";
  EXPECT_NE(engines.client_context(settings).error().detail.find("NONSENSE"), std::string::npos);
  settings = {};
  settings.protocol.suites = "TLS_NONSENSE";
  EXPECT_FALSE(engines.client_context(settings).ok());
  settings = {};
  settings.protocol.v1_2 = settings.protocol.v1_3 = false;
  EXPECT_FALSE(engines.client_context(settings).ok());
  settings = {};
  settings.authorities = true;
  settings.ca_file = "/nonexistent.pem";
  EXPECT_NE(engines.client_context(settings).error().detail.find(settings.ca_file),
            std::string::npos);
  settings = {};
  settings.certificate.file = authority.ca_file();  // it has no key
  EXPECT_FALSE(engines.client_context(settings).ok());
  EXPECT_FALSE(engines.server_context({}).ok());
}

TEST_F(OpenSsl, AuthoritiesAreReadAnewWhenToldSo) {
  TestAuthority other;
  const std::string file = authority.issue(kHost);
  TlsClientSettings settings;
  settings.authorities = true;
  settings.ca_file = authority.folder() + "/changing.pem";
  std::filesystem::copy(other.ca_file(), settings.ca_file);
  for (const bool changed : {false, true}) {
    if (changed) {
      std::filesystem::copy(authority.ca_file(), settings.ca_file,
                            std::filesystem::copy_options::overwrite_existing);
      engines.refresh();
    }
    Talk talk(engines, *engines.client_context(settings), server({file}));
    talk.client_op.check = TlsCheck::certificate;
    EXPECT_EQ(talk.shake_hands(), changed);
  }
}

/// An end over a net with encryption.
struct SecureEnd {
  explicit SecureEnd(SecureNet& over) : party(over), net(over) {
    op.bind<&SecureEnd::on_secured>(this);
  }
  void secure(TlsContextRef context, bool server) {
    op.stream = party.stream;
    op.receive = &party.receive_op();
    op.context = std::move(context);
    op.server = server;
    op.host_name = kHost;
    net.secure(op);
  }
  void on_secured(Completion& completion) {
    done = true;
    result = completion.result;
    party.look();
  }

  Party party;
  SecureNet& net;
  SecureOp op;
  bool done = false;
  std::int32_t result = 0;
};

struct SecurePair {
  SecurePair(WireShard& shard, SecureNet& net) : client(net), server(net), net_(net) {
    auto listening = net.listen(loopback4());
    EXPECT_TRUE(listening.ok());
    listener = *listening;
    accept_.bind<&SecurePair::on_accepted>(this);
    connect_.bind<&SecurePair::on_connected>(this);
    net.accept(listener, accept_);
    connect_.remote = net.bound_address(listener);
    net.connect(connect_);
    EXPECT_TRUE(shard.run_until([this] { return steps == 2; }));
  }
  ~SecurePair() { net_.close_listener(listener); }
  void close(WireShard& shard) {
    client.party.close();
    server.party.close();
    EXPECT_TRUE(shard.run_until([this] { return client.party.closed && server.party.closed; }));
  }
  void on_accepted(Completion&) {
    server.party.start(*net_.adopt(accept_.socket));
    ++steps;
  }
  void on_connected(Completion& completion) {
    EXPECT_EQ(completion.result, 0);
    client.party.start(connect_.stream);
    ++steps;
  }

  SecureEnd client;
  SecureEnd server;
  ListenerId listener;
  int steps = 0;

 private:
  SecureNet& net_;
  AcceptOp accept_;
  ConnectOp connect_;
};

struct LargeSendCase {
  bool offered;  ///< the socket, for the kernel's keys
  TlsVersion version;
};

class LargeSends : public OpenSsl, public ::testing::WithParamInterface<LargeSendCase> {};

TEST_P(LargeSends, CrossTheRing) {
  WireShard shard;
  RingNetOptions options;
  options.descriptors_kept_max = GetParam().offered ? 8 : 0;
  auto plain = shard.make_net(options);
  SecureNet net(*plain, *shard.driver, engines);
  ProbeReport probes;
  const bool by_kernel = GetParam().offered && probe_kernel_tls(probes);
  EXPECT_EQ(probes.lines.empty(), by_kernel || !GetParam().offered);
  {
    SecurePair pair(shard, net);
    pair.server.secure(server({authority.issue(kHost)}), true);
    pair.client.secure(client(only(GetParam().version)), false);
    ASSERT_TRUE(shard.run_until([&] { return pair.client.done && pair.server.done; }));
    ASSERT_EQ(pair.client.result, 0) << pair.client.op.error_text();
    EXPECT_EQ(pair.client.op.facts.by_kernel, by_kernel);
    EXPECT_EQ(net.stats().by_kernel, by_kernel ? 1U : 0U);
    pair.server.party.echo = true;
    std::string text;
    for (unsigned i = 0; i < 400'000; ++i) {
      text += static_cast<char>(i * 7919 >> 3);
    }
    for (const std::size_t size : {1UL, 100UL, 16'384UL, 16'385UL, 65'536UL, text.size()}) {
      pair.client.party.text.clear();
      const std::string_view bytes = std::string_view(text).substr(0, size);
      // Slices of all sizes, as commands and content make them.
      const Slice slices[] = {Slice::of(bytes.substr(0, size / 3)), Slice::of(bytes.substr(0, 0)),
                              Slice::of(bytes.substr(size / 3))};
      pair.client.party.send_slices(slices, 3, true);
      ASSERT_TRUE(shard.run_until([&] {
        return pair.client.party.released && pair.client.party.text.size() >= size;
      })) << size;
      EXPECT_EQ(pair.client.party.send_result, static_cast<std::int32_t>(size));
      EXPECT_EQ(pair.client.party.send.sent, size);
      EXPECT_TRUE(pair.client.party.text == bytes) << size;
    }
    net.shutdown_send(pair.client.party.stream);
    ASSERT_TRUE(shard.run_until([&] { return pair.server.party.ended(); }));
    EXPECT_EQ(pair.server.party.end_result(), 0);
    EXPECT_EQ(net.stats().streams_open, 2U);
    pair.close(shard);
  }
  EXPECT_EQ(net.stats().streams_open, 0U);
  EXPECT_EQ(net.stats().handshakes, 2U);
  plain.reset();
}

INSTANTIATE_TEST_SUITE_P(Ways, LargeSends,
                         ::testing::Values(LargeSendCase{false, TlsVersion::v1_3},
                                           LargeSendCase{true, TlsVersion::v1_3},
                                           LargeSendCase{true, TlsVersion::v1_2}));

TEST_F(OpenSsl, BrokenHandshakesEndBothSides) {
  WireShard shard;
  auto plain = shard.make_net();
  SecureNet net(*plain, *shard.driver, engines);
  for (const bool oversized : {false, true}) {
    SecurePair pair(shard, net);
    pair.server.secure(server({authority.issue(kHost)}), true);
    // A record of a handshake that never becomes a message, or plain text.
    std::string bytes = "EHLO in clear\r\n";
    if (oversized) {
      bytes.clear();
      const char record[] = {0x16, 3, 1, 0x40, 0};
      bytes.append(record, sizeof record).append("\x01\xff\xff\xff", 4).append(0x4000 - 4, 'x');
    }
    pair.client.party.send_text(bytes);
    ASSERT_TRUE(shard.run_until([&] { return pair.server.done; }));
    EXPECT_LT(pair.server.result, 0);
    EXPECT_FALSE(pair.server.op.error_text().empty());
    pair.close(shard);
  }
  EXPECT_EQ(net.stats().failed, 2U);
  plain.reset();
}

TEST_F(OpenSsl, ClosingMayCutAHandshakeAndASend) {
  WireShard shard;
  RingNetOptions options;
  options.descriptors_kept_max = 1;
  auto plain = shard.make_net(options);
  SecureNet net(*plain, *shard.driver, engines);
  const std::string text(1 << 20, 'x');
  for (int turns = 0; turns < 40; ++turns) {
    SecurePair pair(shard, net);
    pair.server.secure(server({authority.issue(kHost)}), true);
    pair.client.secure(client(), false);
    shard.turns(turns % 20);
    if (pair.client.done) {
      ASSERT_EQ(pair.client.result, 0);
      pair.client.party.send_text(text, turns % 2 == 1);
      shard.turns(turns % 3);
    }
    pair.close(shard);
    EXPECT_TRUE(pair.client.done && pair.server.done);
    EXPECT_TRUE(pair.client.party.idle_at_close && pair.server.party.idle_at_close);
  }
  EXPECT_EQ(net.stats().streams_open, 0U);
  EXPECT_EQ(plain->streams_open(), 0U);
  plain.reset();
}

}  // namespace
}  // namespace ringpost
