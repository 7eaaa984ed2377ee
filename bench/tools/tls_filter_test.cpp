#include "bench/tools/tls_filter.h"

#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

namespace ringpost::tools {
namespace {

/// A file with a new key and a certificate that it signed itself; gone with its owner.
class OwnCertificate {
 public:
  OwnCertificate() : path_(::testing::TempDir() + "tls_filter." + std::to_string(::getpid())) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    FILE* file = std::fopen(path_.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    PEM_write_X509(file, certificate);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~OwnCertificate() { ::unlink(path_.c_str()); }
  OwnCertificate(const OwnCertificate&) = delete;
  OwnCertificate& operator=(const OwnCertificate&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class TlsFilterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<TlsContextPtr> for_server = server_tls(certificate_.path());
    Result<TlsContextPtr> for_client = client_tls();
    ASSERT_TRUE(for_server && for_client);
    server_context_ = *for_server;
    client_context_ = *for_client;
    server_.begin(server_context_.get(), true);
    client_.begin(client_context_.get(), false);
  }

  /// Carries octets both ways, `step` at a time, until neither says more.
  bool exchange(std::size_t step) {
    while (!client_.out().empty() || !server_.out().empty()) {
      if (!carry(client_, server_, step, server_heard_) ||
          !carry(server_, client_, step, client_heard_)) {
        return false;
      }
    }
    return true;
  }

  static bool carry(TlsFilter& from, TlsFilter& to, std::size_t step, std::string& heard) {
    const std::string bytes = from.out().substr(0, step);
    from.out().erase(0, step);
    return bytes.empty() || to.receive(bytes, heard);
  }

  OwnCertificate certificate_;
  TlsContextPtr server_context_;
  TlsContextPtr client_context_;
  TlsFilter server_;
  TlsFilter client_;
  std::string server_heard_;
  std::string client_heard_;
};

TEST_F(TlsFilterTest, WhatIsSaidBeforeTheHandshakeEndsArrivesAfterIt) {
  ASSERT_TRUE(client_.send("EHLO a\r\n"));
  EXPECT_EQ(std::string::npos, client_.out().find("EHLO"));
  ASSERT_TRUE(exchange(7));
  EXPECT_EQ("EHLO a\r\n", server_heard_);
}

TEST_F(TlsFilterTest, LargeContentArrivesWholeHoweverItIsCut) {
  ASSERT_TRUE(exchange(4096));
  const std::string content(100'000, 'x');
  ASSERT_TRUE(client_.send(content));
  ASSERT_TRUE(server_.send("250 ok\r\n"));
  ASSERT_TRUE(exchange(1000));
  EXPECT_EQ(content, server_heard_);
  EXPECT_EQ("250 ok\r\n", client_heard_);
}

TEST_F(TlsFilterTest, DamageEndsTheConnection) {
  ASSERT_TRUE(exchange(4096));
  ASSERT_TRUE(client_.send("QUIT\r\n"));
  client_.out().back() = static_cast<char>(client_.out().back() ^ 1);
  EXPECT_FALSE(exchange(4096));
  EXPECT_EQ("", server_heard_);
}

TEST(TlsContext, AFileWithoutAKeyIsRefused) {
  const Result<TlsContextPtr> context = server_tls("/dev/null");
  ASSERT_FALSE(context);
  EXPECT_NE(std::string::npos, context.error().describe().find("/dev/null"));
}

}  // namespace
}  // namespace ringpost::tools
