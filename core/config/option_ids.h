#pragma once

#include <cstdint>

namespace ringpost::config {

/// One effective setting; several directives may write the same one. Grouped by where it acts;
/// the order has no meaning.
enum class OptionId : std::uint16_t {
  // clang-format off
  none,
  // The process as a whole.
  host_name, postmaster, max_report_rate, dsn_return_full_max, control_socket, shards,
  cpu_pinning, run_as_root, run_as_user, log_file, log_format, log_level, total_max_smtp_out,
  total_max_smtp_in, largest_message, name_server, journal_max, spool_segment_size, spool_spare,
  settle_sync_interval, unsettled_max, zero_copy_threshold, shutdown_timeout, relay_domain,
  domain_macro, include, domain_suffix, host_id, relay_address, invalid_vmta_fallback,
  mx_connection_limit, ip_connection_limit, auth_type, auth_file, smtp_source_ip,
  // Encryption of sessions that come in.
  server_certificate, server_ca_file, server_tls_v1, server_tls_v1_1, server_tls_v1_2,
  server_tls_v1_3, server_ciphers, server_suites,
  // The web monitor.
  http_port, http_access, http_api_key, http_redirect_to_https, http_csrf_protection,
  // Listeners, spool and accounting files.
  smtp_listener, listener_source, listener_immediate_tls, listener_certificate, listener_ca_file,
  listener_ciphers, listener_suites, listener_tls_v1, listener_tls_v1_1, listener_tls_v1_2,
  listener_tls_v1_3, spool, spool_deliver_only, spool_min_free_space, acct_records, acct_format,
  acct_fields, acct_sync_interval, acct_sync, acct_record_fields, acct_map_header, acct_move_to,
  acct_move_interval, acct_compress, acct_max_size, acct_delete_after, acct_iso_times,
  acct_user_string, acct_queue_filter, acct_world_readable,
  // Sources of mail.
  smtp_service, always_allow_relaying, require_auth, allow_auth, auth_mechanisms,
  allow_unencrypted_auth, require_starttls_before_auth, allow_starttls, max_auth_failure_rate,
  default_virtual_mta, allow_virtual_mta, process_x_virtual_mta, retain_x_virtual_mta,
  add_x_virtual_mta_header, reject_invalid_virtual_mta, process_x_job, retain_x_job, jobid_header,
  jobid_prefix, process_x_envid, process_x_dkim_options, retain_x_dkim_options, add_received_header,
  hide_message_source, remove_received_headers, remove_header, add_message_id_header,
  add_date_header, date_header_time, max_message_size, max_message_hops,
  source_max_rcpt_per_message, too_many_rcpts_fails_message, auto_qualify_domain, bare_newlines,
  smtp_command_timeout, smtp_data_timeout, allow_chunking, allow_smtputf8, verp_default,
  suppress_local_dsn,
  dsn_return_default, source_pattern_list, source_group, suppression_lists, source_log_connections,
  source_log_commands, source_log_data, source_log_tls, source_proxy_protocol,
  // Users and quotas of sessions.
  user_password, user_source, user_method, user_certificate, group_max_smtp_in,
  group_reserved_smtp_in,
  // Virtual MTAs and pools.
  smtp_source_host, helo_domain, vmta_max_smtp_out, vmta_max_msg_rate, vmta_max_connect_rate,
  vmta_max_data_rate, vmta_cold, vmta_weight, pool_member, pool_max_msg_rate, source_hash,
  bind_ip_range, domain_key,
  // Limits of queues.
  max_smtp_out, max_per_host_out, max_msg_rate, max_connect_rate, max_data_rate, pacing,
  max_msg_per_connection, max_rcpt_per_message, max_errors_per_connection, rampup_interval,
  max_cold_msgs, warmup, queue_priority, allow_priority_interruption, source_ip_max_smtp_out,
  source_ip_max_connect_rate, source_ip_max_msg_rate, source_ip_max_data_rate,
  // Clocks of queues.
  retry_after, retry_recipients_after, retry_growth, retry_after_max, retry_jitter,
  retry_after_dns_error, retry_upon_new_mail, bounce_after,
  expire_while_paused,
  // Routes of queues.
  smtp_hosts, default_smtp_port, queue_to, group_member, disable_mx_rollup, reroute,
  allow_private_mx, bounce_upon_no_mx, bounce_upon_5xx_greeting, mx_connection_attempts,
  smtp_421_means_mx_unavailable, smtp_553_means_invalid_mailbox, delivery_type, file_format,
  file_destination, command, command_keeps_case, discard_as_bounce,
  // Patience of queues.
  connect_timeout, smtp_greeting_timeout, reply_timeout, data_initiation_timeout,
  data_send_timeout, data_termination_timeout, multiple_line_timeout,
  assume_delivery_upon_timeout, idle_timeout,
  // The dialogue of queues.
  ignore_8bitmime, ignore_chunking, ignore_pipelining, ignore_dsn, eight_bit_fallback,
  pipeline_window, bounce_upon_transfer_failure,
  // Back-off mode of queues.
  smtp_pattern_list, backoff_max_smtp_out, backoff_max_msg_rate, backoff_max_connect_rate,
  backoff_max_data_rate, backoff_retry_after, backoff_to_normal_after,
  backoff_to_normal_after_delivery, backoff_reroute, backoff_notify,
  backoff_upon_all_sources_disabled, reenable_source_ip_after, disabled_source_ip_notify,
  // Encryption and authentication of queues.
  use_starttls, require_starttls, tls_verification, use_dane, use_mta_sts, reuse_tls_session,
  client_tls_v1, client_tls_v1_1, client_tls_v1_2, client_tls_v1_3, client_ciphers, client_suites,
  client_ca_file, client_certificate, auth_username, auth_password, use_unencrypted_auth,
  // Signing.
  dkim_sign, dkim_identity, dkim_identity_fallback, dkim_selector, dkim_key_file, dkim_algorithm,
  dkim_body_canon, dkim_headers_canon, dkim_headers, dkim_oversign, dkim_body_limit,
  dkim_timestamp, dkim_expire_after, second_dkim_sign, second_dkim_identity,
  // Notifications and logs of queues.
  deliver_local_dsn, notify_of_delay_every, disable_acct_records, queue_log_connections,
  queue_log_commands, queue_log_data, queue_log_tls, queue_log_resolution,
  queue_log_transfer_failures,
  // Lists of patterns.
  reply, bounce_category, route_mail_from, route_rcpt_to, route_header, route_any, mx_rollup,
  list_address, list_address_file, list_domain,
  // The own sections sender, source, relay, route, dkim-signature and warmup.
  sender_vmta, sender_max_msg_rate, sender_max_conn, sender_bounce_sender, routing_default,
  routing_domain, relay_listen, relay_auth, relay_auth_login, relay_auth_secret,
  relay_allow_mail_from, relay_allow_recipient, relay_vmta, route_destination, route_backup,
  route_priority, signature_domain, signature_selector, signature_key_file, signature_algorithm,
  warmup_period, warmup_start_rate, warmup_end_rate, warmup_curve, warmup_start,
  warmup_count_idle_days,
  count_
  // clang-format on
};

inline constexpr auto kOptionCount = static_cast<unsigned>(OptionId::count_);

}  // namespace ringpost::config
