#include "core/config/setting.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "core/base/assert.h"

namespace ringpost::config {
namespace {

template <class T>
T as(const Value& value) {
  if constexpr (!std::is_same_v<T, bool> && (std::is_integral_v<T> || std::is_enum_v<T>)) {
    return static_cast<T>(as<std::int64_t>(value));
  } else {
    const T* held = std::get_if<T>(&value);
    RP_ASSERT_NOTE(held != nullptr, "an option row's value type does not fit its member");
    return *held;
  }
}

template <>
std::int64_t as<std::int64_t>(const Value& value) {
  const auto* held = std::get_if<std::int64_t>(&value);
  RP_ASSERT_NOTE(held != nullptr, "an option row's value type does not fit its member");
  return *held;
}

template <class Owner>
struct Field {
  OptionId id;
  void (*set)(Owner&, const Value&);
};

/// Writes one member. `Owner` may have it from a base.
template <class Owner, auto Member>
struct Access;
template <class Owner, class Part, class T, T Part::*Member>
struct Access<Owner, Member> {
  static void set(Owner& owner, const Value& value) { owner.*Member = as<T>(value); }
};

/// Setters by setting, so that applying one is an array access.
template <class Owner, std::size_t N>
class Fields {
 public:
  constexpr explicit Fields(const Field<Owner> (&fields)[N]) {
    for (const Field<Owner>& field : fields) {
      setters_[static_cast<std::size_t>(field.id)] = field.set;
    }
  }
  bool apply(Owner& to, OptionId id, const Value& value) const {
    const auto set = setters_[static_cast<std::size_t>(id)];
    if (set != nullptr) {
      set(to, value);
    }
    return set != nullptr;
  }

