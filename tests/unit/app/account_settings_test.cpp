#include "core/app/account_settings.h"

#include <gtest/gtest.h>

#include "core/config/check.h"

namespace ringpost::app {
namespace {

config::CheckResult check(const std::string& fields) {
  config::CheckOptions options;
  options.judge_field = &judge_field;
  return config::check_text(
      "a.conf", "<acct-file acct.csv>\n  record-fields d " + fields + "\n</acct-file>\n", options);
}

TEST(AccountingFields, EachUnknownNameIsOneErrorAtItsPlace) {
  const config::CheckResult result = check("timeLoged,rcpt,!colour,*,header_X-Job");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(config::render_text(result.diagnostics),
            "a.conf:2:19: error: 'timeLoged' is not an accounting field; did you mean "
            "'timeLogged'?\n"
            "      record-fields d timeLoged,rcpt,!colour,*,header_X-Job\n"
            "                      ^~~~~~~~~\n"
            "a.conf:2:34: error: 'colour' is not an accounting field\n"
            "      record-fields d timeLoged,rcpt,!colour,*,header_X-Job\n"
            "                                     ^~~~~~~\n");
}

TEST(AccountingFields, WhatOthersRecordIsAnEmptyColumn) {
  const config::CheckResult result = check("timeLogged,timeImprinted,rcpt");
  ASSERT_TRUE(result.ok()) << config::render_text(result.diagnostics);
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(result.diagnostics[0].severity, config::Severity::warning);
  EXPECT_TRUE(check_accounts(*result.snapshot).empty());
}

}  // namespace
}  // namespace ringpost::app
