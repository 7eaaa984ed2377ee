#include "spool/log.h"

#include <algorithm>
#include <cerrno>

#include "spool/folder.h"

namespace ringpost::spool {

SegmentPool::Config Log::pool_config(const SpoolOptions& options, SegmentKind kind,
                                     std::uint16_t number, const Uuid& spool) {
  SegmentPool::Config config;
  config.kind = kind;
  config.log = number;
  config.spool = spool;
  config.block_bytes = options.block_bytes;
  config.retry = options.retry_interval;
  if (kind == SegmentKind::acceptance) {
    config.segment_bytes = options.segment_bytes;
    config.keep = options.spare_segments;
    config.keep_max = options.spare_segments_max;
  } else {
    config.segment_bytes = options.journal_segment_bytes;
    config.keep = options.journal_reserve_segments;
    config.keep_max = 2 * options.journal_reserve_segments;
  }
  return config;
}

namespace {

SegmentPool::Config in_folder(SegmentPool::Config config, std::string folder) {
  config.folder = std::move(folder);
  return config;
}

}  // namespace

Log::Log(const SpoolOptions& options, std::uint16_t number, const Uuid& spool, ChunkPool* chunks,
         const LogPorts& ports)
    : options_(options),
      number_(number),
      spool_(spool),
      accepts_(chunks != nullptr),
      ports_(ports),
      folder_(log_folder(options.folder, number)),
      slots_(options.max_messages),
      journal_(options,
               in_folder(pool_config(options, SegmentKind::journal, number, spool), folder_),
               ports.loop, ports.disk, ports.entropy),
      acceptance_(options,
                  in_folder(pool_config(options, SegmentKind::acceptance, number, spool), folder_),
                  ports.loop, ports.disk, ports.entropy, slots_, journal_, chunks),
      checkpoint_(options, slots_, acceptance_, journal_),
      feed_(options, ports.loop, ports.disk, journal_, number, ports.outcomes),
      reports_(ports.reports == nullptr ? nullptr
                                        : std::make_unique<AccountingFeed>(
                                              options, ports.loop, ports.disk, journal_, number,
                                              *ports.reports, FeedOf::reports_owed)),
      views_(options, ports.loop, ports.disk, slots_, acceptance_, *this),
      compactor_(options, ports.loop, ports.disk, slots_, acceptance_, journal_, moved_) {
  housekeeping_.bind<&Log::on_housekeeping>(this);
}

Log::~Log() { ports_.loop.timers().disarm(housekeeping_); }

// Start.

Result<RecoveryReport> Log::start() {
  RecoverySource source{
      ports_.disk, folder_, number_, spool_, options_.segment_bytes, options_.journal_segment_bytes,
      true};
  RecoveryReport report;
  auto image = read_log(source, slots_, report);
  if (!image) {
    return image.error();
  }
  take_image(*image);
  start_syncs();
  ports_.loop.timers().arm(housekeeping_, ports_.loop.now().instant);
  return report;
}

void Log::take_image(LogImage& image) {
  SegmentPool& pool = acceptance_.pool();
  pool.note(image.acceptance_name, image.acceptance_ordinal);
  journal_.pool().note(image.journal_name, image.journal_ordinal);
  for (auto& segment : image.acceptance) {
    if (segment->state == SegmentState::draining) {
      start_syncs_.push_back(std::make_unique<StartSync>());
      start_syncs_.back()->file = segment->file;
    }
    const std::vector<std::uint32_t> slots = segment->slots;
    const Segment& adopted = acceptance_.adopt(std::move(segment));
    for (const std::uint32_t slot : slots) {
      if (slot != kNone) {
        slots_[slot].segment = adopted.index;
        if (adopted.header.copies) {
          moved_.emplace(adopted.id_of(slots_[slot].local).low, slot);
        }
      }
    }
  }
  for (auto& segment : image.journal) {
    journal_.adopt(std::move(segment));
  }
  for (FreeFile& file : image.free_acceptance) {
    pool.add_free(std::move(file.path), file.prepared);
  }
  for (FreeFile& file : image.free_journal) {
    journal_.pool().add_free(std::move(file.path), file.prepared);
  }
  to_unlink_ = std::move(image.misfits);
  // A sequence that accounting has seen is never given to another outcome, even if the journal
  // was lost.
  journal_.resume(std::max(image.next_sequence, ports_.outcomes.archived(number_) + 1));
  start_end_ = journal_.next_sequence();
  note_owed();
  note_receipts();
}

// The crash came between a commit and the journal's next write: few messages, if any.
void Log::note_receipts() {
  Receipts receipts(journal_);
  std::string room;
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    MessageSlot& slot = slots_[index];
    if (slot.recipients == 0 || slot.receipted >= slot.recipients) {
      continue;
    }
    const Segment& segment = *acceptance_.table()[slot.segment];
    room.resize(slot.bytes);
    const auto got = ports_.disk.read(segment.file, slot.begin, room);
    const bool readable = got && *got == room.size();
    receipts_lost_ += readable && receipts.note(segment, slot, slot.receipted, true)
                          ? 0
                          : slot.recipients - slot.receipted;
    slot.receipted = slot.recipients;
  }
}

