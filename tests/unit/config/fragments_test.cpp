#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "core/config/explain.h"
#include "core/config/patterns.h"
#include "tests/unit/config/support.h"

// The three dialects as senders have them (data/fragment-*.conf): every value that differs from its
// default is named here, and nothing else may differ.

namespace ringpost::config {
namespace {

using Values = std::map<std::string, std::string>;

std::shared_ptr<const Snapshot> load_fragment(const char* name) {
  const std::filesystem::path folder =
      std::filesystem::path(RINGPOST_SOURCE_DIR) / "tests/unit/config/data";
  const CheckResult result = check_file((folder / name).string(), {});
  EXPECT_TRUE(result.ok()) << render_text(result.diagnostics);
  for (const Diagnostic& finding : result.diagnostics) {
    EXPECT_EQ(finding.severity, Severity::note) << finding.message;
  }
  return result.snapshot;
}

Values written(const std::vector<ExplainedSetting>& settings) {
  Values values;
  for (const ExplainedSetting& setting : settings) {
    if (setting.effective.place != "default") {
      EXPECT_EQ(setting.no_effect, "") << setting.name;
      values.emplace(setting.name, setting.effective.value);
    }
  }
  return values;
}

Explanation explained(const Snapshot& snapshot, std::string_view domain,
                      std::string_view vmta = "{default}", std::string_view sender = "") {
  const Result<Explanation> explanation = explain(snapshot, domain, vmta, sender);
  EXPECT_TRUE(explanation.ok());
  return explanation.ok() ? *explanation : Explanation{};
}

TEST(Fragments, VirtualMtasInBrackets) {
  const auto snapshot = load_fragment("fragment-brackets.conf");
  ASSERT_NE(snapshot, nullptr);
  for (const char* vmta : {"warmup-pool", "warmup-inline"}) {
    const Explanation any = explained(*snapshot, "example.com", vmta);
    EXPECT_EQ(written(any.queue_settings), (Values{{"max-msg-per-connection", "50"},
                                                   {"max-cold-virtual-mta-msg", "200/d"},
                                                   {"bounce-after", "4d12h"},
                                                   {"retry-after", "15m"}}))
        << vmta;
    EXPECT_EQ(
        written(any.vmta_settings),
        (Values{{"max-smtp-out", "5"}, {"max-connect-rate", "2/m"}, {"max-msg-rate", "200/h"}}));
    EXPECT_EQ(any.source_hosts, (std::vector<std::string>{"198.51.100.25 warmup.your-domain.com",
                                                          "198.51.100.26 warmup.your-domain.com"}));
    const PathPolicy policy = test::policy(*snapshot, "example.com", vmta);
    EXPECT_EQ(policy.max_smtp_out, 20u) << "the limit of the whole is not that of one queue";
  }
}

TEST(Fragments, MacroAndAccountingInBrackets) {
  const auto snapshot = load_fragment("fragment-brackets.conf");
  ASSERT_NE(snapshot, nullptr);
  for (const char* domain : {"hotmail.com", "outlook.com", "LIVE.com"}) {
    EXPECT_EQ(written(explained(*snapshot, domain).queue_settings),
              (Values{{"max-msg-rate", "120/h"}, {"max-connect-rate", "1/m"}}))
        << domain << ": of max-msg-rate and max-msg-per-hour the later counts";
  }
  EXPECT_EQ(written(explained(*snapshot, "example.com").queue_settings), Values{});
  const auto files = snapshot->global().acct_files;
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, "/var/log/pmta/acct.csv");
  EXPECT_EQ(files[0].format, AcctFormat::csv);
  EXPECT_EQ(files[0].move_interval, Duration::days(1));
  EXPECT_EQ(files[0].compress, Compression::none);
  const std::vector<std::string_view> fields(files[0].fields.begin(), files[0].fields.end());
  EXPECT_EQ(fields, (std::vector<std::string_view>{"time", "type", "vmta", "domain", "rcpt",
                                                   "status", "dsn-status", "size"}));
}

TEST(Fragments, DomainsByAssignment) {
  const auto snapshot = load_fragment("fragment-assignments.conf");
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->global().auth_type, AuthType::file);
  EXPECT_EQ(snapshot->global().auth_file, "/etc/powermta/auth_file");
  Values both{{"max-msg-rate", "100/s"}, {"max-rcpt-per-message", "100"},
              {"max-smtp-out", "20"},    {"retry-after", "10m"},
              {"dkim-sign", "yes"},      {"dkim-identity", "@yourdomain.com"},
              {"dkim-selector", "mail"}, {"dkim-key-file", "/etc/pmta/dkim.key"}};
  EXPECT_EQ(written(explained(*snapshot, "yahoo.com").queue_settings), both);
  both.insert({{"backoff-retry-after", "30m"}, {"backoff-to-normal-after", "2h"}});
  EXPECT_EQ(written(explained(*snapshot, "gmail.com").queue_settings), both);
  EXPECT_EQ(test::policy(*snapshot, "gmail.com").reply_patterns, &shipped_reply_patterns())
      << "back-off without a list of patterns takes the shipped one";
  EXPECT_EQ(test::policy(*snapshot, "yahoo.com").reply_patterns, nullptr);
}

