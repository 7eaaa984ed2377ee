#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/schedule/limits.h"

namespace ringpost::schedule::test {

/// Remembers, by the name of each limit, what counted in it and when, and fails the test where a
/// window holds more than the limit.
class RateWatch {
 public:
  void use(const std::string& name, RateLimit limit, std::size_t count, Instant now);
  /// A transaction that carries so many octets begins.
  void use(const std::string& name, ByteLimit limit, std::uint32_t size, Instant now);

  /// A reload gives the limit of that name this rate. An unchanged one goes on; a changed one holds
  /// in the windows that begin when permits of the old one have lapsed.
  void reloaded(const std::string& name, RateLimit limit, Instant now);
  void reloaded(const std::string& name, ByteLimit limit, Instant now);
  /// The same for all that are known, which may have changed.
  void reloaded_all(Instant now);
  /// A new run: limits of less than an hour begin anew.
  void restarted();

 private:
  struct Rate {
    RateLimit limit;
    std::vector<std::int64_t> times;  ///< of single units, from first to last
    Instant from;                     ///< windows count that begin later
  };
  struct Octets {
    ByteLimit limit;
    std::vector<std::pair<std::int64_t, std::uint64_t>> seen;  ///< when, and how many
    std::size_t first = 0;                                     ///< of those in the window
    std::uint64_t sum = 0;                                     ///< of these
    Instant from;
  };

  std::map<std::string, Rate> rates_;
  std::map<std::string, Octets> octets_;
  Instant all_from_;
};

}  // namespace ringpost::schedule::test
