#include "net/audit/spf.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/base/text.h"
#include "net/audit/reverse_name.h"

namespace ringpost::audit {
namespace {

constexpr unsigned kLookupsMax = 10;
constexpr unsigned kVoidsMax = 2;
constexpr std::size_t kNamesMax = 10;  ///< of one mx or ptr term
constexpr std::size_t kDepthMax = 12;  ///< of include and redirect; the lookups end it before

/// One word of a record.
struct Term {
  SpfResult qualifier = SpfResult::pass;
  std::string name;   ///< of a mechanism or modifier, lower case
  std::string value;  ///< behind ':' or '='
  int prefix4 = 32;
  int prefix6 = 128;
  bool modifier = false;
};

bool is_mechanism(std::string_view name) {
  static constexpr std::string_view kNames[] = {"all", "include", "a",   "mx",
                                                "ptr", "ip4",     "ip6", "exists"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

bool takes_prefix(std::string_view name) { return name == "a" || name == "mx"; }

/// "/24", "//64", "/24//64" at the end of `text`, which is cut off; false: malformed.
bool cut_prefixes(std::string& text, Term& term) {
  const auto number = [](std::string_view digits, int most, int& out) {
    return parse_decimal(digits, out) && out <= most && (digits.size() == 1 || digits[0] != '0');
  };
  const std::size_t twice = text.find("//");
  if (twice != text.npos) {
    if (!number(std::string_view(text).substr(twice + 2), 128, term.prefix6)) {
      return false;
    }
    text.resize(twice);
  }
  // A slash inside of braces belongs to a macro.
  const std::size_t once = text.find('/', text.rfind('}') == text.npos ? 0 : text.rfind('}'));
  if (once != text.npos) {
    if (!number(std::string_view(text).substr(once + 1), 32, term.prefix4)) {
      return false;
    }
    text.resize(once);
  }
  return true;
}

/// Empty: the word is no term (RFC 7208 section 4.6.1).
std::optional<Term> read_term(std::string_view word) {
  static constexpr std::pair<char, SpfResult> kQualifiers[] = {{'+', SpfResult::pass},
                                                               {'-', SpfResult::fail},
                                                               {'~', SpfResult::softfail},
                                                               {'?', SpfResult::neutral}};
  Term term;
  const std::size_t end = word.find_first_of(":=/");
  const bool equals = end != word.npos && word[end] == '=';
  if (equals) {
    term.modifier = true;
    term.name = to_lower(word.substr(0, end));
    term.value = word.substr(end + 1);
    return term.name.empty() ? std::nullopt : std::optional(term);
  }
  for (const auto& [sign, result] : kQualifiers) {
    if (!word.empty() && word[0] == sign) {
      term.qualifier = result;
      word.remove_prefix(1);
      break;
    }
  }
  const std::size_t stop = std::min(word.find_first_of(":/"), word.size());
  term.name = to_lower(word.substr(0, stop));
  if (!is_mechanism(term.name)) {
    return std::nullopt;
  }
  std::string rest(word.substr(stop));
  const bool address = term.name == "ip4" || term.name == "ip6";
  if (takes_prefix(term.name) && !cut_prefixes(rest, term)) {
    return std::nullopt;
  }
  const bool has_value = rest.size() > 1 && rest[0] == ':';
  const bool needs_value = address || term.name == "include" || term.name == "exists";
  if ((!rest.empty() && !has_value) || (needs_value && !has_value) ||
      (term.name == "all" && has_value)) {
    return std::nullopt;
  }
  term.value = has_value ? rest.substr(1) : "";
  if (address) {
    const auto network = IpNetwork::parse(term.value);
    return network && network->base.is_v4() == (term.name == "ip4") ? std::optional(term)
                                                                    : std::nullopt;
  }
  return term;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      words.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

bool is_record(std::string_view text) {
  return text.size() >= 6 && equals_ignoring_case(text.substr(0, 6), "v=spf1") &&
         (text.size() == 6 || text[6] == ' ');
}

/// Nibbles of IPv6, each a label; dotted numbers of IPv4 (section 7.3).
std::string dotted(const IpAddress& ip) {
  if (ip.is_v4()) {
    return ip.text();
  }
  std::string out;
  for (const unsigned octet : ip.octets) {
    for (const unsigned nibble : {octet >> 4U, octet & 15U}) {
      out += out.empty() ? "" : ".";
      out += "0123456789abcdef"[nibble];
    }
  }
  return out;
}

/// Parts between the delimiters, turned round and cut as the macro says, joined by dots.
std::string transformed(std::string_view text, std::string_view delimiters, bool reverse,
                        std::size_t keep) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = std::min(text.find_first_of(delimiters), text.size());
    parts.emplace_back(text.substr(0, end));
    if (end == text.size()) {
      break;
    }
    text.remove_prefix(end + 1);
  }
  if (reverse) {
    std::reverse(parts.begin(), parts.end());
  }
  const std::size_t begin = keep != 0 && keep < parts.size() ? parts.size() - keep : 0;
  std::string out;
  for (std::size_t i = begin; i < parts.size(); ++i) {
    out += (i == begin ? "" : ".") + parts[i];
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[octet >> 4];
      out += "0123456789ABCDEF"[octet & 15];
    }
  }
  return out;
}

bool is_within(std::string_view name, std::string_view domain) {
  return name.size() >= domain.size() &&
         equals_ignoring_case(name.substr(name.size() - domain.size()), domain) &&
         (name.size() == domain.size() || name[name.size() - domain.size() - 1] == '.');
}

/// One evaluation, includes and redirects of it included.
class Evaluation {
 public:
  Evaluation(Lookup& dns, const IpAddress& ip, std::string_view sender, std::string_view helo)
      : dns_(dns), ip_(ip), sender_(sender), helo_(helo) {}

