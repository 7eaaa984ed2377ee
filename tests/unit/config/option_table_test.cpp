#include "core/config/options.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
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
    EXPECT_EQ(row.id == OptionId::none, !row.acts())
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

/// A file in which the row's example stands where it belongs.
std::string sample_of(const OptionRow& row, Scope scope, const std::string& value) {
  const std::string line = std::string(row.name) + " " + value + "\n";
  switch (scope) {
    case Scope::global: return line;
    case Scope::source:
      return "<source 10.0.0.0/8>\n" + line + "</source>\n<virtual-mta mta1>\n</virtual-mta>\n" +
             "<virtual-mta mta2>\n</virtual-mta>\n";
    case Scope::domain:
      return "<domain d.example>\n" + line + "</domain>\n<domain shared.queue>\n" +
             "smtp-hosts relay.example\n</domain>\n";
    case Scope::virtual_mta: return "<virtual-mta v>\n" + line + "</virtual-mta>\n";
    case Scope::virtual_mta_pool:
      return "<virtual-mta mta1>\n</virtual-mta>\n<virtual-mta-pool p>\nvirtual-mta mta1\n" +
             (row.name == "virtual-mta" ? std::string() : line) + "</virtual-mta-pool>\n";
    case Scope::acct_file: return "<acct-file /tmp/a.csv>\n" + line + "</acct-file>\n";
    case Scope::spool: return "<spool /tmp/spool>\n" + line + "</spool>\n";
    case Scope::smtp_listener:
      return "<source {inside}>\n</source>\n<smtp-listener 127.0.0.1:2525>\n" + line +
             "</smtp-listener>\n";
    default: return "";
  }
}

/// Everything a snapshot says, as text, so that a change anywhere shows.
std::string dump(const Snapshot& s) {
  std::string out;
  const GlobalSettings& g = s.global();
  for (const auto name : g.host_names)
    out.append(name).append(" ");
  for (const auto name : g.postmasters)
    out.append(name).append(" ");
  for (const auto& server : g.name_servers)
    out += server.text() + " ";
  for (const Listener& l : g.listeners) {
    out += l.address().text() + "=" + std::to_string(l.source) + " ";
  }
  for (const SpoolFolder& f : g.spools) {
    out += std::string(f.path) + std::to_string(f.deliver_only) + std::to_string(f.min_free_space) +
           " ";
  }
  for (const AcctFile& f : g.acct_files) {
    out.append(f.path).append(" ");
    for (const auto record : f.records)
      out.append(record).append(",");
    for (const auto field : f.fields)
      out.append(field).append(",");
    out += format_duration(f.sync_interval);
  }
  const auto numbers = {std::uint64_t{g.shards},
                        std::uint64_t{g.cpu_pinning},
                        std::uint64_t{g.total_max_smtp_out},
                        std::uint64_t{g.total_max_smtp_in},
                        g.max_message_size,
                        g.journal_max,
                        g.spool_segment_size,
                        std::uint64_t{g.spool_spare},
                        std::uint64_t{g.unsettled_max},
                        g.zero_copy_threshold};
  for (const std::uint64_t number : numbers)
    out += std::to_string(number) + " ";
  out.append(g.control_socket).append(" ").append(g.log_file);
  out += format_duration(g.shutdown_timeout) + format_duration(g.settle_sync_interval);
  for (const VirtualMta& v : s.virtual_mtas()) {
    out += std::string(v.name) + " " + std::string(v.helo) + " " + format_count(v.max_smtp_out) +
           format_rate(v.max_msg_rate) + format_rate(v.max_connect_rate);
    for (const SourceHost& h : v.sources)
      out += h.address.text() + " " + std::string(h.helo);
  }
  for (const VmtaPool& p : s.pools()) {
    for (const VmtaId member : p.members)
      out += "member " + std::to_string(member);
  }
  for (const DomainEntry& entry : s.entries()) {
    for (const Setting& setting : entry.settings) {
      out += std::string(entry.pattern) + " " + format_value(row_of(setting.id), setting.value);
    }
  }
  out += std::to_string(s.is_relay_domain("example.com"));
  return out;
}

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
                                     std::uint64_t{p.allow_virtual_mta.size()}}) {
    out += std::to_string(number) + " ";
  }
  out += format_duration(p.smtp_command_timeout) + format_duration(p.smtp_data_timeout);
  return out + std::string(p.jobid_header) + std::string(p.default_virtual_mta);
}

