#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/config/policy_parts.h"
#include "core/config/values.h"

namespace ringpost::config {

// Effective settings as plain values. Texts and lists are views into the snapshot they came from
// and live as long as it does. Counts without limit are kUnlimited, times without end
// Duration::forever(); nothing here is a sentinel of its own besides.

/// One step of a static route.
struct RouteHop {
  enum class Kind : std::uint8_t {
    address,  ///< `address`
    host,     ///< look up the addresses of `name`
    mx        ///< look up the MX hosts of `name`
  };
  Kind kind = Kind::host;
  std::uint16_t preference = 0;  ///< from 0; equal ones are interchangeable
  std::uint16_t port = 0;        ///< 0: PathPolicy::default_smtp_port
  IpAddress address;
  std::string_view name;
};

/// Hosts that take the place of a domain's MX, in the order of preference.
struct StaticRoute {
  std::vector<RouteHop> hops;
};

enum class Pacing : std::uint8_t { even, burst };
enum class EightBitFallback : std::uint8_t { send, bounce };
enum class DeliveryType : std::uint8_t { smtp, pipe, file, discard, http };
enum class FileFormat : std::uint8_t { plain, pickup, mailbox };

/// The effective settings of one queue, a pair of queue name and virtual MTA. Flat, and shared by
/// all queues to which the same sections apply. Names follow the directives.
struct PathPolicy : BackoffSettings, ClientTlsSettings, DkimSettings, ReportSettings {
  // Limits of the queue.
  std::uint32_t max_smtp_out = 0;
  std::uint32_t max_per_host_out = 0;
  std::uint32_t max_msg_per_connection = 0;
  std::uint32_t max_rcpt_per_message = 0;
  std::uint32_t max_errors_per_connection = 0;
  Rate max_msg_rate;
  Rate max_connect_rate;
  DataRate max_data_rate;
  Pacing pacing = Pacing::even;
  Duration rampup_interval{};      ///< least time between two new connections
  const Warmup* warmup = nullptr;  ///< the lower of it and max_msg_rate counts
  /// Messages a day that a cold virtual MTA takes of this domain, for successive days; the last
  /// repeats. Empty: none.
  std::span<const std::uint32_t> max_cold_msgs;
  std::uint32_t queue_priority = 0;  ///< 0 to 100
  bool allow_priority_interruption = false;
  std::span<const SourceIpLimit> source_ip_max_smtp_out;
  std::span<const SourceIpLimit> source_ip_max_connect_rate;
  std::span<const SourceIpLimit> source_ip_max_msg_rate;
  std::span<const SourceIpLimit> source_ip_max_data_rate;

  // Its clocks.
  std::span<const Duration> retry_after;  ///< at least one step; the last repeats
  Duration retry_recipients_after{};
  Duration retry_after_dns_error{};
  std::uint32_t retry_growth = 1;  ///< factor past the last step
  Duration retry_after_max{};      ///< no wait grows beyond it
  std::uint32_t retry_jitter = 0;  ///< per cent, 0 to 50
  Duration bounce_after{};
  bool retry_upon_new_mail = false;
  bool expire_while_paused = false;

  // Where it goes.
  const StaticRoute* route = nullptr;  ///< nullptr: the MX of the domain
  /// Smart hosts for when none of the domain's own hosts can be reached; nullptr: none.
  const StaticRoute* backup_route = nullptr;
  std::string_view reroute_to;  ///< name of the virtual MTA that takes the mail; empty: none
  VmtaRef reroute;              ///< what it means; kind none: the mail stays
  bool disable_mx_rollup = false;
  /// The queue must not be delivered by this version (its type): `route` leads
  /// nowhere and the mail waits.
  bool held = false;
  std::string_view queue_to;  ///< applied already by queue_name()
  std::uint32_t default_smtp_port = 0;
  std::uint32_t mx_connection_attempts = 0;
  /// How long a domain without MX is waited for: zero returns mail at once, forever() means that
  /// the domain's own address is used.
  Duration bounce_upon_no_mx{};
  bool allow_private_mx = false;
  DeliveryType delivery_type = DeliveryType::smtp;
  FileFormat file_format = FileFormat::plain;
  std::string_view file_destination;
  std::string_view command;
  bool command_keeps_case = false;
  bool discard_as_bounce = false;

