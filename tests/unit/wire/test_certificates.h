#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace ringpost {

/// A certificate authority for one test, its files in a folder that goes with it.
class TestAuthority {
 public:
  TestAuthority() : key_(EVP_EC_gen("P-256")) {
    char name[] = "/tmp/ringpost-tls.XXXXXX";
    folder_ = ::mkdtemp(name);
    certificate_ = make("test authority", "", key_, nullptr, 30, true);
    write("ca.pem", certificate_, nullptr);
  }
  ~TestAuthority() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
    std::filesystem::remove_all(folder_);
  }
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  std::string ca_file() const { return folder_ + "/ca.pem"; }
  const std::string& folder() const { return folder_; }

  /// A file with certificate and key for a DNS name; `days` below 0: it has expired.
  std::string issue(const std::string& name, int days = 30, bool self_signed = false) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const made = make(name, name, key, self_signed ? nullptr : certificate_, days, false);
    const std::string file = std::to_string(++count_) + ".pem";
    write(file, made, key);
    unsigned char* der = nullptr;
    const int size = i2d_X509(made, &der);
    last_der_.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    X509_free(made);
    EVP_PKEY_free(key);
    return folder_ + "/" + file;
  }
  /// The certificate issued last, for TLSA records with the whole of it.
  const std::string& last_der() const { return last_der_; }

 private:
  X509* make(const std::string& subject, const std::string& dns_name, EVP_PKEY* key, X509* issuer,
             int days, bool authority) {
    X509* const made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++count_);
    X509_gmtime_adj(X509_getm_notBefore(made), -60L * 60 * 24 * 60);
    X509_gmtime_adj(X509_getm_notAfter(made), 60L * 60 * 24 * days);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer != nullptr ? issuer : made));
    if (authority) {
      extend(made, NID_basic_constraints, "critical,CA:TRUE");
    }
    if (!dns_name.empty()) {
      extend(made, NID_subject_alt_name, "DNS:" + dns_name);
    }
    X509_sign(made, issuer != nullptr ? key_ : key, EVP_sha256());
    return made;
  }
  static void extend(X509* certificate, int kind, const std::string& value) {
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate, made, -1);
    X509_EXTENSION_free(made);
  }
  void write(const std::string& name, X509* certificate, EVP_PKEY* key) {
    std::FILE* const file = std::fopen((folder_ + "/" + name).c_str(), "w");
    PEM_write_X509(file, certificate);
    if (key != nullptr) {
      PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    }
    std::fclose(file);
  }

  std::string folder_;
  EVP_PKEY* key_;
  X509* certificate_ = nullptr;
  std::string last_der_;
  long count_ = 0;
};

}  // namespace ringpost
