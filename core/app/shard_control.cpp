#include "core/app/account_settings.h"
#include "core/app/letters.h"
#include "core/app/shard.h"

namespace ringpost::app {

void Shard::answer_control(ControlTask& task, unsigned from) {
  ControlTask* pointer = &task;
  outbox_.send(from, Letter::of(kind_of(LetterKind::control_done), pointer));
}

void Shard::on_control(ControlTask& task, unsigned from, Now now) {
  ControlTask::Part& part = task.parts[settings_.shard];
  switch (task.kind) {
    case ControlKind::status: part.status = status(); break;
    case ControlKind::queues:
      scheduler_->rows(task.pattern, task.rows_max, part.queues, now);
      break;
    case ControlKind::sessions: deliverer_->rows(task.rows_max, part.sessions); break;
    case ControlKind::hosts: deliverer_->hosts().rows(part.hosts, now); break;
    case ControlKind::find: find_message(task, from); return;  // it answers later
    case ControlKind::search: search(task, from); return;      // so does this
    case ControlKind::why: {
      std::uint32_t cursor = 0;
      scheduler_->why(task.handle, cursor, ~0U, part.waiting, now);
      break;
    }
    case ControlKind::pause:
    case ControlKind::resume:
    case ControlKind::cancel:
    case ControlKind::retry_now: change_queues(task, part, now); break;
    case ControlKind::jobs: change_jobs(task, part, now); break;
    case ControlKind::move: move_mail(task, part, now); break;
    case ControlKind::priority: prioritize(task, part, now); break;
    case ControlKind::reload: reload(task, now); break;
    case ControlKind::rolled_up: part.rolled = policies_.rolled_up_now(task.pattern.domain); break;
    case ControlKind::sources_checked:
      deliverer_->sources().set_missing(task.missing_sources, now.wall);
      scheduler_->set_missing_sources(task.missing_sources, now);
      break;
    case ControlKind::sources: {
      deliver::SourceBook& book = deliverer_->sources();
      book.expire(now.instant);
      part.sources_off.assign(book.off().begin(), book.off().end());
      add_sources_off(part, now);
      break;
    }
    case ControlKind::traces:
      if (ports_.events != nullptr) {
        ports_.events->use(task.traces);
      }
      break;
    case ControlKind::stop_intake: stop_intake(); break;
    case ControlKind::mode:
    case ControlKind::source:
    case ControlKind::decisions:
    case ControlKind::warmups:
    case ControlKind::day_counts:
    case ControlKind::undo: change_decisions(task, part, now); break;
  }
  answer_control(task, from);
}

// Sessions under way, in and out, hold what they began with; those that idle end, lest new mail
// leaves under old settings. Limits and clocks keep their state.
void Shard::reload(const ControlTask& task, Now now) {
  policies_.use(task.snapshot, task.version, task.keys);
  scheduler_->refresh(now);
  deliverer_->end_idle();
  accountant_.use(bounce_rules(task.snapshot));
  if (ingest_ != nullptr) {
    ingest_->use(task.ingest);
  }
}

void Shard::find_message(ControlTask& task, unsigned from) {
  SpoolHandle handle;
  if (!spool_.find(task.id, handle) || inquiry_.task != nullptr) {
    answer_control(task, from);
    return;
  }
  inquiry_.task = &task;
  inquiry_.from = from;
  inquiry_.op.message = handle;
  spool_.inspect(inquiry_.op);
}

void Shard::on_inspected(Completion&) {
  ControlTask& task = *inquiry_.task;
  inquiry_.task = nullptr;
  MessageFacts& facts = task.parts[settings_.shard].message;
  if (inquiry_.op.result == 0) {
    const MessageView& view = inquiry_.op.view;
    facts.found = true;
    facts.handle = inquiry_.op.message;
    facts.received = view.envelope.received;
    facts.size_bytes = view.content.size;
    facts.reverse_path = view.envelope.reverse_path;
    facts.vmta = view.envelope.vmta;
    facts.job = view.envelope.job;
    for (std::uint32_t i = 0; i < view.envelope.recipients.size(); ++i) {
      spool::RecipientBrief brief;
      facts.recipients.emplace_back(view.envelope.recipients[i].address);
      facts.settled.push_back(spool_.recipient(facts.handle, i, brief) && brief.settled);
    }
    spool_.release(inquiry_.op);
  }
  answer_control(task, inquiry_.from);
}

void Shard::search(ControlTask& task, unsigned from) {
  if (!search_.idle()) {
    task.parts[settings_.shard].error = "an earlier search still goes on, try again";
    answer_control(task, from);
    return;
  }
  SearchRound& round = task.parts[settings_.shard].search;
  round.query = task.query;
  if (settings_.shard < task.cursors.size()) {
    round.cursor = task.cursors[settings_.shard];
    round.finished = task.searched[settings_.shard];
  }
  searching_ = &task;
  search_from_ = from;
  search_.start(round, searched_);
}

void Shard::on_searched(Completion&) { answer_control(*searching_, search_from_); }

void Shard::add_spool(ShardStatus& status) {
  const spool::SpoolStats spool = spool_.stats();
  status.accepted_messages = spool.committed - reports_.counts().made - notices_.sent();
  status.spool_messages = spool.messages;
  status.spool_segments = spool.segments;
  status.spool_live_bytes = spool.live_bytes;
  status.compacted_segments = spool.compacted_segments;
  status.compacted_messages = spool.compacted_messages;
  status.compacted_bytes = spool.compacted_bytes;
  status.commits = spool.commits;
  status.reports_lost = spool.reports_lost;
  const std::string where = "shard " + std::to_string(settings_.shard) + ": ";
  if (spool.journal_alarm) {
    status.alarms.push_back(where + "the outcome journal is half full: " +
                            (spool.journal_held
                                 ? "accounting is behind"
                                 : "the state of waiting mail fills it; see journal-max"));
  }
  if (!spool.may_issue) {
    status.alarms.push_back(where + "outcomes cannot be made durable: no delivery begins");
  }
  status.quarantined = spool.quarantined;
}

namespace {

void count_reports(const ReportCounts& reports, ShardStatus& status) {
  status.reports_made = reports.made;
  status.reports_omitted = reports.omitted;
  status.reports_suppressed = reports.suppressed;
  status.reports_refused = reports.refused;
}

}  // namespace

ShardStatus Shard::status() {
  ShardStatus status = counters_;
  const schedule::Totals totals = scheduler_->totals();
  status.queued_recipients = totals.ready + totals.deferred + totals.in_flight + totals.ending;
  status.deferred_recipients = totals.put_off;
  status.queues = totals.queues;
  status.ends = totals.ends;
  status.kept_changes = kept_ != nullptr ? durable_changes_ : ~std::uint64_t{0};
  status.queues_backoff = totals.queues_backoff;
  status.backoffs_begun = decision_log_.backoffs_begun;
  status.backoffs_ended = decision_log_.backoffs_ended;
  status.sources_disabled = decision_log_.sources_disabled;
  status.sources_enabled = decision_log_.sources_enabled;
  status.sessions_out = deliverer_->sessions_open();
  status.sessions_in = ingest_ != nullptr ? ingest_->sessions() : 0;
  add_spool(status);
  status.resolutions = resolver_->stats().resolutions;
  status.resolutions_failed = resolver_->stats().deferred;
  status.sessions_handed_over = deliverer_->stats().handed_over;
  status.chunks_sent = deliverer_->stats().chunks;
  status.zero_copy_sends = deliverer_->stats().zero_copy;
  status.zero_copy_copied = deliverer_->stats().zero_copy_copied;
  if (ingest_ != nullptr) {
    status.authenticated = ingest_->stats().authenticated;
    status.auth_failed = ingest_->stats().auth_failed;
    status.proxy_refused = ingest_->stats().proxy_refused;
  }
  const sign::SignerStats& signer = signer_.stats();
  status.signatures = signer.signatures;
  status.signatures_cached = signer.cached;
  status.not_signed = signer.unsigned_mail;
  status.signing_failed = signer.failed;
  const TlsStats& tls = ports_.tls.stats();
  status.tls_handshakes = tls.handshakes;
  status.tls_resumed = tls.resumed;
  status.tls_by_kernel = tls.by_kernel;
  status.tls_failed = tls.failed;
  status.sessions_out_clear = deliverer_->stats().clear_sessions;
  status.tls_retried_in_clear = deliverer_->stats().tls_retried_in_clear;
  status.logins_refused = deliverer_->stats().logins_refused;
  status.tls = deliverer_->stats().tls;
  status.tls.add(resolver_->tls_results());
  if (ports_.events != nullptr) {
    status.event_lines = ports_.events->told();
    status.event_lines_dropped = ports_.events->dropped();
  }
  count_reports(reports_.counts(), status);
  status.notices_sent = notices_.sent();
  status.notices_lost = notices_.lost();
  status.categories = accountant_.categories();
  status.loop = loop_.stats();
  return status;
}

void Shard::change_queues(const ControlTask& task, ControlTask::Part& part, Now now) {
  if (!task.job.empty()) {
    change_jobs(task, part, now);
    return;
  }
  const bool pauses = task.kind == ControlKind::pause || task.kind == ControlKind::resume;
  if (task.dry_run && !pauses) {
    part.touched = scheduler_->count(task.pattern);
    if (task.kind == ControlKind::retry_now && task.pattern.domain != "*") {
      part.rolled = policies_.rolled_up_into(task.pattern.domain);
    }
    return;
  }
  switch (task.kind) {
    case ControlKind::pause:
    case ControlKind::resume: {
      auto done =
          scheduler_->pause(task.pattern, task.kind == ControlKind::pause, now, task.dry_run);
      if (done) {
        part.touched = *done;
      } else {
        part.error = done.error().describe();
      }
      part.pause_rules = scheduler_->pause_rules().serialized();
      return;
    }
    case ControlKind::cancel: part.touched = scheduler_->cancel(task.pattern, now); return;
    default:
      if (auto added = task.move.at_once ? moves_.add(task.move, now.wall) : Status{}; !added) {
        part.error = added.error().describe();
        return;
      }
      part.touched = scheduler_->schedule_now(task.pattern, now);
  }
}

}  // namespace ringpost::app