void Log::note_queue(const SettledRecord& record) {
  if (stop_ > Stop::finishing) {
    return;  // the clean mark is the journal's last record
  }
  OutcomeFields fields;
  fields.record = record;
  fields.record.type = RecordType::queue;
  journal_.add(JournalKind::dropped, [&](auto& encode) { write_account_note(encode, fields); });
}

void Log::start_syncs() {
  // What a kill left in the page cache is made durable before anyone relies on it.
  syncs_left_ = static_cast<std::uint32_t>(start_syncs_.size());
  for (const auto& sync : start_syncs_) {
    sync->bind<&Log::on_start_synced>(this);
    ports_.disk.sync(*sync);
  }
  running_ = syncs_left_ == 0;
}

void Log::on_start_synced(Completion&) {
  // A failure here leaves what can be read; the checkpoint that follows writes the state anew.
  running_ = --syncs_left_ == 0;
}

void Log::on_housekeeping(Now now) {
  const bool all = drained();
  if (!all) {
    journal_.pool().pump(now);
    // Room for outcomes comes before room for mail.
    if (mail_may_have_room_) {
      acceptance_.pool().pump(now);
    }
  }
  if (!to_unlink_.empty()) {
    if (ports_.disk.unlink(to_unlink_.back())) {
      to_unlink_.pop_back();
    }
  }
  acceptance_.pool().trim(all || !accepts_);
  journal_.pool().trim(all);
  look_for_delays(now);
  if (stop_ != Stop::stopped) {
    ports_.loop.timers().arm(housekeeping_, now.instant + options_.retry_interval);
  }
}

bool Log::end_of_turn(Now now) {
  if (!running_ || stop_ == Stop::stopped) {
    return false;
  }
  if (!begun_) {
    begun_ = true;
    journal_.begin();
    feed_.begin(ports_.outcomes.archived(number_));
    if (reports_ != nullptr) {
      // What is owed of earlier runs has its outcome somewhere in the journal that was kept.
      reports_->begin(owed_at_start_.empty() ? journal_.next_sequence() - 1 : 0);
    }
    checkpoint_.start();
  }
  if (!mail_may_have_room_ && journal_.ready()) {
    mail_may_have_room_ = true;
    acceptance_.pool().pump(now);
    if (accepts_) {
      compactor_.begin(now);
    }
  }
  if (!waiting_opens_.empty() && may_issue()) {
    open_waiting();
  }
  acceptance_.end_of_turn(now);
  admit_some();
  if (checkpoint_.due(!accounting_holds()) && stop_ == Stop::running) {
    checkpoint_.start();
  }
  const bool more_checkpoint = checkpoint_.step();
  journal_.end_of_turn(now);
  bool more_accounting = feed_.pump(now);
  if (reports_ != nullptr) {
    more_accounting = reports_->pump(now) || more_accounting;
    forgive_reports();
  }
  drop_journal();
  if (stop_ != Stop::running) {
    step_stop();
  }
  return more_checkpoint || more_accounting;
}

