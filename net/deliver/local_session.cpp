#include "net/deliver/local_session.h"

#include <algorithm>
#include <cerrno>

#include "net/deliver/outcomes.h"

namespace ringpost::deliver {
namespace {

constexpr EnhancedStatus kDone{2, 0, 0};
constexpr EnhancedStatus kRefused{5, 0, 0};
constexpr EnhancedStatus kLocalFault{4, 3, 0};

Outcome outcome_of(OutcomeKind kind, EnhancedStatus status, TextRef text) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.phase = Phase::content;
  outcome.status = status;
  outcome.text = text;
  return outcome;
}

}  // namespace

LocalSession::LocalSession(SessionContext& context) : context_(context) {
  wake_.bind<&LocalSession::on_wake>(this);
  for (Work& work : works_) {
    work.session = this;
    work.op.bind<&Work::on_stored>(&work);
  }
}

void LocalSession::open(QueueId queue, const QueuePolicyRef& policy) {
  RP_ASSERT(free() && busy_ == 0 && policy->local != nullptr);
  queue_ = queue;
  policy_ = policy;
  draining_ = failed_ = told_established_ = false;
  failure_.clear();
  context_.loop.complete(wake_, 0);
}

void LocalSession::abort() {
  draining_ = true;
  for (Work& work : works_) {
    work.op.cancelled = true;
  }
}

void LocalSession::on_wake(Completion&) { progress(); }

void LocalSession::progress() {
  const Now now = context_.loop.now();
  while (busy_ < kWorks && !draining_ && !failed_ &&
         !context_.work->surplus(queue_, *policy_, {})) {
    Job* job = context_.work->take(queue_, now);
    if (job == nullptr) {
      break;
    }
    Work& work = *std::find_if(works_.begin(), works_.end(),
                               [](const Work& one) { return one.job == nullptr; });
    ++busy_;
    work.job = job;
    job->policy = policy_.get();
    job->opened.bind<&Work::on_opened>(&work);
    context_.bodies.open(*job);
  }
  if (busy_ == 0) {
    end();
  }
}

void LocalSession::opened(Work& work, std::int32_t result) {
  Job& job = *work.job;
  const LocalDelivery& how = *policy_->local;
  const Now now = context_.loop.now();
  job.facts.started = job.facts.ended = now.wall;
  job.facts.way = how.way;
  if (result < 0) {
    settle_pending(job, outcome_of(OutcomeKind::deferred, kLocalFault,
                                   job.keep_text("local failure: the message cannot be read from "
                                                 "the spool")));
  } else if (how.way == DeliveryWay::discard) {
    discard(job);
  } else if (context_.store == nullptr) {
    fail(job, -ENOSYS, "mail can be stored nowhere");
  } else {
    work.op.job = &job;
    work.op.how = &how;
    work.op.now = now.wall;
    work.op.reason.clear();
    work.op.cancelled = false;
    context_.store->store(work.op);
    return;
  }
  finish(work);
}

void LocalSession::discard(Job& job) const {
  const bool bounces = policy_->local->as_bounce;
  settle_pending(job, outcome_of(bounces ? OutcomeKind::bounced : OutcomeKind::delivered,
                                 bounces ? kRefused : kDone,
                                 job.keep_text("discarded, as the configuration says")));
}

void LocalSession::stored(Work& work, std::int32_t result) {
  if (result < 0) {
    fail(*work.job, result, work.op.reason);
  }
  work.job->facts.ended = context_.loop.now().wall;
  work.op.job = nullptr;
  finish(work);
}

// What could not be stored will be as bad for the next message: the queue's own clock runs, as for
// a host that cannot be reached. For want of room, smaller messages may be luckier.
void LocalSession::fail(Job& job, std::int32_t result, std::string_view reason) {
  const bool room = result == -ENOSPC || result == -EDQUOT || result == -EFBIG;
  settle_pending(job, outcome_of(room ? OutcomeKind::deferred : OutcomeKind::returned, kLocalFault,
                                 job.keep_text(reason)));
  if (!failed_) {
    failure_.assign(reason);
  }
  failed_ = true;
}

void LocalSession::finish(Work& work) {
  Job* job = work.job;
  work.job = nullptr;
  --busy_;
  if (!failed_ && !told_established_) {
    told_established_ = true;
    context_.work->session_established(queue_, context_.loop.now());
  }
  context_.work->finished(*job, context_.loop.now());
  progress();
}

void LocalSession::end() {
  const DeliveryWay way = policy_->local->way;
  policy_.reset();
  const Outcome failure = outcome_of(OutcomeKind::deferred, kLocalFault, {});
  SessionFailure at;
  at.text = failure_;
  at.way = way;
  at.established = told_established_;
  context_.work->session_ended(queue_, failed_ ? SessionEnd::unreachable : SessionEnd::normal,
                               failure, at, context_.loop.now());
  context_.keeper.session_free(*this);
}

}  // namespace ringpost::deliver
