#include "core/app/signing.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "core/base/text.h"

namespace ringpost::app {
namespace {

using config::DkimAlgorithm;
using config::DkimCanon;
using config::OptionId;

bool is_folder(const std::string& path) {
  struct stat facts = {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

sign::Canon canon_of(DkimCanon canon) {
  return canon == DkimCanon::simple ? sign::Canon::simple : sign::Canon::relaxed;
}

std::vector<std::string> names_of(std::span<const std::string_view> list) {
  return {list.begin(), list.end()};
}

/// What cannot be understood was reported when the keys were loaded.
sign::IdentityRule identity_of(std::string_view text) {
  auto rule = sign::IdentityRule::parse(text);
  return rule.ok() ? std::move(*rule) : sign::IdentityRule{};
}

sign::SigningRules rules_of(const config::PathPolicy& policy) {
  sign::SigningRules rules;
  rules.sign = true;
  rules.identity = identity_of(policy.dkim_identity);
  rules.fallback = identity_of(policy.dkim_identity_fallback);
  if (policy.second_dkim_sign) {
    rules.second = identity_of(policy.second_dkim_identity);
  }
  sign::SignatureOptions& options = rules.options;
  options.header = canon_of(policy.dkim_headers_canon);
  options.body = canon_of(policy.dkim_body_canon);
  options.timestamp = policy.dkim_timestamp;
  options.expire_after = policy.dkim_expire_after;
  options.body_length = policy.dkim_body_limit;
  // A name that cannot be signed was reported when the keys were loaded; the others count.
  for (const std::string& name : names_of(policy.dkim_headers)) {
    static_cast<void>(options.headers.sign_also({&name, 1}).ok());
  }
  for (const std::string& name : names_of(policy.dkim_oversign)) {
    static_cast<void>(options.headers.oversign({&name, 1}).ok());
  }
  return rules;
}

/// A problem of a setting's value, or an empty text.
std::string fault_of(const config::Setting& setting) {
  if (const auto* text = std::get_if<std::string_view>(&setting.value)) {
    const bool identity = setting.id == OptionId::dkim_identity ||
                          setting.id == OptionId::dkim_identity_fallback ||
                          setting.id == OptionId::second_dkim_identity;
    const auto rule = identity ? sign::IdentityRule::parse(*text) : sign::IdentityRule{};
    return rule.ok() ? std::string() : rule.error().detail;
  }
  const auto* list = std::get_if<std::span<const std::string_view>>(&setting.value);
  if (list == nullptr ||
      (setting.id != OptionId::dkim_headers && setting.id != OptionId::dkim_oversign)) {
    return {};
  }
  sign::HeaderChoice choice;
  for (const std::string& name : names_of(*list)) {
    if (const Status status = choice.sign_also({&name, 1}); !status.ok()) {
      return status.error().detail;
    }
  }
  return {};
}

/// SELECTOR.DOMAIN.pem; the domain, or empty.
std::string domain_of_file(const std::string& name, std::string_view selector) {
  static constexpr std::string_view kEnd = ".pem";
  const std::string begin = std::string(selector) + ".";
  if (!name.starts_with(begin) || !name.ends_with(kEnd) ||
      name.size() <= begin.size() + kEnd.size()) {
    return {};
  }
  return name.substr(begin.size(), name.size() - begin.size() - kEnd.size());
}

}  // namespace

KeyRing::KeyRing(std::shared_ptr<const config::Snapshot> snapshot)
    : snapshot_(std::move(snapshot)) {
  global_ = make_book(snapshot_->domain_keys(), false);
  always_ = make_book(snapshot_->domain_keys(), true);
  for (const config::DkimKeyList& list : snapshot_->domain_key_lists()) {
    lists_.push_back({std::string(list.name), make_book(list.keys, false)});
  }
  for (const config::VirtualMta& vmta : snapshot_->virtual_mtas()) {
    vmtas_.push_back(make_book(vmta.domain_keys, false));
  }
  load_domains();
}

void KeyRing::load_domains() {
  load_own(snapshot_->global_written());
  for (const config::DomainEntry& entry : snapshot_->entries()) {
    load_own(entry.settings);
  }
}

// The key written in one domain section, and what its other settings say.
void KeyRing::load_own(std::span<const config::Setting> settings) {
  std::string file;
  std::string selector;
  std::string place;
  for (const config::Setting& setting : settings) {
    if (const std::string fault = fault_of(setting); !fault.empty()) {
      warn(snapshot_->place(setting.origin) + ": " + fault);
    }
    if (setting.id == OptionId::dkim_selector) {
      selector = std::get<std::string_view>(setting.value);
    } else if (setting.id == OptionId::dkim_key_file) {
      file = std::get<std::string_view>(setting.value);
      place = snapshot_->place(setting.origin);
    }
  }
  if (file.empty()) {
    return;
  }
  if (selector.empty()) {
    return warn(place + ": dkim-key-file needs a dkim-selector beside it; the key is not used");
  }
  std::vector<sign::DomainKey> keys;
  if (is_folder(file)) {
    add_folder(file, selector, {}, place, keys);
  } else if (Key key = load(file, place); key != nullptr) {
    note("*", selector, key, place);
    keys.push_back({selector, "*", std::move(key)});
  }
  if (auto book = sign::KeyBook::make(std::move(keys)); book.ok()) {
    own_[{file, selector}] = std::make_shared<const sign::KeyBook>(std::move(*book));
  }
}

KeyRing::Book KeyRing::make_book(std::span<const config::DkimKey> keys, bool always_only) {
  std::vector<sign::DomainKey> usable;
  for (const config::DkimKey& key : keys) {
    if (key.always || !always_only) {
      add_key(key, usable);
    }
  }
  auto book = sign::KeyBook::make(std::move(usable));
  // Selectors and domains were checked with the configuration.
  return std::make_shared<const sign::KeyBook>(book.ok() ? std::move(*book) : sign::KeyBook());
}

void KeyRing::add_key(const config::DkimKey& from, std::vector<sign::DomainKey>& out) {
  const std::string place = snapshot_->place(from.origin);
  const std::string file(from.file);
  if (is_folder(file)) {
    return add_folder(file, from.selector, from.domain, place, out);
  }
  const Key key = load(file, place);
  if (key == nullptr) {
    return;
  }
  if (from.algorithm == DkimAlgorithm::ed25519_sha256 &&
      key->algorithm() != sign::Algorithm::ed25519_sha256) {
    return warn(place + ": " + file + " is no Ed25519 key; it is not used");
  }
  const std::string domain(from.domain.empty() ? "*" : from.domain);
  note(domain, std::string(from.selector), key, place);
  out.push_back({std::string(from.selector), domain, key});
}

// A folder of keys: each file SELECTOR.DOMAIN.pem signs for its domain; of a domain with its key in
// the folder, only the files of that domain and those below it count.
void KeyRing::add_folder(const std::string& folder, std::string_view selector,
                         std::string_view domain, const std::string& place,
                         std::vector<sign::DomainKey>& out) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) {
    return warn(place + ": key folder " + folder + ": " + error.message());
  }
  std::sort(names.begin(), names.end());
  std::size_t found = 0;
  for (const std::string& name : names) {
    const std::string of_file = to_lower(domain_of_file(name, selector));
    const bool wanted = domain.empty() || sign::is_within(of_file, domain);
    if (!sign::is_signing_name(of_file) || !wanted) {
      continue;
    }
    ++found;
    if (Key key = load(folder + "/" + name, place); key != nullptr) {
      note(of_file, std::string(selector), key, place);
      out.push_back({std::string(selector), of_file, std::move(key)});
    }
  }
  if (found == 0) {
    warn(place + ": the folder " + folder + " holds no file " + std::string(selector) +
         ".DOMAIN.pem");
  }
}

KeyRing::Key KeyRing::load(const std::string& path, const std::string& place) {
  if (const auto known = files_.find(path); known != files_.end()) {
    return known->second;
  }
  Key& slot = files_[path];
  auto loaded = sign::load_key_file(path);
  if (!loaded.ok()) {
    warn(place + ": " + loaded.error().describe() + "; mail that needs it leaves unsigned");
    return nullptr;
  }
  for (const std::string& warning : loaded->warnings) {
    warn(place + ": " + warning);
  }
  slot = loaded->key;
  return slot;
}

void KeyRing::note(const std::string& domain, const std::string& selector, const Key& key,
                   const std::string& place) {
  const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.domain == domain && entry.selector == selector && entry.key == key;
  });
  if (!known) {
    entries_.push_back({selector, domain, place, key});
  }
}

