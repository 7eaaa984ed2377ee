#include "net/resolve/sts_lookups.h"

#include <algorithm>
#include <array>

namespace ringpost::resolve {
namespace {

constexpr Duration kRetryAfter = Duration::minutes(5);  // RFC 8461 section 3.3
constexpr Duration kLookAgainAfter = Duration::hours(1);

}  // namespace

StsLookups::StsLookups(Loop& loop, Lookups& lookups, StsSource* source,
                       const ResolverOptions& options)
    : loop_(loop), lookups_(lookups), source_(source), options_(options) {}

StsLookups::~StsLookups() {
  while (idle_.pop_front() != nullptr) {
  }
  for (const auto& [key, entry] : entries_) {
    for (Waiter* waiter : {&entry->text, &entry->a, &entry->aaaa}) {
      lookups_.forget(*waiter);
    }
    while (entry->waiters.pop_front() != nullptr) {
    }
  }
}

void StsLookups::set_key(std::string_view domain, const StsTerms& terms) {
  key_.assign(domain);
  key_ += terms.allow_private ? '\n' : ' ';
  key_ += terms.authorities;
}

StsLookups::Entry& StsLookups::entry_of(std::string_view domain, const StsTerms& terms) {
  set_key(domain, terms);
  if (const auto found = entries_.find(std::string_view(key_)); found != entries_.end()) {
    return *found->second;
  }
  make_room();
  Entry& entry = *entries_.emplace(key_, std::make_unique<Entry>()).first->second;
  entry.home = this;
  entry.key = key_;
  entry.domain = domain;
  entry.authorities = terms.authorities;
  entry.allow_private = terms.allow_private;
  entry.text.bind<&Entry::on_text>(&entry);
  entry.a.bind<&Entry::on_address>(&entry);
  entry.aaaa.bind<&Entry::on_address>(&entry);
  entry.op.bind<&Entry::on_fetched>(&entry);
  idle_.push_back(entry);
  return entry;
}

// Entries under way stay: there are no more of them than resolutions and fetches.
void StsLookups::make_room() {
  while (entries_.size() >= options_.sts_entries_max && !idle_.empty()) {
    entries_.erase(entries_.find(std::string_view(idle_.pop_front()->key)));
  }
}

StsPolicyRef StsLookups::in_force(const Entry& entry) const {
  const bool live = entry.policy != nullptr && entry.policy->expires() > loop_.now().wall;
  return live ? entry.policy : nullptr;
}

StsPolicyRef StsLookups::known(std::string_view domain, const StsTerms& terms) {
  set_key(domain, terms);
  const auto found = entries_.find(std::string_view(key_));
  return found == entries_.end() ? nullptr : in_force(*found->second);
}

void StsLookups::give(const Entry& entry, StsWaiter& waiter) const {
  waiter.policy = in_force(entry);
  waiter.expires = entry.record_expires;
  if (waiter.policy != nullptr) {
    waiter.expires = std::min(waiter.expires,
                              loop_.now().instant + (waiter.policy->expires() - loop_.now().wall));
  }
}

bool StsLookups::ask(std::string_view domain, const StsTerms& terms, StsWaiter& waiter) {
  RP_ASSERT(!waiter.waiting() && waiter.run_ != nullptr);
  if (source_ == nullptr) {
    waiter.policy = nullptr;
    waiter.expires = Instant::never();
    return true;
  }
  Entry& entry = entry_of(domain, terms);
  if (entry.step == Step::idle && begin(entry)) {
    give(entry, waiter);
    return true;
  }
  waiter.list_ = &entry.waiters;
  entry.waiters.push_back(waiter);
  return false;
}

void StsLookups::forget(StsWaiter& waiter) {
  if (waiter.waiting()) {
    waiter.list_->remove(waiter);
  }
}

bool StsLookups::begin(Entry& entry) {
  idle_.remove(entry);
  entry.step = Step::record;
  if (!lookups_.ask("_mta-sts." + entry.domain, DnsType::txt, entry.text)) {
    return false;
  }
  return take_record(entry);
}

void StsLookups::Entry::on_text(Waiter&) {
  if (home->take_record(*this)) {
    home->settle(*this);
  }
}

bool StsLookups::take_record(Entry& entry) {
  const Answer& answer = *entry.text.answer;
  const Now now = loop_.now();
  entry.record_expires = answer.expires;
  entry.id = answer.kind == AnswerKind::found ? sts_record_id(answer.texts) : std::string();
  entry.policy = in_force(entry);
  const bool known = entry.policy != nullptr;
  bool settled = false;
  if (entry.id.empty()) {
    settled = known || now.instant < entry.look_again;
  } else {
    settled = (known && entry.policy->id == entry.id && !entry.policy->is_due(now.wall)) ||
              (entry.failed_id == entry.id && now.instant < entry.retry_at);
  }
  if (settled) {
    entry.step = Step::idle;
    idle_.push_back(entry);
    return true;
  }
  if (entry.id.empty()) {
    start_fetch(entry);
    return false;
  }
  return ask_addresses(entry);
}

bool StsLookups::ask_addresses(Entry& entry) {
  const std::string host = "mta-sts." + entry.domain;
  entry.step = Step::addresses;
  entry.outstanding = 1;
  entry.outstanding += lookups_.ask(host, DnsType::a, entry.a) ? 0 : 1;
  entry.outstanding += lookups_.ask(host, DnsType::aaaa, entry.aaaa) ? 0 : 1;
  if (--entry.outstanding == 0) {
    start_fetch(entry);
  }
  return false;
}

void StsLookups::Entry::on_address(Waiter&) {
  if (--outstanding == 0) {
    home->start_fetch(*this);
  }
}

void StsLookups::start_fetch(Entry& entry) {
  StsFetchOp& op = entry.op;
  const bool wanted = entry.step == Step::addresses;
  entry.step = Step::fetch;
  op.domain = entry.domain;
  op.id = wanted ? entry.id : std::string();
  op.authorities = entry.authorities;
  op.addresses.clear();
  for (const Waiter* const waiter : {&entry.a, &entry.aaaa}) {
    if (!wanted || waiter->answer == nullptr) {
      continue;
    }
    for (const IpAddress& address : waiter->answer->addresses) {
      if (entry.allow_private || !address.is_special()) {
        op.addresses.push_back(address);
      }
    }
  }
  op.policy = nullptr;
  op.failure = TlsFailure::none;
  op.reason.clear();
  source_->fetch(op);
}

void StsLookups::Entry::on_fetched(Completion&) { home->take_fetched(*this); }

void StsLookups::take_fetched(Entry& entry) {
  const StsFetchOp& op = entry.op;
  const Instant now = loop_.now().instant;
  entry.look_again = now + kLookAgainAfter;
  if (op.policy != nullptr) {
    entry.policy = op.policy;
  }
  if (op.failure != TlsFailure::none) {
    results_.count(TlsPolicyKind::sts, op.failure);
    entry.failed_id = entry.id;
    entry.retry_at = now + kRetryAfter;
  }
  settle(entry);
}

// A handler may ask again, for the same domain too.
void StsLookups::settle(Entry& entry) {
  if (entry.step != Step::idle) {
    entry.step = Step::idle;
    idle_.push_back(entry);
  }
  List<StsWaiter> told;
  while (StsWaiter* waiter = entry.waiters.pop_front()) {
    waiter->list_ = &told;
    told.push_back(*waiter);
    give(entry, *waiter);
  }
  while (StsWaiter* waiter = told.pop_front()) {
    waiter->list_ = nullptr;
    waiter->run_(waiter->owner_);
  }
}

}  // namespace ringpost::resolve
