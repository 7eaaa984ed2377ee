#include "core/schedule/shares.h"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/schedule/queue.h"

namespace ringpost::schedule {

namespace {

constexpr std::size_t kFirstShareBuckets = 1024;

bool in_ring(const Share& share) { return static_cast<const ListLink<TurnTag>&>(share).linked(); }

}  // namespace

std::size_t ShareBook::TextHash::operator()(std::string_view text) const noexcept {
  return hash64(text);
}

ShareBook::ShareBook(EntrySlab& entries)
    : entries_(entries), shares_(kMax), buckets_(kFirstShareBuckets, kNil) {
  shares_.take();  // 0 is nobody's
}

ShareBook::~ShareBook() = default;

// ---- which share -------------------------------------------------------------------------------

std::uint32_t ShareBook::share_for(Queue& queue, std::string_view job, std::uint8_t priority,
                                   std::uint16_t tenant) {
  if (job.empty() && queue.empty()) {
    queue.first_tenant = tenant;
  }
  const bool first = tenant == queue.first_tenant;
  if (job.empty() && first && priority == priority_of(queue, 0)) {
    return 0;
  }
  JobRecord* const record = job.empty() ? nullptr : &job_named(job);
  const std::uint32_t serial = record != nullptr ? record->serial : first ? 0 : kTenants | tenant;
  if (const std::uint32_t known = indexed(queue.slot, serial, priority); known != kNil) {
    return known;
  }
  const std::uint32_t index = shares_.take();
  if (index == kNil) {
    drop_empty();
    return 0;
  }
  Share& share = shares_[index];
  share = Share{};
  share.index = index;
  share.queue = queue.slot;
  share.serial = serial;
  share.priority = priority;
  share.job = record;
  turns_of(queue).all.push_back(share);
  if (record != nullptr) {
    record->shares.push_back(share);
    share.paused = record->paused;
  }
  if (++indexed_ * 2 > buckets_.size()) {
    grow();
  }
  insert(index);
  return index;
}

JobRecord& ShareBook::job_named(std::string_view name) {
  if (last_ != nullptr && last_->name == name) {
    return *last_;
  }
  auto found = jobs_.find(name);
  if (found == jobs_.end()) {
    auto fresh = std::make_unique<JobRecord>();
    fresh->name = std::string(name);
    fresh->serial = ++serials_;
    fresh->paused = rules_.paused(name);
    found = jobs_.emplace(fresh->name, std::move(fresh)).first;
  }
  last_ = found->second.get();
  return *last_;
}

// What was one list becomes the share of mail without a job.
Turns& ShareBook::turns_of(Queue& queue) {
  ReadyMail& mail = queue.ready;
  if (mail.turns == nullptr) {
    mail.turns = std::make_unique<Turns>();
    Turns& turns = *mail.turns;
    turns.plain.queue = queue.slot;
    turns.plain.ready = mail.plain;
    mail.plain.head = mail.plain.tail = kNil;
    turns.all.push_back(turns.plain);
    if (!turns.plain.ready.empty()) {
      link(turns, turns.plain);
    }
  }
  return *mail.turns;
}

Share& ShareBook::of(Queue& queue, std::uint32_t index) {
  return index == 0 ? queue.ready.turns->plain : shares_[index];
}

std::uint8_t ShareBook::priority_of(const Queue& queue, std::uint32_t index) const {
  if (index != 0) {
    return shares_[index].priority;
  }
  return queue.ready.turns == nullptr ? kNormalPriority : queue.ready.turns->plain.priority;
}

std::uint16_t ShareBook::tenant_of(const Queue& queue, std::uint32_t index) const {
  const std::uint32_t serial = index == 0 ? 0 : shares_[index].serial;
  if (serial == 0) {
    return queue.first_tenant;
  }
  return static_cast<std::uint16_t>(serial >= kTenants ? serial - kTenants : 0);
}

std::vector<std::pair<std::uint8_t, std::uint32_t>> ShareBook::priorities(const Queue& queue) {
  std::map<std::uint8_t, std::uint32_t> sums;
  if (Turns* const turns = queue.ready.turns.get()) {
    for (Share* one = turns->all.front(); one != nullptr; one = turns->all.after(*one)) {
      if (!one->ready.empty()) {
        sums[one->priority] += one->ready.recipients;
      }
    }
  }
  if (sums.size() == 1 && sums.count(kNormalPriority) == 1) {
    return {};
  }
  return {sums.rbegin(), sums.rend()};
}

// Entries name their share by number, so all of them change places at once. Where there is a share
// of that job and priority already, the two take one turn between them: see link().
void ShareBook::set_priority(Queue& queue, Share& share, std::uint8_t priority) {
  if (share.priority == priority || share.doomed) {
    return;
  }
  Turns& turns = *queue.ready.turns;
  const bool plain = &share == &turns.plain;
  unlink(turns, share);
  if (!plain) {
    erase(share);
  }
  turns.twins -= share.twin ? 1 : 0;
  share.priority = priority;
  share.twin = indexed(queue.slot, share.serial, priority) != kNil ||
               (!plain && share.serial == 0 && turns.plain.priority == priority);
  turns.twins += share.twin ? 1 : 0;
  if (!plain) {
    ++indexed_;
    insert(share.index);
  }
  if (!share.ready.empty() && !share.parked()) {
    link(turns, share);
  }
}

void ShareBook::use(std::uint32_t share, std::uint32_t recipients) {
  if (share != 0) {
    ++shares_[share].users;
    shares_[share].waiting += recipients;
  }
}

void ShareBook::leave(Queue& queue, std::uint32_t index, std::uint32_t recipients) {
  if (index == 0) {
    return;
  }
  Share& share = shares_[index];
  RP_ASSERT(share.users > 0 && share.waiting >= recipients);
  share.waiting -= recipients;
  if (--share.users == 0) {
    drop(queue, share);
  }
}

void ShareBook::leave_entry(Queue& queue, Entry& entry) {
  const std::uint32_t share = entry.share;
  entry.share = 0;
  leave(queue, share, entry.count);
}

void ShareBook::drop(Queue& queue, Share& share) {
  RP_ASSERT(share.ready.empty() && share.in_flight == 0);
  Turns& turns = *queue.ready.turns;
  unlink(turns, share);
  turns.all.remove(share);
  turns.twins -= share.twin ? 1 : 0;
  if (!share.doomed) {
    erase(share);
    if (JobRecord* job = share.job) {
      job->shares.remove(share);
      if (job->shares.empty()) {
        last_ = last_ == job ? nullptr : last_;
        jobs_.erase(jobs_.find(std::string_view(job->name)));
      }
    }
  }
  shares_.give_back(share.index);
}

void ShareBook::drop_empty() {
  std::erase_if(jobs_, [&](const auto& item) {
    const bool empty = item.second->shares.empty();
    last_ = empty && last_ == item.second.get() ? nullptr : last_;
    return empty;
  });
}

// ---- the index ---------------------------------------------------------------------------------

std::size_t ShareBook::hash_of(std::uint32_t queue, std::uint32_t serial, std::uint8_t priority) {
  std::uint64_t mixed = (std::uint64_t{serial} << 32 | queue) + priority * 0x9e3779b97f4a7c15ULL;
  mixed = (mixed ^ (mixed >> 31)) * 0xbf58476d1ce4e5b9ULL;
  return mixed ^ (mixed >> 29);
}

/// The share of that key, or kNil.
std::uint32_t ShareBook::indexed(std::uint32_t queue, std::uint32_t serial,
                                 std::uint8_t priority) const {
  const std::size_t mask = buckets_.size() - 1;
  std::size_t at = hash_of(queue, serial, priority) & mask;
  for (; buckets_[at] != kNil; at = (at + 1) & mask) {
    const Share& share = shares_[buckets_[at]];
    if (share.queue == queue && share.serial == serial && share.priority == priority) {
      return share.index;
    }
  }
  return kNil;
}

void ShareBook::insert(std::uint32_t index) {
  const Share& share = shares_[index];
  const std::size_t mask = buckets_.size() - 1;
  std::size_t at = hash_of(share.queue, share.serial, share.priority) & mask;
  while (buckets_[at] != kNil) {
    at = (at + 1) & mask;
  }
  buckets_[at] = index;
}

void ShareBook::erase(const Share& share) {
  const std::size_t mask = buckets_.size() - 1;
  std::size_t hole = hash_of(share.queue, share.serial, share.priority) & mask;
  while (buckets_[hole] != share.index) {
    RP_ASSERT(buckets_[hole] != kNil);
    hole = (hole + 1) & mask;
  }
  --indexed_;
  // Close the gap: whatever could have stood in the hole moves back into it.
  for (std::size_t at = (hole + 1) & mask; buckets_[at] != kNil; at = (at + 1) & mask) {
    const Share& other = shares_[buckets_[at]];
    const std::size_t home = hash_of(other.queue, other.serial, other.priority) & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      buckets_[hole] = buckets_[at];
      hole = at;
    }
  }
  buckets_[hole] = kNil;
}

