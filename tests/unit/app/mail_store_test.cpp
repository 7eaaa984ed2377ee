#include "core/app/mail_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace ringpost::app {
namespace {

namespace fs = std::filesystem;

struct NowWorker : Worker {
  void run(WorkOp& op) override { result = op.work(op.context); }
  std::int32_t result = 1;
};

/// One message of two recipients, and a folder that goes with the test.
class MailStoreTest : public ::testing::Test {
 protected:
  MailStoreTest() : folder_("/tmp/ringpost-store." + std::to_string(::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    job_.view.id = {7, 9};
    job_.view.envelope.reverse_path = "From@Sender.test";
    job_.view.envelope.recipients = recipients_;
    job_.view.prefix = "Received: here\r\n";
    job_.view.body = kBody;
    job_.view.kept = kept_;
    job_.recipients.resize(2);
    job_.recipients[0].index = 0;
    job_.recipients[1].index = 1;
    how_.way = DeliveryWay::file;
    how_.folder = folder_;
  }
  ~MailStoreTest() override { fs::remove_all(folder_); }

  std::int32_t store() {
    op_.job = &job_;
    op_.how = &how_;
    op_.now = WallTime{1'800'000'000'000'000};
    NowWorker worker;
    ThreadMailStore(worker).store(op_);
    return worker.result;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::string text(std::size_t i) const {
    return std::string(job_.text_of(job_.recipients[i].outcome.text));
  }
  OutcomeKind kind(std::size_t i) const { return job_.recipients[i].outcome.kind; }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator{}));
  }

  static constexpr std::string_view kBody =
      "X-Job: 1\r\nSubject: s\r\n\r\nFrom here\r\n..dot\r\n>From there\r\n.\r\n";
  const std::string folder_;
  std::vector<Recipient> recipients_ = {{"User@Rcpt.test", {}}, {"../e vil@rcpt.test", {}}};
  std::vector<ByteRange> kept_ = {{10, static_cast<std::uint32_t>(kBody.size())}};
  Job job_;
  LocalDelivery how_;
  deliver::StoreOp op_;
};

TEST_F(MailStoreTest, AFileForEachRecipientHoldsTheMessageAlone) {
  ASSERT_EQ(store(), 0);
  const std::string id = job_.view.id.text();
  const std::string content =
      "Received: here\r\nSubject: s\r\n\r\nFrom here\r\n.dot\r\n>From there\r\n";
  EXPECT_EQ(read(id + ".0.eml"), content);
  EXPECT_EQ(read(id + ".1.eml"), content);
  EXPECT_EQ(files(), 2U);
  EXPECT_EQ(kind(1), OutcomeKind::delivered);
  EXPECT_EQ(text(1), "stored as " + folder_ + "/" + id + ".1.eml");
  ASSERT_EQ(store(), 0);
  EXPECT_EQ(files(), 2U) << "what is repeated replaces its own file";
}

TEST_F(MailStoreTest, APickupFileNamesItsRecipients) {
  how_.form = LocalDelivery::Form::pickup;
  ASSERT_EQ(store(), 0);
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(read(job_.view.id.text() + ".0.eml").substr(0, 83),
            "x-sender: From@Sender.test\r\nx-receiver: User@Rcpt.test\r\n"
            "x-receiver: ../e vil@rcpt.t");
  EXPECT_EQ(kind(1), OutcomeKind::delivered);
}

TEST_F(MailStoreTest, MailboxesGrowAndCannotLeaveTheirFolder) {
  how_.form = LocalDelivery::Form::mailbox;
  ASSERT_EQ(store(), 0);
  const std::string entry =
      "From From@Sender.test Fri Jan 15 08:00:00 2027\nReceived: here\nSubject: s\n\n"
      ">From here\n.dot\n>>From there\n\n";
  EXPECT_EQ(read("user@rcpt.test.mbox"), entry);
  EXPECT_EQ(read("%2E.%2Fe%20vil@rcpt.test.mbox"), entry);
  std::ofstream(folder_ + "/user@rcpt.test.mbox", std::ios::app) << "From x\ncut";
  job_.recipients.resize(1);
  ASSERT_EQ(store(), 0);
  EXPECT_EQ(read("user@rcpt.test.mbox"), entry + "From x\ncut\n\n" + entry);
  EXPECT_LT(mailbox_name(std::string(4000, 'x') + "@y").size(), 230U);
  EXPECT_NE(mailbox_name(std::string(4000, 'x') + "@y"), mailbox_name(std::string(4000, 'x')));
}

TEST_F(MailStoreTest, AFolderThatIsNotThereIsNamed) {
  how_.folder += "/none";
  EXPECT_LT(store(), 0);
  EXPECT_EQ(op_.reason.rfind("cannot write into " + how_.folder + ": ", 0), 0U) << op_.reason;
  EXPECT_EQ(kind(0), OutcomeKind::pending);
}

TEST_F(MailStoreTest, ACommandTakesTheMailByItsStatus) {
  std::signal(SIGPIPE, SIG_IGN);  // as the daemon does: commands need not read all of it
  how_.way = DeliveryWay::pipe;
  how_.command =
      "/bin/sh -c \"cat >" + folder_ + "/got; echo \"\"$RECIPIENT\"\" $0 $1\" $user $from";
  job_.recipients.resize(1);
  ASSERT_EQ(store(), 0);
  EXPECT_EQ(kind(0), OutcomeKind::delivered);
  EXPECT_EQ(text(0), "taken by the command: User@Rcpt.test user from@sender.test");
  EXPECT_EQ(read("got"), "Received: here\nSubject: s\n\nFrom here\n.dot\n>From there\n");
  const std::pair<const char*, OutcomeKind> statuses[] = {
      {"/bin/sh -c \"echo no such user; echo x; exit 67\"", OutcomeKind::bounced},
      {"/bin/sh -c \"exit 75\"", OutcomeKind::deferred},
      {"/bin/sh -c \"kill -9 $$\"", OutcomeKind::deferred}};
  for (const auto& [command, expected] : statuses) {
    how_.command = command;
    job_.recipients[0].outcome = {};
    ASSERT_EQ(store(), 0);
    EXPECT_EQ(kind(0), expected) << command;
  }
  EXPECT_EQ(text(0), "the command was ended by signal 9");
  how_.command = "/nowhere/at/all";
  EXPECT_LT(store(), 0);
  how_.command = "/bin/sleep 1000";
  op_.cancelled = true;
  ASSERT_EQ(store(), 0);
  EXPECT_EQ(kind(0), OutcomeKind::deferred);
}

TEST(CommandWords, AreNotAShells) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(command_words("  a  \"b c\"d \"e \"\"f\"\"\" \t\"\" "),
            (Words{"a", "b cd", "e \"f\"", ""}));
  EXPECT_EQ(with_macros("<$TO>$user;$(x)$domain", "f@g", "A b@C", false), "<a b@c>a b;$(x)c");
  EXPECT_EQ(with_macros("$to$from", "F@g", "A@C", true), "A@CF@g");
}

}  // namespace
}  // namespace ringpost::app
