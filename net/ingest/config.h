#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/base/tls.h"
#include "net/auth/user_book.h"
#include "net/ingest/mail_rules.h"
#include "net/ingest/session_slots.h"
#include "net/sign/body_hasher.h"
#include "net/smtp/mailbox.h"
#include "net/smtp/server_events.h"

namespace ringpost::ingest {

/// What the value of a header field commands, where it is obeyed.
enum class FieldCommand : std::uint8_t {
  none,      ///< the field is only removed
  vmta,      ///< names the virtual MTA or pool
  job,       ///< the job id
  weak_job,  ///< the job id, unless a `job` field gives one
  envid,     ///< the DSN envelope id, unless MAIL gave one
  dkim,      ///< how the message is to be signed
};

/// A header field that is looked for; those not listed pass on untouched.
struct FieldRule {
  std::string name;  ///< lower case
  FieldCommand command = FieldCommand::none;
  bool remove = true;
};

enum class DateField : std::uint8_t { leave, add_if_missing, replace };

/// How the mail of one kind of source is treated. Fill it in, then call prepare().
struct SourcePolicy {
  bool accept = true;         ///< otherwise greeted with 554
  bool may_relay = false;     ///< otherwise only to relay domains
  bool require_auth = false;  ///< MAIL is refused before AUTH
  smtp::AuthOffer auth;
  bool clear_auth_on_loopback = false;  ///< PLAIN and LOGIN without encryption on this host alone
  std::string users_file;  ///< who made the policy knows it; empty: the users of the configuration
  std::shared_ptr<const auth::UserBook> users;  ///< who may authenticate; null: nobody
  bool keeps_rules = false;                     ///< these rules hold after AUTH as before
  std::uint64_t auth_failures_max = 0;          ///< in the period; 0: no limit
  Duration auth_failures_period = Duration::minutes(1);
  /// Senders and recipients that may be named, lower case, with `*` at the ends of a text; empty:
  /// any that is allowed otherwise.
  std::vector<std::string> senders;
  std::vector<std::string> recipients;
  std::string source_group;  ///< whose quota its sessions count in; empty: none
  std::uint32_t slot_group = SessionSlots::kNoGroup;  ///< the same in SessionSlots
  bool excess_fails_message = false;  ///< of recipients; otherwise each in excess is refused
  bool proxied = false;  ///< its connections begin with a PROXY header, whose address counts
  smtp::ServerLimits limits;
  bool chunking = true;
  bool smtputf8 = true;
  bool dsn = true;
  bool starttls = false;  ///< offered, where the listener has a certificate
  smtp::BareLineEnds bare_line_ends = smtp::BareLineEnds::refuse;
  Duration command_timeout = Duration::minutes(5);  ///< RFC 5321 section 4.5.3.2.7
  Duration data_timeout = Duration::minutes(5);

  std::string default_vmta = "default";    ///< never empty
  std::vector<std::string> allowed_vmtas;  ///< what a field may choose; empty: any that exists
  bool refuse_unknown_vmta = true;         ///< otherwise such mail goes to the default

  bool verp = false;          ///< clients may ask for a return path for each recipient
  bool verp_default = false;  ///< and get it where they say nothing
  std::uint8_t reports = 0;   ///< how we report on its mail: a set of report_rule bits

  std::uint8_t events = 0;    ///< kinds of events that are logged, as EventKinds
  sign::CanonSet body_forms;  ///< canonical forms in which bodies are hashed for signatures

  std::string domain_suffix;    ///< completes addresses without a domain; empty: they are refused
  std::string job_prefix;       ///< before the job id; `{auth}` stands for the user's name
  bool add_vmta_field = false;  ///< X-Virtual-MTA says which was chosen, where the field is missing
  bool add_received = true;
  bool hide_source = false;  ///< the Received field says neither name nor address of the client
  bool remove_received = false;
  bool add_message_id = true;  ///< only where missing
  DateField date = DateField::add_if_missing;
  bool date_when_sent = false;       ///< the field we write says when the message leaves
  std::vector<FieldRule> fields;     ///< with `watched` at most 255
  std::vector<std::string> watched;  ///< other fields whose values rules look at, lower case
  std::uint32_t rules = 0;           ///< its number in IngestConfig::mail_rules

