#include <algorithm>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

constexpr std::size_t kLoginWordMax = 512;

}  // namespace

// Who may send, and which way mail goes: users, groups, senders, routing, relay and route blocks,
// signing keys.

void Builder::add_user(const Section& section) {
  const std::string_view name = argument_of(section);
  if (name.empty()) {
    return;
  }
  std::vector<SmtpUser>& users = snapshot_->users_;
  if (snapshot_->find_user(name) != nullptr) {
    return log_->error(section.arguments[0].span, "there is a user of this name already");
  }
  SmtpUser user;
  user.name = values_.keep(name);
  user.source = "{auth}";
  user.origin = origin_of(section.kind.span);
  read_fields(section, user);
  bool misspelt = false;  // told already; it may have been the password
  for (const Directive& directive : section.directives) {
    const OptionRow* row = find_option(directive.name.text, Scope::smtp_user);
    misspelt = misspelt || row == nullptr;
    if (row != nullptr && row->id == OptionId::user_source && !directive.values.empty()) {
      user_source_uses_.emplace_back(user.source, directive.values[0].span);
    }
  }
  if (user.method != UserMethod::password) {
    if (!user.password.empty()) {
      log_->warning(section.kind.span, "the user has a password and is not known by it");
    }
    user.password = {};  // it must not do instead of what was asked for
    if (user.method == UserMethod::certificate && user.certificate.empty()) {
      log_->warning(section.kind.span, "a user known by a certificate needs tls-certificate FILE");
    }
  } else if (user.password.empty() && !misspelt) {
    log_->warning(section.kind.span, "the user has no password and cannot authenticate");
  }
  users.push_back(user);
}

void Builder::add_group(const Section& section) {
  SourceGroup group;
  group.name = values_.keep(argument_of(section));
  group.origin = origin_of(section.kind.span);
  read_fields(section, group);
  snapshot_->source_groups_.push_back(group);
}

void Builder::add_sender(const Section& section) {
  if (section.arguments.empty()) {
    return;
  }
  const Word& address = section.arguments[0];
  if (address.text.find('@') == std::string_view::npos) {
    return log_->error(address.span, "a sender is written user@domain, @domain or *@domain");
  }
  SenderRule rule;
  rule.address = values_.keep(address.text);
  rule.origin = origin_of(section.kind.span);
  read_fields(section, rule);
  for (const Directive& directive : section.directives) {
    const OptionRow* row = find_option(directive.name.text, Scope::sender);
    if (row != nullptr && row->id == OptionId::sender_vmta && !directive.values.empty()) {
      vmta_uses_.emplace_back(rule.vmta, directive.values[0].span);
    }
  }
  rule.vmta_ref = snapshot_->find_vmta(rule.vmta);
  const auto [place, fresh] = snapshot_->sender_index_.emplace(
      to_lower(rule.address.substr(rule.address.starts_with("*@") ? 1 : 0)),
      static_cast<std::uint32_t>(snapshot_->senders_.size()));
  if (!fresh) {
    const Origin first = snapshot_->senders_[place->second].origin;
    log_->warning(address.span,
                  "there is a section for this sender already, which counts: " +
                      (first.file == address.span.file ? "line " + std::to_string(first.line)
                                                       : snapshot_->place(first)));
    return;
  }
  snapshot_->senders_.push_back(rule);
}

/// `DOMAIN use-vmta NAME`.
VmtaRef Builder::read_use_vmta(const Directive& directive) {
  const std::vector<Word>& words = directive.values;
  const bool shaped = words.size() == 3 && (equals_ignoring_case(words[1].text, "use-vmta") ||
                                            equals_ignoring_case(words[1].text, "use_vmta"));
  if (!shaped) {
    log_->error(ValueReader::span_of(directive), "expected DOMAIN use-vmta NAME");
    return {};
  }
  const VmtaRef ref = snapshot_->find_vmta(words[2].text);
  check_vmta_name(words[2].text, words[2].span);
  return ref;
}

void Builder::add_routing(const Section& section) {
  RoutingTable& table = snapshot_->routing_;
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::routing);
    if (row == nullptr) {
      continue;
    }
    const VmtaRef ref = read_use_vmta(directive);
    if (directive.values.size() != 3) {
      continue;
    }
    if (row->id == OptionId::routing_default) {
      table.fallback = ref;
      continue;
    }
    const Result<DomainPattern> pattern = DomainPattern::parse(directive.values[0].text);
    if (!pattern.ok()) {
      log_->error(directive.values[0].span, pattern.error().detail);
      continue;
    }
    std::uint32_t& slot = table.index.slot(*pattern, false);
    if (slot != DomainIndex::kNone) {
      log_->warning(directive.values[0].span, "the domain is routed already; this line counts");
    }
    slot = static_cast<std::uint32_t>(table.targets.size());
    table.targets.push_back(ref);
  }
}

