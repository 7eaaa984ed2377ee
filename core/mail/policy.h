#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/base/tls.h"
#include "core/mail/login.h"
#include "core/mail/outcome.h"
#include "core/mail/reply_rules.h"

namespace ringpost::sign {
struct SigningPlan;
}

namespace ringpost {

/// Time allowed for each step of a session (RFC 5321 section 4.5.3.2 gives the lower bounds).
struct PhaseTimeouts {
  Duration connect = Duration::minutes(2);
  Duration greeting = Duration::minutes(5);
  Duration command = Duration::minutes(5);
  Duration data = Duration::minutes(2);     ///< from DATA to its 354
  Duration content = Duration::minutes(3);  ///< without progress while sending content
  Duration final_reply = Duration::minutes(10);
  Duration handshake = Duration::minutes(1);    ///< of TLS, whole
  Duration whole_reply = Duration::minutes(5);  ///< from the first octet of a reply to its last
};

/// A sending identity of a virtual MTA: local address to bind and the name to say in EHLO.
struct SourceAddress {
  IpAddress ip;  ///< family none: let the host choose
  std::string helo;
};

/// Where mail of a queue goes when DNS is not asked: smart hosts in order.
struct StaticHost {
  std::string name;   ///< host name to resolve, or empty when `address` is set
  IpAddress address;  ///< valid for literals
  std::uint16_t port = 25;
  bool by_mx = false;            ///< the MX hosts of `name` instead of its addresses
  std::uint16_t preference = 0;  ///< lower ones first; equal ones share
};

/// How much encryption a queue wants on its way.
enum class TlsDemand : std::uint8_t {
  never,
  offered,    ///< where a host offers it; in clear where that fails before MAIL
  encrypted,  ///< or the mail waits
  verified,   ///< and the host's certificate must be good for its name
};

struct QueueTls {
  TlsDemand demand = TlsDemand::never;
  /// nullptr: it could not be made, `context_error` says why; what demands TLS then waits.
  TlsContextRef context;
  std::string context_error;
  bool resume = true;       ///< sessions, among connections of one virtual MTA
  bool dane = false;        ///< TLSA records are looked up and followed (RFC 7672)
  bool sts = false;         ///< policies of MTA-STS are looked up and followed (RFC 8461)
  std::string authorities;  ///< file; empty: the system's
};

/// Where mail of a queue ends that no host gets.
struct LocalDelivery {
  enum class Form : std::uint8_t {
    plain,    ///< a file for each recipient, the message alone
    pickup,   ///< a file for the recipients of a transaction, which its first lines name
    mailbox,  ///< one for each address, to which messages are appended
  };

  DeliveryWay way = DeliveryWay::discard;
  bool as_bounce = false;  ///< what is discarded counts as returned
  Form form = Form::plain;
  std::string folder;      ///< of files
  std::string command;     ///< of a pipe, with macros
  bool keep_case = false;  ///< of what the macros stand for
};

/// How waits go on past the last rung of a ladder, and how far they are spread.
struct RetryCurve {
  std::uint32_t growth = 1;  ///< factor of each further wait; 1: the last rung repeats
  Duration longest = Duration::hours(12);  ///< no wait grows beyond it
  std::uint32_t jitter_percent = 0;        ///< most by which a wait is longer than its rung
};

/// Effective settings of one queue (destination, virtual MTA). Immutable; belongs to the
/// configuration snapshot it came from and is shared by reference count, so that a session
/// finishes under the settings it began with.
struct QueuePolicy {
  std::string vmta;                      ///< the virtual MTA's name
  std::string group;                     ///< of destinations with one budget; empty: none
  std::vector<SourceAddress> sources;    ///< at least one; several: both families, or a choice
  std::vector<StaticHost> static_route;  ///< empty: resolve by MX
  /// The same with smart hosts for when none of the route's hosts can be reached; nullptr: none.
  std::shared_ptr<const QueuePolicy> backup;
  std::shared_ptr<const LocalDelivery> local;  ///< instead of hosts; nullptr: by SMTP
  std::uint16_t smtp_port = 25;
  /// How long mail waits where DNS names no exchanger; zero: it is returned at once, forever: it
  /// goes to the domain's own address (RFC 5321 section 5.1).
  Duration no_mx_wait = Duration::forever();
  bool allow_private_mx = false;
  /// The mail waits: its settings demand what this version cannot do, and it must not leave in a
  /// way that they forbid.
  bool held = false;

  std::uint32_t connections_max = 20;             ///< max-smtp-out; 0 = unlimited
  std::uint32_t connections_per_host_max = 0;     ///< to one address of a mail host; 0 = unlimited
  std::uint32_t messages_per_connection_max = 0;  ///< 0 = unlimited
  std::uint32_t errors_per_connection_max = 0;    ///< refused recipients; 0 = unlimited
  std::uint32_t recipients_per_transaction_max = 100;
  bool paced = false;  ///< a message rate applies: a job is taken when it can be sent, not before

  std::vector<Duration> retry_after = {Duration::minutes(10)};  ///< the queue's clock, a ladder
  std::vector<Duration> retry_recipients_after;  ///< the recipient's clock; empty: retry_after
  Duration retry_after_dns_error;                ///< zero: as retry_after
  RetryCurve retry_curve;                        ///< of both clocks
  bool retry_upon_new_mail = false;              ///< new mail wakes a queue whose clock runs
  Duration bounce_after = Duration::days(4) + Duration::hours(12);

  std::uint8_t events = 0;          ///< kinds of events that are logged, as EventKinds
  std::uint8_t hidden_records = 0;  ///< disable-acct-records, as bits of record_bit
  /// What its hosts' replies are held against beside their codes; nullptr: nothing.
  ReplyRulesRef reply_rules;
  bool backoff = false;  ///< these are the settings of back-off mode
  /// 421 means that this host takes nothing now: the next one of the route is tried.
  bool skip_host_on_421 = false;
  /// 553 to RCPT without an enhanced status means that there is no such mailbox.
  bool no_mailbox_on_553 = false;
  /// A final reply that does not come in time is taken for a positive one.
  bool assume_delivered_on_timeout = false;
  bool bounce_on_broken_content = false;  ///< where the connection breaks within it
  bool eight_bit_needs_offer = false;     ///< else 8-bit content goes without 8BITMIME too
  bool bounce_on_5xx_greeting = false;    ///< else the mail waits, as for any host that fails
  std::uint32_t hosts_tried_max = 10;     ///< addresses of the route that one session tries

  std::uint32_t pipeline_window = 4;  ///< whole transactions sent ahead of their replies

  // Extensions left alone though the host offers them.
  bool ignore_pipelining = false;
  bool ignore_chunking = false;
  bool ignore_8bitmime = false;
  bool ignore_dsn = false;

  std::shared_ptr<const sign::SigningPlan> signing;  ///< how messages are signed; null: not at all
  QueueTls tls;
  std::shared_ptr<const Login> login;  ///< at its smart hosts; null: none
  PhaseTimeouts timeouts;
  Duration idle_timeout = Duration::seconds(5);
  std::uint32_t zero_copy_threshold_bytes = 32 * 1024;
  /// Stands for all of this that sessions act by. One opened under other terms than its queue has
  /// now ends between two transactions.
  std::uint64_t terms = 0;
};

using QueuePolicyRef = std::shared_ptr<const QueuePolicy>;

}  // namespace ringpost
