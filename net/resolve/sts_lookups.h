#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/list.h"
#include "core/base/tls_results.h"
#include "core/loop/loop.h"
#include "net/resolve/lookups.h"
#include "net/resolve/sts_source.h"

namespace ringpost::resolve {

/// Someone who waits for a policy; embedded in its owner, which outlives the wait or forgets it.
class StsWaiter : private ListLink<> {
 public:
  template <auto Handler, class Owner>
  void bind(Owner* owner) noexcept {
    owner_ = owner;
    run_ = [](void* who) { (static_cast<Owner*>(who)->*Handler)(); };
  }
  bool waiting() const noexcept { return linked(); }

  // Set before the handler runs:
  StsPolicyRef policy;  ///< null: the domain has none
  Instant expires;      ///< when it is to be asked for again

 private:
  friend class StsLookups;
  friend class List<StsWaiter>;

  void* owner_ = nullptr;
  void (*run_)(void*) = nullptr;
  List<StsWaiter>* list_ = nullptr;
};

/// How a queue looks for policies.
struct StsTerms {
  std::string_view authorities;  ///< file; empty: the system's
  bool allow_private = false;    ///< a web server may have an address of a private network
};

/// Policies of MTA-STS by domain (RFC 8461): asks DNS for the record, and for the policy where the
/// record names another than the one known. What cannot be learned now leaves what is known in
/// force until it expires (section 5.1); a fetch that failed is not repeated for a while. One per
/// shard, on its thread; loop, look-ups, source and options outlive it.
class StsLookups {
 public:
  /// `source` null: no domain has a policy.
  StsLookups(Loop& loop, Lookups& lookups, StsSource* source, const ResolverOptions& options);
  ~StsLookups();
  StsLookups(const StsLookups&) = delete;
  StsLookups& operator=(const StsLookups&) = delete;

  /// True: the waiter's policy is set already. False: its handler runs in a later turn.
  bool ask(std::string_view domain, const StsTerms& terms, StsWaiter& waiter);
  /// The waiter no longer wants to be told.
  void forget(StsWaiter& waiter);
  /// What is known without asking anyone.
  StsPolicyRef known(std::string_view domain, const StsTerms& terms);

  /// Policies that could not be had, by reason.
  const TlsResults& results() const noexcept { return results_; }
  /// A host was left out because the policy does not name it.
  void count_stranger() noexcept {
    results_.count(TlsPolicyKind::sts, TlsFailure::validation_failure);
  }
  std::size_t entries() const noexcept { return entries_.size(); }

 private:
  enum class Step : std::uint8_t { idle, record, addresses, fetch };

  struct Entry : ListLink<Entry> {
    StsLookups* home = nullptr;
    std::string key;
    std::string domain;
    std::string authorities;
    bool allow_private = false;
    Step step = Step::idle;
    unsigned outstanding = 0;  ///< look-ups of addresses
    StsPolicyRef policy;
    std::string id;         ///< of the record
    std::string failed_id;  ///< could not be fetched, before `retry_at`
    Instant retry_at;
    Instant look_again;      ///< whether another shard has learned of a policy
    Instant record_expires;  ///< of the record, or of its absence
    Waiter text;
    Waiter a;
    Waiter aaaa;
    StsFetchOp op;
    List<StsWaiter> waiters;

    void on_text(Waiter& waiter);
    void on_address(Waiter& waiter);
    void on_fetched(Completion& completion);
  };

  void set_key(std::string_view domain, const StsTerms& terms);
  Entry& entry_of(std::string_view domain, const StsTerms& terms);
  void make_room();
  StsPolicyRef in_force(const Entry& entry) const;
  void give(const Entry& entry, StsWaiter& waiter) const;
  /// Each goes on as far as it can; true: the entry is settled.
  bool begin(Entry& entry);
  bool take_record(Entry& entry);
  bool ask_addresses(Entry& entry);
  void start_fetch(Entry& entry);
  void take_fetched(Entry& entry);
  void settle(Entry& entry);

  Loop& loop_;
  Lookups& lookups_;
  StsSource* source_;
  const ResolverOptions& options_;
  std::unordered_map<std::string, std::unique_ptr<Entry>, KeyHash, KeyEqual> entries_;
  List<Entry, Entry> idle_;  ///< least lately used first
  std::string key_;          ///< scratch
  TlsResults results_;
};

}  // namespace ringpost::resolve
