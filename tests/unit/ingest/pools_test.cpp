#include "net/ingest/pools.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "core/base/mail_date.h"
#include "core/base/random.h"

namespace ringpost::ingest {
namespace {

TEST(BlockPool, LendsExactlyItsCount) {
  BlockPool pool(3);
  std::vector<EnvelopeBlock*> blocks;
  for (int i = 0; i < 3; ++i) {
    blocks.push_back(pool.take());
    ASSERT_NE(blocks.back(), nullptr);
    blocks.back()->bytes[sizeof EnvelopeBlock::bytes - 1] = 'x';
  }
  EXPECT_EQ(pool.take(), nullptr);
  pool.give_back(blocks[1]);
  EXPECT_EQ(pool.lent(), 2U);
  EXPECT_EQ(pool.take(), blocks[1]);
}

TEST(AddressCounts, AgreesWithAMapThroughManyChanges) {
  constexpr std::uint32_t kMax = 50;
  AddressCounts counts(kMax);
  std::map<IpAddress, std::uint32_t> want;
  std::vector<IpAddress> present;
  Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    if (present.size() < kMax && random.chance(51)) {
      const auto address = IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(random.below(90)));
      present.push_back(address);
      ASSERT_EQ(counts.add(address), ++want[address]);
    } else if (!present.empty()) {
      const std::size_t which = random.below(present.size());
      const IpAddress address = present[which];
      present.erase(present.begin() + static_cast<std::ptrdiff_t>(which));
      counts.remove(address);
      --want[address];
    }
    const auto probe = IpAddress::v4(10, 0, 0, static_cast<std::uint8_t>(random.below(90)));
    ASSERT_EQ(counts.count(probe), want[probe]);
  }
}

TEST(MailDate, KnowsTheCalendar) {
  const auto text = [](std::int64_t seconds) {
    char room[kMailDateBytes];
    TextBuilder out(room);
    write_mail_date({seconds * 1'000'000}, out);
    EXPECT_FALSE(out.truncated());
    return std::string(out.view());
  };
  EXPECT_EQ(text(0), "Thu, 1 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(text(951'782'400), "Tue, 29 Feb 2000 00:00:00 +0000");
  EXPECT_EQ(text(951'868'800), "Wed, 1 Mar 2000 00:00:00 +0000");
  EXPECT_EQ(text(1'795'260'367), "Sat, 21 Nov 2026 11:26:07 +0000");
  EXPECT_EQ(text(4'102'444'799), "Thu, 31 Dec 2099 23:59:59 +0000");
  EXPECT_EQ(text(253'402'300'799), "Fri, 31 Dec 9999 23:59:59 +0000");
}

}  // namespace
}  // namespace ringpost::ingest
