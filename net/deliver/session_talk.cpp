// A session on its connection: bytes and time into the engine, its actions into the ports.

#include "net/deliver/session.h"

#include <algorithm>
#include <utility>

namespace ringpost::deliver {

namespace {

/// Any session stays this long after its last message: where more mail is about to come, opening
/// a connection for every few messages would cost more than the messages do. Who waits for its
/// unit of a limit gets it sooner.
constexpr Duration kLinger = Duration::milliseconds(100);

}  // namespace

void DeliverySession::on_received(Completion&) {
  if (stage_ == Stage::talking) {
    feed_engine();
    progress();
  }
}

// Hands the engine what has arrived, reply by reply. Between two replies new work may begin, so
// that an envelope still travels behind the content that the next reply lets go.
void DeliverySession::feed_engine() {
  while (stage_ == Stage::talking) {
    if (!has_chunk_) {
      if (tls_wanted_ || !context_.net.take(receive_, chunk_)) {
        break;
      }
      has_chunk_ = true;
      chunk_used_ = 0;
    }
    if (!feed_chunk()) {
      return;
    }
    context_.net.recycle(chunk_);
    has_chunk_ = false;
  }
  const bool in_handshake = engine_.state() == smtp::ClientState::in_handshake;
  if (stage_ == Stage::talking && in_handshake) {
    begin_handshake();
  } else if (stage_ == Stage::talking && receive_.ended && !has_chunk_ && !engine_.ended()) {
    break_off(Break::lost);
  }
}

// False: the rest has to wait for output to drain.
bool DeliverySession::feed_chunk() {
  while (chunk_used_ < chunk_.size) {
    const bool secret = engine_.state() == smtp::ClientState::awaiting_auth;
    const std::string_view rest = chunk_.view().substr(chunk_used_);
    const std::size_t used = engine_.receive(rest, context_.actions);
    tell_reply(rest.substr(0, used), secret);
    perform();
    begin_waiting();
    if (used == 0) {
      return false;
    }
    chunk_used_ += static_cast<std::uint32_t>(used);
  }
  return true;
}

void DeliverySession::on_transmitted(std::int32_t result, std::size_t bodies_left) {
  finish_over();
  if (bodies_left > 0 && !engine_.ended()) {
    engine_.bodies_sent(bodies_left);
  }
  if (stage_ == Stage::talking && engine_.can_resume()) {
    engine_.resume(context_.actions);
    perform();
  }
  if (result < 0 || stage_ != Stage::talking) {
    if (stage_ == Stage::talking) {
      // A last word of the host, say 421, may lie before the error.
      feed_engine();
      if (engine_.ended()) {
        progress();
      }
      break_off(Break::lost);
    }
    maybe_end();
    return;
  }
  if (transmitter_.drained()) {
    engine_.output_drained(context_.actions, transmitter_.released());
    perform();
  }
  if (has_chunk_ || (tls_wanted_ && transmitter_.drained())) {
    feed_engine();
  }
  progress();
}

void DeliverySession::on_released(Job& job, bool copied) {
  ++(copied ? context_.stats.zero_copy_copied : context_.stats.zero_copy);
  job.facts.zero_copy = !copied;
  finish_over();
  if (stage_ == Stage::talking) {
    if (transmitter_.released()) {
      engine_.output_drained(context_.actions);
      perform();
    }
    progress();
  }
  maybe_end();
}

void DeliverySession::perform() {
  std::string_view words;
  for (const smtp::ClientAction& action : context_.actions) {
    if (action.kind == smtp::ClientAction::Kind::close) {
      words = action.detail;
    }
  }
  heed_close();
  for (const smtp::ClientAction& action : context_.actions) {
    perform_one(action, words);
  }
  context_.actions.clear();
}

void DeliverySession::perform_one(const smtp::ClientAction& action, std::string_view words) {
  using Kind = smtp::ClientAction::Kind;
  switch (action.kind) {
    case Kind::send:
      tell_commands(action.bytes);
      transmitter_.add_command(action.bytes);
      break;
    case Kind::send_body:
    case Kind::send_chunk: send_content(action); break;
    case Kind::start_tls: tls_wanted_ = true; break;
    case Kind::ready: on_ready(); break;
    case Kind::recipient_reply:
      errors_ += action.reply.positive() ? 0 : 1;
      on_recipient_reply(action);
      break;
    case Kind::ask_recipients: on_ask(work_of(action.transaction)); break;
    case Kind::transaction_over: on_over(action, words); break;
    case Kind::downgrade_pipelining:
      ++context_.stats.downgrades;
      context_.hosts.note_pipelining_fault(candidate_->remote, context_.loop.now().instant);
      break;
    case Kind::downgrade_chunking:
      ++context_.stats.downgrades;
      context_.hosts.note_chunking_fault(candidate_->remote, context_.loop.now().instant);
      break;
    case Kind::idle: break;
    case Kind::close: on_close_action(action); break;
  }
}

void DeliverySession::send_content(const smtp::ClientAction& action) {
  Job& job = *work_of(action.transaction).job;
  const bool chunk = action.kind == smtp::ClientAction::Kind::send_chunk;
  context_.stats.chunks += chunk ? 1 : 0;
  tell_content(job);
  transmitter_.add_body(job, !chunk);
}

void DeliverySession::on_ready() {
  was_ready_ = true;
  forget_failure();
  ++context_.stats.sessions;
  if (!engine_.secured()) {
    ++context_.stats.clear_sessions;
    if (tls_use() != smtp::TlsUse::never) {
      context_.stats.tls.count(tls_policy(), TlsFailure::starttls_not_supported);
    }
  }
  context_.hosts.note_reached(candidate_->remote, context_.loop.now().instant);
  if (!on_backup_) {
    preferred_ = {};
    note_preferred(route_->hosts[candidate_->host].preference);
  }
}

void DeliverySession::on_over(const smtp::ClientAction& action, std::string_view words) {
  Work& work = work_of(action.transaction);
  const Now now = context_.loop.now();
  if (std::exchange(asking_, asking_ == &work ? nullptr : asking_) == &work &&
      action.end == smtp::TransactionEnd::interrupted) {
    return_unsent(work);  // it was we who let the host wait
  }
  judge_over(action);
  decide_doubt(action);
  note_transaction_over(*work.job, action, words);
  work.job->facts.ended = now.wall;
  tell_failures(*work.job);
  enter(work, Work::Stage::over);
  switch (action.end) {
    case smtp::TransactionEnd::answered:
    case smtp::TransactionEnd::all_refused:
      answered_ += action.reply.local ? 0 : 1;
      if (!action.reply.local && !told_established_) {
        told_established_ = true;
        context_.work->session_established(queue_, now);
      }
      if (action.phase == Phase::final_reply) {
        context_.hosts.note_clean(candidate_->remote, now.instant);
        const HostView host = context_.hosts.view(candidate_->remote, now.instant);
        engine_.set_groups(host.grouping, window_for(host));
      }
      break;
    default: interrupted_ = interrupted_ || engine_.ended(); break;
  }
  if (stage_ != Stage::closing) {
    finish_over();
  }
}

// The end of every event: what can begin begins, what was gathered leaves, the clock is set.
void DeliverySession::progress() {
  if (stage_ != Stage::talking) {
    return;
  }
  if (!engine_.ended()) {
    check_surplus();
    if (draining_ || leaving_ || worn_out()) {
      return_waiting();
    }
    ask_permits();
    prefetch();
    begin_waiting();
    const bool at_rest = engine_.state() == smtp::ClientState::idle &&
                         engine_.transactions() == 0 && all_at(Work::Stage::opening) == 0 &&
                         all_at(Work::Stage::waiting) == 0;
    if (at_rest) {
      go_idle();
    } else {
      leave_idle();
    }
  }
  if (engine_.ended()) {
    leave_idle();
    const bool last_words = engine_.state() == smtp::ClientState::quitting;
    if (!last_words) {
      close_stream();
      return;
    }
    transmitter_.flush();
    if (transmitter_.drained()) {
      close_stream();
      return;
    }
  }
  transmitter_.flush();
  arm_timer();
}

void DeliverySession::go_idle() {
  const bool used_up = worn_out() || (policy_->messages_per_connection_max != 0 &&
                                      taken_ >= policy_->messages_per_connection_max);
  const Now now = context_.loop.now();
  const Duration idle = std::max(policy_->idle_timeout, kLinger);
  const Duration kept = context_.work->keeps(queue_, source(), idle, now);
  if (draining_ || leaving_ || used_up) {
    engine_.quit(context_.actions);
    perform();
    return;
  }
  ahead_ = 1;
  if (!idle_) {
    idle_ = true;
    idle_deadline_ = now.instant + idle;
  }
  idle_deadline_ = std::max(idle_deadline_, now.instant + kept);
  if (!idle_listed) {
    context_.keeper.session_idle(*this);
  }
}

void DeliverySession::arm_timer() {
  const PhaseTimeouts& limits = policy_->timeouts;
  const Instant now = context_.loop.now().instant;
  Instant deadline = Instant::never();
  switch (engine_.timeout_class()) {
    case smtp::TimeoutClass::banner: deadline = now + limits.greeting; break;
    case smtp::TimeoutClass::command:
    case smtp::TimeoutClass::envelope: deadline = now + limits.command; break;
    case smtp::TimeoutClass::handshake: deadline = handshake_deadline_; break;
    case smtp::TimeoutClass::data_initiation: deadline = now + limits.data; break;
    case smtp::TimeoutClass::data_block:
      progress_seen_ = transmitter_.progress();
      deadline = now + limits.content;
      break;
    case smtp::TimeoutClass::data_termination: deadline = now + limits.final_reply; break;
    case smtp::TimeoutClass::idle: deadline = idle_ ? idle_deadline_ : Instant::never(); break;
    case smtp::TimeoutClass::none: deadline = now + context_.options.quit_within; break;
  }
  if (!engine_.in_reply()) {
    reply_begun_ = Instant::never();
  } else {
    // Other deadlines begin anew with every octet that comes.
    reply_begun_ = std::min(reply_begun_, now);
    deadline = std::min(deadline, reply_begun_ + limits.whole_reply);
  }
  if (asking_ != nullptr) {
    deadline = std::min(deadline, permits_late_);
  }
  context_.loop.timers().arm(timer_, deadline);
}

namespace {

IdleOthers others_than(const DeliverySession& session) {
  IdleOthers others{session.idle_next != nullptr || session.idle_previous != nullptr};
  for (const DeliverySession* one = session.idle_next; one != nullptr && !others.there;
       one = one->idle_next) {
    others.there = one->source() == session.source();
  }
  for (const DeliverySession* one = session.idle_previous; one != nullptr && !others.there;
       one = one->idle_previous) {
    others.there = one->source() == session.source();
  }
  return others;
}

}  // namespace

void DeliverySession::on_deadline(Now now) {
  if (stage_ == Stage::connecting) {
    connect_late_ = true;
    context_.net.cancel(connect_);
    return;
  }
  if (stage_ != Stage::talking) {
    return;
  }
  const bool reply_late = reply_begun_ != Instant::never() &&
                          now.instant >= reply_begun_ + policy_->timeouts.whole_reply;
  if (engine_.ended()) {
    close_stream();  // QUIT did not leave in time
  } else if (reply_late) {
    break_off(Break::timed_out);
  } else if (asking_ != nullptr && now.instant >= permits_late_) {
    progress();
  } else if (engine_.timeout_class() == smtp::TimeoutClass::handshake) {
    handshake_late();
  } else if (engine_.timeout_class() == smtp::TimeoutClass::idle) {
    const Duration expects = context_.work->expects(queue_, source(), others_than(*this), now);
    if (idle_ && expects > Duration{}) {
      idle_deadline_ = now.instant + expects;
      arm_timer();
      return;
    }
    leave_idle();
    engine_.quit(context_.actions);
    perform();
    progress();
  } else if (engine_.timeout_class() == smtp::TimeoutClass::data_block &&
             transmitter_.progress() != progress_seen_) {
    arm_timer();
  } else {
    break_off(Break::timed_out);
  }
}

void DeliverySession::wake() {
  if (stage_ == Stage::talking && wake_.idle()) {
    context_.loop.complete(wake_, 0);
  }
}

void DeliverySession::on_wake(Completion&) {
  progress();
  maybe_end();
}

}  // namespace ringpost::deliver
