#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <iterator>

#include "core/loop/mailroom.h"
#include "net/auth/certificate.h"
#include "net/auth/desk.h"
#include "tests/sim/world/sim_world.h"
#include "tests/unit/wire/test_certificates.h"

namespace ringpost::auth {
namespace {

constexpr Duration kMinute = Duration::minutes(1);

/// Cheap to check: the parameters are the store's own affair.
std::string cheap_hash() {
  // scrypt("secret", salt 16 x 'a', N 16, r 1, p 1), 32 octets, by Python's hashlib.
  return "$scrypt$ln=4,r=1,p=1$YWFhYWFhYWFhYWFhYWFhYQ$"
         "aE60yH9EbGNrdrWBXC0JZnbFIY33OiKY5alIHX5uf5o";
}

TEST(Password, HashesAreMatchedAndSalted) {
  const auto first = hash_password("correct horse");
  const auto second = hash_password("correct horse");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(*first, *second);
  EXPECT_EQ(first->substr(0, 23), "$scrypt$ln=15,r=8,p=1$" + first->substr(22, 1));
  const auto stored = StoredSecret::parse(*first);
  ASSERT_TRUE(stored.ok());
  EXPECT_FALSE(stored->is_clear());
  EXPECT_TRUE(stored->matches("correct horse"));
  EXPECT_FALSE(stored->matches("correct hors"));
  EXPECT_FALSE(stored->matches(""));
  EXPECT_FALSE(stored->answers("<1@x>", hmac_md5("correct horse", "<1@x>")));
}

TEST(Password, OtherProgramsHashAlike) {
  const auto stored = StoredSecret::parse(cheap_hash());
  ASSERT_TRUE(stored.ok()) << stored.error().describe();
  EXPECT_TRUE(stored->matches("secret"));
  EXPECT_FALSE(stored->matches("Secret"));
}

TEST(Password, WhatLooksLikeAHashMustBeOne) {
  for (const char* text :
       {"$scrypt$", "$scrypt$ln=15,r=8,p=1$abc", "$scrypt$ln=15,r=8$YWFh$YWFhYWFhYWFhYWFhYWFhYQ",
        "$scrypt$ln=15,r=8,p=1$YWFh$YWFh", "$scrypt$ln=x,r=8,p=1$YWFh$YWFhYWFhYWFhYWFhYWFhYQ",
        "$scrypt$ln=15,r=8,p=1,q=1$YWFh$YWFhYWFhYWFhYWFhYWFhYQ",
        "$scrypt$ln=20,r=32,p=1$YWFh$YWFhYWFhYWFhYWFhYWFhYQ",
        "$scrypt$ln=63,r=8,p=1$YWFh$YWFhYWFhYWFhYWFhYWFhYQ"}) {
    EXPECT_FALSE(StoredSecret::parse(text).ok()) << text;
  }
}

TEST(Password, ClearOnesAnswerChallenges) {
  const auto stored = StoredSecret::parse("tanstaaftanstaaf");
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->matches("tanstaaftanstaaf"));
  EXPECT_FALSE(stored->matches("tanstaaftanstaa"));
  // RFC 2195 section 2.
  const std::string challenge = "<1896.697170952@postoffice.reston.mci.net>";
  EXPECT_TRUE(stored->answers(challenge, "b913a602c7eda7a495b4e6e7334d3890"));
  EXPECT_TRUE(stored->answers(challenge, "B913A602C7EDA7A495B4E6E7334D3890"));
  EXPECT_FALSE(stored->answers(challenge, "b913a602c7eda7a495b4e6e7334d3891"));
  EXPECT_FALSE(StoredSecret::parse("")->matches(""));
}

TEST(UserBook, LinesOfAFile) {
  UserBook book;
  std::vector<std::string> faults;
  const std::string text = "# users\n\njoe:" + cheap_hash() +
                           "\r\nann:clear\n:x\nnobody\njoe:" + cheap_hash() + "\nbad:$scrypt$x\n";
  book.read(text, "/etc/users", 7, false, faults);
  ASSERT_NE(book.find("joe"), nullptr);
  EXPECT_EQ(book.find("joe")->rules, 7U);
  EXPECT_EQ(book.find("Joe"), nullptr);
  EXPECT_EQ(book.find("ann"), nullptr);
  EXPECT_FALSE(book.has_clear());
  ASSERT_EQ(faults.size(), 5U);
  EXPECT_EQ(faults[0].substr(0, 12), "/etc/users:4");
  for (const std::string& fault : faults) {
    EXPECT_EQ(fault.find("clear"), std::string::npos) << "shows a secret: " << fault;
  }
  book.read("ann:clear\n", "x", 0, true, faults);
  EXPECT_TRUE(book.has_clear());
}

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Certificates, OfAFile) {
  TestAuthority authority;
  const std::string good = text_of(authority.issue("joe"));
  const std::string old = text_of(authority.issue("joe", -1));
  const auto one = read_certificates(good);
  const auto both = read_certificates(old + good);
  const auto expired = read_certificates(old);
  ASSERT_TRUE(one.ok() && both.ok() && expired.ok());
  EXPECT_EQ(one->digests.size(), 1U);
  EXPECT_TRUE(one->in_time);
  EXPECT_EQ(both->digests.size(), 2U);
  EXPECT_EQ(both->digests[1], one->digests[0]);
  EXPECT_TRUE(both->in_time);
  EXPECT_FALSE(expired->in_time);
  EXPECT_FALSE(read_certificates("").ok());
  EXPECT_FALSE(read_certificates("-----BEGIN CERTIFICATE-----\nxx\n").ok());
  std::string damaged = good;
  damaged[damaged.find("BEGIN CERTIFICATE") + 60] ^= 1;
  EXPECT_FALSE(read_certificates(damaged).ok());
}

