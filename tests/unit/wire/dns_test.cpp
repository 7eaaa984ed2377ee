#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "net/wire/ares_dns.h"
#include "net/wire/kernel_entropy.h"
#include "net/wire/socket_address.h"
#include "tests/unit/wire/dns_responder.h"
#include "tests/unit/wire/wire_shard.h"

namespace ringpost {
namespace {

struct Ask {
  DnsQueryOp op;
  Ended ended;

  Ask(std::string name, DnsType type = DnsType::a) {
    op.name = std::move(name);
    op.type = type;
    op.bind<&Ended::on_end>(&ended);
  }
};

class DnsTest : public ::testing::Test {
 protected:
  std::unique_ptr<AresDns> make(AresDnsOptions options) {
    auto made = AresDns::make(*shard.ring, *shard.driver, shard.loop->timers(), entropy, options);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().describe());
    return std::move(*made);
  }
  std::unique_ptr<AresDns> make() {
    AresDnsOptions options;
    options.servers = {responder.address()};
    options.timeout = Duration::milliseconds(200);
    options.tries = 2;
    return make(options);
  }
  bool wait(Ask& ask) {
    return shard.run_until([&] { return ask.ended.done; });
  }

  DnsResponder responder;
  KernelEntropy entropy;
  WireShard shard;
};

TEST_F(DnsTest, AnswersComeWholeAndQueriesCarryAdAndEdns) {
  auto dns = make();
  EXPECT_EQ(dns->servers(), std::vector<SocketAddress>{responder.address()});
  Ask ask("answer.example", DnsType::mx);
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::answered);
  EXPECT_EQ(ask.ended.result, 0);
  ASSERT_GT(ask.op.response.size(), 12U);
  EXPECT_EQ(ask.op.response[7], 1);            // one answer record
  EXPECT_EQ(ask.op.response[3] & 0x20, 0x20);  // AD of the answer is there to be read
  const auto seen = responder.seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].name, "answer.example");
  EXPECT_EQ(seen[0].type, 15);
  EXPECT_TRUE(seen[0].authentic_data);
  EXPECT_TRUE(seen[0].recursion_desired);
  EXPECT_EQ(seen[0].payload, 1232);
}

TEST_F(DnsTest, ResponseCodesBecomeStatuses) {
  auto dns = make();
  Ask nx("nx.example");
  Ask servfail("servfail.example");
  Ask refused("refused.example");
  for (Ask* ask : {&nx, &servfail, &refused}) {
    dns->query(ask->op);
  }
  ASSERT_TRUE(wait(nx) && wait(servfail) && wait(refused));
  EXPECT_EQ(nx.op.status, DnsStatus::no_domain);
  EXPECT_GE(nx.op.response.size(), 12U);  // the SOA would be in there
  EXPECT_EQ(servfail.op.status, DnsStatus::failed);
  EXPECT_EQ(refused.op.status, DnsStatus::failed);
  EXPECT_EQ(responder.count("servfail"), 1U);
}

TEST_F(DnsTest, SilenceTimesOutAfterAllTries) {
  auto dns = make();
  Ask ask("silent.example");
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::timed_out);
  EXPECT_EQ(ask.ended.result, 0);
  EXPECT_EQ(responder.count("silent"), 2U);
  EXPECT_EQ(shard.ring->stats().dns_timeouts, 1U);
}

TEST_F(DnsTest, ARepetitionIsAnswered) {
  auto dns = make();
  Ask ask("late.example");
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::answered);
  EXPECT_EQ(responder.count("late"), 2U);
}

TEST_F(DnsTest, TruncatedAnswersAreFetchedOverTcp) {
  auto dns = make();
  Ask ask("cut.example");
  Ask second("cut.example", DnsType::txt);
  dns->query(ask.op);
  dns->query(second.op);
  ASSERT_TRUE(wait(ask) && wait(second));
  for (const Ask* each : {&ask, &second}) {
    EXPECT_EQ(each->op.status, DnsStatus::answered);
    EXPECT_GE(each->op.response.size(), 3000U);
    EXPECT_EQ(each->op.response[2] & 0x02, 0);
  }
  const auto seen = responder.seen();
  EXPECT_TRUE(std::any_of(seen.begin(), seen.end(), [](const auto& s) { return s.over_tcp; }));
}

TEST_F(DnsTest, LongUdpAnswersNeedNoTcp) {
  auto dns = make();
  Ask ask("long.example");
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::answered);
  EXPECT_GE(ask.op.response.size(), 1000U);
  for (const auto& seen : responder.seen()) {
    EXPECT_FALSE(seen.over_tcp);
  }
}

TEST_F(DnsTest, ForgeriesAreIgnoredAndTheAnswerTaken) {
  auto dns = make();
  Ask ask("noise.example");
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::answered);
  EXPECT_EQ(ask.op.response[13], 'n');
}

TEST_F(DnsTest, AnEchoedQuestionIsNoAnswer) {
  auto dns = make();
  Ask ask("mirror.example");
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::malformed);
}

TEST_F(DnsTest, NamesThatCannotBeAskedAreSaidSo) {
  auto dns = make();
  Ask label(std::string(64, 'a') + ".example");
  Ask length("a." + std::string(300, 'b'));
  Ask empty("a..example");
  for (Ask* ask : {&label, &length, &empty}) {
    dns->query(ask->op);
    ASSERT_TRUE(wait(*ask));
    EXPECT_EQ(ask->op.status, DnsStatus::malformed);
    EXPECT_EQ(ask->ended.result, -EINVAL);
  }
  EXPECT_TRUE(responder.seen().empty());
}