void Log::step_stop() {
  switch (stop_) {
    case Stop::finishing:
      compactor_.stop();
      acceptance_.stop();
      if (compactor_.idle() && acceptance_.idle() && !checkpoint_.running()) {
        checkpoint_.start();
        stop_ = Stop::checkpointing;
      }
      break;
    case Stop::checkpointing:
      if (!checkpoint_.running()) {
        journal_.add(JournalKind::clean, [](auto&) {});
        journal_.sync_all();
        stop_ = Stop::syncing;
      }
      break;
    case Stop::syncing:
      if (journal_.idle() && feed_.idle() && (reports_ == nullptr || reports_->idle()) &&
          views_.idle() && acceptance_.idle()) {
        stop_ = Stop::stopped;
        ports_.loop.timers().disarm(housekeeping_);
      }
      break;
    case Stop::running:
    case Stop::stopped: break;
  }
}

// Replay needs it no longer, and all that is told of outcomes was told.
void Log::drop_journal() {
  const std::uint64_t begin = checkpoint_.durable_begin();
  if (begin > 0) {
    journal_.drop_through(std::min(begin - 1, told_through()));
  }
}

std::uint64_t Log::told_through() const noexcept {
  const std::uint64_t accounted = feed_.passed();
  return reports_ == nullptr ? accounted : std::min(accounted, reports_->passed());
}

bool Log::half_full() const noexcept {
  return 2 * journal_.used_bytes() > options_.journal_max_bytes;
}

bool Log::accounting_holds() noexcept { return told_through() + 1 < checkpoint_.durable_begin(); }

bool Log::drained() noexcept {
  return !accepts_ && running_ && begun_ && slots_.in_use() == 0 &&
         feed_.next() > journal_.synced() && feed_.passed() >= journal_.synced();
}

// Mail coming in.

Result<MessageWriter*> Log::begin(std::uint64_t declared_bytes) {
  if (journal_.used_bytes() >= options_.journal_max_bytes) {
    return Error::of(ErrorCode::no_space, "the journal has reached journal-max");
  }
  return begin_report(declared_bytes);
}

Result<MessageWriter*> Log::begin_report(std::uint64_t declared_bytes) {
  if (stop_ != Stop::running || !accepts_) {
    return Error::of(ErrorCode::shutting_down);
  }
  SegmentPool& journal = journal_.pool();
  if (journal.trouble() != 0 && journal.spares() * 2 < options_.journal_reserve_segments) {
    return Error::of(code_from_errno(-journal.trouble()), "the journal's reserve is used");
  }
  return acceptance_.begin(declared_bytes);
}

void Log::stop() noexcept {
  stop_ = std::max(stop_, Stop::finishing);
  while (Job* job = waiting_opens_.pop_front()) {
    ports_.loop.complete(job->opened, -ESHUTDOWN);
  }
}

// Figures.

bool Log::may_issue() const noexcept {
  return begun_ && journal_.healthy() && stop_ == Stop::running &&
         journal_.unsynced_outcomes() < options_.unsettled_max;
}

SpoolStats Log::stats() noexcept {
  SpoolStats stats;
  stats.messages = slots_.in_use();
  stats.committed = acceptance_.committed();
  stats.commits = acceptance_.commits();
  stats.failed_commits = acceptance_.failed_commits();
  stats.segments = acceptance_.pool().files();
  stats.segment_bytes = acceptance_.live_bytes();
  stats.journal_bytes = journal_.used_bytes();
  stats.unsynced_outcomes = journal_.unsynced_outcomes();
  stats.accounted = feed_.delivered();
  stats.accounting_lost = feed_.lost() + receipts_lost_;
  stats.reports_lost = reports_lost_;
  stats.accounting_behind =
      journal_.next_sequence() - std::min(feed_.next(), journal_.next_sequence());
  stats.checkpoints = checkpoint_.completed();
  stats.journal_errors = journal_.errors();
  stats.quarantined = views_.quarantined() + compactor_.figures().damaged;
  stats.compacted_segments = compactor_.figures().segments;
  stats.compacted_messages = compactor_.figures().messages;
  stats.compacted_bytes = compactor_.figures().bytes;
  stats.live_bytes = acceptance_.messages_bytes();
  stats.waiting_opens = waiting_opens_.size();
  stats.journal_alarm = half_full();
  stats.journal_held = half_full() && accounting_holds();
  stats.may_issue = may_issue();
  return stats;
}

