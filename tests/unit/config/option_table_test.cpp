#include "core/config/options.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "core/base/text.h"
#include "core/config/reference.h"
#include "core/config/setting.h"
#include "core/config/suggest.h"
#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

std::vector<Scope> scopes_in(ScopeSet set) {
  std::vector<Scope> out;
  for (unsigned i = 0; i < static_cast<unsigned>(Scope::count_); ++i) {
    if (has(set, static_cast<Scope>(i))) {
      out.push_back(static_cast<Scope>(i));
    }
  }
  return out;
}

TEST(OptionTable, NamesAreUniqueWithinAScope) {
  std::set<std::pair<std::string, Scope>> seen;
  for (const OptionRow& row : option_rows()) {
    std::vector<std::string_view> names = split_words(row.aliases);
    names.push_back(row.name);
    for (const Scope scope : scopes_in(row.scopes)) {
      for (const std::string_view name : names) {
        EXPECT_TRUE(seen.emplace(name, scope).second) << name << " in " << shown(scope);
      }
    }
    EXPECT_NE(row.scopes, 0u) << row.name;
  }
}

TEST(OptionTable, EveryRowSaysWhatItIs) {
  for (const OptionRow& row : option_rows()) {
    EXPECT_TRUE(row.help.size() > 5 && row.help.back() == '.') << row.name;
    EXPECT_TRUE(row.is_read() || !row.acts())
        << row.name << " must either act through a setting or say why it does nothing";
    EXPECT_EQ(row.name, to_lower(row.name));
    if (row.type == ValueType::choice) {
      EXPECT_FALSE(row.choices.empty()) << row.name;
    }
  }
  for (const SectionRow& section : section_rows()) {
    EXPECT_FALSE(section.help.empty()) << section.kind;
    EXPECT_NE(section.parents, 0u) << section.kind;
  }
}

TEST(OptionTable, EverySettingHasARow) {
  std::set<OptionId> ids;
  for (const OptionRow& row : option_rows()) {
    ids.insert(row.id);
  }
  for (unsigned i = 1; i < kOptionCount; ++i) {
    EXPECT_TRUE(ids.count(static_cast<OptionId>(i))) << "setting " << i << " has no directive";
  }
}

/// A file in which the row's example stands where it belongs, between what it refers to.
std::string sample_of(const OptionRow& row, Scope scope, const std::string& value) {
  const std::string name = row.name == "//" ? "" : std::string(row.name) + " ";
  const std::string line = name + value + "\n";
  const std::string vmtas =
      "<virtual-mta mta1>\n</virtual-mta>\n<virtual-mta mta2>\n</virtual-mta>\n"
      "<virtual-mta cold1>\n</virtual-mta>\n";
  const std::string base = vmtas + "<pattern-list choice>\n</pattern-list>\n";
  const auto section = [&](const std::string& open, const std::string& before = "") {
    const std::string kind = open.substr(0, open.find(' '));
    return base + "<" + open + ">\n" + before + line + "</" + kind + ">\n";
  };
  switch (scope) {
    case Scope::global: return base + line;
    case Scope::source: return section("source 10.0.0.0/8");
    case Scope::domain:
      return section("domain d.example") + "<domain shared.queue>\nsmtp-hosts relay.example\n" +
             "</domain>\n";
    case Scope::virtual_mta: return section("virtual-mta v");
    case Scope::virtual_mta_pool:
      return section("virtual-mta-pool p", row.name == "virtual-mta" ? "" : "virtual-mta mta1\n");
    case Scope::acct_file: return section("acct-file /tmp/a.csv");
    case Scope::spool: return section("spool /tmp/spool");
    case Scope::smtp_listener:
      return "<source {inside}>\n</source>\n" + section("smtp-listener 127.0.0.1:2525");
    case Scope::smtp_user: return "<source {inside}>\n</source>\n" + section("smtp-user u");
    case Scope::source_group: return section("source-group inside");
    case Scope::smtp_pattern_list: return section("smtp-pattern-list l");
    case Scope::bounce_category_patterns: return section("bounce-category-patterns");
    case Scope::pattern_list: return section("pattern-list l");
    case Scope::mx_rollup_list: return section("mx-rollup-list");
    case Scope::address_list: return section("address-list l");
    case Scope::domain_key_list: return section("domain-key-list l");
    case Scope::sender: return section("sender a@example.com");
    case Scope::routing: return base + "source {\n" + line + "}\n";
    case Scope::relay: return base + "relay {\n" + line + "}\n";
    case Scope::route:
      return base + "route r {\n" +
             (row.name == "destination" ? "" : "destination 192.0.2.1:25\n") + line + "}\n";
    case Scope::dkim_signature: {
      std::string rest;
      for (const char* other : {"domain d.example", "selector s0", "private-key-file /nowhere"}) {
        const std::string text(other);
        rest += text.substr(0, text.find(' ')) == row.name ? "" : text + "\n";
      }
      return base + "dkim-signature k {\n" + rest + line + "}\n";
    }
    case Scope::warmup: {
      std::string rest;
      for (const char* other : {"period 30d", "start-rate 1/d", "end-rate 9000/h"}) {
        const std::string text(other);
        rest += text.substr(0, text.find(' ')) == row.name ? "" : text + "\n";
      }
      return base + "domain d.example {\nwarmup {\n" + rest + line + "}\n}\n";
    }
    default: return "";
  }
}

