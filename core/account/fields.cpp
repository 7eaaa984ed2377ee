#include "core/account/fields.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"

namespace ringpost::account {
namespace {

constexpr std::array<FieldRow, kFieldCount> kFields = {{
    {Field::type, "type",
     "d delivered, b bounced (expired, cancelled), t transient, tq queue put off, r received"},
    {Field::time_logged, "timeLogged", "when the outcome was settled; r: when it was accepted"},
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
    {Field::dlv_esmtp_available, "dlvEsmtpAvailable", "extensions that the receiver offered"},
    {Field::dlv_size, "dlvSize", "message size in octets"},
    {Field::vmta, "vmta", "virtual MTA"},
    {Field::job_id, "jobId", "job"},
    {Field::env_id, "envId", "ENVID as given (RFC 3461)"},
    {Field::queue, "queue", "destination after roll-up, slash, virtual MTA"},
    {Field::vmta_pool, "vmtaPool",
     "pool or virtual MTA the message came in for, where another one sent it"},
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
    {Field::status, "status",
     "delivered, bounced, expired, cancelled, deferred (t, tq) or received"},
    {Field::dsn_status_code, "dsn-status", "enhanced status alone, as in 5.1.1"},
    {Field::size, "size", "same as dlvSize"},
    {Field::dlv_tls_protocol, "dlvTlsProtocol", "TLS version of the attempt, as TLSv1.3"},
    {Field::dlv_tls_cipher, "dlvTlsCipher", "cipher of the attempt"},
    {Field::time_first_attempt, "timeFirstAttempt", "when this recipient was first attempted"},
    {Field::rcv_source_ip, "rcvSourceIp", "address of the injector alone"},
    {Field::rcv_destination_ip, "rcvDestinationIp",
     "r: our address that the injector connected to"},
    {Field::user_string, "userString", "user-string of the file, or the From field"},
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
    "dsnReportingMta", "format",         "feedbackType", "userAgent",
    "reportingMta",    "reportedDomain", "repSourceIp",  "timeImprinted",
};

/// What files of one kind alone show.
constexpr Field kReceivedFields[] = {
    Field::type,    Field::time_logged,   Field::orig,
    Field::rcpt,    Field::orcpt,         Field::src_type,
    Field::src_mta, Field::rcv_source_ip, Field::rcv_destination_ip,
    Field::vmta,    Field::job_id,        Field::env_id,
    Field::msg_id,  Field::log_id,        Field::seq,
};
constexpr Field kQueueFields[] = {
    Field::type,          Field::time_logged,        Field::queue,   Field::vmta,
    Field::dsn_status,    Field::dsn_diag,           Field::dsn_mta, Field::dlv_type,
    Field::dlv_source_ip, Field::dlv_destination_ip, Field::log_id,  Field::seq,
};

constexpr std::string_view kHeaderPrefix = "header_";
constexpr std::size_t kHeaderNameMax = 57;

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

bool is_foreign(std::string_view name) {
  return std::any_of(std::begin(kForeign), std::end(kForeign),
                     [name](std::string_view other) { return same_name(other, name); }) ||
         starts_ignoring_case(name, "arf_");
}

/// Printable and without colon (RFC 5322 section 2.2), nor comma and quote.
bool is_header_name(std::string_view name) {
  return !name.empty() && name.size() <= kHeaderNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != ':' && c != ',' && c != '"' && c != '\\';
         });
}

Result<Column> column_of(std::string_view name) {
  if (starts_ignoring_case(name, kHeaderPrefix)) {
    const std::string_view header = name.substr(kHeaderPrefix.size());
    if (!is_header_name(header)) {
      return Error::of(ErrorCode::invalid, "'" + std::string(name) + "' names no header field");
    }
    Column column(Field::header);
    column.title = std::string(name);
    column.header = to_lower(header);
    return column;
  }
  const auto row = std::find_if(kFields.begin(), kFields.end(),
                                [name](const FieldRow& one) { return same_name(one.name, name); });
  if (row == kFields.end() && is_foreign(name)) {
    // A header field of a name that none can have: what counts columns finds each in its place.
    Column column(Field::header);
    column.title = std::string(name);
    column.header = ":" + to_lower(name);
    return column;
  }
  if (row == kFields.end()) {
    return Error::of(ErrorCode::invalid, "'" + std::string(name) + "' is not an accounting field");
  }
  return Column(row->field);
}

/// The column that shows the same, whatever it is called.
FieldList::iterator find_column(FieldList& list, const Column& column) {
  return std::find_if(list.begin(), list.end(), [&column](const Column& one) {
    return one.field == column.field && (one.field != Field::header || one.header == column.header);
  });
}

Status add_item(FieldList& list, std::string_view item, std::uint8_t kinds) {
  if (item == "*") {
    for (const Column& column : default_fields(kinds)) {
      if (find_column(list, column) == list.end()) {
        list.push_back(column);
      }
    }
    return {};
  }
  const bool without = item.front() == '!';
  const std::string_view name = without ? item.substr(1) : item;
  auto column = column_of(name);
  if (!column) {
    return column.error();
  }
  const auto known = find_column(list, *column);
  if (without) {
    if (known != list.end()) {
      list.erase(known);
    }
    return {};
  }
  if (known != list.end()) {
    return Error::of(ErrorCode::invalid,
                     "the accounting field '" + std::string(name) + "' is named twice");
  }
  list.push_back(std::move(*column));
  return {};
}

Status check_size(const FieldList& list) {
  if (list.size() > kColumnsMax) {
    return Error::of(ErrorCode::invalid,
                     "an accounting file has at most " + std::to_string(kColumnsMax) + " columns");
  }
  return {};
}

}  // namespace

