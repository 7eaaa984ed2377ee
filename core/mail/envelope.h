#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost {

/// BODY parameter of MAIL (RFC 6152, 3030).
enum class BodyType : std::uint8_t { unspecified, seven_bit, eight_bit_mime, binary_mime };

/// RET parameter of MAIL (RFC 3461 section 4.3).
enum class DsnReturn : std::uint8_t { unspecified, full, headers };

/// NOTIFY parameter of RCPT (RFC 3461 section 4.1) as a set of bits; 0 = not given.
namespace notify {
inline constexpr std::uint8_t kUnspecified = 0;
inline constexpr std::uint8_t kNever = 1;
inline constexpr std::uint8_t kSuccess = 2;
inline constexpr std::uint8_t kFailure = 4;
inline constexpr std::uint8_t kDelay = 8;
}  // namespace notify

/// How we report on a message ourselves, by the rules of where it came in: a set of bits.
namespace report_rule {
inline constexpr std::uint8_t kNone = 1;  ///< no report leaves from here
inline constexpr std::uint8_t kFull = 2;  ///< with the whole content, where RET does not say
}  // namespace report_rule

/// Order of recipients inside a queue: 0 to 100, higher ones first.
inline constexpr std::uint8_t kNormalPriority = 50;
inline constexpr std::uint8_t kPriorityMax = 100;

/// One RCPT TO. Views belong to whoever built the envelope.
struct Recipient {
  std::string_view address;   ///< without angle brackets, as given
  std::string_view original;  ///< ORCPT in xtext as given, or empty
  std::uint8_t notify = notify::kUnspecified;
  std::string_view vmta{};     ///< its own virtual MTA or pool; empty: the envelope's
  std::uint64_t pool_key = 0;  ///< what a pool that goes by recipients goes by; 0: by the message
  bool alone = false;          ///< its return path is its own: it travels with no other
  std::uint8_t priority = kNormalPriority;

  /// Whether it may stand in one group with `other`: they share domain, virtual MTA, pool key and
  /// priority.
  bool travels_with(const Recipient& other) const;
  /// What follows the last '@', e.g. "example.com" or "[192.0.2.1]"; case as given.
  std::string_view domain() const {
    const auto at = address.rfind('@');
    return at == std::string_view::npos ? std::string_view{} : address.substr(at + 1);
  }
};

/// SMTP envelope (RFC 5321 section 2.3.1) with the job parameters. A bundle of views: valid as
/// long as the bytes behind it (a session's buffers, or a pinned spool record).
struct Envelope {
  std::string_view reverse_path;          ///< empty for the null path
  std::span<const Recipient> recipients;  ///< those that travel together are neighbours
  std::string_view envelope_id;           ///< ENVID in xtext as given, or empty
  std::string_view vmta;                  ///< virtual MTA or pool of those that name none
  std::string_view job;                   ///< job id, or empty
  std::uint64_t sender_rule = 0;          ///< key of the rule for its sender; 0: none
  std::string_view user;                  ///< authenticated user, or empty
  std::string_view helo;                  ///< what the injector called itself
  /// Header fields that accounting shows, as `name:value` lines ended by LF; the names in lower
  /// case, the values unfolded and printable. At most kNotedBytesMax octets.
  std::string_view noted;
  IpAddress origin;       ///< address of the injector
  IpAddress received_at;  ///< our address that it connected to; kept where receipts are accounted
  WallTime received;      ///< when the final dot came
  DsnReturn dsn_return = DsnReturn::unspecified;
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;     ///< SMTPUTF8 was given (RFC 6531)
  std::uint8_t reports = 0;  ///< a set of report_rule bits
  /// What stands between local part, recipient and its domain in a return path that is made for
  /// each recipient (VERP); zero: one return path for all.
  std::array<char, 2> verp{};

  bool has_verp() const { return verp[0] != 0 && !reverse_path.empty(); }
};

inline constexpr std::size_t kNotedBytesMax = 512;

inline constexpr std::uint16_t kTenantMax = 4095;

/// Whose mail of no job it is, 1 to kTenantMax: a hash of the user who gave it in or, where nobody
/// logged in, of the domain of its return path. 0: it is of a job, or has neither.
std::uint16_t tenant_of(const Envelope& envelope);

/// Half-open range of octets inside a message's content.
struct ByteRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  std::uint32_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

/// A message has at most this many kept ranges: one more than header fields that can be removed.
inline constexpr std::size_t kKeptRangesMax = 16;

/// What is known about content in wire form (CRLF lines, dot-stuffed, ending CRLF.CRLF).
struct ContentInfo {
  std::uint32_t wire_bytes = 0;    ///< with stuffing and the final dot line
  std::uint32_t size = 0;          ///< as RFC 1870 counts: without stuffing and final dot line
  std::uint32_t header_bytes = 0;  ///< header section including the empty line, wire form
  bool dot_lines = false;          ///< some line begins with a dot: not usable for BDAT as it lies
  bool eight_bit = false;          ///< some octet has the high bit set
  bool dated_late = false;         ///< the Date field of the prefix says when the message is sent
};

/// Hash of a body in a canonical form of DKIM (RFC 6376 section 3.4).
struct BodyDigest {
  std::array<unsigned char, 32> sha256{};
  std::uint64_t octets = 0;  ///< of the canonical body; 0 of an empty one

  bool operator==(const BodyDigest&) const = default;
};

/// What signing needs of a message and only reception can know or knows cheaply.
struct SigningFacts {
  static constexpr std::uint8_t kSimple = 1;
  static constexpr std::uint8_t kRelaxed = 2;

  std::uint8_t forms = 0;  ///< which digests are known: a set of the bits above
  BodyDigest simple;
  BodyDigest relaxed;
  std::string_view options;  ///< value of an X-DKIM-Options field that was obeyed, or empty

  bool any() const { return forms != 0 || !options.empty(); }
};

/// The message as it is to be sent: `prefix`, then the kept ranges of the content in order. The
/// last range always ends with the content's final dot line. `prefix` is in wire form too.
struct HeaderEdits {
  std::string_view prefix;
  std::span<const ByteRange> kept;
};

/// What ingest hands over with a complete message. Views need to live until commit() returns.
struct Submission {
  Envelope envelope;
  ContentInfo content;
  HeaderEdits edits;
  SigningFacts signing;
};

}  // namespace ringpost
