#include "core/config/values.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

#include "core/base/text.h"
#include "core/config/limits.h"

namespace ringpost::config {
namespace {

Error invalid(std::string detail) { return Error::of(ErrorCode::invalid, std::move(detail)); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
bool is_separator(char c) { return c == ' ' || c == '\t'; }

struct Unit {
  std::string_view name;
  Duration length;
};

constexpr std::array<Unit, 23> kUnits{{
    {"w", Duration::days(7)},
    {"week", Duration::days(7)},
    {"weeks", Duration::days(7)},
    {"d", Duration::days(1)},
    {"day", Duration::days(1)},
    {"days", Duration::days(1)},
    {"h", Duration::hours(1)},
    {"hr", Duration::hours(1)},
    {"hrs", Duration::hours(1)},
    {"hour", Duration::hours(1)},
    {"hours", Duration::hours(1)},
    {"m", Duration::minutes(1)},
    {"min", Duration::minutes(1)},
    {"mins", Duration::minutes(1)},
    {"minute", Duration::minutes(1)},
    {"minutes", Duration::minutes(1)},
    {"s", Duration::seconds(1)},
    {"sec", Duration::seconds(1)},
    {"secs", Duration::seconds(1)},
    {"second", Duration::seconds(1)},
    {"seconds", Duration::seconds(1)},
    {"ms", Duration::milliseconds(1)},
    {"msec", Duration::milliseconds(1)},
}};

const Unit* find_unit(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (equals_ignoring_case(unit.name, name)) {
      return &unit;
    }
  }
  return nullptr;
}

/// Walks over `NUMBER UNIT` terms, blanks allowed between number and unit.
class TermReader {
 public:
  explicit TermReader(std::string_view text) : text_(text) {}

  bool at_end() const { return position_ == text_.size(); }
  std::string_view rest() const { return text_.substr(position_); }
  void skip_separators(bool commas) {
    while (!at_end() && (is_separator(text_[position_]) || (commas && text_[position_] == ','))) {
      ++position_;
    }
  }

  /// One term; a number without unit is accepted where `bare` and told by `was_bare`.
  Result<Duration> next(bool& was_bare) {
    const std::size_t digits = run(is_digit);
    std::uint32_t number = 0;
    if (digits == 0) {
      return invalid("a duration is written like 4d12h, 15m or 90s");
    }
    if (!parse_decimal(text_.substr(position_, digits), number)) {
      return invalid("the number is too large");
    }
    position_ += digits;
    const std::size_t before_blanks = position_;
    skip_separators(false);
    const std::size_t letters = run(is_ascii_letter);
    was_bare = letters == 0;
    if (was_bare) {
      position_ = before_blanks;
      return Duration::seconds(number);
    }
    const Unit* unit = find_unit(text_.substr(position_, letters));
    if (unit == nullptr) {
      return invalid("unknown unit of time; the units are w, d, h, m and s");
    }
    position_ += letters;
    if (number > std::numeric_limits<std::int64_t>::max() / 2 / unit->length.ns) {
      return invalid("the duration is too long");
    }
    return unit->length * number;
  }

  /// Whether another term follows immediately, as in 4d12h.
  bool adjoins() const { return !at_end() && is_digit(text_[position_]); }