/// Everything a snapshot says, as text, so that a change anywhere shows.
class Dump {
 public:
  explicit Dump(const Snapshot& snapshot) {
    global(snapshot.global());
    vmtas(snapshot);
    lists(snapshot);
    rules(snapshot);
  }
  std::string text;

 private:
  Dump& add(std::string_view value) {
    text.append(value).append(" ");
    return *this;
  }
  Dump& add(std::uint64_t value) { return add(std::string_view(std::to_string(value))); }
  Dump& add(Duration value) { return add(std::string_view(format_duration(value))); }
  Dump& add(const Rate& value) { return add(std::string_view(format_rate(value))); }
  template <class Range>
  Dump& add_all(const Range& range) {
    for (const auto& item : range) {
      add(item);
    }
    return add("|");
  }
  void tls(const ServerTlsSettings& t) {
    add(t.certificate == nullptr ? "" : t.certificate->file).add(t.ca_file);
    add(t.ciphers).add(t.suites);
    add(t.tls_v1 + 2u * t.tls_v1_1 + 4u * t.tls_v1_2 + 8u * t.tls_v1_3);
  }
  void global(const GlobalSettings& g) {
    add_all(g.host_names).add_all(g.postmasters).add_all(g.relay_addresses);
    for (const auto& server : g.name_servers)
      add(std::string_view(server.text()));
    for (const Listener& l : g.listeners) {
      add(std::string_view(l.address().text())).add(l.source).add(l.immediate_tls);
      tls(l.tls);
    }
    for (const SpoolFolder& f : g.spools)
      add(f.path).add(f.deliver_only).add(f.min_free_space);
    for (const AcctFile& f : g.acct_files)
      acct(f);
    for (const HttpAccess& a : g.http_access)
      add(std::string_view(a.network.text())).add(static_cast<unsigned>(a.right));
    for (const Secret& key : g.http_api_keys)
      add(key.reveal());
    for (const HostConnectionLimit& l : g.host_limits)
      add(l.name).add(l.count);
    add(g.shards)
        .add(g.cpu_pinning)
        .add(g.run_as_root)
        .add(g.run_as_user)
        .add(g.total_max_smtp_out)
        .add(g.total_max_smtp_in);
    add(g.max_message_size).add(g.journal_max).add(g.spool_segment_size).add(g.spool_spare);
    add(g.max_report_rate).add(g.dsn_return_full_max);
    add(g.unsettled_max).add(g.zero_copy_threshold).add(g.control_socket).add(g.log_file);
    add(g.shutdown_timeout).add(g.settle_sync_interval).add(g.domain_suffix).add(g.host_id);
    add(g.invalid_vmta_fallback).add(g.auth_file).add(g.http_port);
    add(static_cast<int>(g.log_format)).add(static_cast<int>(g.log_level));
    add(g.http_redirect_to_https).add(g.http_csrf_protection);
    tls(g.server_tls);
  }
  void acct(const AcctFile& f) {
    add(f.path).add_all(f.records).add_all(f.fields).add(f.sync_interval).add(f.sync);
    add(static_cast<unsigned>(f.format)).add(static_cast<unsigned>(f.compress));
    add(f.columns.size()).add(f.header_columns.size()).add(f.move_to).add(f.move_interval);
    add(f.max_size).add(f.delete_after).add(f.iso_times).add(f.world_readable);
    add(f.user_string).add_all(f.queue_filter);
  }
  void keys(std::span<const DkimKey> keys) {
    for (const DkimKey& key : keys) {
      add(key.selector).add(key.domain).add(key.file).add(static_cast<unsigned>(key.algorithm));
    }
  }
  void vmtas(const Snapshot& s) {
    for (const VirtualMta& v : s.virtual_mtas()) {
      add(v.name).add(v.helo).add(v.max_smtp_out).add(v.max_msg_rate).add(v.max_connect_rate);
      add(std::string_view(format_data_rate(v.max_data_rate))).add(v.weight);
      add(v.warmup != nullptr);
      keys(v.domain_keys);
      for (const SourceHost& h : v.sources)
        add(std::string_view(h.address.text())).add(h.helo);
      for (const VmtaId cold : v.cold)
        add(cold);
    }
    for (const VmtaPool& p : s.pools()) {
      add(p.name).add(static_cast<unsigned>(p.source_hash)).add(p.max_msg_rate);
      for (const VmtaId member : p.members)
        add("member").add(member);
    }
    for (const DomainEntry& entry : s.entries()) {
      for (const Setting& setting : entry.settings) {
        add(entry.pattern);
        add(std::string_view(format_value(row_of(setting.id), setting.value)));
      }
    }
  }
  void lists(const Snapshot& s) {
    for (const ReplyPatterns& list : s.reply_patterns())
      add(list.name).add(list.size());
    add(s.bounce_categories().size());
    for (const RoutingList& list : s.routing_lists())
      add(list.name).add(list.rules.size());
    for (const MxRollupRule& rule : s.mx_rollup())
      add(rule.pattern).add(rule.queue);
    for (const AddressList& list : s.address_lists())
      add_all(list.addresses).add_all(list.domains).add_all(list.files);
    keys(s.domain_keys());
    for (const DkimKeyList& list : s.domain_key_lists())
      keys(list.keys);
  }
  void rules(const Snapshot& s) {
    for (const SmtpUser& u : s.smtp_users()) {
      add(u.name).add(u.password.reveal()).add(u.source).add(u.certificate);
      add(static_cast<unsigned>(u.method));
    }
    for (const SourceGroup& g : s.source_groups())
      add(g.max_smtp_in).add(g.reserved_smtp_in);
    for (const SenderRule& r : s.sender_rules()) {
      add(r.vmta).add(r.vmta_ref.id).add(r.max_msg_rate).add(r.max_conn).add(r.bounce_sender);
    }
    for (const SmartRoute& r : s.smart_routes())
      add(r.backup).add(r.priority).add(r.destination->hops.front().port);
    for (const char* domain : {"example.com", "other.example"})
      add(s.routed_vmta(domain).id);
    add(s.is_relay_domain("example.com"));
  }
};

