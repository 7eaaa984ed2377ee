#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/sign/canon.h"
#include "net/sign/header_lines.h"
#include "net/sign/sha256.h"

namespace ringpost::sign {

/// What a signature says of the body: bh=, and l= where it is stated.
struct BodyHash {
  Digest digest{};
  std::uint64_t canonical_bytes = 0;

  bool operator==(const BodyHash&) const = default;
};

/// Hashes a body in one canonical form (RFC 6376 sections 3.4.3, 3.4.4) while it comes in wire
/// form. Stuffing is undone: the first dot of every line is left out, and a line that is a dot
/// alone ends the body (RFC 5321 section 4.5.2). A plain value, no allocation.
class BodyCanon {
 public:
  void start(Canon canon) noexcept;
  /// The next octets, cut anywhere. What comes after the final dot line is not looked at.
  void feed(std::string_view wire) noexcept;
  /// Once per start().
  BodyHash finish() noexcept;

 private:
  bool in_text() const noexcept;
  std::size_t take_text(std::string_view wire, std::size_t begin) noexcept;
  void take(char c) noexcept;
  void take_content(char c) noexcept;
  void end_line() noexcept;
  void emit(std::string_view octets) noexcept;
  void emit_empty_lines() noexcept;

  Sha256 hash_;
  std::uint64_t emitted_ = 0;
  std::uint64_t empty_lines_ = 0;  ///< not emitted: they may be trailing
  Canon canon_ = Canon::simple;
  bool at_begin_ = true;    ///< of a line
  bool line_empty_ = true;  ///< nothing of the line was emitted
  bool dot_alone_ = false;  ///< the line is one dot so far
  bool held_cr_ = false;
  bool held_blank_ = false;  ///< relaxed: blanks that may end the line
  bool ended_ = false;
};

/// Which canonical forms are wanted.
struct CanonSet {
  bool simple = false;
  bool relaxed = false;

  void add(Canon canon) { (canon == Canon::simple ? simple : relaxed) = true; }
  bool any() const { return simple || relaxed; }
};

/// The body hashes of one message in all wanted forms at once. Fed with the content in wire form
/// as it streams in; finds by itself where the header section ends. A plain value of about 300
/// octets, so that it can lie in a session, be copied and be resumed. Single-threaded.
class BodyHasher {
 public:
  /// Where what is fed begins.
  enum class Begin : std::uint8_t { content, body };

  void start(CanonSet wanted, Begin begin) noexcept;
  void feed(std::string_view wire) noexcept;
  /// All has been fed.
  void finish() noexcept;
  /// After finish(); nothing is known of a form that was not wanted.
  const BodyHash& hash(Canon canon) const noexcept;

 private:
  std::size_t skip_header(std::string_view wire) noexcept;
  std::size_t past_line(std::string_view wire, std::size_t at) noexcept;
  void restart() noexcept;
  void feed_body(std::string_view wire) noexcept;

  CanonSet wanted_;
  bool in_header_ = false;
  bool in_line_ = false;     ///< inside a header line that needs no more looking at
  bool line_cr_ = false;     ///< its last octet was CR
  bool speculated_ = false;  ///< the forms were fed an undecided line
  HeaderLines lines_;
  BodyCanon simple_;
  BodyCanon relaxed_;
  BodyHash simple_hash_;
  BodyHash relaxed_hash_;
};

}  // namespace ringpost::sign
