#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/time.h"
#include "core/config/values.h"

namespace ringpost::app {

/// How many notifications go to one return path, and to one domain of return paths, in a period:
/// when a campaign fails as a whole, its sender gets a bounded part of as many reports, and the
/// spool no more either. Counts in periods one after the other, in bounded memory: of return paths
/// beyond kNamesMax only the domain is counted, of domains beyond it all together. Of one shard.
class ReportLimit {
 public:
  static constexpr std::size_t kNamesMax = 10'000;
  /// A domain gets so many times what an address gets.
  static constexpr std::uint64_t kDomainShare = 10;

  explicit ReportLimit(unsigned shards) : shards_(shards) {}

  /// Counts one notification. False: there were enough in this period. `said`: it is the first one
  /// that is refused to this address or domain in the period.
  bool take(std::string_view sender, const config::Rate& rate, Instant now, bool& said);

 private:
  struct Count {
    std::uint64_t taken = 0;
    bool said = false;
  };
  using Counts = std::unordered_map<std::string, Count>;

  static Count* find(Counts& counts, std::string_view name);
  static bool refuse(Count& count, bool& said);

  unsigned shards_;
  Instant period_began_;
  Counts addresses_;
  Counts domains_;
  Count other_domains_;
};

}  // namespace ringpost::app
