#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/mail/doors.h"
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
  dlv_esmtp_available,
  dlv_size,
  vmta,
  job_id,
  env_id,
  queue,
  vmta_pool,
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
  dlv_tls_protocol,
  dlv_tls_cipher,
  time_first_attempt,
  rcv_source_ip,
  rcv_destination_ip,
  user_string,
  header,  ///< a header field of the message; not in the table
};
inline constexpr std::size_t kFieldCount = static_cast<std::size_t>(Field::user_string) + 1;
inline constexpr std::size_t kDefaultFieldCount = static_cast<std::size_t>(Field::seq) + 1;

/// What the documentation and the header line say of a field.
struct FieldRow {
  Field field;
  std::string_view name;
  std::string_view help;
};
std::span<const FieldRow> field_table() noexcept;
std::string_view name_of(Field field) noexcept;

/// Kinds of accounting records, as a set of bits.
namespace records {
inline constexpr std::uint8_t kDelivered = record_bit::kDelivered;
inline constexpr std::uint8_t kBounced = record_bit::kBounced;
inline constexpr std::uint8_t kTransient = record_bit::kTransient;
inline constexpr std::uint8_t kQueue = record_bit::kQueue;
inline constexpr std::uint8_t kReceived = record_bit::kReceived;
inline constexpr std::uint8_t kDefault = kDelivered | kBounced;
inline constexpr std::uint8_t kAll = 0xff;
}  // namespace records

/// One column of a file.
struct Column {
  Column(Field what) : field(what), title(name_of(what)) {}  // NOLINT: a field is a column

  Field field;
  std::string title;                     ///< in the header line
  std::uint8_t records = records::kAll;  ///< kinds that fill it; it is empty in the others
  std::string header;  ///< lower case: the header field shown by Field::header and where mapped
  std::uint8_t mapped = 0;  ///< kinds that show the header field instead of the column's own value

  bool operator==(const Column&) const = default;
};

/// Columns of a file in order, each once.
using FieldList = std::vector<Column>;
inline constexpr std::size_t kColumnsMax = 64;

/// What a file of these kinds of records shows where nothing is said.
FieldList default_fields(std::uint8_t kinds = records::kDefault);
/// What a name in a list of fields stands for.
enum class FieldName : std::uint8_t {
  recorded,
  empty,  ///< a column that similar products have and this one knows no value for
  unknown,
};
FieldName look_up_field(std::string_view name);
/// Reads names separated by commas and/or blanks, in any case, `_` for `-`; `*` is the default set
/// of these kinds, `!name` takes a field out again, `header_NAME` is a header field of the message.
/// invalid: unknown or repeated name (the detail says which), nothing left, or more than
/// kColumnsMax.
Result<FieldList> parse_fields(std::string_view text, std::uint8_t kinds = records::kDefault);

/// Columns of some kinds of records.
struct KindFields {
  std::uint8_t records = 0;
  FieldList fields;
};
/// The columns of a file that several kinds share: those of the first, then what the others have
/// beside; `type` leads. Errors as parse_fields.
Result<FieldList> join_fields(const std::vector<KindFields>& kinds);
/// Lets the column `field` show `header_NAME` in records of these kinds; adds it if it is missing.
Status map_header(FieldList& list, std::uint8_t kinds, std::string_view header,
                  std::string_view field);
/// Names of the header fields that the columns show, each once.
void collect_headers(const FieldList& list, std::vector<std::string>& names);

/// The bit of a record; 0 where it has none (pending, returned).
std::uint8_t record_of(const SettledRecord& record) noexcept;
/// The bits of the kinds named; names without records (rb, rs, f) have none.
std::uint8_t records_of(std::span<const std::string_view> letters) noexcept;
/// Reads `d,b,t` or `delivery bounce transient`. Errors as for fields.
Result<std::uint8_t> parse_records(std::string_view text);

}  // namespace ringpost::account