 private:
  std::array<void (*)(Owner&, const Value&), kOptionCount> setters_{};
};

using Id = OptionId;
using P = PathPolicy;
using S = SourcePolicy;
using G = GlobalSettings;

template <class Owner, auto Member>
constexpr auto kSet = &Access<Owner, Member>::set;

constexpr Field<P> kPolicyFields[] = {
    {Id::max_smtp_out, kSet<P, &P::max_smtp_out>},
    {Id::max_per_host_out, kSet<P, &P::max_per_host_out>},
    {Id::max_msg_rate, kSet<P, &P::max_msg_rate>},
    {Id::max_connect_rate, kSet<P, &P::max_connect_rate>},
    {Id::max_data_rate, kSet<P, &P::max_data_rate>},
    {Id::pacing, kSet<P, &P::pacing>},
    {Id::max_msg_per_connection, kSet<P, &P::max_msg_per_connection>},
    {Id::max_rcpt_per_message, kSet<P, &P::max_rcpt_per_message>},
    {Id::max_errors_per_connection, kSet<P, &P::max_errors_per_connection>},
    {Id::rampup_interval, kSet<P, &P::rampup_interval>},
    {Id::max_cold_msgs, kSet<P, &P::max_cold_msgs>},
    {Id::warmup, kSet<P, &P::warmup>},
    {Id::queue_priority, kSet<P, &P::queue_priority>},
    {Id::allow_priority_interruption, kSet<P, &P::allow_priority_interruption>},
    {Id::source_ip_max_smtp_out, kSet<P, &P::source_ip_max_smtp_out>},
    {Id::source_ip_max_connect_rate, kSet<P, &P::source_ip_max_connect_rate>},
    {Id::source_ip_max_msg_rate, kSet<P, &P::source_ip_max_msg_rate>},
    {Id::source_ip_max_data_rate, kSet<P, &P::source_ip_max_data_rate>},
    {Id::retry_after, kSet<P, &P::retry_after>},
    {Id::retry_recipients_after, kSet<P, &P::retry_recipients_after>},
    {Id::retry_growth, kSet<P, &P::retry_growth>},
    {Id::retry_after_max, kSet<P, &P::retry_after_max>},
    {Id::retry_jitter, kSet<P, &P::retry_jitter>},
    {Id::retry_after_dns_error, kSet<P, &P::retry_after_dns_error>},
    {Id::retry_upon_new_mail, kSet<P, &P::retry_upon_new_mail>},
    {Id::bounce_after, kSet<P, &P::bounce_after>},
    {Id::expire_while_paused, kSet<P, &P::expire_while_paused>},
    {Id::smtp_hosts, kSet<P, &P::route>},
    {Id::default_smtp_port, kSet<P, &P::default_smtp_port>},
    {Id::queue_to, kSet<P, &P::queue_to>},
    {Id::disable_mx_rollup, kSet<P, &P::disable_mx_rollup>},
    {Id::reroute, kSet<P, &P::reroute_to>},
    {Id::allow_private_mx, kSet<P, &P::allow_private_mx>},
    {Id::bounce_upon_no_mx, kSet<P, &P::bounce_upon_no_mx>},
    {Id::bounce_upon_5xx_greeting, kSet<P, &P::bounce_upon_5xx_greeting>},
    {Id::mx_connection_attempts, kSet<P, &P::mx_connection_attempts>},
    {Id::smtp_421_means_mx_unavailable, kSet<P, &P::smtp_421_means_mx_unavailable>},
    {Id::smtp_553_means_invalid_mailbox, kSet<P, &P::smtp_553_means_invalid_mailbox>},
    {Id::delivery_type, kSet<P, &P::delivery_type>},
    {Id::file_format, kSet<P, &P::file_format>},
    {Id::file_destination, kSet<P, &P::file_destination>},
    {Id::command, kSet<P, &P::command>},
    {Id::command_keeps_case, kSet<P, &P::command_keeps_case>},
    {Id::discard_as_bounce, kSet<P, &P::discard_as_bounce>},
    {Id::connect_timeout, kSet<P, &P::connect_timeout>},
    {Id::smtp_greeting_timeout, kSet<P, &P::smtp_greeting_timeout>},
    {Id::reply_timeout, kSet<P, &P::reply_timeout>},
    {Id::data_initiation_timeout, kSet<P, &P::data_initiation_timeout>},
    {Id::data_send_timeout, kSet<P, &P::data_send_timeout>},
    {Id::data_termination_timeout, kSet<P, &P::data_termination_timeout>},
    {Id::multiple_line_timeout, kSet<P, &P::multiple_line_timeout>},
    {Id::assume_delivery_upon_timeout, kSet<P, &P::assume_delivery_upon_timeout>},
    {Id::idle_timeout, kSet<P, &P::idle_timeout>},
    {Id::ignore_8bitmime, kSet<P, &P::ignore_8bitmime>},
    {Id::ignore_chunking, kSet<P, &P::ignore_chunking>},
    {Id::ignore_pipelining, kSet<P, &P::ignore_pipelining>},
    {Id::ignore_dsn, kSet<P, &P::ignore_dsn>},
    {Id::eight_bit_fallback, kSet<P, &P::eight_bit_fallback>},
    {Id::pipeline_window, kSet<P, &P::pipeline_window>},
    {Id::bounce_upon_transfer_failure, kSet<P, &P::bounce_upon_transfer_failure>},
    {Id::smtp_pattern_list, kSet<P, &P::smtp_pattern_list>},
    {Id::backoff_max_smtp_out, kSet<P, &P::backoff_max_smtp_out>},
    {Id::backoff_max_msg_rate, kSet<P, &P::backoff_max_msg_rate>},
    {Id::backoff_max_connect_rate, kSet<P, &P::backoff_max_connect_rate>},
    {Id::backoff_max_data_rate, kSet<P, &P::backoff_max_data_rate>},
    {Id::backoff_retry_after, kSet<P, &P::backoff_retry_after>},
    {Id::backoff_to_normal_after, kSet<P, &P::backoff_to_normal_after>},
    {Id::backoff_to_normal_after_delivery, kSet<P, &P::backoff_to_normal_after_delivery>},
    {Id::backoff_reroute, kSet<P, &P::backoff_reroute_to>},
    {Id::backoff_notify, kSet<P, &P::backoff_notify>},
    {Id::backoff_upon_all_sources_disabled, kSet<P, &P::backoff_upon_all_sources_disabled>},
    {Id::reenable_source_ip_after, kSet<P, &P::reenable_source_ip_after>},
    {Id::disabled_source_ip_notify, kSet<P, &P::disabled_source_ip_notify>},
    {Id::use_starttls, kSet<P, &P::use_starttls>},
    {Id::require_starttls, kSet<P, &P::require_starttls>},
    {Id::tls_verification, kSet<P, &P::tls_verification>},
    {Id::use_dane, kSet<P, &P::use_dane>},
    {Id::use_mta_sts, kSet<P, &P::use_mta_sts>},
    {Id::reuse_tls_session, kSet<P, &P::reuse_tls_session>},
    {Id::client_tls_v1, kSet<P, &P::tls_allow_v1>},
    {Id::client_tls_v1_1, kSet<P, &P::tls_allow_v1_1>},
    {Id::client_tls_v1_2, kSet<P, &P::tls_allow_v1_2>},
    {Id::client_tls_v1_3, kSet<P, &P::tls_allow_v1_3>},
    {Id::client_ciphers, kSet<P, &P::tls_ciphers>},
    {Id::client_suites, kSet<P, &P::tls_suites>},
    {Id::client_ca_file, kSet<P, &P::tls_ca_file>},
    {Id::client_certificate, kSet<P, &P::client_certificate>},
    {Id::auth_username, kSet<P, &P::auth_username>},
    {Id::auth_password, kSet<P, &P::auth_password>},
    {Id::use_unencrypted_auth, kSet<P, &P::use_unencrypted_auth>},
    {Id::dkim_sign, kSet<P, &P::dkim_sign>},
    {Id::dkim_identity, kSet<P, &P::dkim_identity>},
    {Id::dkim_identity_fallback, kSet<P, &P::dkim_identity_fallback>},
    {Id::dkim_selector, kSet<P, &P::dkim_selector>},
    {Id::dkim_key_file, kSet<P, &P::dkim_key_file>},
    {Id::dkim_algorithm, kSet<P, &P::dkim_algorithm>},
    {Id::dkim_body_canon, kSet<P, &P::dkim_body_canon>},
    {Id::dkim_headers_canon, kSet<P, &P::dkim_headers_canon>},
    {Id::dkim_headers, kSet<P, &P::dkim_headers>},
    {Id::dkim_oversign, kSet<P, &P::dkim_oversign>},
    {Id::dkim_body_limit, kSet<P, &P::dkim_body_limit>},
    {Id::dkim_timestamp, kSet<P, &P::dkim_timestamp>},
    {Id::dkim_expire_after, kSet<P, &P::dkim_expire_after>},
    {Id::second_dkim_sign, kSet<P, &P::second_dkim_sign>},
    {Id::second_dkim_identity, kSet<P, &P::second_dkim_identity>},
    {Id::deliver_local_dsn, kSet<P, &P::deliver_local_dsn>},
    {Id::notify_of_delay_every, kSet<P, &P::notify_of_delay_every>},
    {Id::disable_acct_records, kSet<P, &P::disable_acct_records>},
    {Id::queue_log_connections, kSet<P, &P::log_connections>},
    {Id::queue_log_commands, kSet<P, &P::log_commands>},
    {Id::queue_log_data, kSet<P, &P::log_data>},
    {Id::queue_log_tls, kSet<P, &P::log_tls>},
    {Id::queue_log_resolution, kSet<P, &P::log_resolution>},
    {Id::queue_log_transfer_failures, kSet<P, &P::log_transfer_failures>},
};

constexpr Field<S> kSourceFields[] = {
    {Id::smtp_service, kSet<S, &S::smtp_service>},
    {Id::always_allow_relaying, kSet<S, &S::always_allow_relaying>},
    {Id::require_auth, kSet<S, &S::require_auth>},
    {Id::allow_auth, kSet<S, &S::allow_auth>},
    {Id::auth_mechanisms, kSet<S, &S::auth_mechanisms>},
    {Id::allow_unencrypted_auth, kSet<S, &S::allow_unencrypted_auth>},
    {Id::require_starttls_before_auth, kSet<S, &S::require_starttls_before_auth>},
    {Id::allow_starttls, kSet<S, &S::allow_starttls>},
    {Id::max_auth_failure_rate, kSet<S, &S::max_auth_failure_rate>},
    {Id::source_proxy_protocol, kSet<S, &S::proxy_protocol>},
    {Id::relay_allow_mail_from, kSet<S, &S::allow_mail_from>},
    {Id::relay_allow_recipient, kSet<S, &S::allow_recipient>},
    {Id::relay_auth_secret, kSet<S, &S::auth_file>},
    {Id::max_message_size, kSet<S, &S::max_message_size>},
    {Id::max_message_hops, kSet<S, &S::max_message_hops>},
    {Id::source_max_rcpt_per_message, kSet<S, &S::max_rcpt_per_message>},
    {Id::too_many_rcpts_fails_message, kSet<S, &S::too_many_rcpts_fails_message>},
    {Id::auto_qualify_domain, kSet<S, &S::auto_qualify_domain>},
    {Id::bare_newlines, kSet<S, &S::bare_newlines>},
    {Id::smtp_command_timeout, kSet<S, &S::smtp_command_timeout>},
    {Id::smtp_data_timeout, kSet<S, &S::smtp_data_timeout>},
    {Id::allow_chunking, kSet<S, &S::allow_chunking>},
    {Id::allow_smtputf8, kSet<S, &S::allow_smtputf8>},
    {Id::default_virtual_mta, kSet<S, &S::default_virtual_mta>},
    {Id::allow_virtual_mta, kSet<S, &S::allow_virtual_mta>},
    {Id::source_pattern_list, kSet<S, &S::pattern_list>},
    {Id::source_group, kSet<S, &S::source_group>},
    {Id::suppression_lists, kSet<S, &S::suppression_lists>},
    {Id::process_x_virtual_mta, kSet<S, &S::process_x_virtual_mta>},
    {Id::retain_x_virtual_mta, kSet<S, &S::retain_x_virtual_mta>},
    {Id::add_x_virtual_mta_header, kSet<S, &S::add_x_virtual_mta_header>},
    {Id::reject_invalid_virtual_mta, kSet<S, &S::reject_invalid_virtual_mta>},
    {Id::process_x_job, kSet<S, &S::process_x_job>},
    {Id::retain_x_job, kSet<S, &S::retain_x_job>},
    {Id::jobid_header, kSet<S, &S::jobid_header>},
    {Id::jobid_prefix, kSet<S, &S::jobid_prefix>},
    {Id::process_x_envid, kSet<S, &S::process_x_envid>},
    {Id::process_x_dkim_options, kSet<S, &S::process_x_dkim_options>},
    {Id::retain_x_dkim_options, kSet<S, &S::retain_x_dkim_options>},
    {Id::add_received_header, kSet<S, &S::add_received_header>},
    {Id::hide_message_source, kSet<S, &S::hide_message_source>},
    {Id::remove_received_headers, kSet<S, &S::remove_received_headers>},
    {Id::remove_header, kSet<S, &S::remove_header>},
    {Id::add_message_id_header, kSet<S, &S::add_message_id_header>},
    {Id::add_date_header, kSet<S, &S::add_date_header>},
    {Id::date_header_time, kSet<S, &S::date_header_time>},
    {Id::verp_default, kSet<S, &S::verp_default>},
    {Id::suppress_local_dsn, kSet<S, &S::suppress_local_dsn>},
    {Id::dsn_return_default, kSet<S, &S::dsn_return_default>},
    {Id::source_log_connections, kSet<S, &S::log_connections>},
    {Id::source_log_commands, kSet<S, &S::log_commands>},
    {Id::source_log_data, kSet<S, &S::log_data>},
    {Id::source_log_tls, kSet<S, &S::log_tls>},
};

constexpr Field<G> kGlobalFields[] = {
    {Id::control_socket, kSet<G, &G::control_socket>},
    {Id::max_report_rate, kSet<G, &G::max_report_rate>},
    {Id::dsn_return_full_max, kSet<G, &G::dsn_return_full_max>},
    {Id::shards, kSet<G, &G::shards>},
    {Id::cpu_pinning, kSet<G, &G::cpu_pinning>},
    {Id::run_as_root, kSet<G, &G::run_as_root>},
    {Id::run_as_user, kSet<G, &G::run_as_user>},
    {Id::log_file, kSet<G, &G::log_file>},
    {Id::log_format, kSet<G, &G::log_format>},
    {Id::log_level, kSet<G, &G::log_level>},
    {Id::total_max_smtp_out, kSet<G, &G::total_max_smtp_out>},
    {Id::total_max_smtp_in, kSet<G, &G::total_max_smtp_in>},
    {Id::largest_message, kSet<G, &G::max_message_size>},
    {Id::shutdown_timeout, kSet<G, &G::shutdown_timeout>},
    {Id::journal_max, kSet<G, &G::journal_max>},
    {Id::spool_segment_size, kSet<G, &G::spool_segment_size>},
    {Id::spool_spare, kSet<G, &G::spool_spare>},
    {Id::settle_sync_interval, kSet<G, &G::settle_sync_interval>},
    {Id::unsettled_max, kSet<G, &G::unsettled_max>},
    {Id::zero_copy_threshold, kSet<G, &G::zero_copy_threshold>},
    {Id::domain_suffix, kSet<G, &G::domain_suffix>},
    {Id::host_id, kSet<G, &G::host_id>},
    {Id::invalid_vmta_fallback, kSet<G, &G::invalid_vmta_fallback>},
    {Id::auth_type, kSet<G, &G::auth_type>},
    {Id::auth_file, kSet<G, &G::auth_file>},
    {Id::http_port, kSet<G, &G::http_port>},
    {Id::http_redirect_to_https, kSet<G, &G::http_redirect_to_https>},
    {Id::http_csrf_protection, kSet<G, &G::http_csrf_protection>},
};

constexpr Field<ServerTlsSettings> kTlsFields[] = {
    {Id::server_certificate, kSet<ServerTlsSettings, &ServerTlsSettings::certificate>},
    {Id::server_ca_file, kSet<ServerTlsSettings, &ServerTlsSettings::ca_file>},
    {Id::server_tls_v1, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1>},
    {Id::server_tls_v1_1, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1_1>},
    {Id::server_tls_v1_2, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1_2>},
    {Id::server_tls_v1_3, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1_3>},
    {Id::server_ciphers, kSet<ServerTlsSettings, &ServerTlsSettings::ciphers>},
    {Id::server_suites, kSet<ServerTlsSettings, &ServerTlsSettings::suites>},
    {Id::listener_certificate, kSet<ServerTlsSettings, &ServerTlsSettings::certificate>},
    {Id::listener_ca_file, kSet<ServerTlsSettings, &ServerTlsSettings::ca_file>},
    {Id::listener_tls_v1, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1>},
    {Id::listener_tls_v1_1, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1_1>},
    {Id::listener_tls_v1_2, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1_2>},
    {Id::listener_tls_v1_3, kSet<ServerTlsSettings, &ServerTlsSettings::tls_v1_3>},
    {Id::listener_ciphers, kSet<ServerTlsSettings, &ServerTlsSettings::ciphers>},
    {Id::listener_suites, kSet<ServerTlsSettings, &ServerTlsSettings::suites>},
};

constexpr Field<Listener> kListenerFields[] = {
    {Id::listener_immediate_tls, kSet<Listener, &Listener::immediate_tls>},
};

constexpr Field<VirtualMta> kVmtaFields[] = {
    {Id::helo_domain, kSet<VirtualMta, &VirtualMta::helo>},
    {Id::vmta_max_smtp_out, kSet<VirtualMta, &VirtualMta::max_smtp_out>},
    {Id::vmta_max_msg_rate, kSet<VirtualMta, &VirtualMta::max_msg_rate>},
    {Id::vmta_max_connect_rate, kSet<VirtualMta, &VirtualMta::max_connect_rate>},
    {Id::vmta_max_data_rate, kSet<VirtualMta, &VirtualMta::max_data_rate>},
    {Id::vmta_weight, kSet<VirtualMta, &VirtualMta::weight>},
    {Id::warmup, kSet<VirtualMta, &VirtualMta::warmup>},
};

constexpr Field<VmtaPool> kPoolFields[] = {
    {Id::source_hash, kSet<VmtaPool, &VmtaPool::source_hash>},
    {Id::pool_max_msg_rate, kSet<VmtaPool, &VmtaPool::max_msg_rate>},
};

constexpr Field<SmtpUser> kUserFields[] = {
    {Id::user_password, kSet<SmtpUser, &SmtpUser::password>},
    {Id::user_source, kSet<SmtpUser, &SmtpUser::source>},
    {Id::user_method, kSet<SmtpUser, &SmtpUser::method>},
    {Id::user_certificate, kSet<SmtpUser, &SmtpUser::certificate>},
};

constexpr Field<SourceGroup> kGroupFields[] = {
    {Id::group_max_smtp_in, kSet<SourceGroup, &SourceGroup::max_smtp_in>},
    {Id::group_reserved_smtp_in, kSet<SourceGroup, &SourceGroup::reserved_smtp_in>},
};

constexpr Field<SenderRule> kSenderFields[] = {
    {Id::sender_vmta, kSet<SenderRule, &SenderRule::vmta>},
    {Id::sender_max_msg_rate, kSet<SenderRule, &SenderRule::max_msg_rate>},
    {Id::sender_max_conn, kSet<SenderRule, &SenderRule::max_conn>},
    {Id::sender_bounce_sender, kSet<SenderRule, &SenderRule::bounce_sender>},
};

constexpr Field<SmartRoute> kRouteFields[] = {
    {Id::route_destination, kSet<SmartRoute, &SmartRoute::destination>},
    {Id::route_backup, kSet<SmartRoute, &SmartRoute::backup>},
    {Id::route_priority, kSet<SmartRoute, &SmartRoute::priority>},
};

constexpr Field<DkimKey> kKeyFields[] = {
    {Id::signature_domain, kSet<DkimKey, &DkimKey::domain>},
    {Id::signature_selector, kSet<DkimKey, &DkimKey::selector>},
    {Id::signature_key_file, kSet<DkimKey, &DkimKey::file>},
    {Id::signature_algorithm, kSet<DkimKey, &DkimKey::algorithm>},
};

constexpr Field<Warmup> kWarmupFields[] = {
    {Id::warmup_period, kSet<Warmup, &Warmup::period>},
    {Id::warmup_start_rate, kSet<Warmup, &Warmup::start_rate>},
    {Id::warmup_end_rate, kSet<Warmup, &Warmup::end_rate>},
    {Id::warmup_curve, kSet<Warmup, &Warmup::curve>},
    {Id::warmup_start, kSet<Warmup, &Warmup::start_day>},
    {Id::warmup_count_idle_days, kSet<Warmup, &Warmup::count_idle_days>},
};

constexpr Field<SpoolFolder> kSpoolFields[] = {
    {Id::spool_deliver_only, kSet<SpoolFolder, &SpoolFolder::deliver_only>},
    {Id::spool_min_free_space, kSet<SpoolFolder, &SpoolFolder::min_free_space>},
};

constexpr Field<AcctFile> kAcctFields[] = {
    {Id::acct_records, kSet<AcctFile, &AcctFile::records>},
    {Id::acct_fields, kSet<AcctFile, &AcctFile::fields>},
    {Id::acct_sync_interval, kSet<AcctFile, &AcctFile::sync_interval>},
    {Id::acct_format, kSet<AcctFile, &AcctFile::format>},
    {Id::acct_move_to, kSet<AcctFile, &AcctFile::move_to>},
    {Id::acct_move_interval, kSet<AcctFile, &AcctFile::move_interval>},
    {Id::acct_compress, kSet<AcctFile, &AcctFile::compress>},
    {Id::acct_max_size, kSet<AcctFile, &AcctFile::max_size>},
    {Id::acct_delete_after, kSet<AcctFile, &AcctFile::delete_after>},
    {Id::acct_iso_times, kSet<AcctFile, &AcctFile::iso_times>},
    {Id::acct_world_readable, kSet<AcctFile, &AcctFile::world_readable>},
    {Id::acct_sync, kSet<AcctFile, &AcctFile::sync>},
    {Id::acct_user_string, kSet<AcctFile, &AcctFile::user_string>},
    {Id::acct_queue_filter, kSet<AcctFile, &AcctFile::queue_filter>},
};

constexpr Fields kPolicy(kPolicyFields);
constexpr Fields kSource(kSourceFields);
constexpr Fields kGlobal(kGlobalFields);
constexpr Fields kTls(kTlsFields);
constexpr Fields kListener(kListenerFields);
constexpr Fields kVmta(kVmtaFields);
constexpr Fields kPool(kPoolFields);
constexpr Fields kUser(kUserFields);
constexpr Fields kGroup(kGroupFields);
constexpr Fields kSender(kSenderFields);
constexpr Fields kRoute(kRouteFields);
constexpr Fields kKey(kKeyFields);
constexpr Fields kWarmup(kWarmupFields);
constexpr Fields kSpool(kSpoolFields);
constexpr Fields kAcct(kAcctFields);

std::string format_limit(const OptionRow& row, const SourceIpLimit& limit) {
  const std::string network = limit.network.text() + " ";
  switch (row.id) {
    case OptionId::source_ip_max_smtp_out: return network + format_count(limit.count);
    case OptionId::source_ip_max_data_rate: return network + format_data_rate(limit.data);
    default: return network + format_rate(limit.rate);
  }
}

std::string format_list(const OptionRow& row, const Value& value) {
  std::string out;
  const auto add = [&out](const std::string& text) { out.append(out.empty() ? "" : ",") += text; };
  if (const auto* steps = std::get_if<std::span<const Duration>>(&value)) {
    std::for_each(steps->begin(), steps->end(), [&](Duration d) { add(format_duration(d)); });
  } else if (const auto* names = std::get_if<std::span<const std::string_view>>(&value)) {
    std::for_each(names->begin(), names->end(), [&](auto name) { add(std::string(name)); });
  } else if (const auto* days = std::get_if<std::span<const std::uint32_t>>(&value)) {
    std::for_each(days->begin(), days->end(), [&](auto day) { add(std::to_string(day) + "/d"); });
  } else if (const auto* limits = std::get_if<std::span<const SourceIpLimit>>(&value)) {
    std::for_each(limits->begin(), limits->end(),
                  [&](const SourceIpLimit& limit) { add(format_limit(row, limit)); });
  }
  return out.empty() ? "\"\"" : out;
}

std::string format_warmup(const Warmup* warmup) {
  if (warmup == nullptr) {
    return "\"\"";
  }
  return format_rate(warmup->start_rate) + " to " + format_rate(warmup->end_rate) + " in " +
         format_duration(warmup->period) +
         (warmup->curve == WarmupCurve::linear ? ", linear" : ", exponential") +
         (warmup->count_idle_days ? ", idle days count" : "") +
         (warmup->start_day == 0 ? "" : ", since " + format_day(warmup->start_day));
}

std::string format_route(const StaticRoute* route) {
  std::string out;
  if (route == nullptr) {
    return "\"\"";
  }
  for (std::size_t i = 0; i < route->hops.size(); ++i) {
    const RouteHop& hop = route->hops[i];
    if (i > 0) {
      out += hop.preference == route->hops[i - 1].preference ? "," : ";";
    }
    if (hop.kind == RouteHop::Kind::address) {
      out.append(hop.address.is_v4() ? "[" : "[IPv6:").append(hop.address.text()).append("]");
    } else {
      out.append(hop.kind == RouteHop::Kind::mx ? "lookup-mx:" : "").append(hop.name);
    }
    if (hop.port != 0) {
      out += ":" + std::to_string(hop.port);
    }
  }
  return out;
}

std::string format_integer(const OptionRow& row, std::int64_t number) {
  const std::vector<std::string_view> choices = split_words(row.choices);
  if (row.type == ValueType::choice) {
    return std::string(choices[static_cast<std::size_t>(number)]);
  }
  if (row.type == ValueType::date) {
    return format_day(number);
  }
  if (row.type == ValueType::size) {
    return format_size(static_cast<std::uint64_t>(number));
  }
  if (number == 0 && !choices.empty()) {
    return std::string(choices[0]);
  }
  return format_count(static_cast<std::uint32_t>(number));
}

}  // namespace

bool apply(PathPolicy& to, OptionId id, const Value& value) { return kPolicy.apply(to, id, value); }
bool apply(SourcePolicy& to, OptionId id, const Value& value) {
  return kSource.apply(to, id, value);
}
bool apply(GlobalSettings& to, OptionId id, const Value& value) {
  return kGlobal.apply(to, id, value);
}
bool apply(ServerTlsSettings& to, OptionId id, const Value& value) {
  return kTls.apply(to, id, value);
}
bool apply(Listener& to, OptionId id, const Value& value) { return kListener.apply(to, id, value); }
bool apply(VirtualMta& to, OptionId id, const Value& value) { return kVmta.apply(to, id, value); }
bool apply(VmtaPool& to, OptionId id, const Value& value) { return kPool.apply(to, id, value); }
bool apply(SmtpUser& to, OptionId id, const Value& value) { return kUser.apply(to, id, value); }
bool apply(SourceGroup& to, OptionId id, const Value& value) { return kGroup.apply(to, id, value); }
bool apply(SenderRule& to, OptionId id, const Value& value) { return kSender.apply(to, id, value); }
bool apply(SmartRoute& to, OptionId id, const Value& value) { return kRoute.apply(to, id, value); }
bool apply(DkimKey& to, OptionId id, const Value& value) { return kKey.apply(to, id, value); }
bool apply(Warmup& to, OptionId id, const Value& value) { return kWarmup.apply(to, id, value); }
bool apply(SpoolFolder& to, OptionId id, const Value& value) { return kSpool.apply(to, id, value); }
bool apply(AcctFile& to, OptionId id, const Value& value) { return kAcct.apply(to, id, value); }

std::string format_value(const OptionRow& row, const Value& value) {
  if (row.is(kSecret)) {
    return "**";
  }
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return format_integer(row, *number);
  }
  if (const auto* yes = std::get_if<bool>(&value)) {
    return *yes ? "yes" : "no";
  }
  if (const auto* length = std::get_if<Duration>(&value)) {
    if (row.type == ValueType::bool_or_duration && (length->ns == 0 || length->is_forever())) {
      return length->ns == 0 ? "yes" : "no";
    }
    return format_duration(*length);
  }
  if (const auto* rate = std::get_if<Rate>(&value)) {
    return format_rate(*rate);
  }
  if (const auto* volume = std::get_if<DataRate>(&value)) {
    return format_data_rate(*volume);
  }
  if (std::holds_alternative<Secret>(value)) {
    return "**";
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return text->empty() ? "\"\"" : std::string(*text);
  }
  if (const auto* route = std::get_if<const StaticRoute*>(&value)) {
    return format_route(*route);
  }
  if (const auto* warmup = std::get_if<const Warmup*>(&value)) {
    return format_warmup(*warmup);
  }
  if (const auto* certificate = std::get_if<const CertificateFile*>(&value)) {
    return *certificate == nullptr ? "\"\"" : std::string((*certificate)->file);
  }
  return format_list(row, value);
}

}  // namespace ringpost::config