TEST(UserBook, OneCertificateOfSeveralUsersNamesNobody) {
  UserBook book;
  EXPECT_FALSE(book.has_certificates());
  book.add({"ann", {}, 0, LoginMethod::certificate, {{{1}}, {{2}}}});
  book.add({"bob", {}, 0, LoginMethod::certificate, {{{2}}}});
  EXPECT_TRUE(book.has_certificates());
  EXPECT_FALSE(book.has_clear());
  ASSERT_NE(book.find(CertificateDigest{1}), nullptr);
  EXPECT_EQ(book.find(CertificateDigest{1})->name, "ann");
  EXPECT_EQ(book.find(CertificateDigest{2}), nullptr);
  EXPECT_EQ(book.find(CertificateDigest{3}), nullptr);
}

class GuardTest : public ::testing::Test {
 protected:
  bool allows(int host, std::uint64_t account) {
    return guard_.allows(IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(host)), account, 3,
                         kMinute, now_);
  }
  void fail(int host, std::uint64_t account) {
    guard_.failed(IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(host)), account, kMinute,
                  now_);
  }
  FailureGuard guard_{64};
  Instant now_{Duration::hours(1).ns};
};

TEST_F(GuardTest, ByAddressOverAllAccounts) {
  for (std::uint64_t account = 0; account < 3; ++account) {
    EXPECT_TRUE(allows(1, account * 100));
    fail(1, account * 100);
  }
  EXPECT_FALSE(allows(1, 900));
  EXPECT_TRUE(allows(2, 900));
  now_ = now_ + Duration::seconds(59);
  EXPECT_FALSE(allows(1, 900));
  now_ = now_ + Duration::seconds(121);
  EXPECT_TRUE(allows(1, 900));
}

TEST_F(GuardTest, ByAccountOverAllAddressesButNotForThoseWhoKnowIt) {
  guard_.succeeded(IpAddress::v4(192, 0, 2, 9), 5, now_);
  for (int host = 1; host <= 3; ++host) {
    EXPECT_TRUE(allows(host, 5));
    fail(host, 5);
  }
  EXPECT_FALSE(allows(4, 5));
  EXPECT_TRUE(allows(4, 6));
  EXPECT_TRUE(allows(9, 5));
}

TEST_F(GuardTest, NeverMoreThanTheLimitInAnyMinute) {
  std::deque<Instant> judged;
  for (int i = 0; i < 2000; ++i) {
    now_ = now_ + Duration::milliseconds(700);
    if (allows(1, static_cast<std::uint64_t>(i) * 7)) {
      fail(1, static_cast<std::uint64_t>(i) * 7);
      judged.push_back(now_);
    }
    while (!judged.empty() && now_ - judged.front() >= kMinute) {
      judged.pop_front();
    }
    ASSERT_LE(judged.size(), 3U);
  }
}

TEST_F(GuardTest, MemoryIsBounded) {
  for (int i = 0; i < 10'000; ++i) {
    now_ = now_ + Duration::milliseconds(1);
    fail(i % 250, static_cast<std::uint64_t>(i) * 3);
    ASSERT_LE(guard_.entries(), 64U);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(allows(251, 1));
    fail(251, 1);
  }
  EXPECT_FALSE(allows(251, 2)) << "what is new is not forgotten for what is old";
}