  /// The names of `fields` and `watched` as the scanner wants them.
  std::vector<std::string_view> field_names;
  void prepare();
};

/// Which policy a client's address gets.
struct SourceRule {
  IpNetwork network;
  std::uint32_t policy = 0;  ///< index into IngestConfig::policies
};

/// Whether `text` is matched by one of the patterns of SourcePolicy::senders; none: yes.
bool is_allowed(std::string_view text, const std::vector<std::string>& patterns);

/// User::rules of those who have no rules of their own.
inline constexpr std::uint32_t kSameRules = ~0U;

/// Rules that hold where mail came in.
struct SourceRules {
  std::uint32_t otherwise = 0;    ///< policy of addresses that no rule names
  std::vector<SourceRule> rules;  ///< the longest matching network counts
};

struct ListenAddress {
  SocketAddress address;
  std::uint32_t rules = 0;     ///< index into IngestConfig::rules
  TlsContextRef tls;           ///< nullptr: no encryption here
  bool immediate_tls = false;  ///< encrypted from the first octet
};

/// What one shard's ingest runs under. Immutable once the service has it; sessions keep it alive
/// until they end.
struct IngestConfig {
  std::string hostname = "localhost";  ///< in greeting, Received and Message-ID; at most 255 octets
  std::uint32_t host_id = 0;           ///< in Message-ID; 0: not written
  std::string banner = "Ringpost ESMTP";
  std::vector<ListenAddress> listen;
  std::vector<SourcePolicy> policies;
  std::vector<SourceRules> rules;  ///< [0] where the listener names none
  /// Who reads what is written to `postmaster`, and to that or `abuse` at a name of ours; empty: it
  /// is mail like any other.
  std::vector<std::string> postmasters;
  std::vector<std::string> own_names;      ///< lower case
  std::vector<std::string> relay_domains;  ///< open to everybody; `*.d` is any name below d
  std::vector<std::string> noted_fields;   ///< header fields for accounting; lower case, at most 64
  std::vector<std::string_view> noted_names;  ///< the same as the scanner wants them
  std::vector<std::string> vmtas;  ///< names of virtual MTAs and pools, lower case and sorted
  std::string fallback_vmta;       ///< instead of one that is unknown; empty: none
  /// Without rules all mail goes by its source's default_vmta or what its header names.
  std::shared_ptr<const MailRules> mail_rules;
  std::uint32_t connections_per_address_max = 0;      ///< on this shard; 0: no limit
  Duration handshake_timeout = Duration::minutes(1);  ///< of TLS, whole
  Duration linger = Duration::seconds(2);             ///< for the client to read the last reply

  /// Nullptr: none has this address.
  const ListenAddress* listener_at(const SocketAddress& address) const;
  /// For a client under the rules of this number.
  const SourcePolicy& policy_for(const IpAddress& client, std::uint32_t rules) const;
  bool is_relay_domain(std::string_view domain) const;
  /// Whether mail for this address goes to the postmasters (RFC 5321 section 4.5.1, RFC 2142).
  bool is_for_postmasters(const smtp::Mailbox& address) const;
  bool has_vmta(std::string_view name) const;
  /// Only loopback may inject, under otherwise default settings.
  static std::shared_ptr<IngestConfig> loopback_only(std::string hostname);
};

using IngestConfigRef = std::shared_ptr<const IngestConfig>;

/// Memory of one shard's ingest, all of it taken at start and touched as it is first used.
struct IngestMemory {
  std::uint32_t sessions_max = 1000;      ///< on this shard
  SessionSlots* slots = nullptr;          ///< of all shards together; none: no such limit
  std::uint32_t turned_away_max = 32;     ///< sessions beyond, that only get a 421
  std::uint32_t envelope_blocks = 8192;   ///< of 2 KiB; a transaction holds at least one
  std::uint32_t recipients_max = 10'000;  ///< of one message, over all policies
};

}  // namespace ringpost::ingest
