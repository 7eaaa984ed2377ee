#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/config/diagnostic.h"
#include "core/config/snapshot.h"
#include "core/config/tree.h"
#include "core/config/value_reader.h"

namespace ringpost::config {

/// Makes a snapshot of a tree and reports everything in it that is not right. One use each.
class Builder {
 public:
  /// `host_name` stands in where the configuration names no host.
  Builder(const SourceMap& sources, DiagnosticLog& log, std::string host_name, bool lenient);

  /// Never fails: with errors in the log the result is good for nothing but more checks.
  std::shared_ptr<const Snapshot> build(const Section& root);

  /// Files named in the configuration that hold keys or passwords.
  std::span<const std::pair<std::string_view, Span>> key_files() const { return key_files_; }

 private:
  /// A directive or section without effect: reported once, with the number of its occurrences.
  struct Inert {
    Span first;
    std::size_t times = 0;
    std::size_t lines = 0;
  };
  struct Macro {
    std::vector<std::string> items;
    bool shared = false;  ///< one budget for all of them
  };
  /// A domain section of a macro; its patterns get their places when all sections are read.
  struct MacroSection {
    std::uint32_t layer;
    std::uint32_t entry;
    std::vector<DomainPattern> patterns;
  };
  struct SourceUse {
    std::string name;
    Span span;
  };

  // builder.cpp: what all sections share.
  void set_defaults();
  const OptionRow* accept(const Directive& directive, Scope scope);
  void report_unknown(const Directive& directive, Scope scope);
  void store(std::vector<Setting>& list, const OptionRow& row, Value value,
             const Directive& directive);
  void note_inert(const OptionRow& row, const Span& span);
  void guard(const OptionRow& row, const Value& value, const Span& span);
  bool extend(Value& value, const Value& more);
  template <class Target>
  void read_fields(const Section& section, Target& target);
  void record_written(const Section& section, const std::string& label);
  void skip_inert_section(const Section& section);
  std::size_t check_names(const Section& section);
  void report_inert();
  Origin origin_of(const Span& span) const { return {span.file, span.line}; }
  static std::string_view argument_of(const Section& section);

  // builder_global.cpp
  void add_global(const Section& root);
  void check_spool_sizes(const Section& root);
  void add_global_directive(const OptionRow& row, const Directive& directive);
  void add_listener(const Word& address, const std::vector<Word>& attributes,
                    const Section* section);
  bool read_listen_address(const Word& word, Listener& listener);
  void add_name_server(const Directive& directive);
  SpoolFolder& spool_folder(std::string_view path, const Span& span);
  void choose_spool();
  void add_spool(const Section& section);
  void add_acct_file(const Section& section);
  void add_record_fields(AcctFile& file, const Directive& directive);
  void add_http_access(const Directive& directive);
  void add_host_limit(const Directive& directive, bool by_name);
  void check_records(const Directive& directive);
  void check_hidden_records(const Directive& directive);
  void check_mechanisms(const Directive& directive);
  void resolve_listener_sources();

  // builder_domains.cpp
  void add_macro(const Directive& directive);
  bool expand_macros(std::string_view text, const Span& span, std::vector<std::string>& out,
                     std::size_t depth);
  void add_domain(const Section& section, std::uint32_t layer, std::string_view owner);
  std::uint32_t domain_entry(const Section& section, std::uint32_t layer, std::string_view owner);
  std::uint32_t entry_for(const DomainPattern& pattern, std::string_view written,
                          std::uint32_t layer, std::string_view owner);
  std::uint32_t add_entry(std::string_view written, std::string_view owner);
  void add_group_member(const Section& section, const Directive& directive, std::uint32_t layer,
                        std::string_view owner);
  void place_macro_sections();
  void check_queue_targets();
  void note_delivery(OptionId id, const Value& value, const Span& span);
  void check_delivery_types();
  void add_warmup(const Section& section, std::vector<Setting>& settings, VirtualMta* vmta);
  void note_names(const OptionRow& row, const Value& value, std::uint32_t entry, const Span& span);
  void check_cold();
  std::set<std::string> rate_probes() const;
  void check_pointless_warmups();

