#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/sign/signing_key.h"

namespace ringpost::sign {

/// One key and the domains it signs for. `domain` is
///   example.com    the domain and all below it; d= is example.com
///   *.example.com  domains below, each signing for itself: d= is that domain
///   *              any domain, likewise
struct DomainKey {
  std::string selector;
  std::string domain;
  std::shared_ptr<const SigningKey> key;
};

/// SELECTOR,DOMAIN,FILE as `domain-key` has it; blanks around the parts are dropped.
struct DomainKeyText {
  std::string selector;
  std::string domain;
  std::string file;

  /// invalid: not three parts, or selector or domain are no names.
  static Result<DomainKeyText> parse(std::string_view text);
};

/// A key found for a domain. Views belong to the book and to the question.
struct KeyMatch {
  const DomainKey* entry = nullptr;
  std::string_view domain;  ///< d=, case as in the question for wildcards
};

/// The keys of one scope (a virtual MTA, a pool, the whole configuration, a key list), in the order
/// of the file. Immutable once made; shared by threads. Looking up allocates nothing.
class KeyBook {
 public:
  KeyBook() = default;
  /// invalid: a selector or domain that is no name; names the entry.
  static Result<KeyBook> make(std::vector<DomainKey> keys);

  /// A domain has at most one signature per algorithm.
  static constexpr std::size_t kMatchesMax = 2;

  /// The first key in file order that fits `domain`, and the first one after it of the other
  /// algorithm with the same domain text, so that a domain with an RSA and an Ed25519 key signs
  /// with both (RFC 8463 section 3). Only keys of `selector`, if one is given. Returns how many.
  std::size_t find(std::string_view domain, std::string_view selector,
                   KeyMatch (&out)[kMatchesMax]) const;

  bool empty() const noexcept { return keys_.empty(); }
  /// Equal for books of equal entries with equal keys.
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }
  const std::vector<DomainKey>& keys() const noexcept { return keys_; }

 private:
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  Range named(std::string_view pattern) const;
  void consider(Range range, std::string_view selector, std::size_t& best) const;

  std::vector<DomainKey> keys_;
  std::uint64_t fingerprint_ = 0;
  std::vector<std::uint32_t> by_name_;  ///< indices by domain text, then by file order
};

}  // namespace ringpost::sign
