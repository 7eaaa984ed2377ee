#include "net/auth/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <vector>

#include "core/base/base64.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::auth {
namespace {

constexpr std::string_view kMark = "$scrypt$";
constexpr unsigned kLogN = 15;
constexpr unsigned kR = 8;
constexpr unsigned kP = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
constexpr std::uint64_t kMemoryMax = std::uint64_t{64} << 20;

struct Cost {
  unsigned log_n = kLogN;
  unsigned r = kR;
  unsigned p = kP;
};

// Of the largest array and the blocks (RFC 7914 section 5).
std::uint64_t memory_of(const Cost& cost) {
  return (std::uint64_t{128} * cost.r << cost.log_n) + std::uint64_t{256} * cost.r * cost.p +
         (std::uint64_t{1} << 20);
}

bool is_bearable(const Cost& cost) {
  return cost.log_n >= 1 && cost.log_n <= 20 && cost.r >= 1 && cost.r <= 32 && cost.p >= 1 &&
         cost.p <= 8 && memory_of(cost) <= kMemoryMax + (std::uint64_t{1} << 20);
}

bool derive(std::string_view password, std::string_view salt, const Cost& cost,
            std::span<unsigned char> out) {
  return EVP_PBE_scrypt(password.data(), password.size(),
                        reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                        std::uint64_t{1} << cost.log_n, cost.r, cost.p, memory_of(cost), out.data(),
                        out.size()) == 1;
}

std::string_view as_text(std::span<const unsigned char> octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// "ln=15,r=8,p=1"
bool read_cost(std::string_view text, Cost& cost) {
  for (const auto& [name, member] : {std::pair<std::string_view, unsigned*>{"ln=", &cost.log_n},
                                     {"r=", &cost.r},
                                     {"p=", &cost.p}}) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    if (!part.starts_with(name) || !parse_decimal(part.substr(name.size()), *member)) {
      return false;
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return text.empty();
}

std::string unpadded(std::string_view octets) {
  std::string text = to_base64(octets);
  while (text.ends_with('=')) {
    text.pop_back();
  }
  return text;
}

std::optional<std::string> from_unpadded(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0 && padded.size() < text.size() + 3) {
    padded.push_back('=');
  }
  return from_base64(padded);
}

}  // namespace

Result<StoredSecret> StoredSecret::parse(std::string_view text) {
  StoredSecret out;
  if (!text.starts_with(kMark)) {
    out.clear_.assign(text);
    return out;
  }
  const Error bad =
      Error::of(ErrorCode::invalid, "the hash is not of the form that ringpost passwd prints");
  text.remove_prefix(kMark.size());
  const std::size_t first = text.find('$');
  const std::size_t second = first == text.npos ? first : text.find('$', first + 1);
  if (second == text.npos) {
    return bad;
  }
  Cost cost;
  const auto salt = from_unpadded(text.substr(first + 1, second - first - 1));
  const auto hash = from_unpadded(text.substr(second + 1));
  if (!read_cost(text.substr(0, first), cost) || !salt || !hash || hash->size() < 16 ||
      hash->size() > 64) {
    return bad;
  }
  if (!is_bearable(cost)) {
    return Error::of(ErrorCode::invalid, "the hash costs more memory than 64 MiB to check");
  }
  out.log_n_ = cost.log_n;
  out.r_ = cost.r;
  out.p_ = cost.p;
  out.salt_ = *salt;
  out.hash_ = *hash;
  return out;
}

bool StoredSecret::matches(std::string_view password) const {
  if (is_clear()) {
    // Over digests, so that the time says nothing of the length.
    const std::string mine = keyed_digest("clear", {clear_.reveal()});
    return !clear_.empty() && equal(mine, keyed_digest("clear", {password}));
  }
  std::array<unsigned char, 64> room{};
  const std::span<unsigned char> derived(room.data(), hash_.size());
  const bool same =
      derive(password, salt_, {log_n_, r_, p_}, derived) && equal(as_text(derived), hash_);
  OPENSSL_cleanse(room.data(), room.size());
  return same;
}

bool StoredSecret::answers(std::string_view challenge, std::string_view digest) const {
  if (!is_clear() || clear_.empty()) {
    return false;
  }
  const std::string expected = hmac_md5(clear_.reveal(), challenge);
  return !expected.empty() && equal(expected, to_lower(digest));
}

std::uint64_t StoredSecret::fingerprint() const {
  const std::string digest = keyed_digest("stored", {salt_, hash_, clear_.reveal()});
  return hash64(digest);
}

Result<std::string> hash_password(std::string_view password) {
  std::array<char, kSaltBytes> salt{};
  std::array<unsigned char, kHashBytes> hash{};
  const Cost cost;
  const std::string_view salt_text(salt.data(), salt.size());
  if (!random_octets(salt.data(), salt.size()) || !derive(password, salt_text, cost, hash)) {
    return Error::of(ErrorCode::io_failed, "the password cannot be hashed: no memory or entropy");
  }
  return std::string(kMark) + "ln=" + std::to_string(cost.log_n) + ",r=" + std::to_string(cost.r) +
         ",p=" + std::to_string(cost.p) + "$" + unpadded(salt_text) + "$" + unpadded(as_text(hash));
}

std::string hmac_md5(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (HMAC(EVP_md5(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &size) == nullptr) {
    return {};
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

bool random_octets(char* out, std::size_t size) {
  return RAND_bytes(reinterpret_cast<unsigned char*>(out), static_cast<int>(size)) == 1;
}

std::string keyed_digest(std::string_view key, std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) {
    const std::uint64_t size = part.size();
    all.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest.data(), &size);
  wipe(all.data(), all.size());
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace ringpost::auth