void ShareBook::grow() {
  std::vector<std::uint32_t> old(buckets_.size() * 2, kNil);
  old.swap(buckets_);
  for (const std::uint32_t index : old) {
    if (index != kNil) {
      insert(index);
    }
  }
}

// ---- turns -------------------------------------------------------------------------------------

Turns::Level& ShareBook::level_of(Turns& turns, std::uint8_t priority) {
  auto at = turns.levels.begin();
  while (at != turns.levels.end() && (*at)->priority > priority) {
    ++at;
  }
  if (at == turns.levels.end() || (*at)->priority != priority) {
    at = turns.levels.insert(at, std::make_unique<Turns::Level>(priority));
  }
  return **at;
}

bool ShareBook::akin(const Share& one, const Share& other) {
  return one.serial == other.serial && one.priority == other.priority;
}

// Of shares alike in job and priority one at a time is in the ring, so that a job has one turn.
void ShareBook::link(Turns& turns, Share& share) {
  List<Share, TurnTag>& ring = level_of(turns, share.priority).ring;
  if (turns.twins > 0) {
    for (Share* one = ring.front(); one != nullptr; one = ring.after(*one)) {
      if (akin(*one, share)) {
        return;
      }
    }
  }
  share.credit = turns.quantum;
  ring.push_back(share);
}

