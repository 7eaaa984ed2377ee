#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/sign/header_section.h"

namespace ringpost::sign {

/// One entry of h=: a field of the message, or none where the name is signed once more than it
/// occurs, so that nobody can add one (RFC 6376 sections 5.4, 8.15).
struct SignedField {
  std::string_view name;
  const HeaderField* field = nullptr;
};

/// Which fields are signed. All fields of a chosen name are, from the last one up (RFC 6376
/// section 5.4.2); From always is. A value, built at start and shared as const.
class HeaderChoice {
 public:
  /// The fields of RFC 6376 section 5.4.1, those of MIME, lists and feedback; oversigned: From,
  /// Reply-To, Subject, Date, To, Cc, MIME-Version, Content-Type.
  HeaderChoice();

  /// Adds names to the signed ones. invalid: no field name, or one that changes on the way
  /// (Received, Return-Path and the like) and would break the signature.
  Status sign_also(std::span<const std::string> names);
  /// Signs these names once more than they occur. The same errors.
  Status oversign(std::span<const std::string> names);
  /// No name is oversigned; oversign() chooses from here.
  void clear_oversigned();

  /// The entries of h= for a message, in order. `out` is filled anew; views are those of the
  /// choice and the section.
  void select(const HeaderSection& section, std::vector<SignedField>& out) const;
  /// Equal for equal choices.
  std::uint64_t fingerprint() const;

 private:
  struct Entry {
    std::string name;
    bool oversigned = false;
  };

  Status add(std::string_view name, bool oversigned);

  std::vector<Entry> entries_;
};

}  // namespace ringpost::sign
