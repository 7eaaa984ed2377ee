// An attempt may begin only when a crash can no longer lose the mark that it did.

#include <gtest/gtest.h>

#include "tests/unit/spool/spool_fixture.h"

namespace ringpost::spool::testing {
namespace {

class SpoolIssued : public SpoolTest {
 protected:
  /// Opens a fresh message, lets the machine die the moment it may be sent, and looks whether it
  /// comes back marked; then delivers it.
  template <class Die>
  void die_while_it_is_sent(std::uint64_t number, Die die) {
    auto run = start();
    ASSERT_EQ(0, run->deliver_in(make_mail(number, 700)));
    Session::Work& work = run->issue(take_offer(*run));
    EXPECT_FALSE(work.opened) << "before any turn nothing can be durable";
    ASSERT_TRUE(run->turn_until([&] { return work.opened; }));
    die(run);
    run = start();
    EXPECT_EQ(1U, run->report.ambiguous) << "message " << number;
    const Offered again = take_offer(*run);
    EXPECT_TRUE(again.ambiguous);
    run->settle_now(run->open_now(again), OutcomeKind::delivered);
    ASSERT_TRUE(run->stop());
    admissions_.offered.clear();
  }
};

TEST_F(SpoolIssued, MarkSurvivesAPowerCut) {
  for (std::uint64_t number = 1; number <= 25; ++number) {
    die_while_it_is_sent(number, [this](auto& run) { cut_power(run); });
  }
}

TEST_F(SpoolIssued, MarkSurvivesAKill) {
  for (std::uint64_t number = 1; number <= 25; ++number) {
    die_while_it_is_sent(number, [this](auto& run) { kill(run); });
  }
}

TEST_F(SpoolIssued, JobsShareASync) {
  auto run = start();
  std::vector<Session::Work*> works;
  for (std::uint64_t number = 1; number <= 8; ++number) {
    ASSERT_EQ(0, run->deliver_in(make_mail(number, 300)));
  }
  for (int i = 0; i < 8; ++i) {
    works.push_back(&run->issue(take_offer(*run)));
  }
  ASSERT_TRUE(run->turn_until([&] { return works.front()->opened; }));
  run->settle_down(1);
  for (const Session::Work* work : works) {
    EXPECT_TRUE(work->opened);
  }
}

}  // namespace
}  // namespace ringpost::spool::testing
