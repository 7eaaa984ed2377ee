#include "core/app/last_attempts.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::app {
namespace {

SettledRecord put_off(std::uint32_t recipient, std::string_view text) {
  SettledRecord record;
  record.kind = OutcomeKind::deferred;
  record.recipient_index = recipient;
  record.reply_code = 451;
  record.status = {4, 2, 1};
  record.text = text;
  record.host = "mx.example.net";
  record.remote = {IpAddress::v4(192, 0, 2, 3), 25};
  record.settled = {1'700'000'001'000'000};
  return record;
}

TEST(LastAttempts, TheLastOneOfEachRecipientIsKnown) {
  LastAttempts attempts;
  const SpoolHandle message{1, 7, 3};
  EXPECT_EQ(attempts.find(message, 0), nullptr);
  attempts.note(message, put_off(0, "busy"));
  attempts.note(message, put_off(1, "full"));
  attempts.note(message, put_off(0, "still busy"));
  const auto* last = attempts.find(message, 0);
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->text, "still busy");
  EXPECT_EQ(last->host, "mx.example.net");
  EXPECT_EQ(last->address, IpAddress::v4(192, 0, 2, 3));
  EXPECT_EQ(last->reply_code, 451);
  EXPECT_EQ(last->status, (EnhancedStatus{4, 2, 1}));
  EXPECT_EQ(last->when.us, 1'700'000'001'000'000);
  ASSERT_NE(attempts.find(message, 1), nullptr);
  EXPECT_EQ(attempts.find(message, 1)->text, "full");
  EXPECT_EQ(attempts.find(message, 2), nullptr);
  EXPECT_EQ(attempts.find({1, 7, 4}, 0), nullptr) << "another message in that place";
  EXPECT_EQ(attempts.find({2, 7, 3}, 0), nullptr);
}

TEST(LastAttempts, ADelayIsNeverOfAnotherClass) {
  LastAttempts attempts;
  SettledRecord odd = put_off(0, "odd");
  odd.status = {5, 7, 1};
  attempts.note({1, 1, 1}, odd);
  odd = put_off(1, "bare");
  odd.status = {};
  attempts.note({1, 1, 1}, odd);
  EXPECT_EQ(attempts.find({1, 1, 1}, 0)->status, (EnhancedStatus{4, 0, 0}));
  EXPECT_EQ(attempts.find({1, 1, 1}, 1)->status, (EnhancedStatus{4, 0, 0}));
}

TEST(LastAttempts, OfTooManyTheOldestAreForgotten) {
  LastAttempts attempts;
  constexpr std::uint32_t kMany = 100'000;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    attempts.note({0, i, 1}, put_off(0, std::to_string(i)));
  }
  std::size_t known = 0;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    const auto* last = attempts.find({0, i, 1}, 0);
    known += last != nullptr ? 1 : 0;
    EXPECT_TRUE(last == nullptr || last->text == std::to_string(i));
  }
  EXPECT_LE(known, LastAttempts::kSets * LastAttempts::kWays);
  EXPECT_GE(known, LastAttempts::kSets * LastAttempts::kWays * 9 / 10) << "spread evenly";
  EXPECT_NE(attempts.find({0, kMany - 1, 1}, 0), nullptr);
}

}  // namespace
}  // namespace ringpost::app