  // Patience with the host.
  Duration connect_timeout{};
  Duration smtp_greeting_timeout{};
  Duration reply_timeout{};            ///< smtp-command-timeout: EHLO, MAIL, RCPT, RSET
  Duration data_initiation_timeout{};  ///< reply to DATA
  Duration data_send_timeout{};
  Duration data_termination_timeout{};  ///< reply to the final dot
  Duration multiple_line_timeout{};
  Duration idle_timeout{};  ///< zero: close at once

  // The dialogue.
  std::uint32_t pipeline_window = 0;
  EightBitFallback eight_bit_fallback = EightBitFallback::send;
  bool assume_delivery_upon_timeout = false;
  bool bounce_upon_5xx_greeting = false;
  bool smtp_421_means_mx_unavailable = false;
  bool smtp_553_means_invalid_mailbox = false;
  bool ignore_8bitmime = false;
  bool ignore_chunking = false;
  bool ignore_pipelining = false;
  bool ignore_dsn = false;
  bool bounce_upon_transfer_failure = false;
};

enum class BareNewlines : std::uint8_t { reject, normalise };
enum class AddDate : std::uint8_t { no, if_missing, override_always };
enum class DateTime : std::uint8_t { reception, delivery };
enum class DsnReturn : std::uint8_t { headers, full };

/// The effective rules for one client.
struct SourcePolicy {
  bool smtp_service = false;
  bool always_allow_relaying = false;
  bool require_auth = false;
  bool allow_auth = false;
  std::span<const std::string_view> auth_mechanisms;  ///< plain, login, cram-md5
  bool allow_unencrypted_auth = false;
  bool require_starttls_before_auth = false;
  bool allow_starttls = false;
  Rate max_auth_failure_rate;
  bool proxy_protocol = false;  ///< its sessions begin with a PROXY header
  /// Of a relay block: senders and recipients that may be named, `*` at the ends of a text; empty
  /// means any sender, and every recipient that relaying allows.
  std::span<const std::string_view> allow_mail_from;
  std::span<const std::string_view> allow_recipient;
  std::string_view auth_file;  ///< users of this source; empty: those of the whole server
  bool allow_chunking = false;
  bool allow_smtputf8 = false;
  BareNewlines bare_newlines = BareNewlines::reject;
  std::uint32_t max_message_hops = 0;
  std::uint32_t max_rcpt_per_message = 0;
  bool too_many_rcpts_fails_message = false;
  bool auto_qualify_domain = false;
  std::uint64_t max_message_size = 0;  ///< the server's own limit is already applied
  Duration smtp_command_timeout{};
  Duration smtp_data_timeout{};

  /// As written; empty means `{default}`. `default_vmta` says what it names: kind none means that
  /// mail which chooses nothing must be refused for the moment, because the name is unknown.
  std::string_view default_virtual_mta;
  VmtaRef default_vmta;
  bool default_vmta_of_listener = false;  ///< the named source of the listener says it
  bool vmta_by_local_address = false;     ///< `by-smtp-source-ip`; then default_vmta is {default}
  std::span<const std::string_view> allow_virtual_mta;  ///< empty: any
  std::string_view pattern_list;         ///< name of the list that chooses before the default
  std::int32_t pattern_list_index = -1;  ///< in Snapshot::routing_lists(); -1: none
  std::string_view source_group;
  std::span<const std::string_view> suppression_lists;
  bool process_x_virtual_mta = false;
  bool retain_x_virtual_mta = false;
  bool add_x_virtual_mta_header = false;
  bool reject_invalid_virtual_mta = false;
  bool process_x_job = false;
  bool retain_x_job = false;
  std::string_view jobid_header;
  std::string_view jobid_prefix;
  bool process_x_envid = false;
  bool process_x_dkim_options = false;
  bool retain_x_dkim_options = false;
  bool add_received_header = false;
  bool hide_message_source = false;
  bool remove_received_headers = false;
  std::span<const std::string_view> remove_header;
  bool add_message_id_header = false;
  AddDate add_date_header = AddDate::no;
  DateTime date_header_time = DateTime::reception;
  bool verp_default = false;
  bool suppress_local_dsn = false;
  DsnReturn dsn_return_default = DsnReturn::headers;
  bool log_connections = false;
  bool log_commands = false;
  bool log_data = false;
  bool log_tls = false;
};

}  // namespace ringpost::config