TEST(Fragments, SenderByAssignment) {
  const auto snapshot = load_fragment("fragment-assignments.conf");
  ASSERT_NE(snapshot, nullptr);
  const Explanation chosen =
      explained(*snapshot, "gmail.com", "", "transactional@service.example.com");
  EXPECT_EQ(chosen.queue, "gmail.com/txn-vmta");
  EXPECT_EQ(chosen.source_hosts,
            (std::vector<std::string>{"198.51.100.40 txn.service.example.com"}));
  EXPECT_EQ(written(chosen.vmta_settings), Values{});
  EXPECT_EQ(written(chosen.sender_settings),
            (Values{{"vmta", "txn-vmta"},
                    {"max-msg-rate", "3000/hour"},
                    {"max-conn", "80"},
                    {"bounce-sender", "bounces+service@example.com"}}));
  EXPECT_EQ(snapshot->sender_rule("other@service.example.com"), nullptr);
}

TEST(Fragments, GroupsInBraces) {
  const auto snapshot = load_fragment("fragment-braces.conf");
  ASSERT_NE(snapshot, nullptr);
  for (const char* domain : {"outlook.com", "hotmail.com", "live.com"}) {
    const Explanation explanation = explained(*snapshot, domain);
    EXPECT_EQ(explanation.queue, "throt-microsoft.com/{default}");
    EXPECT_EQ(written(explanation.queue_settings),
              (Values{{"max-smtp-out", "40"},
                      {"max-per-host-out", "40"},
                      {"warmup", "30/h to 4000/h in 10d, exponential"}}))
        << "the warm-up takes the place of the fixed rate";
    const PathPolicy policy = test::policy(*snapshot, domain);
    ASSERT_NE(policy.warmup, nullptr);
    EXPECT_EQ(policy.warmup->period, Duration::days(10));
    EXPECT_EQ(policy.warmup->start_rate, (Rate{30, Duration::hours(1)}));
    EXPECT_EQ(policy.warmup->end_rate, (Rate{4000, Duration::hours(1)}));
    EXPECT_TRUE(policy.max_msg_rate.unlimited());
  }
  EXPECT_EQ(written(explained(*snapshot, "aol.com").queue_settings),
            (Values{{"max-smtp-out", "20"}, {"max-per-host-out", "20"}}));
  EXPECT_EQ(explained(*snapshot, "aol.com").queue, "throt-aol.com/{default}");
}