  // builder_vmtas.cpp
  void collect_names(const Section& root);
  void add_name(const Section& section, VmtaRef::Kind kind);
  void add_virtual_mta(const Section& section);
  void add_pool(const Section& section);
  void add_source_hosts(const Directive& directive, std::vector<SourceHost>& hosts);
  std::uint32_t layer_of(std::vector<std::uint32_t>& layers, std::uint32_t id,
                         std::string_view owner);
  void check_vmta_name(std::string_view name, const Span& span);
  void finish_virtual_mtas();

  void add_bound_members(const Section& section, std::uint32_t pool);
  void add_bound_member(const SourceHost& host, const Span& span, std::uint32_t pool);
  void add_domain_key(const Directive& directive, std::vector<DkimKey>& keys);
  static bool is_pool(const Section& section);

  // builder_access.cpp
  void add_user(const Section& section);
  void add_group(const Section& section);
  void add_sender(const Section& section);
  void add_routing(const Section& section);
  VmtaRef read_use_vmta(const Directive& directive);
  void add_relay(const Section& section);
  void add_relay_list(SourceEntry& source, const OptionRow& row, const Directive& directive);
  void add_route(const Section& section);
  void add_signature(const Section& section);
  void add_key_list(const Section& section);
  void finish_access();
  void check_logins();
  void finish_routes();

  // builder_lists.cpp
  void add_reply_patterns(const Section& section);
  bool read_reply_action(const Directive& directive, ReplyAction& action);
  bool read_reply_word(const Word& word, ReplyAction& action);
  void add_bounce_categories(const Section& section);
  std::size_t add_routing_list(const Section& section);
  void add_routing_rule(const Directive& directive, const OptionRow& row, const Section& section,
                        std::size_t list);
  void add_mx_rollup(const Section& section);
  void add_address_list(const Section& section);
  void skip_pattern(const Span& span, const Error& error);
  void finish_lists();

  // builder_sources.cpp
  void add_source(const Section& section);
  SourceEntry* source_entry(const Section& section);
  void finish_sources();

  const SourceMap* sources_;
  DiagnosticLog* log_;
  std::string host_name_;
  bool lenient_;
  std::shared_ptr<Snapshot> snapshot_;
  ValueReader values_;

  std::map<const OptionRow*, Inert> inert_options_;
  std::map<const SectionRow*, Inert> inert_sections_;
  std::map<OptionId, Inert> consequences_;
  std::unordered_map<std::string, Macro> macros_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> macro_entries_;
  std::vector<MacroSection> macro_sections_;
  std::vector<std::pair<std::uint32_t, Span>> queue_targets_;  ///< entries that set queue-to
  std::vector<std::vector<DkimKey>> pool_keys_;
  std::vector<std::vector<std::pair<std::string_view, Span>>> pool_cold_;
  std::vector<std::vector<SourceHost>> vmta_hosts_;
  std::vector<SourceHost> global_hosts_;
  std::vector<std::pair<std::size_t, SourceUse>> listener_sources_;
  std::vector<SourceUse> user_sources_;
  std::vector<std::pair<std::string_view, Span>> vmta_uses_;
  std::vector<std::pair<std::string_view, Span>> key_files_;
  std::vector<std::pair<std::string_view, Span>> pattern_list_uses_;
  std::vector<std::pair<std::string_view, Span>> routing_list_uses_;
  std::vector<std::pair<std::string_view, Span>> user_source_uses_;
  std::vector<std::pair<std::string_view, Span>> address_list_uses_;
  std::vector<std::pair<std::string_view, Span>> group_uses_;
  std::vector<std::pair<std::uint32_t, std::pair<std::string_view, Span>>> cold_uses_;
  std::optional<Span> file_type_;  ///< first queues whose mail goes into files
  std::optional<Span> pipe_type_;  ///< and to a command
  bool has_destination_ = false;
  bool has_command_ = false;
};

}  // namespace ringpost::config
