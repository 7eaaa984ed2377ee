#include "core/base/mail_date.h"

namespace ringpost {
namespace {

void add_two_digits(TextBuilder& out, std::int64_t value) noexcept {
  out.add(static_cast<char>('0' + value / 10)).add(static_cast<char>('0' + value % 10));
}

struct CivilDate {
  std::int64_t year;
  int month;  ///< 0 to 11
  std::int64_t day;
};

// Days since 1970 to a date of the Gregorian calendar. Years are counted from March, so that the
// leap day is the last of its year and months follow a regular pattern of 153 days in five.
CivilDate civil_date(std::int64_t days) {
  constexpr std::int64_t kCycleDays = 146'097;           // 400 years
  constexpr std::int64_t kFromYearZeroTo1970 = 719'468;  // since 1 March of year 0
  days += kFromYearZeroTo1970;
  const std::int64_t cycle = days / kCycleDays;
  const std::int64_t of_cycle = days % kCycleDays;
  const std::int64_t year_of_cycle =
      (of_cycle - of_cycle / 1'460 + of_cycle / 36'524 - of_cycle / 146'096) / 365;
  const std::int64_t of_year =
      of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
  const std::int64_t month = (5 * of_year + 2) / 153;  // 0 is March
  const std::int64_t day = of_year - (153 * month + 2) / 5 + 1;
  const bool next_year = month >= 10;
  return {cycle * 400 + year_of_cycle + (next_year ? 1 : 0),
          static_cast<int>(next_year ? month - 10 : month + 2), day};
}

}  // namespace

void write_mail_date(WallTime when, TextBuilder& out) noexcept {
  static constexpr std::string_view kDays = "ThuFriSatSunMonTueWed";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::int64_t seconds = when.unix_seconds();
  const std::int64_t days = seconds / 86'400;
  const std::int64_t of_day = seconds % 86'400;
  const CivilDate date = civil_date(days);
  out.add(kDays.substr(static_cast<std::size_t>(days % 7) * 3, 3)).add(", ");
  out.add_number(static_cast<std::uint64_t>(date.day)).add(' ');
  out.add(kMonths.substr(static_cast<std::size_t>(date.month) * 3, 3)).add(' ');
  out.add_number(static_cast<std::uint64_t>(date.year)).add(' ');
  add_two_digits(out, of_day / 3600);
  out.add(':');
  add_two_digits(out, of_day / 60 % 60);
  out.add(':');
  add_two_digits(out, of_day % 60);
  out.add(" +0000");
}

}  // namespace ringpost
