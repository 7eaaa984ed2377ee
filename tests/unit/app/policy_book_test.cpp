#include "core/app/policy_book.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

TEST(PolicyBook, ADomainAndItsALabelsShareAQueue) {
  PolicyBook book(snapshot_of(""));
  EXPECT_EQ(book.queue_name("B\xC3\xBC"
                            "cher.example",
                            "{default}"),
            "xn--bcher-kva.example");
  EXPECT_EQ(book.queue_name("xn--bcher-KVA.example.", "{default}"), "xn--bcher-kva.example");
  EXPECT_EQ(book.queue_name("[192.0.2.1]", "{default}"), "[192.0.2.1]");
  // What is no name is returned in a queue of its own.
  const std::string long_one(300, 'a');
  EXPECT_EQ(book.queue_name(long_one, "{default}"), long_one);
}

TEST(PolicyBook, PoolsShareByWeightAndLeaveOutMembersWithoutAddress) {
  PolicyBook book(
      snapshot_of("<virtual-mta a>\nsmtp-source-host 192.0.2.1\nweight 3\n"
                  "</virtual-mta>\n"
                  "<virtual-mta b>\nsmtp-source-host 192.0.2.2\n</virtual-mta>\n"
                  "<virtual-mta-pool p>\nvirtual-mta a\nvirtual-mta b\n"
                  "</virtual-mta-pool>\n"));
  deliver::SourceBook sources;
  book.set_sources(sources);
  const auto count = [&book] {
    std::map<std::string, int> counts;
    for (std::uint64_t i = 0; i < 4000; ++i) {
      ++counts[std::string(book.member_of("P", {7, i}))];
    }
    return counts;
  };
  auto counts = count();
  EXPECT_NEAR(counts["a"], 3000, 150);
  EXPECT_NEAR(counts["b"], 1000, 150);
  sources.disable(
      {IpAddress::v4(192, 0, 2, 1), "", deliver::SourceReason::command, Instant::never(), {}, ""});
  counts = count();
  EXPECT_EQ(counts["b"], 4000);
  EXPECT_EQ(book.member_of("a", {1, 1}), "a") << "who names it means it";
}

}  // namespace
}  // namespace ringpost::app
