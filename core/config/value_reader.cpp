#include "core/config/value_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

Error not_valid(std::string detail) { return Error::of(ErrorCode::invalid, std::move(detail)); }

/// Value types of exactly one word, where a second one is a fault to point at.
bool takes_one_word(ValueType type) {
  switch (type) {
    case ValueType::boolean:
    case ValueType::count:
    case ValueType::per_hour:
    case ValueType::choice:
    case ValueType::word:
    case ValueType::date:
    case ValueType::path: return true;
    default: return false;
  }
}

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  return parse_decimal(text, port) && port > 0;
}

}  // namespace

std::string ValueReader::joined(const Directive& directive) {
  std::string text;
  for (const Word& word : directive.values) {
    text.append(text.empty() ? "" : " ").append(word.text);
  }
  return text;
}

Span ValueReader::span_of(const Directive& directive) {
  if (directive.values.empty()) {
    return directive.name.span;
  }
  Span span = directive.values.front().span;
  const Span& last = directive.values.back().span;
  if (last.line == span.line && last.column >= span.column) {
    span.length = last.column + last.length - span.column;
  }
  return span;
}

std::vector<Word> ValueReader::list_of(const std::vector<Word>& words, std::size_t first) {
  std::vector<Word> list;
  for (std::size_t i = first; i < words.size(); ++i) {
    std::string_view text = words[i].text;
    std::uint32_t column = words[i].span.column;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(','), text.size());
      Word piece = words[i];
      piece.text = trimmed(text.substr(0, end));
      if (!words[i].quoted) {
        piece.span.column = column;
        piece.span.length = static_cast<std::uint32_t>(end);
      }
      if (!piece.text.empty()) {
        list.push_back(piece);
      }
      const std::size_t used = std::min(end + 1, text.size());
      text.remove_prefix(used);
      column += static_cast<std::uint32_t>(used);
    }
  }
  return list;
}

bool ValueReader::single_word(const OptionRow& row, const Directive& directive) {
  if (directive.values.empty() && row.type != ValueType::flag) {
    log_->error(directive.name.span, "'" + std::string(row.name) + "' needs a value");
    return false;
  }
  const std::size_t allowed = row.type == ValueType::flag ? 0 : 1;
  if ((takes_one_word(row.type) || row.type == ValueType::flag) &&
      directive.values.size() > allowed) {
    log_->error(directive.values[allowed].span,
                "unexpected word after the value of '" + std::string(row.name) + "'");
    return false;
  }
  return true;
}

std::optional<Value> ValueReader::read(const OptionRow& row, const Directive& directive) {
  if (!single_word(row, directive)) {
    return std::nullopt;
  }
  if (row.type == ValueType::secret || row.type == ValueType::certificate) {
    return read_hidden(row, directive);
  }
  const std::string text = joined(directive);
  const Span span = span_of(directive);
  const bool clears = text.empty() && row.is(kEmptyClears);
  if (text.empty() && !clears && row.type != ValueType::flag) {
    log_->error(span, "'" + std::string(row.name) + "' needs a value");
    return std::nullopt;
  }
  Result<Value> value = parse(row, text);
  if (!value.ok()) {
    std::string suggestion;
    if (row.type == ValueType::choice) {
      const auto choices = split_words(row.choices);
      suggestion = nearest_name(text, choices);
    }
    const std::string message = "'" + std::string(row.name) + "': " + value.error().detail;
    if (row.is(kGuards) || row.id == OptionId::always_allow_relaying) {
      log_->refuse(span, message, suggestion);
    } else {
      log_->error(span, message, suggestion);
    }
    return std::nullopt;
  }
  const Rate* rate = std::get_if<Rate>(&*value);
  if (rate != nullptr && rate->unlimited() && !equals_ignoring_case(text, "unlimited")) {
    log_->warning(span, "a rate of 0 means unlimited, not stopped");
  }
  return std::move(value).value();
}