  SpfResult check(const std::string& domain, std::size_t depth);
  std::string why;
  unsigned lookups = 0;

 private:
  enum class Match : std::uint8_t { yes, no, temperror, permerror };

  SpfResult end(SpfResult result, std::string words) {
    why = std::move(words);
    return result;
  }
  std::optional<std::vector<Term>> read(std::string_view record);
  SpfResult fetch(const std::string& domain, std::string& record);
  SpfResult redirected(const Term& term, const std::string& domain, std::size_t depth);
  Match match(const Term& term, const std::string& domain, std::size_t depth);
  Match match_include(const std::string& target, std::size_t depth);
  Match match_addresses(const std::string& name, const Term& term);
  Match match_mx(const std::string& name, const Term& term);
  Match match_ptr(const std::string& target);
  bool may_ask(const std::string& term);
  Answer ask(const std::string& name, RecordType type, bool counted = true);
  RecordType address_type() const { return ip_.is_v4() ? RecordType::a : RecordType::aaaa; }
  bool covers(const IpAddress& address, const Term& term) const;
  std::optional<std::string> expand(std::string_view text, const std::string& domain);
  std::optional<std::string> expand_macro(std::string_view body, const std::string& domain);
  std::optional<std::string> macro_value(char letter, const std::string& domain);

