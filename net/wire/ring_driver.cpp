#include "net/wire/ring_driver.h"

#include <liburing.h>
#include <poll.h>
#include <sched.h>

#include <cerrno>
#include <ctime>
#include <string>

namespace ringpost {

RingPeers::RingPeers(unsigned endpoints)
    : endpoints_(endpoints), entries_(std::make_unique<Entry[]>(endpoints)) {}

void RingPeers::publish(unsigned endpoint, int ring, int event) noexcept {
  RP_ASSERT(endpoint < endpoints_);
  entries_[endpoint].ring.store(ring, std::memory_order_release);
  entries_[endpoint].event.store(event, std::memory_order_release);
}

int RingPeers::ring(unsigned endpoint) const noexcept {
  RP_ASSERT(endpoint < endpoints_);
  return entries_[endpoint].ring.load(std::memory_order_acquire);
}

int RingPeers::event(unsigned endpoint) const noexcept {
  RP_ASSERT(endpoint < endpoints_);
  return entries_[endpoint].event.load(std::memory_order_acquire);
}

RingDriver::RingDriver(Ring& ring, RingPeers& peers, unsigned endpoint)
    : ring_(ring), peers_(peers), endpoint_(endpoint) {
  posted_.reserve(1024);
  collected_.reserve(1024);
}

Result<std::unique_ptr<RingDriver>> RingDriver::make(Ring& ring, RingPeers& peers,
                                                     unsigned endpoint) {
  std::unique_ptr<RingDriver> driver(new RingDriver(ring, peers, endpoint));
  if (Status opened = driver->event_.open(); !opened) {
    return opened.error();
  }
  ring.attach(RingTag::wake_event, driver.get(), &RingDriver::on_event);
  ring.attach(RingTag::wake_sent, driver.get(), &RingDriver::on_wake_sent);
  const bool messages = ring.has(RingFeature::message_ring);
  peers.publish(endpoint, messages ? ring.descriptor() : -1, driver->event_.descriptor());
  return driver;
}

RingDriver::~RingDriver() {
  peers_.withdraw(endpoint_);
  ring_.stop();
}

Now read_clocks() noexcept {
  ::timespec boot{};
  ::timespec wall{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  ::clock_gettime(CLOCK_REALTIME, &wall);
  return {Instant{boot.tv_sec * 1'000'000'000 + boot.tv_nsec},
          WallTime{wall.tv_sec * 1'000'000 + wall.tv_nsec / 1'000}};
}

Now RingDriver::now() { return read_clocks(); }

void RingDriver::watch_event() {
  // Edge-like: each raise makes a completion, so the counter need not be read down.
  ::io_uring_prep_poll_multishot(ring_.next_entry(RingTag::wake_event, 0), event_.descriptor(),
                                 POLLIN);
  watching_ = true;
}

void RingDriver::on_event(void* self, const RingEvent& event) {
  if (!event.more) {
    static_cast<RingDriver*>(self)->watching_ = false;
  }
}

void RingDriver::wait(ReadyList& ready, Instant until) {
  if (!watching_) {
    watch_event();
  }
  collect_posted();
  Duration timeout;
  if (until > Instant{} && !ring_.finished_waiting()) {
    timeout = until == Instant::never() ? Duration::forever() : until - now().instant;
  }
  ring_.turn(timeout);
  collect_posted();
  ring_.hand_over(ready);
}

void RingDriver::wake_peer(unsigned shard) {
  const int ring = peers_.ring(shard);
  if (ring >= 0 && ring_.has(RingFeature::message_ring)) {
    ++ring_.stats().peers_woken_by_ring;
    // The peer's own tag travels as data; a ring that cannot take it yet is woken by its event.
    ::io_uring_prep_msg_ring(ring_.next_entry(RingTag::wake_sent, shard), ring, 0,
                             Ring::user_data(RingTag::wake_message, 0), 0);
    return;
  }
  if (const int event = peers_.event(shard); event >= 0) {
    ++ring_.stats().peers_woken_by_event;
    WakeEvent::raise(event);
  }
}

void RingDriver::on_wake_sent(void* self, const RingEvent& event) {
  RingDriver& driver = *static_cast<RingDriver*>(self);
  if (event.result >= 0) {
    return;
  }
  if (const int peer = driver.peers_.event(static_cast<unsigned>(event.payload)); peer >= 0) {
    ++driver.ring_.stats().peers_woken_by_event;
    WakeEvent::raise(peer);
  }
}

void RingDriver::wake() {
  // Only the first of many raises costs a system call.
  if (!raised_.exchange(true, std::memory_order_seq_cst)) {
    event_.raise();
  }
}

void RingDriver::post(Completion& operation, std::int32_t result) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back({&operation, result});
    any_posted_.store(true, std::memory_order_release);
  }
  wake();
}

void RingDriver::collect_posted() {
  // Taken down before looking: who posts after the look raises the event again.
  if (raised_.load(std::memory_order_relaxed)) {
    raised_.exchange(false, std::memory_order_seq_cst);
  }
  if (!any_posted_.load(std::memory_order_acquire)) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    posted_.swap(collected_);
    any_posted_.store(false, std::memory_order_relaxed);
  }
  for (const Posted& posted : collected_) {
    ring_.complete(*posted.operation, posted.result);
  }
  collected_.clear();
}

Status pin_thread(unsigned processor) {
  ::cpu_set_t set;
  CPU_ZERO(&set);
  if (processor < CPU_SETSIZE) {
    CPU_SET(processor, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    if (errno == EINVAL) {
      return Error::of(ErrorCode::out_of_range,
                       "processor " + std::to_string(processor) + " is not usable here");
    }
    return Error::from_errno(errno, "sched_setaffinity " + std::to_string(processor));
  }
  return {};
}

std::vector<unsigned> usable_processors() {
  std::vector<unsigned> found;
  ::cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (unsigned i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) {
        found.push_back(i);
      }
    }
  }
  return found;
}

}  // namespace ringpost
