#include "core/app/mail_rules.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>

#include "core/app/rate_plans.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr unsigned kDeepestCall = 16;
/// Recipients of a pool that goes by them fall into so many parts, each of which stays with its
/// member: few enough to be told in two octets, and many more than a pool has members.
constexpr std::uint64_t kPoolKeys = 1 << 16;

/// An address in lower case without allocation; what is longer than any address is cut.
class LowerAddress {
 public:
  explicit LowerAddress(std::string_view text) : size_(std::min(text.size(), room_.size())) {
    std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size_), room_.begin(),
                   ascii_lower);
  }
  std::string_view view() const { return {room_.data(), size_}; }

 private:
  std::array<char, 512> room_;
  std::size_t size_;
};

/// The header fields of a message for rules of the configuration.
class RuleFields : public config::HeaderView {
 public:
  explicit RuleFields(const ingest::FieldValues* fields) : fields_(fields) {}
  std::string_view field(std::string_view name) const override {
    return fields_ == nullptr ? std::string_view{} : fields_->value(name);
  }

 private:
  const ingest::FieldValues* fields_;
};

}  // namespace

Status MailRules::Addresses::add(std::string_view entry) {
  if (entry.size() > 2 && entry.front() == '/' && entry.back() == '/') {
    return patterns.add(entry.substr(1, entry.size() - 2));
  }
  addresses.insert(to_lower(entry));
  return {};
}

bool MailRules::Addresses::has(std::string_view address) const {
  if (addresses.empty() && domains.empty() && patterns.size() == 0) {
    return false;
  }
  const LowerAddress lower(address);
  if (addresses.find(lower.view()) != addresses.end()) {
    return true;
  }
  const std::size_t at = lower.view().rfind('@');
  if (at != std::string_view::npos && !domains.empty() &&
      domains.find(config::FoldedName(address.substr(at + 1)).view()) != domains.end()) {
    return true;
  }
  return patterns.first_match(address) >= 0;
}

Result<std::shared_ptr<MailRules>> MailRules::make(std::shared_ptr<const config::Snapshot> snapshot,
                                                   const MailRules* before) {
  std::shared_ptr<MailRules> rules(new MailRules(std::move(snapshot)));
  if (auto read = rules->read_lists(); !read) {
    return read.error();
  }
  rules->count_senders(before);
  rules->routes_domains_ = rules->snapshot_.routes_by_domain();
  return rules;
}

Status MailRules::read_lists() {
  for (const config::AddressList& list : snapshot_.address_lists()) {
    Addresses& known = lists_.emplace_back();
    for (const std::string_view address : list.addresses) {
      if (auto added = known.add(address); !added) {
        return added;
      }
    }
    for (const std::string_view domain : list.domains) {
      known.domains.emplace(config::FoldedName(domain).view());
    }
    for (const std::string_view file : list.files) {
      std::ifstream in{std::string(file)};
      for (std::string line; std::getline(in, line);) {
        const std::string_view address = trimmed(line);
        if (!address.empty() && address.front() != '#') {
          known.addresses.insert(to_lower(address));
        }
      }
      if (!in.eof()) {
        return Error::of(ErrorCode::not_found,
                         snapshot_.place(list.origin) + ": address-list " + std::string(list.name) +
                             ": the file " + std::string(file) +
                             " cannot be read; mail to its addresses would not be stopped");
      }
    }
    known.patterns.prepare();
  }
  for (const std::string_view address : snapshot_.global().relay_addresses) {
    if (auto added = relay_.add(address); !added) {
      return added;
    }
  }
  relay_.patterns.prepare();
  return {};
}

