// OpenSSL calls these functions deprecated in favour of contexts on the heap, which cannot be
// copied or embedded; their code is the same.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "net/sign/sha256.h"

#include <openssl/sha.h>

#include <new>
#include <type_traits>

#include "core/base/assert.h"

namespace ringpost::sign {
namespace {

SHA256_CTX* context(unsigned char* state) {
  return std::launder(reinterpret_cast<SHA256_CTX*>(state));
}

}  // namespace

void Sha256::reset() noexcept {
  static_assert(sizeof(SHA256_CTX) == kStateBytes && alignof(SHA256_CTX) <= 8);
  static_assert(std::is_trivially_copyable_v<SHA256_CTX>);
  auto* fresh = new (state_.data()) SHA256_CTX;
  RP_ASSERT(SHA256_Init(fresh) == 1);
}

void Sha256::update(std::string_view octets) noexcept {
  RP_ASSERT(SHA256_Update(context(state_.data()), octets.data(), octets.size()) == 1);
}

Digest Sha256::finish() noexcept {
  Digest digest;
  RP_ASSERT(SHA256_Final(digest.data(), context(state_.data())) == 1);
  return digest;
}

Digest Sha256::of(std::string_view octets) noexcept {
  Sha256 hash;
  hash.update(octets);
  return hash.finish();
}

}  // namespace ringpost::sign
