#include "net/sign/message_signer.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

#include "core/loop/mailroom.h"
#include "core/mail/policy.h"
#include "tests/sim/world/sim_world.h"
#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::ed25519_key;
using testing::rsa_key;
using testing::stuffed;

/// Opens every job at once, with one content.
class FakeBodies : public BodySource {
 public:
  explicit FakeBodies(Loop& loop) : loop_(loop) {}

  void open(Job& job) override {
    job.view.id = {1, id};
    job.view.prefix = prefix;
    job.view.body = content;
    kept_.assign(1, {0, static_cast<std::uint32_t>(content.size())});
    job.view.kept = kept_;
    job.view.signing = facts;
    loop_.complete(job.opened, result);
  }
  void settle(Job&) override {}

  std::uint64_t id = 1;
  std::string prefix = "Received: x\r\n";
  std::string content = stuffed("From: joe@example.com\r\nSubject: s\r\n\r\n.hello\r\n");
  SigningFacts facts;
  std::int32_t result = 0;

 private:
  Loop& loop_;
  std::vector<ByteRange> kept_;
};

/// A helper that works when the test says so.
class LateWorker : public Worker {
 public:
  explicit LateWorker(sim::SimDriver& driver) : driver_(driver) {}
  void run(WorkOp& op) override {
    op.start();
    given.push_back(&op);
  }
  void work_one() {
    WorkOp* op = given.front();
    given.pop_front();
    driver_.finish(*op, op->work(op->context));
  }
  std::deque<WorkOp*> given;

 private:
  sim::SimDriver& driver_;
};

std::shared_ptr<const KeyBook> book_of(std::vector<DomainKey> keys) {
  return std::make_shared<const KeyBook>(*KeyBook::make(std::move(keys)));
}

class MessageSignerTest : public ::testing::Test, public LetterHandler {
 protected:
  MessageSignerTest() {
    auto plan = std::make_shared<SigningPlan>();
    plan->rules.sign = true;
    plan->books = {book_of({{"r", "example.com", rsa_key()}, {"e", "example.com", ed25519_key()}})};
    plan->lists = {{"other", book_of({{"l", "*", ed25519_key()}})}};
    use(std::move(plan));
    world_.add_loop(loop_);
  }
  void use(std::shared_ptr<SigningPlan> plan) {
    plan->seal();
    policy_.signing = std::move(plan);
  }
  void make(Worker* helpers, unsigned helpers_max = 1) {
    SignerOptions options;
    options.helpers_max = helpers_max;
    signer_ = std::make_unique<MessageSigner>(loop_, bodies_, helpers, options);
    loop_.add_hook(*signer_);
  }
  struct Opened {
    Job job;
    bool done = false;
    std::int32_t result = 0;
    void on_opened(Completion& completion) {
      done = true;
      result = completion.result;
    }
  };
  Opened& open() {
    Opened& one = *jobs_.emplace_back(std::make_unique<Opened>());
    one.job.policy = &policy_;
    one.job.opened.bind<&Opened::on_opened>(&one);
    signer_->open(one.job);
    return one;
  }
  Opened& open_now() {
    Opened& one = open();
    EXPECT_TRUE(world_.run_until([&] { return one.done; }, Duration::seconds(1)));
    return one;
  }
  void on_letter(const Letter&, Now) override {}

  sim::SimWorld world_{7};
  Mailroom mailroom_{1, 16};
  sim::SimDriver& driver_ = world_.add_driver();
  Loop loop_{0, driver_, mailroom_, *this};
  FakeBodies bodies_{loop_};
  QueuePolicy policy_;
  std::vector<std::unique_ptr<Opened>> jobs_;
  std::unique_ptr<MessageSigner> signer_;
};

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(MessageSignerTest, SignsWithEveryKeyAndOnce) {
  make(nullptr);
  const Opened& first = open_now();
  EXPECT_EQ(first.result, 0);
  EXPECT_EQ(count_of(first.job.signature, "DKIM-Signature:"), 2U);
  EXPECT_NE(first.job.signature.find("s=r"), std::string::npos);
  EXPECT_NE(first.job.signature.find("a=ed25519-sha256"), std::string::npos);
  EXPECT_EQ(first.job.signature.substr(first.job.signature.size() - 2), "\r\n");
  EXPECT_EQ(first.job.sent_bytes(),
            first.job.signature.size() + bodies_.prefix.size() + bodies_.content.size());
  const Opened& again = open_now();
  EXPECT_EQ(again.job.signature, first.job.signature);
  EXPECT_EQ(signer_->stats().signatures, 2U);
  EXPECT_EQ(signer_->stats().cached, 1U);
  bodies_.id = 2;
  open_now();
  EXPECT_EQ(signer_->stats().signatures, 4U);
}