void ShareBook::unlink(Turns& turns, Share& share) {
  if (!in_ring(share)) {
    return;
  }
  level_of(turns, share.priority).ring.remove(share);
  if (turns.twins == 0) {
    return;
  }
  for (Share* one = turns.all.front(); one != nullptr; one = turns.all.after(*one)) {
    if (one != &share && akin(*one, share) && !one->ready.empty() && !one->parked()) {
      return link(turns, *one);
    }
  }
}

void ShareBook::push(Queue& queue, std::uint32_t index, bool front) {
  ReadyMail& mail = queue.ready;
  const Entry& entry = entries_[index];
  Share* const share = mail.turns == nullptr ? nullptr : &of(queue, entry.share);
  EntryList& list = share == nullptr ? mail.plain : share->ready;
  front ? list.push_front(entries_, index) : list.push_back(entries_, index);
  if (share == nullptr) {
    return;
  }
  if (share->parked()) {
    mail.turns->parked += entry.count;
    return;
  }
  ++mail.plain.entries;
  mail.plain.recipients += entry.count;
  if (!in_ring(*share)) {
    link(*mail.turns, *share);
  }
}

void ShareBook::remove(Queue& queue, std::uint32_t index) {
  ReadyMail& mail = queue.ready;
  if (mail.turns == nullptr) {
    mail.plain.remove(entries_, index);
    return;
  }
  const std::uint32_t count = entries_[index].count;
  Share& share = of(queue, entries_[index].share);
  share.ready.remove(entries_, index);
  if (share.parked()) {
    mail.turns->parked -= count;
    return;
  }
  if (share.ready.empty()) {
    unlink(*mail.turns, share);
  }
  --mail.plain.entries;
  mail.plain.recipients -= count;
}

void ShareBook::shorten(Queue& queue, std::uint32_t index, std::uint32_t count) {
  ReadyMail& mail = queue.ready;
  Entry& entry = entries_[index];
  entry.first += count;
  entry.count -= count;
  mail.plain.recipients -= count;
  if (mail.turns != nullptr) {
    Share& share = of(queue, entry.share);
    share.ready.recipients -= count;
    share.waiting -= std::min(share.waiting, count);
  }
}

void ShareBook::put_first(Queue& queue, std::uint32_t index) {
  if (queue.ready.turns == nullptr) {
    return;
  }
  Share& share = of(queue, index);
  if (in_ring(share)) {
    List<Share, TurnTag>& ring = level_of(*queue.ready.turns, share.priority).ring;
    ring.remove(share);
    ring.push_front(share);
  }
}

std::uint32_t ShareBook::next(const Queue& queue) const {
  const Turns* const turns = queue.ready.turns.get();
  if (turns == nullptr) {
    return queue.ready.plain.head;
  }
  Turns::Level* top = nullptr;
  std::uint32_t lower = 0;
  for (const auto& level : turns->levels) {
    if (!level->ring.empty()) {
      lower += top != nullptr ? 1 : 0;
      top = top == nullptr ? level.get() : top;
    }
  }
  if (top == nullptr) {
    return kNil;
  }
  if (lower > 0 && turns->picks % kLowerEvery == kLowerEvery - 1) {
    std::uint32_t skip = turns->picks / kLowerEvery % lower;
    for (const auto& level : turns->levels) {
      if (level.get() != top && !level->ring.empty() && skip-- == 0) {
        return level->ring.front()->ready.head;
      }
    }
  }
  return top->ring.front()->ready.head;
}

