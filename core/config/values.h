#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::config {

/// "No limit" in every count of the settings.
inline constexpr std::uint32_t kUnlimited = 0xffff'ffffu;
/// "No limit" in every size of the settings.
inline constexpr std::uint64_t kUnlimitedSize = ~std::uint64_t{0};

/// At most `count` in any window of `period`; a count of 0 means no limit.
struct Rate {
  std::uint32_t count = 0;
  Duration period{};

  bool unlimited() const { return count == 0; }
  bool operator==(const Rate&) const = default;
};

/// At most `bytes` in any window of `period`; 0 means no limit.
struct DataRate {
  std::uint64_t bytes = 0;
  Duration period{};

  bool unlimited() const { return bytes == 0; }
  bool operator==(const DataRate&) const = default;
};

// Each parser takes a whole value (blanks at its ends removed) and answers with one sentence of
// what is wrong, without the value itself: the caller points at it. Nothing here keeps state.

/// yes no true false on off 1 0.
Result<bool> parse_boolean(std::string_view text);
/// A sum such as `4d12h`, `10 days 12 hours`, `90s`, `100ms`; a bare number is seconds. `never`
/// and `unlimited` give Duration::forever() where `endless` allows them.
Result<Duration> parse_duration(std::string_view text, bool endless);
/// Durations separated by commas or blanks, at most `kMaxRetrySteps`.
Result<std::vector<Duration>> parse_duration_list(std::string_view text);
/// `200/h`, `83/10m`, `10000/minute`; `unlimited` and `0` give an unlimited rate.
Result<Rate> parse_rate(std::string_view text);
/// `10M/h`, `1g/2d`: bytes per time; `unlimited` and `0` give an unlimited rate.
Result<DataRate> parse_data_rate(std::string_view text);
/// `400/day` or `100/d,200/d`: messages of successive days. `0/d` gives none.
Result<std::vector<std::uint32_t>> parse_daily_limits(std::string_view text);
/// `2026-11-21` as days since 1970-01-01.
Result<std::int64_t> parse_day(std::string_view text);
/// `10K`, `50M`, `2G`, `1T`, bare bytes (1K = 1024); `unlimited` gives kUnlimitedSize.
Result<std::uint64_t> parse_size(std::string_view text);
/// A decimal, or `unlimited` for kUnlimited.
Result<std::uint32_t> parse_count(std::string_view text);
/// One address, a CIDR block or a range `A-B`, as the list of its addresses (bounded).
Result<std::vector<IpAddress>> parse_address_set(std::string_view text);
/// Letters, digits, dots, hyphens and underscores in labels of at most 63.
bool is_host_name(std::string_view text);

std::string format_duration(Duration value);
std::string format_rate(const Rate& value);
std::string format_data_rate(const DataRate& value);
std::string format_day(std::int64_t day);
std::string format_size(std::uint64_t value);
std::string format_count(std::uint32_t value);

}  // namespace ringpost::config
