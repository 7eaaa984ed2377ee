#include "core/base/lender.h"

#include <gtest/gtest.h>

namespace ringpost {
namespace {

TEST(Lender, MakesNoMoreThanAreLentAtOnce) {
  Lender<int> lender;
  int& first = lender.lend();
  int& second = lender.lend();
  EXPECT_NE(&first, &second);
  EXPECT_EQ(lender.lent(), 2U);
  first = 7;
  lender.take_back(first);
  int& again = lender.lend();
  EXPECT_EQ(&again, &first);
  EXPECT_EQ(again, 7) << "as it was given back";
  lender.take_back(again);
  lender.take_back(second);
  EXPECT_EQ(lender.made(), 2U);
  EXPECT_EQ(lender.lent(), 0U);
}

}  // namespace
}  // namespace ringpost
