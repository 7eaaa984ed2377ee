#include "core/app/settings.h"

#include <algorithm>
#include <map>

#include "core/app/account_settings.h"
#include "core/app/mail_rules.h"
#include "core/app/tls_settings.h"
#include "core/app/users.h"
#include "core/base/text.h"
#include "core/mail/events.h"

namespace ringpost::app {
namespace {

ingest::FieldRule rule_of(std::string_view name, ingest::FieldCommand command, bool obeyed,
                          bool retained) {
  return {to_lower(name), obeyed ? command : ingest::FieldCommand::none, obeyed && !retained};
}

void add_fields(ingest::SourcePolicy& out, const config::SourcePolicy& in) {
  using ingest::FieldCommand;
  // A control field that is not obeyed passes on untouched: it is only listed where it acts.
  if (in.process_x_virtual_mta) {
    out.fields.push_back(
        rule_of("x-virtual-mta", FieldCommand::vmta, true, in.retain_x_virtual_mta));
  }
  if (!in.process_x_virtual_mta && in.add_x_virtual_mta_header) {
    out.fields.push_back(rule_of("x-virtual-mta", FieldCommand::vmta, false, false));
  }
  if (in.process_x_job) {
    out.fields.push_back(rule_of("x-job", FieldCommand::job, true, in.retain_x_job));
  }
  if (in.process_x_envid) {
    out.fields.push_back(rule_of("x-envid", FieldCommand::envid, true, false));
  }
  if (in.process_x_dkim_options) {
    out.fields.push_back(
        rule_of("x-dkim-options", FieldCommand::dkim, true, in.retain_x_dkim_options));
  }
  if (!in.jobid_header.empty()) {
    out.fields.push_back(rule_of(in.jobid_header, FieldCommand::weak_job, true, true));
  }
  for (const std::string_view name : in.remove_header) {
    out.fields.push_back({to_lower(name), FieldCommand::none, true});
  }
}

/// What a file of the spool holds beside the largest message: heads, an envelope, alignment.
constexpr std::uint64_t kSegmentOverhead = std::uint64_t{112} << 10;
/// Sessions of one shard; each takes 9 KiB of address space, and memory once it is used.
constexpr std::uint32_t kSessionsInMax = 20'000;
/// Offsets inside a message are 32 bits wide, and replies count octets as RFC 1870 does.
constexpr std::uint64_t kMessageMax = std::uint64_t{2} << 30;

void set_auth(const config::SourcePolicy& in, ingest::SourcePolicy& out) {
  for (const std::string_view name : in.auth_mechanisms) {
    out.auth.plain = out.auth.plain || equals_ignoring_case(name, "plain");
    out.auth.login = out.auth.login || equals_ignoring_case(name, "login");
    out.auth.cram_md5 = out.auth.cram_md5 || equals_ignoring_case(name, "cram-md5");
  }
  if (!in.allow_auth) {
    out.auth = {};
  }
  out.auth.external = in.allow_auth;  // where users are known by certificates
  out.auth.clear_text_ok = in.allow_unencrypted_auth;
  out.auth.encrypted_only = in.require_starttls_before_auth;
  out.users_file = in.auth_file;
  if (!in.max_auth_failure_rate.unlimited()) {
    out.auth_failures_max = in.max_auth_failure_rate.count;
    out.auth_failures_period = in.max_auth_failure_rate.period;
  }
}

ingest::SourcePolicy source_policy(const config::SourcePolicy& in, std::uint64_t message_max,
                                   MailRules& rules, const sign::CanonSet& body_forms) {
  ingest::SourcePolicy out;
  out.body_forms = body_forms;
  out.verp = true;
  out.verp_default = in.verp_default;
  out.reports = static_cast<std::uint8_t>(
      (in.suppress_local_dsn ? report_rule::kNone : 0) |
      (in.dsn_return_default == config::DsnReturn::full ? report_rule::kFull : 0));
  out.accept = in.smtp_service;
  out.may_relay = in.always_allow_relaying;
  out.require_auth = in.require_auth;
  set_auth(in, out);
  out.proxied = in.proxy_protocol;
  out.source_group = to_lower(in.source_group);
  out.senders.assign(in.allow_mail_from.begin(), in.allow_mail_from.end());
  out.recipients.assign(in.allow_recipient.begin(), in.allow_recipient.end());
  if (in.max_rcpt_per_message != config::kUnlimited && in.max_rcpt_per_message != 0) {
    out.limits.recipients_max = std::min(in.max_rcpt_per_message, out.limits.recipients_max);
  }
  const bool limited = in.max_message_size != config::kUnlimitedSize && in.max_message_size != 0;
  out.limits.content.message_bytes_max =
      limited ? std::min(in.max_message_size, message_max) : message_max;
  if (in.max_message_hops != config::kUnlimited && in.max_message_hops != 0) {
    out.limits.content.received_fields_max = in.max_message_hops;
  }
  out.chunking = in.allow_chunking;
  out.smtputf8 = in.allow_smtputf8;
  out.starttls = in.allow_starttls;
  out.bare_line_ends = in.bare_newlines == config::BareNewlines::normalise
                           ? smtp::BareLineEnds::normalise
                           : smtp::BareLineEnds::refuse;
  out.command_timeout = in.smtp_command_timeout;
  out.data_timeout = in.smtp_data_timeout;
  out.default_vmta = in.default_virtual_mta.empty() || in.vmta_by_local_address
                         ? "{default}"
                         : to_lower(in.default_virtual_mta);
  for (const std::string_view name : in.allow_virtual_mta) {
    out.allowed_vmtas.push_back(to_lower(name));
  }
  out.refuse_unknown_vmta = in.reject_invalid_virtual_mta;
  const auto bit = [](bool on, EventKind kind) { return on ? event_bit(kind) : EventKinds{0}; };
  out.events = static_cast<EventKinds>(
      bit(in.log_connections, EventKind::connection) | bit(in.log_commands, EventKind::command) |
      bit(in.log_data, EventKind::content) | bit(in.log_tls, EventKind::tls));
  out.add_received = in.add_received_header;
  out.hide_source = in.hide_message_source;
  out.remove_received = in.remove_received_headers;
  out.add_message_id = in.add_message_id_header;
  out.add_vmta_field = in.add_x_virtual_mta_header;
  out.job_prefix = in.jobid_prefix;
  out.excess_fails_message = in.too_many_rcpts_fails_message;
  out.date = in.add_date_header == config::AddDate::no           ? ingest::DateField::leave
             : in.add_date_header == config::AddDate::if_missing ? ingest::DateField::add_if_missing
                                                                 : ingest::DateField::replace;
  out.date_when_sent = in.date_header_time == config::DateTime::delivery;
  add_fields(out, in);
  out.rules = rules.add_source(in);
  for (const std::string_view name : rules.fields_of(in)) {
    const std::string lower = to_lower(name);
    if (std::find(out.watched.begin(), out.watched.end(), lower) == out.watched.end()) {
      out.watched.push_back(lower);
    }
  }
  out.prepare();
  return out;
}

/// The rules of clients by address, where their listener names a source or none.
ingest::SourceRules source_rules(const config::Snapshot& snapshot, config::SourceId named,
                                 std::vector<ingest::SourcePolicy>& policies, MailRules& mail) {
  const std::uint64_t message_max =
      std::min<std::uint64_t>(snapshot.global().spool_segment_size - kSegmentOverhead, kMessageMax);
  const sign::CanonSet forms = body_forms(snapshot);
  const auto add = [&](const config::SourcePolicy& policy) {
    policies.push_back(source_policy(policy, message_max, mail, forms));
    if (policy.auto_qualify_domain) {
      policies.back().domain_suffix = to_lower(snapshot.global().domain_suffix);
    }
    policies.back().keeps_rules = policies.back().clear_auth_on_loopback =
        snapshot.is_relay_source(named);
    return static_cast<std::uint32_t>(policies.size() - 1);
  };
  ingest::SourceRules rules;
  rules.otherwise = add(snapshot.source_policy(IpAddress{}, named));
  for (const IpNetwork& network : snapshot.source_networks()) {
    rules.rules.push_back({network, add(snapshot.source_policy_of(network, named))});
  }
  return rules;
}

/// The rules of named sources, made when they are first asked for.
class NamedRules : public RulesOfSources {
 public:
  NamedRules(const config::Snapshot& snapshot, ingest::IngestConfig& out, MailRules& mail)
      : snapshot_(snapshot), out_(out), mail_(mail) {}

