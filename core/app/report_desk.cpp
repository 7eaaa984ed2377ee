#include "core/app/report_desk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/account/row.h"
#include "core/app/log.h"
#include "core/base/idn.h"
#include "core/base/text.h"
#include "core/mail/report.h"
#include "core/mail/return_path.h"

namespace ringpost::app {
namespace {

constexpr Duration kRetry = Duration::seconds(1);
/// What is shown of a message in one piece stays below what the spool takes so.
constexpr std::size_t kShownHeaderMax = 16 << 10;
constexpr std::size_t kShownMessageMax = 96 << 10;
/// What a notification is beside the message, at most.
constexpr std::size_t kFrameMax = 160 << 10;
/// Notifications leave by the default virtual MTA: they are no part of a campaign.
constexpr std::string_view kVmta = "{default}";

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view{} : address.substr(at + 1);
}

account::NoticeAction action_of(OutcomeKind kind) {
  return kind == OutcomeKind::delivered ? account::NoticeAction::relayed
                                        : account::NoticeAction::failed;
}

char letter_of(account::NoticeAction action) {
  switch (action) {
    case account::NoticeAction::failed: return 'f';
    case account::NoticeAction::delayed: return 'd';
    case account::NoticeAction::relayed: return 's';
  }
  return 'x';
}

}  // namespace

ReportDesk::ReportDesk(Loop& loop, PolicyBook& policies, unsigned shards)
    : loop_(loop),
      policies_(policies),
      limit_(shards),
      flows_{Flow(loop), Flow(loop), Flow(loop), Flow(loop)} {
  due_.bind<&ReportDesk::on_due>(this);
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    tasks_[i].read.task = i;
    tasks_[i].read.bind<&ReportDesk::on_read>(this);
    tasks_[i].commit.task = i;
    tasks_[i].commit.bind<&ReportDesk::on_committed>(this);
  }
  for (Flow& each : flows_) {
    each.bind<&ReportDesk::on_flowed>(this);
  }
}

ReportDesk::~ReportDesk() { loop_.timers().disarm(due_); }

ReportDesk::Task* ReportDesk::take_task() {
  const auto free = std::find_if(tasks_.begin(), tasks_.end(),
                                 [](const Task& task) { return task.state == State::unused; });
  if (free == tasks_.end()) {
    return nullptr;
  }
  free->failures = 0;
  free->permitted = false;
  free->not_before = Instant{};
  free->question = {};
  free->known.clear();
  return &*free;
}

ReportDesk::Task* ReportDesk::take_task(const SettledRecord& record) {
  Task* free = take_task();
  if (free == nullptr) {
    return nullptr;
  }
  free->state = State::gathering;
  ++tasks_used_;
  free->log = record.log;
  free->id = record.id;
  free->action = action_of(record.kind);
  free->period = 0;
  free->sender = record.reverse_path;
  free->envelope_id = record.envelope_id;
  free->helo = record.helo;
  free->origin = record.origin;
  free->arrived = record.received;
  return free;
}

bool ReportDesk::look_at(const SpoolHandle& message) {
  // Endings come first: half of the tasks are kept for them.
  const auto used = std::count_if(tasks_.begin(), tasks_.end(),
                                  [](const Task& task) { return task.state != State::unused; });
  Task* task = draining_ || 2 * static_cast<std::size_t>(used) >= kTasks ? nullptr : take_task();
  if (task == nullptr) {
    return false;
  }
  task->state = State::waiting;
  ++tasks_used_;
  task->message = message;
  task->action = account::NoticeAction::delayed;
  return true;
}

