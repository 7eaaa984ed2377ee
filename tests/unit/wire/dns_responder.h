#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/address.h"

namespace ringpost {

/// A name server on loopback, UDP and TCP on one port, on its own thread. What it does with a
/// question follows from the first label of the name:
///   answer   one record, RCODE 0        nx, servfail, refused   that RCODE
///   silent   nothing                    long       1,000 octets over UDP
///   cut      TC over UDP, 3,000 octets over TCP
///   noise    garbage, then wrong id, then the answer
///   mirror   the question itself, unanswered
///   late     silent to the first question, an answer to its repetition
class DnsResponder {
 public:
  DnsResponder();
  ~DnsResponder();

  SocketAddress address() const { return address_; }

  struct Seen {
    std::string name;
    std::uint16_t id = 0;
    std::uint16_t type = 0;
    bool authentic_data = false;
    bool recursion_desired = false;
    std::uint16_t payload = 0;  ///< EDNS buffer size, 0 without OPT
    bool over_tcp = false;
  };
  std::vector<Seen> seen() const;
  /// Most UDP questions that were unanswered at once (of name `silent`).
  std::size_t count(const std::string& label) const;

 private:
  void serve();
  void serve_udp();
  void serve_tcp();
  std::vector<std::string> replies(const std::string& question, bool over_tcp);

  SocketAddress address_;
  int udp_ = -1;
  int tcp_ = -1;
  int stop_ = -1;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::thread thread_;
};

}  // namespace ringpost
