#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/base/address.h"
#include "core/base/list.h"
#include "core/schedule/doors.h"
#include "core/schedule/rate_book.h"
#include "core/schedule/scope.h"
#include "core/schedule/slab.h"

namespace ringpost::schedule {

struct Queue;

/// What an entry has beside the cache line that everything goes over.
struct EntryFacts {
  std::uint32_t size = 0;    ///< octets of its message
  std::uint32_t sender = 0;  ///< number of the rule for its sender; 0: none
};

/// Values beside the objects of a slab, by the same index. Grows with use, never shrinks.
template <class T, std::uint32_t kPerSlab = 16384>
class SideSlab {
 public:
  T& operator[](std::uint32_t index) {
    const std::size_t slab = index / kPerSlab;
    if (slab >= slabs_.size()) {
      slabs_.resize(slab + 1);
    }
    if (slabs_[slab] == nullptr) {
      slabs_[slab] = std::make_unique<T[]>(kPerSlab);
    }
    return slabs_[slab][index % kPerSlab];
  }
  bool unused() const { return slabs_.empty(); }

 private:
  std::vector<std::unique_ptr<T[]>> slabs_;
};

/// The place of a lane in the line for permits of what leaves from one source address of a group.
struct SenderLine : Waiter {
  SenderLane* lane = nullptr;
  IpAddress ip;
  RateScope* scope = nullptr;
};

/// Mail of one queue that waits for permits of its sender's rate, in order. It stands aside, among
/// the queue's deferred entries, so that what follows is not held up.
struct SenderLane : ListLink<SenderLaneTag> {
  RateScope* scope = nullptr;
  /// In a group where source addresses have rates: of each address. `scope` is the whole of theirs
  /// then, of which no permits are asked for.
  std::vector<SenderLine> lines;
  std::uint32_t queue = kNil;  ///< slot
  std::uint32_t number = 0;    ///< its place in the book
  std::uint32_t head = kNil;
  std::uint32_t tail = kNil;
  SenderLane* next_of_queue = nullptr;
  Instant kept;              ///< when a session was last kept for it
  Instant grown;             ///< when one was last wanted where none idles; no other before
  Instant since;             ///< when its turn began
  bool had_turn = false;     ///< it has sent something since
  bool first_again = false;  ///< it had its turn in vain
  bool asks = false;         ///< a session of the queue has nothing else to send

  List<SenderLane, SenderLaneTag>& place() { return asks ? scope->asking : scope->lanes; }
  /// Of whose permits its mail leaves from there.
  const RateScope& scope_at(const IpAddress& source) const {
    for (const SenderLine& line : lines) {
      if (line.ip == source) {
        return *line.scope;
      }
    }
    return *scope;
  }
};

/// The rules for senders that mail of one shard goes by, and its lanes; the facts of all entries.
class SenderBook {
 public:
  EntryFacts& facts(std::uint32_t entry) { return facts_[entry]; }
  /// The number of a rule's key; 0 of 0.
  std::uint32_t number_of(std::uint64_t key);
  std::uint64_t key_of(std::uint32_t number) const { return rules_[number].key; }
  /// Key of the rule if it limits a rate under the configuration `version`, else 0.
  std::uint64_t rated(std::uint32_t number, PolicySource& policies, std::uint32_t version);

  bool aside(std::uint32_t entry) { return !links_.unused() && links_[entry].lane != kNil; }
  /// The lane of an entry that stands aside.
  SenderLane& lane_of(std::uint32_t entry) { return *lanes_[links_[entry].lane]; }
  /// Adds an entry to the queue's lane of `scope`: where it stood once, else at the end.
  void add(RateScope& scope, Queue& queue, std::uint32_t entry);
  /// It stands aside no longer; a lane that has none left is gone. `comes_back`: if it is added
  /// again, then in front.
  void remove(Queue& queue, std::uint32_t entry, bool comes_back);
  std::uint32_t after(std::uint32_t entry) { return links_[entry].next; }
  /// It stood aside, and its permit, or a session for it, is near.
  bool came_back(std::uint32_t entry) { return !links_.unused() && links_[entry].first; }
  /// It is sent or gone: who gets its index is new.
  void forget(std::uint32_t entry) {
    if (!links_.unused()) {
      links_[entry].first = false;
    }
  }
  /// All scopes that have lanes.
  template <class Act>
  void for_scopes(Act act) {
    for (const auto& lane : lanes_) {
      if (lane->scope != nullptr) {
        act(*lane->scope);
      }
    }
  }

 private:
  struct Rule {
    std::uint64_t key = 0;
    std::uint32_t version = 0;  ///< of the configuration that told
    bool rated = false;
  };
  struct Link {
    std::uint32_t prev = kNil;
    std::uint32_t next = kNil;
    std::uint32_t lane = kNil;
    bool first = false;  ///< stood in front when its turn came
  };
  struct LaneKey {
    const RateScope* scope;
    std::uint32_t queue;
    bool operator==(const LaneKey&) const = default;
  };
  struct LaneHash {
    std::size_t operator()(const LaneKey& key) const noexcept {
      return reinterpret_cast<std::size_t>(key.scope) * 31 + key.queue;
    }
  };

  std::vector<Rule> rules_{Rule{}};
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;
  std::vector<std::unique_ptr<SenderLane>> lanes_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<LaneKey, std::uint32_t, LaneHash> by_queue_;
  SideSlab<Link> links_;
  SideSlab<EntryFacts> facts_;
};

}  // namespace ringpost::schedule
