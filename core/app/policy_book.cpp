#include "core/app/policy_book.h"

#include <algorithm>

#include "core/account/fields.h"
#include "core/base/hash.h"
#include "core/base/idn.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr std::uint32_t kMostRecipientsOfATransaction = 1000;

/// In the rooms below, 0 stands for unlimited.
std::uint32_t limit_of(std::uint32_t configured) {
  return configured == config::kUnlimited ? 0 : configured;
}

schedule::RateLimit rate_of(const config::Rate& rate) { return {rate.count, rate.period}; }

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

void set_route(QueuePolicy& out, const config::PathPolicy& in) {
  if (in.route == nullptr) {
    return;
  }
  for (const config::RouteHop& hop : in.route->hops) {
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

void set_timeouts(QueuePolicy& out, const config::PathPolicy& in) {
  out.timeouts.connect = in.connect_timeout;
  out.timeouts.greeting = in.smtp_greeting_timeout;
  out.timeouts.command = in.reply_timeout;
  out.timeouts.data = in.data_initiation_timeout;
  out.timeouts.content = in.data_send_timeout;
  out.timeouts.final_reply = in.data_termination_timeout;
  out.idle_timeout = in.idle_timeout;
}

}  // namespace

PolicyBook::PolicyBook(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version,
                       std::shared_ptr<const KeyRing> keys)
    : cache_(std::move(snapshot)), version_(version), keys_(std::move(keys)) {
  make_choices();
  rates_.use(cache_.snapshot());
}

void PolicyBook::use(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version,
                     std::shared_ptr<const KeyRing> keys) {
  translated_.clear();  // its keys are policies of the old one
  cache_ = config::PolicyCache(std::move(snapshot));
  rates_.use(cache_.snapshot());
  version_ = version;
  keys_ = std::move(keys);
  make_choices();
}

config::VmtaId PolicyBook::vmta_of(std::string_view name) const {
  const config::VmtaRef ref = snapshot().find_vmta(name);
  // Mail of a virtual MTA that the configuration no longer has goes out by the default one.
  return ref.kind == config::VmtaRef::Kind::vmta ? ref.id : config::kDefaultVmta;
}

std::string_view PolicyBook::queue_name(std::string_view domain, std::string_view vmta) {
  // A domain and its A-labels are one destination; what is no name at all keeps a queue of its own,
  // where it is returned.
  const std::string_view name = snapshot().queue_name(domain, vmta_of(vmta));
  if (is_ascii(name) || name.size() > config::kMaxNameBytes) {
    name_.assign(name.substr(0, name.size() > 1 && name.ends_with('.') ? name.size() - 1 : ~0UL));
    std::transform(name_.begin(), name_.end(), name_.begin(), ascii_lower);
  } else {
    name_.assign(config::FoldedName(name).view());
  }
  return name_;
}

bool PolicyBook::out_of_use(const config::VirtualMta& vmta) const {
  return !vmta.sources.empty() && std::none_of(vmta.sources.begin(), vmta.sources.end(),
                                               [&](const config::SourceHost& host) {
                                                 return sources_->usable(host.address);
                                               });
}

std::string_view PolicyBook::member_of(const Admission& admission) {
  const config::VmtaRef ref = snapshot().find_vmta(admission.vmta);
  if (ref.kind == config::VmtaRef::Kind::vmta) {
    return snapshot().virtual_mtas()[ref.id].name;
  }
  if (ref.kind == config::VmtaRef::Kind::none || choices_[ref.id].empty()) {
    return snapshot().virtual_mtas()[config::kDefaultVmta].name;
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
  if (sources_ != nullptr && !sources_->off().empty()) {
    for (const config::VmtaId member : pool.members) {
      out_.push_back(out_of_use(snapshot().virtual_mtas()[member]));
    }
  }
  return snapshot().virtual_mtas()[pool.members[choices_[ref.id].choose(key, out_)]].name;
}

void PolicyBook::make_choices() {
  choices_.clear();
  for (const config::VmtaPool& pool : snapshot().pools()) {
    PoolChoice& choice = choices_.emplace_back();
    for (const config::VmtaId member : pool.members) {
      choice.add(snapshot().virtual_mtas()[member].name, snapshot().virtual_mtas()[member].weight);
    }
  }
}

schedule::GlobalLimits PolicyBook::global_limits() {
  return {limit_of(snapshot().global().total_max_smtp_out), version_};
}

void PolicyBook::set_shared_rates(schedule::QueueSettings& settings,
                                  const config::VirtualMta& vmta) const {
  const std::uint64_t messages = RatePlans::messages_of(vmta.name);
  if (rates_.find(messages) != nullptr) {
    settings.limits.shared_messages = {messages, messages, {}};
  }
  const std::uint64_t connects = RatePlans::connects_of(vmta.name);
  if (rates_.find(connects) != nullptr) {
    settings.limits.shared_connects = {connects, connects, {}};
  }
}

schedule::QueueSettings PolicyBook::settings_of(std::string_view queue, std::string_view vmta) {
  const config::VmtaId id = vmta_of(vmta);
  const config::PathPolicy& in = cache_.policy_for(queue, id);
  const Key key{&in, id};
  if (const auto found = translated_.find(key); found != translated_.end()) {
    return found->second;
  }
  const config::VirtualMta& identity = snapshot().virtual_mtas()[id];
  auto out = std::make_shared<QueuePolicy>();
  out->vmta = identity.name;
  out->sources = sources_of(identity, snapshot().global());
  set_route(*out, in);
  out->smtp_port = static_cast<std::uint16_t>(in.default_smtp_port);
  out->allow_private_mx = in.allow_private_mx;
  out->held = in.held;
  out->hidden_records = account::records_of(in.disable_acct_records);
  out->ignore_pipelining = in.ignore_pipelining;
  out->ignore_8bitmime = in.ignore_8bitmime;
  out->ignore_dsn = in.ignore_dsn;
  out->connections_max = limit_of(in.max_smtp_out);
  out->messages_per_connection_max = limit_of(in.max_msg_per_connection);
  out->recipients_per_transaction_max =
      std::clamp(limit_of(in.max_rcpt_per_message), 1U, kMostRecipientsOfATransaction);
  if (limit_of(in.max_rcpt_per_message) == 0) {
    out->recipients_per_transaction_max = kMostRecipientsOfATransaction;
  }
  out->retry_after.assign(in.retry_after.begin(), in.retry_after.end());
  if (in.retry_recipients_after.ns > 0) {
    out->retry_recipients_after.assign(1, in.retry_recipients_after);
  }
  out->bounce_after = in.bounce_after;
  set_timeouts(*out, in);
  out->signing = keys_ != nullptr ? keys_->plan_for(in, id) : nullptr;
  out->zero_copy_threshold_bytes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(snapshot().global().zero_copy_threshold, std::uint64_t{1} << 31));
  schedule::QueueSettings settings;
  set_shared_rates(settings, identity);
  out->paced = rate_of(in.max_msg_rate).limited() || settings.limits.shared_messages.scope != 0;
  settings.policy = std::move(out);
  settings.limits.messages = rate_of(in.max_msg_rate);
  settings.limits.connects = rate_of(in.max_connect_rate);
  settings.limits.vmta_connections_max = limit_of(identity.max_smtp_out);
  settings.limits.expire_while_paused = in.expire_while_paused;
  translated_.emplace(key, settings);
  return settings;
}

}  // namespace ringpost::app
