#include "net/ingest/edits.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mail_date.h"
#include "core/base/text.h"
#include "net/smtp/mailbox.h"

namespace ringpost::ingest {
namespace {

using smtp::ContentSummary;
using smtp::FieldMark;
using smtp::KnownField;
using smtp::ServerReply;

constexpr ServerReply kValueCut{550, "5.6.0", "A control field of the header is too long"};
constexpr ServerReply kUnknownVmta{550, "5.7.1", "The header names a virtual MTA unknown here"};
constexpr ServerReply kForbiddenVmta{550, "5.7.1",
                                     "The header names a virtual MTA you may not use"};
constexpr ServerReply kBadEnvid{550, "5.6.0", "The envelope id in the header is too long"};
constexpr ServerReply kJobTooLong{550, "5.6.0", "The job in the header is too long"};
constexpr ServerReply kTooScattered{554, "5.6.0", "Too many header fields that must be removed"};

constexpr std::size_t kEnvidBytesMax = 100;
constexpr std::string_view kVmtaField = "X-Virtual-MTA";

// What the client called itself goes into a comment-like place of a header field: only octets of
// names and address literals pass.
void add_helo(TextBuilder& out, std::string_view helo) {
  static constexpr std::string_view kPlain = ".-_[]:";
  for (const char c : helo) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    out.add(plain ? c : '?');
  }
}

// [192.0.2.1] or [IPv6:2001:db8::1], RFC 5321 section 4.1.3. Written without allocation.
void add_address(TextBuilder& out, const IpAddress& address) {
  out.add('[');
  if (address.is_v4()) {
    for (std::size_t i = 0; i < 4; ++i) {
      out.add(i == 0 ? "" : ".").add_number(address.octets[i]);
    }
  } else {
    out.add("IPv6");
    for (std::size_t i = 0; i < 16; i += 2) {
      const unsigned group = address.octets[i] * 256U + address.octets[i + 1];
      const int digits = group > 0xfff ? 4 : group > 0xff ? 3 : group > 0xf ? 2 : 1;
      out.add(':').add_hex(group, digits);
    }
  }
  out.add(']');
}

void add_received(TextBuilder& out, const SourcePolicy& policy, const TraceFacts& facts) {
  out.add("Received: ");
  if (!policy.hide_source) {
    out.add("from ");
    add_helo(out, facts.helo);
    out.add(" (");
    add_address(out, facts.origin);
    out.add(")\r\n\t");
  }
  const std::string_view protocol = facts.smtputf8 ? "UTF8SMTP" : facts.extended ? "ESMTP" : "SMTP";
  out.add("by ").add(facts.hostname).add(" (Ringpost) with ").add(protocol);
  if (facts.extended || facts.smtputf8) {
    out.add(facts.secured ? "S" : "").add(facts.authenticated ? "A" : "");  // RFC 3848
  }
  if (!facts.sole_recipient.empty()) {
    out.add("\r\n\tfor <").add(facts.sole_recipient).add('>');
  }
  out.add(";\r\n\t");
  write_mail_date(facts.when, out);
  out.add("\r\n");
}

// xtext of RFC 3461 section 4. False: it does not fit.
bool write_xtext(std::string_view text, TextBuilder& out) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > ' ' && octet < 127 && c != '+' && c != '=') {
      out.add(c);
    } else {
      out.add('+').add(kHex[octet >> 4]).add(kHex[octet & 15]);
    }
  }
  return !out.truncated() && out.size() <= kEnvidBytesMax;
}

bool is_removed(const FieldMark& mark, const SourcePolicy& policy) {
  switch (mark.field) {
    case KnownField::received: return policy.remove_received;
    case KnownField::date: return policy.date == DateField::replace;
    case KnownField::control:
      return mark.control < policy.fields.size() && policy.fields[mark.control].remove;
    default: return false;
  }
}

// A field that names a virtual MTA and stays in the message.
bool shows_vmta(const ContentSummary& content, const SourcePolicy& policy) {
  return std::any_of(content.fields.begin(), content.fields.end(), [&](const FieldMark& mark) {
    return mark.field == KnownField::control && mark.control < policy.fields.size() &&
           !policy.fields[mark.control].remove &&
           equals_ignoring_case(policy.fields[mark.control].name, kVmtaField);
  });
}

}  // namespace

const ServerReply* EditPlan::make(const ContentSummary& content, const SourcePolicy& policy,
                                  const IngestConfig& config, const TraceFacts& facts) {
  kept_.clear();
  vmta_ = job_ = envid_ = dkim_options_ = {};
  if (const ServerReply* refusal = obey(content, policy, config)) {
    return refusal;
  }
  if (!prefix_job(policy.job_prefix, facts.user)) {
    return &kJobTooLong;
  }
  return keep_ranges(content, policy) ? nullptr : &kTooScattered;
}

