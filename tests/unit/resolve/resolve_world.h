#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/loop/loop.h"
#include "net/resolve/resolver.h"
#include "tests/sim/world/sim_dns.h"

namespace ringpost::resolve {

/// A driver over virtual time: sleeping is stepping forward.
class StepDriver final : public Driver {
 public:
  Now now() override { return now_; }
  void wait(ReadyList&, Instant until) override {
    if (until != Instant::never() && until > now_.instant) {
      now_.wall = now_.wall + (until - now_.instant);
      now_.instant = until;
    }
  }
  void finish(Completion&, std::int32_t) override {}
  void wake_peer(unsigned) override {}
  void wake() override {}

 private:
  Now now_{Instant{1'000'000'000}, WallTime{1'700'000'000'000'000}};
};

/// One shard with a scripted DNS and a resolver over it.
class ResolveWorld : private LetterHandler {
 public:
  struct Asked {
    RouteQuery query;
    std::string destination;
    bool done = false;

    void on_done(Completion&) { done = true; }
    bool routed() const { return done && query.route != nullptr; }
    bool ended(OutcomeKind kind, EnhancedStatus status) const {
      return done && query.route == nullptr && query.failure.kind == kind &&
             query.failure.phase == Phase::route && query.failure.reply_code == 0 &&
             query.failure.status == status && !query.failure_text.empty();
    }
    /// "host:preference:port=address,address ..." of the route, or the failure's text.
    std::string text() const {
      if (query.route == nullptr) {
        return query.failure_text;
      }
      std::string all;
      for (const RouteHost& host : query.route->hosts) {
        all += (all.empty() ? "" : " ") + host.name + ":" + std::to_string(host.preference) + ":" +
               std::to_string(host.port) + "=";
        for (const IpAddress& address : host.addresses) {
          all += (all.back() == '=' ? "" : ",") + address.text();
        }
      }
      return all;
    }
  };
  using AskedRef = std::unique_ptr<Asked>;

  explicit ResolveWorld(ResolverOptions options = {})
      : mailroom(1, 64),
        loop(0, driver, mailroom, *this),
        dns(loop, zone),
        resolver(std::make_unique<Resolver>(loop, dns, std::move(options))) {}

  /// Asks without waiting.
  AskedRef start(std::string destination, QueuePolicyRef with = nullptr) {
    auto asked = std::make_unique<Asked>();
    asked->destination = std::move(destination);
    asked->query.bind<&Asked::on_done>(asked.get());
    asked->query.destination = asked->destination;
    asked->query.policy = with != nullptr ? std::move(with) : std::make_shared<QueuePolicy>(policy);
    resolver->resolve(asked->query);
    return asked;
  }
  void run_until_done(const Asked& asked) {
    for (int i = 0; i < 10'000 && !asked.done; ++i) {
      loop.turn(Instant::never());
    }
  }
  AskedRef ask(std::string destination, QueuePolicyRef with = nullptr) {
    AskedRef asked = start(std::move(destination), std::move(with));
    run_until_done(*asked);
    return asked;
  }
  /// Lets time pass.
  void pass(Duration time) {
    const Instant end = loop.now().instant + time;
    while (loop.now().instant < end) {
      loop.turn(end);
    }
  }

  StepDriver driver;
  Mailroom mailroom;
  Loop loop;
  sim::SimZone zone;
  sim::SimDns dns;
  QueuePolicy policy;
  std::unique_ptr<Resolver> resolver;

 private:
  void on_letter(const Letter&, Now) override {}
};

}  // namespace ringpost::resolve
