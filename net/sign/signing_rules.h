#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/sign/header_section.h"
#include "net/sign/key_book.h"
#include "net/sign/signing_input.h"

namespace ringpost::sign {

/// Whose signature a message gets (`dkim-identity` and its kin).
struct IdentityRule {
  enum class Kind : std::uint8_t {
    none,
    sender_or_from,  ///< the Sender field, or From where there is none or no key fits it
    strict_from,     ///< the From field alone, which must name one author
    fixed,           ///< `address`
  };

  Kind kind = Kind::none;
  std::string address;  ///< "local@domain" or "@domain"

  /// "sender-or-from", "strict-from", "none", "local@domain", "@domain" or a domain alone.
  static Result<IdentityRule> parse(std::string_view text);
};

/// How the mail of a queue is signed; a value of the configuration.
struct SigningRules {
  bool sign = false;
  IdentityRule identity{IdentityRule::Kind::sender_or_from, {}};
  IdentityRule fallback;  ///< asked where no key fits `identity`
  std::string selector;   ///< keys of this selector only; empty: any
  /// Used instead of the books, with `selector`; d= is the identity's domain.
  std::shared_ptr<const SigningKey> own_key;
  std::string stated;   ///< i= instead of the identity, where it lies within d=; empty: not asked
  IdentityRule second;  ///< a further signature for another identity
  SignatureOptions options;
};

/// Equal for rules and books that sign alike, also over reloads: the `rules` of a
/// SignatureCacheKey. Worth keeping beside the rules.
std::uint64_t fingerprint_of(const SigningRules& rules, std::span<const KeyBook* const> scopes);

/// A signature to be made.
struct ChosenKey {
  std::shared_ptr<const SigningKey> key;
  std::string domain;    ///< d=
  std::string selector;  ///< s=
  std::string identity;  ///< i=
};

/// Chooses the keys for a message. `scopes` are asked in order, innermost first: the first that has
/// a key for the identity decides, even if an outer one has a closer name. `out` is filled anew and
/// empty where the message is not to be signed.
void choose_keys(const SigningRules& rules, std::span<const KeyBook* const> scopes,
                 const HeaderSection& header, std::vector<ChosenKey>& out);

/// One signature on its way: made on the message's shard, signed on any thread, then read.
struct PendingSignature {
  ChosenKey who;
  SigningInput input;
  SignatureOctets octets;

  /// The private operation, for one thread at a time.
  Status sign();
  /// The DKIM-Signature field, after sign().
  std::string field() const { return input.field(octets.view()); }
};

/// Works out all signatures of a message but their private operations. `body` was finished with
/// the form rules.options.body. `out` is filled anew, in the order in which the fields go before
/// the header section. invalid: the message cannot be signed, e.g. without From.
Status prepare_signatures(const SigningRules& rules, std::span<const KeyBook* const> scopes,
                          const HeaderSection& header, const BodyHasher& body, WallTime now,
                          std::vector<PendingSignature>& out);
/// The same with the hash alone, which is of the form rules.options.body.
Status prepare_signatures(const SigningRules& rules, std::span<const KeyBook* const> scopes,
                          const HeaderSection& header, const BodyHash& body, WallTime now,
                          std::vector<PendingSignature>& out);

}  // namespace ringpost::sign
