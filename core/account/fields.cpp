#include "core/account/fields.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"

namespace ringpost::account {
namespace {

constexpr std::array<FieldRow, kFieldCount> kFields = {{
    {Field::type, "type", "d delivered, b bounced (expired, cancelled), t transient"},
    {Field::time_logged, "timeLogged", "when the outcome was settled"},
    {Field::time_queued, "timeQueued", "when the message was accepted"},
    {Field::orig, "orig", "reverse-path"},
    {Field::rcpt, "rcpt", "recipient"},
    {Field::orcpt, "orcpt", "ORCPT as given (RFC 3461)"},
    {Field::dsn_action, "dsnAction", "relayed, failed or delayed (RFC 3464)"},
    {Field::dsn_status, "dsnStatus", "enhanced status with its meaning (RFC 3463)"},
    {Field::dsn_diag, "dsnDiag", "the receiver's reply, or our own reason"},
    {Field::dsn_mta, "dsnMta", "receiving host and its address"},
    {Field::bounce_cat, "bounceCat", "category of a bounce or transient failure"},
    {Field::src_type, "srcType", "how the message came in"},
    {Field::src_mta, "srcMta", "address of the injector"},
    {Field::dlv_type, "dlvType", "how the message went out"},
    {Field::dlv_source_ip, "dlvSourceIp", "our address of the attempt"},
    {Field::dlv_destination_ip, "dlvDestinationIp", "the receiver's address"},
    {Field::dlv_size, "dlvSize", "message size in octets"},
    {Field::vmta, "vmta", "virtual MTA"},
    {Field::job_id, "jobId", "job"},
    {Field::env_id, "envId", "ENVID as given (RFC 3461)"},
    {Field::queue, "queue", "domain/vmta"},
    {Field::msg_id, "msgId", "the name given in the 250 reply"},
    {Field::attempts, "attempts", "attempts made, this one included"},
    {Field::ambiguous, "ambiguous", "1: the receiver may have the message a second time, else 0"},
    {Field::log_id, "logId", "spool log of the message"},
    {Field::seq, "seq", "position in that log's journal; logId and seq name a record uniquely"},
    {Field::rcv_smtp_user, "rcvSmtpUser", "authenticated user of the injector"},
    {Field::total_seconds_queued, "totalSecondsQueued", "from acceptance to this record"},
    {Field::phase, "phase", "step of the session the outcome came from"},
    {Field::time, "time", "same as timeLogged"},
    {Field::domain, "domain", "destination domain, lower case"},
    {Field::status, "status", "delivered, bounced, expired, cancelled or deferred"},
    {Field::dsn_status_code, "dsn-status", "enhanced status alone, as in 5.1.1"},
    {Field::size, "size", "same as dlvSize"},
}};

static_assert(
    [] {
      for (std::size_t i = 0; i < kFields.size(); ++i) {
        if (static_cast<std::size_t>(kFields[i].field) != i) {
          return false;
        }
      }
      return true;
    }(),
    "the table is in the order of the enumeration");

/// Columns that files written for other products may name.
constexpr std::string_view kForeign[] = {
    "dlvEsmtpAvailable", "vmtaPool",       "timeFirstAttempt", "userString",
    "dlvTlsProtocol",    "dlvTlsCipher",   "rcvSourceIp",      "rcvDestinationIp",
    "dsnReportingMta",   "format",         "feedbackType",     "userAgent",
    "reportingMta",      "reportedDomain", "repSourceIp",      "timeImprinted",
};

constexpr char folded(char c) noexcept { return c == '_' ? '-' : ascii_lower(c); }

bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return folded(x) == folded(y); });
}

/// Takes the next item off a list separated by commas and blanks; empty at its end.
std::string_view next_item(std::string_view& list) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  const auto begin = std::min(list.find_first_not_of(kSeparators), list.size());
  list.remove_prefix(begin);
  const auto end = std::min(list.find_first_of(kSeparators), list.size());
  const std::string_view item = list.substr(0, end);
  list.remove_prefix(end);
  return item;
}

