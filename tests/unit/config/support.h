#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/config/check.h"

namespace ringpost::config::test {

inline CheckResult check(const std::string& text, CheckOptions options = {}) {
  return check_text("ringpost.conf", text, options);
}

/// A configuration that must load; its diagnostics are printed if it does not.
inline std::shared_ptr<const Snapshot> load(const std::string& text) {
  CheckResult result = check(text);
  EXPECT_TRUE(result.ok()) << render_text(result.diagnostics);
  return result.snapshot != nullptr ? result.snapshot : check("").snapshot;
}

inline std::vector<std::string> messages(const CheckResult& result) {
  std::vector<std::string> out;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    out.push_back(std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column) + " " +
                  std::string(name_of(diagnostic.severity)) + " " + diagnostic.message);
  }
  return out;
}

inline PathPolicy policy(const Snapshot& snapshot, std::string_view domain,
                         std::string_view vmta = "{default}") {
  const VmtaRef ref = snapshot.find_vmta(vmta);
  EXPECT_EQ(ref.kind, VmtaRef::Kind::vmta) << vmta;
  return snapshot.path_policy(snapshot.queue_name(domain, ref.id), ref.id);
}

inline Rate per(std::uint32_t count, Duration period) { return {count, period}; }

}  // namespace ringpost::config::test
