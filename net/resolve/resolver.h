#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/loop/timer_wheel.h"
#include "core/mail/route.h"
#include "net/resolve/lookups.h"
#include "net/resolve/options.h"
#include "net/resolve/route_builder.h"
#include "net/resolve/sts_lookups.h"

namespace ringpost::resolve {

struct ResolverStats {
  std::uint64_t resolutions = 0;
  std::uint64_t routes = 0;
  std::uint64_t deferred = 0;
  std::uint64_t bounced = 0;
  std::uint64_t late = 0;  ///< deadlines that came before DNS did
};

/// Destination -> Route by the rules of RFC 5321 section 5.1, RFC 7505 and DESIGN: static routes
/// as configured, address literals, else MX records, else the domain's own addresses. One per
/// shard, used by its thread only. Loop and Dns outlive it; no route query and no DNS query may be
/// completed after it is gone.
///
/// What a query ends with:
///   route                hosts in ascending preference, then by name; addresses IPv4 first, sorted
///   deferred 4.4.3       DNS failed or was late; 4.4.4: no host of a static route has an address;
///                        4.3.2: too many resolutions at once
///   bounced  5.1.2       no such domain, or no domain name at all
///            5.1.10      null MX
///            5.4.4       no host has an address, or there is none but the domain itself and the
///                        policy leaves that out (deferred 4.4.4: it waits for one)
///            5.4.6       only refused addresses, or we ourselves are the best host
class Resolver final : public RouteSource {
 public:
  /// `sts` may be null: then no domain has a policy of MTA-STS.
  Resolver(Loop& loop, Dns& dns, ResolverOptions options, StsSource* sts = nullptr);
  ~Resolver() override;

  void resolve(RouteQuery& query) override;

  /// Forgets all answers (an operator's command). Routes handed out stay as they are.
  void clear_cache() { lookups_.clear_cache(); }
  const ResolverStats& stats() const noexcept { return stats_; }
  const LookupStats& lookup_stats() const noexcept { return lookups_.stats(); }
  /// Hosts and policies of MTA-STS that could not be used.
  const TlsResults& tls_results() const noexcept { return sts_.results(); }
  const AnswerCache& cache() const noexcept { return lookups_.cache(); }
  std::size_t active() const noexcept { return active_.size(); }

 private:
  /// The look-ups of one host.
  struct HostWait {
    Waiter a;
    Waiter aaaa;
    Waiter tlsa;
  };
  /// One route query under way; reused.
  struct Task : ListLink<Task> {
    Resolver* home = nullptr;
    RouteQuery* query = nullptr;
    std::string domain;
    RouteFindings findings;
    std::vector<HostFindings> hosts;
    std::unique_ptr<HostWait[]> waits;  ///< hosts_max of them, made once
    std::size_t hop = 0;                ///< of a configured route, being looked at
    Waiter mx;
    StsWaiter sts;
    bool sts_asked = false;
    Timer deadline;
    std::size_t outstanding = 0;  ///< look-ups not yet answered, plus one while asking

    void on_mx(Waiter& waiter);
    void on_address(Waiter& waiter);
    void on_tlsa(Waiter& waiter);
    void on_sts();
    void on_deadline(Now now);
  };

  Task& new_task();
  void release(Task& task);
  void continue_static(Task& task);
  void take_hop(Task& task, const StaticHost& hop);
  void start_literal(Task& task);
  void start_mx(Task& task);
  void mx_answered(Task& task);
  static RouteVerdict no_exchanger(const Task& task);
  void take_exchanges(Task& task, const Answer& answer, const StaticHost* hop);
  void add_host(Task& task, std::string_view name, std::uint16_t preference, std::uint16_t port);
  void add_literal(Task& task, const IpAddress& address, std::uint16_t preference,
                   std::uint16_t port);
  void find_addresses(Task& task);
  void addresses_found(Task& task);
  void find_tlsa(Task& task);
  static bool follows_policy(const Task& task);
  void find_sts(Task& task);
  void take_policy(Task& task);
  void conclude(Task& task);
  void finish(Task& task, RouteVerdict verdict);
  void complete(RouteQuery& query, RouteVerdict verdict);

  Loop& loop_;
  ResolverOptions options_;
  Lookups lookups_;
  StsLookups sts_;
  std::vector<std::unique_ptr<Task>> all_;
  List<Task, Task> free_;
  List<Task, Task> active_;
  ResolverStats stats_;
};

}  // namespace ringpost::resolve
