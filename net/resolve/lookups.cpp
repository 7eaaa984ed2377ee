#include "net/resolve/lookups.h"

#include <algorithm>

#include "net/resolve/dns_name.h"

namespace ringpost::resolve {

Lookups::Lookups(Loop& loop, Dns& dns, const ResolverOptions& options)
    : loop_(loop),
      dns_(dns),
      options_(options),
      cache_(options.cache_entries_max, options.cache_bytes_max) {}

Lookups::~Lookups() {
  while (free_.pop_front() != nullptr) {
  }
  while (waiting_.pop_front() != nullptr) {
  }
  for (const auto& lookup : all_) {
    while (lookup->waiters.pop_front() != nullptr) {
    }
  }
}

bool Lookups::ask(std::string_view name, DnsType type, Waiter& waiter) {
  RP_ASSERT(!waiter.waiting() && waiter.run_ != nullptr);
  // No domain name contains a blank, so the key is unambiguous.
  key_.assign(name);
  key_ += ' ';
  key_ += std::to_string(static_cast<unsigned>(type));
  waiter.answer = cache_.find(key_, loop_.now().instant);
  if (waiter.answer != nullptr) {
    ++stats_.from_cache;
    return true;
  }
  const auto under_way = by_key_.find(std::string_view(key_));
  if (under_way != by_key_.end()) {
    ++stats_.joined;
    join(*under_way->second, waiter);
    return false;
  }
  if (in_flight_ >= options_.queries_max && waiting_.size() >= options_.waiting_max) {
    ++stats_.turned_away;
    auto answer = std::make_shared<Answer>();
    answer->reason = "too many names are being looked up at once";
    answer->expires = loop_.now().instant;
    waiter.answer = std::move(answer);
    return true;
  }
  Lookup& lookup = new_lookup();
  lookup.key = key_;
  lookup.op.name = name;
  lookup.op.type = type;
  lookup.queries = 0;
  lookup.has_ttl = false;
  lookup.authentic = true;
  by_key_.emplace(key_, &lookup);
  join(lookup, waiter);
  if (in_flight_ < options_.queries_max) {
    start(lookup);
  } else {
    waiting_.push_back(lookup);
  }
  return false;
}

void Lookups::forget(Waiter& waiter) {
  if (waiter.waiting()) {
    waiter.list_->remove(waiter);
  }
}

void Lookups::join(Lookup& lookup, Waiter& waiter) {
  waiter.list_ = &lookup.waiters;
  lookup.waiters.push_back(waiter);
}

Lookups::Lookup& Lookups::new_lookup() {
  Lookup* lookup = free_.pop_front();
  if (lookup == nullptr) {
    all_.push_back(std::make_unique<Lookup>());
    lookup = all_.back().get();
    lookup->home = this;
    lookup->op.bind<&Lookup::on_done>(lookup);
  }
  return *lookup;
}

void Lookups::start(Lookup& lookup) {
  ++in_flight_;
  ++stats_.queries;
  ++lookup.queries;
  lookup.op.status = DnsStatus::timed_out;
  lookup.op.response.clear();
  dns_.query(lookup.op);
}

void Lookups::start_waiting() {
  while (in_flight_ < options_.queries_max && !waiting_.empty()) {
    start(*waiting_.pop_front());
  }
}

void Lookups::Lookup::on_done(Completion&) { home->finished(*this); }

void Lookups::finished(Lookup& lookup) {
  RP_ASSERT(in_flight_ > 0);
  --in_flight_;
  Answer answer = read_answer(lookup.op.status, lookup.op.response, lookup.op.name, lookup.op.type);
  if (lookup.has_ttl) {
    answer.ttl = answer.has_ttl ? std::min(answer.ttl, lookup.ttl) : lookup.ttl;
    answer.has_ttl = true;
  }
  answer.authentic = answer.authentic && lookup.authentic;
  if (answer.kind == AnswerKind::alias && follow(lookup, answer)) {
    return;
  }
  if (answer.kind == AnswerKind::alias) {
    answer.kind = AnswerKind::temporary;
    answer.reason = "its aliases (CNAME) form a loop or a chain that is too long";
  }
  set_expiry(answer);
  auto shared = std::make_shared<const Answer>(std::move(answer));
  cache_.keep(lookup.key, shared);
  deliver(lookup, std::move(shared));
  start_waiting();
}

/// Asks for the alias's target next. False: too many aliases, or no name to ask for.
bool Lookups::follow(Lookup& lookup, const Answer& answer) {
  if (lookup.queries > kAliasesMax || !is_domain_name(answer.canonical)) {
    return false;
  }
  lookup.op.name = answer.canonical;
  lookup.ttl = answer.ttl;
  lookup.has_ttl = answer.has_ttl;
  lookup.authentic = answer.authentic;
  start(lookup);
  return true;
}

void Lookups::set_expiry(Answer& answer) const {
  Duration ttl = options_.failure_ttl;
  if (answer.kind == AnswerKind::found) {
    ttl = std::clamp(answer.ttl, options_.ttl_min, options_.ttl_max);
  } else if (answer.kind != AnswerKind::temporary) {
    // Without a SOA nobody said that the absence may be remembered: only as long as a failure.
    ttl = answer.has_ttl ? std::max(answer.ttl, options_.ttl_min) : options_.failure_ttl;
    ttl = std::min(ttl, options_.negative_ttl_max);
  }
  answer.expires = loop_.now().instant + ttl;
}

void Lookups::deliver(Lookup& lookup, AnswerRef answer) {
  by_key_.erase(by_key_.find(std::string_view(lookup.key)));
  // Handlers may ask again, which may take a look-up from the free list: this one goes there last.
  while (Waiter* waiter = lookup.waiters.pop_front()) {
    waiter->answer = answer;
    waiter->run_(waiter->owner_, *waiter);
  }
  free_.push_back(lookup);
}

}  // namespace ringpost::resolve
