#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/app/pool_choice.h"
#include "core/app/rate_plans.h"
#include "core/app/signing.h"
#include "core/config/snapshot.h"
#include "core/mail/doors.h"
#include "core/schedule/doors.h"
#include "net/deliver/source_book.h"

namespace ringpost::app {

/// Translates the configuration's settings of a queue into the terms of schedule and deliver. One
/// per shard, used by its thread; keeps its snapshot alive. A policy handed out stays valid as long
/// as anyone holds its reference, over reloads too.
class PolicyBook : public schedule::PolicySource {
 public:
  /// `keys` are those of the snapshot; null: nothing is signed.
  explicit PolicyBook(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version = 1,
                      std::shared_ptr<const KeyRing> keys = nullptr);

  /// Takes up another configuration; `version` grows with each.
  void use(std::shared_ptr<const config::Snapshot> snapshot, std::uint32_t version,
           std::shared_ptr<const KeyRing> keys = nullptr);

  schedule::QueueSettings settings_of(std::string_view queue, std::string_view vmta) override;
  schedule::GlobalLimits global_limits() override;
  const schedule::RatePlan* rate_plan(std::uint64_t plan) override { return rates_.find(plan); }

  /// The queue that takes mail for `domain` of the virtual MTA, lower case, in a buffer of the
  /// book's that holds until the next call.
  std::string_view queue_name(std::string_view domain, std::string_view vmta);
  /// The virtual MTA that mail leaves by: `vmta` itself, or where that is a pool the member that
  /// falls to the recipients of the admission, always the same while the pool has the same members
  /// in use: by their domain or pool key where the pool hashes those, else by the message. A member
  /// all of whose source addresses are out of use gets nothing while another is left.
  std::string_view member_of(const Admission& admission);
  /// Where it looks which source addresses are out of use; outlives the book.
  void set_sources(const deliver::SourceBook& sources) { sources_ = &sources; }
  const config::Snapshot& snapshot() const { return cache_.snapshot(); }

 private:
  config::VmtaId vmta_of(std::string_view name) const;
  void make_choices();
  bool out_of_use(const config::VirtualMta& vmta) const;

  struct Key {
    const config::PathPolicy* policy = nullptr;
    config::VmtaId vmta = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return reinterpret_cast<std::size_t>(key.policy) * 31 + key.vmta;
    }
  };

  void set_shared_rates(schedule::QueueSettings& settings, const config::VirtualMta& vmta) const;

  config::PolicyCache cache_;
  RatePlans rates_;
  std::uint32_t version_;
  std::shared_ptr<const KeyRing> keys_;
  std::unordered_map<Key, schedule::QueueSettings, KeyHash> translated_;
  std::string name_;
  std::vector<PoolChoice> choices_;  ///< by pool
  std::vector<bool> out_;            ///< members of a pool that are out of use
  const deliver::SourceBook* sources_ = nullptr;
};

}  // namespace ringpost::app