/// Works when the test says so.
class LateWorker : public Worker {
 public:
  explicit LateWorker(sim::SimDriver& driver) : driver_(driver) {}
  void run(WorkOp& op) override {
    op.start();
    given.push_back(&op);
  }
  void work_all() {
    while (!given.empty()) {
      WorkOp* op = given.front();
      given.pop_front();
      driver_.finish(*op, op->work(op->context));
    }
  }
  std::deque<WorkOp*> given;

 private:
  sim::SimDriver& driver_;
};

class DeskTest : public ::testing::Test, public LetterHandler {
 protected:
  DeskTest() {
    auto book = std::make_shared<UserBook>();
    book->add({"joe", *StoredSecret::parse(cheap_hash()), 4});
    book->add({"clear", *StoredSecret::parse("open sesame"), 0});
    book->add({"ann", {}, 7, LoginMethod::certificate, {{{1}}}});
    book->add({"root", {}, 8, LoginMethod::system, {}});
    shared_.system = &system_;
    book_ = std::move(book);
    world_.add_loop(loop_);
  }
  struct Attempt {
    CheckOp op;
    bool done = false;
    void on_done(Completion&) { done = true; }
  };
  Attempt& start(std::string_view user, std::string_view secret, std::string_view challenge = "") {
    Attempt& one = *attempts_.emplace_back(std::make_unique<Attempt>());
    one.op.bind<&Attempt::on_done>(&one);
    one.op.book = book_;
    one.op.user = user;
    one.op.secret.assign(secret);
    one.op.challenge = challenge;
    one.op.address = IpAddress::v4(192, 0, 2, 1);
    one.op.failures_max = 3;
    desk_.check(one.op);
    return one;
  }
  Verdict verdict(std::string_view user, std::string_view secret, std::string_view challenge = "") {
    Attempt& one = start(user, secret, challenge);
    worker_.work_all();
    EXPECT_TRUE(world_.run_until([&] { return one.done; }, Duration::seconds(1)));
    EXPECT_TRUE(one.op.secret.empty());
    return one.op.verdict;
  }
  Attempt& show(std::string_view user, ClientProof proof, std::uint8_t certificate) {
    Attempt& one = *attempts_.emplace_back(std::make_unique<Attempt>());
    one.op.bind<&Attempt::on_done>(&one);
    one.op.book = book_;
    one.op.user = user;
    one.op.proof = proof;
    one.op.certificate = {certificate};
    one.op.address = IpAddress::v4(192, 0, 2, 1);
    one.op.failures_max = 3;
    desk_.check(one.op);
    worker_.work_all();
    EXPECT_TRUE(world_.run_until([&] { return one.done; }, Duration::seconds(1)));
    return one;
  }
  void on_letter(const Letter&, Now) override {}

  /// Knows one password; says so where it was asked from.
  struct Accounts : SystemLogins {
    Answer check(const std::string& user, std::string_view password,
                 const IpAddress& client) override {
      ++asked;
      EXPECT_EQ(client.text(), "192.0.2.1");
      return out_of_order                            ? Answer::unknown
             : user == "root" && password == "tiger" ? Answer::good
                                                     : Answer::bad;
    }
    int asked = 0;
    bool out_of_order = false;
  };

  Accounts system_;
  sim::SimWorld world_{3};
  Mailroom mailroom_{1, 16};
  sim::SimDriver& driver_ = world_.add_driver();
  Loop loop_{0, driver_, mailroom_, *this};
  LateWorker worker_{driver_};
  SharedState shared_;
  Desk desk_{loop_, &worker_, shared_};
  std::shared_ptr<const UserBook> book_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
};

TEST_F(DeskTest, JudgesOffTheShard) {
  Attempt& one = start("joe", "secret");
  world_.run_for(Duration::milliseconds(5));
  EXPECT_FALSE(one.done);
  EXPECT_EQ(desk_.under_way(), 1U);
  worker_.work_all();
  ASSERT_TRUE(world_.run_until([&] { return one.done; }, Duration::seconds(1)));
  EXPECT_EQ(one.op.verdict, Verdict::accepted);
  EXPECT_EQ(one.op.rules, 4U);
  EXPECT_EQ(desk_.under_way(), 0U);
}

