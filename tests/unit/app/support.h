#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/config/check.h"

namespace ringpost::app {

/// The snapshot of a configuration text that must be without faults.
inline std::shared_ptr<const config::Snapshot> snapshot_of(const std::string& text) {
  config::CheckOptions options;
  options.host_name = "mx.example";
  const config::CheckResult result = config::check_text("test.conf", text, options);
  EXPECT_TRUE(result.ok()) << config::render_text(result.diagnostics);
  return result.snapshot;
}

}  // namespace ringpost::app
