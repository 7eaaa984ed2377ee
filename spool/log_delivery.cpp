// The log towards delivery: lending messages out, journaling what became of them, and offering
// recipients to the scheduler.

#include <algorithm>
#include <cerrno>

#include "core/base/text.h"
#include "core/mail/report.h"
#include "core/mail/return_path.h"
#include "spool/log.h"

namespace ringpost::spool {

// Lending out.

void Log::open(Job& job) {
  if (stop_ != Stop::running) {
    ports_.loop.complete(job.opened, -ESHUTDOWN);
    return;
  }
  if (!may_issue()) {
    waiting_opens_.push_back(job);
    return;
  }
  start_open(job);
}

void Log::open_waiting() {
  while (may_issue()) {
    Job* job = waiting_opens_.pop_front();
    if (job == nullptr) {
      return;
    }
    start_open(*job);
  }
}

void Log::start_open(Job& job) {
  if (slots_.find(job.message.slot, job.message.generation) == nullptr) {
    ports_.loop.complete(job.opened, -ENOENT);
    return;
  }
  View* view = nullptr;
  ViewWaiter waiter;
  waiter.use = ViewWaiter::Use::open;
  waiter.job = &job;
  switch (views_.acquire(job.message.slot, waiter, view)) {
    case Views::Got::ready: finish_open(job, *view); break;
    case Views::Got::damaged: ports_.loop.complete(job.opened, -EIO); break;
    case Views::Got::loading: break;
  }
}

void Log::view_loaded(const ViewWaiter& waiter, View* view) {
  switch (waiter.use) {
    case ViewWaiter::Use::open:
      if (view == nullptr) {
        ports_.loop.complete(waiter.job->opened, -EIO);
      } else {
        finish_open(*waiter.job, *view);
      }
      break;
    case ViewWaiter::Use::settle:
      if (view == nullptr) {
        // Without its addresses no outcome can be accounted: the message stays, quarantined.
        ports_.loop.complete(waiter.job->settled, -EIO);
      } else {
        finish_settle(*waiter.job, *view);
      }
      break;
    case ViewWaiter::Use::inspect:
      if (view != nullptr) {
        fill(*view, waiter.inspect->view);
      }
      ports_.loop.complete(*waiter.inspect, view == nullptr ? -EIO : 0);
      break;
  }
}

void Log::fill(const View& view, MessageView& out) const {
  const OpenedRecord& record = view.record;
  out.id = view.segment->id_of(record.head.local);
  out.envelope = record.envelope;
  out.content = record.head.content;
  out.prefix = record.prefix;
  out.body = record.content;
  out.kept = record.kept;
  out.signing = record.signing;
}

void Log::finish_open(Job& job, View& view) {
  MessageSlot& slot = slots_[view.slot];
  write_runs(JournalKind::issued, number_of(slot), job, false);
  for (JobRecipient& recipient : job.recipients) {
    RecipientState& state = slot.state(recipient.index);
    state.set(RecipientState::kIssued);
    recipient.ambiguous_before =
        recipient.ambiguous_before || state.has(RecipientState::kAmbiguous);
  }
  fill(view, job.view);
  job.set_date(ports_.loop.now().wall);
  // An attempt whose mark a crash could lose would be repeated without a word.
  journal_.notify_durable(job);
}

void Log::write_runs(JournalKind kind, std::uint64_t number, const Job& job, bool returned_only) {
  const auto counts = [&](const JobRecipient& recipient) {
    return !returned_only || recipient.outcome.kind == OutcomeKind::returned ||
           recipient.outcome.kind == OutcomeKind::pending;
  };
  const auto for_each_run = [&](auto visit) {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    for (const JobRecipient& recipient : job.recipients) {
      if (!counts(recipient)) {
        continue;
      }
      if (count > 0 && recipient.index == first + count) {
        ++count;
        continue;
      }
      if (count > 0) {
        visit(first, count);
      }
      first = recipient.index;
      count = 1;
    }
    if (count > 0) {
      visit(first, count);
    }
  };
  std::uint64_t runs = 0;
  for_each_run([&](std::uint64_t, std::uint64_t) { ++runs; });
  if (runs == 0) {
    return;
  }
  journal_.add(kind, [&](auto& encode) {
    encode.number(number);
    encode.varint(runs);
    for_each_run([&](std::uint64_t first, std::uint64_t count) {
      encode.varint(first);
      encode.varint(count);
    });
  });
}

void Log::inspect(InspectOp& op) {
  View* view = nullptr;
  ViewWaiter waiter;
  waiter.use = ViewWaiter::Use::inspect;
  waiter.inspect = &op;
  if (slots_.find(op.message.slot, op.message.generation) == nullptr) {
    ports_.loop.complete(op, -ENOENT);
    return;
  }
  switch (views_.acquire(op.message.slot, waiter, view)) {
    case Views::Got::ready:
      fill(*view, op.view);
      ports_.loop.complete(op, 0);
      break;
    case Views::Got::damaged: ports_.loop.complete(op, -EIO); break;
    case Views::Got::loading: break;
  }
}

void Log::release(InspectOp& op) {
  MessageSlot* slot = slots_.find(op.message.slot, op.message.generation);
  RP_ASSERT(slot != nullptr && slot->view != kNone);
  views_.release(views_.of(*slot));
  op.view = MessageView{};
}

void Log::view_ended(std::uint32_t slot) {
  if (slots_[slot].open == 0) {
    slots_.give(slot);
  }
}

// Settling.

void Log::settle(Job& job) {
  MessageSlot* slot = slots_.find(job.message.slot, job.message.generation);
  if (slot == nullptr) {
    ports_.loop.complete(job.settled, -ENOENT);
    return;
  }
  if (!job.view.envelope.recipients.empty()) {
    finish_settle(job, views_.of(*slot));
    return;
  }
  const bool any = std::any_of(
      job.recipients.begin(), job.recipients.end(),
      [](const JobRecipient& recipient) { return recipient.outcome.kind > OutcomeKind::returned; });
  if (!any) {
    ports_.loop.complete(job.settled, 0);
    return;
  }
  // Decided without an attempt (expired, cancelled, no host): the record's addresses are needed.
  View* view = nullptr;
  ViewWaiter waiter;
  waiter.use = ViewWaiter::Use::settle;
  waiter.job = &job;
  switch (views_.acquire(job.message.slot, waiter, view)) {
    case Views::Got::ready: finish_settle(job, *view); break;
    case Views::Got::damaged: ports_.loop.complete(job.settled, -EIO); break;
    case Views::Got::loading: break;
  }
}

void Log::finish_settle(Job& job, View& view) {
  MessageSlot& slot = slots_[view.slot];
  const std::uint64_t number = number_of(slot);
  write_runs(JournalKind::returned, number, job, true);
  for (const JobRecipient& recipient : job.recipients) {
    record_outcome(job, recipient, slot, view, number);
  }
  job.view = MessageView{};
  views_.release(view);
  journal_.notify_written(job);
}

namespace {

/// What accounting shows of the outcome, the message and the attempt.
void describe(const Job& job, const JobRecipient& recipient, const Envelope& envelope,
              SettledRecord& record) {
  const Outcome& outcome = recipient.outcome;
  const Recipient& to = envelope.recipients[recipient.index];
  record.kind = outcome.kind;
  record.phase = outcome.phase;
  record.reply_code = outcome.reply_code;
  record.status = outcome.status;
  record.text = job.text_of(outcome.text);
  record.received = envelope.received;
  record.reverse_path = envelope.reverse_path;
  record.recipient = to.address;
  record.original_recipient = to.original;
  record.notify = to.notify;
  record.envelope_id = envelope.envelope_id;
  const std::string_view named = to.vmta.empty() ? envelope.vmta : to.vmta;
  record.vmta = job.vmta.empty() ? named : std::string_view(job.vmta);
  if (!equals_ignoring_case(record.vmta, named)) {
    record.submitted = named;
  }
  record.queue = job.queue_name;
  record.job = envelope.job;
  record.user = envelope.user;
  record.helo = envelope.helo;
  record.noted = envelope.noted;
  record.origin = envelope.origin;
  record.offered = job.facts.offered;
  record.way = job.facts.way;
  if (job.facts.tls.version != TlsVersion::none) {
    record.tls_protocol = name_of(job.facts.tls.version);
    record.tls_cipher = job.facts.tls.cipher;
  }
  record.hidden_records = job.hidden_records;
  record.local = job.facts.local;
  record.remote = job.facts.remote;
  record.host = job.facts.host;
}

}  // namespace

void Log::record_outcome(const Job& job, const JobRecipient& recipient, MessageSlot& slot,
                         const View& view, std::uint64_t number) {
  RecipientState& state = slot.state(recipient.index);
  state.unset(RecipientState::kIssued);
  const Outcome& outcome = recipient.outcome;
  if (outcome.kind <= OutcomeKind::returned || state.has(RecipientState::kSettled)) {
    return;
  }
  OutcomeFields fields;
  SettledRecord& record = fields.record;
  fields.message = number;
  fields.next_attempt = outcome.kind == OutcomeKind::deferred ? recipient.next_attempt : WallTime{};
  record.id = view.segment->id_of(view.record.head.local);
  record.ambiguous = outcome.ambiguous || state.has(RecipientState::kAmbiguous);
  record.settled = ports_.loop.now().wall;
  describe(job, recipient, view.record.envelope, record);
  record.report_owed = reports_ != nullptr && report_owed(record.kind, record.notify,
                                                          record.offered, view.record.envelope);
  char path[kReturnPathBytesMax];
  TextBuilder own_path(path);
  if (view.record.envelope.has_verp()) {
    write_return_path(view.record.envelope, record.recipient, own_path);
    record.reverse_path = own_path.view();
  }
  record.size_bytes = view.record.head.content.size;
  record.recipient_index = recipient.index;
  // What was decided while waiting was no attempt.
  const int attempt = outcome.phase == Phase::queue ? 0 : 1;
  record.attempts =
      static_cast<std::uint16_t>(std::max(recipient.attempts, state.attempts) + attempt);
  if (attempt > 0 && record.attempts == 1) {
    const WallTime begun = job.facts.started.us > 0 ? job.facts.started : record.settled;
    state.first_s = static_cast<std::uint32_t>(begun.unix_seconds());
  }
  record.first_attempt = WallTime{std::int64_t{state.first_s} * 1'000'000};
  const std::uint64_t sequence = journal_.add(
      JournalKind::outcome, [&](auto& encode) { write_outcome_fields(encode, fields); });
  state.attempts = record.attempts;
  if (record.ambiguous) {
    state.set(RecipientState::kAmbiguous);
  }
  if (is_final(outcome.kind)) {
    state.set(RecipientState::kSettled);
    if (record.report_owed) {
      state.set(RecipientState::kOwed);
    } else {
      close_recipient(slot, sequence);
    }
  } else {
    state.next_s = seconds_up(fields.next_attempt);
    if (reports_ != nullptr && !record.host.empty() &&
        delay_wanted(record.notify, view.record.envelope)) {
      ports_.reports->put_off({number_, view.slot, slot.generation}, record);
    }
  }
}

void Log::close_recipient(MessageSlot& slot, std::uint64_t sequence) {
  RP_ASSERT(slot.open > 0);
  if (--slot.open == 0) {
    end_message(slot, sequence);
  }
}

void Log::end_message(MessageSlot& slot, std::uint64_t sequence) {
  Segment& segment = *acceptance_.table()[slot.segment];
  segment.slots[slot.local] = kNone;
  if (segment.header.copies) {
    moved_.erase(segment.born[slot.local].low);
  }
  acceptance_.message_ended(segment, slot.bytes, sequence);
}

// Offering to the scheduler.

void Log::admit_some() {
  auto& waiting = acceptance_.to_admit();
  std::uint32_t budget = options_.admissions_per_turn;
  // The newest first: fresh mail does not wait behind a backlog that is being read.
  if (waiting.size() > 1) {
    std::uint32_t half = budget / 2;
    budget -= half;
    if (admit_from(*waiting.back(), half)) {
      acceptance_.admitted(*waiting.back());
      waiting.pop_back();
    }
  }
  std::size_t done = 0;
  while (done < waiting.size() && admit_from(*waiting[done], budget)) {
    acceptance_.admitted(*waiting[done]);
    ++done;
  }
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(done));
}