TEST_F(DnsTest, MoreQuestionsThanPlacesWaitInOrder) {
  AresDnsOptions options;
  options.servers = {responder.address()};
  options.timeout = Duration::milliseconds(100);
  options.tries = 1;
  options.outstanding_max = 2;
  auto dns = make(options);
  std::vector<std::unique_ptr<Ask>> asks;
  asks.push_back(std::make_unique<Ask>("silent.one"));
  asks.push_back(std::make_unique<Ask>("silent.two"));
  for (int i = 0; i < 200; ++i) {
    asks.push_back(std::make_unique<Ask>("answer.n" + std::to_string(i)));
  }
  for (auto& ask : asks) {
    dns->query(ask->op);
  }
  shard.turns(5);
  EXPECT_EQ(responder.count("answer"), 0U);  // both places are taken by the silent ones
  ASSERT_TRUE(shard.run_until([&] {
    return std::all_of(asks.begin(), asks.end(), [](auto& a) { return a->ended.done; });
  }));
  std::set<std::uint16_t> ids;
  int last = -1;
  for (const auto& seen : responder.seen()) {
    ids.insert(seen.id);
    if (seen.name.rfind("answer.n", 0) == 0) {
      const int place = std::stoi(seen.name.substr(8));
      EXPECT_GT(place, last - 2);
      last = std::max(last, place);
    }
  }
  EXPECT_EQ(last, 199);
  EXPECT_GT(ids.size(), 150U);  // drawn at random, a few may repeat
  EXPECT_EQ(shard.ring->stats().dns_waiting_max, 200U);
}

TEST_F(DnsTest, NobodyListeningIsATimeOutNotAFailure) {
  const int free = ::socket(AF_INET, SOCK_DGRAM, 0);
  KernelAddress kernel;
  const ::socklen_t length = to_kernel(loopback4(), kernel);
  ASSERT_EQ(::bind(free, &kernel.any, length), 0);
  AresDnsOptions options;
  options.servers = {local_end(free)};
  options.timeout = Duration::milliseconds(100);
  options.tries = 2;
  ::close(free);
  auto dns = make(options);
  Ask ask("answer.example");
  dns->query(ask.op);
  ASSERT_TRUE(wait(ask));
  EXPECT_EQ(ask.op.status, DnsStatus::timed_out);
}

// Each question then opens and closes a socket of its own, all within one turn.
TEST_F(DnsTest, AnUnreachableServerFailsManyQuestionsAtOnce) {
  AresDnsOptions options;
  options.servers = {{IpAddress::v4(255, 255, 255, 255), 53}};  // connect: EACCES
  options.timeout = Duration::milliseconds(50);
  options.tries = 1;
  auto dns = make(options);
  std::vector<std::unique_ptr<Ask>> asks;
  for (int i = 0; i < 300; ++i) {
    asks.push_back(std::make_unique<Ask>("answer.n" + std::to_string(i)));
    dns->query(asks.back()->op);
  }
  ASSERT_TRUE(shard.run_until([&] {
    return std::all_of(asks.begin(), asks.end(), [](auto& a) { return a->ended.done; });
  }));
  for (const auto& ask : asks) {
    EXPECT_EQ(ask->op.status, DnsStatus::timed_out);
    EXPECT_EQ(ask->ended.times, 1);
  }
}

TEST_F(DnsTest, TheSecondServerIsAskedWhenTheFirstFails) {
  DnsResponder other;
  AresDnsOptions options;
  options.servers = {responder.address(), other.address()};
  options.timeout = Duration::milliseconds(200);
  options.tries = 2;
  auto dns = make(options);
  Ask servfail("servfail.example");
  dns->query(servfail.op);
  ASSERT_TRUE(wait(servfail));
  EXPECT_EQ(servfail.op.status, DnsStatus::failed);
  EXPECT_EQ(responder.count("servfail"), 1U);
  EXPECT_EQ(other.count("servfail"), 1U);
  EXPECT_GE(servfail.op.response.size(), 12U);
  Ask silent("silent.example");
  dns->query(silent.op);
  ASSERT_TRUE(wait(silent));
  EXPECT_EQ(silent.op.status, DnsStatus::timed_out);
  EXPECT_EQ(responder.count("silent"), 2U);
  EXPECT_EQ(other.count("silent"), 2U);
  Ask nx("nx.example");
  dns->query(nx.op);
  ASSERT_TRUE(wait(nx));
  EXPECT_EQ(nx.op.status, DnsStatus::no_domain);
}

TEST_F(DnsTest, ReadsResolvConfByItself) {
  auto made = AresDns::make(*shard.ring, *shard.driver, shard.loop->timers(), entropy, {});
  if (made.ok()) {
    EXPECT_FALSE((*made)->servers().empty());
  } else {
    EXPECT_EQ(made.error().code, ErrorCode::invalid);
  }
}

TEST_F(DnsTest, BadOptionsAreRefused) {
  AresDnsOptions options;
  options.servers = {responder.address()};
  options.tries = 0;
  const auto made =
      AresDns::make(*shard.ring, *shard.driver, shard.loop->timers(), entropy, options);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::invalid);
}

TEST_F(DnsTest, GoesAwayWithQuestionsOpen) {
  Ask silent("silent.example");
  Ask cut("cut.example");
  {
    auto dns = make();
    dns->query(silent.op);
    dns->query(cut.op);
    shard.turns(3);
  }
  EXPECT_FALSE(silent.ended.done);
}

}  // namespace
}  // namespace ringpost
