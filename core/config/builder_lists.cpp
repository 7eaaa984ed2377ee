#include <algorithm>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

constexpr std::string_view kActions =
    "the actions are mode=backoff, mode=normal, backoff-to-normal-after=T, skip-mx, bounce-queue, "
    "bounce-rcpt, defer-queue, disable-source-ip[=T], reenable-after=T and type=CATEGORY";

std::string_view after_sign(std::string_view text) {
  const std::size_t sign = text.find('=');
  return sign == std::string_view::npos ? std::string_view{} : text.substr(sign + 1);
}

}  // namespace

/// A pattern that cannot be used costs itself, not the file.
void Builder::skip_pattern(const Span& span, const Error& error) {
  log_->warning(span, "the pattern cannot be used (" + error.detail + "); the rule is left out");
}

void Builder::add_reply_patterns(const Section& section) {
  const std::string_view name = argument_of(section);
  if (name.empty()) {
    return;
  }
  std::vector<ReplyPatterns>& lists = snapshot_->reply_patterns_;
  auto list = std::find_if(lists.begin(), lists.end(), [name](const ReplyPatterns& known) {
    return equals_ignoring_case(known.name, name);
  });
  if (list == lists.end()) {
    list = lists.insert(lists.end(), ReplyPatterns());
    list->name = values_.keep(name);
  }
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::smtp_pattern_list);
    if (row == nullptr) {
      continue;
    }
    if (directive.values.empty() || !directive.values[0].pattern) {
      log_->warning(ValueReader::span_of(directive),
                    "expected a pattern between slashes; the rule is left out");
      continue;
    }
    ReplyAction action;
    action.file = directive.name.span.file;
    action.line = directive.name.span.line;
    if (!read_reply_action(directive, action)) {
      continue;
    }
    const Status added = list->add(values_.keep(directive.values[0].text), action);
    if (!added.ok()) {
      skip_pattern(directive.values[0].span, added.error());
    }
  }
}

bool Builder::read_reply_action(const Directive& directive, ReplyAction& action) {
  const std::vector<Word> words = ValueReader::list_of(directive.values, 1);
  if (words.empty()) {
    log_->warning(ValueReader::span_of(directive),
                  "nothing follows from the pattern; the rule is left out");
    return false;
  }
  bool good = true;
  for (const Word& word : words) {
    good = read_reply_word(word, action) && good;
  }
  if (!good) {
    return false;
  }
  if (action.to_normal_after && action.mode != ModeChange::backoff) {
    log_->error(ValueReader::span_of(directive), "backoff-to-normal-after needs mode=backoff");
    return false;
  }
  if (action.skip_mx && action.bounce_queue) {
    log_->error(ValueReader::span_of(directive), "skip-mx and bounce-queue exclude each other");
    return false;
  }
  return true;
}

bool Builder::read_reply_word(const Word& word, ReplyAction& action) {
  const std::string_view name = word.text.substr(0, word.text.find('='));
  const std::string_view value = after_sign(word.text);
  const auto is = [name](std::string_view wanted) { return equals_ignoring_case(name, wanted); };
  const auto time = [&]() -> std::optional<Duration> {
    const Result<Duration> length = parse_duration(value, true);
    if (!length.ok()) {
      log_->error(word.span, length.error().detail);
      return std::nullopt;
    }
    return *length;
  };
  if (is("mode") && equals_ignoring_case(value, "backoff")) {
    action.mode = ModeChange::backoff;
  } else if (is("mode") && equals_ignoring_case(value, "normal")) {
    action.mode = ModeChange::normal;
  } else if (is("skip-mx")) {
    action.skip_mx = true;
  } else if (is("bounce-queue")) {
    action.bounce_queue = true;
  } else if (is("bounce-rcpt")) {
    action.bounce_rcpt = true;
  } else if (is("defer-queue")) {
    action.defer_queue = true;
  } else if (is("type") && !value.empty()) {
    action.category = values_.keep(value);
    log_->warning(word.span, "type= has no effect yet: bounce-category-patterns decide");
  } else if (is("disable-source-ip") && value.empty()) {
    action.disable_source_ip = action.disable_source_ip.value_or(Duration{});
  } else if (is("disable-source-ip") || is("reenable-after")) {
    action.disable_source_ip = time();
    return action.disable_source_ip.has_value();
  } else if (is("backoff-to-normal-after")) {
    action.to_normal_after = time();
    return action.to_normal_after.has_value();
  } else {
    constexpr std::string_view kNames[] = {"mode=backoff",      "mode=normal",    "skip-mx",
                                           "bounce-queue",      "bounce-rcpt",    "defer-queue",
                                           "disable-source-ip", "reenable-after", "type"};
    log_->error(word.span, std::string(kActions), nearest_name(word.text, kNames));
    return false;
  }
  return true;
}