 private:
  template <class Predicate>
  std::size_t run(Predicate predicate) const {
    std::size_t count = 0;
    while (position_ + count < text_.size() && predicate(text_[position_ + count])) {
      ++count;
    }
    return count;
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

bool add_within_bounds(Duration& sum, Duration term) {
  if (sum.ns > std::numeric_limits<std::int64_t>::max() / 2 - term.ns) {
    return false;
  }
  sum = sum + term;
  return true;
}

bool is_endless(std::string_view text) {
  return equals_ignoring_case(text, "never") || equals_ignoring_case(text, "unlimited");
}

}  // namespace

Result<bool> parse_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 4> kYes{"yes", "true", "on", "1"};
  constexpr std::array<std::string_view, 4> kNo{"no", "false", "off", "0"};
  for (std::size_t i = 0; i < kYes.size(); ++i) {
    if (equals_ignoring_case(text, kYes[i])) {
      return true;
    }
    if (equals_ignoring_case(text, kNo[i])) {
      return false;
    }
  }
  return invalid("expected yes or no");
}

Result<Duration> parse_duration(std::string_view text, bool endless) {
  if (is_endless(text)) {
    if (endless) {
      return Duration::forever();
    }
    return invalid("this duration must be finite");
  }
  TermReader reader(text);
  Duration sum{};
  bool first = true;
  do {
    bool bare = false;
    const Result<Duration> term = reader.next(bare);
    if (!term.ok()) {
      return term.error();
    }
    reader.skip_separators(false);
    if (bare && (!first || !reader.at_end())) {
      return invalid("a duration is written like 4d12h, 15m or 90s");
    }
    if (!add_within_bounds(sum, *term)) {
      return invalid("the duration is too long");
    }
    first = false;
  } while (!reader.at_end());
  return sum;
}

Result<std::vector<Duration>> parse_duration_list(std::string_view text) {
  std::vector<Duration> list;
  TermReader reader(text);
  do {
    Duration sum{};
    do {
      bool bare = false;
      const Result<Duration> term = reader.next(bare);
      if (!term.ok()) {
        return term.error();
      }
      if (!add_within_bounds(sum, *term)) {
        return invalid("the duration is too long");
      }
    } while (reader.adjoins());
    if (list.size() == kMaxRetrySteps) {
      return invalid("at most 30 steps are possible; the last one repeats");
    }
    list.push_back(sum);
    reader.skip_separators(true);
  } while (!reader.at_end());
  return list;
}

namespace {

/// What stands behind the slash of a rate: a unit, or a multiple of one.
Result<Duration> parse_period(std::string_view period) {
  std::uint32_t multiple = 1;
  std::size_t digits = 0;
  while (digits < period.size() && is_digit(period[digits])) {
    ++digits;
  }
  if (digits > 0 && (!parse_decimal(period.substr(0, digits), multiple) || multiple == 0)) {
    return invalid("the period of a rate must be a positive number of units");
  }
  const Unit* unit = find_unit(trimmed(period.substr(digits)));
  if (unit == nullptr || unit->length < Duration::seconds(1)) {
    return invalid("a rate is per s, m, h or d, like 200/h or 83/10m");
  }
  if (multiple > Duration::days(366).ns / unit->length.ns) {
    return invalid("the period of a rate is at most a year");
  }
  return unit->length * multiple;
}

}  // namespace

Result<Rate> parse_rate(std::string_view text) {
  if (equals_ignoring_case(text, "unlimited") || text == "0") {
    return Rate{};
  }
  const std::size_t slash = text.find('/');
  Rate rate;
  if (slash == std::string_view::npos) {
    return invalid("a rate is written as a number per time, like 200/h or 83/10m");
  }
  if (!parse_decimal(trimmed(text.substr(0, slash)), rate.count)) {
    return invalid("a rate begins with a number");
  }
  const Result<Duration> period = parse_period(trimmed(text.substr(slash + 1)));
  if (!period.ok()) {
    return period.error();
  }
  rate.period = rate.count == 0 ? Duration{} : *period;
  return rate;
}

Result<DataRate> parse_data_rate(std::string_view text) {
  if (equals_ignoring_case(text, "unlimited") || text == "0") {
    return DataRate{};
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return invalid("a volume is written as a size per time, like 10M/h");
  }
  const Result<std::uint64_t> bytes = parse_size(trimmed(text.substr(0, slash)));
  if (!bytes.ok()) {
    return bytes.error();
  }
  const Result<Duration> period = parse_period(trimmed(text.substr(slash + 1)));
  if (!period.ok()) {
    return period.error();
  }
  const bool unlimited = *bytes == 0 || *bytes == kUnlimitedSize;
  return unlimited ? DataRate{} : DataRate{*bytes, *period};
}

Result<std::vector<std::uint32_t>> parse_daily_limits(std::string_view text) {
  constexpr std::size_t kMostDays = 366;
  std::vector<std::uint32_t> days;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) {
      continue;
    }
    const bool per_day = part.find('/') != std::string_view::npos;
    const Result<Rate> rate = parse_rate(per_day ? part : std::string(part) + "/d");
    if (!rate.ok() || (!rate->unlimited() && rate->period != Duration::days(1))) {
      return invalid("messages a day are written N/d, several for successive days");
    }
    if (days.size() == kMostDays) {
      return invalid("at most 366 days are possible; the last one repeats");
    }
    days.push_back(rate->count);
  }
  if (std::all_of(days.begin(), days.end(), [](std::uint32_t day) { return day == 0; })) {
    days.clear();
  }
  return days;
}