void KeyRing::warn(const std::string& text) {
  if (std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end()) {
    warnings_.push_back(text);
  }
}

KeyRing::Book KeyRing::of_algorithm(const Book& book, sign::Algorithm algorithm) {
  std::vector<sign::DomainKey> keys;
  for (const sign::DomainKey& key : book->keys()) {
    if (key.key->algorithm() == algorithm) {
      keys.push_back(key);
    }
  }
  auto made = sign::KeyBook::make(std::move(keys));
  return made.ok() ? std::make_shared<const sign::KeyBook>(std::move(*made)) : book;
}

// False: the section names a key of its own and it cannot be used.
bool KeyRing::add_own(const config::PathPolicy& policy, sign::SigningPlan& plan) const {
  if (policy.dkim_key_file.empty()) {
    return true;
  }
  const auto own =
      own_.find(std::pair(std::string(policy.dkim_key_file), std::string(policy.dkim_selector)));
  if (own == own_.end() || own->second->empty()) {
    return false;
  }
  plan.books.push_back(own->second);
  return true;
}

std::shared_ptr<const sign::SigningPlan> KeyRing::plan_for(const config::PathPolicy& policy,
                                                           config::VmtaId vmta) const {
  auto plan = std::make_shared<sign::SigningPlan>();
  plan->rules = rules_of(policy);
  if (!policy.dkim_sign) {
    plan->books = {always_};
    plan->rules.second = {};
  } else {
    if (!add_own(policy, *plan) || policy.dkim_key_file.empty()) {
      plan->rules.selector = policy.dkim_selector;
    }
    plan->books.push_back(vmtas_.at(vmta));
    plan->books.push_back(global_);
    plan->lists = lists_;
  }
  if (policy.dkim_algorithm == DkimAlgorithm::ed25519_sha256) {
    for (Book& book : plan->books) {
      book = of_algorithm(book, sign::Algorithm::ed25519_sha256);
    }
  }
  const bool any = std::any_of(plan->books.begin(), plan->books.end(),
                               [](const Book& b) { return !b->empty(); });
  if (!any && plan->lists.empty()) {
    return nullptr;
  }
  plan->seal();
  return plan;
}

sign::CanonSet body_forms(const config::Snapshot& snapshot) {
  bool signs = !snapshot.domain_keys().empty();
  sign::CanonSet forms;
  const auto look = [&](std::span<const config::Setting> settings) {
    for (const config::Setting& setting : settings) {
      signs = signs || setting.id == OptionId::dkim_sign;
      if (setting.id == OptionId::dkim_body_canon) {
        config::PathPolicy policy;
        apply(policy, setting.id, setting.value);
        forms.add(canon_of(policy.dkim_body_canon));
      }
    }
  };
  look(snapshot.global_written());
  for (const config::DomainEntry& entry : snapshot.entries()) {
    look(entry.settings);
  }
  if (!signs) {
    return {};
  }
  forms.add(canon_of(snapshot.policy_defaults().dkim_body_canon));
  return forms;
}

}  // namespace ringpost::app
