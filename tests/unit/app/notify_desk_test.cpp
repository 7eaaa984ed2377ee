#include "core/app/notify_desk.h"

#include <gtest/gtest.h>

#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

schedule::Decision decision(const char* queue, schedule::Decision::Kind kind) {
  schedule::Decision out;
  out.kind = kind;
  out.name = queue;
  out.vmta = "{default}";
  out.source = IpAddress::v4(192, 0, 2, 1);
  return out;
}

// Who is told follows the queue's settings, its group's where it has one, and the kind.
TEST(NotifyDesk, WhoIsTold) {
  using Kind = schedule::Decision::Kind;
  PolicyBook book(snapshot_of(
      "<domain *>\nbackoff-notify all@ops.example\n</domain>\n"
      "<domain a.example>\nbackoff-notify a@ops.example, b@ops.example\n"
      "disabled-source-ip-notify net@ops.example\n</domain>\n"
      "<domain quiet.example>\nbackoff-notify \"\"\n</domain>\n"
      "domain g { domain one.example domain two.example backoff-notify g@ops.example }\n"));
  const auto told = [&](const char* queue, Kind kind) {
    std::string text;
    for (const std::string_view address : book.told_of(decision(queue, kind))) {
      text.append(address).append(" ");
    }
    return text;
  };
  EXPECT_EQ(told("b.example", Kind::backoff), "all@ops.example ");
  EXPECT_EQ(told("a.example", Kind::backoff), "a@ops.example b@ops.example ");
  EXPECT_EQ(told("a.example", Kind::source), "net@ops.example ");
  EXPECT_EQ(told("b.example", Kind::source), "");
  EXPECT_EQ(told("quiet.example", Kind::backoff), "");
  EXPECT_EQ(told("g", Kind::backoff), "g@ops.example ");
}

TEST(NotifyDesk, WhatIsNoAddressIsRefused) {
  const config::CheckResult result = config::check_text(
      "test.conf", "<domain *>\nbackoff-notify ops\n</domain>\n", config::CheckOptions{});
  EXPECT_FALSE(result.ok());
  EXPECT_NE(config::render_text(result.diagnostics).find("'ops' is no mail address"),
            std::string::npos);
}

}  // namespace
}  // namespace ringpost::app