TEST_F(MessageSignerTest, TakesTheHashOfReceptionAndMakesTheSameWithout) {
  make(nullptr);
  const Opened& hashed_here = open_now();
  EXPECT_EQ(signer_->stats().late_hashes, 1U);
  const BodyHasher hasher = testing::hashed(bodies_.content, BodyHasher::Begin::content, 7);
  const BodyHash& body = hasher.hash(Canon::relaxed);
  bodies_.facts.forms = SigningFacts::kRelaxed;
  bodies_.facts.relaxed = {body.digest, body.canonical_bytes};
  bodies_.id = 2;
  const Opened& known = open_now();
  EXPECT_EQ(signer_->stats().late_hashes, 1U);
  EXPECT_EQ(known.job.signature, hashed_here.job.signature);
  bodies_.facts.relaxed.sha256[0] ^= 1;
  bodies_.id = 3;
  EXPECT_NE(open_now().job.signature, hashed_here.job.signature);
}

TEST_F(MessageSignerTest, NewKeysMakeNewSignatures) {
  make(nullptr);
  const std::string first = open_now().job.signature;
  auto plan = std::make_shared<SigningPlan>(*policy_.signing);
  plan->books = {book_of({{"n", "example.com", ed25519_key()}})};
  use(std::move(plan));
  const std::string second = open_now().job.signature;
  EXPECT_EQ(count_of(second, "DKIM-Signature:"), 1U);
  EXPECT_NE(second.find("s=n"), std::string::npos);
}

TEST_F(MessageSignerTest, MailWithoutKeyLeavesUnsigned) {
  make(nullptr);
  bodies_.content = stuffed("From: joe@other.test\r\n\r\nx\r\n");
  const Opened& one = open_now();
  EXPECT_EQ(one.result, 0);
  EXPECT_EQ(one.job.signature, "");
  EXPECT_EQ(signer_->stats().unsigned_mail, 1U);
  policy_.signing.reset();
  EXPECT_EQ(open_now().job.signature, "");
  EXPECT_EQ(signer_->stats().unsigned_mail, 1U);
}

TEST_F(MessageSignerTest, ErrorsOfOpeningPassThrough) {
  make(nullptr);
  bodies_.result = -EIO;
  const Opened& one = open_now();
  EXPECT_EQ(one.result, -EIO);
  EXPECT_EQ(one.job.signature, "");
}

TEST_F(MessageSignerTest, OptionsOfTheMessageChoose) {
  make(nullptr);
  bodies_.facts.options = "s=e";
  const std::string by_selector = open_now().job.signature;
  EXPECT_EQ(count_of(by_selector, "DKIM-Signature:"), 1U);
  EXPECT_NE(by_selector.find("s=e"), std::string::npos);
  bodies_.facts.options = "key-list=other; d=list.test, i=@news.list.test";
  const std::string by_list = open_now().job.signature;
  EXPECT_NE(by_list.find("d=list.test"), std::string::npos) << by_list;
  EXPECT_NE(by_list.find("i=@news.list.test"), std::string::npos);
  for (const char* wrong : {"key-list=none", "nonsense", "s=\"x", "d=a..b", "s=e s=e", "x=1"}) {
    bodies_.facts.options = wrong;
    const Opened& one = open_now();
    EXPECT_EQ(one.result, 0) << wrong;
    EXPECT_EQ(one.job.signature, "") << wrong;
  }
}

// Helpers take what they may have; the rest is done on the shard, one private operation a turn.
TEST_F(MessageSignerTest, HelpersAndShardShareTheWork) {
  LateWorker helpers(driver_);
  make(&helpers, 1);
  std::vector<Opened*> all;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    bodies_.id = id;
    all.push_back(&open());
    world_.run_for(Duration::nanoseconds(0));
  }
  ASSERT_TRUE(world_.run_until([&] { return all[1]->done && all[2]->done && all[3]->done; },
                               Duration::seconds(1)));
  ASSERT_EQ(helpers.given.size(), 1U);
  EXPECT_FALSE(all[0]->done);
  helpers.work_one();
  ASSERT_TRUE(world_.run_until([&] { return all[0]->done; }, Duration::seconds(1)));
  for (const Opened* one : all) {
    EXPECT_EQ(count_of(one->job.signature, "DKIM-Signature:"), 2U);
  }
  EXPECT_EQ(signer_->stats().signatures, 8U);
}

TEST_F(MessageSignerTest, OneOperationATurn) {
  make(nullptr);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    bodies_.id = id;
    open();
  }
  std::uint64_t turns = 0;
  while (signer_->stats().signatures < 6 && turns < 100) {
    loop_.turn(Instant{0});
    ++turns;
  }
  EXPECT_GE(turns, 6U);
  ASSERT_TRUE(world_.run_until([&] { return jobs_.back()->done; }, Duration::seconds(1)));
}

TEST_F(MessageSignerTest, CopiesOfAMessageThatWaitAreSignedOnce) {
  make(nullptr);
  open();
  open();
  open();
  ASSERT_TRUE(world_.run_until([&] { return jobs_.back()->done; }, Duration::seconds(1)));
  EXPECT_EQ(signer_->stats().signatures, 2U);
  EXPECT_EQ(signer_->stats().cached, 2U);
  EXPECT_EQ(jobs_[0]->job.signature, jobs_[2]->job.signature);
}

}  // namespace
}  // namespace ringpost::sign