Result<std::int64_t> parse_day(std::string_view text) {
  std::uint32_t year = 0;
  std::uint32_t month = 0;
  std::uint32_t day = 0;
  const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-' &&
                      parse_decimal(text.substr(0, 4), year) &&
                      parse_decimal(text.substr(5, 2), month) &&
                      parse_decimal(text.substr(8, 2), day);
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(month), std::chrono::day(day)};
  if (!shaped || !date.ok() || year < 1971) {
    return invalid("a date is written YYYY-MM-DD");
  }
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (equals_ignoring_case(text, "unlimited")) {
    return kUnlimitedSize;
  }
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) {
    ++digits;
  }
  std::uint64_t number = 0;
  if (!parse_decimal(text.substr(0, digits), number)) {
    return invalid("a size is a number of bytes, or one with K, M, G or T");
  }
  std::string_view unit = trimmed(text.substr(digits));
  if (unit.size() == 2 && ascii_lower(unit[1]) == 'b') {
    unit.remove_suffix(1);
  }
  constexpr std::string_view kUnitLetters = "bkmgt";
  std::size_t power = unit.empty() ? 0 : std::string_view::npos;
  if (unit.size() == 1) {
    power = kUnitLetters.find(ascii_lower(unit[0]));
  }
  if (power == std::string_view::npos) {
    return invalid("unknown unit of size; the units are K, M, G and T");
  }
  const std::uint64_t factor = std::uint64_t{1} << (10 * power);
  if (number > (kUnlimitedSize >> 1) / factor) {
    return invalid("the size is too large");
  }
  return number * factor;
}

Result<std::uint32_t> parse_count(std::string_view text) {
  std::uint32_t number = 0;
  if (equals_ignoring_case(text, "unlimited")) {
    return kUnlimited;
  }
  if (!parse_decimal(text, number) || number == kUnlimited) {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    return invalid(digits ? "the number is too large" : "expected a whole number");
  }
  return number;
}