TEST(OptionTable, EveryActingRowChangesTheSnapshot) {
  const IpAddress client = IpAddress::v4(10, 1, 2, 3);
  for (const OptionRow& row : option_rows()) {
    const bool elsewhere = row.id == OptionId::include || row.id == OptionId::domain_macro ||
                           row.id == OptionId::acct_format;
    if (!row.acts() || elsewhere) {
      continue;  // these act while other directives are read
    }
    for (const Scope scope : scopes_in(row.scopes)) {
      const std::string with = sample_of(row, scope, std::string(row.example));
      ASSERT_FALSE(with.empty()) << row.name << " in " << shown(scope);
      const CheckResult changed = test::check(with);
      ASSERT_TRUE(changed.ok()) << with << render_text(changed.diagnostics);
      std::string without = with;
      const std::string line = std::string(row.name) + " " + std::string(row.example) + "\n";
      const std::size_t at = without.find(line);
      ASSERT_NE(at, std::string::npos) << with;
      without.erase(at, line.size());
      const CheckResult plain = test::check(without);
      ASSERT_TRUE(plain.ok()) << without << render_text(plain.diagnostics);
      const std::string before =
          dump(*plain.snapshot) + dump(plain.snapshot->source_policy(client));
      const std::string after =
          dump(*changed.snapshot) + dump(changed.snapshot->source_policy(client));
      EXPECT_NE(before, after) << row.name << " in " << shown(scope) << " changes nothing";
    }
  }
}

TEST(OptionTable, EveryQueueSettingReachesItsMember) {
  for (const OptionRow& row : option_rows()) {
    const bool member = row.acts() && has(row.scopes, Scope::domain) &&
                        row.id != OptionId::include && row.id != OptionId::group_member;
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
    if (!row.acts() || row.fallback.empty() || has(row.scopes, Scope::virtual_mta_pool)) {
      continue;
    }
    const Scope scope = scopes_in(row.scopes).front();
    const CheckResult result = test::check(sample_of(row, scope, std::string(row.fallback)));
    EXPECT_TRUE(result.ok()) << row.name << "\n" << render_text(result.diagnostics);
  }
}

TEST(OptionTable, KnowsEveryDirectiveOfTheOriginalItWasMadeFor) {
  // A sample over all scopes; the whole list is held in the reference.
  for (const auto& [name, scope] :
       std::vector<std::pair<const char*, Scope>>{{"http-mgmt-port", Scope::global},
                                                  {"sync-msg-create", Scope::global},
                                                  {"backoff-max-msg-rate", Scope::domain},
                                                  {"dkim-sign", Scope::domain},
                                                  {"dk-sign", Scope::domain},
                                                  {"password", Scope::smtp_user},
                                                  {"reply", Scope::smtp_pattern_list},
                                                  {"record-fields", Scope::acct_file},
                                                  {"cold-virtual-mta", Scope::virtual_mta},
                                                  {"max-smtp-in", Scope::source_group},
                                                  {"precached-domains-file", Scope::dns}}) {
    const OptionRow* row = find_option(name, scope);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_FALSE(row->acts()) << name;
  }
  EXPECT_EQ(find_option("max_smtp_OUT", Scope::domain), find_option("max-smtp-out", Scope::domain));
  EXPECT_EQ(find_option("max-smtp-connections", Scope::domain), nullptr);
}

TEST(OptionTable, CommittedReferenceIsCurrent) {
  const std::string path = std::string(RINGPOST_SOURCE_DIR) + "/docs/directives.md";
  if (std::getenv("RINGPOST_UPDATE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << render_reference();
  }
  std::ifstream in(path, std::ios::binary);
  const std::string committed((std::istreambuf_iterator<char>(in)),
                              std::istreambuf_iterator<char>());
  EXPECT_TRUE(committed == render_reference())
      << path << " is old; run this test with RINGPOST_UPDATE_DOCS=1";
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
