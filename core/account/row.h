#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/account/fields.h"
#include "core/account/line.h"
#include "core/mail/doors.h"

namespace ringpost::account {

/// No row is longer than this.
inline constexpr std::size_t kRowBytesMax = kColumnsMax * kCellBytesMax + 3;

/// Own and shipped categories of returned mail. Immutable, so any thread may ask.
class BounceRules {
 public:
  virtual ~BounceRules() = default;
  /// The category for `text`: enhanced status, semicolon, diagnostic text. Empty: none fits.
  virtual std::string_view category(std::string_view text) const = 0;
};

enum class RowForm : std::uint8_t { csv, json };

/// What the rows of one file look like.
struct RowStyle {
  FieldList fields = default_fields();
  RowForm form = RowForm::csv;
  bool iso_times = true;          ///< `YYYY-MM-DD HH:MM:SS+0000`, else seconds since 1970
  std::string user_string;        ///< text of the column userString
  bool user_string_from = false;  ///< ... or the From field of the message

  bool operator==(const RowStyle&) const = default;
};

/// Turns settled records into rows of one style. One per shard and style.
class RowFormatter {
 public:
  explicit RowFormatter(RowStyle style);

  /// The header line with its end; empty where the form has none.
  std::string header() const;
  /// A row in `room` (at least kRowBytesMax) with its line end. `category` is that of the record.
  std::string_view format(const SettledRecord& record, std::string_view category,
                          std::span<char> room);

 private:
  void write(Line& line, const SettledRecord& record, std::string_view category);
  void add(Line& line, Field field, const SettledRecord& record);
  /// A time of whole seconds and its text: neighbouring rows mostly share both their times.
  struct ShownTime {
    std::int64_t second = 0;
    std::string text;
  };
  void add_time(Line& line, WallTime time, ShownTime& last) const;

  RowStyle style_;
  ShownTime logged_;
  ShownTime queued_;
  ShownTime first_;
};

/// The meaning of a status in RFC 3463's words, or "success" and the like for its class.
std::string_view text_of(EnhancedStatus status) noexcept;

/// The status of a record; where the receiver gave none, the most general one of its class.
EnhancedStatus effective_status(const SettledRecord& record) noexcept;

/// `queue/vmta`, the queue's domain in lower case.
void write_queue(TextBuilder& text, const SettledRecord& record) noexcept;

/// Value of a header field in SettledRecord::noted, or empty. `name` in lower case.
std::string_view noted_value(std::string_view noted, std::string_view name) noexcept;

/// Category of a bounced or deferred record by kind, phase and status; empty for deliveries.
std::string_view bounce_category(const SettledRecord& record) noexcept;
/// The same, with `rules` asked before phase and status are; they may be nullptr.
std::string_view bounce_category(const SettledRecord& record, const BounceRules* rules);

}  // namespace ringpost::account
