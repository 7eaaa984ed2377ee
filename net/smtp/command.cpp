#include "net/smtp/command.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"
#include "core/mail/return_path.h"

namespace ringpost::smtp {
namespace {

constexpr std::size_t kEnvidBytesMax = 100;
constexpr std::size_t kOrcptBytesMax = 500;

struct VerbName {
  std::string_view name;
  Verb verb;
};

// Ordered by how often a busy injector sends them.
constexpr std::array<VerbName, 30> kVerbs = {{
    {"RCPT", Verb::rcpt},          {"MAIL", Verb::mail},
    {"DATA", Verb::data},          {"BDAT", Verb::bdat},
    {"RSET", Verb::rset},          {"QUIT", Verb::quit},
    {"EHLO", Verb::ehlo},          {"NOOP", Verb::noop},
    {"HELO", Verb::helo},          {"STARTTLS", Verb::starttls},
    {"AUTH", Verb::auth},          {"VRFY", Verb::vrfy},
    {"EXPN", Verb::expn},          {"HELP", Verb::help},
    {"TURN", Verb::unimplemented}, {"SEND", Verb::unimplemented},
    {"SOML", Verb::unimplemented}, {"SAML", Verb::unimplemented},
    {"ETRN", Verb::unimplemented}, {"ATRN", Verb::unimplemented},
    {"BURL", Verb::unimplemented}, {"VERB", Verb::unimplemented},
    {"ONEX", Verb::unimplemented}, {"GET", Verb::web},
    {"POST", Verb::web},           {"PUT", Verb::web},
    {"HEAD", Verb::web},           {"CONNECT", Verb::web},
    {"OPTIONS", Verb::web},        {"PATCH", Verb::web},
}};

// One esmtp-param: keyword and value (RFC 5321 section 4.1.2).
struct Parameter {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

Parameter next_parameter(std::string_view& rest) {
  const auto end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest = trimmed(rest.substr(end));
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) {
    return {word, {}, false};
  }
  return {word.substr(0, equals), word.substr(equals + 1), true};
}

// Enhanced status of a bad address: 5.1.7 for the sender's, 5.1.3 for a recipient's (RFC 3463).
// The replies are one constant per fault and side so that nothing is formatted here.
template <bool Sender>
const ServerReply* path_reply(PathFault fault) {
  static constexpr std::string_view kStatus = Sender ? "5.1.7" : "5.1.3";
  static const std::array<ServerReply, 11> table = [] {
    std::array<ServerReply, 11> replies_by_fault{};
    for (std::size_t i = 0; i < replies_by_fault.size(); ++i) {
      replies_by_fault[i] = {501, kStatus, text_of(static_cast<PathFault>(i))};
    }
    return replies_by_fault;
  }();
  if (fault == PathFault::null_path) {
    return &replies::kNullRecipient;
  }
  return &table[static_cast<std::size_t>(fault)];
}

// Strips `prefix` and blanks after it. Blanks are not in the grammar but common in scripts.
bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!starts_ignoring_case(text, prefix)) {
    return false;
  }
  text = trimmed(text.substr(prefix.size()));
  return true;
}

// Splits the path from the parameters; nullptr or a reply.
template <bool Sender>
const ServerReply* take_path(std::string_view& rest, Mailbox& mailbox) {
  const ParsedPath parsed = parse_path(rest, Sender);
  if (parsed.fault != PathFault::none) {
    return path_reply<Sender>(parsed.fault);
  }
  mailbox = parsed.mailbox;
  rest.remove_prefix(parsed.used);
  if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t') {
    return Sender ? &replies::kMailSyntax : &replies::kRcptSyntax;
  }
  rest = trimmed(rest);
  return nullptr;
}

// Marks a parameter as seen; false if it was before.
bool first_time(unsigned& seen, unsigned bit) {
  const bool first = (seen & bit) == 0;
  seen |= bit;
  return first;
}

