// A session's jobs: taken, opened, begun, and handed back when nothing uses them any more.

#include "net/deliver/session.h"

#include <algorithm>
#include <bit>
#include <cerrno>

namespace ringpost::deliver {

namespace {

/// A transaction waits so long for the permit of its first RCPT, and where the host takes one
/// command at a time as long again as it took to answer MAIL: longer than the scheduler means by
/// soon, less than the five minutes for which hosts wait (RFC 5321 section 4.5.3.2.7).
constexpr Duration kFirstRcptPatience = Duration::seconds(6);
constexpr Duration kFirstRcptPatienceMax = Duration::seconds(231);

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::uint16_t offered_by(const smtp::Capabilities& host) {
  const auto bit = [](bool has, std::uint16_t value) { return has ? value : std::uint16_t{0}; };
  return static_cast<std::uint16_t>(
      bit(host.pipelining, offered::kPipelining) | bit(host.size, offered::kSize) |
      bit(host.eight_bit_mime, offered::kEightBitMime) | bit(host.smtputf8, offered::kSmtpUtf8) |
      bit(host.dsn, offered::kDsn) | bit(host.chunking, offered::kChunking) |
      bit(host.enhanced_status_codes, offered::kEnhancedStatusCodes) |
      bit(host.starttls, offered::kStartTls) | bit(host.auth, offered::kAuth));
}

// SMTPUTF8 was used at injection; the next host must have it too if something in here needs it
// (RFC 6531 section 3.2). Header fields are not looked into: 8-bit content counts.
bool needs_smtputf8(const Job& job) {
  const Envelope& envelope = job.view.envelope;
  if (!envelope.smtputf8) {
    return false;
  }
  if (job.view.content.eight_bit || !is_ascii(envelope.reverse_path)) {
    return true;
  }
  return std::any_of(job.recipients.begin(), job.recipients.end(), [&](const JobRecipient& one) {
    return !is_ascii(envelope.recipients[one.index].address);
  });
}

}  // namespace

// Of those that wait the one that was taken first: none stays while others are taken and go by.
DeliverySession::Work* DeliverySession::work_at(Work::Stage stage) noexcept {
  Work* first = nullptr;
  for (std::uint32_t left = all_at(stage); left != 0; left &= left - 1) {
    Work& work = works_[static_cast<unsigned>(std::countr_zero(left))];
    first = first == nullptr || work.number < first->number ? &work : first;
  }
  return first;
}

void DeliverySession::enter(Work& work, Work::Stage stage) noexcept {
  const std::uint32_t bit = 1U << (&work - works_.data());
  at_[static_cast<std::size_t>(work.stage)] &= ~bit;
  at_[static_cast<std::size_t>(stage)] |= bit;
  work.stage = stage;
}

DeliverySession::Work& DeliverySession::work_of(std::uint32_t number) noexcept {
  for (std::uint32_t left = all_at(Work::Stage::begun); left != 0; left &= left - 1) {
    Work& work = works_[static_cast<unsigned>(std::countr_zero(left))];
    if (work.number == number) {
      return work;
    }
  }
  RP_ASSERT_NOTE(false, "the engine names a transaction that was not begun");
  return works_[0];
}

bool DeliverySession::has_work() const noexcept {
  return static_cast<std::size_t>(std::popcount(all_at(Work::Stage::free))) != kWorks;
}

bool DeliverySession::may_take() const {
  if (stage_ != Stage::talking || draining_ || leaving_ || !was_ready_ || engine_.ended() ||
      receive_.ended) {
    return false;
  }
  const std::uint32_t limit = policy_->messages_per_connection_max;
  if (worn_out() || (limit != 0 && taken_ >= limit)) {
    return false;
  }
  const auto ahead = static_cast<std::size_t>(
      std::popcount(all_at(Work::Stage::opening) | all_at(Work::Stage::waiting)));
  const bool room = all_at(Work::Stage::free) != 0;
  if (policy_->paced) {
    // Its rate permit is taken with it: what is not sent at once would be sent in a burst later.
    const bool at_once = engine_.state() == smtp::ClientState::idle ||
                         (engine_.window_open() && transmitter_.drained());
    return room && ahead == 0 && at_once;
  }
  return room && ahead < ahead_;
}

// So many recipients were refused that it has to be closed.
bool DeliverySession::worn_out() const {
  return policy_->errors_per_connection_max != 0 && errors_ >= policy_->errors_per_connection_max;
}

// The engine would take a transaction now.
bool DeliverySession::may_begin() const {
  return stage_ == Stage::talking && !worn_out() && engine_.wants_transaction() &&
         (engine_.transactions() == 0 || engine_.groups_next());
}

// Takes the next job while the last is still on its way, so that its envelope can travel behind
// that one's content. Usually one ahead is enough; where the receiver answers faster than the spool
// opens (see begin_waiting), more are.
void DeliverySession::prefetch() {
  check_surplus();
  while (may_take()) {
    const bool slow = policy_->paced && !engine_.pipelining();
    Job* job = slow ? context_.work->take_slow(queue_, source(), context_.loop.now())
                    : context_.work->take_from(queue_, source(), context_.loop.now());
    if (job == nullptr) {
      return;
    }
    ++taken_;
    Work& work = *work_at(Work::Stage::free);
    enter(work, Work::Stage::opening);
    work.number = taken_;
    work.job = job;
    job->policy = policy_.get();
    job->holder = this;
    job->opened.bind<&Work::on_opened>(&work);
    context_.bodies.open(*job);
  }
}

void DeliverySession::Work::on_opened(Completion& completion) {
  RP_ASSERT(stage == Stage::opening);
  DeliverySession& owner = *session;
  if (completion.result < 0) {
    Outcome outcome;
    outcome.kind = OutcomeKind::deferred;
    outcome.phase = Phase::content;
    outcome.status = {4, 3, 0};
    outcome.text = job->keep_text(completion.result == -ENOKEY
                                      ? "local failure: the message cannot be signed"
                                      : "local failure: the message cannot be read from the spool");
    settle_pending(*job, outcome);
    owner.finish(*this);
  } else {
    owner.enter(*this, Stage::waiting);
    if (owner.stage_ == DeliverySession::Stage::talking && !owner.engine_.ended()) {
      owner.prepare(*this);
    } else if (owner.stage_ != DeliverySession::Stage::closing) {
      owner.return_waiting();
    }
  }
  if (owner.closed_) {
    owner.on_closed(owner.close_);
    return;
  }
  owner.progress();
  owner.maybe_end();
}

void DeliverySession::prepare(Work& work) {
  Job& job = *work.job;
  const MessageView& view = job.view;
  for (const JobRecipient& recipient : job.recipients) {
    RP_ASSERT(recipient.index < view.envelope.recipients.size());
  }
  work.transaction.envelope = &view.envelope;
  work.transaction.recipients = job.recipients;
  work.transaction.size = view.content.size + view.prefix.size() + job.signature.size();
  work.transaction.body_bytes = job.sent_bytes();
  work.transaction.eight_bit = view.content.eight_bit;
  work.transaction.chunkable = !view.content.dot_lines;
  work.transaction.needs_smtputf8 = needs_smtputf8(job);
  work.transaction.metered = policy_->paced || job.metered;
  job.facts.host.assign(route_->hosts[candidate_->host].name);
  job.facts.remote = candidate_->remote;
  job.facts.local = connect_.bound.ip.valid() ? connect_.bound.ip : connect_.local;
  job.facts.offered = offered_by(engine_.capabilities());
  job.facts.zero_copy = false;
  job.facts.tls = engine_.secured() ? secure_.facts : TlsFacts{};
}

void DeliverySession::begin_waiting() {
  while (may_begin()) {
    Work* work = work_at(Work::Stage::waiting);
    if (work == nullptr) {
      if (answered_ > 0 && all_at(Work::Stage::opening) != 0) {
        ahead_ = std::min(ahead_ + 1, kAheadMax);  // the receiver waits for us
      }
      return;
    }
    enter(*work, Work::Stage::begun);
    work->job->facts.started = context_.loop.now().wall;
    ++context_.stats.transactions;
    envelope_sent_ = context_.loop.now().instant;
    work->number = engine_.begin(work->transaction, context_.actions);
    perform();
    ask_permits();
    prefetch();
  }
}

// A transaction could go on with further RCPTs.
void DeliverySession::on_ask(Work& work) {
  const Now now = context_.loop.now();
  asking_ = &work;
  asked_after_ = engine_.recipients_sent(work.number);
  const Duration took = now.instant - envelope_sent_;
  const bool first = asked_after_ == 0;
  const bool slow = first && !engine_.pipelining();
  // Waiting for replies has a time-out of its own, which is not to strike here.
  const Duration longest =
      std::min(kFirstRcptPatienceMax, policy_->timeouts.command - Duration::seconds(1));
  const Duration most = slow ? std::max(longest, kFirstRcptPatience) : kFirstRcptPatience;
  const Duration least = first ? kFirstRcptPatience : Duration{};
  permits_late_ = now.instant + std::clamp(took, least, most);
}

// RCPTs of mail whose rate is limited leave under permits that are good now. The first one of a
// transaction waits a while for its own; a further one no longer than the host takes to answer,
// then the transaction goes on with those that were sent.
void DeliverySession::ask_permits() {
  while (asking_ != nullptr && stage_ == Stage::talking && !engine_.ended()) {
    Work& work = *asking_;
    const Now now = context_.loop.now();
    const auto all = static_cast<std::uint32_t>(work.job->recipients.size());
    const std::uint32_t want = engine_.pipelining() ? all - asked_after_ : 1;
    const Permits permits = context_.work->permits(*work.job, asked_after_, want, now);
    const bool waits = now.instant < permits_late_ && !(draining_ && asked_after_ == 0);
    if (permits.count == 0 && permits.soon && waits) {
      return;
    }
    asking_ = nullptr;
    if (permits.count > 0) {
      envelope_sent_ = now.instant;
      engine_.allow(work.number, permits.count, context_.actions);
    } else {
      context_.work->permits(*work.job, asked_after_, 0, now);
      taken_ -= asked_after_ == 0 ? 1 : 0;
      return_unsent(work);
      engine_.cut(work.number, context_.actions);
    }
    perform();
  }
}

void DeliverySession::return_unsent(Work& work) {
  Outcome outcome;
  outcome.kind = OutcomeKind::returned;
  for (std::size_t k = asked_after_; k < work.job->recipients.size(); ++k) {
    work.job->recipients[k].outcome = outcome;
  }
}

void DeliverySession::finish_over() {
  for (std::uint32_t left = all_at(Work::Stage::over); left != 0; left &= left - 1) {
    Work& work = works_[static_cast<unsigned>(std::countr_zero(left))];
    if (!transmitter_.uses(*work.job)) {
      finish(work);
    }
  }
}

void DeliverySession::finish(Work& work) {
  Job* job = work.job;
  work.job = nullptr;
  enter(work, Work::Stage::free);
  context_.work->finished(*job, context_.loop.now());
}

// Gives back what was not begun, and what a close has ended. The queue puts in front what comes
// back unsent: what was taken last goes first, so that all stand there as they did before.
void DeliverySession::return_waiting() {
  const auto last = [this]() -> Work* {
    Work* found = nullptr;
    const std::uint32_t all = all_at(Work::Stage::waiting) | all_at(Work::Stage::over);
    for (std::uint32_t left = all; left != 0; left &= left - 1) {
      Work& work = works_[static_cast<unsigned>(std::countr_zero(left))];
      const bool used = work.stage == Work::Stage::over && transmitter_.uses(*work.job);
      found = !used && (found == nullptr || found->number < work.number) ? &work : found;
    }
    return found;
  };
  while (Work* work = last()) {
    if (work->stage == Work::Stage::waiting) {
      Outcome outcome;
      outcome.kind = OutcomeKind::returned;
      settle_pending(*work->job, outcome);
      interrupted_ = interrupted_ || !(draining_ || leaving_);
    }
    finish(*work);
  }
}

}  // namespace ringpost::deliver
