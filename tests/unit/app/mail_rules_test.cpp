#include "core/app/mail_rules.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>

#include "core/app/settings.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

constexpr const char* kVmtas =
    "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
    "<virtual-mta c>\n</virtual-mta>\n<virtual-mta d>\n</virtual-mta>\n";

/// Header fields given by hand.
class Fields : public ingest::FieldValues {
 public:
  explicit Fields(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  std::string_view value(std::string_view name) const override {
    const auto found = values_.find(std::string(name));
    return found == values_.end() ? std::string_view{} : found->second;
  }

 private:
  std::map<std::string, std::string> values_;
};

/// The rules of one source by address, 192.0.2.0/24, and of the named source {in}.
struct Rules {
  explicit Rules(const std::string& text) : snapshot(snapshot_of(kVmtas + text)) {
    auto made = MailRules::make(snapshot);
    EXPECT_TRUE(made.ok()) << made.error().describe();
    rules = *made;
    plain = rules->add_source(snapshot->source_policy(IpAddress::v4(192, 0, 2, 1)));
    inside = rules->add_source(
        snapshot->source_policy(IpAddress::v4(192, 0, 2, 1), snapshot->find_source("{in}")));
  }
  std::string choose(std::uint32_t source, std::string_view from, std::string_view to,
                     std::string_view named = {}, const ingest::FieldValues* fields = nullptr) {
    ingest::ChoiceQuestion question;
    question.source = source;
    question.named = named;
    question.reverse_path = from;
    question.recipient = to;
    question.domain = to.substr(to.rfind('@') + 1);
    question.fields = fields;
    return std::string(rules->choose(question).vmta);
  }

  std::shared_ptr<const config::Snapshot> snapshot;
  std::shared_ptr<MailRules> rules;
  std::uint32_t plain = 0;
  std::uint32_t inside = 0;
};

TEST(MailRules, TheStrongestThatNamesOneChooses) {
  Rules r(
      "<sender s@x.example>\nvmta a\n</sender>\n"
      "<pattern-list p>\nrcpt-to /@listed[.]example$/ virtual-mta=b\n</pattern-list>\n"
      "<source {in}>\ndefault-virtual-mta c\n</source>\n"
      "<source 192.0.2.0/24>\npattern-list p\ndefault-virtual-mta {default}\n</source>\n"
      "source {\ndomain routed.example use-vmta d\n}\n");
  EXPECT_EQ(r.choose(r.inside, "s@x.example", "u@listed.example", "d"), "d");
  EXPECT_EQ(r.choose(r.inside, "S@X.example", "u@listed.example"), "a");
  EXPECT_EQ(r.choose(r.inside, "t@x.example", "u@listed.example"), "b");
  EXPECT_EQ(r.choose(r.inside, "t@x.example", "u@routed.example"), "c");
  EXPECT_EQ(r.choose(r.plain, "t@x.example", "u@Routed.example"), "d");
  EXPECT_EQ(r.choose(r.plain, "", "u@other.example"), "{default}");
  EXPECT_FALSE(r.rules->same_for_all(r.plain, ""));
  EXPECT_TRUE(r.rules->same_for_all(r.plain, "d"));
}

TEST(MailRules, PatternsLookAtSenderRecipientAndHeaderInTheirOrder) {
  Rules r(
      "<pattern-list p>\nmail-from /^news@/ virtual-mta=a\nheader Subject /sale/ virtual-mta=b\n"
      "rcpt-to /@vip[.]/ virtual-mta=c\nmail-from /./ call-to:rest\n</pattern-list>\n"
      "<pattern-list rest>\n* virtual-mta=d\n</pattern-list>\n"
      "<source 192.0.2.0/24>\npattern-list p\n</source>\n");
  const Fields sale(std::map<std::string, std::string>{{"Subject", "a big SALE"}});
  EXPECT_EQ(r.choose(r.plain, "news@x.example", "u@vip.example", "", &sale), "a");
  EXPECT_EQ(r.choose(r.plain, "x@x.example", "u@vip.example", "", &sale), "b");
  EXPECT_EQ(r.choose(r.plain, "x@x.example", "u@vip.example"), "c");
  EXPECT_EQ(r.choose(r.plain, "x@x.example", "u@y.example"), "d");
  EXPECT_EQ(r.choose(r.plain, "", "u@y.example"), "{default}") << "the null path fits nothing";
  EXPECT_EQ(r.rules->fields_of(r.snapshot->source_policy(IpAddress::v4(192, 0, 2, 1))),
            std::vector<std::string_view>{"Subject"});
}

TEST(MailRules, AListGivesPrioritiesWhoeverChoosesTheVirtualMta) {
  Rules r(
      "<sender s@x.example>\nvmta a\n</sender>\n"
      "<pattern-list p>\nrcpt-to /@vip[.]/ recipient-priority=90\n"
      "mail-from /^bulk/ recipient-priority=10,virtual-mta=b\n</pattern-list>\n"
      "<source 192.0.2.0/24>\npattern-list p\n</source>\n");
  const auto priority = [&r](std::string_view from, std::string_view to,
                             std::string_view named = {}) {
    ingest::ChoiceQuestion question;
    question.source = r.plain;
    question.named = named;
    question.reverse_path = from;
    question.recipient = to;
    question.domain = to.substr(to.rfind('@') + 1);
    return int{r.rules->choose(question).priority};
  };
  EXPECT_EQ(priority("s@x.example", "u@vip.example"), 90);
  EXPECT_EQ(priority("s@x.example", "u@vip.example", "c"), 90);
  EXPECT_EQ(priority("bulk@x.example", "u@vip.example"), 90);
  EXPECT_EQ(priority("bulk@x.example", "u@y.example"), 10);
  EXPECT_EQ(priority("t@x.example", "u@y.example"), kNormalPriority);
  EXPECT_FALSE(r.rules->same_for_all(r.plain, "c")) << "its recipients differ in priority";
}

TEST(MailRules, AnUnknownNameFallsBackOrIsToldSo) {
  Rules strict("");
  EXPECT_EQ(strict.choose(strict.plain, "a@b", "u@x.example", "nowhere"), "");
  Rules lax("invalid-virtual-mta-fallback b\n");
  EXPECT_EQ(lax.choose(lax.plain, "a@b", "u@x.example", "nowhere"), "b");
}

TEST(MailRules, ListsStopRecipientsAndOpenAddresses) {
  const std::string file = testing::TempDir() + "ringpost_blocked.txt";
  std::ofstream(file) << "# people who asked\n Late@X.example \n";
  const std::string text =
      "<address-list gone>\naddress u@x.example\naddress /^bad.*@/\ndomain dead.example\n"
      "address-file " +
      file + "\n</address-list>\n<source 192.0.2.0/24>\nsuppression-lists gone\n</source>\n" +
      "relay-address abuse@any.example\nrelay-address /^postmaster@/\n";
  Rules r(text);
  for (const char* address :
       {"U@X.example", "badly@y.example", "a@Dead.example", "late@x.example"}) {
    EXPECT_TRUE(r.rules->is_suppressed(r.plain, address)) << address;
  }
  EXPECT_FALSE(r.rules->is_suppressed(r.plain, "v@x.example"));
  EXPECT_FALSE(r.rules->is_suppressed(r.plain, "u@sub.dead.example"));
  EXPECT_TRUE(r.rules->is_relay_address("Abuse@any.example"));
  EXPECT_TRUE(r.rules->is_relay_address("postmaster@other.example"));
  EXPECT_FALSE(r.rules->is_relay_address("x@any.example"));
  std::remove(file.c_str());
  const auto refused = MailRules::make(snapshot_of(kVmtas + text));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().detail.find(file), std::string::npos) << refused.error().detail;
}

