#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

namespace fs = std::filesystem;

/// Files of other people's, which are read where they lie and are no part of the project.
fs::path collection() { return fs::path(RINGPOST_SOURCE_DIR).parent_path() / "shared/configs"; }

TEST(RealFiles, AllAreReadToTheirEnd) {
  std::error_code error;
  if (!fs::is_directory(collection(), error)) {
    GTEST_SKIP() << "no collection of configuration files beside the source";
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
    EXPECT_EQ(result.ok(), count_of(result.diagnostics, Severity::error) == 0);
    for (const Diagnostic& diagnostic : result.diagnostics) {
      EXPECT_FALSE(diagnostic.file.empty());
      EXPECT_FALSE(diagnostic.message.empty());
    }
  }
}

TEST(RealFiles, FirstSeedLoads) {
  const fs::path seed = collection() / "seed-hot-a.conf";
  if (!fs::exists(seed)) {
    GTEST_SKIP() << "no collection of configuration files beside the source";
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

TEST(RealFiles, OtherSeedsLoad) {
  for (const char* name : {"seed-hot-b.conf", "seed-hot-c.conf"}) {
    if (!fs::exists(collection() / name)) {
      GTEST_SKIP() << "no collection of configuration files beside the source";
    }
    const CheckResult result = check_file((collection() / name).string(), {});
    EXPECT_TRUE(result.ok()) << render_text(result.diagnostics);
  }
}

}  // namespace
}  // namespace ringpost::config
