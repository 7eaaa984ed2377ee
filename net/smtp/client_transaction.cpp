#include "net/smtp/client_transaction.h"

#include "core/base/text.h"
#include "core/mail/return_path.h"

namespace ringpost::smtp {

namespace {

bool is_sound(std::string_view address) noexcept {
  if (address.size() > kClientAddressMax) {
    return false;
  }
  bool quoted = false;
  bool breaks = false;
  for (const char c : address) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      return false;
    }
    quoted = quoted || c == '"';
    breaks = breaks || c == '<' || c == '>' || c == ' ';
  }
  // Brackets and spaces live inside a quoted local part only (RFC 5321 section 4.1.2).
  return quoted || !breaks;
}

bool is_dsn_value(std::string_view value) noexcept {
  if (value.empty() || value.size() > kClientDsnValueMax) {
    return false;
  }
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= 0x20 || octet == 0x7f) {
      return false;
    }
  }
  return true;
}

void add_notify(TextBuilder& out, std::uint8_t bits) noexcept {
  if (bits == notify::kUnspecified) {
    return;
  }
  out.add(" NOTIFY=");
  if ((bits & notify::kNever) != 0) {
    out.add("NEVER");
    return;
  }
  struct Name {
    std::uint8_t bit;
    std::string_view text;
  };
  constexpr Name kNames[] = {
      {notify::kSuccess, "SUCCESS"}, {notify::kFailure, "FAILURE"}, {notify::kDelay, "DELAY"}};
  bool first = true;
  for (const Name& name : kNames) {
    if ((bits & name.bit) != 0) {
      out.add(first ? "" : ",").add(name.text);
      first = false;
    }
  }
}

}  // namespace

bool addresses_are_sound(const ClientTransaction& transaction) noexcept {
  if (!is_sound(transaction.envelope->reverse_path)) {
    return false;
  }
  for (std::size_t k = 0; k < transaction.recipients.size(); ++k) {
    const std::string_view address = transaction.recipient(k).address;
    if (address.empty() || !is_sound(address)) {
      return false;
    }
  }
  return true;
}

std::size_t write_mail(std::span<char> room, const ClientTransaction& transaction,
                       const Capabilities& capabilities) noexcept {
  const Envelope& envelope = *transaction.envelope;
  TextBuilder out(room);
  out.add("MAIL FROM:<");
  // With a return path for each recipient there is but one of them in a transaction.
  write_return_path(envelope, transaction.recipient(0).address, out);
  out.add('>');
  if (capabilities.size) {
    out.add(" SIZE=").add_number(transaction.size);
  }
  if (capabilities.eight_bit_mime && transaction.eight_bit) {
    out.add(" BODY=8BITMIME");
  }
  if (capabilities.smtputf8 && (envelope.smtputf8 || transaction.needs_smtputf8)) {
    out.add(" SMTPUTF8");
  }
  if (capabilities.dsn) {
    if (envelope.dsn_return != DsnReturn::unspecified) {
      out.add(envelope.dsn_return == DsnReturn::full ? " RET=FULL" : " RET=HDRS");
    }
    if (is_dsn_value(envelope.envelope_id)) {
      out.add(" ENVID=").add(envelope.envelope_id);
    }
  }
  out.add("\r\n");
  RP_ASSERT(!out.truncated());
  return out.size();
}

std::size_t write_last_chunk(std::span<char> room, const ClientTransaction& transaction) noexcept {
  RP_ASSERT(transaction.body_bytes >= kFinalDotBytes);
  TextBuilder out(room);
  out.add("BDAT ").add_number(transaction.body_bytes - kFinalDotBytes).add(" LAST\r\n");
  RP_ASSERT(!out.truncated());
  return out.size();
}

std::size_t write_rcpt(std::span<char> room, const ClientTransaction& transaction, std::size_t k,
                       const Capabilities& capabilities) noexcept {
  const Recipient& recipient = transaction.recipient(k);
  TextBuilder out(room);
  out.add("RCPT TO:<").add(recipient.address).add('>');
  if (capabilities.dsn) {
    add_notify(out, recipient.notify);
    if (is_dsn_value(recipient.original)) {
      out.add(" ORCPT=").add(recipient.original);
    }
  }
  out.add("\r\n");
  RP_ASSERT(!out.truncated());
  return out.size();
}

}  // namespace ringpost::smtp
