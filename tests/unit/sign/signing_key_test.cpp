#include "net/sign/signing_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::ed25519_key;
using testing::fresh_pem;
using testing::rsa_key;

// The error's sentence, or nothing.
std::string refusal(std::string_view pem) {
  const auto key = SigningKey::from_pem(pem);
  return key.ok() ? "" : key.error().describe();
}

void expect_refusal(std::string_view pem, std::string_view part) {
  EXPECT_NE(refusal(pem).find(part), std::string::npos) << refusal(pem);
}

TEST(SigningKey, KindsAndForms) {
  EXPECT_EQ(rsa_key()->algorithm(), Algorithm::rsa_sha256);
  EXPECT_EQ(rsa_key()->bits(), 1024U);
  EXPECT_EQ(ed25519_key()->algorithm(), Algorithm::ed25519_sha256);
  EXPECT_EQ(ed25519_key()->bits(), 256U);
  const auto pkcs8 = SigningKey::from_pem(fresh_pem("RSA", 2048));
  ASSERT_TRUE(pkcs8.ok());
  EXPECT_EQ((*pkcs8)->bits(), 2048U);
  EXPECT_TRUE(SigningKey::from_pem("a comment\n" + std::string(testing::kRsa1024Pem)).ok());
  EXPECT_NE(rsa_key()->fingerprint(), ed25519_key()->fingerprint());
  EXPECT_EQ(rsa_key()->fingerprint(), rsa_key()->fingerprint());
}

TEST(SigningKey, SignsAndVerifies) {
  const Digest digest = Sha256::of("one");
  const Digest other = Sha256::of("two");
  for (const auto& key : {rsa_key(), ed25519_key()}) {
    const auto made = key->sign(digest);
    ASSERT_TRUE(made.ok());
    EXPECT_EQ(made->size, key->algorithm() == Algorithm::rsa_sha256 ? 128U : 64U);
    EXPECT_TRUE(key->verifies(digest, made->view()));
    EXPECT_FALSE(key->verifies(other, made->view()));
    EXPECT_FALSE(key->verifies(digest, made->view().substr(1)));
    EXPECT_FALSE(key->verifies(digest, ""));
  }
}

TEST(SigningKey, OneKeyOnSeveralThreads) {
  for (const auto& key : {rsa_key(), ed25519_key()}) {
    std::vector<std::string> made(4);
    std::vector<std::thread> threads;
    for (std::string& one : made) {
      threads.emplace_back([&one, &key] {
        for (int i = 0; i < 50; ++i) {
          one += key->sign(Sha256::of(std::to_string(i)))->view();
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const std::string& one : made) {
      EXPECT_EQ(one, made[0]);
    }
  }
}

TEST(SigningKey, RefusesWhatIsNoKey) {
  expect_refusal("", "no private key in PEM form");
  expect_refusal("MIICXQIBAAKBgQDkHlOQoBTz", "no private key in PEM form");
  expect_refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate");
  expect_refusal("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "public key");
  expect_refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                 "ssh-keygen");
  std::string damaged = testing::kRsa1024Pem;
  damaged.replace(200, 10, "AAAAAAAAAA");
  expect_refusal(damaged, "damaged");
  expect_refusal(std::string(testing::kRsa1024Pem).substr(0, 300), "damaged");
}

TEST(SigningKey, RefusesEncryptedKeys) {
  expect_refusal(fresh_pem("RSA", 1024, nullptr, EVP_aes_128_cbc()), "is encrypted");
  expect_refusal("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "is encrypted");
}

TEST(SigningKey, RefusesOtherTypesAndSizes) {
  expect_refusal(fresh_pem("EC", 0, "P-256"), "of type EC");
  expect_refusal(fresh_pem("X25519", 0), "of type X25519");
  expect_refusal(fresh_pem("ED448", 0), "of type ED448");
  expect_refusal(fresh_pem("RSA", 768), "has 768 bits");
  expect_refusal(fresh_pem("RSA", 1016), "has 1016 bits");
}

TEST(SigningKey, Records) {
  EXPECT_EQ(ed25519_key()->record(),
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  EXPECT_EQ(rsa_key()->record(),
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08"
            "a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKr"
            "M3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
  EXPECT_EQ(ed25519_key()->zone_line("s", "example.com"),
            "s._domainkey.example.com. IN TXT ( \"" + ed25519_key()->record() + "\" )");
  const auto long_key = SigningKey::from_pem(fresh_pem("RSA", 2048));
  const std::string line = (*long_key)->zone_line("s", "example.com");
  std::string joined;
  for (std::size_t at = line.find('"'); at != std::string::npos; at = line.find('"', at)) {
    const std::size_t end = line.find('"', at + 1);
    EXPECT_LE(end - at - 1, 255U);
    joined += line.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  EXPECT_EQ(joined, (*long_key)->record());
}

TEST(SigningKey, PublicHalves) {
  const auto octets = [](const SigningKey& key) { return *from_base64(key.public_text()); };
  EXPECT_TRUE(rsa_key()->is_public_half(octets(*rsa_key())));
  EXPECT_TRUE(ed25519_key()->is_public_half(octets(*ed25519_key())));
  // RSAPublicKey is SubjectPublicKeyInfo less its first 22 octets, for 1024 bits.
  EXPECT_TRUE(rsa_key()->is_public_half(octets(*rsa_key()).substr(22)));
  EXPECT_FALSE(rsa_key()->is_public_half(octets(*rsa_key()) + "x"));
  EXPECT_FALSE(rsa_key()->is_public_half(octets(*ed25519_key())));
  EXPECT_FALSE(ed25519_key()->is_public_half(octets(*rsa_key())));
  EXPECT_FALSE(rsa_key()->is_public_half(""));
  const auto other = SigningKey::from_pem(fresh_pem("RSA", 1024));
  EXPECT_FALSE(rsa_key()->is_public_half(octets(**other)));
}

class KeyFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "ringpost_key_file_test.pem";
    std::remove(path_.c_str());
  }
  void TearDown() override { std::remove(path_.c_str()); }
  void write(std::string_view text, mode_t mode) {
    std::ofstream(path_, std::ios::binary) << text;
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
  }
  std::string path_;
};

TEST_F(KeyFile, GoodOnesLoadWithoutAWord) {
  write(testing::kEd25519Pem, 0640);
  const auto loaded = load_key_file(path_);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->key->record(), ed25519_key()->record());
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST_F(KeyFile, WarnsOfShortKeysAndOpenFiles) {
  write(testing::kRsa1024Pem, 0644);
  const auto loaded = load_key_file(path_);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->warnings.size(), 2U);
  EXPECT_NE(loaded->warnings[0].find("1024 bits only"), std::string::npos);
  EXPECT_NE(loaded->warnings[1].find("read by every user"), std::string::npos);
}

TEST_F(KeyFile, ErrorsNameTheFile) {
  const auto missing = load_key_file(path_);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_NE(missing.error().detail.find(path_), std::string::npos);
  write("nonsense", 0600);
  const auto nonsense = load_key_file(path_);
  ASSERT_FALSE(nonsense.ok());
  EXPECT_NE(nonsense.error().detail.find(path_ + " is no private key"), std::string::npos);
  write(std::string(70000, 'x'), 0600);
  EXPECT_FALSE(load_key_file(path_).ok());
  EXPECT_FALSE(load_key_file(::testing::TempDir()).ok());
}

}  // namespace
}  // namespace ringpost::sign
