#include "net/sign/signing_rules.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "net/sign/author.h"

namespace ringpost::sign {
namespace {

// Longer ones are no mailboxes (RFC 5321 section 4.5.3.1.1) and would make a line too long.
constexpr std::size_t kLocalBytesMax = 64;

std::string_view domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view{} : address.substr(at + 1);
}

// i= for an address whose domain is a name: the address, or its domain alone.
std::string identity_of(std::string_view address) {
  const auto at = address.rfind('@');
  return std::string(at > kLocalBytesMax ? address.substr(at) : address);
}

void add(ChosenKey key, std::vector<ChosenKey>& out) {
  const auto is_same = [&](const ChosenKey& one) {
    return equals_ignoring_case(one.domain, key.domain) &&
           equals_ignoring_case(one.selector, key.selector);
  };
  if (std::none_of(out.begin(), out.end(), is_same)) {
    out.push_back(std::move(key));
  }
}

// Keys for one identity; false where there is none.
bool choose_for(std::string_view identity, const SigningRules& rules,
                std::span<const KeyBook* const> scopes, std::vector<ChosenKey>& out) {
  const std::string_view domain = domain_of(identity);
  if (!is_signing_name(domain)) {
    return false;
  }
  const auto stated = [&](std::string_view of_key) {
    const bool fits = !rules.stated.empty() && is_within(domain_of(rules.stated), of_key);
    return identity_of(fits ? std::string_view(rules.stated) : identity);
  };
  if (rules.own_key != nullptr) {
    add({rules.own_key, to_lower(domain), rules.selector, stated(domain)}, out);
    return true;
  }
  for (const KeyBook* scope : scopes) {
    KeyMatch matches[KeyBook::kMatchesMax];
    const std::size_t count = scope->find(domain, rules.selector, matches);
    for (std::size_t i = 0; i < count; ++i) {
      const DomainKey& entry = *matches[i].entry;
      const std::string_view of_key = matches[i].domain;
      add({entry.key, to_lower(of_key), entry.selector, stated(of_key)}, out);
    }
    if (count > 0) {
      return true;
    }
  }
  return false;
}

bool choose_by(const IdentityRule& rule, const SigningRules& rules,
               std::span<const KeyBook* const> scopes, const HeaderSection& header,
               std::vector<ChosenKey>& out) {
  using Kind = IdentityRule::Kind;
  if (rule.kind == Kind::none) {
    return false;
  }
  if (rule.kind == Kind::fixed) {
    return choose_for(rule.address, rules, scopes, out);
  }
  const HeaderField* sender = header.find("Sender");
  if (rule.kind == Kind::sender_or_from && sender != nullptr &&
      choose_for(read_author(sender->value()).address, rules, scopes, out)) {
    return true;
  }
  std::size_t count = 0;
  const HeaderField* from = header.find("From", &count);
  if (from == nullptr) {
    return false;
  }
  const Author author = read_author(from->value());
  if (rule.kind == Kind::strict_from && (count != 1 || author.count != 1)) {
    return false;
  }
  return choose_for(author.address, rules, scopes, out);
}

}  // namespace

Result<IdentityRule> IdentityRule::parse(std::string_view text) {
  text = trimmed(text);
  if (equals_ignoring_case(text, "sender-or-from")) {
    return IdentityRule{Kind::sender_or_from, {}};
  }
  if (equals_ignoring_case(text, "strict-from")) {
    return IdentityRule{Kind::strict_from, {}};
  }
  if (text.empty() || equals_ignoring_case(text, "none")) {
    return IdentityRule{};
  }
  const std::string address =
      text.find('@') == std::string_view::npos ? "@" + std::string(text) : std::string(text);
  if (!is_signing_name(domain_of(address))) {
    return Error::of(ErrorCode::invalid, "\"" + std::string(text) +
                                             "\" is no address, @DOMAIN, sender-or-from or "
                                             "strict-from");
  }
  return IdentityRule{Kind::fixed, address};
}

std::uint64_t fingerprint_of(const SigningRules& rules, std::span<const KeyBook* const> scopes) {
  Hasher64 hash;
  const auto add_number = [&hash](std::uint64_t number) {
    hash.update({reinterpret_cast<const char*>(&number), sizeof number});
  };
  const auto add_text = [&](std::string_view text) {
    add_number(text.size());
    hash.update(text);
  };
  for (const IdentityRule* rule : {&rules.identity, &rules.fallback, &rules.second}) {
    add_number(static_cast<std::uint64_t>(rule->kind));
    add_text(rule->address);
  }
  const SignatureOptions& options = rules.options;
  add_text(rules.selector);
  add_text(options.query_method);
  for (const bool flag : {rules.sign, options.timestamp, options.body_length,
                          options.header == Canon::relaxed, options.body == Canon::relaxed}) {
    add_number(flag ? 1 : 0);
  }
  add_number(static_cast<std::uint64_t>(options.expire_after.ns));
  add_number(options.headers.fingerprint());
  add_number(rules.own_key != nullptr ? rules.own_key->fingerprint() : 0);
  for (const KeyBook* scope : scopes) {
    add_number(scope->fingerprint());
  }
  return hash.digest();
}

void choose_keys(const SigningRules& rules, std::span<const KeyBook* const> scopes,
                 const HeaderSection& header, std::vector<ChosenKey>& out) {
  out.clear();
  if (!rules.sign) {
    return;
  }
  if (!choose_by(rules.identity, rules, scopes, header, out)) {
    choose_by(rules.fallback, rules, scopes, header, out);
  }
  choose_by(rules.second, rules, scopes, header, out);
}

Status PendingSignature::sign() {
  const Result<SignatureOctets> made = who.key->sign(input.digest());
  if (!made.ok()) {
    return made.error();
  }
  octets = *made;
  return {};
}

Status prepare_signatures(const SigningRules& rules, std::span<const KeyBook* const> scopes,
                          const HeaderSection& header, const BodyHasher& body, WallTime now,
                          std::vector<PendingSignature>& out) {
  return prepare_signatures(rules, scopes, header, body.hash(rules.options.body), now, out);
}

Status prepare_signatures(const SigningRules& rules, std::span<const KeyBook* const> scopes,
                          const HeaderSection& header, const BodyHash& body, WallTime now,
                          std::vector<PendingSignature>& out) {
  std::vector<ChosenKey> keys;
  choose_keys(rules, scopes, header, keys);
  out.clear();
  for (ChosenKey& key : keys) {
    PendingSignature& one = out.emplace_back();
    one.who = std::move(key);
    SignatureFacts facts;
    facts.domain = one.who.domain;
    facts.selector = one.who.selector;
    facts.identity = one.who.identity;
    facts.algorithm = one.who.key->algorithm();
    facts.body = body;
    facts.now = now;
    if (Status status = one.input.make(rules.options, facts, header); !status.ok()) {
      return status;
    }
  }
  return {};
}

}  // namespace ringpost::sign