TEST_F(DeskTest, Verdicts) {
  EXPECT_EQ(verdict("joe", "secret"), Verdict::accepted);
  EXPECT_EQ(verdict("joe", "secret"), Verdict::accepted);
  EXPECT_EQ(verdict("clear", "open sesame"), Verdict::accepted);
  EXPECT_EQ(verdict("clear", hmac_md5("open sesame", "<c>"), "<c>"), Verdict::accepted);
  EXPECT_EQ(verdict("joe", hmac_md5("secret", "<c>"), "<c>"), Verdict::refused);
  EXPECT_EQ(verdict("nobody", "secret"), Verdict::refused);
  EXPECT_EQ(verdict("joe", "Secret"), Verdict::refused);
  EXPECT_EQ(verdict("joe", "secret"), Verdict::too_many);
}

TEST_F(DeskTest, APasswordThatChangedIsNotTakenFromMemory) {
  EXPECT_EQ(verdict("joe", "secret"), Verdict::accepted);
  auto book = std::make_shared<UserBook>();
  book->add({"joe", *StoredSecret::parse("another"), 0});
  book_ = std::move(book);
  EXPECT_EQ(verdict("joe", "secret"), Verdict::refused);
}

TEST_F(DeskTest, TheNumberUnderWayIsBounded) {
  for (int i = 0; i < 300; ++i) {
    start("clear", "x");
  }
  ASSERT_TRUE(world_.run_until([&] { return attempts_.back()->done; }, Duration::seconds(1)));
  EXPECT_EQ(attempts_.back()->op.verdict, Verdict::busy);
  EXPECT_EQ(desk_.under_way(), 256U);
  worker_.work_all();
  ASSERT_TRUE(world_.run_until([&] { return desk_.under_way() == 0; }, Duration::seconds(1)));
}

TEST_F(DeskTest, CertificatesStandForTheirUsersAndNothingElseDoes) {
  Attempt& good = show("", ClientProof::good, 1);
  EXPECT_EQ(good.op.verdict, Verdict::accepted);
  EXPECT_EQ(good.op.user, "ann");
  EXPECT_EQ(good.op.rules, 7U);
  EXPECT_EQ(show("ann", ClientProof::good, 1).op.verdict, Verdict::accepted);
  EXPECT_EQ(show("ann", ClientProof::good, 2).op.verdict, Verdict::refused);
  EXPECT_EQ(show("", ClientProof::expired, 1).op.verdict, Verdict::refused);
  EXPECT_EQ(verdict("ann", ""), Verdict::refused);
  // Three failures of one address: what is right is not looked at either, but where it is known.
  EXPECT_EQ(show("", ClientProof::good, 2).op.verdict, Verdict::too_many);
}

TEST_F(DeskTest, ACertificateIsNoPasswordsBusiness) {
  EXPECT_EQ(show("", ClientProof::untrusted, 1).op.verdict, Verdict::refused);
  EXPECT_EQ(show("joe", ClientProof::good, 1).op.verdict, Verdict::refused);
  EXPECT_EQ(show("root", ClientProof::good, 1).op.verdict, Verdict::refused);
  EXPECT_EQ(system_.asked, 0);
}

TEST_F(DeskTest, AccountsOfTheHostAreAskedEachTime) {
  EXPECT_EQ(verdict("root", "tiger"), Verdict::accepted);
  EXPECT_EQ(verdict("root", "tiger"), Verdict::accepted);
  EXPECT_EQ(system_.asked, 2);
  EXPECT_EQ(verdict("root", "lion"), Verdict::refused);
  EXPECT_EQ(verdict("joe", "secret"), Verdict::accepted);
  EXPECT_EQ(system_.asked, 3);
  EXPECT_EQ(verdict("root", "0123", "<1@x>"), Verdict::refused) << "no challenge fits an account";
  system_.out_of_order = true;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(verdict("root", "tiger"), Verdict::busy) << "that is no failure of the client";
  }
  system_.out_of_order = false;
  EXPECT_EQ(verdict("root", "lion"), Verdict::refused);
  EXPECT_EQ(verdict("joe", "wrong"), Verdict::too_many);
}

TEST_F(DeskTest, SlowChecksLeaveRoomForOthers) {
  std::size_t refused = 0;
  for (int i = 0; i < 40; ++i) {
    start("root", "tiger");
  }
  world_.run_for(Duration::milliseconds(5));
  for (const auto& one : attempts_) {
    refused += one->done && one->op.verdict == Verdict::busy ? 1 : 0;
  }
  EXPECT_EQ(refused, 8U);
  Attempt& other = start("joe", "secret");
  worker_.work_all();
  ASSERT_TRUE(world_.run_until([&] { return other.done; }, Duration::seconds(1)));
  EXPECT_EQ(other.op.verdict, Verdict::accepted);
  EXPECT_EQ(verdict("root", "tiger"), Verdict::accepted);
}

}  // namespace
}  // namespace ringpost::auth
