#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/loop/dns.h"
#include "core/loop/ports.h"
#include "core/loop/timer_wheel.h"
#include "net/wire/ring.h"

namespace ringpost {

struct AresDnsOptions {
  /// Resolvers to ask, in this order. Empty: those of /etc/resolv.conf, read once when made.
  std::vector<SocketAddress> servers;
  Duration timeout = Duration::seconds(3);  ///< of the first try; later tries wait longer
  unsigned tries = 3;                       ///< per server
  unsigned outstanding_max = 256;           ///< questions on the wire; more wait, first come first
};

/// The Dns of production: c-ares, its sockets polled by the shard's ring, its timeouts on the
/// loop's timer wheel. Never blocks. Truncated answers are asked again over TCP; a server that
/// stays silent, or answers with an error other than NXDOMAIN, passes the question on to the next.
/// Ring, driver, timers and entropy outlive it.
///
/// A completion's result is 0, or -EINVAL for a name that cannot be asked (status malformed), or
/// -ENETUNREACH where no server could even be sent to (status timed_out).
class AresDns final : public Dns {
 public:
  /// invalid: no server is configured or the options make no sense.
  static Result<std::unique_ptr<AresDns>> make(Ring& ring, Driver& driver, TimerWheel& timers,
                                               Entropy& entropy, const AresDnsOptions& options);
  ~AresDns() override;

  void query(DnsQueryOp& op) override;

  /// The servers in use.
  std::vector<SocketAddress> servers() const;

 private:
  class Impl;
  explicit AresDns(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringpost
