#include "core/app/policy_book.h"

#include <algorithm>
#include <utility>

#include "core/account/fields.h"
#include "core/app/backoff_policy.h"
#include "core/app/host_limit_rows.h"
#include "core/app/session_terms.h"
#include "core/app/source_limits.h"
#include "core/app/warmup_policy.h"
#include "core/base/hash.h"
#include "core/base/idn.h"
#include "core/base/text.h"
#include "core/mail/events.h"
#include "core/schedule/scheduler.h"

namespace ringpost::app {
namespace {

constexpr int kMostReroutes = 8;
constexpr std::size_t kMostRollups = 100'000;
constexpr std::uint32_t kMostRecipientsOfATransaction = 1000;

/// In the rooms below, 0 stands for unlimited.
std::uint32_t limit_of(std::uint32_t configured) {
  return configured == config::kUnlimited ? 0 : configured;
}

schedule::ByteLimit octets_of(const config::DataRate& rate) { return {rate.bytes, rate.period}; }

schedule::RateLimit rate_of(const config::Rate& rate,
                            config::Pacing pacing = config::Pacing::even) {
  return {rate.count, rate.period, pacing == config::Pacing::burst};
}

/// Of the limits on new connections of a group the one that is tighter.
schedule::RateLimit connects_of(const config::PathPolicy& in) {
  return gap_limits_group(in) ? schedule::RateLimit{1, in.rampup_interval}
                              : rate_of(in.max_connect_rate);
}

void limit_sources(schedule::QueueSettings& settings, QueuePolicy& policy,
                   const config::PathPolicy& in) {
  if (policy.local == nullptr) {
    settings.limits.by_source = source_limits(policy.sources, in);
    policy.paced = policy.paced || settings.limits.by_source != nullptr;
  }
}

std::vector<SourceAddress> sources_of(const config::VirtualMta& vmta,
                                      const config::GlobalSettings& global) {
  std::vector<SourceAddress> sources;
  for (const config::SourceHost& host : vmta.sources) {
    const bool any =
        host.address == IpAddress::v4(0, 0, 0, 0) || host.address == *IpAddress::parse("::");
    sources.push_back(
        {any ? IpAddress{} : host.address, std::string(host.helo.empty() ? vmta.helo : host.helo)});
  }
  if (sources.empty()) {
    sources.push_back({IpAddress{}, std::string(vmta.helo)});
  }
  for (SourceAddress& source : sources) {
    if (source.helo.empty()) {
      source.helo = global.host_names.front();
    }
  }
  return sources;
}

void set_route(QueuePolicy& out, const config::StaticRoute* route, const config::PathPolicy& in) {
  if (route == nullptr) {
    return;
  }
  for (const config::RouteHop& hop : route->hops) {
    StaticHost host;
    host.preference = hop.preference;
    host.port = hop.port != 0 ? hop.port : static_cast<std::uint16_t>(in.default_smtp_port);
    if (hop.kind == config::RouteHop::Kind::address) {
      host.address = hop.address;
    } else {
      host.name = hop.name;
      host.by_mx = hop.kind == config::RouteHop::Kind::mx;
    }
    out.static_route.push_back(std::move(host));
  }
}

/// `shared`: the hosts of an mx-rollup-list, which this queue alone has.
void set_hosts(QueuePolicy& out, const std::vector<std::string_view>& shared,
               const config::PathPolicy& in) {
  set_route(out, in.route, in);
  out.smtp_port = static_cast<std::uint16_t>(in.default_smtp_port);
  for (const std::string_view host : shared) {
    out.static_route.push_back({std::string(host), {}, out.smtp_port, false, 0});
  }
  out.allow_private_mx = in.allow_private_mx;
  out.no_mx_wait = in.bounce_upon_no_mx;
}

std::shared_ptr<const LocalDelivery> local_of(const config::PathPolicy& in) {
  using config::DeliveryType;
  using Form = LocalDelivery::Form;
  if (in.held || in.delivery_type == DeliveryType::smtp || in.delivery_type == DeliveryType::http) {
    return nullptr;
  }
  auto local = std::make_shared<LocalDelivery>();
  local->way = in.delivery_type == DeliveryType::file   ? DeliveryWay::file
               : in.delivery_type == DeliveryType::pipe ? DeliveryWay::pipe
                                                        : DeliveryWay::discard;
  local->as_bounce = in.discard_as_bounce;
  local->form = in.file_format == config::FileFormat::pickup    ? Form::pickup
                : in.file_format == config::FileFormat::mailbox ? Form::mailbox
                                                                : Form::plain;
  local->folder = in.file_destination;
  local->command = in.command;
  local->keep_case = in.command_keeps_case;
  return local;
}

bool has_tried(const Admission& admission, std::size_t choice) {
  return (admission.tried >> (choice % 64) & 1) != 0;
}

void set_counts(QueuePolicy& out, const config::PathPolicy& in) {
  out.connections_max = limit_of(in.max_smtp_out);
  out.connections_per_host_max = limit_of(in.max_per_host_out);
  out.messages_per_connection_max = limit_of(in.max_msg_per_connection);
  out.errors_per_connection_max = limit_of(in.max_errors_per_connection);
  out.recipients_per_transaction_max =
      std::clamp(limit_of(in.max_rcpt_per_message), 1U, kMostRecipientsOfATransaction);
  if (limit_of(in.max_rcpt_per_message) == 0) {
    out.recipients_per_transaction_max = kMostRecipientsOfATransaction;
  }
}

void set_extensions(QueuePolicy& out, const config::PathPolicy& in) {
  out.ignore_pipelining = in.ignore_pipelining;
  out.ignore_chunking = in.ignore_chunking;
  out.pipeline_window = in.pipeline_window;
  out.ignore_8bitmime = in.ignore_8bitmime;
  out.ignore_dsn = in.ignore_dsn;
}

std::shared_ptr<const Login> login_of(const config::PathPolicy& in) {
  if (in.auth_username.empty()) {
    return nullptr;
  }
  return std::make_shared<const Login>(Login{std::string(in.auth_username),
                                             SecretText(in.auth_password.reveal()),
                                             in.use_unencrypted_auth});
}

void set_standing(schedule::QueueLimits& out, const config::PathPolicy& in) {
  out.expire_while_paused = in.expire_while_paused;
  out.priority = static_cast<std::uint8_t>(std::min(in.queue_priority, 100U));
  out.interruptible = in.allow_priority_interruption;
}

EventKinds events_of(const config::PathPolicy& in) {
  const auto bit = [](bool on, EventKind kind) { return on ? event_bit(kind) : EventKinds{0}; };
  return static_cast<EventKinds>(
      bit(in.log_connections, EventKind::connection) | bit(in.log_commands, EventKind::command) |
      bit(in.log_data, EventKind::content) | bit(in.log_tls, EventKind::tls) |
      bit(in.log_resolution, EventKind::resolution) |
      bit(in.log_transfer_failures, EventKind::failure));
}

void set_timeouts(QueuePolicy& out, const config::PathPolicy& in) {
  out.timeouts.connect = in.connect_timeout;
  out.timeouts.greeting = in.smtp_greeting_timeout;
  out.timeouts.command = in.reply_timeout;
  // A host that is slow to answer may be slow here, but one that is given less is given less here.
  out.timeouts.handshake = std::min(out.timeouts.handshake, in.reply_timeout);
  out.timeouts.data = in.data_initiation_timeout;
  out.timeouts.content = in.data_send_timeout;
  out.timeouts.final_reply = in.data_termination_timeout;
  out.timeouts.whole_reply = in.multiple_line_timeout;
  out.idle_timeout = in.idle_timeout;
}

}  // namespace

PolicyBook::PolicyBook(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version,
                       std::shared_ptr<const KeyRing> keys, TlsContexts* contexts)
    : snapshot_(snapshot),
      cache_(std::move(snapshot)),
      tls_(contexts),
      version_(version),
      keys_(std::move(keys)) {
  make_choices();
  note_sharing();
  rates_.use(cache_.snapshot(), group_warmups());
}

void PolicyBook::use(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version,
                     std::shared_ptr<const KeyRing> keys) {
  keep_heirs(this->snapshot());
  translated_.clear();  // its keys are policies of the old one
  tls_.clear();
  snapshot_ = snapshot;
  cache_ = config::PolicyCache(std::move(snapshot));
  rates_.use(cache_.snapshot(), group_warmups());
  version_ = version;
  keys_ = std::move(keys);
  for (auto& [queue, rollup] : rollups_) {
    rollup.expires = Instant{};  // asked again; moves by command still need to know
  }
  make_choices();
  era_ = note_sharing() ? (era_ + 1) % schedule::GlobalLimits::kEras : era_;
}

/// Whether the rules by which destinations share queues are others than before.
bool PolicyBook::note_sharing() {
  const std::uint64_t before = sharing_.hash;
  sharing_ = sharing_rules(snapshot());
  shared_.insert(sharing_.names.begin(), sharing_.names.end());
  return sharing_.hash != before;
}

config::VmtaId PolicyBook::vmta_of(std::string_view name) const {
  const config::VmtaRef ref = snapshot().find_vmta(name);
  // Mail of a virtual MTA that the configuration no longer has goes out by the default one.
  return ref.kind == config::VmtaRef::Kind::vmta ? ref.id : config::kDefaultVmta;
}

std::string_view PolicyBook::queue_name(std::string_view domain, std::string_view vmta) {
  // A domain and its A-labels are one destination; what is no name at all keeps a queue of its own,
  // where it is returned.
  // The domains of a group have hosts of their own, hence queues of their own, with one budget.
  const std::string_view queue = snapshot().queue_name(domain, vmta_of(vmta));
  const std::string_view name = snapshot().is_group(queue) ? domain : queue;
  if (is_ascii(name) || name.size() > config::kMaxNameBytes) {
    name_.assign(name.substr(0, name.size() > 1 && name.ends_with('.') ? name.size() - 1 : ~0UL));
    std::transform(name_.begin(), name_.end(), name_.begin(), ascii_lower);
  } else {
    name_.assign(config::FoldedName(name).view());
  }
  return name_;
}

PolicyBook::DelayRules PolicyBook::delay_rules(const Admission& admission, Instant now) {
  const Placement at = place(admission, now);
  const config::VmtaId id = vmta_of(at.vmta);
  const std::string_view group = snapshot().queue_name(at.queue, id);
  const config::PathPolicy& in =
      cache_.policy_for(snapshot().is_group(group) ? group : at.queue, id);
  return {in.notify_of_delay_every, in.bounce_after};
}

bool PolicyBook::reports_to(std::string_view domain) {
  const std::string_view queue =
      queue_name(domain, snapshot().virtual_mtas()[config::kDefaultVmta].name);
  return cache_.policy_for(queue, config::kDefaultVmta).deliver_local_dsn;
}

std::span<const std::string_view> PolicyBook::told_of(const schedule::Decision& decision) {
  const config::VmtaId id = vmta_of(decision.vmta);
  const std::string_view group = snapshot().queue_name(decision.name, id);
  const config::PathPolicy& in =
      cache_.policy_for(snapshot().is_group(group) ? group : decision.name, id);
  return decision.kind == schedule::Decision::Kind::backoff ? in.backoff_notify
                                                            : in.disabled_source_ip_notify;
}

bool PolicyBook::out_of_use(const config::VirtualMta& vmta) const {
  return !vmta.sources.empty() && std::none_of(vmta.sources.begin(), vmta.sources.end(),
                                               [&](const config::SourceHost& host) {
                                                 return sources_->usable(host.address);
                                               });
}

config::VmtaId PolicyBook::member_of(config::VmtaRef ref, const Admission& admission) {
  if (ref.kind == config::VmtaRef::Kind::vmta) {
    return ref.id;
  }
  if (ref.kind == config::VmtaRef::Kind::none || choices_[ref.id].empty()) {
    return config::kDefaultVmta;
  }
  const config::VmtaPool& pool = snapshot().pools()[ref.id];
  std::uint64_t key = admission.pool_key;
  if (pool.source_hash == config::SourceHash::domain) {
    key = hash64(config::FoldedName(admission.domain).view());
  } else if (pool.source_hash == config::SourceHash::none || key == 0) {
    const std::uint64_t number[2] = {admission.id.high, admission.id.low};
    key = hash64({reinterpret_cast<const char*>(number), sizeof number});
  }
  out_.clear();
  const bool some_off = sources_ != nullptr && !sources_->off().empty();
  if (some_off || admission.tried != 0) {
    for (std::size_t i = 0; i < pool.members.size(); ++i) {
      const config::VirtualMta& member = snapshot().virtual_mtas()[pool.members[i]];
      out_.push_back(has_tried(admission, i) || (some_off && out_of_use(member)));
    }
    if (some_off && std::find(out_.begin(), out_.end(), false) == out_.end()) {
      // One that takes no more today keeps it for later, rather than one that cannot send at all.
      for (std::size_t i = 0; i < pool.members.size(); ++i) {
        out_[i] = out_of_use(snapshot().virtual_mtas()[pool.members[i]]);
      }
    }
  }
  return pool.members[choices_[ref.id].choose(key, out_)];
}

Placement PolicyBook::place(const Admission& admission, Instant now) {
  config::VmtaRef ref = snapshot().find_vmta(admission.vmta);
  Placement out;
  out.pooled = ref.kind == config::VmtaRef::Kind::pool || admission.pooled;
  config::VmtaId id = member_of(ref, admission);
  out.vmta = snapshot().virtual_mtas()[id].name;
  out.queue = queue_name(admission.domain, out.vmta);
  if (const std::string_view shared = known_rollup(out.queue, now); !shared.empty()) {
    out.queue = queue_name(shared, out.vmta);
  }
  apply_caps(out, ref, id, admission, now);
  ref = reroute_of(out.queue, id);
  if (ref.kind != config::VmtaRef::Kind::none) {
    out.counted = false;
    out.pooled = ref.kind == config::VmtaRef::Kind::pool;
    id = member_of(ref, admission);
    out.vmta = snapshot().virtual_mtas()[id].name;
    out.queue = queue_name(admission.domain, out.vmta);
  }
  return out;
}

std::span<const std::uint32_t> PolicyBook::caps_of(std::string_view queue, config::VmtaId id) {
  const auto caps = cache_.policy_for(snapshot().queue_name(queue, id), id).max_cold_msgs;
  const bool any = std::any_of(caps.begin(), caps.end(), [](std::uint32_t cap) { return cap > 0; });
  return any ? caps : std::span<const std::uint32_t>{};
}

std::span<const std::uint32_t> PolicyBook::day_caps(std::string_view queue, std::string_view vmta,
                                                    std::string_view overflow) {
  const config::VmtaRef ref = snapshot().find_vmta(overflow);
  return caps_of(queue, ref.kind == config::VmtaRef::Kind::vmta ? ref.id : vmta_of(vmta));
}

// A virtual MTA with cold ones gives them the first mail of a day; a member of a pool without any
// is the cold one itself.
void PolicyBook::apply_caps(Placement& out, config::VmtaRef ref, config::VmtaId& id,
                            const Admission& admission, Instant now) {
  const config::VirtualMta& identity = snapshot().virtual_mtas()[id];
  const bool in_pool = ref.kind == config::VmtaRef::Kind::pool;
  if ((identity.cold.empty() ? !in_pool : admission.attempts > 0) ||
      caps_of(out.queue, id).empty()) {
    return;
  }
  if (identity.cold.empty()) {
    const auto& members = snapshot().pools()[ref.id].members;
    out.counted = true;
    out.choice = static_cast<std::uint8_t>(
        (std::find(members.begin(), members.end(), id) - members.begin()) % 64);
    // Chosen again though it takes no more: so do all others, and it keeps the mail for later.
    out.overflow =
        has_tried(admission, out.choice) ? std::string_view{} : snapshot().pools()[ref.id].name;
    return;
  }
  const std::size_t first = hash64(admission.domain, admission.id.low) % identity.cold.size();
  for (std::size_t i = 0; i < identity.cold.size(); ++i) {
    const std::size_t choice = (first + i) % identity.cold.size();
    const bool off = sources_ != nullptr && !sources_->off().empty() &&
                     out_of_use(snapshot().virtual_mtas()[identity.cold[choice]]);
    if (off || has_tried(admission, choice)) {
      continue;
    }
    out.counted = true;
    out.choice = static_cast<std::uint8_t>(choice % 64);
    out.overflow = identity.name;
    id = identity.cold[choice];
    out.vmta = snapshot().virtual_mtas()[id].name;
    out.queue = queue_name(admission.domain, out.vmta);
    if (const std::string_view shared = known_rollup(out.queue, now); !shared.empty()) {
      out.queue = queue_name(shared, out.vmta);
    }
    return;
  }
}

std::string_view PolicyBook::known_rollup(std::string_view queue, Instant now) const {
  if (rollups_.empty()) {
    return {};
  }
  const auto found = rollups_.find(queue);
  return found == rollups_.end() || found->second.expires <= now
             ? std::string_view{}
             : std::string_view(found->second.queue);
}

std::string_view PolicyBook::rolled_up(std::string_view queue, std::string_view vmta,
                                       std::span<const std::string_view> hosts, Instant expires) {
  const std::string_view shared = shared_by_hosts(queue, vmta_of(vmta), hosts);
  if (shared.empty()) {
    if (const auto known = rollups_.find(queue); known != rollups_.end()) {
      known->second.former = true;
      known->second.expires = Instant{};
    }
    return {};
  }
  if (rollups_.size() >= kMostRollups) {
    rollups_.clear();
  }
  rollups_.insert_or_assign(std::string(queue), Rollup{to_lower(shared), expires});
  return shared;
}

// A shared queue must know where its mail goes: by its own route, or by the hosts that its rules
// name one by one.
std::string_view PolicyBook::shared_by_hosts(std::string_view queue, config::VmtaId id,
                                             std::span<const std::string_view> hosts) {
  if (snapshot().mx_rollup().empty() || cache_.policy_for(queue, id).disable_mx_rollup) {
    return {};
  }
  const std::string_view shared = snapshot().rolled_up_queue(hosts);
  return shared.empty() || !takes_rollup(shared, id) ? std::string_view{} : shared;
}

std::vector<RolledUp> PolicyBook::rolled_up_now(std::string_view domain) const {
  const auto known = rollups_.find(to_lower(domain));
  if (known == rollups_.end() || known->second.former || known->first == known->second.queue ||
      !shares(known->second.queue)) {
    return {};
  }
  return {{known->first, known->second.queue}};
}

bool PolicyBook::takes_rollup(std::string_view shared, config::VmtaId id) {
  return cache_.policy_for(shared, id).route != nullptr || !hosts_of_rollup(shared).empty();
}

std::vector<RolledUp> PolicyBook::rolled_up_into(std::string_view pattern) const {
  std::vector<RolledUp> out;
  for (const auto& [queue, rollup] : rollups_) {
    if (queue != rollup.queue && schedule::glob_matches(pattern, rollup.queue)) {
      out.push_back({queue, rollup.queue});
    }
  }
  return out;
}

bool PolicyBook::takes(std::string_view taker, std::string_view vmta) const {
  const config::VmtaRef ref = snapshot().find_vmta(taker);
  const config::VmtaRef at = snapshot().find_vmta(vmta);
  if (ref.kind == config::VmtaRef::Kind::none || at.kind != config::VmtaRef::Kind::vmta) {
    return equals_ignoring_case(taker, vmta);
  }
  const auto& members = ref.kind == config::VmtaRef::Kind::pool ? snapshot().pools()[ref.id].members
                                                                : std::vector{ref.id};
  return std::find(members.begin(), members.end(), at.id) != members.end();
}

std::string_view PolicyBook::leaving_name(std::string_view domain, std::string_view vmta,
                                          std::string_view shared) {
  const config::VmtaId id = vmta_of(vmta);
  if (!shared.empty() && takes_rollup(shared, id)) {
    return shared;
  }
  const std::string_view queue = snapshot().queue_name(domain, id);
  return snapshot().is_group(queue) ? domain : queue;
}

std::vector<std::string_view> PolicyBook::hosts_of_rollup(std::string_view queue) const {
  std::vector<std::string_view> hosts;
  for (const config::MxRollupRule& rule : snapshot().mx_rollup()) {
    if (!equals_ignoring_case(rule.queue, queue)) {
      continue;
    }
    if (!rule.by_ip || rule.pattern.starts_with('*')) {
      return {};
    }
    hosts.push_back(rule.pattern);
  }
  return hosts;
}

// Along a chain of virtual MTAs to its end. A circle, and a pool whose members reroute themselves,
// lead nowhere: the mail stays.
config::VmtaRef PolicyBook::reroute_of(std::string_view queue, config::VmtaId vmta) {
  if (!reroutes_) {
    return {};
  }
  const auto next_of = [&](config::VmtaId id) {
    return cache_.policy_for(snapshot().queue_name(queue, id), id).reroute;
  };
  config::VmtaRef target;
  config::VmtaId at = vmta;
  for (int hop = 0; hop < kMostReroutes; ++hop) {
    const config::VmtaRef next = next_of(at);
    if (next.kind == config::VmtaRef::Kind::none) {
      return target;
    }
    if (next.kind == config::VmtaRef::Kind::pool) {
      const auto& members = snapshot().pools()[next.id].members;
      const bool ends = std::all_of(members.begin(), members.end(), [&](config::VmtaId member) {
        return member != vmta && next_of(member).kind == config::VmtaRef::Kind::none;
      });
      return ends ? next : config::VmtaRef{};
    }
    if (next.id == vmta || next.id == at) {
      return {};
    }
    target = next;
    at = next.id;
  }
  return {};
}

// Whether mail that goes to `from` could come to `goal`, if all on its way were in back-off mode.
bool PolicyBook::leads_to(std::string_view queue, config::VmtaRef from, config::VmtaId goal,
                          int hops) {
  if (from.kind == config::VmtaRef::Kind::none) {
    return false;
  }
  if (from.kind == config::VmtaRef::Kind::pool) {
    const auto& members = snapshot().pools()[from.id].members;
    return std::any_of(members.begin(), members.end(), [&](config::VmtaId member) {
      return leads_to(queue, {config::VmtaRef::Kind::vmta, member}, goal, hops);
    });
  }
  const auto next = cache_.policy_for(snapshot().queue_name(queue, from.id), from.id);
  return from.id == goal || hops == 0 || leads_to(queue, next.backoff_reroute, goal, hops - 1);
}

// A way that could come back is none: all in back-off mode, mail would go round for ever.
config::VmtaRef PolicyBook::backoff_reroute_of(std::string_view queue, config::VmtaId vmta) {
  const config::VmtaRef to =
      cache_.policy_for(snapshot().queue_name(queue, vmta), vmta).backoff_reroute;
  return leads_to(queue, to, vmta, kMostReroutes) ? config::VmtaRef{} : to;
}

void PolicyBook::keep_heirs(const config::Snapshot& before) {
  for (const config::VmtaPool& pool : before.pools()) {
    for (const config::VmtaId member : pool.members) {
      heirs_.try_emplace(to_lower(before.virtual_mtas()[member].name), pool.name);
    }
  }
}

std::string PolicyBook::name_of(config::VmtaRef to) const {
  return std::string(to.kind == config::VmtaRef::Kind::pool
                         ? snapshot().pools()[to.id].name
                         : snapshot().virtual_mtas()[to.id].name);
}

schedule::MoveOrder PolicyBook::move_of(std::string_view queue, std::string_view vmta) {
  const config::VmtaRef ref = snapshot().find_vmta(vmta);
  if (ref.kind != config::VmtaRef::Kind::vmta) {
    const auto heir = heirs_.find(to_lower(vmta));
    const bool known = heir != heirs_.end() &&
                       snapshot().find_vmta(heir->second).kind != config::VmtaRef::Kind::none;
    return {known ? heir->second : std::string("{default}"), false};
  }
  if (const config::VmtaRef to = reroute_of(queue, ref.id);
      to.kind != config::VmtaRef::Kind::none) {
    return {name_of(to), false};
  }
  // The mail of a destination that shares another queue by now.
  if (const std::string_view name = queue_name(queue, vmta);
      era_ > 0 && name != queue && shared_.find(queue) == shared_.end()) {
    return {std::string(vmta), false, std::string(name)};
  }
  if (sources_ == nullptr || sources_->off().empty() ||
      !out_of_use(snapshot().virtual_mtas()[ref.id])) {
    return {};
  }
  for (const config::VmtaPool& pool : snapshot().pools()) {
    const auto& members = pool.members;
    const bool ours = std::find(members.begin(), members.end(), ref.id) != members.end();
    if (ours && std::any_of(members.begin(), members.end(), [&](config::VmtaId member) {
          return !out_of_use(snapshot().virtual_mtas()[member]);
        })) {
      return {std::string(pool.name), true};
    }
  }
  return {};
}

void PolicyBook::make_choices() {
  const auto reroutes = [](const config::DomainEntry& entry) {
    return std::any_of(
        entry.settings.begin(), entry.settings.end(),
        [](const config::Setting& setting) { return setting.id == config::OptionId::reroute; });
  };
  reroutes_ = std::any_of(snapshot().entries().begin(), snapshot().entries().end(), reroutes);
  choices_.clear();
  for (const config::VmtaPool& pool : snapshot().pools()) {
    PoolChoice& choice = choices_.emplace_back();
    for (const config::VmtaId member : pool.members) {
      choice.add(snapshot().virtual_mtas()[member].name, snapshot().virtual_mtas()[member].weight);
    }
  }
}

std::vector<GroupWarmup> PolicyBook::group_warmups() {
  std::vector<GroupWarmup> found;
  for (const std::string& group : snapshot().groups()) {
    for (config::VmtaId id = 0; id < snapshot().virtual_mtas().size(); ++id) {
      const config::PathPolicy& in = cache_.policy_for(group, id);
      const auto by_source =
          source_limits(sources_of(snapshot().virtual_mtas()[id], snapshot().global()), in);
      const GroupBackoff twin = group_backoff(in);
      if (in.warmup == nullptr && in.max_data_rate.unlimited() && by_source == nullptr &&
          !twin.rates_messages() && !twin.connects.limited()) {
        continue;
      }
      GroupWarmup& one = found.emplace_back();
      one.group = group;
      one.vmta = id;
      one.octets = octets_of(in.max_data_rate);
      one.by_source = by_source;
      one.messages = rate_of(in.max_msg_rate, in.pacing);
      one.connects = connects_of(in);
      one.backoff = twin;
      if (in.warmup != nullptr) {
        one.plan = warmup_plan(in.warmup, "*" + to_lower(group), snapshot().virtual_mtas()[id],
                               snapshot());
      }
    }
  }
  return found;
}

schedule::GlobalLimits PolicyBook::global_limits() {
  return {limit_of(snapshot().global().total_max_smtp_out), version_,
          !snapshot().global().host_limits.empty(), era_};
}

schedule::HostLimits PolicyBook::host_limits(std::string_view host, const IpAddress& address) {
  const HostLimitRows rows = host_limit_rows(snapshot(), host, address);
  return {rows.by_name == nullptr ? 0 : limit_of(rows.by_name->count),
          rows.by_address == nullptr ? 0 : limit_of(rows.by_address->count)};
}

void PolicyBook::set_shared_rates(schedule::QueueSettings& settings,
                                  const config::VirtualMta& vmta) const {
  const std::uint64_t messages = RatePlans::messages_of(vmta.name);
  if (const auto* plan = rates_.find(messages); plan != nullptr && !plan->rates.empty()) {
    settings.limits.shared_messages = {messages, messages, {}};
  }
  const std::uint64_t connects = RatePlans::connects_of(vmta.name);
  if (rates_.find(connects) != nullptr) {
    settings.limits.shared_connects = {connects, connects, {}};
  }
}

void PolicyBook::set_group(schedule::QueueSettings& settings, QueuePolicy& policy,
                           std::string_view group, const config::PathPolicy& in) const {
  policy.group = to_lower(group);
  const std::string name = policy.group + "/" + policy.vmta;
  const auto scope_key = schedule::Scheduler::scope_key;
  settings.limits.group = scope_key("group-connections", name);
  settings.limits.group_connections_max = std::exchange(policy.connections_max, 0);
  const schedule::RatePlan* const plan = rates_.find(RatePlans::messages_of(group, policy.vmta));
  const bool split = plan != nullptr && plan->split;  // into source addresses
  const schedule::SourceLimitsRef by_source =
      std::exchange(settings.limits.by_source,
                    limits_in_group(settings.limits.by_source, group, policy.vmta, split));
  const auto some_source = [&](auto limited) {
    return by_source != nullptr && std::any_of(by_source->begin(), by_source->end(), limited);
  };
  const bool has_plan =
      in.warmup != nullptr || octets_of(in.max_data_rate).limited() ||
      some_source([](const auto& one) { return one.messages.limited() || one.octets.limited(); });
  if (rate_of(in.max_msg_rate).limited() || has_plan) {
    settings.limits.messages = {};
    settings.limits.octets = {};
    settings.limits.warmup = nullptr;
    settings.limits.shared_messages = {
        RatePlans::group_messages(group, policy.vmta),
        has_plan ? RatePlans::messages_of(group, policy.vmta) : RatePlans::messages_of(policy.vmta),
        split ? schedule::RateLimit{} : rate_of(in.max_msg_rate, in.pacing)};
  }
  const bool by_plan = by_source != nullptr && rates_connects(*by_source);
  if (connects_of(in).limited() || by_plan) {
    settings.limits.connects = {};
    settings.limits.connect_gap = {};
    settings.limits.shared_connects = {
        RatePlans::group_connects(group, policy.vmta),
        by_plan ? RatePlans::connects_of(group, policy.vmta) : RatePlans::connects_of(policy.vmta),
        by_plan ? schedule::RateLimit{} : connects_of(in)};
  }
}

schedule::QueueSettings PolicyBook::settings_of(std::string_view queue, std::string_view vmta) {
  schedule::QueueSettings settings = translated(queue, vmta);
  settings.shared = shared_.find(queue) != shared_.end();
  settings.move = move_of(queue, vmta);
  const config::VmtaRef away = backoff_reroute_of(queue, vmta_of(vmta));
  if (away.kind != config::VmtaRef::Kind::none) {
    settings.backoff_move.vmta = name_of(away);
  }
  return settings;
}

schedule::QueueSettings PolicyBook::translated(std::string_view queue, std::string_view vmta) {
  const config::VmtaId id = vmta_of(vmta);
  std::string_view group = snapshot().queue_name(queue, id);
  group = snapshot().is_group(group) ? group : std::string_view{};
  const config::PathPolicy& in = cache_.policy_for(group.empty() ? queue : group, id);
  const Key key{&in, id, group.empty() ? 0 : hash64(group)};
  // Hosts that only this queue has; all else it may have in common with others.
  const auto shared_hosts =
      in.route == nullptr ? hosts_of_rollup(queue) : std::vector<std::string_view>{};
  const auto found = translated_.find(key);
  if (shared_hosts.empty() && found != translated_.end()) {
    return found->second;
  }
  const config::VirtualMta& identity = snapshot().virtual_mtas()[id];
  auto out = std::make_shared<QueuePolicy>();
  out->vmta = identity.name;
  out->sources = sources_of(identity, snapshot().global());
  set_hosts(*out, shared_hosts, in);
  out->held = in.held;
  out->events = events_of(in);
  out->hidden_records = account::records_of(in.disable_acct_records);
  out->tls = queue_tls(in, tls_);
  out->login = login_of(in);
  set_extensions(*out, in);
  out->assume_delivered_on_timeout = in.assume_delivery_upon_timeout;
  out->bounce_on_broken_content = in.bounce_upon_transfer_failure;
  out->eight_bit_needs_offer = in.eight_bit_fallback == config::EightBitFallback::bounce;
  set_counts(*out, in);
  out->retry_after.assign(in.retry_after.begin(), in.retry_after.end());
  if (in.retry_recipients_after.ns > 0) {
    out->retry_recipients_after.assign(1, in.retry_recipients_after);
  }
  out->bounce_after = in.bounce_after;
  set_timeouts(*out, in);
  out->local = local_of(in);
  out->signing = keys_ != nullptr && out->local == nullptr ? keys_->plan_for(in, id) : nullptr;
  out->zero_copy_threshold_bytes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(snapshot().global().zero_copy_threshold, std::uint64_t{1} << 31));
  set_reply_meaning(*out, in, snapshot_);
  if (in.backup_route != nullptr) {
    auto backup = std::make_shared<QueuePolicy>(*out);
    backup->static_route.clear();
    set_route(*backup, in.backup_route, in);
    out->backup = std::move(backup);
  }
  schedule::QueueSettings settings;
  set_shared_rates(settings, identity);
  out->paced = rate_of(in.max_msg_rate).limited() || settings.limits.shared_messages.scope != 0 ||
               in.warmup != nullptr || rates_.limits_senders() ||
               octets_of(in.max_data_rate).limited();
  settings.limits.warmup = warmup_plan(in.warmup, {}, identity, snapshot());
  settings.limits.messages = rate_of(in.max_msg_rate, in.pacing);
  settings.limits.octets = octets_of(in.max_data_rate);
  settings.limits.connects = rate_of(in.max_connect_rate);
  settings.limits.connect_gap = in.rampup_interval;
  limit_sources(settings, *out, in);
  if (!group.empty()) {
    set_group(settings, *out, group, in);
  }
  out->terms = session_terms(*out, in);
  settings.policy = std::move(out);
  settings.limits.vmta_connections_max = limit_of(identity.max_smtp_out);
  set_standing(settings.limits, in);
  settings.backoff = backoff_twin(settings, in);
  if (shared_hosts.empty()) {
    translated_.emplace(key, settings);
  }
  return settings;
}

}  // namespace ringpost::app