TEST(MailRules, APoolThatGoesByRecipientsGetsOneKeyForOne) {
  Rules r(
      "<virtual-mta-pool p>\nsource-hash recipient\nvirtual-mta a\nvirtual-mta b\n"
      "</virtual-mta-pool>\n");
  ingest::ChoiceQuestion question;
  question.named = "p";
  question.recipient = "User@x.example";
  const ingest::Choice one = r.rules->choose(question);
  question.recipient = "user@X.example";
  EXPECT_EQ(one.pool_key, r.rules->choose(question).pool_key);
  EXPECT_NE(one.pool_key, 0U);
  EXPECT_EQ(one.vmta, "p");
}

TEST(MailRules, TheAddressConnectedToNamesTheVirtualMta) {
  Rules r(
      "<virtual-mta own>\nsmtp-source-host 192.0.2.50\n</virtual-mta>\n"
      "<source 192.0.2.0/24>\ndefault-virtual-mta by-smtp-source-ip\n</source>\n");
  ingest::ChoiceQuestion question;
  question.source = r.plain;
  question.recipient = "u@x.example";
  question.local = IpAddress::v4(192, 0, 2, 50);
  EXPECT_EQ(r.rules->choose(question).vmta, "own");
  question.local = IpAddress::v4(192, 0, 2, 51);
  EXPECT_EQ(r.rules->choose(question).vmta, "{default}");
}

TEST(MailRules, SessionsOfASenderAreCountedOverAReload) {
  const std::string text = "<sender *@x.example>\nmax-conn ";
  Rules r(text + "2\n</sender>\n");
  SharedCount* count = r.rules->sessions_of("a@X.example");
  ASSERT_NE(count, nullptr);
  EXPECT_EQ(count, r.rules->sessions_of("b@x.example"));
  EXPECT_EQ(r.rules->sessions_of("a@y.example"), nullptr);
  EXPECT_EQ(r.rules->sessions_of(""), nullptr);
  EXPECT_TRUE(count->take());
  EXPECT_TRUE(count->take());
  EXPECT_FALSE(count->take());
  const auto next = *MailRules::make(snapshot_of(text + "3\n</sender>\n"), r.rules.get());
  EXPECT_EQ(next->sessions_of("c@x.example"), count);
  EXPECT_TRUE(count->take());
  EXPECT_FALSE(count->take());
}

}  // namespace
}  // namespace ringpost::app