/// Patterns of addresses; `@` alone is any.
void Builder::add_relay_list(SourceEntry& source, const OptionRow& row,
                             const Directive& directive) {
  std::vector<std::string_view>& list = snapshot_->lists_.emplace_back();
  for (const Setting& setting : source.settings) {
    const auto* before = std::get_if<std::span<const std::string_view>>(&setting.value);
    if (setting.id == row.id && before != nullptr) {
      list.assign(before->begin(), before->end());
    }
  }
  for (const Word& word : ValueReader::list_of(directive.values)) {
    const bool any = word.text == "@" || word.text == "*" || word.text == "*@*";
    if (!any && word.text.find('@') == std::string_view::npos) {
      log_->error(word.span, "an address is written user@domain, @domain or *@domain; @ is any");
      continue;
    }
    list.push_back(any ? std::string_view("*") : values_.keep(to_lower(word.text)));
  }
  const auto same = [&row](const Setting& setting) { return setting.id == row.id; };
  const Value value = std::span<const std::string_view>(list);
  const auto old = std::find_if(source.settings.begin(), source.settings.end(), same);
  if (old != source.settings.end()) {
    old->value = value;
  } else {
    source.settings.push_back({row.id, value, origin_of(directive.name.span)});
  }
}

/// A mechanism that is misspelt would not be offered, and nobody would hear why.
void Builder::check_mechanisms(const Directive& directive) {
  static constexpr std::string_view kMechanisms[] = {"plain", "login", "cram-md5"};
  for (const Word& word : ValueReader::list_of(directive.values)) {
    const bool known =
        std::any_of(std::begin(kMechanisms), std::end(kMechanisms),
                    [&](const auto name) { return equals_ignoring_case(word.text, name); });
    if (!known && !word.text.empty()) {
      log_->error(word.span, "the mechanisms are plain, login and cram-md5",
                  nearest_name(word.text, kMechanisms));
    }
  }
}

/// A relay block is a listener with a source of its own.
void Builder::add_relay(const Section& section) {
  SourceEntry source;
  source.name = values_.keep("{relay " +
                             (section.arguments.empty() ? std::to_string(section.kind.span.line)
                                                        : std::string(argument_of(section))) +
                             "}");
  source.origin = origin_of(section.kind.span);
  source.relay = true;
  std::vector<std::string_view>& mechanisms = snapshot_->lists_.emplace_back();
  const auto set = [&source](OptionId id, Value value, const Span& span) {
    source.settings.push_back({id, value, {span.file, span.line}});
  };
  std::vector<Word> addresses;
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::relay);
    const std::optional<Value> value =
        row == nullptr ? std::nullopt : values_.read(*row, directive);
    if (!value) {
      continue;
    }
    const Span& span = directive.name.span;
    switch (row->id) {
      case OptionId::relay_listen: addresses.push_back(directive.values[0]); break;
      case OptionId::relay_auth:
        check_mechanisms(directive);
        for (const Word& word : ValueReader::list_of(directive.values)) {
          mechanisms.push_back(values_.keep(to_lower(word.text)));
        }
        break;
      case OptionId::relay_auth_login: mechanisms.push_back("login"); break;
      case OptionId::relay_auth_secret: set(row->id, *value, span); break;
      case OptionId::relay_vmta:
        set(OptionId::default_virtual_mta, *value, span);
        vmta_uses_.emplace_back(std::get<std::string_view>(*value), directive.values[0].span);
        break;
      case OptionId::relay_allow_recipient:
        set(OptionId::always_allow_relaying, true, span);
        [[fallthrough]];
      case OptionId::relay_allow_mail_from: add_relay_list(source, *row, directive); break;
      default: break;
    }
  }
  if (!mechanisms.empty()) {
    set(OptionId::require_auth, true, section.kind.span);
    set(OptionId::auth_mechanisms, std::span<const std::string_view>(mechanisms),
        section.kind.span);
  }
  if (addresses.empty()) {
    log_->warning(section.kind.span, "the relay block listens nowhere");
  }
  snapshot_->by_name_.push_back(std::move(source));
  // As long as listeners cannot have rules of their own, this one stays closed.
  for (const Word& address : addresses) {
    if (!is_pending(OptionId::relay_listen)) {
      listener_sources_.push_back({snapshot_->global_.listeners.size(),
                                   {std::string(snapshot_->by_name_.back().name), address.span}});
      add_listener(address, {}, nullptr);
    }
  }
}

void Builder::add_route(const Section& section) {
  SmartRoute route;
  route.name = values_.keep(argument_of(section));
  route.origin = origin_of(section.kind.span);
  read_fields(section, route);
  if (route.destination == nullptr) {
    return log_->error(section.kind.span, "the route has no destination");
  }
  snapshot_->smart_routes_.push_back(route);
}

