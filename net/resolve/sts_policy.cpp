#include "net/resolve/sts_policy.h"

#include <algorithm>
#include <optional>

#include "core/base/text.h"
#include "net/resolve/dns_name.h"

namespace ringpost::resolve {
namespace {

constexpr std::uint64_t kMaxAgeSeconds = 31'557'600;  // a year, section 3.2
constexpr std::size_t kIdBytesMax = 32;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

/// The part of `text` up to `separator`, which is taken off with it.
std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return part;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A whole number of seconds; nothing where it is none or longer than allowed.
std::optional<std::uint64_t> seconds_in(std::string_view text, std::size_t digits_max) {
  if (text.empty() || text.size() > digits_max ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

std::optional<StsMode> mode_in(std::string_view text) {
  for (const StsMode mode : {StsMode::none, StsMode::testing, StsMode::enforce}) {
    if (text == name_of(mode)) {
      return mode;
    }
  }
  return std::nullopt;
}

Error broken(const std::string& what) { return Error::of(ErrorCode::invalid, what); }

/// Adds a pattern in the form it is compared in; false where it is none.
bool add_pattern(StsPolicy& policy, std::string_view text) {
  const bool wild = text.substr(0, 2) == "*.";
  const auto name = normal_domain(wild ? text.substr(2) : text);
  if (!name || policy.mx.size() >= kStsPatternsMax) {
    return false;
  }
  policy.mx.push_back((wild ? "*." : "") + *name);
  return true;
}

/// The fields of a policy as they come; what comes twice counts the first time, but for mx.
struct Fields {
  std::optional<std::string_view> version;
  std::optional<std::string_view> mode;
  std::optional<std::string_view> max_age;
};

void set_once(std::optional<std::string_view>& field, std::string_view value) {
  field = field.has_value() ? field : value;
}

}  // namespace

std::string_view name_of(StsMode mode) noexcept {
  switch (mode) {
    case StsMode::none: return "none";
    case StsMode::testing: return "testing";
    case StsMode::enforce: return "enforce";
  }
  return "";
}

bool StsPolicy::is_due(WallTime now) const noexcept {
  return now - fetched >= std::min(Duration::days(1), max_age / 2);
}

bool StsPolicy::names(std::string_view host) const noexcept {
  const std::size_t dot = host.find('.');
  const std::string_view parent =
      dot == std::string_view::npos ? std::string_view{} : host.substr(dot + 1);
  return std::any_of(mx.begin(), mx.end(), [&](std::string_view pattern) {
    const bool wild = pattern.substr(0, 2) == "*.";
    return wild ? dot != 0 && !parent.empty() && pattern.substr(2) == parent : pattern == host;
  });
}

std::string sts_record_id(const std::vector<std::string>& texts) {
  constexpr std::string_view kVersion = "v=STSv1";
  std::string_view record;
  for (const std::string& text : texts) {
    std::string_view rest = text;
    if (trimmed(take_part(rest, ';')) != kVersion || text.find(';') == std::string::npos) {
      continue;
    }
    if (!record.empty()) {
      return {};  // section 3.1: more than one is as none
    }
    record = rest;
  }
  while (!record.empty()) {
    std::string_view value = trimmed(take_part(record, ';'));
    if (trimmed(take_part(value, '=')) != "id") {
      continue;
    }
    value = trimmed(value);
    const bool good = !value.empty() && value.size() <= kIdBytesMax &&
                      std::all_of(value.begin(), value.end(), is_alphanumeric);
    return good ? std::string(value) : std::string();
  }
  return {};
}

Result<StsPolicy> parse_sts_policy(std::string_view text) {
  StsPolicy policy;
  Fields fields;
  while (!text.empty()) {
    std::string_view line = take_part(text, '\n');
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    if (line.find(':') == std::string_view::npos) {
      if (!trimmed(line).empty()) {
        return broken("a line of the policy is no field");
      }
      continue;
    }
    const std::string_view name = trimmed(take_part(line, ':'));
    const std::string_view value = trimmed(line);
    if (name == "version") {
      set_once(fields.version, value);
    } else if (name == "mode") {
      set_once(fields.mode, value);
    } else if (name == "max_age") {
      set_once(fields.max_age, value);
    } else if (name == "mx" && !add_pattern(policy, value)) {
      return broken("an mx of the policy is no host name, or there are too many");
    }
  }
  if (fields.version != "STSv1") {
    return broken("the policy is not of version STSv1");
  }
  const auto mode = mode_in(fields.mode.value_or(""));
  const auto age = seconds_in(fields.max_age.value_or(""), 10);
  if (!mode || !age) {
    return broken(!mode ? "the policy has no known mode" : "the policy has no max_age");
  }
  policy.mode = *mode;
  policy.max_age = Duration::seconds(static_cast<std::int64_t>(std::min(*age, kMaxAgeSeconds)));
  if (policy.mode != StsMode::none && policy.mx.empty()) {
    return broken("the policy names no mx");
  }
  return policy;
}

std::string sts_line(const StsPolicy& policy, std::string_view authorities) {
  std::string line = policy.domain + "\t" + policy.id + "\t";
  line.append(name_of(policy.mode)).append("\t");
  line.append(std::to_string(policy.fetched.unix_seconds())).append("\t");
  line.append(std::to_string(policy.max_age.whole_milliseconds() / 1000)).append("\t");
  for (const std::string& pattern : policy.mx) {
    line.append(pattern).append(",");
  }
  return line.append("\t").append(authorities);
}

Result<StsLine> parse_sts_line(std::string_view line) {
  StsLine out;
  StsPolicy& policy = out.policy;
  policy.domain = take_part(line, '\t');
  policy.id = take_part(line, '\t');
  const auto mode = mode_in(take_part(line, '\t'));
  const auto fetched = seconds_in(take_part(line, '\t'), 12);
  const auto age = seconds_in(take_part(line, '\t'), 10);
  std::string_view patterns = take_part(line, '\t');
  out.authorities = line;
  const auto domain = normal_domain(policy.domain);
  if (!mode || !fetched || !age || *age > kMaxAgeSeconds || !domain || *domain != policy.domain) {
    return broken("no policy");
  }
  policy.mode = *mode;
  policy.fetched = WallTime{static_cast<std::int64_t>(*fetched) * 1'000'000};
  policy.max_age = Duration::seconds(static_cast<std::int64_t>(*age));
  while (!patterns.empty()) {
    if (!add_pattern(policy, take_part(patterns, ','))) {
      return broken("no pattern");
    }
  }
  return out;
}

}  // namespace ringpost::resolve
