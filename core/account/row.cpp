#include "core/account/row.h"

#include <time.h>

#include <algorithm>
#include <array>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/mail/job.h"

namespace ringpost::account {
namespace {

struct StatusText {
  std::uint16_t subject;
  std::uint16_t detail;
  std::string_view text;
};

// RFC 3463 section 3 and RFC 7505, in short.
constexpr StatusText kStatusTexts[] = {
    {1, 1, "bad destination mailbox address"},
    {1, 2, "bad destination system address"},
    {1, 3, "bad destination mailbox address syntax"},
    {1, 4, "destination mailbox address ambiguous"},
    {1, 6, "destination mailbox has moved"},
    {1, 7, "bad sender's mailbox address syntax"},
    {1, 8, "bad sender's system address"},
    {1, 10, "recipient address has null MX"},
    {2, 1, "mailbox disabled, not accepting messages"},
    {2, 2, "mailbox full"},
    {2, 3, "message length exceeds administrative limit"},
    {3, 1, "mail system full"},
    {3, 2, "system not accepting network messages"},
    {3, 4, "message too big for system"},
    {4, 1, "no answer from host"},
    {4, 2, "bad connection"},
    {4, 3, "directory server failure"},
    {4, 4, "unable to route"},
    {4, 5, "mail system congestion"},
    {4, 6, "routing loop detected"},
    {4, 7, "delivery time expired"},
    {5, 1, "invalid command"},
    {5, 2, "syntax error"},
    {5, 3, "too many recipients"},
    {6, 0, "media error"},
    {6, 3, "conversion required but not supported"},
    {7, 0, "security status"},
    {7, 1, "delivery not authorized, message refused"},
};

/// Names that senders' tools know.
std::string_view category_of(EnhancedStatus status) noexcept {
  switch (status.subject) {
    case 1:
      if (status.detail == 2 || status.detail == 10) {
        return "bad-domain";
      }
      return status.detail == 7 || status.detail == 8 ? "invalid-sender" : "bad-mailbox";
    case 2:
      if (status.detail == 1) {
        return "inactive-mailbox";
      }
      return status.detail == 2 ? "quota-issues" : "other";
    case 3: return status.detail == 4 ? "content-related" : "other";
    case 4:
      switch (status.detail) {
        case 1: return "no-answer-from-host";
        case 2: return "bad-connection";
        case 3:
        case 4:
        case 6: return "routing-errors";
        case 7: return "message-expired";
        default: return "other";
      }
    case 5: return "protocol-errors";
    case 6: return "content-related";
    case 7: return "policy-related";
    default: return "other";
  }
}

std::string_view action_of(OutcomeKind kind) noexcept {
  if (kind == OutcomeKind::delivered) {
    return "relayed";
  }
  return kind == OutcomeKind::deferred ? "delayed" : "failed";
}

std::string_view letter_of(const SettledRecord& record) noexcept {
  switch (record_of(record)) {
    case records::kDelivered: return "d";
    case records::kBounced: return "b";
    case records::kQueue: return "tq";
    case records::kReceived: return "r";
    default: return "t";
  }
}

void add_code(TextBuilder& text, EnhancedStatus status) noexcept {
  text.add_number(status.klass).add('.').add_number(status.subject);
  text.add('.').add_number(status.detail);
}

void add_status(Line& line, const SettledRecord& record, bool with_text) noexcept {
  std::array<char, 96> room;
  TextBuilder text(room);
  const EnhancedStatus status = effective_status(record);
  add_code(text, status);
  if (with_text) {
    text.add(" (").add(text_of(status)).add(')');
  }
  line.add(text.view());
}

void write_diagnostic(TextBuilder& text, const SettledRecord& record) noexcept {
  if (record.reply_code != 0) {
    text.add("smtp;").add_number(record.reply_code);
    if (record.status.known()) {
      text.add(' ');
      add_code(text, record.status);
    }
    if (!record.text.empty()) {
      text.add(' ').add(record.text);
    }
  } else if (!record.text.empty()) {
    text.add("x-ringpost;").add(record.text);
  }
}

void add_diagnostic(Line& line, const SettledRecord& record) noexcept {
  std::array<char, kValueBytesMax> room;
  TextBuilder text(room);
  write_diagnostic(text, record);
  line.add(text.view());
}

void add_offered(Line& line, std::uint16_t bits) noexcept {
  struct Name {
    std::uint16_t bit;
    std::string_view name;
  };
  static constexpr Name kNames[] = {
      {offered::kEightBitMime, "8BITMIME"},
      {offered::kAuth, "AUTH"},
      {offered::kChunking, "CHUNKING"},
      {offered::kDsn, "DSN"},
      {offered::kEnhancedStatusCodes, "ENHANCEDSTATUSCODES"},
      {offered::kPipelining, "PIPELINING"},
      {offered::kSize, "SIZE"},
      {offered::kSmtpUtf8, "SMTPUTF8"},
      {offered::kStartTls, "STARTTLS"},
  };
  std::array<char, 128> room;
  TextBuilder text(room);
  for (const Name& row : kNames) {
    if ((bits & row.bit) != 0) {
      text.add(text.size() == 0 ? "" : ",").add(row.name);
    }
  }
  line.add(text.view());
}

/// `host (address)`, or what of it there is.
void add_host(Line& line, std::string_view host, const IpAddress& address) {
  std::array<char, kValueBytesMax> room;
  TextBuilder text(room);
  if (!host.empty()) {
    text.add(host.substr(0, kValueBytesMax / 2));
  }
  if (address.valid()) {
    text.add(host.empty() ? "(" : " (");
    address.write(text);
    text.add(')');
  }
  line.add(text.view());
}

void add_address(Line& line, const IpAddress& address) {
  std::array<char, 64> room;
  TextBuilder text(room);
  if (address.valid()) {
    address.write(text);
  }
  line.add_plain(text.view());
}

std::string_view domain_of(const SettledRecord& record) noexcept {
  return Recipient{record.recipient, {}, 0}.domain();
}

void add_domain(Line& line, const SettledRecord& record) noexcept {
  std::array<char, kValueBytesMax> room;
  TextBuilder text(room);
  for (const char c : domain_of(record)) {
    text.add(ascii_lower(c));
  }
  line.add(text.view());
}

void add_queue(Line& line, const SettledRecord& record) noexcept {
  std::array<char, kValueBytesMax> room;
  TextBuilder text(room);
  write_queue(text, record);
  line.add(text.view());
}

}  // namespace

void write_queue(TextBuilder& text, const SettledRecord& record) noexcept {
  for (const char c : record.queue.empty() ? domain_of(record) : record.queue) {
    text.add(ascii_lower(c));
  }
  text.add('/').add(record.vmta);
}

std::string_view noted_value(std::string_view noted, std::string_view name) noexcept {
  while (!noted.empty()) {
    const std::size_t end = std::min(noted.find('\n'), noted.size());
    const std::string_view line = noted.substr(0, end);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
    noted.remove_prefix(std::min(end + 1, noted.size()));
  }
  return {};
}

std::string_view text_of(EnhancedStatus status) noexcept {
  for (const StatusText& row : kStatusTexts) {
    if (status.klass != 2 && row.subject == status.subject && row.detail == status.detail) {
      return row.text;
    }
  }
  switch (status.klass) {
    case 2: return "success";
    case 4: return "persistent transient failure";
    default: return "permanent failure";
  }
}

EnhancedStatus effective_status(const SettledRecord& record) noexcept {
  if (record.status.known()) {
    return record.status;
  }
  switch (record.kind) {
    case OutcomeKind::delivered: return {2, 0, 0};
    case OutcomeKind::deferred: return {4, 0, 0};
    case OutcomeKind::expired: return {4, 4, 7};
    default: return {5, 0, 0};
  }
}

std::string_view bounce_category(const SettledRecord& record) noexcept {
  switch (record.kind) {
    case OutcomeKind::delivered: return {};
    case OutcomeKind::expired: return "message-expired";
    case OutcomeKind::cancelled: return "cancelled";
    default: break;
  }
  if (!record.status.known() && record.reply_code == 0) {
    if (record.phase == Phase::connect) {
      return "no-answer-from-host";
    }
    return record.phase > Phase::connect && record.phase < Phase::queue ? "bad-connection"
                                                                        : "other";
  }
  return category_of(effective_status(record));
}

std::string_view bounce_category(const SettledRecord& record, const BounceRules* rules) {
  const bool by_reply = record.kind == OutcomeKind::bounced || record.kind == OutcomeKind::deferred;
  if (rules == nullptr || !by_reply) {
    return bounce_category(record);
  }
  std::array<char, kValueBytesMax> room;
  TextBuilder text(room);
  add_code(text, effective_status(record));
  text.add(';');
  write_diagnostic(text, record);
  const std::string_view category = rules->category(text.view());
  return category.empty() ? bounce_category(record) : category;
}

RowFormatter::RowFormatter(RowStyle style) : style_(std::move(style)) {
  RP_ASSERT(!style_.fields.empty() && style_.fields.size() <= kColumnsMax);
}

std::string RowFormatter::header() const {
  if (style_.form == RowForm::json) {
    return {};
  }
  std::string text;
  for (const Column& column : style_.fields) {
    text += text.empty() ? "" : ",";
    text += column.title;
  }
  return text + "\r\n";
}

std::string_view RowFormatter::format(const SettledRecord& record, std::string_view category,
                                      std::span<char> room) {
  RP_ASSERT(room.size() >= kRowBytesMax);
  if (style_.form == RowForm::json) {
    JsonLine line(room);
    write(line, record, category);
    return line.finish();
  }
  CsvLine line(room);
  write(line, record, category);
  return line.finish();
}

namespace {

using FieldSet = std::uint64_t;
static_assert(kFieldCount < 64);

constexpr FieldSet set_of(std::initializer_list<Field> fields) {
  FieldSet set = 0;
  for (const Field field : fields) {
    set |= FieldSet{1} << static_cast<unsigned>(field);
  }
  return set;
}

constexpr FieldSet kOfReceipts = set_of({Field::type,
                                         Field::time_logged,
                                         Field::time_queued,
                                         Field::orig,
                                         Field::rcpt,
                                         Field::orcpt,
                                         Field::src_type,
                                         Field::src_mta,
                                         Field::vmta,
                                         Field::job_id,
                                         Field::env_id,
                                         Field::msg_id,
                                         Field::log_id,
                                         Field::seq,
                                         Field::rcv_smtp_user,
                                         Field::time,
                                         Field::domain,
                                         Field::status,
                                         Field::size,
                                         Field::user_string,
                                         Field::header,
                                         Field::rcv_source_ip,
                                         Field::rcv_destination_ip});
constexpr FieldSet kOfQueues =
    set_of({Field::type, Field::time_logged, Field::queue, Field::vmta, Field::dsn_status,
            Field::dsn_diag, Field::dsn_mta, Field::dlv_type, Field::dlv_source_ip,
            Field::dlv_destination_ip, Field::log_id, Field::seq, Field::phase, Field::time,
            Field::status, Field::dsn_status_code, Field::user_string});

/// The fields that records of a type fill.
constexpr FieldSet fields_of(RecordType type) {
  switch (type) {
    case RecordType::received: return kOfReceipts;
    case RecordType::queue: return kOfQueues;
    case RecordType::outcome: break;
  }
  return ~FieldSet{0};
}

}  // namespace

void RowFormatter::write(Line& line, const SettledRecord& record, std::string_view category) {
  const std::uint8_t kind = record_of(record);
  const FieldSet filled = fields_of(record.type);
  for (const Column& column : style_.fields) {
    line.title(column.title);
    const bool mapped = column.field == Field::header || (column.mapped & kind) != 0;
    const bool fills = (filled >> static_cast<unsigned>(column.field) & 1) != 0;
    if ((column.records & kind) == 0 || !(mapped || fills)) {
      line.add_plain({});
    } else if (mapped) {
      line.add(noted_value(record.noted, column.header));
    } else if (column.field == Field::bounce_cat) {
      line.add(category);
    } else if (column.field == Field::user_string) {
      line.add(style_.user_string_from ? noted_value(record.noted, "from")
                                       : std::string_view(style_.user_string));
    } else {
      add(line, column.field, record);
    }
  }
}

void RowFormatter::add_time(Line& line, WallTime time, ShownTime& last) const {
  const std::int64_t second = time.unix_seconds();
  if (second != last.second || last.text.empty()) {
    char room[48];
    TextBuilder text(room);
    struct tm civil {};
    const auto seconds = static_cast<time_t>(second);
    if (!style_.iso_times || second < 0 || ::gmtime_r(&seconds, &civil) == nullptr) {
      text.add_number(second < 0 ? 0 : static_cast<std::uint64_t>(second));
    } else {
      char shown[32];
      text.add({shown, ::strftime(shown, sizeof shown, "%Y-%m-%d %H:%M:%S+0000", &civil)});
    }
    last.text = text.view();
    last.second = second;
  }
  line.add_plain(last.text);
}

void RowFormatter::add(Line& line, Field field, const SettledRecord& record) {
  switch (field) {
    case Field::type: return line.add_plain(letter_of(record));
    case Field::time:
    case Field::time_logged: return add_time(line, record.settled, logged_);
    case Field::time_queued: return add_time(line, record.received, queued_);
    case Field::orig: return line.add(record.reverse_path);
    case Field::rcpt: return line.add(record.recipient);
    case Field::orcpt: return line.add(record.original_recipient);
    case Field::dsn_action: return line.add_plain(action_of(record.kind));
    case Field::dsn_status: return add_status(line, record, true);
    case Field::dsn_status_code: return add_status(line, record, false);
    case Field::dsn_diag: return add_diagnostic(line, record);
    case Field::dsn_mta: return add_host(line, record.host, record.remote.ip);
    case Field::src_type: return line.add_plain(record.origin.valid() ? "smtp" : "local");
    case Field::src_mta: return add_host(line, record.helo, record.origin);
    case Field::dlv_type: return line.add_plain(name_of(record.way));
    case Field::dlv_source_ip: return add_address(line, record.local);
    case Field::dlv_destination_ip: return add_address(line, record.remote.ip);
    case Field::dlv_esmtp_available: return add_offered(line, record.offered);
    case Field::dlv_tls_protocol: return line.add(record.tls_protocol);
    case Field::dlv_tls_cipher: return line.add(record.tls_cipher);
    case Field::size:
    case Field::dlv_size: return line.add_number(record.size_bytes);
    case Field::vmta: return line.add(record.vmta);
    case Field::job_id: return line.add(record.job);
    case Field::env_id: return line.add(record.envelope_id);
    case Field::queue: return add_queue(line, record);
    case Field::vmta_pool: return line.add(record.submitted);
    case Field::domain: return add_domain(line, record);
    case Field::msg_id: {
      char text[MessageId::kTextSize];
      record.id.write_text(text);
      return line.add_plain({text, sizeof text});
    }
    case Field::attempts: return line.add_number(record.attempts);
    case Field::ambiguous: return line.add_number(record.ambiguous ? 1 : 0);
    case Field::log_id: return line.add_number(record.log);
    case Field::seq: return line.add_number(record.sequence);
    case Field::rcv_smtp_user: return line.add(record.user);
    case Field::total_seconds_queued: {
      const std::int64_t seconds = (record.settled - record.received).whole_seconds();
      return line.add_number(seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds));
    }
    case Field::phase: return line.add(ringpost::name_of(record.phase));
    case Field::status:
      return line.add(record.type == RecordType::received ? "received"
                                                          : ringpost::name_of(record.kind));
    case Field::time_first_attempt:
      return record.first_attempt.us > 0 ? add_time(line, record.first_attempt, first_)
                                         : line.add({});
    case Field::rcv_source_ip: return add_address(line, record.origin);
    case Field::rcv_destination_ip: return add_address(line, record.received_at);
    case Field::bounce_cat:
    case Field::user_string:
    case Field::header: return line.add({});  // written by the caller
  }
}

}  // namespace ringpost::account
