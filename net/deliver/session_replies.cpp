// What the rules of a queue make of its hosts' replies, beyond what their codes say.

#include "net/deliver/session.h"

namespace ringpost::deliver {

namespace {

constexpr EnhancedStatus kNoSuchMailbox{5, 1, 1};

Outcome outcome_of(const smtp::Reply& reply, Phase phase) {
  Outcome outcome;
  outcome.kind = kind_of_reply(reply);
  outcome.phase = phase;
  outcome.reply_code = reply.code;
  outcome.status = reply.status;
  return outcome;
}

}  // namespace

// Told to the queue at once; what concerns this host and these recipients is for the caller.
ReplyVerdict DeliverySession::heed(const smtp::Reply& reply, Phase phase) {
  ReplyVerdict verdict;
  if (reply.local || reply.code == 0) {
    return verdict;
  }
  const ReplyRules* rules = policy_->reply_rules.get();
  const bool looked_at = reply.negative() || (policy_->backoff && rules && rules->ends_backoff());
  if (rules != nullptr && looked_at) {
    verdict = rules->judge(reply.code, reply.text);
  }
  verdict.skip_host =
      reply.negative() && (verdict.skip_host || (policy_->skip_host_on_421 && reply.code == 421));
  if (verdict.skip_host) {
    skip_ = leaving_ = true;
    context_.hosts.note_unreachable(candidate_->remote, context_.loop.now().instant);
    note_failure(phase, reply, {});
  }
  if (verdict.for_queue()) {
    JudgedReply judged;
    judged.verdict = verdict;
    judged.outcome = outcome_of(reply, phase);
    judged.text = reply.text;
    judged.source = policy_->sources[candidate_->source].ip;
    judged.host = route_->hosts[candidate_->host].name;
    judged.remote = candidate_->remote;
    context_.work->reply_judged(queue_, judged, context_.loop.now());
  }
  return verdict;
}

// Heard before what became of the transactions, which may depend on it.
void DeliverySession::heed_close() {
  for (const smtp::ClientAction& action : context_.actions) {
    if (action.kind == smtp::ClientAction::Kind::close && action.reply.negative()) {
      const bool greeted = engine_.transitions().size() > 1;
      const Phase phase = was_ready_ ? Phase::mail : greeted ? Phase::helo : Phase::greeting;
      close_verdict_ = heed(action.reply, phase);
    }
  }
}

void DeliverySession::on_recipient_reply(const smtp::ClientAction& action) {
  Job& job = *work_of(action.transaction).job;
  note_recipient_reply(job, action.recipient, action.reply);
  if (!action.reply.negative()) {
    return;
  }
  Outcome& outcome = job.recipients[action.recipient].outcome;
  if (policy_->no_mailbox_on_553 && outcome.reply_code == 553 && !outcome.status.known()) {
    outcome.status = kNoSuchMailbox;
  }
  follow(heed(action.reply, Phase::rcpt), outcome);
}

void DeliverySession::judge_over(const smtp::ClientAction& action) {
  using End = smtp::TransactionEnd;
  ReplyVerdict verdict = close_verdict_;
  if (action.end == End::answered) {
    verdict = heed(action.reply, action.phase);
  } else if (action.end != End::interrupted) {
    return;  // each recipient has had its say, none was asked, or nobody knows
  }
  verdict.bounce_recipient = false;
  Job& job = *work_of(action.transaction).job;
  Outcome outcome = make_outcome(job, OutcomeKind::deferred, action.phase, action.reply, {});
  if (action.end == End::answered) {
    outcome.kind = kind_of_reply(action.reply);
  }
  const OutcomeKind before = outcome.kind;
  follow(verdict, outcome);
  if (outcome.kind != before) {
    settle_pending(job, outcome);
  }
}

// What becomes of content whose end nobody confirmed, where the queue's settings decide it.
void DeliverySession::decide_doubt(const smtp::ClientAction& action) {
  Job& job = *work_of(action.transaction).job;
  Outcome outcome;
  outcome.phase = action.phase;
  if (policy_->assume_delivered_on_timeout && action.end == smtp::TransactionEnd::ambiguous &&
      break_ == Break::timed_out) {
    outcome.kind = OutcomeKind::delivered;
    outcome.status = {2, 0, 0};
    outcome.text = job.keep_text("no final reply in time, taken as delivered");
    settle_pending(job, outcome);
  } else if (policy_->bounce_on_broken_content && break_ == Break::lost &&
             action.end == smtp::TransactionEnd::interrupted && action.phase == Phase::content) {
    outcome.kind = OutcomeKind::bounced;
    outcome.status = {5, 4, 2};
    outcome.text = job.keep_text("the connection broke within the content");
    settle_pending(job, outcome);
  }
}

// A refusal under a verdict: offered to the next host instead, or final though temporary.
void DeliverySession::follow(const ReplyVerdict& verdict, Outcome& outcome) const {
  const bool refused =
      outcome.kind == OutcomeKind::deferred || outcome.kind == OutcomeKind::bounced;
  if (refused && verdict.skip_host && plan_.more()) {
    outcome.kind = OutcomeKind::returned;
  } else if (refused && (verdict.bounce_queue || verdict.bounce_recipient)) {
    outcome.kind = OutcomeKind::bounced;
  }
}

// The connection to a host that is to be passed over has been closed.
bool DeliverySession::go_on_to_next_host() {
  if (!skip_ || draining_ || !plan_.more()) {
    return false;
  }
  if (!transmitter_.released()) {
    // Bytes of the last connection are still lent to the kernel. The next session of the queue
    // tries the other hosts first.
    skip_ = false;
    close_reason_ = smtp::ClientClose::quit;
    return false;
  }
  was_ready_ = interrupted_ = leaving_ = skip_ = false;
  close_verdict_ = {};
  taken_ = answered_ = 0;
  ahead_ = 1;
  return true;
}

// The queue may have come to another mode since the session was opened, its address be out of use,
// or a host that is preferred be back.
void DeliverySession::check_surplus() {
  if (was_ready_ && !leaving_ && stage_ == Stage::talking) {
    leaving_ = context_.work->surplus(queue_, *policy_, policy_->sources[candidate_->source].ip) ||
               gives_way() ||
               (preferred_.ip.valid() &&
                context_.hosts.may_return(preferred_, context_.loop.now().instant));
  }
}

}  // namespace ringpost::deliver
