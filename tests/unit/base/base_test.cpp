#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>

#include "core/base/fixed_vector.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/text.h"
#include "core/base/time.h"

namespace ringpost {
namespace {

TEST(Time, AddingForeverSaturates) {
  const Instant now{1'000};
  EXPECT_EQ(now + Duration::forever(), Instant::never());
  EXPECT_EQ((now + Duration::seconds(2)) - now, Duration::seconds(2));
}

TEST(Result, HoldsEitherSide) {
  Result<int> good = 7;
  EXPECT_EQ(*good, 7);
  Result<int> bad = Error::from_errno(ENOSPC, "write segment");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, ErrorCode::no_space);
  EXPECT_NE(bad.error().describe().find("write segment"), std::string::npos);
  EXPECT_DEATH(bad.value(), "invariant broken");
}

TEST(Hash, IncrementalEqualsWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += static_cast<char>(i * 31);
  }
  for (const std::size_t cut : {0U, 1U, 255U, 256U, 1024U, 4999U}) {
    Hasher64 hasher(42);
    hasher.update(std::string_view(text).substr(0, cut));
    hasher.update(std::string_view(text).substr(cut));
    EXPECT_EQ(hasher.digest(), hash64(text, 42));
  }
  EXPECT_NE(hash64(text, 42), hash64(text, 43));
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  Random random(5);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) {
    ++seen.at(random.below(7));
  }
  for (const int count : seen) {
    EXPECT_GT(count, 700);
  }
  EXPECT_EQ(Random(9).next(), Random(9).next());
}

TEST(Text, BuilderCutsAndSays) {
  std::array<char, 8> room{};
  TextBuilder text(room);
  text.add("id=").add_number(42).add(' ').add_hex(0xabc, 4);
  EXPECT_EQ(text.view(), "id=42 0a");
  EXPECT_TRUE(text.truncated());
}

TEST(Text, DecimalIsWholeAndUnsigned) {
  std::uint16_t value = 0;
  EXPECT_TRUE(parse_decimal("65535", value));
  EXPECT_EQ(value, 65535);
  for (const char* bad : {"", "65536", "-1", "+1", "1x", " 1"}) {
    EXPECT_FALSE(parse_decimal(bad, value)) << bad;
  }
}

TEST(Text, ComparesWithoutCase) {
  EXPECT_TRUE(equals_ignoring_case("Example.COM", "eXAMPLE.com"));
  EXPECT_FALSE(equals_ignoring_case("example.com", "example.co"));
  EXPECT_EQ(trimmed(" \ta b\t "), "a b");
}

struct Item : ListLink<> {
  int value = 0;
};

TEST(List, KeepsOrderAndRemovesAnywhere) {
  std::array<Item, 4> items;
  List<Item> list;
  for (int i = 0; i < 4; ++i) {
    items[static_cast<std::size_t>(i)].value = i;
    list.push_back(items[static_cast<std::size_t>(i)]);
  }
  list.remove(items[2]);
  list.insert_before(items[2], items[0]);
  std::string order;
  while (Item* item = list.pop_front()) {
    order += static_cast<char>('0' + item->value);
  }
  EXPECT_EQ(order, "2013");
  EXPECT_TRUE(list.empty());
}

TEST(FixedFifo, WrapsAround) {
  FixedFifo<int, 3> fifo;
  for (int i = 0; i < 10; ++i) {
    fifo.push(i);
    fifo.push(i + 100);
    EXPECT_EQ(fifo[1], i + 100);
    EXPECT_EQ(fifo.pop(), i);
    EXPECT_EQ(fifo.pop(), i + 100);
  }
  fifo.push(1);
  fifo.push(2);
  fifo.push(3);
  EXPECT_TRUE(fifo.full());
  EXPECT_DEATH(fifo.push(4), "invariant broken");
}

}  // namespace
}  // namespace ringpost