std::string dump(const Snapshot& snapshot) { return Dump(snapshot).text; }

/// One field of the source rules after another; booleans and numbers suffice to see a change.
std::string dump(const SourcePolicy& p) {
  std::string out;
  for (const std::uint64_t number : {std::uint64_t{p.smtp_service},
                                     std::uint64_t{p.always_allow_relaying},
                                     std::uint64_t{p.require_auth},
                                     std::uint64_t{p.allow_chunking},
                                     std::uint64_t{p.allow_smtputf8},
                                     static_cast<std::uint64_t>(p.bare_newlines),
                                     std::uint64_t{p.max_message_hops},
                                     std::uint64_t{p.max_rcpt_per_message},
                                     p.max_message_size,
                                     std::uint64_t{p.process_x_virtual_mta},
                                     std::uint64_t{p.retain_x_virtual_mta},
                                     std::uint64_t{p.reject_invalid_virtual_mta},
                                     std::uint64_t{p.process_x_job},
                                     std::uint64_t{p.retain_x_job},
                                     std::uint64_t{p.process_x_envid},
                                     std::uint64_t{p.add_received_header},
                                     std::uint64_t{p.hide_message_source},
                                     std::uint64_t{p.remove_received_headers},
                                     std::uint64_t{p.add_message_id_header},
                                     static_cast<std::uint64_t>(p.add_date_header),
                                     std::uint64_t{p.default_vmta.id},
                                     std::uint64_t{p.remove_header.size()},
                                     std::uint64_t{p.allow_virtual_mta.size()},
                                     std::uint64_t{p.allow_auth},
                                     std::uint64_t{p.auth_mechanisms.size()},
                                     std::uint64_t{p.allow_unencrypted_auth},
                                     std::uint64_t{p.require_starttls_before_auth},
                                     std::uint64_t{p.allow_starttls},
                                     std::uint64_t{p.max_auth_failure_rate.count},
                                     std::uint64_t{p.proxy_protocol},
                                     std::uint64_t{p.allow_mail_from.size()},
                                     std::uint64_t{p.allow_recipient.size()},
                                     std::uint64_t{p.too_many_rcpts_fails_message},
                                     std::uint64_t{p.auto_qualify_domain},
                                     std::uint64_t{p.suppression_lists.size()},
                                     std::uint64_t{p.add_x_virtual_mta_header},
                                     std::uint64_t{p.process_x_dkim_options},
                                     std::uint64_t{p.retain_x_dkim_options},
                                     static_cast<std::uint64_t>(p.date_header_time),
                                     std::uint64_t{p.verp_default},
                                     std::uint64_t{p.suppress_local_dsn},
                                     static_cast<std::uint64_t>(p.dsn_return_default),
                                     std::uint64_t{p.log_connections},
                                     std::uint64_t{p.log_commands},
                                     std::uint64_t{p.log_data},
                                     std::uint64_t{p.log_tls},
                                     static_cast<std::uint64_t>(p.pattern_list_index + 1)}) {
    out += std::to_string(number) + " ";
  }
  out += format_duration(p.smtp_command_timeout) + format_duration(p.smtp_data_timeout);
  out.append(p.pattern_list).append(p.source_group).append(p.auth_file);
  out.append(p.jobid_prefix).append(p.jobid_header);
  return out + std::string(p.default_virtual_mta);
}