void ShareBook::charge(Queue& queue, std::uint32_t index, std::uint32_t count) {
  Turns* const turns = queue.ready.turns.get();
  if (turns == nullptr) {
    return;
  }
  Share& share = of(queue, index);
  bool higher = false;
  bool lower = false;
  bool any = false;
  for (const auto& level : turns->levels) {
    const bool ready = !level->ring.empty();
    any = any || ready;
    higher = higher || (ready && level->priority > share.priority);
    lower = lower || (ready && level->priority < share.priority);
  }
  turns->picks += higher || lower ? 1 : 0;
  turns->quantum = any ? std::max(turns->quantum, static_cast<std::int32_t>(count)) : 1;
  share.credit -= static_cast<std::int32_t>(count);
  if (share.credit <= 0 && in_ring(share)) {
    share.credit += turns->quantum;
    List<Share, TurnTag>& ring = level_of(*turns, share.priority).ring;
    ring.remove(share);
    ring.push_back(share);
  }
}

// ---- walks -------------------------------------------------------------------------------------

std::uint32_t ShareBook::begin_walk(Queue& queue) {
  Turns* const turns = queue.ready.turns.get();
  if (turns == nullptr) {
    return queue.ready.plain.entries;
  }
  std::uint32_t sum = 0;
  for (Share* one = turns->all.front(); one != nullptr; one = turns->all.after(*one)) {
    one->unlooked = one->ready.entries;
    sum += one->unlooked;
  }
  return sum;
}

std::uint32_t ShareBook::walk(Queue& queue) {
  Turns* const turns = queue.ready.turns.get();
  if (turns == nullptr) {
    return queue.ready.plain.head;
  }
  for (std::size_t n = turns->all.size(); n > 0; --n) {
    Share& share = *turns->all.front();
    if (share.unlooked > 0 && !share.ready.empty()) {
      return share.ready.head;
    }
    turns->all.push_back(*turns->all.pop_front());
  }
  return kNil;
}

void ShareBook::stay(Queue& queue, std::uint32_t index) {
  Turns* const turns = queue.ready.turns.get();
  Share* const share = turns == nullptr ? nullptr : &of(queue, entries_[index].share);
  EntryList& list = share == nullptr ? queue.ready.plain : share->ready;
  list.remove(entries_, index);
  list.push_back(entries_, index);
  if (share != nullptr && share->unlooked > 0) {
    --share->unlooked;
  }
}

void ShareBook::gone(Queue& queue, std::uint32_t index) {
  if (queue.ready.turns != nullptr) {
    Share& share = of(queue, entries_[index].share);
    share.unlooked -= share.unlooked > 0 ? 1 : 0;
  }
  remove(queue, index);
}

// ---- jobs --------------------------------------------------------------------------------------

void ShareBook::park(Queue& queue, Share& share, bool parked) {
  ReadyMail& mail = queue.ready;
  if (parked) {
    unlink(*mail.turns, share);
    mail.plain.entries -= share.ready.entries;
    mail.plain.recipients -= share.ready.recipients;
    mail.turns->parked += share.ready.recipients;
    return;
  }
  mail.plain.entries += share.ready.entries;
  mail.plain.recipients += share.ready.recipients;
  mail.turns->parked -= share.ready.recipients;
  if (!share.ready.empty()) {
    link(*mail.turns, share);
  }
}

void ShareBook::hold(Queue& queue, Share& share, bool Share::*reason, bool on) {
  const bool before = share.parked();
  share.*reason = on;
  if (before != share.parked()) {
    park(queue, share, share.parked());
  }
}

void ShareBook::doom(Queue& queue, Share& share) {
  hold(queue, share, &Share::doomed, true);
  erase(share);
  if (share.job != nullptr) {
    share.job->shares.remove(share);
    share.job = nullptr;
  }
}

void ShareBook::rows(std::string_view pattern, std::size_t max, std::vector<JobRow>& out) const {
  for (const auto& [name, job] : jobs_) {
    if (out.size() >= max) {
      return;
    }
    if (!glob_matches(pattern, name)) {
      continue;
    }
    JobRow row;
    row.name = name;
    row.paused = job->paused;
    std::unordered_set<std::uint32_t> queues;
    for (Share* one = job->shares.front(); one != nullptr; one = job->shares.after(*one)) {
      row.queues += queues.insert(one->queue).second ? 1 : 0;
      row.lowest = std::min(row.lowest, one->priority);
      row.highest = std::max(row.highest, one->priority);
      row.ready += one->ready.recipients;
      row.deferred += one->waiting - one->ready.recipients;
      row.in_flight += one->in_flight;
    }
    out.push_back(std::move(row));
  }
}

std::string_view ShareBook::job_of(std::uint32_t share) const {
  const JobRecord* const job = share == 0 ? nullptr : shares_[share].job;
  return job == nullptr ? std::string_view{} : std::string_view(job->name);
}

std::uint32_t ShareBook::shares_ready(Queue& queue) const {
  if (queue.ready.turns == nullptr) {
    return queue.ready.empty() ? 0 : 1;
  }
  std::size_t sum = 0;
  for (const auto& level : queue.ready.turns->levels) {
    sum += level->ring.size();
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace ringpost::schedule