void Builder::add_bounce_categories(const Section& section) {
  for (const Directive& directive : section.directives) {
    if (directive.values.empty() || !directive.values[0].pattern) {
      report_unknown(directive, Scope::bounce_category_patterns);
      continue;
    }
    const Span span = ValueReader::span_of(directive);
    if (directive.values.size() != 2) {
      log_->warning(span, "a pattern and one category are expected; the rule is left out");
      continue;
    }
    const OptionRow& row = row_of(OptionId::bounce_category);
    if (!row.acts()) {
      note_inert(row, directive.values[0].span);
    }
    const Status added = snapshot_->bounce_categories_.add(values_.keep(directive.values[0].text),
                                                           values_.keep(directive.values[1].text));
    if (!added.ok()) {
      skip_pattern(directive.values[0].span, added.error());
    }
  }
}

std::size_t Builder::add_routing_list(const Section& section) {
  std::vector<RoutingList>& lists = snapshot_->routing_lists_;
  const std::string_view name = argument_of(section);
  std::size_t index = lists.size();
  for (std::size_t i = 0; i < lists.size() && !name.empty(); ++i) {
    index = equals_ignoring_case(lists[i].name, name) ? i : index;
  }
  if (index == lists.size()) {
    lists.emplace_back().name = values_.keep(name);
  }
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::pattern_list);
    if (row != nullptr) {
      add_routing_rule(directive, *row, section, index);
    }
  }
  return index;
}

/// `PART /pattern/ RESULT`, where the result may be a list that opens on the same line.
void Builder::add_routing_rule(const Directive& directive, const OptionRow& row,
                               const Section& section, std::size_t list) {
  RoutingRule rule;
  rule.line = directive.name.span.line;
  std::size_t next = 0;
  const std::vector<Word>& words = directive.values;
  if (row.id == OptionId::route_header && !words.empty() && !words[0].pattern) {
    rule.header = values_.keep(words[next++].text);
  }
  rule.part = row.id == OptionId::route_mail_from ? RoutingRule::Part::mail_from
              : row.id == OptionId::route_rcpt_to ? RoutingRule::Part::rcpt_to
              : row.id == OptionId::route_header  ? RoutingRule::Part::header
                                                  : RoutingRule::Part::any;
  if (rule.part != RoutingRule::Part::any) {
    if (next >= words.size() || !words[next].pattern ||
        (rule.part == RoutingRule::Part::header && rule.header.empty())) {
      return log_->error(ValueReader::span_of(directive), "expected a pattern between slashes");
    }
    const Status added = rule.pattern.add(words[next].text);
    if (!added.ok()) {
      return skip_pattern(words[next].span, added.error());
    }
    rule.pattern.prepare();
    ++next;
  }
  for (const Word& word : ValueReader::list_of(words, next)) {
    const std::string_view name = word.text.substr(0, word.text.find_first_of("=:"));
    const std::string_view value = word.text.substr(std::min(name.size() + 1, word.text.size()));
    if (equals_ignoring_case(name, "virtual-mta") && !value.empty()) {
      rule.virtual_mta = values_.keep(value);
      vmta_uses_.emplace_back(rule.virtual_mta, word.span);
    } else if (equals_ignoring_case(name, "recipient-priority")) {
      std::uint32_t number = 0;
      if (!parse_decimal(value, number) || number > kRecipientPriorityMax) {
        return log_->error(word.span, "recipient-priority is a number from 0 to 100, 50 by itself");
      }
      rule.priority = static_cast<std::uint8_t>(number);
    } else if (equals_ignoring_case(name, "call-to") && !value.empty()) {
      rule.list_name = values_.keep(value);
      routing_list_uses_.emplace_back(rule.list_name, word.span);
    } else {
      constexpr std::string_view kNames[] = {"virtual-mta", "call-to", "recipient-priority"};
      return log_->error(word.span,
                         "the results are virtual-mta=NAME, call-to:LIST, recipient-priority=N "
                         "and a pattern-list of its own",
                         nearest_name(name, kNames));
    }
  }
  for (const Section& inner : section.sections) {
    if (inner.scope == Scope::pattern_list && inner.kind.span.file == directive.name.span.file &&
        inner.kind.span.line == directive.name.span.line) {
      rule.list = static_cast<std::int32_t>(add_routing_list(inner));
    }
  }
  if (rule.virtual_mta.empty() && rule.list < 0 && rule.list_name.empty() && !rule.priority) {
    return log_->error(ValueReader::span_of(directive), "nothing follows from the pattern");
  }
  snapshot_->routing_lists_[list].rules.push_back(std::move(rule));
}