Error unknown_field(std::string_view name) {
  const bool foreign =
      std::any_of(std::begin(kForeign), std::end(kForeign),
                  [name](std::string_view other) { return same_name(other, name); }) ||
      starts_ignoring_case(name, "header_") || starts_ignoring_case(name, "arf_");
  return foreign ? Error::of(ErrorCode::unsupported,
                             "the accounting field '" + std::string(name) + "' is not recorded")
                 : Error::of(ErrorCode::invalid,
                             "'" + std::string(name) + "' is not an accounting field");
}

Status add_field(FieldList& list, Field field, std::string_view name) {
  if (std::find(list.begin(), list.end(), field) != list.end()) {
    return Error::of(ErrorCode::invalid,
                     "the accounting field '" + std::string(name) + "' is named twice");
  }
  list.push_back(field);
  return {};
}

Status add_item(FieldList& list, std::string_view item) {
  if (item == "*") {
    for (const Field field : default_fields()) {
      if (std::find(list.begin(), list.end(), field) == list.end()) {
        list.push_back(field);
      }
    }
    return {};
  }
  const bool without = item.front() == '!';
  const std::string_view name = without ? item.substr(1) : item;
  const auto row = std::find_if(kFields.begin(), kFields.end(),
                                [name](const FieldRow& one) { return same_name(one.name, name); });
  if (row == kFields.end()) {
    return unknown_field(name);
  }
  if (without) {
    list.erase(std::remove(list.begin(), list.end(), row->field), list.end());
    return {};
  }
  return add_field(list, row->field, name);
}

}  // namespace

std::span<const FieldRow> field_table() noexcept { return kFields; }

std::string_view name_of(Field field) noexcept {
  return kFields[static_cast<std::size_t>(field)].name;
}

FieldList default_fields() {
  FieldList list;
  for (std::size_t i = 0; i < kDefaultFieldCount; ++i) {
    list.push_back(kFields[i].field);
  }
  return list;
}

Result<FieldList> parse_fields(std::string_view text) {
  FieldList list;
  for (auto item = next_item(text); !item.empty(); item = next_item(text)) {
    const Status added = add_item(list, item);
    if (!added) {
      return added.error();
    }
  }
  if (list.empty()) {
    return Error::of(ErrorCode::invalid, "no accounting field is named");
  }
  return list;
}

std::uint8_t record_of(OutcomeKind kind) noexcept {
  switch (kind) {
    case OutcomeKind::delivered: return records::kDelivered;
    case OutcomeKind::bounced:
    case OutcomeKind::expired:
    case OutcomeKind::cancelled: return records::kBounced;
    case OutcomeKind::deferred: return records::kTransient;
    case OutcomeKind::pending:
    case OutcomeKind::returned: break;
  }
  return 0;
}

Result<std::uint8_t> parse_records(std::string_view text) {
  struct Name {
    std::string_view letter;
    std::string_view word;
    std::uint8_t bit;
  };
  static constexpr Name kNames[] = {
      {"d", "delivery", records::kDelivered},
      {"b", "bounce", records::kBounced},
      {"t", "transient", records::kTransient},
      {"tq", "transient-queue", 0},
      {"r", "receipt", 0},
      {"rb", "remote-bounce", 0},
      {"rs", "remote-status", 0},
      {"f", "feedback-loop", 0},
  };
  std::uint8_t set = 0;
  for (auto item = next_item(text); !item.empty(); item = next_item(text)) {
    const auto name = std::find_if(std::begin(kNames), std::end(kNames), [item](const Name& one) {
      return same_name(one.letter, item) || same_name(one.word, item);
    });
    if (name == std::end(kNames)) {
      return Error::of(ErrorCode::invalid,
                       "'" + std::string(item) + "' is not a type of accounting record");
    }
    if (name->bit == 0) {
      return Error::of(ErrorCode::unsupported,
                       "accounting records of type '" + std::string(item) + "' are not written");
    }
    set |= name->bit;
  }
  if (set == 0) {
    return Error::of(ErrorCode::invalid, "no type of accounting record is named");
  }
  return set;
}

}  // namespace ringpost::account