void SpoolStats::add(const SpoolStats& other) {
  messages += other.messages;
  committed += other.committed;
  commits += other.commits;
  failed_commits += other.failed_commits;
  segments += other.segments;
  segment_bytes += other.segment_bytes;
  journal_bytes += other.journal_bytes;
  unsynced_outcomes += other.unsynced_outcomes;
  accounted += other.accounted;
  accounting_lost += other.accounting_lost;
  accounting_behind += other.accounting_behind;
  reports_lost += other.reports_lost;
  checkpoints += other.checkpoints;
  journal_errors += other.journal_errors;
  quarantined += other.quarantined;
  compacted_segments += other.compacted_segments;
  compacted_messages += other.compacted_messages;
  compacted_bytes += other.compacted_bytes;
  live_bytes += other.live_bytes;
  waiting_opens += other.waiting_opens;
  journal_alarm = journal_alarm || other.journal_alarm;
  journal_held = journal_held || other.journal_held;
  may_issue = may_issue && other.may_issue;
}

std::uint64_t Log::number_of(const MessageSlot& slot) {
  return message_number(acceptance_.table()[slot.segment]->ordinal(), slot.local);
}

MessageBrief Log::brief(std::uint32_t index) {
  const MessageSlot& slot = slots_[index];
  MessageBrief brief;
  brief.handle = {number_, index, slot.generation};
  brief.id = acceptance_.table()[slot.segment]->id_of(slot.local);
  brief.recipients = slot.recipients;
  brief.open = slot.open;
  for (std::uint32_t i = 0; i < slot.recipients; ++i) {
    brief.issued += slot.state(i).has(RecipientState::kIssued) ? 1 : 0;
  }
  brief.bytes = slot.bytes;
  brief.quarantined = (slot.flags & MessageSlot::kQuarantined) != 0;
  return brief;
}

bool Log::next_message(std::uint32_t& slot, std::uint32_t& budget, SpoolHandle& handle) {
  for (; slot < slots_.size() && budget > 0; --budget) {
    const std::uint32_t index = slot++;
    if (slots_[index].recipients > 0) {
      handle = {number_, index, slots_[index].generation};
      return true;
    }
  }
  return false;
}

bool Log::recipient(const SpoolHandle& message, std::uint32_t index, RecipientBrief& brief) {
  const MessageSlot* slot = slots_.find(message.slot, message.generation);
  if (slot == nullptr || index >= slot->recipients) {
    return false;
  }
  const RecipientState& state = slot->state(index);
  brief.settled = state.has(RecipientState::kSettled);
  brief.issued = state.has(RecipientState::kIssued);
  brief.attempts = state.attempts;
  brief.delays = state.delays();
  brief.next_attempt = WallTime{std::int64_t{state.next_s} * 1'000'000};
  return true;
}

bool Log::find(const MessageId& id, SpoolHandle& handle) {
  std::uint32_t index = kNone;
  if (const auto moved = moved_.find(id.low); moved != moved_.end()) {
    index = moved->second;
  } else if (const Segment* segment = acceptance_.find(ordinal_of(id.low));
             segment != nullptr && !segment->header.copies &&
             local_of(id.low) < segment->slots.size()) {
    index = segment->slots[local_of(id.low)];
  }
  if (index == kNone || index == kPending || brief(index).id != id) {
    return false;
  }
  handle = {number_, index, slots_[index].generation};
  return true;
}

}  // namespace ringpost::spool