// Whether the delay of one recipient is to be reported now. `look`: when to look again.
bool ReportDesk::add_delay(Task& task, const MessageView& view, std::uint32_t index,
                           WallTime& look) {
  const Envelope& envelope = view.envelope;
  const Recipient& to = envelope.recipients[index];
  spool::RecipientBrief brief;
  look = {};
  if (!delay_wanted(to.notify, envelope) || !spool_->recipient(task.message, index, brief) ||
      brief.settled) {
    return false;
  }
  Admission admission;
  admission.message = task.message;
  admission.id = view.id;
  admission.domain = to.domain();
  admission.vmta = to.vmta.empty() ? envelope.vmta : to.vmta;
  admission.pool_key = to.pool_key;
  const PolicyBook::DelayRules rules = policies_.delay_rules(admission, loop_.now().instant);
  const std::int64_t every_us = rules.every.ns / 1000;
  if (rules.every == Duration::forever() || every_us <= 0) {
    return false;
  }
  const std::int64_t age_us = loop_.now().wall.us - envelope.received.us;
  const auto period = static_cast<std::uint64_t>(std::max<std::int64_t>(age_us, 0) / every_us);
  look = {envelope.received.us + (static_cast<std::int64_t>(period) + 1) * every_us};
  if (period == 0 || (period & 15) == brief.delays) {
    return false;
  }
  if (!task.parts.empty() && (task.period != period || envelope.has_verp())) {
    look = loop_.now().wall;  // in a report of its own
    return false;
  }
  task.period = period;
  Part& part = task.parts.emplace_back();
  part.index = index;
  part.address = to.address;
  part.original = to.original;
  admission.received = envelope.received;
  tell_attempt(task, part, admission, brief.attempts);
  part.fields.retry_until = WallTime{envelope.received.us + rules.life.ns / 1000};
  return true;
}

// What the host said, where it is still known; else what keeps its queue from reaching one. That is
// known at the queue's home, which is asked first.
void ReportDesk::tell_attempt(Task& task, Part& part, const Admission& mail, unsigned attempts) {
  part.fields.status = {4, 0, 0};
  if (const auto* last = attempts_.find(task.message, part.index)) {
    part.host = last->host;
    part.text = last->text;
    part.fields.status = last->status;
    part.fields.reply_code = last->reply_code;
    part.fields.host_address = last->address;
    part.fields.last_attempt = last->when;
    return;
  }
  const Placement at = policies_.place(mail, loop_.now().instant);
  const auto known = std::find_if(
      task.known.begin(), task.known.end(),
      [&at](const QueueQuestion& one) { return one.name == at.queue && one.vmta == at.vmta; });
  if (known == task.known.end() && questions_ != nullptr && task.known.size() < kQueuesAsked) {
    task.question.name = at.queue;
    task.question.vmta = at.vmta;
  } else if (known != task.known.end() && known->known && known->when >= mail.received) {
    part.text = known->text;
    part.fields.status = known->status;
    part.fields.last_attempt = known->when;
    return;
  }
  part.text = attempts > 0 ? "put off by the receiving host, " + std::to_string(attempts) + " times"
                           : "no host of the destination took it yet, or it waits for its turn";
}

void ReportDesk::gather_delays(Task& task, const MessageView& view) {
  task.parts.clear();
  task.id = view.id;
  task.envelope_id = view.envelope.envelope_id;
  task.helo = view.envelope.helo;
  task.origin = view.envelope.origin;
  task.arrived = view.envelope.received;
  WallTime next;
  for (std::uint32_t i = 0; i < view.envelope.recipients.size(); ++i) {
    WallTime look;
    if (add_delay(task, view, i, look) && task.parts.size() == 1) {
      char path[kReturnPathBytesMax];
      TextBuilder sender(path);
      write_return_path(view.envelope, view.envelope.recipients[i].address, sender);
      task.sender = sender.view();
    }
    if (look.us > 0 && (next.us == 0 || look.us < next.us)) {
      next = look;
    }
  }
  if (!task.question.name.empty()) {
    return;  // all this is done again with the answer
  }
  task.next_look = next.us == 0 ? 0 : static_cast<std::uint32_t>(next.us / 1'000'000 + 1);
  if (!task.parts.empty() && !wanted(task)) {
    task.parts.clear();
    task.next_look = 0;
  }
  if (!task.parts.empty() && !permitted(task)) {
    counts_.suppressed += task.parts.size();
    task.parts.clear();  // the next interval may have room for it
  }
}

