#include "core/config/diff.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/config/explain.h"
#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

using test::load;

std::vector<std::string> lines(const std::vector<ChangedValue>& changes) {
  std::vector<std::string> out;
  for (const ChangedValue& change : changes) {
    out.push_back(change.where + " " + change.name + ": " + change.before + " -> " + change.after);
  }
  return out;
}

TEST(Diff, QueuesWhoseSettingsChange) {
  const auto before = load(
      "<domain *>\nmax-smtp-out 5\n</domain>\n<domain a.example>\nmax-msg-rate 10/h\n</domain>\n"
      "<virtual-mta v>\n<domain b.example>\nretry-after 5m\n</domain>\n</virtual-mta>\n");
  const auto after = load(
      "<domain *>\nmax-smtp-out 5\n</domain>\n<domain a.example>\nmax-msg-rate 20/h\n</domain>\n"
      "<virtual-mta v>\n<domain b.example>\nretry-after 9m\n</domain>\n</virtual-mta>\n");
  const ConfigDiff diff = compare(*before, *after);
  EXPECT_EQ(lines(diff.queues),
            (std::vector<std::string>{"a.example/* backoff-max-msg-rate: 10/h -> 20/h",
                                      "a.example/* max-msg-rate: 10/h -> 20/h",
                                      "b.example/v retry-after: 5m -> 9m"}));
  EXPECT_TRUE(diff.process.empty());
  EXPECT_TRUE(compare(*before, *before).empty());
  EXPECT_EQ(render_text(compare(*before, *before)), "nothing changes\n");
}

TEST(Diff, AWiderPatternChangesTheNarrowOnesThatSayNothing) {
  const auto before = load(
      "<domain *>\nmax-smtp-out 5\n</domain>\n<domain a.example>\nmax-msg-rate 10/h\n</domain>\n");
  const auto after = load(
      "<domain *>\nmax-smtp-out 6\n</domain>\n<domain a.example>\nmax-msg-rate 10/h\n</domain>\n");
  const auto changed = lines(compare(*before, *after).queues);
  EXPECT_NE(std::find(changed.begin(), changed.end(), "*/* max-smtp-out: 5 -> 6"), changed.end());
  EXPECT_NE(std::find(changed.begin(), changed.end(), "a.example/* max-smtp-out: 5 -> 6"),
            changed.end());
}

TEST(Diff, VirtualMtasAndTheRest) {
  const auto before = load(
      "shards 2\nhost-name a.example\n<virtual-mta gone>\n</virtual-mta>\n"
      "<virtual-mta v>\nsmtp-source-host 192.0.2.1 a.example\nmax-smtp-out 5\n</virtual-mta>\n"
      "<smtp-user u>\npassword swordfish\n</smtp-user>\n");
  const auto after = load(
      "shards 4\nhost-name a.example\n<virtual-mta fresh>\n</virtual-mta>\n"
      "<virtual-mta v>\nsmtp-source-host 192.0.2.2 a.example\nmax-smtp-out 9\n</virtual-mta>\n"
      "<smtp-user u>\npassword herring\n</smtp-user>\n");
  const ConfigDiff diff = compare(*before, *after);
  EXPECT_EQ(diff.vmtas.size(), 4u);
  EXPECT_EQ(diff.restart, (std::vector<std::string>{"shards"}));
  EXPECT_EQ(restart_needed(*before, *after), diff.restart);
  EXPECT_EQ(lines(diff.process), (std::vector<std::string>{"the global level shards: 2 -> 4",
                                                           "<smtp-user u> password: ** -> **"}));
  const std::string shown = render_text(diff) + render_json(diff);
  EXPECT_NE(shown.find("password"), std::string::npos) << "the change is named";
  EXPECT_EQ(shown.find("swordfish"), std::string::npos) << "its value is not: " << shown;
  EXPECT_EQ(shown.find("herring"), std::string::npos);
}

TEST(Explain, SenderAndDomainChooseTheVirtualMta) {
  const auto snapshot = load(
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<sender news@x.example>\nvmta a\nmax-msg-rate 5/h\n</sender>\n"
      "source {\ndefault-domain * use-vmta b\n}\n");
  const auto by_sender = explain(*snapshot, "d.example", "", "news@x.example");
  ASSERT_TRUE(by_sender.ok());
  EXPECT_EQ(by_sender->queue, "d.example/a");
  EXPECT_NE(by_sender->vmta_chosen_by.find("news@x.example"), std::string::npos);
  ASSERT_EQ(by_sender->sender_settings.size(), 2u);
  EXPECT_EQ(by_sender->sender_settings[1].effective.value, "5/h");
  EXPECT_EQ(explain(*snapshot, "d.example", "", "other@x.example")->queue, "d.example/b");
  EXPECT_EQ(explain(*snapshot, "d.example", "a")->queue, "d.example/a");
}

TEST(Explain, SecretsAreAsterisks) {
  const auto snapshot = load(
      "<domain a.example>\nauth-username u\nauth-password hunter2\n"
      "smtp-client-certificate /c.pem hunter2\n</domain>\n");
  const auto explanation = explain(*snapshot, "a.example", "");
  ASSERT_TRUE(explanation.ok());
  const std::string shown = render_text(*explanation) + render_json(*explanation);
  EXPECT_EQ(shown.find("hunter2"), std::string::npos);
  EXPECT_NE(shown.find("**"), std::string::npos);
  EXPECT_EQ(test::policy(*snapshot, "a.example").auth_password.reveal(), "hunter2")
      << "who needs it gets it";
  ASSERT_NE(test::policy(*snapshot, "a.example").client_certificate, nullptr);
  EXPECT_EQ(test::policy(*snapshot, "a.example").client_certificate->password.reveal(), "hunter2");
}

}  // namespace
}  // namespace ringpost::config
