#include "net/resolve/resolver.h"

#include <algorithm>
#include <tuple>

#include "core/base/text.h"
#include "net/resolve/dns_name.h"

namespace ringpost::resolve {
namespace {

constexpr EnhancedStatus kBadDomain{5, 1, 2};
constexpr EnhancedStatus kNullMx{5, 1, 10};
constexpr EnhancedStatus kNoAnswer{4, 4, 3};
constexpr EnhancedStatus kNoExchanger{5, 4, 4};
constexpr EnhancedStatus kNoExchangerYet{4, 4, 4};
constexpr EnhancedStatus kBusy{4, 3, 2};

/// An address as RFC 5321 section 4.1.3 writes it.
std::string literal_text(const IpAddress& address) {
  return (address.is_v4() ? "[" : "[IPv6:") + address.text() + "]";
}

/// Reads `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
Result<IpAddress> parse_literal(std::string_view text) {
  constexpr std::string_view kTag = "IPv6:";
  if (text.size() < 2 || text.back() != ']') {
    return Error::of(ErrorCode::invalid);
  }
  text = text.substr(1, text.size() - 2);
  if (!starts_ignoring_case(text, kTag)) {
    auto address = IpAddress::parse(text);
    return address && address->is_v4() && text.find(':') == std::string_view::npos
               ? std::move(address)
               : Result<IpAddress>(Error::of(ErrorCode::invalid));
  }
  text.remove_prefix(kTag.size());
  return text.find(':') == std::string_view::npos ? Result<IpAddress>(Error::of(ErrorCode::invalid))
                                                  : IpAddress::parse(text);
}

/// A shown form of what an envelope had after its '@', of bounded length.
std::string shown(std::string_view destination) {
  return "'" + std::string(destination.substr(0, kDomainTextMax)) + "'";
}

/// Place of a host among those of a configured route: by hop, then by rank of its MX record.
std::uint16_t preference_of(const StaticHost& hop, unsigned rank) {
  constexpr unsigned kRanks = 100;
  const unsigned place = hop.preference * kRanks + std::min(rank, kRanks - 1);
  return static_cast<std::uint16_t>(std::min(place, 0xffffU));
}

}  // namespace

Resolver::Resolver(Loop& loop, Dns& dns, ResolverOptions options, StsSource* sts)
    : loop_(loop),
      options_(std::move(options)),
      lookups_(loop, dns, options_),
      sts_(loop, lookups_, sts, options_) {
  RP_ASSERT(options_.hosts_max > 0 && options_.queries_max > 0 && options_.addresses_max > 0);
}

Resolver::~Resolver() {
  while (Task* task = active_.front()) {
    release(*task);
  }
  while (free_.pop_front() != nullptr) {
  }
}

void Resolver::resolve(RouteQuery& query) {
  RP_ASSERT(query.policy != nullptr);
  ++stats_.resolutions;
  query.route = nullptr;
  query.failure = {};
  query.failure_text.clear();
  if (active_.size() >= options_.resolutions_max) {
    complete(query, no_route(kBusy, "too many domains are being resolved at once"));
    return;
  }
  Task& task = new_task();
  task.query = &query;
  task.findings.allow_private = query.policy->allow_private_mx;
  loop_.timers().arm(task.deadline, loop_.now().instant + options_.deadline);
  if (!query.policy->static_route.empty()) {
    task.findings.kind = RouteKind::static_route;
    task.domain = query.destination.substr(0, kDomainTextMax);
    task.findings.expires = Instant::never();
    task.hop = 0;
    continue_static(task);
  } else if (!query.destination.empty() && query.destination.front() == '[') {
    start_literal(task);
  } else {
    start_mx(task);
  }
}

Resolver::Task& Resolver::new_task() {
  Task* task = free_.pop_front();
  if (task == nullptr) {
    all_.push_back(std::make_unique<Task>());
    task = all_.back().get();
    task->home = this;
    task->waits = std::make_unique<HostWait[]>(options_.hosts_max);
    for (std::size_t i = 0; i < options_.hosts_max; ++i) {
      task->waits[i].a.bind<&Task::on_address>(task);
      task->waits[i].aaaa.bind<&Task::on_address>(task);
      task->waits[i].tlsa.bind<&Task::on_tlsa>(task);
    }
    task->mx.bind<&Task::on_mx>(task);
    task->sts.bind<&Task::on_sts>(task);
    task->deadline.bind<&Task::on_deadline>(task);
  }
  task->domain.clear();
  task->findings = {};
  task->findings.hosts = &task->hosts;
  task->outstanding = 0;
  task->sts_asked = false;
  active_.push_back(*task);
  return *task;
}

void Resolver::release(Task& task) {
  loop_.timers().disarm(task.deadline);
  lookups_.forget(task.mx);
  task.mx.answer = nullptr;
  sts_.forget(task.sts);
  task.sts.policy = nullptr;
  for (std::size_t i = 0; i < task.hosts.size(); ++i) {
    for (Waiter* waiter : {&task.waits[i].a, &task.waits[i].aaaa, &task.waits[i].tlsa}) {
      lookups_.forget(*waiter);
      waiter->answer = nullptr;
    }
  }
  task.hosts.clear();
  task.query = nullptr;
  active_.remove(task);
  free_.push_back(task);
}

void Resolver::add_host(Task& task, std::string_view name, std::uint16_t preference,
                        std::uint16_t port) {
  HostFindings& host = task.hosts.emplace_back();
  host.name = name;
  host.preference = preference;
  host.port = port;
}

void Resolver::add_literal(Task& task, const IpAddress& address, std::uint16_t preference,
                           std::uint16_t port) {
  add_host(task, literal_text(address), preference, port);
  task.hosts.back().literal = address;
}

// The hops of a configured route in turn; goes on in mx_answered() where one's MX is looked up.
void Resolver::continue_static(Task& task) {
  const auto& hops = task.query->policy->static_route;
  for (; task.hop < hops.size() && task.hosts.size() < options_.hosts_max; ++task.hop) {
    const StaticHost& hop = hops[task.hop];
    const std::uint16_t preference = preference_of(hop, 0);
    if (hop.address.valid()) {
      add_literal(task, hop.address, preference, hop.port);
      continue;
    }
    const auto name = normal_domain(hop.name);
    if (!name) {
      continue;
    }
    if (!hop.by_mx) {
      add_host(task, *name, preference, hop.port);
      task.hosts.back().authentic = true;
      continue;
    }
    task.mx.answer = nullptr;
    if (!lookups_.ask(*name, DnsType::mx, task.mx)) {
      return;
    }
    take_hop(task, hop);
  }
  find_addresses(task);
}

// The MX hosts of a hop that names a domain. One without any adds none: an operator may mend it, so
// nothing bounces.
void Resolver::take_hop(Task& task, const StaticHost& hop) {
  const Answer& answer = *task.mx.answer;
  task.findings.expires = std::min(task.findings.expires, answer.expires);
  if (answer.kind == AnswerKind::found) {
    take_exchanges(task, answer, &hop);
  } else if (answer.kind == AnswerKind::no_data && is_domain_name(answer.canonical)) {
    add_host(task, answer.canonical, preference_of(hop, 0), hop.port);
    task.hosts.back().authentic = answer.authentic;
  }
}

void Resolver::start_literal(Task& task) {
  const auto address = parse_literal(task.query->destination);
  if (!address) {
    finish(task,
           no_route(kBadDomain, shown(task.query->destination) + " is not an address literal"));
    return;
  }
  task.findings.kind = RouteKind::literal;
  task.domain = literal_text(*address);
  add_literal(task, *address, 0, task.query->policy->smtp_port);
  conclude(task);
}

void Resolver::start_mx(Task& task) {
  auto domain = normal_domain(task.query->destination);
  if (!domain || IpAddress::parse(*domain)) {
    finish(task, no_route(kBadDomain,
                          shown(task.query->destination) + " is " +
                              (domain ? "an address without brackets" : domain.error().detail)));
    return;
  }
  task.domain = std::move(*domain);
  if (lookups_.ask(task.domain, DnsType::mx, task.mx)) {
    mx_answered(task);
  }
}

RouteVerdict Resolver::no_exchanger(const Task& task) {
  const bool waits = task.query->policy->no_mx_wait.ns > 0;
  RouteVerdict verdict = no_route(waits ? kNoExchangerYet : kNoExchanger,
                                  "domain " + task.domain + " has no mail exchangers");
  verdict.no_exchanger = waits;
  return verdict;
}

void Resolver::Task::on_mx(Waiter&) { home->mx_answered(*this); }

void Resolver::mx_answered(Task& task) {
  if (task.findings.kind == RouteKind::static_route) {
    take_hop(task, task.query->policy->static_route[task.hop]);
    ++task.hop;
    return continue_static(task);
  }
  const Answer& answer = *task.mx.answer;
  task.findings.expires = answer.expires;
  switch (answer.kind) {
    case AnswerKind::no_domain:
      finish(task, no_route(kBadDomain, "domain " + task.domain + " does not exist"));
      return;
    case AnswerKind::temporary:
    case AnswerKind::alias:
      finish(task, no_route(kNoAnswer, "look-up of the mail exchangers of " + task.domain +
                                           " failed: " + std::string(answer.reason)));
      return;
    case AnswerKind::no_data:
      if (!task.query->policy->no_mx_wait.is_forever()) {
        finish(task, no_exchanger(task));
        return;
      }
      // The address of the domain, or of what it is an alias of, is its only exchanger.
      task.findings.kind = RouteKind::implicit_mx;
      if (is_domain_name(answer.canonical)) {
        add_host(task, answer.canonical, 0, task.query->policy->smtp_port);
        task.hosts.back().authentic = answer.authentic;
      }
      break;
    case AnswerKind::found:
      take_exchanges(task, answer, nullptr);
      if (task.hosts.empty()) {
        finish(task, no_route(kNullMx, "domain " + task.domain + " accepts no mail (null MX)"));
        return;
      }
      break;
  }
  find_addresses(task);
}

/// Hosts from MX records: ascending preference, each name once at its best preference, the root
/// left out; at most hosts_max. Below a hop of a configured route they rank inside its preference.
void Resolver::take_exchanges(Task& task, const Answer& answer, const StaticHost* hop) {
  std::vector<const MxRecord*> records;
  for (const MxRecord& record : answer.mx) {
    if (!record.exchange.empty()) {
      records.push_back(&record);
    }
  }
  std::sort(records.begin(), records.end(), [](const MxRecord* a, const MxRecord* b) {
    return std::tie(a->preference, a->exchange) < std::tie(b->preference, b->exchange);
  });
  unsigned rank = 0;
  const MxRecord* last = nullptr;
  for (const MxRecord* record : records) {
    rank += last != nullptr && last->preference != record->preference ? 1 : 0;
    last = record;
    const bool known =
        std::any_of(task.hosts.begin(), task.hosts.end(),
                    [record](const HostFindings& host) { return host.name == record->exchange; });
    if (!known && task.hosts.size() < options_.hosts_max) {
      add_host(task, record->exchange,
               hop == nullptr ? record->preference : preference_of(*hop, rank),
               hop == nullptr ? task.query->policy->smtp_port : hop->port);
      task.hosts.back().authentic = answer.authentic;
    }
  }
}

void Resolver::find_addresses(Task& task) {
  task.outstanding = 1;
  for (std::size_t i = 0; i < task.hosts.size(); ++i) {
    const HostFindings& host = task.hosts[i];
    if (host.literal.valid()) {
      continue;
    }
    HostWait& wait = task.waits[i];
    // An exchanger that is no host name, or an address in the place of one, has no address.
    if (!is_domain_name(host.name) || IpAddress::parse(host.name)) {
      auto nothing = std::make_shared<Answer>();
      nothing->kind = AnswerKind::no_domain;
      nothing->expires = Instant::never();
      wait.a.answer = wait.aaaa.answer = std::move(nothing);
      continue;
    }
    task.outstanding += lookups_.ask(host.name, DnsType::a, wait.a) ? 0 : 1;
    task.outstanding += lookups_.ask(host.name, DnsType::aaaa, wait.aaaa) ? 0 : 1;
  }
  if (--task.outstanding == 0) {
    addresses_found(task);
  }
}

void Resolver::Task::on_address(Waiter&) {
  RP_ASSERT(outstanding > 0);
  if (--outstanding == 0) {
    home->addresses_found(*this);
  }
}

// RFC 7672 section 2.2: TLSA records are asked for where everything that led to the host is
// authentic; elsewhere they could not be believed.
void Resolver::addresses_found(Task& task) {
  if (options_.trusts_ad && task.query->policy->tls.dane) {
    find_tlsa(task);
  } else {
    find_sts(task);
  }
}

void Resolver::find_tlsa(Task& task) {
  task.outstanding = 1;
  for (std::size_t i = 0; i < task.hosts.size(); ++i) {
    HostFindings& host = task.hosts[i];
    host.a = task.waits[i].a.answer;
    host.aaaa = task.waits[i].aaaa.answer;
    if (!is_authentic(host)) {
      continue;
    }
    const AnswerRef& named = host.a->kind == AnswerKind::found ? host.a : host.aaaa;
    host.tlsa_name = is_domain_name(named->canonical) ? named->canonical : host.name;
    host.tlsa_asked = true;
    const std::string name = "_" + std::to_string(host.port) + "._tcp." + host.tlsa_name;
    task.outstanding += lookups_.ask(name, DnsType::tlsa, task.waits[i].tlsa) ? 0 : 1;
  }
  if (--task.outstanding == 0) {
    find_sts(task);
  }
}

void Resolver::Task::on_tlsa(Waiter&) {
  RP_ASSERT(outstanding > 0);
  if (--outstanding == 0) {
    home->find_sts(*this);
  }
}

// RFC 8461: for exchangers that DNS named, since the configuration's and literals need no proof.
bool Resolver::follows_policy(const Task& task) {
  const RouteKind kind = task.findings.kind;
  return task.query->policy->tls.sts && (kind == RouteKind::mx || kind == RouteKind::implicit_mx);
}

void Resolver::find_sts(Task& task) {
  const QueuePolicy& policy = *task.query->policy;
  if (!follows_policy(task)) {
    conclude(task);
    return;
  }
  task.sts_asked = true;
  if (sts_.ask(task.domain, {policy.tls.authorities, policy.allow_private_mx}, task.sts)) {
    conclude(task);
  }
}

void Resolver::Task::on_sts() { home->conclude(*this); }

void Resolver::Task::on_deadline(Now) {
  ++home->stats_.late;
  if (mx.waiting()) {
    home->finish(*this, no_route(kNoAnswer, "look-up of the mail exchangers of " + domain +
                                                " failed: no answer in time"));
    return;
  }
  home->conclude(*this);
}

void Resolver::conclude(Task& task) {
  for (std::size_t i = 0; i < task.hosts.size(); ++i) {
    task.hosts[i].a = task.waits[i].a.answer;
    task.hosts[i].aaaa = task.waits[i].aaaa.answer;
    task.hosts[i].tlsa = task.waits[i].tlsa.answer;
    // In time or not: where it should be known, it has to be.
    task.hosts[i].tlsa_asked =
        task.hosts[i].tlsa_asked ||
        (options_.trusts_ad && task.query->policy->tls.dane && is_authentic(task.hosts[i]));
  }
  task.findings.domain = task.domain;
  take_policy(task);
  RouteVerdict verdict = build_route(task.findings, options_, loop_.now().instant);
  for (std::size_t i = 0; i < verdict.strangers; ++i) {
    sts_.count_stranger();
  }
  finish(task, std::move(verdict));
}

// In time or not: what is known counts.
void Resolver::take_policy(Task& task) {
  const QueuePolicy& policy = *task.query->policy;
  if (!follows_policy(task)) {
    return;
  }
  const StsTerms terms{policy.tls.authorities, policy.allow_private_mx};
  const bool answered = task.sts_asked && !task.sts.waiting();
  task.findings.sts = answered ? task.sts.policy : sts_.known(task.domain, terms);
  const Instant until = answered ? task.sts.expires : loop_.now().instant + options_.failure_ttl;
  task.findings.expires = std::min(task.findings.expires, until);
}

void Resolver::finish(Task& task, RouteVerdict verdict) {
  RouteQuery& query = *task.query;
  release(task);
  complete(query, std::move(verdict));
}

void Resolver::complete(RouteQuery& query, RouteVerdict verdict) {
  if (verdict.route != nullptr) {
    ++stats_.routes;
  } else if (verdict.failure.kind == OutcomeKind::bounced) {
    ++stats_.bounced;
  } else {
    ++stats_.deferred;
  }
  query.route = std::move(verdict.route);
  query.failure = verdict.failure;
  query.failure_text = std::move(verdict.text);
  query.no_exchanger = verdict.no_exchanger;
  loop_.complete(query, 0);
}

}  // namespace ringpost::resolve