bool ReportDesk::account(const SettledRecord& record) {
  SpoolHandle message;
  if (!spool_->find(record.id, message) || !spool_->owes(message, record.recipient_index)) {
    return true;  // reported in an earlier life
  }
  if (draining_) {
    return false;
  }
  const bool joins =
      gathering_ != nullptr && gathering_->id == record.id && gathering_->log == record.log &&
      gathering_->action == action_of(record.kind) && gathering_->parts.size() < kPartsMax &&
      gathering_->sender == record.reverse_path;
  if (!joins) {
    Task* task = take_task(record);
    if (task == nullptr) {
      return false;
    }
    if (gathering_ != nullptr) {
      gathering_->state = State::waiting;
    }
    task->message = message;
    gathering_ = task;
  }
  add_part(*gathering_, record);
  return true;
}

void ReportDesk::add_part(Task& task, const SettledRecord& record) {
  Part& part = task.parts.emplace_back();
  part.index = record.recipient_index;
  part.sequence = record.sequence;
  part.address = record.recipient;
  part.original = record.original_recipient;
  part.text = record.text;
  part.host = record.host;
  part.fields.status = account::effective_status(record);
  part.fields.reply_code = record.reply_code;
  part.fields.host_address = record.remote.ip;
  // What was decided while waiting was no attempt.
  part.fields.last_attempt = record.phase == Phase::queue ? WallTime{} : record.settled;
}

std::uint64_t ReportDesk::archived(std::uint16_t log) const {
  std::uint64_t lowest = ~std::uint64_t{0};
  if (tasks_used_ == 0) {
    return lowest;  // asked for every turn
  }
  for (const Task& task : tasks_) {
    if (task.state != State::unused && task.action != account::NoticeAction::delayed &&
        task.log == log) {
      lowest = std::min(lowest, task.parts.front().sequence - 1);
    }
  }
  return lowest;
}

bool ReportDesk::idle() const {
  return std::none_of(tasks_.begin(), tasks_.end(), [](const Task& task) {
    return task.state == State::reading || task.state == State::writing;
  });
}

ReportCounts ReportDesk::counts() const {
  ReportCounts counts = counts_;
  counts.waiting = static_cast<std::uint64_t>(std::count_if(
      tasks_.begin(), tasks_.end(), [](const Task& task) { return task.state != State::unused; }));
  return counts;
}

bool ReportDesk::end_of_turn(Now now) {
  if (gathering_ != nullptr) {
    gathering_->state = State::waiting;
    gathering_ = nullptr;
  }
  if (draining_ || tasks_used_ == 0) {
    return false;
  }
  std::size_t starts = kStartsPerTurn;
  Instant next = Instant::never();
  for (Task& task : tasks_) {
    if (task.state != State::waiting) {
      continue;
    }
    if (task.not_before > now.instant) {
      next = std::min(next, task.not_before);
    } else if (starts > 0) {
      --starts;
      start(task);
    } else {
      next = now.instant;
    }
  }
  if (next > now.instant && next != Instant::never()) {
    loop_.timers().arm(due_, next);
  }
  return next <= now.instant;
}

bool ReportDesk::wanted(const Task& task) {
  const std::string_view domain = domain_of(task.sender);
  return !domain.empty() && policies_.reports_to(domain);
}

bool ReportDesk::permitted(Task& task) {
  bool said = false;
  const config::Rate& rate = policies_.snapshot().global().max_report_rate;
  task.permitted = task.permitted || limit_.take(task.sender, rate, loop_.now().instant, said);
  if (said) {
    log_warning("enough reports went to <" + task.sender +
                "> or its domain for now (max-report-rate); further ones are suppressed, what they "
                "are about is in the accounting files");
  }
  return task.permitted;
}

void ReportDesk::start(Task& task) {
  if (task.action != account::NoticeAction::delayed) {
    const bool asked = wanted(task);
    if (!asked || !permitted(task)) {
      (asked ? counts_.suppressed : counts_.omitted) += task.parts.size();
      finish(task);
      return;
    }
  }
  task.state = State::reading;
  task.read.message = task.message;
  spool_->inspect(task.read);
}

