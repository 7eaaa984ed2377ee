#include "core/app/job_carrier.h"

namespace ringpost::app {

JobCarrier::JobCarrier(Loop& loop, Outbox& outbox, BodySource& spool, unsigned shards)
    : loop_(loop), outbox_(outbox), spool_(spool), shards_(shards) {}

void JobCarrier::open(Job& job) {
  if (owner_of(job) == loop_.shard()) {
    spool_.open(job);
  } else {
    send_away(job.opened, LetterKind::job_open);
  }
}

void JobCarrier::settle(Job& job) {
  if (owner_of(job) == loop_.shard()) {
    spool_.settle(job);
  } else {
    send_away(job.settled, LetterKind::job_settle);
  }
}

void JobCarrier::send_away(JobCompletion& completion, LetterKind kind) {
  RP_ASSERT(completion.idle() && completion.job.home_shard == loop_.shard());
  completion.users_binding = completion.binding();
  ++away_;
  outbox_.send(owner_of(completion.job), Letter::of(kind_of(kind), JobNote{&completion.job, 0}));
}

void JobCarrier::on_letter(LetterKind kind, const JobNote& note) {
  Job& job = *note.job;
  switch (kind) {
    case LetterKind::job_open:
      job.opened.bind<&JobCarrier::on_opened_for_home>(this);
      spool_.open(job);
      return;
    case LetterKind::job_settle:
      job.settled.bind<&JobCarrier::on_settled_for_home>(this);
      spool_.settle(job);
      return;
    case LetterKind::job_opened: bring_home(job.opened, note.result); return;
    case LetterKind::job_settled: bring_home(job.settled, note.result); return;
    default: RP_ASSERT_NOTE(false, "not a letter about a job");
  }
}

void JobCarrier::on_opened_for_home(Completion& completion) {
  answer(completion, LetterKind::job_opened);
}

void JobCarrier::on_settled_for_home(Completion& completion) {
  answer(completion, LetterKind::job_settled);
}

void JobCarrier::answer(Completion& completion, LetterKind kind) {
  Job& job = static_cast<JobCompletion&>(completion).job;
  outbox_.send(job.home_shard, Letter::of(kind_of(kind), JobNote{&job, completion.result}));
}

void JobCarrier::bring_home(JobCompletion& completion, std::int32_t result) {
  RP_ASSERT(away_ > 0);
  --away_;
  completion.rebind(completion.users_binding);
  loop_.complete(completion, result);
}

}  // namespace ringpost::app