HeaderEdits EditPlan::edits() const {
  return {{prefix_.data(), prefix_bytes_}, {kept_.data(), kept_.size()}};
}

// Where a field is repeated, its first value counts.
const ServerReply* EditPlan::obey(const ContentSummary& content, const SourcePolicy& policy,
                                  const IngestConfig& config) {
  bool chosen = false;
  bool strong_job = false;
  for (const FieldMark& mark : content.fields) {
    if (mark.field != KnownField::control || mark.control >= policy.fields.size()) {
      continue;
    }
    const FieldCommand command = policy.fields[mark.control].command;
    const std::string_view value = content.value_of(mark);
    if (command != FieldCommand::none && mark.value_cut) {
      return &kValueCut;
    }
    if (command == FieldCommand::vmta && !chosen && !value.empty()) {
      chosen = true;
      if (const ServerReply* refusal = choose_vmta(value, policy, config)) {
        return refusal;
      }
    } else if (command == FieldCommand::job && !strong_job) {
      job_ = value;
      strong_job = true;
    } else if (command == FieldCommand::weak_job && job_.empty()) {
      job_ = value;
    } else if (command == FieldCommand::dkim && dkim_options_.empty()) {
      dkim_options_ = value;
    } else if (command == FieldCommand::envid && envid_.empty() && !value.empty()) {
      TextBuilder out(envid_text_);
      if (!write_xtext(value, out)) {
        return &kBadEnvid;
      }
      envid_ = out.view();
    }
  }
  return nullptr;
}

const ServerReply* EditPlan::choose_vmta(std::string_view name, const SourcePolicy& policy,
                                         const IngestConfig& config) {
  if (!config.has_vmta(name)) {
    vmta_ = config.fallback_vmta;
    return vmta_.empty() && policy.refuse_unknown_vmta ? &kUnknownVmta : nullptr;
  }
  const auto& allowed = policy.allowed_vmtas;
  const auto is_name = [name](std::string_view one) { return equals_ignoring_case(one, name); };
  if (!allowed.empty() && std::none_of(allowed.begin(), allowed.end(), is_name)) {
    return &kForbiddenVmta;
  }
  vmta_ = name;
  return nullptr;
}

// The content less the removed fields. False: more pieces than a message may have.
bool EditPlan::keep_ranges(const ContentSummary& content, const SourcePolicy& policy) {
  std::uint32_t begin = 0;
  for (const FieldMark& mark : content.fields) {
    if (!is_removed(mark, policy)) {
      continue;
    }
    if (mark.range.begin > begin) {
      if (kept_.size() + 1 == kKeptRangesMax) {
        return false;
      }
      kept_.push_back({begin, mark.range.begin});
    }
    begin = mark.range.end;
  }
  kept_.push_back({begin, content.info.wire_bytes});
  return true;
}

// Jobs of different users stay apart although their clients number them alike.
bool EditPlan::prefix_job(std::string_view prefix, std::string_view user) {
  if (job_.empty() || prefix.empty()) {
    return true;
  }
  constexpr std::string_view kUser = "{auth}";
  TextBuilder out(job_text_);
  for (auto at = prefix.find(kUser); at != std::string_view::npos; at = prefix.find(kUser)) {
    out.add(prefix.substr(0, at)).add(user);
    prefix.remove_prefix(at + kUser.size());
  }
  out.add(prefix).add(job_);
  job_ = out.view();
  return !out.truncated();
}

void EditPlan::write_prefix(const ContentSummary& content, const SourcePolicy& policy,
                            const TraceFacts& facts, std::string_view vmta) {
  TextBuilder out(prefix_);
  if (policy.add_received) {
    add_received(out, policy, facts);
  }
  if (policy.add_message_id && !content.has(KnownField::message_id)) {
    char token[MessageId::kTextSize];
    facts.token.write_text(token);
    out.add("Message-ID: <").add({token, sizeof token});
    if (facts.host_id != 0) {
      out.add('.').add_number(facts.host_id);
    }
    out.add('@').add(facts.hostname).add(">\r\n");
  }
  const bool dated = content.has(KnownField::date);
  const bool dates =
      policy.date == DateField::replace || (policy.date == DateField::add_if_missing && !dated);
  dated_late_ = dates && policy.date_when_sent;
  if (dates) {
    out.add("Date: ");
    write_mail_date(facts.when, out);
    out.add("\r\n");
  }
  if (policy.add_vmta_field && !shows_vmta(content, policy)) {
    out.add(kVmtaField).add(": ").add(vmta).add("\r\n");
  }
  // Content that begins with text instead of a field has no header section: ours needs its end.
  const bool bare_text = content.info.header_bytes == 0 && content.info.size > 0;
  if (bare_text && out.size() > 0) {
    out.add("\r\n");
  }
  RP_ASSERT_NOTE(!out.truncated(), "the prefix has room for the longest names allowed");
  prefix_bytes_ = out.size();
}

}  // namespace ringpost::ingest