std::span<const FieldRow> field_table() noexcept { return kFields; }

std::string_view name_of(Field field) noexcept {
  const auto place = static_cast<std::size_t>(field);
  return place < kFields.size() ? kFields[place].name : std::string_view{};
}

FieldList default_fields(std::uint8_t kinds) {
  FieldList list;
  if (kinds == records::kReceived) {
    list.assign(std::begin(kReceivedFields), std::end(kReceivedFields));
    return list;
  }
  if (kinds == records::kQueue) {
    list.assign(std::begin(kQueueFields), std::end(kQueueFields));
    return list;
  }
  for (std::size_t i = 0; i < kDefaultFieldCount; ++i) {
    list.emplace_back(kFields[i].field);
  }
  if ((kinds & records::kReceived) != 0) {
    list.emplace_back(Field::rcv_source_ip);
    list.emplace_back(Field::rcv_destination_ip);
  }
  return list;
}

FieldName look_up_field(std::string_view name) {
  return !column_of(name)   ? FieldName::unknown
         : is_foreign(name) ? FieldName::empty
                            : FieldName::recorded;
}

Result<FieldList> parse_fields(std::string_view text, std::uint8_t kinds) {
  FieldList list;
  for (auto item = next_item(text); !item.empty(); item = next_item(text)) {
    const Status added = add_item(list, item, kinds);
    if (!added) {
      return added.error();
    }
  }
  if (list.empty()) {
    return Error::of(ErrorCode::invalid, "no accounting field is named");
  }
  const Status size = check_size(list);
  if (!size) {
    return size.error();
  }
  return list;
}

Result<FieldList> join_fields(const std::vector<KindFields>& kinds) {
  FieldList list;
  for (const KindFields& kind : kinds) {
    for (const Column& column : kind.fields) {
      const auto known = find_column(list, column);
      if (known != list.end()) {
        known->records |= kind.records;
      } else {
        list.push_back(column);
        list.back().records = kind.records;
      }
    }
  }
  // Readers of files with several kinds of rows look for the type in front.
  const auto type = find_column(list, Column(Field::type));
  if (type == list.end()) {
    list.insert(list.begin(), Column(Field::type));
  } else {
    std::rotate(list.begin(), type, type + 1);
  }
  list.front().records = records::kAll;
  const Status size = check_size(list);
  if (!size) {
    return size.error();
  }
  return list;
}

Status map_header(FieldList& list, std::uint8_t kinds, std::string_view header,
                  std::string_view field) {
  const std::string_view name =
      starts_ignoring_case(header, kHeaderPrefix) ? header.substr(kHeaderPrefix.size()) : header;
  if (!is_header_name(name)) {
    return Error::of(ErrorCode::invalid, "'" + std::string(header) + "' names no header field");
  }
  const auto wanted = column_of(field);
  if (!wanted) {
    return wanted.error();
  }
  if (wanted->field == Field::header || wanted->field == Field::type) {
    return Error::of(ErrorCode::invalid,
                     "a header field cannot be written into '" + std::string(field) + "'");
  }
  auto column = find_column(list, *wanted);
  if (column == list.end()) {
    list.push_back(*wanted);
    list.back().records = kinds;
    column = list.end() - 1;
  }
  if (column->mapped != 0 && column->header != to_lower(name)) {
    return Error::of(ErrorCode::invalid,
                     "two header fields are written into '" + std::string(field) + "'");
  }
  column->header = to_lower(name);
  column->mapped |= kinds;
  return check_size(list);
}

void collect_headers(const FieldList& list, std::vector<std::string>& names) {
  for (const Column& column : list) {
    if (!column.header.empty() && column.header.front() != ':' &&
        std::find(names.begin(), names.end(), column.header) == names.end()) {
      names.push_back(column.header);
    }
  }
}

std::uint8_t record_of(const SettledRecord& record) noexcept {
  if (record.type != RecordType::outcome) {
    return record.type == RecordType::received ? records::kReceived : records::kQueue;
  }
  switch (record.kind) {
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

namespace {

struct KindName {
  std::string_view letter;
  std::string_view word;
  std::uint8_t bit;
};
constexpr KindName kKinds[] = {
    {"d", "delivery", records::kDelivered},
    {"b", "bounce", records::kBounced},
    {"t", "transient", records::kTransient},
    {"tq", "transient-queue", records::kQueue},
    {"r", "receipt", records::kReceived},
    {"r", "received", records::kReceived},
    {"rb", "remote-bounce", 0},
    {"rs", "remote-status", 0},
    {"f", "feedback-loop", 0},
};

const KindName* find_kind(std::string_view text) noexcept {
  const auto name = std::find_if(std::begin(kKinds), std::end(kKinds), [text](const KindName& one) {
    return same_name(one.letter, text) || same_name(one.word, text);
  });
  return name == std::end(kKinds) ? nullptr : name;
}

}  // namespace

std::uint8_t records_of(std::span<const std::string_view> letters) noexcept {
  std::uint8_t set = 0;
  for (const std::string_view letter : letters) {
    const KindName* kind = find_kind(letter);
    set = static_cast<std::uint8_t>(set | (kind == nullptr ? 0 : kind->bit));
  }
  return set;
}

Result<std::uint8_t> parse_records(std::string_view text) {
  std::uint8_t set = 0;
  for (auto item = next_item(text); !item.empty(); item = next_item(text)) {
    const KindName* name = find_kind(item);
    if (name == nullptr) {
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
