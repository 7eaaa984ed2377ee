#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

namespace fs = std::filesystem;

/// Files of other people's, which are read where they lie and are no part of the project: the
/// folder that RINGPOST_CONFIG_COLLECTION names.
fs::path collection() {
  const char* folder = std::getenv("RINGPOST_CONFIG_COLLECTION");
  return folder == nullptr ? fs::path("/nonexistent") : fs::path(folder);
}

TEST(RealFiles, AllAreReadToTheirEnd) {
  std::error_code error;
  if (!fs::is_directory(collection(), error)) {
    GTEST_SKIP() << "RINGPOST_CONFIG_COLLECTION names no folder";
  }
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(collection())) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  CheckOptions options;
  options.lenient = true;
  for (const fs::path& path : paths) {
    const CheckResult result = check_file(path.string(), options);
    const bool verbose = std::getenv("RINGPOST_SHOW_DIAGNOSTICS") != nullptr;
    std::printf("%s: %zu errors, %zu warnings, %zu notes\n%s", path.filename().c_str(),
                count_of(result.diagnostics, Severity::error),
                count_of(result.diagnostics, Severity::warning),
                count_of(result.diagnostics, Severity::note),
                verbose ? render_text(result.diagnostics).c_str() : "");
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(count_of(result.diagnostics, Severity::error), 0u);
    for (const Diagnostic& diagnostic : result.diagnostics) {
      EXPECT_FALSE(diagnostic.file.empty());
      EXPECT_FALSE(diagnostic.message.empty());
    }
  }
}

TEST(RealFiles, FirstSeedLoads) {
  const fs::path seed = collection() / "seed-hot-a.conf";
  if (!fs::exists(seed)) {
    GTEST_SKIP() << "RINGPOST_CONFIG_COLLECTION names no folder";
  }
  const CheckResult result = check_file(seed.string(), {});
  ASSERT_TRUE(result.ok()) << render_text(result.diagnostics);
  for (const char* name : {"warmup-pool", "warmup-inline"}) {
    const VmtaRef ref = result.snapshot->find_vmta(name);
    ASSERT_EQ(ref.kind, VmtaRef::Kind::vmta) << name;
    const VirtualMta& vmta = result.snapshot->virtual_mtas()[ref.id];
    ASSERT_EQ(vmta.sources.size(), 2u);
    EXPECT_EQ(vmta.sources[1].address.text(), "198.51.100.26");
    EXPECT_EQ(vmta.sources[1].helo, "warmup.your-domain.com");
    EXPECT_EQ(vmta.max_smtp_out, 5u);
    EXPECT_EQ(vmta.max_connect_rate, (Rate{2, Duration::minutes(1)}));
    EXPECT_EQ(vmta.max_msg_rate, (Rate{200, Duration::hours(1)}));
    const PathPolicy policy = test::policy(*result.snapshot, "example.com", name);
    EXPECT_EQ(policy.max_msg_per_connection, 50u);
    EXPECT_EQ(policy.bounce_after, Duration::hours(108));
    EXPECT_EQ(policy.retry_after.front(), Duration::minutes(15));
    EXPECT_EQ(policy.max_smtp_out, 20u) << "the limit of the whole is not that of one queue";
  }
  const PathPolicy live = test::policy(*result.snapshot, "live.com");
  EXPECT_EQ(live.max_msg_rate, (Rate{120, Duration::hours(1)})) << "the later line replaces";
  EXPECT_EQ(live.max_connect_rate, (Rate{1, Duration::minutes(1)}));
  ASSERT_EQ(result.snapshot->global().acct_files.size(), 1u);
  EXPECT_EQ(result.snapshot->global().acct_files[0].fields.size(), 8u);
}

std::shared_ptr<const Snapshot> load_seed(const char* name) {
  const fs::path path = collection() / name;
  if (!fs::exists(path)) {
    return nullptr;
  }
  const CheckResult result = check_file(path.string(), {});
  EXPECT_TRUE(result.ok()) << render_text(result.diagnostics);
  return result.snapshot;
}

