#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/time.h"
#include "core/schedule/slab.h"

namespace ringpost::schedule {

/// Timers as a heap whose items know their places, so that one can be moved or taken off. `T` has a
/// member `timer_place`, kNil while it has no timer, and outlives its timer. Single-threaded.
template <class T>
class PlacedTimers {
 public:
  /// Arms or moves the item's timer.
  void set(T& item, Instant when) {
    if (item.timer_place == kNil) {
      heap_.push_back({});
      put(heap_.size() - 1, {when, &item});
      sift_up(heap_.size() - 1);
      return;
    }
    const std::size_t place = item.timer_place;
    const bool earlier = when < heap_[place].when;
    heap_[place].when = when;
    earlier ? sift_up(place) : sift_down(place);
  }
  void clear(T& item) {
    if (item.timer_place == kNil) {
      return;
    }
    const std::size_t place = item.timer_place;
    item.timer_place = kNil;
    const Place last = heap_.back();
    heap_.pop_back();
    if (place < heap_.size()) {
      put(place, last);
      sift_up(place);
      sift_down(last.item->timer_place);
    }
  }
  bool armed(const T& item) const { return item.timer_place != kNil; }
  Instant when(const T& item) const { return heap_[item.timer_place].when; }
  Instant next() const { return heap_.empty() ? Instant::never() : heap_.front().when; }
  /// Takes off an item whose timer is due, or gives nullptr.
  T* pop_due(Instant now) {
    if (heap_.empty() || heap_.front().when > now) {
      return nullptr;
    }
    T* item = heap_.front().item;
    clear(*item);
    return item;
  }
  void reserve(std::size_t items) { heap_.reserve(items); }

 private:
  struct Place {
    Instant when;
    T* item;
  };

  void put(std::size_t at, Place place) {
    heap_[at] = place;
    place.item->timer_place = static_cast<std::uint32_t>(at);
  }
  void sift_up(std::size_t at) {
    const Place moved = heap_[at];
    while (at > 0 && moved.when < heap_[(at - 1) / 2].when) {
      put(at, heap_[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
    put(at, moved);
  }
  void sift_down(std::size_t at) {
    const Place moved = heap_[at];
    while (true) {
      std::size_t child = 2 * at + 1;
      if (child >= heap_.size()) {
        break;
      }
      if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when) {
        ++child;
      }
      if (heap_[child].when >= moved.when) {
        break;
      }
      put(at, heap_[child]);
      at = child;
    }
    put(at, moved);
  }

  std::vector<Place> heap_;
};

}  // namespace ringpost::schedule