void Builder::add_mx_rollup(const Section& section) {
  for (const Directive& directive : section.directives) {
    if (accept(directive, Scope::mx_rollup_list) == nullptr) {
      continue;
    }
    const std::vector<Word>& words = directive.values;
    const bool by_ip = words.size() == 3 && equals_ignoring_case(words[2].text, "rollup-by-ip");
    if (words.size() < 2 || words.size() > 3 || (words.size() == 3 && !by_ip)) {
      log_->error(ValueReader::span_of(directive), "expected mx HOST QUEUE [rollup-by-ip]");
      continue;
    }
    MxRollupRule rule;
    std::string host = to_lower(words[0].text);
    host.resize(host.ends_with('.') ? host.size() - 1 : host.size());
    const bool wildcard = host.starts_with("*.");
    if (!is_host_name(wildcard ? std::string_view(host).substr(2) : host)) {
      log_->error(words[0].span, "not a host name, nor *. and one");
      continue;
    }
    rule.pattern = values_.keep(host);
    rule.queue = values_.keep(to_lower(words[1].text));
    rule.by_ip = by_ip;
    rule.origin = origin_of(directive.name.span);
    snapshot_->mx_rollup_.push_back(rule);
  }
}

void Builder::add_address_list(const Section& section) {
  AddressList list;
  list.name = values_.keep(argument_of(section));
  list.origin = origin_of(section.kind.span);
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::address_list);
    if (row == nullptr) {
      continue;
    }
    if (directive.values.empty()) {
      log_->error(directive.name.span, "'" + std::string(row->name) + "' needs a value");
      continue;
    }
    const Word& word = directive.values[0];
    if (row->id == OptionId::list_address_file) {
      list.files.push_back(values_.keep(word.text));
    } else if (row->id == OptionId::list_domain) {
      list.domains.push_back(values_.keep(to_lower(word.text)));
    } else if (word.pattern) {
      PatternSet probe;
      const Status added = probe.add(word.text);
      if (!added.ok()) {
        skip_pattern(word.span, added.error());
        continue;
      }
      list.addresses.push_back(values_.keep("/" + std::string(word.text) + "/"));
    } else {
      list.addresses.push_back(values_.keep(to_lower(word.text)));
    }
  }
  snapshot_->address_lists_.push_back(std::move(list));
}

void Builder::finish_lists() {
  for (ReplyPatterns& list : snapshot_->reply_patterns_) {
    list.prepare();
  }
  snapshot_->bounce_categories_.prepare();
  for (RoutingList& list : snapshot_->routing_lists_) {
    for (RoutingRule& rule : list.rules) {
      for (std::size_t i = 0; i < snapshot_->routing_lists_.size(); ++i) {
        const bool meant = !rule.list_name.empty() &&
                           equals_ignoring_case(snapshot_->routing_lists_[i].name, rule.list_name);
        rule.list = meant ? static_cast<std::int32_t>(i) : rule.list;
      }
    }
  }
  const auto missing = [this](std::string_view name, const Span& span, const auto& lists,
                              const char* what) {
    std::vector<std::string_view> names;
    for (const auto& list : lists) {
      if (equals_ignoring_case(list.name, name)) {
        return;
      }
      names.push_back(list.name);
    }
    log_->warning(span, std::string("there is no ") + what + " of this name",
                  log_->full() ? std::string() : nearest_name(name, names));
  };
  for (const auto& [name, span] : pattern_list_uses_) {
    missing(name, span, snapshot_->reply_patterns_, "smtp-pattern-list");
  }
  for (const auto& [name, span] : routing_list_uses_) {
    missing(name, span, snapshot_->routing_lists_, "pattern-list");
  }
  for (const auto& [name, span] : address_list_uses_) {
    missing(name, span, snapshot_->address_lists_, "address-list");
  }
  for (const auto& [name, span] : group_uses_) {
    missing(name, span, snapshot_->source_groups_, "source-group");
  }
}

}  // namespace ringpost::config
