#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/option_ids.h"

namespace ringpost::config {

/// Where a directive may stand. `global` is outside all sections.
enum class Scope : std::uint8_t {
  global,
  source,
  virtual_mta,
  virtual_mta_pool,
  domain,
  acct_file,
  spool,
  smtp_listener,
  smtp_user,
  source_group,
  pattern_list,
  smtp_pattern_list,
  bounce_category_patterns,
  mx_rollup_list,
  bounce_processor,
  feedback_loop_processor,
  address_list,
  email_patterns,
  domain_key_list,
  rewrite_list,
  proxy,
  dns,
  transmissions_api,
  transmissions_api_listener,
  signals,
  signals_filter,
  vault,
  gm_imprinter,
  sender,
  routing,
  relay,
  route,
  dkim_signature,
  warmup,
  count_
};

using ScopeSet = std::uint64_t;
constexpr ScopeSet in(Scope scope) { return ScopeSet{1} << static_cast<unsigned>(scope); }
template <class... More>
constexpr ScopeSet in(Scope scope, More... more) {
  return in(scope) | in(more...);
}
constexpr bool has(ScopeSet set, Scope scope) { return (set & in(scope)) != 0; }

/// The form of a directive's value.
enum class ValueType : std::uint8_t {
  flag,  ///< no value
  boolean,
  count,  ///< a number; `unlimited` and 0 mean no limit where the row says so
  duration,
  duration_list,
  bool_or_duration,  ///< yes = at once, no and `never` = not at all, or after that time
  rate,
  per_hour,  ///< a number per hour
  size,
  choice,  ///< one of the row's `choices`
  word,    ///< one word
  text,    ///< the rest of the line
  path,
  name_list,     ///< words separated by commas or blanks
  address_list,  ///< IP addresses
  cidr,          ///< a network and what belongs to it
  host_list,     ///< a static route
  domain,        ///< a domain pattern
  listener,      ///< ADDRESS:PORT and attributes
  source_host,   ///< addresses and a name
  resolver,      ///< ADDRESS with an optional port
  data_rate,     ///< a size per time
  daily_limits,  ///< numbers per day, for successive days
  ip_limit,      ///< a network and a limit for each address in it
  secret,        ///< a password or key
  certificate,   ///< a file, and the password of its key
  date,          ///< YYYY-MM-DD
  pattern,       ///< a regular expression between slashes, and more
  words          ///< anything
};

/// When a changed value takes effect.
enum class ReloadClass : std::uint8_t {
  live,          ///< at once, for what is queued too
  new_sessions,  ///< in sessions and connections that begin after the reload
  restart        ///< at the next start; a reload names it and keeps the old value
};

/// Further properties of a directive.
enum Trait : std::uint16_t {
  kPlain = 0,
  kRepeats = 1,        ///< each occurrence adds; otherwise the last one wins
  kSecret = 2,         ///< the value is never shown
  kEndless = 4,        ///< `never` and `unlimited` are possible
  kZeroIsNoLimit = 8,  ///< 0 means unlimited
  kContinues = 16,     ///< goes on in the next line after a comma, or after the bare name
  kOwn = 32,           ///< Ringpost's own, not known to the original product
  kEmptyClears = 64,   ///< "" takes an inherited value back
  kSecretTail = 128,   ///< everything after the first word is never shown
  kGuards = 256,       ///< protects somebody: never passed over with a mere warning
};

/// One directive in one set of scopes: the only place that knows it. Rows with the same name
/// have disjoint scopes.
struct OptionRow {
  std::string_view name;
  std::string_view aliases;  ///< separated by blanks
  ScopeSet scopes = 0;
  OptionId id = OptionId::none;  ///< `none`: the value is not even kept
  ValueType type = ValueType::words;
  std::string_view fallback;  ///< the default as one would write it; empty: none
  std::string_view example;   ///< a value other than the default
  std::string_view choices;   ///< separated by blanks, for ValueType::choice
  std::int64_t min = 0;
  std::int64_t max = 0;  ///< 0: as large as the type allows
  ReloadClass reload = ReloadClass::live;
  std::uint16_t traits = kPlain;
  std::string_view help;       ///< one sentence
  std::string_view no_effect;  ///< why it is accepted and does nothing; empty: it acts

  bool acts() const { return no_effect.empty(); }
  /// Whether its value stands in the snapshot. Rows that are read and do not act wait for the part
  /// of the program that will.
  bool is_read() const { return id != OptionId::none; }
  bool is(Trait trait) const { return (traits & trait) != 0; }
};

/// One kind of section.
struct SectionRow {
  std::string_view kind;
  std::string_view aliases;  ///< separated by blanks
  Scope scope = Scope::global;
  ScopeSet parents = 0;
  std::uint8_t min_arguments = 0;
  std::uint8_t max_arguments = 0;  ///< 255: any number
  bool patterns = false;           ///< lines may hold regular expressions between slashes
  std::string_view argument;       ///< what stands after the kind
  std::string_view help;
  std::string_view no_effect;
};

/// All rows, in the order of the reference.
const std::vector<OptionRow>& option_rows();
std::span<const SectionRow> section_rows();

/// The row of `name` (or of an alias) in `scope`, or nullptr. Case is ignored, `_` equals `-`.
const OptionRow* find_option(std::string_view name, Scope scope);
/// The row of a section kind. `source` without argument and in the routing form is another kind;
/// the caller says how many arguments it saw.
const SectionRow* find_section(std::string_view kind, std::size_t arguments);
const SectionRow* section_of(Scope scope);
/// Scopes in which `name` exists, for "belongs in" messages.
ScopeSet scopes_of(std::string_view name);
/// Names and aliases possible in a scope, for suggestions. Sections that may stand there are
/// included.
std::vector<std::string_view> names_in(Scope scope);
/// The first row of a setting, whose name stands for it in `explain`.
const OptionRow& row_of(OptionId id);
/// Why nothing consumes the setting yet; empty where something does.
std::string_view pending_reason(OptionId id);
bool is_pending(OptionId id);
/// Splits a row's `aliases` or `choices`.
std::vector<std::string_view> split_words(std::string_view words);
/// How messages name a scope: "<domain>", "the global level".
std::string_view shown(Scope scope);
/// The same with its preposition: "in <domain>", "at the global level".
std::string located(Scope scope);

}  // namespace ringpost::config