/// Values that hold a secret: they go to the store of secrets and nowhere else.
std::optional<Value> ValueReader::read_hidden(const OptionRow& row, const Directive& directive) {
  std::string text;
  const std::size_t first = row.type == ValueType::certificate ? 1 : 0;
  for (std::size_t i = first; i < directive.values.size(); ++i) {
    text.append(text.empty() ? "" : " ").append(directive.values[i].text);
  }
  const Secret secret = snapshot_->secrets_.keep(text);
  wipe(text.data(), text.size());
  if (row.type == ValueType::secret) {
    if (secret.empty() && !row.is(kEmptyClears)) {
      log_->warning(directive.name.span, "'" + std::string(row.name) + "' is empty");
    }
    return Value(secret);
  }
  if (directive.values[0].text.empty()) {
    log_->error(directive.name.span, "'" + std::string(row.name) + "' needs a file");
    return std::nullopt;
  }
  snapshot_->certificates_.push_back({keep(directive.values[0].text), secret});
  const CertificateFile* kept = &snapshot_->certificates_.back();
  return Value(kept);
}

Value ValueReader::fallback_of(const OptionRow& row) {
  Result<Value> value = parse(row, row.fallback);
  RP_ASSERT_NOTE(value.ok(), "the default of an option row is not a value of its type");
  return std::move(value).value();
}

void ValueReader::check_inert(const OptionRow& row, const Directive& directive) {
  const std::string text = joined(directive);
  const Span span = span_of(directive);
  if (text.empty() && row.type != ValueType::flag && directive.values.empty()) {
    log_->warning(directive.name.span, "'" + std::string(row.name) + "' needs a value");
    return;
  }
  switch (row.type) {
    case ValueType::boolean:
    case ValueType::count:
    case ValueType::duration:
    case ValueType::duration_list:
    case ValueType::rate:
    case ValueType::size: break;
    default: return;
  }
  const Result<Value> value = parse(row, text);
  if (!value.ok()) {
    log_->warning(span, "'" + std::string(row.name) + "': " + value.error().detail);
  }
}

Result<Value> ValueReader::parse(const OptionRow& row, std::string_view text) {
  switch (row.type) {
    case ValueType::boolean: {
      const Result<bool> yes = parse_boolean(text);
      return yes.ok() ? Result<Value>(Value(*yes)) : yes.error();
    }
    case ValueType::count:
    case ValueType::size: return parse_number(row, text);
    case ValueType::duration:
    case ValueType::duration_list:
    case ValueType::bool_or_duration:
    case ValueType::rate:
    case ValueType::data_rate:
    case ValueType::date:
    case ValueType::per_hour: return parse_time(row, text);
    case ValueType::choice: return parse_choice(row, text);
    case ValueType::name_list: {
      const bool mailed =
          row.id == OptionId::backoff_notify || row.id == OptionId::disabled_source_ip_notify;
      return mailed ? parse_addresses(text) : parse_list(text);
    }
    case ValueType::daily_limits: return parse_days(text);
    case ValueType::ip_limit: return parse_ip_limit(row, text);
    case ValueType::host_list: return parse_route(text);
    default: return Value(keep(text));
  }
}

Result<Value> ValueReader::parse_number(const OptionRow& row, std::string_view text) {
  for (const std::string_view choice : split_words(row.choices)) {
    if (equals_ignoring_case(choice, text)) {
      return Value(std::int64_t{0});
    }
  }
  std::uint64_t number = 0;
  std::uint64_t unlimited = kUnlimited;
  if (row.type == ValueType::size) {
    const Result<std::uint64_t> size = parse_size(text);
    if (!size.ok()) {
      return size.error();
    }
    number = *size;
    unlimited = kUnlimitedSize;
  } else {
    const Result<std::uint32_t> count = parse_count(text);
    if (!count.ok()) {
      return count.error();
    }
    number = *count;
  }
  if (number == 0 && row.is(kZeroIsNoLimit)) {
    number = unlimited;
  }
  if (number == unlimited) {
    if (!row.is(kEndless)) {
      return not_valid("a number is needed here, not unlimited");
    }
    return Value(static_cast<std::int64_t>(number));
  }
  const auto shown_number = [&](std::int64_t bound) {
    const auto value = static_cast<std::uint64_t>(bound);
    return row.type == ValueType::size ? format_size(value) : std::to_string(value);
  };
  if (number < static_cast<std::uint64_t>(row.min)) {
    return not_valid("the least possible value is " + shown_number(row.min));
  }
  if (row.max != 0 && number > static_cast<std::uint64_t>(row.max)) {
    return not_valid("the largest possible value is " + shown_number(row.max));
  }
  return Value(static_cast<std::int64_t>(number));
}

