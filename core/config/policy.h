#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
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

/// The effective settings of one queue, a pair of queue name and virtual MTA. Flat, and shared by
/// all queues to which the same sections apply. Names follow the directives.
struct PathPolicy {
  // Limits of the queue.
  std::uint32_t max_smtp_out = 0;
  std::uint32_t max_per_host_out = 0;
  std::uint32_t max_msg_per_connection = 0;
  std::uint32_t max_rcpt_per_message = 0;
  std::uint32_t max_errors_per_connection = 0;
  Rate max_msg_rate;
  Rate max_connect_rate;
  Pacing pacing = Pacing::even;

  // Its clocks.
  std::span<const Duration> retry_after;  ///< at least one step; the last repeats
  Duration retry_recipients_after{};
  Duration retry_after_dns_error{};
  Duration bounce_after{};
  bool retry_upon_new_mail = false;
  bool expire_while_paused = false;

  // Where it goes.
  const StaticRoute* route = nullptr;  ///< nullptr: the MX of the domain
  std::string_view queue_to;           ///< applied already by queue_name()
  std::uint32_t default_smtp_port = 0;
  std::uint32_t mx_connection_attempts = 0;
  /// How long a domain without MX is waited for: zero returns mail at once, forever() means that
  /// the domain's own address is used.
  Duration bounce_upon_no_mx{};
  bool allow_private_mx = false;
  DeliveryType type = DeliveryType::smtp;  ///< other than smtp: hold the mail
  bool require_starttls = false;           ///< never send in clear

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
};

/// A virtual MTA: 0 is `{default}`, the others follow in the order of the file.
using VmtaId = std::uint32_t;
inline constexpr VmtaId kDefaultVmta = 0;

/// What a name in the place of a virtual MTA means.
struct VmtaRef {
  enum class Kind : std::uint8_t { none, vmta, pool };
  Kind kind = Kind::none;
  std::uint32_t id = 0;  ///< index in Snapshot::virtual_mtas() or Snapshot::pools()

  bool operator==(const VmtaRef&) const = default;
};

enum class BareNewlines : std::uint8_t { reject, normalise };
enum class AddDate : std::uint8_t { no, if_missing, override_always };

/// The effective rules for one client.
struct SourcePolicy {
  bool smtp_service = false;
  bool always_allow_relaying = false;
  bool require_auth = false;
  bool allow_chunking = false;
  bool allow_smtputf8 = false;
  BareNewlines bare_newlines = BareNewlines::reject;
  std::uint32_t max_message_hops = 0;
  std::uint32_t max_rcpt_per_message = 0;
  std::uint64_t max_message_size = 0;  ///< the server's own limit is already applied
  Duration smtp_command_timeout{};
  Duration smtp_data_timeout{};

  /// As written; empty means `{default}`. `default_vmta` says what it names: kind none means that
  /// mail which chooses nothing must be refused for the moment, because the name is unknown.
  std::string_view default_virtual_mta;
  VmtaRef default_vmta;
  bool vmta_by_local_address = false;  ///< `by-smtp-source-ip`; then default_vmta is {default}
  std::span<const std::string_view> allow_virtual_mta;  ///< empty: any
  bool process_x_virtual_mta = false;
  bool retain_x_virtual_mta = false;
  bool reject_invalid_virtual_mta = false;
  bool process_x_job = false;
  bool retain_x_job = false;
  std::string_view jobid_header;
  bool process_x_envid = false;
  bool add_received_header = false;
  bool hide_message_source = false;
  bool remove_received_headers = false;
  std::span<const std::string_view> remove_header;
  bool add_message_id_header = false;
  AddDate add_date_header = AddDate::no;
};

}  // namespace ringpost::config
