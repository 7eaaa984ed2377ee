#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <string>

#include "core/base/base64.h"
#include "net/sign/body_hasher.h"
#include "net/sign/header_section.h"
#include "net/sign/signing_key.h"

namespace ringpost::sign::testing {

/// The keys of RFC 8463 appendix A.1.
inline constexpr char kEd25519Pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr char kRsa1024Pem[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
    "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
    "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
    "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
    "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
    "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
    "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
    "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
    "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
    "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
    "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
    "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
    "-----END RSA PRIVATE KEY-----\n";

inline std::shared_ptr<const SigningKey> ed25519_key() {
  return *SigningKey::from_pem(kEd25519Pem);
}
inline std::shared_ptr<const SigningKey> rsa_key() { return *SigningKey::from_pem(kRsa1024Pem); }

/// PEM of a fresh key: "RSA" of `bits`, or any type EVP_PKEY_Q_keygen makes from a curve's name.
inline std::string fresh_pem(const char* type, std::size_t bits, const char* curve = nullptr,
                             const EVP_CIPHER* cipher = nullptr) {
  EVP_PKEY* key = curve != nullptr ? EVP_PKEY_Q_keygen(nullptr, nullptr, type, curve)
                  : bits > 0       ? EVP_PKEY_Q_keygen(nullptr, nullptr, type, bits)
                                   : EVP_PKEY_Q_keygen(nullptr, nullptr, type);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher != nullptr ? "secret" : nullptr,
                                cipher != nullptr ? 6 : 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return pem;
}

inline std::string base64_of(const Digest& digest) {
  return to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

/// Content as DATA carries it.
inline std::string stuffed(std::string_view content) {
  std::string out;
  bool at_begin = true;
  for (const char c : content) {
    if (at_begin && c == '.') {
      out.push_back('.');
    }
    out.push_back(c);
    at_begin = c == '\n';
  }
  return out + ".\r\n";
}

inline BodyHasher hashed(std::string_view wire, BodyHasher::Begin begin, std::size_t piece) {
  BodyHasher hasher;
  hasher.start({true, true}, begin);
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    hasher.feed(wire.substr(at, piece));
  }
  hasher.finish();
  return hasher;
}

inline void read_header(std::string_view wire, HeaderSection& section, std::size_t piece = 1000) {
  section.clear();
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    section.feed(wire.substr(at, piece));
  }
  section.finish();
}

}  // namespace ringpost::sign::testing
