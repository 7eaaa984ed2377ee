#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "net/sign/key_book.h"
#include "net/sign/signing_rules.h"

namespace ringpost::sign {

/// How the mail of a queue is signed: rules, and the keys of its scopes, the innermost first.
/// Immutable once made and shared; a message being signed keeps its plan over reloads.
struct SigningPlan {
  struct NamedBook {
    std::string name;
    std::shared_ptr<const KeyBook> book;
  };

  SigningRules rules;
  std::vector<std::shared_ptr<const KeyBook>> books;
  std::vector<NamedBook> lists;  ///< what a message may choose from instead (key-list)
  /// Equal for plans that sign alike; changes with the keys. Set by seal().
  std::uint64_t fingerprint = 0;

  void seal();
  std::vector<const KeyBook*> scopes() const;
};

/// What an X-DKIM-Options field asks for: tags `name=value` parted by blanks, commas or semicolons.
struct MessageOptions {
  std::string selector;  ///< s=
  std::string domain;    ///< d=
  std::string identity;  ///< i=, an address, @DOMAIN or a domain
  std::string query;     ///< q=
  std::string key_list;  ///< key-list=

  /// invalid: a tag that is not known or given twice, or a value that cannot be; says which.
  static Result<MessageOptions> parse(std::string_view text);
};

/// The rules and scopes of one message under its options. not_found: there is no such key list.
struct MessageRules {
  SigningRules rules;
  std::vector<const KeyBook*> scopes;
};
Result<MessageRules> apply_options(const MessageOptions& options, const SigningPlan& plan);

}  // namespace ringpost::sign