TEST(RealFiles, SecondSeed) {
  const auto seed = load_seed("seed-hot-b.conf");
  if (seed == nullptr) {
    GTEST_SKIP() << "RINGPOST_CONFIG_COLLECTION names no folder";
  }
  EXPECT_EQ(seed->global().auth_type, AuthType::file);
  EXPECT_EQ(seed->global().auth_file, "/etc/powermta/auth_file");
  const VmtaRef ref = seed->find_vmta("txn-vmta");
  ASSERT_EQ(ref.kind, VmtaRef::Kind::vmta);
  const VirtualMta& vmta = seed->virtual_mtas()[ref.id];
  ASSERT_EQ(vmta.sources.size(), 1u);
  EXPECT_EQ(vmta.sources[0].address.text(), "198.51.100.40");
  EXPECT_EQ(vmta.sources[0].helo, "txn.service.example.com");
  for (const char* domain : {"gmail.com", "yahoo.com"}) {
    const PathPolicy p = test::policy(*seed, domain);
    EXPECT_EQ(p.max_msg_rate, (Rate{100, Duration::seconds(1)})) << domain;
    EXPECT_EQ(p.max_rcpt_per_message, 100u);
    EXPECT_EQ(p.max_smtp_out, 20u);
    EXPECT_EQ(p.retry_after[0], Duration::minutes(10));
    EXPECT_TRUE(p.dkim_sign);
    EXPECT_EQ(p.dkim_identity, "@yourdomain.com");
    EXPECT_EQ(p.dkim_selector, "mail");
    EXPECT_EQ(p.dkim_key_file, "/etc/pmta/dkim.key");
  }
  const PathPolicy gmail = test::policy(*seed, "gmail.com");
  EXPECT_EQ(gmail.backoff_retry_after[0], Duration::minutes(30));
  EXPECT_EQ(gmail.backoff_to_normal_after, Duration::hours(2));
  EXPECT_EQ(gmail.reply_patterns, &shipped_reply_patterns());
  EXPECT_EQ(test::policy(*seed, "yahoo.com").reply_patterns, nullptr);
  const SenderRule* sender = seed->sender_rule("transactional@service.example.com");
  ASSERT_NE(sender, nullptr);
  EXPECT_EQ(sender->vmta_ref, ref);
  EXPECT_EQ(sender->max_msg_rate, (Rate{3000, Duration::hours(1)}));
  EXPECT_EQ(sender->max_conn, 80u);
  EXPECT_EQ(sender->bounce_sender, "bounces+service@example.com");
  EXPECT_EQ(seed->sender_rule("other@service.example.com"), nullptr);
}