void ReportDesk::on_read(Completion& completion) {
  auto& read = static_cast<Read&>(static_cast<spool::InspectOp&>(completion));
  Task& task = tasks_[read.task];
  // A message that cannot be read is reported all the same, without being shown.
  const bool readable = read.result == 0;
  if (task.action == account::NoticeAction::delayed) {
    task.parts.clear();
    task.next_look = 0;
    if (readable) {
      gather_delays(task, read.view);
    }
    if (!task.question.name.empty()) {
      spool_->release(read);
      task.state = State::asking;
      task.question.task = read.task;
      task.question.asked = task.question.name;
      questions_->ask(task.question);
      return;
    }
    if (task.parts.empty()) {
      finish(task);
    }
  }
  Written written = Written::all;
  if (task.state != State::unused) {  // there is something to tell
    written = write(task, readable ? &read.view : nullptr);
    task.state = State::writing;
    if (written == Written::no) {
      postpone(task);
    }
  }
  if (readable && written != Written::flowing) {
    spool_->release(read);
  }
}

void ReportDesk::told(QueueQuestion& question) {
  Task& task = tasks_[question.task];
  RP_ASSERT(task.state == State::asking);
  if (!question.shared.empty() && question.asked == question.name) {
    question.asked = std::exchange(question.shared, {});
    questions_->ask(question);
    return;
  }
  task.known.push_back(std::exchange(task.question, {}));
  task.state = State::waiting;
}

// The header section, or where it was asked for and is not too large all of the message.
void ReportDesk::show_message(const Task& task, const MessageView& view, account::Notice& notice) {
  const Envelope& envelope = view.envelope;
  const bool asked =
      envelope.dsn_return == DsnReturn::full || (envelope.dsn_return == DsnReturn::unspecified &&
                                                 (envelope.reports & report_rule::kFull) != 0);
  const std::uint64_t most = std::min<std::uint64_t>(
      policies_.snapshot().global().dsn_return_full_max,
      spool_->message_max() - std::min<std::uint64_t>(spool_->message_max(), kFrameMax));
  notice.whole = asked && task.action == account::NoticeAction::failed && task.failures == 0 &&
                 view.sent_bytes() <= most;
  // The empty line that ends the header section is left to the part's end.
  const std::uint32_t end =
      notice.whole ? view.content.wire_bytes - 3 : std::max(view.content.header_bytes, 2U) - 2;
  original_.clear();
  original_.push_back(view.prefix);
  for (const ByteRange& range : view.kept) {
    if (range.begin < end) {
      original_.push_back(view.body.substr(range.begin, std::min(range.end, end) - range.begin));
    }
  }
  std::size_t bytes = 0;
  for (const std::string_view run : original_) {
    bytes += run.size();
  }
  // Whether a large message has other octets was seen when it came in.
  notice.original_eight_bit = notice.whole
                                  ? view.content.eight_bit || !is_ascii(view.prefix)
                                  : !std::all_of(original_.begin(), original_.end(), is_ascii);
  const bool shown = task.failures < 3 && (notice.whole || bytes <= kShownHeaderMax);
  notice.original =
      shown ? std::span<const std::string_view>(original_) : std::span<const std::string_view>{};
}

void ReportDesk::describe(const Task& task, const std::string& token, const std::string& log_id,
                          account::Notice& notice) {
  const config::GlobalSettings& global = policies_.snapshot().global();
  notice.action = task.action;
  notice.host_name = global.host_names.front();
  notice.token = token;
  notice.sender = task.sender;
  notice.envelope_id = task.envelope_id;
  notice.contact = global.postmasters.empty() ? std::string_view{} : global.postmasters.front();
  notice.received_from = task.helo;
  notice.origin = task.origin;
  notice.log_id = log_id;
  notice.arrived = task.arrived;
  notice.now = loop_.now().wall;
  shown_.clear();
  for (const Part& part : task.parts) {
    account::NoticeRecipient& to = shown_.emplace_back(part.fields);
    to.address = part.address;
    to.original = part.original;
    to.text = part.text;
    to.host = part.host;
  }
  notice.recipients = shown_;
}

