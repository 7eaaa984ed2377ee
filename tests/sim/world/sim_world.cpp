#include "tests/sim/world/sim_world.h"

#include <algorithm>

#include "core/base/hash.h"

namespace ringpost::sim {

Now SimDriver::now() { return world_.now(); }

void SimDriver::wait(ReadyList& ready, Instant) {
  while (Completion* completion = finished_.pop()) {
    // A ready completion goes from one ready list to another: it is in flight in between.
    completion->requeue();
    ready.push(*completion);
  }
}

void SimDriver::wake_peer(unsigned shard) { world_.trace("wake", shard); }

void SimDriver::wake() { world_.trace("wake-any", shard_); }

void SimDriver::finish(Completion& completion, std::int32_t result) {
  completion.result = result;
  finished_.push(completion);
  world_.trace("finish", (std::uint64_t{shard_} << 32) | static_cast<std::uint32_t>(result));
}

SimWorld::SimWorld(std::uint64_t seed) : random_(seed) {}

void SimWorld::at(Instant when, Event event) {
  events_.push({std::max(when, now_), order_++, std::move(event)});
}

Duration SimWorld::delay_between(Duration low, Duration high) {
  return {random_.between(low.ns, high.ns)};
}

SimDriver& SimWorld::add_driver() {
  drivers_.push_back(std::make_unique<SimDriver>(*this, static_cast<unsigned>(drivers_.size())));
  return *drivers_.back();
}

void SimWorld::add_loop(Loop& loop) { loops_.push_back({&loop, now_}); }

void SimWorld::remove_loop(Loop& loop) {
  std::erase_if(loops_, [&loop](const Stepped& one) { return one.loop == &loop; });
}

bool SimWorld::Stepped::has_work(Instant now) const {
  return static_cast<SimDriver&>(loop->driver()).has_finished() || !loop->quiet() ||
         loop->next_wakeup() <= now;
}

bool SimWorld::turn_busy_loops() {
  bool any = false;
  // A different loop goes first each time, as real threads would.
  const std::size_t first = loops_.empty() ? 0 : random_.below(loops_.size());
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    Stepped& one = loops_[(first + i) % loops_.size()];
    if (one.free_at <= now_ && one.has_work(now_)) {
      trace("turn", one.loop->shard());
      if (turn_max_.ns > 0) {
        one.free_at = now_ + delay_between(Duration{0}, turn_max_);
      }
      one.loop->turn(now_);
      any = true;
    }
  }
  return any;
}

void SimWorld::run_events() {
  while (!events_.empty() && events_.top().when <= now_) {
    Event event = events_.top().event;
    events_.pop();
    event();
  }
}

Instant SimWorld::next_instant() const {
  Instant next = events_.empty() ? Instant::never() : events_.top().when;
  for (const Stepped& one : loops_) {
    const Instant wakes = one.has_work(now_) ? now_ : one.loop->next_wakeup();
    next = std::min(next, std::max(wakes, one.free_at));
  }
  return next;
}

bool SimWorld::step(Instant limit) {
  run_events();
  if (turn_busy_loops()) {
    // Computing takes time too, so that a loop that never rests still lets the world go on.
    now_ = now_ + Duration::microseconds(1);
    return true;
  }
  const Instant next = next_instant();
  if (next > limit) {
    now_ = std::max(now_, limit);
    return false;
  }
  now_ = std::max(now_, next);
  return true;
}

bool SimWorld::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_ + limit;
  while (!done()) {
    if (now_ > end || !step(end)) {
      return done();
    }
  }
  return true;
}

void SimWorld::run_for(Duration duration) {
  const Instant end = now_ + duration;
  while (now_ < end && step(end)) {
  }
  now_ = std::max(now_, end);
}

void SimWorld::trace(std::string_view what, std::uint64_t value) {
  trace_hash_ = hash64(
      what, trace_hash_ ^ (value * 0x9e3779b97f4a7c15ULL) ^ static_cast<std::uint64_t>(now_.ns));
}

}  // namespace ringpost::sim
