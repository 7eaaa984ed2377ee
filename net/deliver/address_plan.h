#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/fixed_vector.h"
#include "core/base/random.h"
#include "core/mail/policy.h"
#include "core/mail/route.h"
#include "net/deliver/host_memory.h"
#include "net/deliver/source_book.h"

namespace ringpost::deliver {

/// One address to try, and from where.
struct Candidate {
  SocketAddress remote;
  std::uint16_t host = 0;    ///< index into the route's hosts
  std::uint16_t source = 0;  ///< index into the policy's sources
  bool bad = false;          ///< could not be reached lately
};

/// Which of a queue's source addresses are out of use; without a book none is.
struct UsableSources {
  const SourceBook* book = nullptr;
  std::string_view queue;  ///< its name, without the virtual MTA
  std::uint32_t turn = 0;  ///< of the others, which the first address is tried from: each in turn
};

/// The order in which one session tries the addresses of a route (RFC 5321 section 5.1): by
/// preference, equals in random order, each host's addresses in turn; those that failed lately
/// come last. An address without a source address of its family is left out.
class AddressPlan {
 public:
  static constexpr std::size_t kCandidatesMax = 16;

  /// `random` breaks ties. Forgets what was planned before.
  void build(const Route& route, const QueuePolicy& policy, const HostMemory& memory,
             Random& random, Instant now, const UsableSources& usable = {});
  /// The next address to try; nullptr when there is none.
  Candidate* next() noexcept { return more() ? &order_[at_++] : nullptr; }
  /// The one that next() gave is not used and does not count as tried.
  void pass_over() noexcept { most_ += 1; }
  /// What next() gave last is to come once more.
  void step_back() noexcept { at_ -= 1; }
  /// What next() gave last; requires that it gave one.
  const Candidate* current() const noexcept { return &order_[at_ - 1]; }
  bool more() const noexcept { return at_ < order_.size() && at_ < most_; }
  /// One of those left has not failed lately.
  bool more_good() const noexcept { return more() && !order_[at_].bad; }
  /// Of the addresses that failed lately the first of the host that is preferred most, if that is
  /// preferred to `preference`; nullptr: there is none.
  const Candidate* bad_before(const Route& route, std::uint32_t preference,
                              const HostMemory& memory, Instant now) const;
  std::size_t size() const noexcept { return order_.size(); }
  /// Every address could not be reached lately.
  bool all_bad() const noexcept { return !order_.empty() && order_[0].bad; }

 private:
  using List = FixedVector<Candidate, kCandidatesMax>;

  List order_;
  std::size_t at_ = 0;
  std::size_t most_ = kCandidatesMax;  // tried, by configuration
};

/// Whether the policy's source address may be used towards `remote`.
bool source_fits(const QueuePolicy& policy, const SourceAddress& source, const IpAddress& remote,
                 const UsableSources& usable, Instant now);

/// Index of the policy's source address to use towards `remote`, or -1: it has none of the family
/// that may be used. Several of one family are used in turn, that of `turn` is given.
int choose_source(const QueuePolicy& policy, const IpAddress& remote, std::size_t turn,
                  const UsableSources& usable, Instant now);

}  // namespace ringpost::deliver
