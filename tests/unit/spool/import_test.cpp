// What an export holds comes into another spool once: recipients in their state, and endings that
// senders are still to be told of.

#include "spool/import.h"

#include <gtest/gtest.h>

#include "spool/tools.h"
#include "tests/unit/spool/spool_fixture.h"

namespace ringpost::spool::testing {
namespace {

/// Takes note of reports that are owed, and makes none where it is closed.
class TestReports : public ReportSink {
 public:
  bool account(const SettledRecord& record) override {
    owed.emplace_back(record.recipient, record.text);
    return !closed;
  }
  std::uint64_t archived(std::uint16_t) const override { return 0; }
  bool look_at(const SpoolHandle&) override { return true; }

  std::vector<std::pair<std::string, std::string>> owed;
  bool closed = false;
};

/// Messages in memory; can end early, as a program that is killed does.
class TestArchive : public ImportSource {
 public:
  std::uint64_t largest() override { return 20'000; }
  Result<bool> next(ImportMessage& out) override {
    if (at == fails_at) {
      return Error::of(ErrorCode::io_failed, "killed");
    }
    if (at == messages.size()) {
      return false;
    }
    out = messages[at++];
    return true;
  }
  void refused(const ImportMessage& message, std::string_view) override {
    faulty.push_back(message.id);
  }

  std::vector<ImportMessage> messages;
  std::vector<std::string> faulty;
  std::size_t at = 0;
  std::size_t fails_at = ~std::size_t{0};
};

std::string value_of(const std::string& line, const std::string& name, std::size_t from = 0) {
  const std::size_t at = line.find("\"" + name + "\":\"", from) + name.size() + 4;
  return line.substr(at, line.find('"', at) - at);
}

std::string octets_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

class ImportTest : public SpoolTest {
 protected:
  ImportMessage message(std::uint64_t number) {
    ImportMessage out;
    out.id = MessageId{7, number}.text();
    out.reverse_path = "s" + std::to_string(number) + "@home.test";
    out.vmta = "v1";
    out.job = "j1";
    out.received_us = 1'700'000'000'000'000;
    ImportRecipient to;
    to.address = "u" + std::to_string(number) + "@d.test";
    to.attempts = 3;
    to.priority = 81;
    to.next_attempt = 1'800'000'900;
    out.recipients.push_back(to);
    out.content = "Subject: x\r\n\r\n.dot\r\n" + std::string(number % 9 * 500, 'x') + "\r\n";
    return out;
  }
  Result<ImportFigures> import(TestArchive& archive) {
    sim::SimDisk disk(files_, ++seed_);
    TestEntropy entropy(++seed_);
    archive.at = 0;
    return import_messages(disk, entropy, "/spool", "", {Instant{}, WallTime{1}}, archive);
  }
};

TEST_F(ImportTest, EachMessageComesOnceHoweverOftenItIsInterrupted) {
  TestArchive archive;
  for (std::uint64_t i = 0; i < 40; ++i) {
    archive.messages.push_back(message(i));
  }
  for (const std::size_t fails_at : {0, 1, 20, 39}) {
    archive.fails_at = fails_at;
    EXPECT_FALSE(import(archive)) << fails_at;
  }
  archive.fails_at = ~std::size_t{0};
  const auto first = import(archive);
  ASSERT_TRUE(first) << first.error().describe();
  EXPECT_EQ(40U, first->messages);
  archive.messages.push_back(message(99));
  archive.messages.push_back(message(100));
  archive.messages.back().content = "Subject: bare\n\nx\r\n";
  const auto second = import(archive);
  ASSERT_TRUE(second) << second.error().describe();
  EXPECT_EQ(1U, second->messages);
  EXPECT_EQ(40U, second->already);
  EXPECT_EQ(std::vector<std::string>{archive.messages.back().id}, archive.faulty);
  auto run = start();
  ASSERT_TRUE(run->turn_until([&] { return admissions_.offered.size() >= 41; }));
  run->settle_down();
  EXPECT_EQ(41U, admissions_.offered.size());
  while (!admissions_.offered.empty()) {
    const Offered offered = take_offer(*run);
    EXPECT_EQ(3, offered.attempts);
    EXPECT_EQ(81, offered.priority);
    EXPECT_EQ(1'800'000'900'000'000, offered.next.us);
    EXPECT_EQ("v1", offered.vmta);
    Session::Work& work = run->open_now(offered);
    ASSERT_EQ(0, work.job.opened.result);
    EXPECT_EQ("Subject: x\r\n\r\n..dot\r\n", std::string(work.job.view.body.substr(0, 21)));
    EXPECT_EQ("j1", work.job.view.envelope.job);
    run->settle_now(work, OutcomeKind::delivered);
  }
  EXPECT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 41; }));
}

TEST_F(ImportTest, EndingsThatSendersMustHearOfCome) {
  TestReports reports;
  reports.closed = true;
  auto run = std::make_unique<Session>(
      files_, options_, admissions_, outcomes_, ++seed_, 1, 0,
      Now{Instant{Duration::hours(1).ns}, WallTime{1'800'000'000'000'000}}, &reports);
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 900)));
  Session::Work& work = run->open_now(take_offer(*run));
  run->settle_now(work, OutcomeKind::bounced, "no such user");
  ASSERT_TRUE(run->turn_until([&] { return !reports.owed.empty(); }));
  kill(run);
  sim::SimDisk disk(files_, ++seed_);
  const auto exported = export_messages(disk, "/spool", "/out");
  ASSERT_TRUE(exported) << exported.error().describe();
  EXPECT_EQ(1U, exported->reports);
  EXPECT_EQ(0U, exported->recipients);
  const std::string line = files_.read("/out/messages.jsonl");
  TestArchive archive;
  archive.messages.push_back(message(1));
  archive.messages[0].recipients[0].address = value_of(line, "address");
  archive.messages[0].recipients[0].owed = octets_of(value_of(line, "owed"));
  options_.folder = "/new";
  TestEntropy entropy(5);
  const auto taken = import_messages(disk, entropy, "/new", "", {Instant{}, WallTime{1}}, archive);
  ASSERT_TRUE(taken) << taken.error().describe();
  EXPECT_EQ(1U, taken->reports);
  const std::size_t accounted = outcomes_.records.size();
  reports.owed.clear();
  reports.closed = false;
  run = std::make_unique<Session>(
      files_, options_, admissions_, outcomes_, ++seed_, 1, 0,
      Now{Instant{Duration::hours(2).ns}, WallTime{1'800'003'600'000'000}}, &reports);
  ASSERT_TRUE(run->turn_until([&] { return !reports.owed.empty(); }));
  EXPECT_EQ("no such user", reports.owed[0].second);
  run->settle_down();
  EXPECT_EQ(1U, reports.owed.size());
  EXPECT_TRUE(admissions_.offered.empty()) << "it has ended";
  EXPECT_EQ(accounted, outcomes_.records.size()) << "the old host has accounted it";
}

}  // namespace
}  // namespace ringpost::spool::testing
