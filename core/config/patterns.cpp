#include "core/config/patterns.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::config {
namespace {

constexpr std::int64_t kPatternMemory = 8 << 20;
constexpr std::size_t kDeepestCall = 16;

RE2::Options pattern_options() {
  RE2::Options options;
  // Octets, not characters: replies are in whatever encoding the host likes.
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct PatternSet::Impl {
  Impl() : set(pattern_options(), RE2::UNANCHORED) {}

  std::vector<std::string> texts;
  /// Each pattern by itself, for the case that all together need too much memory.
  std::vector<std::unique_ptr<RE2>> singles;
  RE2::Set set;
  bool usable = false;
};

PatternSet::PatternSet() = default;
PatternSet::~PatternSet() = default;
PatternSet::PatternSet(PatternSet&&) noexcept = default;
PatternSet& PatternSet::operator=(PatternSet&&) noexcept = default;

Status PatternSet::add(std::string_view pattern) {
  if (impl_ == nullptr) {
    impl_ = std::make_unique<Impl>();
  }
  auto single = std::make_unique<RE2>(piece(pattern), pattern_options());
  if (!single->ok()) {
    return Error::of(ErrorCode::invalid, single->error());
  }
  std::string error;
  if (impl_->set.Add(piece(pattern), &error) < 0) {
    return Error::of(ErrorCode::invalid, error);
  }
  impl_->texts.emplace_back(pattern);
  impl_->singles.push_back(std::move(single));
  return {};
}

void PatternSet::prepare() {
  if (impl_ != nullptr) {
    impl_->usable = impl_->set.Compile();
  }
}

std::size_t PatternSet::size() const { return impl_ == nullptr ? 0 : impl_->texts.size(); }

std::string_view PatternSet::text(std::size_t number) const { return impl_->texts[number]; }

std::vector<int> PatternSet::matches(std::string_view text) const {
  std::vector<int> found;
  if (impl_ == nullptr) {
    return found;
  }
  RE2::Set::ErrorInfo error{RE2::Set::kNoError};
  if (impl_->usable && impl_->set.Match(piece(text), &found, &error)) {
    std::sort(found.begin(), found.end());
    return found;
  }
  found.clear();
  if (impl_->usable && error.kind == RE2::Set::kNoError) {
    return found;
  }
  for (std::size_t i = 0; i < impl_->singles.size(); ++i) {
    if (RE2::PartialMatch(piece(text), *impl_->singles[i])) {
      found.push_back(static_cast<int>(i));
    }
  }
  return found;
}

int PatternSet::first_match(std::string_view text) const {
  if (impl_ != nullptr && impl_->singles.size() == 1) {  // rules of routing: on the hot path
    const bool fits =
        impl_->singles[0]->Match(piece(text), 0, text.size(), RE2::UNANCHORED, nullptr, 0);
    return fits ? 0 : -1;
  }
  const std::vector<int> found = matches(text);
  return found.empty() ? -1 : found.front();
}

Status ReplyPatterns::add(std::string_view pattern, ReplyAction action) {
  Status added = set_.add(pattern);
  if (added.ok()) {
    action.pattern = pattern;
    actions_.push_back(action);
  }
  return added;
}

std::uint64_t ReplyPatterns::digest() const {
  constexpr std::int64_t kNotSaid = -1;
  Hasher64 digest;
  for (const ReplyAction& one : actions_) {
    const std::int64_t numbers[] = {static_cast<std::int64_t>(one.pattern.size()),
                                    static_cast<std::int64_t>(one.category.size()),
                                    static_cast<std::int64_t>(one.mode),
                                    one.to_normal_after ? one.to_normal_after->ns : kNotSaid,
                                    one.disable_source_ip ? one.disable_source_ip->ns : kNotSaid,
                                    (one.skip_mx ? 1 : 0) + (one.bounce_queue ? 2 : 0) +
                                        (one.bounce_rcpt ? 4 : 0) + (one.defer_queue ? 8 : 0)};
    digest.update({reinterpret_cast<const char*>(numbers), sizeof numbers});
    digest.update(one.pattern);
    digest.update(one.category);
  }
  return digest.digest();
}

bool ReplyPatterns::ends_backoff() const {
  return std::any_of(actions_.begin(), actions_.end(),
                     [](const ReplyAction& one) { return one.mode == ModeChange::normal; });
}

ReplyAction ReplyPatterns::match(std::string_view reply) const {
  ReplyAction sum;
  for (const int number : set_.matches(reply)) {
    const ReplyAction& rule = actions_[static_cast<std::size_t>(number)];
    const bool decides = sum.mode == ModeChange::none && rule.mode != ModeChange::none;
    if (sum.pattern.empty() || decides) {
      sum.pattern = rule.pattern;
      sum.file = rule.file;
      sum.line = rule.line;
    }
    if (decides) {
      sum.mode = rule.mode;
      sum.to_normal_after = rule.to_normal_after;
    }
    // skip-mx and bounce-queue exclude each other.
    sum.skip_mx = sum.skip_mx || (rule.skip_mx && !sum.bounce_queue);
    sum.bounce_queue = sum.bounce_queue || (rule.bounce_queue && !sum.skip_mx);
    sum.bounce_rcpt = sum.bounce_rcpt || rule.bounce_rcpt;
    sum.defer_queue = sum.defer_queue || rule.defer_queue;
    if (!sum.disable_source_ip) {
      sum.disable_source_ip = rule.disable_source_ip;
    }
    sum.category = sum.category.empty() ? rule.category : sum.category;
  }
  return sum;
}

Status BounceCategories::add(std::string_view pattern, std::string_view category) {
  Status added = set_.add(pattern);
  if (added.ok()) {
    categories_.push_back(category);
  }
  return added;
}

std::string_view BounceCategories::find(std::string_view text) const {
  const int number = set_.first_match(text);
  return number < 0 ? std::string_view{} : categories_[static_cast<std::size_t>(number)];
}

namespace {

bool fits(const RoutingRule& rule, const RoutedMail& mail) {
  switch (rule.part) {
    case RoutingRule::Part::any: return true;
    case RoutingRule::Part::mail_from: return rule.pattern.first_match(mail.mail_from) >= 0;
    case RoutingRule::Part::rcpt_to: return rule.pattern.first_match(mail.rcpt_to) >= 0;
    case RoutingRule::Part::header:
      return mail.header != nullptr &&
             rule.pattern.first_match(mail.header->field(rule.header)) >= 0;
  }
  return false;
}

/// The first rule that fits and of which `has(rule)` is true, in the order in which lists call each
/// other; nullptr: there is none.
template <class Has>
const RoutingRule* first_rule(std::span<const RoutingList> lists, std::size_t start,
                              const RoutedMail& mail, Has has, std::size_t depth = 0) {
  if (depth == kDeepestCall || start >= lists.size()) {
    return nullptr;
  }
  for (const RoutingRule& rule : lists[start].rules) {
    const bool own = has(rule);
    if ((!own && rule.list < 0) || !fits(rule, mail)) {
      continue;
    }
    if (own) {
      return &rule;
    }
    const RoutingRule* called =
        first_rule(lists, static_cast<std::size_t>(rule.list), mail, has, depth + 1);
    if (called != nullptr) {
      return called;
    }
  }
  return nullptr;
}

}  // namespace

std::string_view choose_virtual_mta(std::span<const RoutingList> lists, std::size_t start,
                                    const RoutedMail& mail) {
  const RoutingRule* rule = first_rule(lists, start, mail, [](const RoutingRule& one) {
    return one.list < 0 && !one.virtual_mta.empty();
  });
  return rule == nullptr ? std::string_view{} : rule->virtual_mta;
}

std::optional<std::uint8_t> choose_priority(std::span<const RoutingList> lists, std::size_t start,
                                            const RoutedMail& mail) {
  const RoutingRule* rule = first_rule(
      lists, start, mail, [](const RoutingRule& one) { return one.priority.has_value(); });
  return rule == nullptr ? std::nullopt : rule->priority;
}

namespace {

struct ShippedRule {
  std::string_view pattern;
  bool defer;  ///< the receiver asks for a pause of this sender, not of one message
};

/// Temporary replies by which receivers say "too fast" or "not from here for now". Kept to phrases
/// that do not occur in refusals of single recipients.
constexpr ShippedRule kShippedRules[] = {
    {"^421[ -]4\\.7\\.(0|28) ", false},
    {"^4[0-9][0-9] .*(unusual(ly high)? rate|rate[ -]?limit(ed)?|exceeded (the|your) rate)", false},
    {"^4[0-9][0-9] .*(too many|excessive) (connections|concurrent|messages|recipients|errors)",
     false},
    {"^4[0-9][0-9] .*(connection|sending) (rate|limit)s? (was |has been )?exceeded", false},
    {"^4[0-9][0-9] .*(throttl|slow(ing)? down|reduce (your |the )?(rate|connections))", false},
    {"^4[0-9][0-9] .*temporarily (deferred|rejected|blocked|rate limited|suspended)", false},
    {"^4[0-9][0-9] .*\\[TSS?[0-9]{2}\\]", true},
    {"^4[0-9][0-9] .*due to (unexpected volume|user complaints|unusual (traffic|activity))", true},
    {"^4[0-9][0-9] .*\\b(RTR|RLY|HVU|DYN|CON):[A-Z0-9]+", false},
    {"^4[0-9][0-9] .*\\b(RP|SC|DY|OU)-[0-9]{3}\\b", false},
    {"^45[01] 4\\.7\\.(500|65[01]) ", false},
    {"^4[0-9][0-9] .*server busy.*(please )?(try|retry) (again )?later", false},
    {"^421 .*(service|server) (is )?(temporarily )?(not available|unavailable)", false},
    {"^421 .*(reputation|poor sending|suspicious)", true},
    {"^4[0-9][0-9] .*(listed|blocked) (by|using|in|at) .*(rbl|dnsbl|spamhaus|barracuda|spamcop)",
     true},
};

}  // namespace

const ReplyPatterns& shipped_reply_patterns() {
  static const ReplyPatterns kList = [] {
    ReplyPatterns list;
    list.name = "{shipped}";
    for (const ShippedRule& rule : kShippedRules) {
      ReplyAction action;
      action.mode = ModeChange::backoff;
      action.defer_queue = rule.defer;
      const Status added = list.add(rule.pattern, action);
      RP_ASSERT_NOTE(added.ok(), "a shipped pattern is faulty");
    }
    list.prepare();
    return list;
  }();
  return kList;
}

}  // namespace ringpost::config