bool Log::admit_from(Segment& segment, std::uint32_t& budget) {
  while (segment.admitted < segment.summary.size()) {
    if (budget == 0) {
      return false;
    }
    std::size_t position = segment.admitted;
    const auto entry = next_summary_entry(segment.summary, position);
    if (!entry) {
      segment.admitted = segment.summary.size();
      break;
    }
    const std::uint32_t index =
        entry->local < segment.slots.size() ? segment.slots[entry->local] : kNone;
    if (index != kNone && index != kPending && !admit_entry(segment, *entry, index, budget)) {
      return false;
    }
    segment.admitted = position;
    segment.admitted_recipients = 0;
  }
  return true;
}

bool Log::admit_entry(Segment& segment, const SummaryEntry& entry, std::uint32_t index,
                      std::uint32_t& budget) {
  const MessageSlot& slot = slots_[index];
  IndexReader groups(entry.index);
  Admission admission;
  admission.message = {number_, index, slot.generation};
  admission.id = segment.id_of(entry.local);
  admission.job = groups.job();
  admission.size_bytes = entry.size_bytes;
  admission.received = {entry.received_us};
  admission.alone = groups.alone();
  admission.tenant = groups.tenant();
  admission.sender_rule = groups.sender_rule();
  std::uint32_t group_end = 0;
  IndexGroup group;
  while (groups.next(group)) {
    admission.domain = group.domain;
    admission.vmta = group.vmta;
    admission.pool_key = group.pool_key;
    admission.priority = group.priority;
    std::uint32_t at = group_end;
    group_end = std::min(slot.recipients, group_end + group.count);
    at = std::max(at, segment.admitted_recipients);
    while (at < group_end) {
      const RecipientState state = slot.state(at);
      std::uint32_t end = at + 1;
      while (end < group_end && slot.state(end) == state) {
        ++end;
      }
      if (!state.has(RecipientState::kSettled)) {
        admission.first = at;
        admission.count = end - at;
        admission.attempts = state.attempts;
        admission.ambiguous_before = state.has(RecipientState::kAmbiguous);
        admission.next_attempt = {std::int64_t{state.next_s} * 1'000'000};
        if (budget == 0 || !ports_.admissions.admit(admission)) {
          segment.admitted_recipients = at;
          return false;
        }
        --budget;
      }
      at = end;
    }
    segment.admitted_recipients = std::max(segment.admitted_recipients, group_end);
  }
  return true;
}

}  // namespace ringpost::spool
