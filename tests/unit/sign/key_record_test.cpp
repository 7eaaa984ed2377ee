#include "net/sign/key_record.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::ed25519_key;
using testing::rsa_key;

TEST(KeyRecord, AllTags) {
  const auto record = parse_key_record(
      "v=DKIM1; h=sha1 : SHA256 ; k = ED25519; n=a note=more; p= Zm 9v\r\n\tYmFy;\ts=email:*; "
      "t=y:s:z; x_1=?;");
  ASSERT_TRUE(record.ok()) << record.error().describe();
  EXPECT_EQ(record->key_type, "ed25519");
  EXPECT_EQ(record->public_key, "foobar");
  EXPECT_EQ(record->hashes, (std::vector<std::string>{"sha1", "sha256"}));
  EXPECT_EQ(record->services, (std::vector<std::string>{"email", "*"}));
  EXPECT_TRUE(record->testing);
  EXPECT_TRUE(record->strict);
}

TEST(KeyRecord, FewestTags) {
  const auto record = parse_key_record("p=");
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->key_type, "rsa");
  EXPECT_TRUE(record->public_key.empty());
  EXPECT_TRUE(record->hashes.empty());
  EXPECT_FALSE(record->testing);
  EXPECT_FALSE(record->strict);
}

TEST(KeyRecord, BrokenOnes) {
  for (const std::string_view bad :
       {"", " ", "v=spf1 -all", "k=rsa", "p=Zg",
        "p=Zg==; p=Zg==", "k=rsa; v=DKIM1; p=", "v=DKIM2; p=", "v=dkim1; p=", "=x; p=", "p=;;k=rsa",
        "1a=b; p=", "a b=c; p=", "P=Zg==", "p=Zm\xc3\xa4v", "p=\x01", "text"}) {
    EXPECT_FALSE(parse_key_record(bad).ok()) << bad;
  }
}

RecordCheck check(const SigningKey& key, std::vector<std::string> records, bool below = false) {
  return check_records(key, records, below);
}

TEST(CheckRecords, States) {
  const std::string good = rsa_key()->record();
  EXPECT_EQ(check(*rsa_key(), {good}).state, RecordState::matches);
  EXPECT_TRUE(check(*rsa_key(), {good}).notes.empty());
  EXPECT_EQ(check(*ed25519_key(), {ed25519_key()->record()}).state, RecordState::matches);
  EXPECT_EQ(check(*rsa_key(), {}).state, RecordState::missing);
  EXPECT_EQ(check(*rsa_key(), {"v=DKIM1; p="}).state, RecordState::revoked);
  EXPECT_EQ(check(*rsa_key(), {"v=spf1 -all"}).state, RecordState::malformed);
  EXPECT_EQ(check(*rsa_key(), {ed25519_key()->record()}).state, RecordState::other_key);
  EXPECT_EQ(check(*rsa_key(), {"p=Zm9v"}).state, RecordState::other_key);
  EXPECT_EQ(check(*rsa_key(), {good + "; h=sha1"}).state, RecordState::unusable);
  EXPECT_EQ(check(*rsa_key(), {good + "; s=other"}).state, RecordState::unusable);
  EXPECT_EQ(check(*rsa_key(), {good + "; h=sha256; s=email"}).state, RecordState::matches);
}

TEST(CheckRecords, Notes) {
  const std::string good = rsa_key()->record();
  EXPECT_EQ(check(*rsa_key(), {good + "; t=y"}).notes.size(), 1U);
  EXPECT_EQ(check(*rsa_key(), {good + "; t=s"}).notes.size(), 0U);
  EXPECT_EQ(check(*rsa_key(), {good + "; t=s"}, true).notes.size(), 1U);
  const RecordCheck several = check(*rsa_key(), {"junk", "p=Zm9v", good});
  EXPECT_EQ(several.state, RecordState::matches);
  ASSERT_EQ(several.notes.size(), 1U);
  EXPECT_NE(several.notes[0].find("3 TXT records"), std::string::npos);
  EXPECT_EQ(check(*rsa_key(), {"junk", "p=Zm9v"}).state, RecordState::other_key);
}

}  // namespace
}  // namespace ringpost::sign