TEST(RealFiles, ThirdSeedQueuesAndVirtualMtas) {
  const auto seed = load_seed("seed-hot-c.conf");
  if (seed == nullptr) {
    GTEST_SKIP() << "RINGPOST_CONFIG_COLLECTION names no folder";
  }
  for (const char* domain : {"outlook.com", "hotmail.com", "live.com"}) {
    const PathPolicy p = test::policy(*seed, domain);
    EXPECT_EQ(p.max_smtp_out, 40u) << domain;
    EXPECT_EQ(p.max_per_host_out, 40u);
    ASSERT_NE(p.warmup, nullptr);
    EXPECT_EQ(p.warmup->period, Duration::days(10));
    EXPECT_EQ(p.warmup->start_rate, (Rate{30, Duration::hours(1)}));
    EXPECT_EQ(p.warmup->end_rate, (Rate{4000, Duration::hours(1)}));
    EXPECT_EQ(p.warmup->curve, WarmupCurve::exponential);
    EXPECT_EQ(p.max_msg_rate.unlimited(), !is_pending(OptionId::warmup))
        << "the warm-up takes the place of the fixed rate";
  }
  EXPECT_EQ(test::policy(*seed, "aol.com").max_per_host_out, 20u);
  EXPECT_EQ(test::policy(*seed, "aol.com").max_smtp_out, 20u);
  EXPECT_EQ(test::policy(*seed, "any.example", "main-sender").max_per_host_out, 100u);
  const VmtaRef pool = seed->find_vmta("pool-high-volume");
  ASSERT_EQ(pool.kind, VmtaRef::Kind::pool);
  const VmtaPool& members = seed->pools()[pool.id];
  EXPECT_EQ(members.source_hash, SourceHash::domain);
  EXPECT_EQ(members.max_msg_rate, (Rate{10'000, Duration::minutes(1)}));
  ASSERT_EQ(members.members.size(), 21u);
  const VirtualMta& last = seed->virtual_mtas()[members.members.back()];
  EXPECT_EQ(last.name, "pool-high-volume-192.0.2.30");
  EXPECT_EQ(last.sources[0].address.text(), "192.0.2.30");
}

TEST(RealFiles, ThirdSeedRules) {
  const auto seed = load_seed("seed-hot-c.conf");
  if (seed == nullptr) {
    GTEST_SKIP() << "RINGPOST_CONFIG_COLLECTION names no folder";
  }
  const VmtaRef main = seed->find_vmta("main-sender");
  const VmtaRef warmup = seed->find_vmta("warmup-sender");
  EXPECT_EQ(seed->routed_vmta("google.com"), warmup);
  EXPECT_EQ(seed->routed_vmta("YAHOO.com"), warmup);
  EXPECT_EQ(seed->routed_vmta("other.example"), main);
  const DkimKey* key = seed->find_signature("mail.yourwarmupdomain.com");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->selector, "feb2025");
  EXPECT_EQ(key->file, "/etc/pmta/dkim/warmup.pem");
  EXPECT_EQ(seed->find_signature("example.com"), nullptr);
  const PathPolicy p = test::policy(*seed, "any.example");
  EXPECT_EQ(p.route, nullptr);
  ASSERT_NE(p.backup_route, nullptr);
  EXPECT_EQ(p.backup_route->hops[0].address.text(), "203.0.113.5");
  EXPECT_EQ(p.backup_route->hops[0].port, 2525);
  EXPECT_EQ(seed->smart_routes()[0].priority, 10u);
  const SourceId relay = seed->find_source("{relay 41}");
  ASSERT_NE(relay, kNoSource);
  const SourcePolicy rules = seed->source_policy(IpAddress::v4(127, 0, 0, 1), relay);
  EXPECT_TRUE(rules.require_auth);
  EXPECT_EQ(rules.auth_file, "/etc/pmta/auth.secret");
  ASSERT_EQ(rules.allow_mail_from.size(), 1u);
  EXPECT_EQ(rules.allow_mail_from[0], "*@yourmaindomain.com");
  ASSERT_EQ(rules.allow_recipient.size(), 1u);
  EXPECT_EQ(rules.allow_recipient[0], "*");
  EXPECT_EQ(rules.default_vmta, main);
  EXPECT_EQ(rules.smtp_service, !is_pending(OptionId::relay_allow_mail_from));
  EXPECT_EQ(seed->global().listeners.size(), is_pending(OptionId::relay_listen) ? 0u : 1u);
}

/// Directives of each file: seen, acted on, accepted without effect, faults.
TEST(RealFiles, Tally) {
  std::error_code error;
  if (!fs::is_directory(collection(), error)) {
    GTEST_SKIP() << "RINGPOST_CONFIG_COLLECTION names no folder";
  }
  for (const auto& entry : fs::directory_iterator(collection())) {
    CheckOptions options;
    options.lenient = true;
    const CheckResult result = check_file(entry.path().string(), options);
    std::size_t faults = 0;
    for (const Diagnostic& diagnostic : result.diagnostics) {
      const bool effect = diagnostic.message.find("has no effect") != std::string::npos ||
                          diagnostic.message.find("in this version") != std::string::npos;
      faults += effect || diagnostic.severity == Severity::note ? 0 : 1;
    }
    EXPECT_GE(result.tally.directives, result.tally.acting + result.tally.without_effect);
    std::printf("%s|%zu|%zu|%zu|%zu\n", entry.path().filename().c_str(), result.tally.directives,
                result.tally.acting, result.tally.without_effect, faults);
  }
}

}  // namespace
}  // namespace ringpost::config