Result<Value> ValueReader::parse_days(std::string_view text) {
  Result<std::vector<std::uint32_t>> days = parse_daily_limits(text);
  if (!days.ok()) {
    return days.error();
  }
  const auto& kept = snapshot_->daily_limits_.emplace_back(std::move(days).value());
  return Value(std::span<const std::uint32_t>(kept));
}

/// `NETWORK LIMIT`, or a limit alone for all addresses.
Result<Value> ValueReader::parse_ip_limit(const OptionRow& row, std::string_view text) {
  const std::size_t blank = text.find_first_of(" \t");
  const std::string_view last =
      blank == std::string_view::npos ? text : trimmed(text.substr(blank));
  std::vector<SourceIpLimit> limits;
  if (blank == std::string_view::npos) {
    limits.resize(2);
    limits[0].network = *IpNetwork::parse("0/0");
    limits[1].network = *IpNetwork::parse("::/0");
  } else {
    const Result<IpNetwork> network = IpNetwork::parse(text.substr(0, blank));
    if (!network.ok()) {
      return not_valid("a network comes first, then its limit, like 0/0 5");
    }
    limits.emplace_back().network = *network;
  }
  for (SourceIpLimit& limit : limits) {
    if (row.id == OptionId::source_ip_max_smtp_out) {
      const Result<std::uint32_t> count = parse_count(last);
      if (!count.ok()) {
        return count.error();
      }
      limit.count = *count == 0 ? kUnlimited : *count;
    } else if (row.id == OptionId::source_ip_max_data_rate) {
      const Result<DataRate> volume = parse_data_rate(last);
      if (!volume.ok()) {
        return volume.error();
      }
      limit.data = *volume;
    } else {
      const Result<Rate> rate = parse_rate(last);
      if (!rate.ok()) {
        return rate.error();
      }
      limit.rate = *rate;
    }
  }
  const auto& kept = snapshot_->ip_limits_.emplace_back(std::move(limits));
  return Value(std::span<const SourceIpLimit>(kept));
}

Result<Value> ValueReader::parse_time(const OptionRow& row, std::string_view text) {
  if (row.type == ValueType::date) {
    const Result<std::int64_t> day = parse_day(text);
    return day.ok() ? Result<Value>(Value(*day)) : day.error();
  }
  if (row.type == ValueType::data_rate) {
    const Result<DataRate> volume = parse_data_rate(text);
    return volume.ok() ? Result<Value>(Value(*volume)) : volume.error();
  }
  if (row.type == ValueType::rate) {
    const Result<Rate> rate = parse_rate(text);
    return rate.ok() ? Result<Value>(Value(*rate)) : rate.error();
  }
  if (row.type == ValueType::per_hour) {
    const Result<std::uint32_t> count = parse_count(text);
    if (!count.ok()) {
      return count.error();
    }
    const bool unlimited = *count == 0 || *count == kUnlimited;
    return Value(unlimited ? Rate{} : Rate{*count, Duration::hours(1)});
  }
  if (row.type == ValueType::duration_list) {
    Result<std::vector<Duration>> steps = parse_duration_list(text);
    if (!steps.ok()) {
      return steps.error();
    }
    const auto& kept = snapshot_->ladders_.emplace_back(std::move(steps).value());
    return Value(std::span<const Duration>(kept));
  }
  if (row.type == ValueType::bool_or_duration) {
    const Result<bool> yes = parse_boolean(text);
    if (yes.ok()) {
      return Value(*yes ? Duration{} : Duration::forever());
    }
  }
  const bool endless = row.is(kEndless) || row.type == ValueType::bool_or_duration;
  const Result<Duration> length = parse_duration(text, endless);
  return length.ok() ? Result<Value>(Value(*length)) : length.error();
}