/// Rows that act while other directives are read, have one possible value, or only together with
/// others.
bool acts_elsewhere(const OptionRow& row) {
  constexpr OptionId kElsewhere[] = {OptionId::include,      OptionId::domain_macro,
                                     OptionId::auth_type,    OptionId::group_member,
                                     OptionId::relay_listen, OptionId::warmup};
  return std::find(std::begin(kElsewhere), std::end(kElsewhere), row.id) != std::end(kElsewhere);
}

/// The rules of a relay block, which is a source of its own.
std::string relay_dump(const Snapshot& snapshot) {
  std::string out;
  for (SourceId id = 0; id < 2; ++id) {
    out += dump(snapshot.source_policy(IpAddress::v4(10, 1, 2, 3), id));
  }
  return out;
}

std::string whole(const Snapshot& snapshot) {
  return dump(snapshot) + dump(snapshot.source_policy(IpAddress::v4(10, 1, 2, 3))) +
         relay_dump(snapshot);
}

/// The file without `line`; where that is needed to make a section of it, with another value.
std::string other_file(const OptionRow& row, const std::string& with, const std::string& line) {
  std::string out = with;
  const std::size_t at = out.find(line);
  EXPECT_NE(at, std::string::npos) << with;
  out.erase(at, line.size());
  const std::map<std::string, std::string> needed{{"destination", "destination 192.0.2.9:99\n"},
                                                  {"domain", "domain z.example\n"},
                                                  {"selector", "selector z\n"},
                                                  {"private-key-file", "private-key-file /z\n"},
                                                  {"period", "period 3d\n"},
                                                  {"start-rate", "start-rate 2/d\n"},
                                                  {"end-rate", "end-rate 8000/h\n"}};
  const auto other = needed.find(std::string(row.name));
  const bool required = has(row.scopes, Scope::route) || has(row.scopes, Scope::warmup) ||
                        has(row.scopes, Scope::dkim_signature);
  if (required && other != needed.end()) {
    out.insert(at, other->second);
  }
  return out;
}

TEST(OptionTable, EveryRowThatIsReadChangesTheSnapshot) {
  for (const OptionRow& row : option_rows()) {
    if (!row.is_read() || acts_elsewhere(row)) {
      continue;
    }
    for (const Scope scope : scopes_in(row.scopes)) {
      const std::string value(row.example);
      const std::string with = sample_of(row, scope, value);
      ASSERT_FALSE(with.empty()) << row.name << " in " << shown(scope);
      const CheckResult changed = test::check(with);
      if (!changed.ok() && row.is(kGuards)) {
        EXPECT_FALSE(row.acts()) << render_text(changed.diagnostics);
        continue;  // refused as long as nothing can keep it
      }
      ASSERT_TRUE(changed.ok()) << with << render_text(changed.diagnostics);
      const std::string name = row.name == "//" ? "" : std::string(row.name) + " ";
      const std::string without = other_file(row, with, name + value + "\n");
      const CheckResult plain = test::check(without);
      ASSERT_TRUE(plain.ok()) << without << render_text(plain.diagnostics);
      EXPECT_NE(whole(*plain.snapshot), whole(*changed.snapshot))
          << row.name << " in " << shown(scope) << " changes nothing";
    }
  }
}

