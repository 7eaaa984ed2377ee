#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/mail/outcome.h"

namespace ringpost::account {

/// Columns of accounting files.
enum class Field : std::uint8_t {
  // The default set, in its order.
  type,
  time_logged,
  time_queued,
  orig,
  rcpt,
  orcpt,
  dsn_action,
  dsn_status,
  dsn_diag,
  dsn_mta,
  bounce_cat,
  src_type,
  src_mta,
  dlv_type,
  dlv_source_ip,
  dlv_destination_ip,
  dlv_size,
  vmta,
  job_id,
  env_id,
  queue,
  msg_id,
  attempts,
  ambiguous,
  log_id,
  seq,
  // By name only.
  rcv_smtp_user,
  total_seconds_queued,
  phase,
  time,
  domain,
  status,
  dsn_status_code,
  size,
};
inline constexpr std::size_t kFieldCount = static_cast<std::size_t>(Field::size) + 1;
inline constexpr std::size_t kDefaultFieldCount = static_cast<std::size_t>(Field::seq) + 1;

/// What the documentation and the header line say of a field.
struct FieldRow {
  Field field;
  std::string_view name;
  std::string_view help;
};
std::span<const FieldRow> field_table() noexcept;
std::string_view name_of(Field field) noexcept;

/// Columns of a file in order, each once.
using FieldList = std::vector<Field>;
FieldList default_fields();
/// Reads names separated by commas and/or blanks, in any case, `_` for `-`; `*` is the default set,
/// `!name` takes a field out again. invalid: unknown or repeated name, or nothing left;
/// unsupported: a column that similar products have and this one knows no value for (the detail
/// names it in both cases).
Result<FieldList> parse_fields(std::string_view text);

/// Kinds of accounting records, as a set of bits.
namespace records {
inline constexpr std::uint8_t kDelivered = 1;  ///< d
inline constexpr std::uint8_t kBounced = 2;    ///< b: bounced, expired and cancelled
inline constexpr std::uint8_t kTransient = 4;  ///< t: an attempt that will be repeated
inline constexpr std::uint8_t kDefault = kDelivered | kBounced;
}  // namespace records

/// The bit of an outcome's record; 0 where it has none (pending, returned).
std::uint8_t record_of(OutcomeKind kind) noexcept;
/// Reads `d,b,t` or `delivery bounce transient`. Errors as for fields.
Result<std::uint8_t> parse_records(std::string_view text);

}  // namespace ringpost::account