Result<Value> ValueReader::parse_choice(const OptionRow& row, std::string_view text) {
  const std::vector<std::string_view> choices = split_words(row.choices);
  // Where yes and no are among the choices, every spelling of them is.
  const Result<bool> yes = parse_boolean(text);
  const std::string_view spelled = yes.ok() ? (*yes ? "yes" : "no") : text;
  std::string list;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (equals_ignoring_case(choices[i], spelled) || equals_ignoring_case(choices[i], text)) {
      // The last of these is another word for an earlier one.
      const bool twice = row.id == OptionId::acct_compress || row.id == OptionId::source_hash;
      const bool as_first = row.id == OptionId::dsn_return_default && i == 2;
      return Value(static_cast<std::int64_t>(as_first ? 0 : twice && i == 3 ? 1 : i));
    }
    list.append(i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ").append(choices[i]);
  }
  return not_valid("expected " + list);
}

Result<Value> ValueReader::parse_list(std::string_view text) {
  std::vector<std::string_view>& list = snapshot_->lists_.emplace_back();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(", \t"), text.size());
    if (end > 0) {
      list.push_back(keep(text.substr(0, end)));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return Value(std::span<const std::string_view>(list));
}

Result<Value> ValueReader::parse_addresses(std::string_view text) {
  Result<Value> value = parse_list(text);
  for (const std::string_view address : snapshot_->lists_.back()) {
    const std::size_t at = address.rfind('@');
    if (at == 0 || at == address.npos || at + 1 == address.size() ||
        address.find_first_of("<>\"") != address.npos) {
      return Error::of(ErrorCode::invalid,
                       "'" + std::string(address) + "' is no mail address; write name@domain");
    }
  }
  return value;
}

Result<RouteHop> ValueReader::parse_hop(std::string_view text) {
  constexpr std::string_view kLookup = "lookup-mx:";
  RouteHop hop;
  if (starts_ignoring_case(text, kLookup)) {
    hop.kind = RouteHop::Kind::mx;
    text.remove_prefix(kLookup.size());
  }
  if (text.starts_with('[')) {
    constexpr std::string_view kV6 = "ipv6:";
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || hop.kind == RouteHop::Kind::mx) {
      return not_valid("an address in brackets is written [192.0.2.1] or [IPv6:2001:db8::1]");
    }
    std::string_view inside = text.substr(1, end - 1);
    inside.remove_prefix(starts_ignoring_case(inside, kV6) ? kV6.size() : 0);
    const Result<IpAddress> address = IpAddress::parse(inside);
    if (!address.ok()) {
      return not_valid("not an IP address in the brackets");
    }
    hop.kind = RouteHop::Kind::address;
    hop.address = *address;
    text.remove_prefix(end + 1);
  } else {
    const std::string_view name = text.substr(0, text.find(':'));
    const Result<IpAddress> address = IpAddress::parse(name);
    if (address.ok() && hop.kind == RouteHop::Kind::host) {
      hop.kind = RouteHop::Kind::address;
      hop.address = *address;
    } else if (!is_host_name(name)) {
      return not_valid("not a host: HOST, HOST:PORT, [ADDRESS]:PORT or lookup-mx:DOMAIN");
    }
    hop.name = hop.kind == RouteHop::Kind::address ? std::string_view{} : keep(name);
    text.remove_prefix(name.size());
  }
  if (!text.empty() && (text.front() != ':' || !parse_port(text.substr(1), hop.port))) {
    return not_valid("the port is a number from 1 to 65535 after a colon");
  }
  return hop;
}

Result<Value> ValueReader::parse_route(std::string_view text) {
  if (text.empty()) {
    return Value(static_cast<const StaticRoute*>(nullptr));
  }
  StaticRoute route;
  std::uint16_t preference = 0;
  for (const std::string_view group : split_at(text, ';')) {
    for (const std::string_view part : split_at(group, ',')) {
      if (part.empty()) {
        continue;
      }
      Result<RouteHop> hop = parse_hop(part);
      if (!hop.ok()) {
        return hop.error();
      }
      hop->preference = preference;
      route.hops.push_back(*hop);
    }
    preference = std::min<std::uint16_t>(preference, std::numeric_limits<std::uint16_t>::max() - 1);
    ++preference;
  }
  if (route.hops.empty()) {
    return not_valid("a route needs a host");
  }
  const StaticRoute& kept = snapshot_->routes_.emplace_back(std::move(route));
  return Value(&kept);
}

}  // namespace ringpost::config