  Lookup& dns_;
  IpAddress ip_;
  std::string sender_;
  std::string helo_;
  unsigned voids_ = 0;
  bool too_much_ = false;
};

std::optional<std::vector<Term>> Evaluation::read(std::string_view record) {
  std::vector<Term> terms;
  int redirects = 0;
  for (const std::string& word : words_of(record.substr(6))) {
    auto term = read_term(word);
    redirects += term && term->modifier && term->name == "redirect" ? 1 : 0;
    if (!term || redirects > 1) {
      why = "'" + word + "' is no term of SPF, or one too many";
      return std::nullopt;
    }
    terms.push_back(std::move(*term));
  }
  return terms;
}

SpfResult Evaluation::fetch(const std::string& domain, std::string& record) {
  const Answer answer = dns_.look_up(domain, RecordType::txt);
  if (answer.failed()) {
    return end(SpfResult::temperror, domain + ": " + answer.failure);
  }
  std::size_t count = 0;
  for (const std::string& text : answer.texts) {
    if (is_record(text)) {
      ++count;
      record = text;
    }
  }
  if (count > 1) {
    return end(SpfResult::permerror,
               domain + " has " + std::to_string(count) + " SPF records and may have one");
  }
  return count == 1 ? SpfResult::pass : end(SpfResult::none, domain + " has no SPF record");
}

SpfResult Evaluation::check(const std::string& domain, std::size_t depth) {
  if (domain.empty() || domain.size() > 253 || domain.find('.') == domain.npos) {
    return end(SpfResult::none, "'" + domain + "' is no name in DNS");
  }
  std::string record;
  if (const SpfResult fetched = fetch(domain, record); fetched != SpfResult::pass) {
    return fetched;
  }
  const auto terms = read(record);
  if (!terms) {
    return end(SpfResult::permerror, domain + ": " + why);
  }
  const Term* redirect = nullptr;
  bool has_all = false;
  for (const Term& term : *terms) {
    has_all = has_all || (!term.modifier && term.name == "all");
    if (term.modifier) {
      redirect = term.name == "redirect" ? &term : redirect;
      continue;
    }
    switch (match(term, domain, depth)) {
      case Match::no: break;
      case Match::temperror: return SpfResult::temperror;
      case Match::permerror: return SpfResult::permerror;
      case Match::yes:
        return end(term.qualifier,
                   term.name + (term.value.empty() ? "" : ":" + term.value) + " of " + domain);
    }
  }
  if (redirect != nullptr && !has_all) {
    return redirected(*redirect, domain, depth);
  }
  return end(SpfResult::neutral, "nothing in the record of " + domain + " speaks of the address");
}

SpfResult Evaluation::redirected(const Term& term, const std::string& domain, std::size_t depth) {
  const auto target = expand(term.value, domain);
  if (!target || depth >= kDepthMax || !may_ask("redirect")) {
    return end(SpfResult::permerror, why.empty() ? "redirect leads nowhere" : why);
  }
  const SpfResult result = check(*target, depth + 1);
  return result == SpfResult::none
             ? end(SpfResult::permerror, "redirect: " + *target + " has no SPF record")
             : result;
}

bool Evaluation::may_ask(const std::string& term) {
  if (++lookups > kLookupsMax) {
    why = "more than 10 terms that ask DNS, the last '" + term + "'";
    return false;
  }
  return true;
}

Answer Evaluation::ask(const std::string& name, RecordType type, bool counted) {
  Answer answer = dns_.look_up(name, type);
  if (counted && answer.is_void() && ++voids_ > kVoidsMax) {
    too_much_ = true;
    why = "more than 2 look-ups of names without records, the last " + name;
  } else if (answer.failed()) {
    why = name + ": " + answer.failure;
  }
  return answer;
}

Evaluation::Match Evaluation::match(const Term& term, const std::string& domain,
                                    std::size_t depth) {
  if (term.name == "all") {
    return Match::yes;
  }
  if (term.name == "ip4" || term.name == "ip6") {
    return IpNetwork::parse(term.value)->contains(ip_) ? Match::yes : Match::no;
  }
  const auto target = term.value.empty() ? std::optional(domain) : expand(term.value, domain);
  if (!target) {
    why = "'" + term.value + "' of " + domain + " has a macro that is none";
    return Match::permerror;
  }
  if (!may_ask(term.name + ":" + term.value)) {
    return Match::permerror;
  }
  Match result = Match::no;
  if (term.name == "include") {
    return match_include(*target, depth);
  }
  if (term.name == "a") {
    result = match_addresses(*target, term);
  } else if (term.name == "mx") {
    result = match_mx(*target, term);
  } else if (term.name == "ptr") {
    return match_ptr(*target);
  } else {
    const Answer answer = ask(*target, RecordType::a);
    result = answer.failed() ? Match::temperror : answer.found() ? Match::yes : Match::no;
  }
  return too_much_ ? Match::permerror : result;
}

Evaluation::Match Evaluation::match_include(const std::string& target, std::size_t depth) {
  if (depth >= kDepthMax) {
    why = "includes go too deep at " + target;
    return Match::permerror;
  }
  switch (check(target, depth + 1)) {
    case SpfResult::pass: return Match::yes;
    case SpfResult::fail:
    case SpfResult::softfail:
    case SpfResult::neutral: return Match::no;
    case SpfResult::temperror: return Match::temperror;
    case SpfResult::none: why = "include: " + target + " has no SPF record"; break;
    case SpfResult::permerror: break;
  }
  return Match::permerror;
}

bool Evaluation::covers(const IpAddress& address, const Term& term) const {
  const int prefix = ip_.is_v4() ? term.prefix4 : term.prefix6;
  const auto network = IpNetwork::parse(address.text() + "/" + std::to_string(prefix));
  return network && network->contains(ip_);
}

Evaluation::Match Evaluation::match_addresses(const std::string& name, const Term& term) {
  const Answer answer = ask(name, address_type());
  if (answer.failed()) {
    return Match::temperror;
  }
  return std::any_of(answer.addresses.begin(), answer.addresses.end(),
                     [&](const IpAddress& address) { return covers(address, term); })
             ? Match::yes
             : Match::no;
}

Evaluation::Match Evaluation::match_mx(const std::string& name, const Term& term) {
  const Answer hosts = ask(name, RecordType::mx);
  if (hosts.failed()) {
    return Match::temperror;
  }
  if (hosts.names.size() > kNamesMax) {
    why = name + " has more than 10 mail hosts";
    return Match::permerror;
  }
  for (const std::string& host : hosts.names) {
    const Match one = match_addresses(host, term);
    if (one != Match::no) {
      return one;
    }
  }
  return Match::no;
}

// A failed look-up is no match here (section 5.5).
Evaluation::Match Evaluation::match_ptr(const std::string& target) {
  const Answer names = dns_.look_up(reverse_name(ip_), RecordType::ptr);
  std::size_t seen = 0;
  for (const std::string& name : names.names) {
    if (++seen > kNamesMax) {
      break;
    }
    const Answer back = dns_.look_up(name, address_type());
    const bool confirmed =
        std::find(back.addresses.begin(), back.addresses.end(), ip_) != back.addresses.end();
    if (confirmed && is_within(name, target)) {
      return Match::yes;
    }
  }
  return Match::no;
}

// Macros (section 7).

std::optional<std::string> Evaluation::macro_value(char letter, const std::string& domain) {
  const std::size_t at = sender_.rfind('@');
  switch (ascii_lower(letter)) {
    case 's': return sender_;
    case 'l': return sender_.substr(0, at);
    case 'o': return sender_.substr(at + 1);
    case 'd': return domain;
    case 'i': return dotted(ip_);
    case 'p': return std::string("unknown");
    case 'h': return helo_;
    case 'v': return std::string(ip_.is_v4() ? "in-addr" : "ip6");
    default: return std::nullopt;  // c, r and t are for explanations alone
  }
}

// "d2r-": letter, how many parts, turned round, what parts them.
std::optional<std::string> Evaluation::expand_macro(std::string_view body,
                                                    const std::string& domain) {
  if (body.empty()) {
    return std::nullopt;
  }
  const char letter = body[0];
  auto value = macro_value(letter, domain);
  body.remove_prefix(1);
  std::size_t digits = 0;
  while (digits < body.size() && body[digits] >= '0' && body[digits] <= '9') {
    ++digits;
  }
  std::size_t keep = 0;
  const bool counted = digits > 0;
  if (!value || (counted && (!parse_decimal(body.substr(0, digits), keep) || keep == 0))) {
    return std::nullopt;
  }
  body.remove_prefix(digits);
  const bool reverse = !body.empty() && ascii_lower(body[0]) == 'r';
  body.remove_prefix(reverse ? 1 : 0);
  if (body.find_first_not_of(".-+,/_=") != body.npos) {
    return std::nullopt;
  }
  std::string text = transformed(*value, body.empty() ? "." : body, reverse, keep);
  const bool capital = letter >= 'A' && letter <= 'Z';
  return capital ? escaped(text) : text;
}

std::optional<std::string> Evaluation::expand(std::string_view text, const std::string& domain) {
  std::string out;
  while (!text.empty()) {
    const std::size_t percent = std::min(text.find('%'), text.size());
    out += text.substr(0, percent);
    text.remove_prefix(percent);
    if (text.empty()) {
      break;
    }
    if (text.size() < 2) {
      return std::nullopt;
    }
    if (text[1] == '%' || text[1] == '_' || text[1] == '-') {
      out += text[1] == '%' ? "%" : text[1] == '_' ? " " : "%20";
      text.remove_prefix(2);
      continue;
    }
    const std::size_t end = text.find('}');
    if (text[1] != '{' || end == text.npos) {
      return std::nullopt;
    }
    const auto value = expand_macro(text.substr(2, end - 2), domain);
    if (!value) {
      return std::nullopt;
    }
    out += *value;
    text.remove_prefix(end + 1);
  }
  // Longer names lose labels on the left.
  while (out.size() > 253 && out.find('.') != out.npos) {
    out.erase(0, out.find('.') + 1);
  }
  return out;
}

}  // namespace

std::string_view name_of(SpfResult result) noexcept {
  static constexpr std::string_view kNames[] = {"none",     "neutral",   "pass",     "fail",
                                                "softfail", "temperror", "permerror"};
  return kNames[static_cast<std::size_t>(result)];
}

SpfAnswer check_spf(Lookup& dns, const IpAddress& ip, std::string_view sender,
                    std::string_view helo) {
  Evaluation evaluation(dns, ip, sender, helo);
  const std::size_t at = sender.rfind('@');
  SpfAnswer out;
  out.result = evaluation.check(to_lower(sender.substr(at == sender.npos ? 0 : at + 1)), 0);
  out.why = std::move(evaluation.why);
  out.lookups = evaluation.lookups;
  return out;
}

}  // namespace ringpost::audit
