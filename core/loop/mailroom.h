#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/base/assert.h"

namespace ringpost {

/// What shards send each other: a kind and a small value. Pointers inside hand over ownership.
struct Letter {
  static constexpr std::size_t kPayloadBytes = 56;

  std::uint16_t kind = 0;
  std::uint16_t from = 0;
  std::uint32_t reserved = 0;
  alignas(8) unsigned char payload[kPayloadBytes] = {};

  template <class T>
  static Letter of(std::uint16_t kind, const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kPayloadBytes);
    Letter letter;
    letter.kind = kind;
    std::memcpy(letter.payload, &value, sizeof value);
    return letter;
  }
  template <class T>
  T as() const {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kPayloadBytes);
    T value;
    std::memcpy(&value, payload, sizeof value);
    return value;
  }
};
static_assert(sizeof(Letter) == 64, "one cache line");

/// Bounded FIFO from one thread to another.
class LetterRing {
 public:
  explicit LetterRing(std::size_t capacity_power_of_two);

  /// Writer side. False when full.
  bool put(const Letter& letter) noexcept;
  /// Writer side: letters that fit now.
  std::size_t room() const noexcept;
  /// Reader side. False when empty.
  bool take(Letter& letter) noexcept;
  /// Reader side.
  bool empty() const noexcept;

 private:
  std::unique_ptr<Letter[]> letters_;
  std::size_t mask_;
  alignas(64) std::atomic<std::uint64_t> written_{0};
  alignas(64) std::atomic<std::uint64_t> read_{0};
};

/// A ring for every ordered pair of endpoints (the shards, then the control and other threads),
/// and for each endpoint whether it sleeps. Shared by all threads, made before they start.
class Mailroom {
 public:
  static constexpr unsigned kEndpointsMax = 1088;

  Mailroom(unsigned endpoints, std::size_t ring_capacity);

  unsigned endpoints() const noexcept { return endpoints_; }
  /// From endpoint `from`'s thread. False when that ring is full; nothing was sent.
  bool post(unsigned from, unsigned to, Letter letter) noexcept;
  std::size_t room(unsigned from, unsigned to) const noexcept;
  /// From endpoint `to`'s thread: the next letter from `from`.
  bool take(unsigned to, unsigned from, Letter& letter) noexcept;
  /// From endpoint `to`'s thread: an endpoint with letters for it, the first from `from` on, going
  /// round; endpoints() when there is none. What it names may turn out empty, once.
  unsigned next_sender(unsigned to, unsigned from) const noexcept;
  /// From endpoint `to`'s thread. May be false for nothing, until the letters were asked for.
  bool empty(unsigned to) const noexcept;

  /// Sleep protocol: the reader publishes that it sleeps, looks once more, then waits; a writer
  /// who finds the flag takes it down and owes the reader one wake-up.
  void announce_sleep(unsigned endpoint) noexcept;
  void announce_awake(unsigned endpoint) noexcept;
  /// From any thread after posting: true when the caller must wake the endpoint.
  bool claim_wake(unsigned endpoint) noexcept;

 private:
  struct alignas(64) Flag {
    std::atomic<bool> sleeping{false};
  };
  /// Of one reader: a bit for each sender that may have letters for it, so that looking costs the
  /// same however many shards there are.
  struct alignas(64) Marks {
    std::atomic<std::uint64_t> words[kEndpointsMax / 64] = {};
  };

  LetterRing& ring(unsigned from, unsigned to) const noexcept {
    RP_ASSERT(from < endpoints_ && to < endpoints_);
    return *rings_[from * endpoints_ + to];
  }

  unsigned endpoints_;
  std::vector<std::unique_ptr<LetterRing>> rings_;
  std::unique_ptr<Flag[]> flags_;
  std::unique_ptr<Marks[]> marks_;
};

}  // namespace ringpost
