#include <algorithm>

#include "core/base/assert.h"
#include "core/schedule/matching.h"
#include "core/schedule/scheduler.h"
#include "core/schedule/sender_traffic.h"
#include "core/schedule/source_traffic.h"

// Commands of operators, endings of whole queues, new settings, and what can be looked at.

namespace ringpost::schedule {

// ---- commands ----------------------------------------------------------------------------------

Result<Touched> Scheduler::pause(const QueuePattern& pattern, bool pause, Now now, bool dry_run) {
  const auto changes = [&](const Queue& queue) { return queue.paused != pause; };
  if (dry_run) {
    return for_matching(table_, pattern, changes);
  }
  if (Status added = pauses_.add(pattern, pause); !added) {
    return added.error();
  }
  return for_matching(table_, pattern, [&](Queue& queue) {
    const bool changed = changes(queue);
    queue.paused = pause;
    evaluate(queue, now);
    if (!pause && queue.move != nullptr) {
      begin_move(queue);
    }
    return changed;
  });
}

Status Scheduler::restore_pauses(std::string_view serialized, Now now) {
  if (Status restored = pauses_.restore(serialized); !restored) {
    return restored;
  }
  for_matching(table_, QueuePattern{}, [&](Queue& queue) {
    queue.paused = pauses_.paused(queue.name, queue.vmta->name, queue.policy->group);
    evaluate(queue, now);
  });
  return {};
}

Touched Scheduler::cancel(const QueuePattern& pattern, Now now) {
  return for_matching(table_, pattern, [&](Queue& queue) {
    const bool has_mail = waiting_in(queue) > 0;
    doom(queue, Ending::cancelled, {}, {}, now);
    return has_mail;
  });
}

bool Scheduler::cancel_message(SpoolHandle message, std::uint32_t& cursor, std::uint32_t budget,
                               Touched& touched, Now now) {
  for (; budget > 0 && cursor < entries_.made(); --budget, ++cursor) {
    const Entry& entry = entries_[cursor];
    if (entry.message() != message || entry.state == EntryState::free ||
        entry.state == EntryState::ending) {
      continue;
    }
    Queue& queue = table_.at(entry.queue);
    ++touched.queues;
    touched.recipients += entry.count;
    end_entry(cursor, queue, Ending::cancelled);
    if (queue.ready.empty() &&
        (queue.state == QueueState::ready || queue.state == QueueState::waiting)) {
      evaluate(queue, now);
    }
  }
  return cursor >= entries_.made();
}

Touched Scheduler::schedule_now(const QueuePattern& pattern, Now now) {
  return for_matching(table_, pattern, [&](Queue& queue) {
    const bool has_mail = waiting_in(queue) > 0;
    // The ladders keep their steps: what fails again waits as long as it would have.
    queue.deferred_until = {};
    queue.deferred_by_rule = false;
    queue.open_after = queue.grow_after = {};
    if (!queue.deferred.empty()) {
      queue.rush_tail = queue.deferred.tail;
      rush_.push_back(queue.id());
    }
    const bool timed = queue.state == QueueState::waiting && queue.place == nullptr;
    if (queue.state == QueueState::deferred || timed) {
      evaluate(queue, now);
    }
    return has_mail;
  });
}

Touched Scheduler::count(const QueuePattern& pattern) {
  return for_matching(table_, pattern, [](const Queue& queue) { return waiting_in(queue) > 0; });
}

// ---- endings, rushes and sweeps, a bounded piece a run -----------------------------------------

void Scheduler::doom(Queue& queue, Ending kind, const Outcome& outcome, std::string_view text,
                     Now now) {
  const bool waits = kind == Ending::no_exchanger && queue.paused && !queue.expire_while_paused;
  // Only what has waited long enough for its domain to name an exchanger. The oldest is in front.
  const auto over = [&] {
    return waits ? kNil : shares_.head_where(queue.ready, [&](const Entry& entry, bool held) {
      return !held && entry.received() + queue.policy->no_mx_wait <= now.wall;
    });
  };
  if (kind == Ending::no_exchanger && over() == kNil) {
    return;
  }
  if (kind != Ending::cancelled) {
    queue.doom = std::make_unique<Failure>();
    queue.doom->outcome = outcome;
    queue.doom->text = std::string(text.substr(0, kOutcomeTextMax));
    queue.doom->at = now.wall;
  }
  if (kind == Ending::no_exchanger) {
    queue.doom->outcome.status.klass = 5;
    for (std::uint32_t oldest = over(); oldest != kNil; oldest = over()) {
      end_entry(oldest, queue, kind);
    }
    return;
  }
  ++queue.epoch;
  queue.doom_kind = kind;
  evaluate(queue, now);
}

void Scheduler::drain_ending(std::uint32_t& budget, Now now) {
  while (budget > 0 && !ending_queues_.empty()) {
    Queue& queue = static_cast<Queue&>(*ending_queues_.front());
    const bool whole = queue.doom_kind != Ending::none;
    EntryList& over_age = queue.over_age;
    const auto doomed = [&](const EntryList& list) {
      return whole && !list.empty() && entries_[list.head].epoch != queue.epoch;
    };
    const auto earlier = [&](const Entry& entry, bool) { return entry.epoch != queue.epoch; };
    const std::uint32_t ready = whole ? shares_.head_where(queue.ready, earlier) : kNil;
    --budget;
    if (!over_age.empty() && !queue.paused) {
      end_entry(over_age.head, queue, whole ? queue.doom_kind : Ending::expired);
    } else if (whole && !over_age.empty()) {
      end_entry(over_age.head, queue, queue.doom_kind);
    } else if (ready != kNil) {
      end_entry(ready, queue, queue.doom_kind);
    } else if (doomed(queue.deferred)) {
      end_entry(queue.deferred.head, queue, queue.doom_kind);
    } else {
      queue.doom_kind = Ending::none;
      if (queue.ending == 0) {
        queue.doom.reset();
      }
      evaluate(queue, now);
      if (queue.move != nullptr) {
        begin_move(queue);
      }
    }
  }
}

void Scheduler::drain_rush(std::uint32_t& budget, Now now) {
  while (budget > 0 && !rush_.empty()) {
    Queue* queue = table_.find(rush_.back());
    if (queue == nullptr || queue->rush_tail == kNil || queue->deferred.empty()) {
      rush_.pop_back();
      continue;
    }
    --budget;
    // rush_tail moves to the one before it when it is taken off, so to none with the last.
    promote(queue->deferred.head, *queue, now);
  }
}

void Scheduler::sweep(std::uint32_t& budget, Now now) {
  if (!sweeping_) {
    return;
  }
  for (; budget > 0 && sweep_queue_ < table_.slots(); --budget, ++sweep_queue_) {
    Queue& queue = table_.at(sweep_queue_);
    if (queue.live) {
      apply_settings(queue, now);
      if (queue.open_gate == Gate::local_fault) {
        queue.open_after = {};  // its source address may be back, or another one
      }
      const bool timed = queue.state == QueueState::waiting && queue.place == nullptr;
      if (timed || rate_waited_for(queue) != nullptr) {
        evaluate(queue, now);
      }
    }
  }
  for (; budget > 0 && sweep_entry_ < entries_.made(); --budget, ++sweep_entry_) {
    const Entry& entry = entries_[sweep_entry_];
    if (entry.state != EntryState::ready && entry.state != EntryState::deferred) {
      continue;
    }
    // A shorter life moves the timer forward. A longer one is seen when the timer fires.
    Queue& queue = table_.at(entry.queue);
    if (queue.policy->bounce_after.is_forever()) {
      continue;
    }
    const WallTime end = expires(queue, entry.received());
    const Instant due = now.instant + (end - now.wall);
    if (entry.wheel_slot == 0 || due.ns < entry.due_ns) {
      wheel_.disarm(sweep_entry_);
      arm(sweep_entry_, queue, WallTime{}, now);
    }
  }
  sweeping_ = sweep_queue_ < table_.slots() || sweep_entry_ < entries_.made();
}

// ---- looking in --------------------------------------------------------------------------------

namespace {

Gate message_gate(RateOf of) {
  switch (of) {
    case RateOf::vmta: return Gate::vmta_message_rate;
    case RateOf::pool: return Gate::pool_message_rate;
    case RateOf::group: return Gate::group_message_rate;
    case RateOf::warmup: return Gate::warmup;
    case RateOf::sender: return Gate::sender_message_rate;
    case RateOf::vmta_octets: return Gate::vmta_data_rate;
    case RateOf::group_octets: return Gate::group_data_rate;
    case RateOf::source: return Gate::source_message_rate;
    case RateOf::source_octets: return Gate::source_data_rate;
    case RateOf::group_backoff: return Gate::group_backoff_message_rate;
    case RateOf::group_backoff_octets: return Gate::group_backoff_data_rate;
  }
  return Gate::none;
}

}  // namespace

namespace {

/// Its sessions wait for permits of single source addresses.
const SourceLine* waits_in(const Queue& queue) {
  const bool connects = queue.gate == Gate::vmta_connect_rate;
  const bool waits = connects || queue.gate == Gate::vmta_message_rate ||
                     (queue.gate == Gate::sessions_busy && queue.in_line());
  return waits ? SourceTraffic::first_line(queue, connects) : nullptr;
}

/// Of its own: the rate of connections, and the least time between two.
Instant connects_open(const Queue& queue) {
  return queue.connects.limited() ? queue.connects.opens_at() : Instant{};
}
Instant gap_opens(const Queue& queue) {
  return queue.connect_gap_ms == 0 ? Instant{} : queue.next_open;
}

}  // namespace

// The gate as it is told: of rates that queues share, the one that holds the mail up.
Gate Scheduler::shown_gate(const Queue& queue) const {
  if (held_ && queue.state == QueueState::ready) {
    return Gate::journal;
  }
  const SourceLine* const line = waits_in(queue);
  const RateScope* const scope = line != nullptr ? line->scope : rate_waited_for(queue);
  if (line != nullptr && !line->connects) {
    return message_gate(line->scope->closed_by);
  }
  if (queue.gate == Gate::connect_rate) {
    const bool gap = queue.connect_gap_ms > 0 && gap_opens(queue) >= connects_open(queue);
    return gap ? Gate::connect_gap : Gate::connect_rate;
  }
  if (scope == nullptr || scope->closed_by == RateOf::vmta) {
    return queue.gate;
  }
  if (queue.gate == Gate::vmta_connect_rate) {
    return scope->closed_by == RateOf::source          ? Gate::source_connect_rate
           : scope->closed_by == RateOf::group_backoff ? Gate::group_backoff_connect_rate
                                                       : Gate::group_connect_rate;
  }
  return message_gate(scope->closed_by);
}

namespace {

/// When the rate of its own opens that the queue waits for; it may look again before that, to make
/// itself ready.
Instant own_rate_opens(const Queue& queue, std::uint32_t octets) {
  const auto of = [](const RateGate& rate) { return rate.limited() ? rate.opens_at() : Instant{}; };
  switch (queue.gate) {
    case Gate::connect_rate: return std::max(connects_open(queue), gap_opens(queue));
    case Gate::message_rate: return of(queue.messages);
    case Gate::warmup: return queue.warmup == nullptr ? Instant{} : queue.warmup->opens_at();
    case Gate::data_rate:
      return queue.octets() == nullptr ? Instant{} : queue.octets()->opens_for(octets);
    case Gate::source_message_rate:
    case Gate::source_data_rate: {
      SourceGate* const gate =
          queue.sources() == nullptr ? nullptr : queue.sources()->find(queue.rare->waits_for);
      return gate == nullptr ? Instant{} : gate->opens_for(octets);
    }
    default: return {};
  }
}

}  // namespace

namespace {

/// As the owner said last; 0: it has not said yet.
WallTime opening_of(const RateScope& scope, Now now) {
  return scope.opens > now.instant ? now.wall + (scope.opens - now.instant) : WallTime{};
}

/// Key of the shared rate that is waited for.
std::uint64_t rate_of(const SourceLine* line, const RateScope* otherwise) {
  const RateScope* const scope = line != nullptr ? line->scope : otherwise;
  return scope != nullptr ? scope->closed_key : 0;
}

}  // namespace

WallTime Scheduler::gate_opens(const Queue& queue, Now now) {
  const SourceLine* const line = waits_in(queue);
  const RateScope* const scope = line == nullptr ? rate_waited_for(queue) : line->scope;
  if (scope != nullptr && scope->opens > now.instant) {
    return opening_of(*scope, now);
  }
  const bool timed = queue.state == QueueState::waiting || queue.state == QueueState::deferred;
  if (!timed || queue.until == Instant::never()) {
    return {};
  }
  const Instant rate = own_rate_opens(queue, next_octets(queue));
  return now.wall + (std::max(queue.until, rate) - now.instant);
}

namespace {

template <class Row>
void tell_host(Row& row, const Queue& queue) {
  if (is_of_host(queue.gate) && queue.hosts != nullptr) {
    row.gate_host = queue.hosts->blocked_host;
    row.gate_address = queue.hosts->blocked_address;
  } else if (is_of_source(queue.gate) && queue.rare != nullptr) {
    row.gate_address = queue.rare->waits_for;
  } else if (const SourceLine* line = is_of_source(row.gate) ? waits_in(queue) : nullptr) {
    row.gate_address = line->ip;
  }
}

}  // namespace

void Scheduler::rows(const QueuePattern& pattern, std::size_t max, std::vector<QueueRow>& out,
                     Now now) {
  const auto add = [&](const Queue& queue) {
    if (out.size() >= max) {
      return;
    }
    QueueRow row;
    row.name = queue.name;
    row.vmta = queue.vmta->name;
    row.group = queue.policy->group;
    row.state = queue.state;
    row.gate = shown_gate(queue);
    row.gate_opens = gate_opens(queue, now);
    tell_host(row, queue);
    row.ready =
        queue.ready.recipients() + queue.ready.parked() + queue.over_age.recipients + queue.aside;
    row.deferred = queue.deferred.recipients - queue.aside;
    row.in_flight = queue.in_flight + queue.ending;
    row.sessions = queue.sessions();
    row.connections_max = queue.policy->connections_max;
    row.paused = queue.paused;
    row.backoff = queue.backoff;
    row.priorities = ShareBook::priorities(queue);
    if (queue.deferred_until > now.instant) {
      row.next_retry = now.wall + (queue.deferred_until - now.instant);
    } else if (!queue.deferred.empty() && queue.aside == 0) {
      row.next_retry = now.wall + (Instant{entries_[queue.deferred.head].due_ns} - now.instant);
    }
    if (queue.last_failure) {
      row.last_error = queue.last_failure->text;
      row.last_error_at = queue.last_failure->at;
    }
    out.push_back(std::move(row));
  };
  for_matching(table_, pattern, add);
}

// The gate of its share, where that is what holds the entry up.
void Scheduler::tell_share(Queue& queue, const Entry& entry, WhyRow& row) {
  const Share* const share = shares_.find(entry.share);
  const auto at = [&](Gate gate) {
    row.gate = gate;
    row.gate_opens = {};
  };
  if (share != nullptr && share->doomed) {
    at(Gate::ending);
  } else if (queue.leaving || (share != nullptr && share->leaving)) {
    at(Gate::moving);
  } else if (share != nullptr && share->paused) {
    at(Gate::job_paused);
  } else if (entry.state == EntryState::ready && shares_.shares_ready(queue) > 1 &&
             (row.gate == Gate::none || row.gate == Gate::sessions_busy)) {
    at(Gate::job_turn);
  }
}

bool Scheduler::why(SpoolHandle message, std::uint32_t& cursor, std::uint32_t budget,
                    std::vector<WhyRow>& out, Now now) {
  const auto row_of = [&](const Queue& queue, WallTime received) {
    WhyRow row;
    row.queue = queue.id();
    row.name = queue.name;
    row.vmta = queue.vmta->name;
    row.state = queue.state;
    row.gate = shown_gate(queue);
    row.gate_opens = gate_opens(queue, now);
    row.rate = rate_of(waits_in(queue), rate_waited_for(queue));
    tell_host(row, queue);
    row.expires = expires(queue, received);
    row.backoff = queue.backoff;
    row.last_error = queue.last_failure ? queue.last_failure->text : std::string();
    return row;
  };
  for (std::uint32_t i = 0; cursor == 0 && i < jobs_.size(); ++i) {
    const PooledJob& job = jobs_[i];
    const Queue* queue = job.stage == PooledJob::Stage::free || job.message != message
                             ? nullptr
                             : table_.find(job.queue);
    if (queue != nullptr && !job.recipients.empty()) {
      WhyRow row = row_of(*queue, job.message_received);
      row.first = job.recipients.front().index;
      row.count = static_cast<std::uint32_t>(job.recipients.size());
      row.attempts = job.recipients.front().attempts;
      row.gate = job.ending ? Gate::ending : Gate::in_flight;
      row.job = shares_.job_of(job.share);
      row.priority = shares_.priority_of(*queue, job.share);
      row.gate_opens = {};
      out.push_back(std::move(row));
    }
  }
  for (; budget > 0 && cursor < entries_.made(); --budget, ++cursor) {
    const Entry& entry = entries_[cursor];
    if (entry.state == EntryState::free || entry.message() != message) {
      continue;
    }
    Queue& queue = table_.at(entry.queue);
    WhyRow row = row_of(queue, entry.received());
    row.job = shares_.job_of(entry.share);
    row.priority = shares_.priority_of(queue, entry.share);
    row.first = entry.first;
    row.count = entry.count;
    row.attempts = entry.attempts;
    IpAddress source;
    if (entry.state == EntryState::ending) {
      row.gate = Gate::ending;
      row.gate_opens = {};
    } else if (const RateScope* scope = SenderTraffic::waits_for(*this, cursor, source);
               scope != nullptr && row.gate != Gate::paused) {
      // Until the owner has said which one it is, the sender's.
      const bool of_sender = scope->opens <= now.instant || scope->closed_by == RateOf::sender;
      row.gate = of_sender ? Gate::sender_message_rate : message_gate(scope->closed_by);
      row.gate_address = is_of_source(row.gate) ? source : row.gate_address;
      row.rate = scope->closed_key;
      row.sender_rule = of_sender ? senders_.key_of(senders_.facts(cursor).sender) : 0;
      row.gate_opens = opening_of(*scope, now);
    } else if (entry.state == EntryState::deferred && row.gate != Gate::paused) {
      row.gate = Gate::next_attempt;
      row.gate_opens = now.wall + (Instant{entry.due_ns} - now.instant);
    }
    if (entry.state != EntryState::ending) {
      tell_share(queue, entry, row);
    }
    out.push_back(std::move(row));
  }
  return cursor >= entries_.made();
}

Totals Scheduler::totals() {
  Totals sums;
  for_matching(table_, QueuePattern{}, [&](const Queue& queue) {
    ++sums.queues;
    sums.ready +=
        std::uint64_t{queue.ready.recipients()} + queue.ready.parked() + queue.over_age.recipients;
    sums.deferred += queue.deferred.recipients;
    const bool stands = queue.state == QueueState::deferred || queue.state == QueueState::paused;
    sums.put_off += queue.deferred.recipients + (stands ? queue.ready.recipients() : 0U);
    sums.in_flight += queue.in_flight;
    sums.ending += queue.ending;
    sums.sessions += queue.sessions();
    sums.queues_backoff += queue.backoff ? 1 : 0;
    sums.queues_paused += queue.paused ? 1 : 0;
    sums.queues_deferred += queue.state == QueueState::deferred ? 1 : 0;
    sums.queues_waiting += queue.state == QueueState::waiting ? 1 : 0;
  });
  sums.entries = entries_.used();
  sums.jobs = jobs_.used();
  sums.ends = sums.ending > 0 || !ending_queues_.empty() || sweep_.cursor != kNil;
  return sums;
}

}  // namespace ringpost::schedule