namespace {

IpAddress successor(IpAddress address) {
  for (std::size_t i = address.is_v4() ? 4 : 16; i-- > 0;) {
    if (++address.octets[i] != 0) {
      break;
    }
  }
  return address;
}

Result<std::vector<IpAddress>> expand_network(const IpNetwork& network) {
  const unsigned width = network.base.is_v4() ? 32 : 128;
  const unsigned free_bits = width - network.prefix_bits;
  // 0/0 and ::/0 mean "whichever address the system picks", which is the unspecified address.
  if (network.prefix_bits == 0) {
    return std::vector<IpAddress>{network.base};
  }
  if (free_bits > 12) {
    return invalid("a network stands for at most 4096 addresses");
  }
  std::vector<IpAddress> list;
  IpAddress address = network.base;
  for (unsigned bit = network.prefix_bits; bit < width; ++bit) {
    address.octets[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
  }
  for (std::size_t i = 0; i < std::size_t{1} << free_bits; ++i) {
    list.push_back(address);
    address = successor(address);
  }
  return list;
}

}  // namespace

Result<std::vector<IpAddress>> parse_address_set(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (text.find('/') != std::string_view::npos) {
    const Result<IpNetwork> network = IpNetwork::parse(text);
    if (!network.ok()) {
      return invalid("not a network address");
    }
    return expand_network(*network);
  }
  if (dash == std::string_view::npos) {
    const Result<IpAddress> address = IpAddress::parse(text);
    if (!address.ok()) {
      return invalid("not an IP address");
    }
    return std::vector<IpAddress>{*address};
  }
  const Result<IpAddress> first = IpAddress::parse(text.substr(0, dash));
  const Result<IpAddress> last = IpAddress::parse(text.substr(dash + 1));
  if (!first.ok() || !last.ok() || first->family != last->family || *last < *first) {
    return invalid("a range of addresses is written FIRST-LAST");
  }
  std::vector<IpAddress> list{*first};
  while (list.back() != *last) {
    if (list.size() == kMaxExpandedAddresses) {
      return invalid("a range stands for at most 4096 addresses");
    }
    list.push_back(successor(list.back()));
  }
  return list;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) {
    return false;
  }
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
      continue;
    }
    const bool allowed = is_ascii_letter(c) || is_digit(c) || c == '-' || c == '_' ||
                         static_cast<unsigned char>(c) >= 0x80;
    if (!allowed || ++label > 63) {
      return false;
    }
  }
  return true;
}

std::string format_duration(Duration value) {
  if (value.is_forever()) {
    return "never";
  }
  struct Step {
    std::int64_t ns;
    std::string_view suffix;
  };
  constexpr std::array<Step, 5> kSteps{{{Duration::days(1).ns, "d"},
                                        {Duration::hours(1).ns, "h"},
                                        {Duration::minutes(1).ns, "m"},
                                        {Duration::seconds(1).ns, "s"},
                                        {Duration::milliseconds(1).ns, "ms"}}};
  std::string out;
  for (const Step& step : kSteps) {
    if (value.ns >= step.ns) {
      out.append(std::to_string(value.ns / step.ns)).append(step.suffix);
      value.ns %= step.ns;
    }
  }
  return out.empty() ? "0s" : out;
}

namespace {

std::string format_period(Duration length) {
  constexpr std::array<std::pair<Duration, char>, 4> kPeriods{{{Duration::days(1), 'd'},
                                                               {Duration::hours(1), 'h'},
                                                               {Duration::minutes(1), 'm'},
                                                               {Duration::seconds(1), 's'}}};
  for (const auto& [unit, letter] : kPeriods) {
    if (length.ns % unit.ns == 0) {
      const std::int64_t multiple = length.ns / unit.ns;
      return (multiple == 1 ? "" : std::to_string(multiple)) + letter;
    }
  }
  return format_duration(length);
}

}  // namespace

std::string format_rate(const Rate& value) {
  return value.unlimited() ? "unlimited"
                           : std::to_string(value.count) + "/" + format_period(value.period);
}

std::string format_data_rate(const DataRate& value) {
  return value.unlimited() ? "unlimited"
                           : format_size(value.bytes) + "/" + format_period(value.period);
}

std::string format_day(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  const auto digits = [](unsigned number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
  };
  return std::to_string(static_cast<int>(date.year())) + "-" +
         digits(static_cast<unsigned>(date.month())) + "-" +
         digits(static_cast<unsigned>(date.day()));
}

std::string format_size(std::uint64_t value) {
  if (value == kUnlimitedSize) {
    return "unlimited";
  }
  constexpr std::string_view kUnitLetters = "KMGT";
  std::string suffix;
  for (const char letter : kUnitLetters) {
    if (value == 0 || value % 1024 != 0) {
      break;
    }
    value /= 1024;
    suffix = letter;
  }
  return std::to_string(value) + suffix;
}

std::string format_count(std::uint32_t value) {
  return value == kUnlimited ? "unlimited" : std::to_string(value);
}

}  // namespace ringpost::config