ReportDesk::Written ReportDesk::write(Task& task, const MessageView* view) {
  const std::string log_id = task.id.text();
  const std::string token = log_id + "." + std::to_string(task.parts.front().index) + "." +
                            letter_of(task.action) +
                            (task.period > 0 ? std::to_string(task.period) : "");
  account::Notice notice;
  describe(task, token, log_id, notice);
  if (view != nullptr) {
    notice.smtputf8 = view->envelope.smtputf8;
    show_message(task, *view, notice);
    if (notice.whole && view->sent_bytes() > kShownMessageMax) {
      return flow(task, notice);
    }
  }
  const ContentInfo content = account::write_notice(notice, text_);
  auto writer = spool_->begin_report(text_.size());
  if (!writer) {
    return Written::no;
  }
  if (!(*writer)->append(text_)) {
    (*writer)->abandon();
    ++task.failures;
    return Written::no;
  }
  commit(task, **writer, content);
  return Written::all;
}

// Few at a time: others have as much to do with the disk.
ReportDesk::Written ReportDesk::flow(Task& task, const account::Notice& notice) {
  const auto free = std::find_if(flows_.begin(), flows_.end(),
                                 [](const Flow& each) { return each.stream.idle(); });
  if (free == flows_.end()) {
    return Written::no;
  }
  account::NoticeFrame frame;
  account::write_frame(notice, frame);
  std::uint64_t bytes = frame.before.size() + frame.after.size();
  for (const std::string_view run : notice.original) {
    bytes += run.size();
  }
  auto writer = spool_->begin_report(bytes);
  if (!writer) {
    return Written::no;
  }
  free->task = static_cast<std::size_t>(&task - tasks_.data());
  free->stream.start(**writer, std::move(frame), notice.original, *free);
  return Written::flowing;
}

void ReportDesk::on_flowed(Completion& completion) {
  auto& flow = static_cast<Flow&>(completion);
  Task& task = tasks_[flow.task];
  if (flow.result == 0) {
    commit(task, flow.stream.writer(), flow.stream.info());
    flow.stream.release();
  } else {
    ++task.failures;  // the next one shows less
    postpone(task);
  }
  spool_->release(task.read);
}

void ReportDesk::commit(Task& task, MessageWriter& writer, const ContentInfo& content) {
  Submission submission;
  submission.content = content;
  Recipient to;
  to.address = task.sender;
  const ByteRange all{0, content.wire_bytes};
  submission.envelope.recipients = {&to, 1};
  submission.envelope.vmta = kVmta;
  submission.envelope.received = loop_.now().wall;
  submission.envelope.smtputf8 = !is_ascii(task.sender);
  if (content.eight_bit) {
    submission.envelope.body = BodyType::eight_bit_mime;
  }
  submission.edits.kept = {&all, 1};
  writer.commit(submission, task.commit);
}

void ReportDesk::on_committed(Completion& completion) {
  auto& commit = static_cast<Commit&>(static_cast<CommitOp&>(completion));
  Task& task = tasks_[commit.task];
  if (commit.result != 0) {
    task.failures += commit.result == -EMSGSIZE || commit.result == -ENOBUFS ? 1 : 0;
    postpone(task);
    return;
  }
  ++counts_.made;
  finish(task);
}

void ReportDesk::postpone(Task& task) {
  ++counts_.refused;
  task.state = State::waiting;
  task.not_before = loop_.now().instant + kRetry;
}

void ReportDesk::finish(Task& task) {
  indexes_.clear();
  for (const Part& part : task.parts) {
    indexes_.push_back(part.index);
  }
  if (task.action != account::NoticeAction::delayed) {
    spool_->reported(task.message, indexes_);
  } else {
    if (!indexes_.empty()) {
      spool_->delay_reported(task.message, indexes_, static_cast<std::uint8_t>(task.period & 15));
    }
    spool_->look_later(task.message, task.next_look);
  }
  task.parts.clear();
  task.state = State::unused;
  --tasks_used_;
}

}  // namespace ringpost::app
