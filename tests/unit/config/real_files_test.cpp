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