std::uint32_t MailRules::add_source(const config::SourcePolicy& source) {
  Source& out = sources_.emplace_back();
  out.list = source.pattern_list_index;
  out.fallback = source.default_vmta;
  out.by_local_address = source.vmta_by_local_address;
  out.fallback_is_listeners = source.default_vmta_of_listener;
  if (out.list >= 0) {
    note_list(out, static_cast<std::size_t>(out.list), 0);
  }
  const auto lists = snapshot_.address_lists();
  for (const std::string_view name : source.suppression_lists) {
    for (std::uint32_t i = 0; i < lists.size(); ++i) {
      if (equals_ignoring_case(lists[i].name, name)) {
        out.suppression.push_back(i);
      }
    }
  }
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

void MailRules::add_fields(std::size_t list, unsigned depth,
                           std::vector<std::string_view>& out) const {
  if (depth == kDeepestCall || list >= snapshot_.routing_lists().size()) {
    return;
  }
  for (const config::RoutingRule& rule : snapshot_.routing_lists()[list].rules) {
    if (rule.part == config::RoutingRule::Part::header) {
      out.push_back(rule.header);
    }
    if (rule.list >= 0) {
      add_fields(static_cast<std::size_t>(rule.list), depth + 1, out);
    }
  }
}

std::vector<std::string_view> MailRules::fields_of(const config::SourcePolicy& source) const {
  std::vector<std::string_view> names;
  if (source.pattern_list_index >= 0) {
    add_fields(static_cast<std::size_t>(source.pattern_list_index), 0, names);
  }
  return names;
}

void MailRules::note_list(Source& source, std::size_t list, unsigned depth) const {
  if (depth == kDeepestCall || list >= snapshot_.routing_lists().size()) {
    return;
  }
  for (const config::RoutingRule& rule : snapshot_.routing_lists()[list].rules) {
    source.has_priorities = source.has_priorities || rule.priority.has_value();
    source.looks_at_recipients =
        source.looks_at_recipients || rule.part == config::RoutingRule::Part::rcpt_to;
    if (rule.list >= 0) {
      note_list(source, static_cast<std::size_t>(rule.list), depth + 1);
    }
  }
}

bool MailRules::same_for_all(std::uint32_t source, std::string_view named) const {
  const Source& rules = sources_[source];
  if (rules.looks_at_recipients && (rules.has_priorities || named.empty())) {
    return false;
  }
  return !named.empty() || rules.fallback_is_listeners || !routes_domains_;
}

config::VmtaRef MailRules::find(const ingest::ChoiceQuestion& question) const {
  const Source& rules = sources_[question.source];
  if (!question.named.empty()) {
    return snapshot_.find_vmta(question.named);
  }
  const config::SenderRule* sender =
      question.reverse_path.empty() ? nullptr : snapshot_.sender_rule(question.reverse_path);
  if (sender != nullptr && sender->vmta_ref.kind != config::VmtaRef::Kind::none) {
    return sender->vmta_ref;
  }
  if (rules.list >= 0) {
    const RuleFields fields(question.fields);
    const std::string_view name =
        config::choose_virtual_mta(snapshot_.routing_lists(), static_cast<std::size_t>(rules.list),
                                   {question.reverse_path, question.recipient, &fields});
    if (!name.empty()) {
      return snapshot_.find_vmta(name);
    }
  }
  const config::VmtaRef fallback =
      rules.by_local_address ? by_local_address(question.local) : rules.fallback;
  if (rules.fallback_is_listeners) {
    return fallback;
  }
  const config::VmtaRef routed = snapshot_.routed_vmta(question.domain);
  return routed.kind != config::VmtaRef::Kind::none ? routed : fallback;
}

config::VmtaRef MailRules::by_local_address(const IpAddress& local) const {
  const auto vmtas = snapshot_.virtual_mtas();
  for (std::uint32_t i = 0; i < vmtas.size() && local.valid(); ++i) {
    const auto is_local = [&local](const config::SourceHost& host) {
      return host.address == local;
    };
    if (std::any_of(vmtas[i].sources.begin(), vmtas[i].sources.end(), is_local)) {
      return {config::VmtaRef::Kind::vmta, i};
    }
  }
  return {config::VmtaRef::Kind::vmta, config::kDefaultVmta};
}

std::shared_ptr<SharedCount> MailRules::count_of(std::string_view address) const {
  const config::SenderRule* same = snapshot_.sender_rule(address);
  const auto rules = snapshot_.sender_rules();
  return same == nullptr || !equals_ignoring_case(same->address, address)
             ? nullptr
             : sender_sessions_[static_cast<std::size_t>(same - rules.data())];
}

void MailRules::count_senders(const MailRules* before) {
  for (const config::SenderRule& sender : snapshot_.sender_rules()) {
    auto count = before == nullptr ? nullptr : before->count_of(sender.address);
    if (sender.max_conn == config::kUnlimited || sender.max_conn == 0) {
      count = nullptr;
    } else if (count == nullptr) {
      count = std::make_shared<SharedCount>(sender.max_conn);
    } else {
      count->set_limit(sender.max_conn);
    }
    sender_sessions_.push_back(std::move(count));
  }
}

SharedCount* MailRules::sessions_of(std::string_view reverse_path) const {
  if (sender_sessions_.empty() || reverse_path.empty()) {
    return nullptr;
  }
  const config::SenderRule* sender = snapshot_.sender_rule(reverse_path);
  return sender == nullptr
             ? nullptr
             : sender_sessions_[static_cast<std::size_t>(sender - snapshot_.sender_rules().data())]
                   .get();
}

ingest::Choice MailRules::named(config::VmtaRef ref, std::string_view recipient) const {
  if (ref.kind == config::VmtaRef::Kind::vmta) {
    return {snapshot_.virtual_mtas()[ref.id].name};
  }
  const config::VmtaPool& pool = snapshot_.pools()[ref.id];
  const bool by_recipient = pool.source_hash == config::SourceHash::recipient;
  const std::uint64_t key =
      by_recipient ? hash64(LowerAddress(recipient).view()) % kPoolKeys + 1 : 0;
  return {pool.name, key};
}

std::uint8_t MailRules::priority(const Source& source,
                                 const ingest::ChoiceQuestion& question) const {
  if (!source.has_priorities) {
    return kNormalPriority;
  }
  const RuleFields fields(question.fields);
  return config::choose_priority(snapshot_.routing_lists(), static_cast<std::size_t>(source.list),
                                 {question.reverse_path, question.recipient, &fields})
      .value_or(kNormalPriority);
}

ingest::Choice MailRules::choose(const ingest::ChoiceQuestion& question) const {
  config::VmtaRef ref = find(question);
  if (ref.kind == config::VmtaRef::Kind::none) {
    ref = snapshot_.find_vmta(snapshot_.global().invalid_vmta_fallback);
  }
  ingest::Choice choice =
      ref.kind == config::VmtaRef::Kind::none ? ingest::Choice{} : named(ref, question.recipient);
  choice.priority = priority(sources_[question.source], question);
  return choice;
}

std::string_view MailRules::return_path(std::string_view sender) const {
  const config::SenderRule* rule = snapshot_.sender_rule(sender);
  return rule == nullptr ? std::string_view{} : rule->bounce_sender;
}

std::uint64_t MailRules::rule_key(std::string_view sender) const {
  const config::SenderRule* rule = snapshot_.sender_rule(sender);
  return rule == nullptr ? 0 : RatePlans::messages_of(*rule);
}

bool MailRules::is_relay_address(std::string_view recipient) const { return relay_.has(recipient); }

bool MailRules::is_suppressed(std::uint32_t source, std::string_view recipient) const {
  const auto& lists = sources_[source].suppression;
  return std::any_of(lists.begin(), lists.end(),
                     [&](std::uint32_t list) { return lists_[list].has(recipient); });
}

}  // namespace ringpost::app
