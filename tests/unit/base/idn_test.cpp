#include "core/base/idn.h"

#include <gtest/gtest.h>

namespace ringpost {
namespace {

TEST(Idn, TurnsULabelsIntoALabels) {
  EXPECT_EQ(*to_a_labels("b\xc3\xbc"
                         "cher.example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(*to_a_labels("B\xc3\x9c"
                         "CHER.Example"),
            "xn--bcher-kva.example")
      << "capital letters are the same name";
  EXPECT_EQ(*to_a_labels("fa\xc3\x9f.example"), "xn--fa-hia.example") << "not transitional";
  EXPECT_EQ(*to_a_labels("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(*to_a_labels("Mail.Example"), "mail.example");
}

TEST(Idn, RefusesWhatIsNoName) {
  for (const char* bad : {"b\xc3.example", "\xff", "a\xe2\x80\x8e.example"}) {
    EXPECT_FALSE(to_a_labels(bad).ok()) << bad;
  }
  EXPECT_FALSE(to_a_labels(std::string(2000, 'a') + "\xc3\xbc").ok());
  EXPECT_FALSE(to_a_labels(std::string("\xc3\xbc\0.example", 11)).ok());
}

}  // namespace
}  // namespace ringpost
