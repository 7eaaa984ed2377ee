#include "net/sign/signing_plan.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::sign {
namespace {

constexpr std::string_view kSeparators = " \t,;";

Error wrong(std::string_view what, std::string_view text) {
  return Error::of(ErrorCode::invalid,
                   std::string(what) + " '" + std::string(text) + "' in X-DKIM-Options");
}

std::string* member_of(MessageOptions& options, std::string_view name) {
  if (name == "s") {
    return &options.selector;
  }
  if (name == "d") {
    return &options.domain;
  }
  if (name == "i") {
    return &options.identity;
  }
  if (name == "q") {
    return &options.query;
  }
  return name == "key-list" ? &options.key_list : nullptr;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

Status check(const MessageOptions& options) {
  if (!options.selector.empty() && !is_signing_name(options.selector)) {
    return wrong("no selector:", options.selector);
  }
  if (!options.domain.empty() && !is_signing_name(options.domain)) {
    return wrong("no domain:", options.domain);
  }
  if (!options.query.empty() && options.query != "dns/txt") {
    return wrong("no query method:", options.query);
  }
  if (!options.identity.empty() && !is_printable(options.identity)) {
    return wrong("no identity:", options.identity);
  }
  return {};
}

}  // namespace

void SigningPlan::seal() {
  fingerprint = fingerprint_of(rules, scopes());
  for (const NamedBook& list : lists) {
    const std::uint64_t parts[] = {fingerprint, hash64(list.name), list.book->fingerprint()};
    fingerprint = hash64({reinterpret_cast<const char*>(parts), sizeof parts});
  }
}

std::vector<const KeyBook*> SigningPlan::scopes() const {
  std::vector<const KeyBook*> out;
  for (const auto& book : books) {
    out.push_back(book.get());
  }
  return out;
}

Result<MessageOptions> MessageOptions::parse(std::string_view text) {
  MessageOptions out;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(kSeparators, at)) != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string_view tag = text.substr(at, end - at);
    at = end;
    const std::size_t equal = tag.find('=');
    if (equal == std::string_view::npos) {
      return wrong("no tag NAME=VALUE:", tag);
    }
    std::string* member = member_of(out, to_lower(tag.substr(0, equal)));
    if (member == nullptr) {
      return wrong("unknown tag", tag);
    }
    if (!member->empty() || equal + 1 == tag.size()) {
      return wrong("empty or repeated tag", tag);
    }
    member->assign(tag.substr(equal + 1));
  }
  if (Status status = check(out); !status.ok()) {
    return status.error();
  }
  return out;
}

Result<MessageRules> apply_options(const MessageOptions& options, const SigningPlan& plan) {
  MessageRules out{plan.rules, plan.scopes()};
  if (!options.selector.empty()) {
    out.rules.selector = options.selector;
  }
  // The domain chooses the key; without one the identity does.
  if (const std::string& choosing = options.domain.empty() ? options.identity : options.domain;
      !choosing.empty()) {
    auto rule = IdentityRule::parse(choosing);
    if (!rule.ok()) {
      return rule.error();
    }
    out.rules.identity = std::move(*rule);
  }
  if (!options.identity.empty()) {
    const bool bare = options.identity.find('@') == std::string::npos;
    out.rules.stated = bare ? "@" + options.identity : options.identity;
  }
  if (!options.query.empty()) {
    out.rules.options.query_method = options.query;
  }
  if (!options.key_list.empty()) {
    const auto is_named = [&](const SigningPlan::NamedBook& list) {
      return equals_ignoring_case(list.name, options.key_list);
    };
    const auto list = std::find_if(plan.lists.begin(), plan.lists.end(), is_named);
    if (list == plan.lists.end()) {
      return Error::of(ErrorCode::not_found,
                       "there is no domain-key-list '" + options.key_list + "'");
    }
    out.scopes.assign(1, list->book.get());
    out.rules.own_key = nullptr;
  }
  return out;
}

}  // namespace ringpost::sign
