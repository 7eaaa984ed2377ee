#include "core/schedule/sender_lanes.h"

#include <utility>

#include "core/base/assert.h"
#include "core/schedule/queue.h"

namespace ringpost::schedule {

std::uint32_t SenderBook::number_of(std::uint64_t key) {
  if (key == 0) {
    return 0;
  }
  const auto [place, fresh] = numbers_.try_emplace(key, static_cast<std::uint32_t>(rules_.size()));
  if (fresh) {
    rules_.push_back({key, 0, false});
  }
  return place->second;
}

std::uint64_t SenderBook::rated(std::uint32_t number, PolicySource& policies,
                                std::uint32_t version) {
  Rule& rule = rules_[number];
  if (rule.version != version) {
    rule.version = version;
    rule.rated = policies.sender_rates(rule.key) != nullptr;
  }
  return rule.rated ? rule.key : 0;
}

void SenderBook::add(RateScope& scope, Queue& queue, std::uint32_t entry) {
  auto found = by_queue_.find({&scope, queue.slot});
  if (found == by_queue_.end()) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(lanes_.size()));
      lanes_.push_back(std::make_unique<SenderLane>());
    }
    const std::uint32_t number = free_.back();
    free_.pop_back();
    SenderLane& fresh = *lanes_[number];
    fresh.scope = &scope;
    fresh.queue = queue.slot;
    fresh.number = number;
    fresh.asks = false;
    fresh.kept = fresh.since = fresh.grown = {};
    fresh.had_turn = fresh.first_again = false;
    scope.lanes.push_back(fresh);
    fresh.next_of_queue = std::exchange(queue.lanes, &fresh);
    found = by_queue_.emplace(LaneKey{&scope, queue.slot}, number).first;
  }
  SenderLane& lane = *lanes_[found->second];
  Link& link = links_[entry];
  RP_ASSERT(link.lane == kNil);
  const bool front = link.first;
  link = {front ? kNil : lane.tail, front ? lane.head : kNil, lane.number, false};
  (link.prev == kNil ? lane.head : links_[link.prev].next) = entry;
  (link.next == kNil ? lane.tail : links_[link.next].prev) = entry;
}

void SenderBook::remove(Queue& queue, std::uint32_t entry, bool comes_back) {
  Link& link = links_[entry];
  SenderLane& lane = *lanes_[link.lane];
  (link.prev == kNil ? lane.head : links_[link.prev].next) = link.next;
  (link.next == kNil ? lane.tail : links_[link.next].prev) = link.prev;
  link = {kNil, kNil, kNil, comes_back};
  if (lane.head != kNil) {
    return;
  }
  lane.place().remove(lane);
  SenderLane** place = &queue.lanes;
  while (*place != &lane) {
    place = &(*place)->next_of_queue;
  }
  *place = lane.next_of_queue;
  by_queue_.erase({lane.scope, lane.queue});
  lane.scope = nullptr;
  lane.queue = kNil;
  free_.push_back(lane.number);
}

}  // namespace ringpost::schedule
