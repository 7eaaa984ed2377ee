#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "net/sign/body_hasher.h"
#include "net/sign/canon.h"
#include "net/sign/header_choice.h"
#include "net/sign/header_section.h"
#include "net/sign/sha256.h"

namespace ringpost::sign {

/// How signatures are made; a value of the configuration.
struct SignatureOptions {
  Canon header = Canon::relaxed;
  Canon body = Canon::relaxed;
  HeaderChoice headers;
  bool timestamp = true;                        ///< t= is stated
  Duration expire_after = Duration::forever();  ///< x= - t=; forever: no x=. With x= goes t=.
  bool body_length = false;                     ///< l= is stated, which lets others append
  std::string query_method;                     ///< q=, e.g. "dns/txt"; empty: not stated
};

/// Who signs what.
struct SignatureFacts {
  std::string_view domain;    ///< d=
  std::string_view selector;  ///< s=
  std::string_view identity;  ///< i=, "local@domain" or "@domain"; empty: not stated
  Algorithm algorithm = Algorithm::rsa_sha256;
  BodyHash body;  ///< of the form options.body
  WallTime now;
};

/// All of a signature but the private operation: make() works out the digest to be signed, on the
/// message's shard; the key signs it wherever there is time for it; field() gives the header field.
/// Keeps its buffers over uses. Single-threaded.
class SigningInput {
 public:
  /// invalid: no From field (RFC 6376 section 5.4), a domain or selector that is no name, or an
  /// identity outside the domain (section 3.5). `header` is used during the call only.
  Status make(const SignatureOptions& options, const SignatureFacts& facts,
              const HeaderSection& header);

  const Digest& digest() const noexcept { return digest_; }
  /// When the signature ends, in seconds since 1970; 0: never.
  std::int64_t expires() const noexcept { return expires_; }
  /// The canonical octets behind digest(), until the next make(); for tests and diagnosis.
  std::string_view canonical() const noexcept { return canonical_; }

  /// The DKIM-Signature field, folded at 78 columns, CRLF at its end; needs no stuffing. Goes in
  /// front of the header section. `signature` is what the key gave for digest().
  std::string field(std::string_view signature) const;

 private:
  void write_tags(const SignatureOptions& options, const SignatureFacts& facts);

  std::vector<SignedField> signed_;
  std::string field_;  ///< up to and with "b="
  std::size_t column_ = 0;
  std::string canonical_;
  Digest digest_{};
  std::int64_t expires_ = 0;
};

/// Whether `name` is a domain name in its ASCII form, as d= and s= need it.
bool is_signing_name(std::string_view name) noexcept;
/// Whether `domain` is `parent` or below it, in any case.
bool is_within(std::string_view domain, std::string_view parent) noexcept;

}  // namespace ringpost::sign