TEST(Fragments, VirtualMtasInBraces) {
  const auto snapshot = load_fragment("fragment-braces.conf");
  ASSERT_NE(snapshot, nullptr);
  const Explanation main = explained(*snapshot, "any.example", "main-sender");
  EXPECT_EQ(written(main.queue_settings), (Values{{"max-per-host-out", "100"}}));
  EXPECT_EQ(written(main.vmta_settings), Values{});
  EXPECT_EQ(main.source_hosts, (std::vector<std::string>{"192.0.2.10 mail.yourmaindomain.com"}));
  const Explanation warm = explained(*snapshot, "any.example", "warmup-sender");
  EXPECT_EQ(written(warm.queue_settings), Values{});
  EXPECT_EQ(warm.source_hosts,
            (std::vector<std::string>{"192.0.2.31 warmup.yourwarmupdomain.com"}));
  const VmtaRef ref = snapshot->find_vmta("pool-high-volume");
  ASSERT_EQ(ref.kind, VmtaRef::Kind::pool);
  const VmtaPool& pool = snapshot->pools()[ref.id];
  EXPECT_EQ(pool.source_hash, SourceHash::domain);
  EXPECT_EQ(pool.max_msg_rate, (Rate{10'000, Duration::minutes(1)}));
  ASSERT_EQ(pool.members.size(), 21u);
  for (std::size_t i = 0; i < pool.members.size(); ++i) {
    const std::string address = "192.0.2." + std::to_string(10 + i);
    const VirtualMta& member = snapshot->virtual_mtas()[pool.members[i]];
    EXPECT_EQ(member.name, "pool-high-volume-" + address);
    ASSERT_EQ(member.sources.size(), 1u);
    EXPECT_EQ(member.sources[0].address.text(), address);
  }
}

TEST(Fragments, RoutingInBraces) {
  const auto snapshot = load_fragment("fragment-braces.conf");
  ASSERT_NE(snapshot, nullptr);
  const VmtaRef main = snapshot->find_vmta("main-sender");
  const VmtaRef warmup = snapshot->find_vmta("warmup-sender");
  ASSERT_NE(main, warmup);
  EXPECT_EQ(snapshot->routed_vmta("google.com"), warmup);
  EXPECT_EQ(snapshot->routed_vmta("YAHOO.com"), warmup);
  EXPECT_EQ(snapshot->routed_vmta("other.example"), main);
  const DkimKey* key = snapshot->find_signature("mail.yourwarmupdomain.com");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->selector, "feb2025");
  EXPECT_EQ(key->file, "/etc/pmta/dkim/warmup.pem");
  EXPECT_EQ(snapshot->find_signature("example.com"), nullptr);
  const PathPolicy policy = test::policy(*snapshot, "any.example");
  EXPECT_EQ(policy.route, nullptr);
  ASSERT_NE(policy.backup_route, nullptr);
  ASSERT_EQ(policy.backup_route->hops.size(), 1u);
  EXPECT_EQ(policy.backup_route->hops[0].address.text(), "203.0.113.5");
  EXPECT_EQ(policy.backup_route->hops[0].port, 2525);
  ASSERT_EQ(snapshot->smart_routes().size(), 1u);
  EXPECT_EQ(snapshot->smart_routes()[0].name, "backup-dc");
  EXPECT_TRUE(snapshot->smart_routes()[0].backup);
  EXPECT_EQ(snapshot->smart_routes()[0].priority, 10u);
}

TEST(Fragments, RelayInBraces) {
  const auto snapshot = load_fragment("fragment-braces.conf");
  ASSERT_NE(snapshot, nullptr);
  const auto listeners = snapshot->global().listeners;
  ASSERT_EQ(listeners.size(), 1u);
  EXPECT_EQ(listeners[0].address().text(), "127.0.0.1:2525");
  ASSERT_NE(listeners[0].source, kNoSource);
  const SourcePolicy rules =
      snapshot->source_policy(IpAddress::v4(127, 0, 0, 1), listeners[0].source);
  EXPECT_TRUE(rules.require_auth);
  EXPECT_FALSE(rules.allow_unencrypted_auth) << "offered without TLS on loopback only";
  const std::vector<std::string_view> mechanisms(rules.auth_mechanisms.begin(),
                                                 rules.auth_mechanisms.end());
  EXPECT_EQ(mechanisms, (std::vector<std::string_view>{"plain", "login"}));
  EXPECT_EQ(rules.auth_file, "/etc/pmta/auth.secret");
  ASSERT_EQ(rules.allow_mail_from.size(), 1u);
  EXPECT_EQ(rules.allow_mail_from[0], "*@yourmaindomain.com");
  ASSERT_EQ(rules.allow_recipient.size(), 1u);
  EXPECT_EQ(rules.allow_recipient[0], "*");
  EXPECT_EQ(rules.default_vmta, snapshot->find_vmta("main-sender"));
  EXPECT_TRUE(rules.smtp_service);
}

}  // namespace
}  // namespace ringpost::config
