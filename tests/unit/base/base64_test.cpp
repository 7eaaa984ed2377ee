#include "core/base/base64.h"

#include <gtest/gtest.h>

namespace ringpost {
namespace {

// The vectors of RFC 4648 section 10.
TEST(Base64, Vectors) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(to_base64(plain), coded);
    EXPECT_EQ(from_base64(coded), std::string(plain)) << coded;
  }
}

TEST(Base64, AllOctetsAndBack) {
  std::string octets;
  for (int i = 0; i < 256; ++i) {
    octets.push_back(static_cast<char>(i));
    EXPECT_EQ(to_base64(octets).size(), base64_size(octets.size()));
    EXPECT_EQ(from_base64(to_base64(octets)), octets);
  }
}

TEST(Base64, RefusesWhatIsNotBase64) {
  for (const std::string_view bad : {"A", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v\n",
                                     "Zm 9v", "Zh==", "Zm9=", "Zm-v", "=m9v", "Z=9v"}) {
    EXPECT_EQ(from_base64(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace ringpost