  std::uint32_t rules_of(config::SourceId source) override {
    const auto [entry, fresh] =
        named_.try_emplace(source, static_cast<std::uint32_t>(out_.rules.size()));
    if (fresh) {
      out_.rules.push_back(source_rules(snapshot_, source, out_.policies, mail_));
    }
    return entry->second;
  }

 private:
  const config::Snapshot& snapshot_;
  ingest::IngestConfig& out_;
  MailRules& mail_;
  std::map<config::SourceId, std::uint32_t> named_;
};

/// Where a listener can be reached: the unspecified address and networks spelt out.
std::vector<SocketAddress> reached_addresses(const config::Listener& listener,
                                             const std::vector<IpAddress>& local) {
  if (listener.single() && listener.network.prefix_bits != 0) {
    return {listener.address()};
  }
  std::vector<SocketAddress> addresses;
  for (const IpAddress& address : local) {
    if (listener.network.contains(address)) {
      addresses.push_back({address, listener.port});
    }
  }
  return addresses;
}

}  // namespace

LogForm log_form_of(const config::GlobalSettings& global) {
  return global.log_format == config::LogFormat::json ? LogForm::json : LogForm::text;
}

LogLevel log_level_of(const config::GlobalSettings& global, bool debug) {
  return debug ? LogLevel::debug : static_cast<LogLevel>(global.log_level);
}

std::vector<SocketAddress> bind_addresses(const config::Listener& listener,
                                          const std::vector<IpAddress>& local) {
  return listener.single() ? std::vector{listener.address()} : reached_addresses(listener, local);
}

Status check_listeners(const config::Snapshot& snapshot, const std::vector<IpAddress>& local) {
  for (const config::Listener& listener : snapshot.global().listeners) {
    if (bind_addresses(listener, local).empty()) {
      return Error::of(ErrorCode::not_found, snapshot.place(listener.origin) +
                                                 ": smtp-listener: this host has no address in " +
                                                 listener.network.text());
    }
  }
  return {};
}

Result<ingest::IngestConfigRef> ingest_config(const std::shared_ptr<const config::Snapshot>& shared,
                                              const std::vector<IpAddress>& local,
                                              const ingest::MailRules* before,
                                              TlsContexts* contexts,
                                              std::vector<std::string>* faults,
                                              ingest::SessionSlots* slots) {
  const config::Snapshot& snapshot = *shared;
  auto rules_read = MailRules::make(shared, static_cast<const MailRules*>(before));
  if (!rules_read) {
    return rules_read.error();
  }
  const std::shared_ptr<MailRules> mail = std::move(*rules_read);
  auto out = std::make_shared<ingest::IngestConfig>();
  out->hostname = snapshot.global().host_names.front();
  out->host_id = snapshot.global().host_id;
  out->rules.push_back(source_rules(snapshot, config::kNoSource, out->policies, *mail));
  NamedRules named(snapshot, *out, *mail);
  for (const config::Listener& listener : snapshot.global().listeners) {
    const std::uint32_t rules =
        listener.source == config::kNoSource ? 0 : named.rules_of(listener.source);
    const TlsContextRef tls =
        contexts == nullptr ? nullptr : listener_tls(snapshot, listener, *contexts);
    for (const SocketAddress& address : bind_addresses(listener, local)) {
      out->listen.push_back({address, rules, tls, listener.immediate_tls});
    }
  }
  std::vector<std::string> unheard;
  attach_users(snapshot, named, out->policies, faults != nullptr ? *faults : unheard);
  out->postmasters.assign(snapshot.global().postmasters.begin(),
                          snapshot.global().postmasters.end());
  for (const std::string_view name : snapshot.global().host_names) {
    out->own_names.push_back(to_lower(name));
  }
  for (ingest::SourcePolicy& policy : out->policies) {
    if (slots != nullptr && !policy.source_group.empty()) {
      policy.slot_group = slots->group(policy.source_group);
    }
  }
  for (const std::string_view domain : snapshot.relay_domains()) {
    out->relay_domains.push_back(to_lower(domain));
  }
  for (const config::VirtualMta& vmta : snapshot.virtual_mtas()) {
    out->vmtas.push_back(to_lower(vmta.name));
  }
  for (const config::VmtaPool& pool : snapshot.pools()) {
    out->vmtas.push_back(to_lower(pool.name));
  }
  std::sort(out->vmtas.begin(), out->vmtas.end());
  out->noted_fields = noted_headers(snapshot);
  out->noted_names.assign(out->noted_fields.begin(), out->noted_fields.end());
  const std::string_view fallback = snapshot.global().invalid_vmta_fallback;
  if (snapshot.find_vmta(fallback).kind != config::VmtaRef::Kind::none) {
    out->fallback_vmta = fallback;
  }
  out->mail_rules = mail;
  return ingest::IngestConfigRef(std::move(out));
}

ShardSettings shard_settings(std::shared_ptr<const config::Snapshot> snapshot, unsigned shard,
                             unsigned shards, const std::vector<IpAddress>& local) {
  const config::GlobalSettings& global = snapshot->global();
  ShardSettings settings;
  settings.shard = shard;
  settings.shards = shards;
  settings.spool_folder = global.spools.front().path;
  settings.spool.folder = settings.spool_folder;
  settings.spool.segment_bytes = global.spool_segment_size;
  settings.spool.deliver_only = global.spools.front().deliver_only;
  settings.spool.min_free_bytes = global.spools.front().min_free_space;
  // Dots in front of lines make content larger in wire form than its SIZE says, by a third at most.
  const std::uint64_t room = global.spool_segment_size - kSegmentOverhead;
  const std::uint64_t wanted = std::min(global.max_message_size, room);
  settings.spool.message_max =
      static_cast<std::uint32_t>(std::min(room, wanted + wanted / 3 + kSegmentOverhead));
  settings.spool.spare_segments_max = std::max(global.spool_spare, settings.spool.spare_segments);
  settings.spool.journal_max_bytes = global.journal_max;
  settings.spool.settle_sync_interval = global.settle_sync_interval;
  settings.spool.unsettled_max = global.unsettled_max;
  settings.schedule.shard = shard;
  settings.schedule.shards = shards;
  settings.schedule.jobs_max = 4096;
  settings.deliver.own_name = global.host_names.front();
  settings.deliver.random_seed = shard + 1;
  if (global.total_max_smtp_out != 0 && global.total_max_smtp_out != config::kUnlimited) {
    settings.deliver.sessions_max = std::min<std::size_t>(global.total_max_smtp_out, 6000);
  } else {
    settings.deliver.sessions_max = 6000;
  }
  // The promised limit is that of all shards together, and a reload may raise it.
  if (global.total_max_smtp_in != 0 && global.total_max_smtp_in != config::kUnlimited) {
    settings.ingest_memory.sessions_max =
        std::clamp(global.total_max_smtp_in, settings.ingest_memory.sessions_max, kSessionsInMax);
  }
  for (const std::string_view name : global.host_names) {
    settings.resolve.own_names.emplace_back(name);
  }
  for (const config::Listener& listener : global.listeners) {
    for (const SocketAddress& address : reached_addresses(listener, local)) {
      settings.resolve.own_addresses.push_back(address);
    }
  }
  settings.snapshot = std::move(snapshot);
  return settings;
}

}  // namespace ringpost::app
