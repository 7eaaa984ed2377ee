#include "core/app/policy_book.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

Admission admission_of(std::string_view vmta, std::uint64_t number) {
  Admission admission;
  admission.vmta = vmta;
  admission.id = {7, number};
  return admission;
}

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
      ++counts[std::string(book.member_of(admission_of("P", i)))];
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
  EXPECT_EQ(book.member_of(admission_of("a", 1)), "a") << "who names it means it";
}

TEST(PolicyBook, AHashKeepsADomainOrARecipientAtItsMember) {
  const std::string members =
      "<virtual-mta a>\n</virtual-mta>\n<virtual-mta b>\n</virtual-mta>\n"
      "<virtual-mta c>\n</virtual-mta>\n";
  const std::string list = "virtual-mta a\nvirtual-mta b\nvirtual-mta c\n</virtual-mta-pool>\n";
  PolicyBook book(snapshot_of(members + "<virtual-mta-pool d>\nsource-hash yes\n" + list +
                              "<virtual-mta-pool r>\nsource-hash recipient\n" + list));
  std::map<std::string, int> by_domain;
  std::map<std::string, int> by_key;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    const std::string upper = "D" + std::to_string(i) + ".EXAMPLE.";
    Admission one = admission_of("d", 2 * i);
    one.domain = domain;
    Admission other = admission_of("d", 2 * i + 1);
    other.domain = upper;
    EXPECT_EQ(book.member_of(one), book.member_of(other));
    ++by_domain[std::string(book.member_of(one))];
    one.vmta = other.vmta = "r";
    one.pool_key = other.pool_key = i + 1;
    EXPECT_EQ(book.member_of(one), book.member_of(other));
    ++by_key[std::string(book.member_of(one))];
  }
  EXPECT_EQ(by_domain.size(), 3U);
  EXPECT_EQ(by_key.size(), 3U);
}

}  // namespace
}  // namespace ringpost::app