/// Routes by priority make one static route: of those for all mail, and of those for failures.
void Builder::finish_routes() {
  std::vector<SmartRoute>& routes = snapshot_->smart_routes_;
  std::stable_sort(routes.begin(), routes.end(), [](const SmartRoute& a, const SmartRoute& b) {
    return a.priority < b.priority;
  });
  const auto gather = [&routes](bool backup, StaticRoute& whole) {
    std::uint16_t preference = whole.hops.empty() ? 0 : whole.hops.back().preference;
    for (const SmartRoute& route : routes) {
      preference = static_cast<std::uint16_t>(preference + (whole.hops.empty() ? 0 : 1));
      const std::uint16_t base = preference;
      for (RouteHop hop : route.destination->hops) {
        hop.preference = static_cast<std::uint16_t>(hop.preference + base);
        preference = std::max(preference, hop.preference);
        if (route.backup == backup) {
          whole.hops.push_back(hop);
        }
      }
    }
  };
  StaticRoute first;
  StaticRoute second;
  gather(false, first);
  gather(true, second);
  if (!first.hops.empty()) {
    gather(true, first);
    snapshot_->default_route_ = &snapshot_->routes_.emplace_back(std::move(first));
  }
  if (!second.hops.empty()) {
    snapshot_->backup_route_ = &snapshot_->routes_.emplace_back(std::move(second));
  }
}

void Builder::add_signature(const Section& section) {
  DkimKey key;
  key.always = true;
  key.origin = origin_of(section.kind.span);
  read_fields(section, key);
  if (key.domain.empty() || key.selector.empty() || key.file.empty()) {
    return log_->error(section.kind.span,
                       "a dkim-signature needs domain, selector and private-key-file");
  }
  if (!is_host_name(key.domain) || !is_host_name(key.selector)) {
    return log_->error(section.kind.span, "the domain or selector is not a domain name");
  }
  key.domain = values_.keep(to_lower(key.domain));
  snapshot_->domain_keys_.push_back(key);
  key_files_.emplace_back(key.file, section.kind.span);
}

void Builder::add_key_list(const Section& section) {
  DkimKeyList list;
  list.name = values_.keep(argument_of(section));
  for (const Directive& directive : section.directives) {
    if (accept(directive, Scope::domain_key_list) != nullptr) {
      add_domain_key(directive, list.keys);
    }
  }
  snapshot_->domain_key_lists_.push_back(std::move(list));
}

/// `SELECTOR,DOMAIN,FILE`.
void Builder::add_domain_key(const Directive& directive, std::vector<DkimKey>& keys) {
  const std::vector<Word> parts = ValueReader::list_of(directive.values);
  const Span span = ValueReader::span_of(directive);
  if (parts.size() != 3) {
    return log_->error(span, "a domain-key is written SELECTOR,DOMAIN,FILE");
  }
  DkimKey key;
  key.origin = origin_of(directive.name.span);
  key.selector = values_.keep(parts[0].text);
  key.domain = parts[1].text == "*" ? std::string_view{} : values_.keep(to_lower(parts[1].text));
  key.file = values_.keep(parts[2].text);
  if (!is_host_name(key.selector)) {
    return log_->error(parts[0].span, "not a selector");
  }
  const auto name = key.domain.substr(key.domain.starts_with("*.") ? 2 : 0);
  if (!key.domain.empty() && !is_host_name(name)) {
    return log_->error(parts[1].span, "not a domain name, nor *.DOMAIN, nor *");
  }
  keys.push_back(key);
  key_files_.emplace_back(key.file, parts[2].span);
}

/// What a queue's sessions prove themselves with can be sent, and is whole.
void Builder::check_logins() {
  bool any_password = false;
  const Setting* user = nullptr;
  for (const DomainEntry& entry : snapshot_->entries_) {
    for (const Setting& setting : entry.settings) {
      const bool is_user = setting.id == OptionId::auth_username;
      if (!is_user && setting.id != OptionId::auth_password) {
        continue;
      }
      const auto* secret = std::get_if<Secret>(&setting.value);
      const auto* text = std::get_if<std::string_view>(&setting.value);
      const std::string_view word = text != nullptr ? *text : secret->reveal();
      if (word.size() > kLoginWordMax) {
        log_->error({setting.origin.file, setting.origin.line, 0, kWholeLine},
                    "longer than 512 octets: it could not be sent");
      }
      any_password = any_password || (!is_user && !word.empty());
      user = is_user && !word.empty() ? &setting : user;
    }
  }
  if (user != nullptr && !any_password) {
    log_->warning({user->origin.file, user->origin.line, 0, kWholeLine},
                  "there is no auth-password for this user: an empty one is sent");
  }
}

void Builder::finish_access() {
  finish_routes();
  check_logins();
  for (SmtpUser& user : snapshot_->users_) {
    user.source_id = snapshot_->find_source(user.source);
  }
  for (const auto& [name, span] : user_source_uses_) {
    user_sources_.push_back({std::string(name), span});
    if (snapshot_->find_source(name) == kNoSource && !equals_ignoring_case(name, "{auth}")) {
      std::vector<std::string_view> names;
      for (const SourceEntry& source : snapshot_->by_name_) {
        names.push_back(source.name);
      }
      log_->warning(span, "there is no source of this name; the user has no rights of its own",
                    nearest_name(name, names));
    }
  }
}

}  // namespace ringpost::config
