#include "net/sign/signing_input.h"

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/text.h"

namespace ringpost::sign {
namespace {

constexpr std::size_t kColumns = 78;
constexpr std::size_t kDomainBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;

// Writes a tag list (RFC 6376 section 3.2), folding it before tags and where a value allows it.
class FoldedText {
 public:
  FoldedText(std::string& out, std::size_t column) : out_(out), column_(column) {}

  void begin(std::string_view text) { append(text); }
  // A further item of a list divided by colons.
  void item(std::string_view text) {
    append(":");
    if (column_ + text.size() + 1 > kColumns) {
      fold();
    }
    append(text);
  }
  // "name=value", with what ends the tag before it.
  void tag(std::string_view name, std::string_view value) {
    if (column_ + 2 + name.size() + 1 + value.size() + 1 > kColumns) {
      append(";");
      fold();
    } else {
      append("; ");
    }
    append(name);
    append("=");
    append(value);
  }
  // Text that may be cut anywhere (base64).
  void text(std::string_view text) {
    while (!text.empty()) {
      const std::size_t room = column_ < kColumns ? kColumns - column_ : 0;
      const std::string_view head = text.substr(0, room);
      append(head);
      text.remove_prefix(head.size());
      if (!text.empty()) {
        fold();
      }
    }
  }
  std::size_t column() const { return column_; }

 private:
  void fold() {
    out_.append("\r\n ");
    column_ = 1;
  }
  void append(std::string_view text) {
    out_.append(text);
    column_ += text.size();
  }

  std::string& out_;
  std::size_t column_ = 0;
};

// The local part as dkim-quoted-printable (RFC 6376 section 2.11).
std::string quoted_identity(std::string_view identity) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  const auto at = identity.rfind('@');
  std::string out;
  for (const char c : identity.substr(0, at)) {
    if (c > ' ' && c < 127 && c != ';' && c != '=') {
      out.push_back(c);
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out.push_back('=');
    out.push_back(kHex[octet >> 4]);
    out.push_back(kHex[octet & 15]);
  }
  out.append(identity.substr(at));
  return out;
}

Status check_facts(const SignatureOptions& options, const SignatureFacts& facts,
                   const HeaderSection& header) {
  const auto is_odd = [](char c) { return c <= ' ' || c >= 127 || c == ';' || c == '='; };
  if (std::any_of(options.query_method.begin(), options.query_method.end(), is_odd)) {
    return Error::of(ErrorCode::invalid, "query method \"" + options.query_method + "\" is none");
  }
  if (!is_signing_name(facts.domain)) {
    return Error::of(ErrorCode::invalid,
                     "signing domain \"" + std::string(facts.domain) + "\" is no domain name");
  }
  if (!is_signing_name(facts.selector)) {
    return Error::of(ErrorCode::invalid,
                     "selector \"" + std::string(facts.selector) + "\" is no name");
  }
  if (!facts.identity.empty()) {
    const auto at = facts.identity.rfind('@');
    if (at == std::string_view::npos || !is_signing_name(facts.identity.substr(at + 1)) ||
        !is_within(facts.identity.substr(at + 1), facts.domain)) {
      return Error::of(ErrorCode::invalid, "identity \"" + std::string(facts.identity) +
                                               "\" does not belong to " +
                                               std::string(facts.domain));
    }
  }
  if (header.find("From") == nullptr) {
    return Error::of(ErrorCode::invalid, "the message has no From field");
  }
  return {};
}

}  // namespace

bool is_signing_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kDomainBytesMax) {
    return false;
  }
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.' && label > 0) {
      label = 0;
      continue;
    }
    const char low = ascii_lower(c);
    const bool good = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!good || ++label > kLabelBytesMax) {
      return false;
    }
  }
  return label > 0;
}

bool is_within(std::string_view domain, std::string_view parent) noexcept {
  if (domain.size() <= parent.size()) {
    return equals_ignoring_case(domain, parent);
  }
  const std::size_t begin = domain.size() - parent.size();
  return domain[begin - 1] == '.' && equals_ignoring_case(domain.substr(begin), parent);
}

// RFC 6376 section 3.5. b= comes last, so that what is signed is a prefix of the field.
void SigningInput::write_tags(const SignatureOptions& options, const SignatureFacts& facts) {
  field_.clear();
  FoldedText out(field_, 0);
  out.begin("DKIM-Signature: v=1");
  out.tag("a", name_of(facts.algorithm));
  out.tag("c", std::string(name_of(options.header)).append("/").append(name_of(options.body)));
  out.tag("d", to_lower(facts.domain));
  out.tag("s", facts.selector);
  if (!options.query_method.empty()) {
    out.tag("q", options.query_method);
  }
  if (!facts.identity.empty()) {
    out.tag("i", quoted_identity(facts.identity));
  }
  const std::int64_t now = facts.now.unix_seconds();
  const bool expires = !options.expire_after.is_forever() && options.expire_after.ns > 0;
  expires_ = expires ? now + std::max<std::int64_t>(options.expire_after.whole_seconds(), 1) : 0;
  if (options.timestamp || expires) {
    out.tag("t", std::to_string(now));
  }
  if (expires) {
    out.tag("x", std::to_string(expires_));
  }
  if (options.body_length) {
    out.tag("l", std::to_string(facts.body.canonical_bytes));
  }
  out.tag("h", signed_.front().name);
  for (std::size_t i = 1; i < signed_.size(); ++i) {
    out.item(signed_[i].name);
  }
  const Digest& body = facts.body.digest;
  out.tag("bh", to_base64({reinterpret_cast<const char*>(body.data()), body.size()}));
  out.tag("b", "");
  column_ = out.column();
}

Status SigningInput::make(const SignatureOptions& options, const SignatureFacts& facts,
                          const HeaderSection& header) {
  if (Status status = check_facts(options, facts, header); !status.ok()) {
    return status;
  }
  options.headers.select(header, signed_);
  write_tags(options, facts);
  canonical_.clear();
  for (const SignedField& one : signed_) {
    if (one.field != nullptr) {
      append_canonical(*one.field, options.header, canonical_);
    }
  }
  HeaderField own;
  own.text = field_;
  own.colon = field_.find(':');
  own.name = own.text.substr(0, own.colon);
  append_canonical(own, options.header, canonical_);
  if (options.header == Canon::relaxed) {
    canonical_.resize(canonical_.size() - 2);  // the signature field goes without its CRLF
  }
  digest_ = Sha256::of(canonical_);
  return {};
}

std::string SigningInput::field(std::string_view signature) const {
  std::string out = field_;
  FoldedText(out, column_).text(to_base64(signature));
  out.append("\r\n");
  return out;
}

}  // namespace ringpost::sign
