#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <re2/re2.h>

#include "core/config/options.h"

namespace ringpost::config {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string without_comments(std::string text) {
  RE2::GlobalReplace(&text, "//[^\n]*", "");
  return text;
}

fs::path source(const char* path) { return fs::path(RINGPOST_SOURCE_DIR) / path; }

/// Names of the settings in their order, from the header that declares them.
std::vector<std::string> setting_names() {
  const std::string text = read(source("core/config/option_ids.h"));
  const std::size_t begin = text.find("clang-format off") + 16;
  const std::string body =
      without_comments(text.substr(begin, text.find("clang-format on") - begin));
  std::vector<std::string> names;
  re2::StringPiece rest(body);
  for (std::string name; RE2::FindAndConsume(&rest, "([a-z][a-z0-9_]*)", &name);) {
    names.push_back(name);
  }
  return names;
}

/// Settings whose member is not written by the tables of setting.cpp but by the builder: what to
/// look for where they are used.
const std::map<std::string, std::string>& special_members() {
  static const std::map<std::string, std::string> kMembers{
      {"host_name", "host_names"},
      {"postmaster", "postmasters"},
      {"name_server", "name_servers"},
      {"relay_domain", "relay_domains"},
      {"relay_address", "relay_addresses"},
      {"mx_connection_limit", "host_limits"},
      {"ip_connection_limit", "host_limits"},
      {"http_access", "http_access"},
      {"http_api_key", "http_api_keys"},
      {"smtp_listener", "listeners"},
      {"listener_source", "listener.source"},
      {"spool", "spools"},
      {"acct_record_fields", "columns"},
      {"acct_map_header", "header_columns"},
      {"smtp_source_host", "sources"},
      {"smtp_source_ip", "sources"},
      {"vmta_max_smtp_out", "identity.max_smtp_out"},
      {"vmta_max_msg_rate", "identity.max_msg_rate"},
      {"vmta_max_connect_rate", "identity.max_connect_rate"},
      {"vmta_max_data_rate", "identity.max_data_rate"},
      {"pool_max_msg_rate", "pool.max_msg_rate"},
      {"vmta_cold", "identity.cold"},
      {"pool_member", "members"},
      {"bind_ip_range", "members"},
      {"domain_key", "domain_keys"},
      {"group_member", "is_group"},
      {"reply", "reply_patterns"},
      {"smtp_pattern_list", "reply_patterns"},
      {"bounce_category", "bounce_categories"},
      {"route_mail_from", "routing_lists"},
      {"route_rcpt_to", "routing_lists"},
      {"route_header", "routing_lists"},
      {"route_any", "routing_lists"},
      {"mx_rollup", "rolled_up_queue"},
      {"list_address", "address_lists"},
      {"list_address_file", "address_lists"},
      {"list_domain", "address_lists"},
      {"routing_default", "routed_vmta"},
      {"routing_domain", "routed_vmta"},
      {"route_destination", "route"},
      {"route_priority", "route"},
      {"route_backup", "backup_route"},
      {"source_pattern_list", "pattern_list_index"},
      {"reroute", "reroute"},
      {"backoff_reroute", "backoff_reroute"},
      {"sender_vmta", "vmta_ref"},
      {"sender_max_msg_rate", "sender.max_msg_rate"},
      {"sender_max_conn", "sender.max_conn"},
      {"sender_bounce_sender", "bounce_sender"},
      {"relay_listen", "listener.source"},
      {"relay_auth", "auth_mechanisms"},
      {"relay_auth_login", "auth_mechanisms"},
      {"relay_vmta", "listener.source"},
      {"user_method", "user.method"},
      {"user_certificate", "user.certificate"},
  };
  return kMembers;
}

/// What only the room itself uses, while it reads or answers.
const std::set<std::string>& internal_settings() {
  // auth_type has one value only.
  static const std::set<std::string> kInternal{"auth_type", "domain_macro", "include", "queue_to",
                                               "relay_domain"};
  return kInternal;
}

/// Members of the parts that only rules for them have in common a table: the call that gets them.
const std::map<std::string, std::string>& part_accessors() {
  static const std::map<std::string, std::string> kAccessors{
      {"Sender", "sender_rule"}, {"Route", "backup_route"},    {"Key", "domain_keys"},
      {"User", "smtp_users"},    {"Group", "source_groups"},   {"Warmup", "warmup"},
      {"Tls", "server_tls"},     {"Listener", "immediate_tls"}};
  return kAccessors;
}

/// Where a setting ends: the word by which its users take it from the snapshot.
std::map<std::string, std::string> members() {
  std::map<std::string, std::string> out = special_members();
  const std::string text = read(source("core/config/setting.cpp"));
  // In the order of the file, so that a row belongs to the last table that began before it.
  const RE2 item(
      "constexpr Field<\\w+> k(\\w+)Fields|\\{Id::(\\w+),\\s+kSet<\\w+,\\s+&\\w+::(\\w+)>\\}");
  re2::StringPiece rest(text);
  std::string owner;
  for (std::string table, id, member; RE2::FindAndConsume(&rest, item, &table, &id, &member);) {
    if (!table.empty()) {
      owner = table;
      continue;
    }
    const auto part = part_accessors().find(owner);
    out.emplace(id, part == part_accessors().end() ? member : part->second);
  }
  return out;
}

/// Everything that uses the configuration, comments left out.
std::string users_of_the_configuration() {
  std::string text;
  for (const auto& entry : fs::directory_iterator(source("core/app"))) {
    const std::string name = entry.path().filename().string();
    const bool code = entry.path().extension() == ".cpp" || entry.path().extension() == ".h";
    if (code && name.rfind("cli_", 0) != 0) {
      text += without_comments(read(entry.path()));
    }
  }
  return text;
}

/// Both directions: what acts is used by the program, and what is used is not called inert. A row
/// that begins to be used is taken off the list in options_pending.cpp.
TEST(Consumption, WhatActsIsUsedAndWhatIsUsedActs) {
  const std::vector<std::string> names = setting_names();
  ASSERT_EQ(names.size(), kOptionCount + 1) << "none, the settings, and count_";
  const std::map<std::string, std::string> words = members();
  const std::string text = users_of_the_configuration();
  for (unsigned i = 1; i < kOptionCount; ++i) {
    const auto id = static_cast<OptionId>(i);
    const std::string& name = names[i];
    if (internal_settings().count(name) != 0) {
      EXPECT_FALSE(is_pending(id)) << name;
      continue;
    }
    const auto word = words.find(name);
    ASSERT_NE(word, words.end()) << name << " has no member in the snapshot";
    const bool qualified = word->second.find('.') != std::string::npos;
    const std::string wanted =
        (qualified ? "\\b" : "(\\.|->)") + RE2::QuoteMeta(word->second) + "\\b";
    const bool used = RE2::PartialMatch(text, wanted);
    EXPECT_EQ(used, !is_pending(id))
        << name
        << (used ? " is used by core/app; take it off core/config/options_pending.cpp"
                 : " is used by nothing; put it on core/config/options_pending.cpp");
  }
}

}  // namespace
}  // namespace ringpost::config
