#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/diagnostic.h"
#include "core/config/setting.h"
#include "core/config/snapshot.h"
#include "core/config/tree.h"

namespace ringpost::config {

/// Checks the words of a directive against its row and makes a value of them. Lists, texts and
/// routes are kept in the snapshot under construction.
class ValueReader {
 public:
  ValueReader(Snapshot& snapshot, DiagnosticLog& log) : snapshot_(&snapshot), log_(&log) {}

  /// Nothing, with a diagnostic, if the words do not fit.
  std::optional<Value> read(const OptionRow& row, const Directive& directive);
  /// The value of a row's default. The default must be well-formed.
  Value fallback_of(const OptionRow& row);
  /// Whether the words fit the type, for directives without effect: a warning if not.
  void check_inert(const OptionRow& row, const Directive& directive);

  /// All values as one text, and where they stand.
  static std::string joined(const Directive& directive);
  static Span span_of(const Directive& directive);
  /// Words split further at commas; empty pieces are left out.
  static std::vector<Word> list_of(const std::vector<Word>& words, std::size_t first = 0);

  std::string_view keep(std::string_view text) { return snapshot_->texts_.keep(text); }

 private:
  Result<Value> parse(const OptionRow& row, std::string_view text);
  Result<Value> parse_number(const OptionRow& row, std::string_view text);
  Result<Value> parse_time(const OptionRow& row, std::string_view text);
  Result<Value> parse_choice(const OptionRow& row, std::string_view text);
  Result<Value> parse_list(std::string_view text);
  Result<Value> parse_addresses(std::string_view text);
  Result<Value> parse_days(std::string_view text);
  Result<Value> parse_ip_limit(const OptionRow& row, std::string_view text);
  std::optional<Value> read_hidden(const OptionRow& row, const Directive& directive);
  Result<Value> parse_route(std::string_view text);
  Result<RouteHop> parse_hop(std::string_view text);
  bool single_word(const OptionRow& row, const Directive& directive);

  Snapshot* snapshot_;
  DiagnosticLog* log_;
};

}  // namespace ringpost::config
