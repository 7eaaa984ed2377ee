#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/account/csv.h"
#include "core/account/fields.h"
#include "core/mail/doors.h"

namespace ringpost::account {

/// No row is longer than this.
inline constexpr std::size_t kRowBytesMax = kFieldCount * kCellBytesMax + 2;

/// Turns settled records into the rows of one file. One per shard and file.
class RowFormatter {
 public:
  /// `iso_times`: `YYYY-MM-DD HH:MM:SS+0000`, else seconds since 1970.
  RowFormatter(FieldList fields, bool iso_times);

  /// The header line, CRLF included.
  std::string header() const;
  /// A row in `room` (at least kRowBytesMax), CRLF included.
  std::string_view format(const SettledRecord& record, std::span<char> room);

 private:
  void add(CsvLine& line, Field field, const SettledRecord& record);
  /// A time of whole seconds and its text: neighbouring rows mostly share both their times.
  struct ShownTime {
    std::int64_t second = 0;
    std::string text;
  };
  void add_time(CsvLine& line, WallTime time, ShownTime& last) const;

  FieldList fields_;
  bool iso_times_;
  ShownTime logged_;
  ShownTime queued_;
};

/// The meaning of a status in RFC 3463's words, or "success" and the like for its class.
std::string_view text_of(EnhancedStatus status) noexcept;

/// The status of a record; where the receiver gave none, the most general one of its class.
EnhancedStatus effective_status(const SettledRecord& record) noexcept;

/// Category of a bounced or deferred record by kind, phase and status; empty for deliveries.
std::string_view bounce_category(const SettledRecord& record) noexcept;

}  // namespace ringpost::account