enum MailParameterBit : unsigned {
  kSizeBit = 1,
  kBodyBit = 2,
  kUtf8Bit = 4,
  kRetBit = 8,
  kEnvidBit = 16,
  kAuthBit = 32,
  kVerpBit = 64
};

const ServerReply* set_body(std::string_view value, MailArguments& out) {
  if (equals_ignoring_case(value, "7BIT")) {
    out.body = BodyType::seven_bit;
  } else if (equals_ignoring_case(value, "8BITMIME")) {
    out.body = BodyType::eight_bit_mime;
  } else {
    return &replies::kBadBody;
  }
  return nullptr;
}

const ServerReply* set_ret(std::string_view value, MailArguments& out) {
  if (equals_ignoring_case(value, "FULL")) {
    out.ret = DsnReturn::full;
  } else if (equals_ignoring_case(value, "HDRS")) {
    out.ret = DsnReturn::headers;
  } else {
    return &replies::kBadRet;
  }
  return nullptr;
}

const ServerReply* set_verp(const Parameter& p, MailArguments& out) {
  out.verp = {'-', '='};
  if (p.has_value) {
    if (p.value.size() != 2 || !is_verp_delimiter(p.value[0]) || !is_verp_delimiter(p.value[1])) {
      return &replies::kBadVerp;
    }
    out.verp = {p.value[0], p.value[1]};
  }
  return nullptr;
}

const ServerReply* set_mail_parameter(const Parameter& p, const CommandFeatures& features,
                                      unsigned& seen, MailArguments& out) {
  if (features.size && equals_ignoring_case(p.name, "SIZE")) {
    if (!first_time(seen, kSizeBit)) {
      return &replies::kParameterTwice;
    }
    return parse_decimal(p.value, out.declared_bytes) ? nullptr : &replies::kBadSize;
  }
  if (features.eight_bit_mime && equals_ignoring_case(p.name, "BODY")) {
    return first_time(seen, kBodyBit) ? set_body(p.value, out) : &replies::kParameterTwice;
  }
  if (features.smtputf8 && equals_ignoring_case(p.name, "SMTPUTF8")) {
    if (!first_time(seen, kUtf8Bit)) {
      return &replies::kParameterTwice;
    }
    out.smtputf8 = true;
    return p.has_value ? &replies::kBadSmtputf8 : nullptr;
  }
  if (features.dsn && equals_ignoring_case(p.name, "RET")) {
    return first_time(seen, kRetBit) ? set_ret(p.value, out) : &replies::kParameterTwice;
  }
  if (features.dsn && equals_ignoring_case(p.name, "ENVID")) {
    if (!first_time(seen, kEnvidBit)) {
      return &replies::kParameterTwice;
    }
    out.envid = p.value;
    const bool good = !p.value.empty() && p.value.size() <= kEnvidBytesMax && is_xtext(p.value);
    return good ? nullptr : &replies::kBadEnvid;
  }
  if (features.verp &&
      (equals_ignoring_case(p.name, "VERP") || equals_ignoring_case(p.name, "XVERP"))) {
    return first_time(seen, kVerpBit) ? set_verp(p, out) : &replies::kParameterTwice;
  }
  if (features.auth && equals_ignoring_case(p.name, "AUTH")) {
    if (!first_time(seen, kAuthBit)) {
      return &replies::kParameterTwice;
    }
    const bool good = p.value == "<>" || (!p.value.empty() && is_xtext(p.value));
    return good ? nullptr : &replies::kBadAuthParameter;
  }
  return &replies::kUnknownParameter;
}

bool parse_notify(std::string_view value, std::uint8_t& out) {
  if (equals_ignoring_case(value, "NEVER")) {
    out = notify::kNever;
    return true;
  }
  while (true) {
    const auto comma = value.find(',');
    const auto word = value.substr(0, comma);
    std::uint8_t bit = 0;
    if (equals_ignoring_case(word, "SUCCESS")) {
      bit = notify::kSuccess;
    } else if (equals_ignoring_case(word, "FAILURE")) {
      bit = notify::kFailure;
    } else if (equals_ignoring_case(word, "DELAY")) {
      bit = notify::kDelay;
    }
    if (bit == 0 || (out & bit) != 0) {
      return false;
    }
    out = static_cast<std::uint8_t>(out | bit);
    if (comma == std::string_view::npos) {
      return true;
    }
    value.remove_prefix(comma + 1);
  }
}