TEST(OptionTable, EveryQueueSettingReachesItsMember) {
  for (const OptionRow& row : option_rows()) {
    const bool member = row.is_read() && has(row.scopes, Scope::domain) && !acts_elsewhere(row);
    if (!member) {
      continue;
    }
    PathPolicy policy;
    const CheckResult result = test::check(sample_of(row, Scope::domain, std::string(row.example)));
    ASSERT_TRUE(result.ok()) << row.name;
    bool applied = false;
    for (const DomainEntry& entry : result.snapshot->entries()) {
      for (const Setting& setting : entry.settings) {
        applied = applied || (setting.id == row.id && apply(policy, setting.id, setting.value));
      }
    }
    EXPECT_TRUE(applied) << row.name << " has no member of PathPolicy";
  }
}

TEST(OptionTable, DefaultsAreWithinTheirOwnBounds) {
  for (const OptionRow& row : option_rows()) {
    if (!row.is_read() || row.fallback.empty() || has(row.scopes, Scope::virtual_mta_pool)) {
      continue;
    }
    const Scope scope = scopes_in(row.scopes).front();
    const CheckResult result = test::check(sample_of(row, scope, std::string(row.fallback)));
    EXPECT_TRUE(result.ok()) << row.name << "\n" << render_text(result.diagnostics);
  }
}

TEST(OptionTable, FindsNamesAsTheyAreWritten) {
  EXPECT_EQ(find_option("max_smtp_OUT", Scope::domain), find_option("max-smtp-out", Scope::domain));
  EXPECT_EQ(find_option("max-smtp-connections", Scope::domain), nullptr);
  EXPECT_EQ(find_option("route", Scope::domain), find_option("smtp-hosts", Scope::domain));
}

void expect_committed(const std::string& file, const std::string& text) {
  const std::string path = std::string(RINGPOST_SOURCE_DIR) + "/docs/" + file;
  if (std::getenv("RINGPOST_UPDATE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  std::ifstream in(path, std::ios::binary);
  const std::string committed((std::istreambuf_iterator<char>(in)),
                              std::istreambuf_iterator<char>());
  EXPECT_TRUE(committed == text) << path << " is old; run this test with RINGPOST_UPDATE_DOCS=1";
}

TEST(OptionTable, CommittedDocumentsAreCurrent) {
  expect_committed("directives.md", render_reference());
  expect_committed("ringpost.conf.5", render_man_page());
  expect_committed("ringpost.conf.example", render_example());
}

TEST(OptionTable, TheExampleLoadsWithItsCommentsTakenOff) {
  EXPECT_TRUE(test::messages(test::check(render_example())).empty()) << "all of it is commented";
  std::string open;
  std::istringstream lines(render_example());
  for (std::string line; std::getline(lines, line);) {
    const std::size_t sign = line.find('#');
    const bool directive =
        sign != std::string::npos && sign + 1 < line.size() && line[sign + 1] != ' ';
    open += (directive ? line.substr(sign + 1) : std::string()) + "\n";
  }
  const CheckResult result = test::check(open);
  for (const Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_NE(diagnostic.severity, Severity::error)
        << diagnostic.line << ": " << diagnostic.message;
  }
}

TEST(OptionTable, DescribesADirective) {
  const std::string text = describe_directive("max-smtp-out");
  EXPECT_NE(text.find("in <domain>"), std::string::npos) << text;
  EXPECT_NE(text.find("default: 20"), std::string::npos) << text;
  EXPECT_TRUE(describe_directive("no-such-thing").empty());
}

TEST(Suggest, FindsTheNearestName) {
  EXPECT_EQ(nearest_name("max-smpt-out", names_in(Scope::domain)), "max-smtp-out");
  EXPECT_EQ(nearest_name("retry_aftr", names_in(Scope::domain)), "retry-after");
  EXPECT_EQ(nearest_name("frobnicate", names_in(Scope::domain)), "");
  EXPECT_EQ(edit_distance("abcd", "abdc", 5), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 9), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 2), 2u) << "gives up at the limit";
}

}  // namespace
}  // namespace ringpost::config
