#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/loop/loop.h"
#include "core/loop/ports.h"

namespace ringpost::sim {

class SimWorld;

/// Driver of one simulated shard: wait() never blocks, it hands over what the world finished.
class SimDriver : public Driver {
 public:
  SimDriver(SimWorld& world, unsigned shard) : world_(world), shard_(shard) {}

  Now now() override;
  void wait(ReadyList& ready, Instant until) override;
  void wake_peer(unsigned shard) override;
  void wake() override;

  void finish(Completion& completion, std::int32_t result) override;
  bool has_finished() const { return !finished_.empty(); }

 private:
  SimWorld& world_;
  unsigned shard_;
  ReadyList finished_;
};

/// Entropy from the world's seed.
class SimEntropy : public Entropy {
 public:
  explicit SimEntropy(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<unsigned char> out) override {
    for (unsigned char& octet : out) {
      octet = static_cast<unsigned char>(random_.next());
    }
  }

 private:
  Random random_;
};

/// Virtual time, a queue of future events and a number of loops stepped by one thread. Everything
/// follows from the seed: two runs of one seed have equal trace hashes.
class SimWorld {
 public:
  using Event = std::function<void()>;

  explicit SimWorld(std::uint64_t seed);

  Random& random() { return random_; }
  Instant instant() const { return now_; }
  Now now() const { return {now_, wall_start_ + (now_ - Instant{0})}; }

  /// Runs `event` at `when` (or now, if that is past), after what was asked for the same instant
  /// before.
  void at(Instant when, Event event);
  void after(Duration delay, Event event) { at(now_ + delay, std::move(event)); }
  /// Uniform delay between the bounds, for latencies.
  Duration delay_between(Duration low, Duration high);

  SimDriver& add_driver();
  /// The loop is stepped from now on; it uses the driver with its shard number.
  void add_loop(Loop& loop);
  /// A crash: the loop is stepped no more.
  void remove_loop(Loop& loop);
  /// From here on each turn of a loop takes up to so long; what finishes and arrives meanwhile is
  /// found together by its next turn, as on a busy machine.
  void turns_take(Duration longest) { turn_max_ = longest; }

  /// Steps until `done` holds; false if `limit` of virtual time passes first or nothing is left
  /// that could ever happen.
  bool run_until(const std::function<bool()>& done, Duration limit);
  /// Lets virtual time pass.
  void run_for(Duration duration);

  /// Adds to the trace; equal seeds must give equal hashes.
  void trace(std::string_view what, std::uint64_t value = 0);
  std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  struct Scheduled {
    Instant when;
    std::uint64_t order;
    Event event;
    bool operator<(const Scheduled& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  struct Stepped {
    Loop* loop;
    Instant free_at;  ///< its last turn lasts until then
    bool has_work(Instant now) const;
  };

  bool step(Instant limit);
  bool turn_busy_loops();
  void run_events();
  Instant next_instant() const;

  Random random_;
  Instant now_{Duration::hours(1).ns};
  WallTime wall_start_{1'800'000'000'000'000};
  std::priority_queue<Scheduled> events_;
  std::uint64_t order_ = 0;
  std::vector<std::unique_ptr<SimDriver>> drivers_;
  std::vector<Stepped> loops_;
  Duration turn_max_;
  std::uint64_t trace_hash_ = 0;
};

}  // namespace ringpost::sim
