#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/loop/dns.h"
#include "core/loop/loop.h"
#include "core/loop/timer_wheel.h"

namespace ringpost::sim {

/// Writes DNS response messages (RFC 1035 section 4), sound ones and others.
class DnsMessageWriter {
 public:
  static constexpr std::uint16_t kResponseFlags = 0x8180;  ///< QR, RD, RA

  /// Begins a response to `name` and `type` with this RCODE.
  DnsMessageWriter(std::string_view name, DnsType type, unsigned rcode = 0);

  DnsMessageWriter& a(std::string_view name, std::string_view address, std::uint32_t ttl);
  DnsMessageWriter& mx(std::string_view name, std::uint16_t preference, std::string_view exchange,
                       std::uint32_t ttl);
  DnsMessageWriter& cname(std::string_view name, std::string_view target, std::uint32_t ttl);
  /// In the authority section; after all answers.
  DnsMessageWriter& soa(std::string_view zone, std::uint32_t ttl, std::uint32_t minimum);
  DnsMessageWriter& ns(std::string_view zone, std::string_view server, std::uint32_t ttl);
  DnsMessageWriter& flags(std::uint16_t value);
  /// Any record, in the answer section.
  DnsMessageWriter& record(std::string_view name, std::uint16_t type, std::uint16_t record_class,
                           std::uint32_t ttl, std::string_view data);
  /// A name on the wire, uncompressed.
  static std::string wire_name(std::string_view name);

  std::vector<std::uint8_t> take() const;

 private:
  void count(std::size_t section);
  void put16(std::uint16_t value);

  std::string bytes_;
};

/// The DNS of a simulated world: records and misfortunes by name, as a recursive resolver in front
/// of it would answer. Shared by the ports of all shards, single-threaded.
class SimZone {
 public:
  void add_a(std::string_view name, std::string_view address, std::uint32_t ttl = 3600);
  void add_mx(std::string_view name, std::uint16_t preference, std::string_view exchange,
              std::uint32_t ttl = 3600);
  void add_cname(std::string_view name, std::string_view target, std::uint32_t ttl = 3600);
  /// The name exists, with no record.
  void add_empty(std::string_view name);
  /// SOA sent with negative answers; without it they carry none.
  void set_negative_ttl(std::uint32_t ttl, std::uint32_t minimum);
  void remove(std::string_view name);

  /// Every query for this name and type ends so, until mend().
  void fail(std::string_view name, DnsType type, DnsStatus status);
  void mend(std::string_view name, DnsType type);
  /// The response is this, whatever the records say.
  void answer_with(std::string_view name, DnsType type, std::vector<std::uint8_t> response);
  /// Answers for this name take so long (else `default_delay`).
  void slow(std::string_view name, Duration delay);
  Duration default_delay = Duration::milliseconds(2);

  void respond(const std::string& name, DnsType type, DnsStatus& status,
               std::vector<std::uint8_t>& response) const;
  Duration delay_of(const std::string& name) const;

 private:
  struct Record {
    std::uint16_t type = 0;
    std::uint32_t ttl = 0;
    std::uint16_t preference = 0;
    std::string value;  ///< address, target or exchange in text
  };
  using Key = std::pair<std::string, std::uint16_t>;

  bool add_chain(std::string& name, DnsType type, DnsMessageWriter& writer) const;

  std::map<std::string, std::vector<Record>> names_;
  std::map<Key, DnsStatus> failures_;
  std::map<Key, std::vector<std::uint8_t>> scripted_;
  std::map<std::string, Duration> delays_;
  bool has_soa_ = true;
  std::uint32_t soa_ttl_ = 600;
  std::uint32_t soa_minimum_ = 300;
};

/// A shard's Dns port over a SimZone: answers come by the loop's timers, after the zone's delays.
class SimDns final : public Dns {
 public:
  SimDns(Loop& loop, SimZone& zone) : loop_(loop), zone_(zone) {}
  SimDns(const SimDns&) = delete;
  SimDns& operator=(const SimDns&) = delete;
  /// Forgets what is in flight without completing it.
  ~SimDns() override;

  void query(DnsQueryOp& op) override;

  std::uint64_t queries() const noexcept { return queries_; }
  std::uint64_t queries_of(std::string_view name, DnsType type) const;
  std::size_t in_flight() const noexcept { return in_flight_; }
  std::size_t in_flight_peak() const noexcept { return peak_; }

 private:
  struct Pending {
    SimDns* home = nullptr;
    DnsQueryOp* op = nullptr;
    Timer timer;

    void on_time(Now now);
  };

  Loop& loop_;
  SimZone& zone_;
  std::vector<std::unique_ptr<Pending>> pending_;  ///< reused where op is null
  std::map<std::pair<std::string, std::uint16_t>, std::uint64_t> asked_;
  std::uint64_t queries_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace ringpost::sim
