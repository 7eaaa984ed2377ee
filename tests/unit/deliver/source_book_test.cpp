#include "net/deliver/source_book.h"

#include <gtest/gtest.h>

#include "net/deliver/address_plan.h"

namespace ringpost::deliver {
namespace {

const IpAddress kOne = IpAddress::v4(192, 0, 2, 1);
const IpAddress kTwo = IpAddress::v4(192, 0, 2, 2);
const Instant kNoon{Duration::hours(12).ns};

TEST(SourceBook, ADisablingHoldsForItsQueueAndItsTime) {
  SourceBook book;
  EXPECT_TRUE(book.usable(kOne, "a.example", "m", kNoon));
  book.disable({kOne, "a.example/m", SourceReason::reply, kNoon + Duration::minutes(5), {}, "421"});
  EXPECT_FALSE(book.usable(kOne, "a.example", "m", kNoon));
  EXPECT_TRUE(book.usable(kOne, "a.example", "n", kNoon));
  EXPECT_TRUE(book.usable(kOne, "a.exampl", "em", kNoon));
  EXPECT_TRUE(book.usable(kTwo, "a.example", "m", kNoon));
  EXPECT_TRUE(book.usable(kOne)) << "other queues still use it";
  EXPECT_TRUE(book.usable(kOne, "a.example", "m", kNoon + Duration::minutes(5)));
  book.expire(kNoon + Duration::minutes(5));
  EXPECT_TRUE(book.off().empty());
}

TEST(SourceBook, CommandsEnableWhatIsOnTheHost) {
  SourceBook book;
  book.disable({kOne, "", SourceReason::command, Instant::never(), {}, ""});
  book.disable({kOne, "a.example/m", SourceReason::reply, Instant::never(), {}, ""});
  const IpAddress missing[] = {kOne};
  book.set_missing(missing, {});
  EXPECT_FALSE(book.usable(kOne));
  EXPECT_TRUE(book.enable(kOne));
  EXPECT_FALSE(book.usable(kOne)) << "it is not on this host";
  EXPECT_FALSE(book.enable(kOne)) << "nothing else held it";
  book.set_missing({}, {});
  EXPECT_TRUE(book.usable(kOne, "a.example", "m", kNoon));
}

TEST(SourceBook, APlanLeavesOutWhatIsOutOfUse) {
  Route route;
  route.hosts.push_back({"mx.example", 10, 25, {IpAddress::v4(198, 51, 100, 1)}, nullptr});
  QueuePolicy policy;
  policy.vmta = "m";
  policy.sources = {{kOne, "one"}, {kTwo, "two"}};
  const HostMemory memory({});
  Random random(1);
  SourceBook book;
  book.disable({kOne, "", SourceReason::command, Instant::never(), {}, ""});
  for (int i = 0; i < 20; ++i) {
    AddressPlan plan;
    plan.build(route, policy, memory, random, kNoon, {&book, "a.example"});
    ASSERT_EQ(plan.size(), 1U);
    EXPECT_EQ(plan.next()->source, 1);
  }
  book.disable({kTwo, "a.example/m", SourceReason::reply, Instant::never(), {}, ""});
  AddressPlan plan;
  plan.build(route, policy, memory, random, kNoon, {&book, "a.example"});
  EXPECT_EQ(plan.size(), 0U);
  plan.build(route, policy, memory, random, kNoon, {&book, "b.example"});
  EXPECT_EQ(plan.size(), 1U);
}

}  // namespace
}  // namespace ringpost::deliver