// `type;xtext`; with SMTPUTF8 the address may be UTF-8 itself (RFC 6533 section 3).
bool is_orcpt(std::string_view value, bool smtputf8) {
  const auto semicolon = value.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0 || value.size() > kOrcptBytesMax) {
    return false;
  }
  const std::string_view type = value.substr(0, semicolon);
  const std::string_view address = value.substr(semicolon + 1);
  if (address.empty() || !is_xtext(type)) {
    return false;
  }
  if (smtputf8 && !is_ascii(address)) {
    return is_utf8(address) && address.find('=') == std::string_view::npos;
  }
  return is_xtext(address);
}

const ServerReply* set_rcpt_parameter(const Parameter& p, bool smtputf8, unsigned& seen,
                                      RcptArguments& out) {
  if (equals_ignoring_case(p.name, "NOTIFY")) {
    if (!first_time(seen, 1)) {
      return &replies::kParameterTwice;
    }
    return parse_notify(p.value, out.notify) ? nullptr : &replies::kBadNotify;
  }
  if (equals_ignoring_case(p.name, "ORCPT")) {
    if (!first_time(seen, 2)) {
      return &replies::kParameterTwice;
    }
    out.orcpt = p.value;
    return is_orcpt(p.value, smtputf8) ? nullptr : &replies::kBadOrcpt;
  }
  return &replies::kUnknownParameter;
}

}  // namespace

Command parse_command(std::string_view line) noexcept {
  const auto blank = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, blank);
  for (const VerbName& known : kVerbs) {
    if (equals_ignoring_case(word, known.name)) {
      return {known.verb, trimmed(line.substr(blank))};
    }
  }
  return {Verb::unknown, {}};
}

const ServerReply* parse_mail(std::string_view argument, const CommandFeatures& features,
                              MailArguments& out) noexcept {
  out = {};
  if (!take_prefix(argument, "FROM:")) {
    return &replies::kMailSyntax;
  }
  if (const ServerReply* bad = take_path<true>(argument, out.path)) {
    return bad;
  }
  unsigned seen = 0;
  while (!argument.empty()) {
    const Parameter parameter = next_parameter(argument);
    if (const ServerReply* bad = set_mail_parameter(parameter, features, seen, out)) {
      return bad;
    }
  }
  return out.path.non_ascii && !out.smtputf8 ? &replies::kNeedsUtf8 : nullptr;
}

const ServerReply* parse_rcpt(std::string_view argument, const CommandFeatures& features,
                              bool smtputf8, RcptArguments& out) noexcept {
  out = {};
  if (!take_prefix(argument, "TO:")) {
    return &replies::kRcptSyntax;
  }
  if (const ServerReply* bad = take_path<false>(argument, out.path)) {
    return bad;
  }
  unsigned seen = 0;
  while (!argument.empty()) {
    const Parameter parameter = next_parameter(argument);
    if (!features.dsn) {
      return &replies::kUnknownParameter;
    }
    if (const ServerReply* bad = set_rcpt_parameter(parameter, smtputf8, seen, out)) {
      return bad;
    }
  }
  return out.path.non_ascii && !smtputf8 ? &replies::kNeedsUtf8 : nullptr;
}

const ServerReply* parse_bdat(std::string_view argument, BdatArguments& out) noexcept {
  out = {};
  const auto blank = std::min(argument.find_first_of(" \t"), argument.size());
  if (!parse_decimal(argument.substr(0, blank), out.octets)) {
    return &replies::kBdatSyntax;
  }
  const std::string_view rest = trimmed(argument.substr(blank));
  out.last = equals_ignoring_case(rest, "LAST");
  return rest.empty() || out.last ? nullptr : &replies::kBdatSyntax;
}

}  // namespace ringpost::smtp
