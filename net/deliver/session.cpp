// A session's beginning and end: finding a host that answers, and giving everything back.

#include "net/deliver/session.h"

#include <cerrno>

#include "core/base/text.h"

namespace ringpost::deliver {

namespace {

// Errors of a connect that say something about us and nothing about the host.
bool is_our_fault(std::int32_t result) noexcept {
  switch (-result) {
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EACCES:
    case EPERM: return true;
    default: return false;
  }
}

}  // namespace

// Ten thousand rest at once: one more octet than this, and the allocator gives each another 1,024.
static_assert(sizeof(DeliverySession) <= 7168);

DeliverySession::DeliverySession(SessionContext& context)
    : context_(context), engine_(context.rooms) {
  query_.bind<&DeliverySession::on_route>(this);
  connect_.bind<&DeliverySession::on_connected>(this);
  receive_.bind<&DeliverySession::on_received>(this);
  secure_.bind<&DeliverySession::on_secured>(this);
  close_.bind<&DeliverySession::on_closed>(this);
  wake_.bind<&DeliverySession::on_wake>(this);
  timer_.bind<&DeliverySession::on_deadline>(this);
  transmitter_.bind(*this, context.net, context.flights, context.pieces);
  for (Work& work : works_) {
    work.session = this;
    at_[static_cast<std::size_t>(work.stage)] |= 1U << (&work - works_.data());
  }
}

void DeliverySession::open(QueueId queue, std::string_view destination,
                           const QueuePolicyRef& policy, Instant leave_until, bool scout) {
  RP_ASSERT(stage_ == Stage::free && wake_.idle());
  stage_ = Stage::resolving;
  opened_ = context_.loop.now().wall;
  queue_ = queue;
  destination_.assign(destination);
  policy_ = policy;
  leave_until_ = leave_until;
  route_.reset();
  candidate_ = nullptr;
  preferred_ = {};
  end_ = SessionEnd::normal;
  forget_failure();
  taken_ = answered_ = errors_ = 0;
  ahead_ = 1;
  on_backup_ = host_busy_ = false;
  scout_ = scout;
  draining_ = was_ready_ = idle_ = interrupted_ = host_failed_ = connect_late_ = false;
  leaving_ = skip_ = told_established_ = handed_over_ = false;
  refusals_only_ = true;
  close_verdict_ = {};
  begin_events();
  query_.destination = destination_;
  query_.policy = policy_;
  query_.route.reset();
  query_.failure = {};
  query_.failure_text.clear();
  context_.routes.resolve(query_);
}

SessionRow DeliverySession::row() const {
  static constexpr const char* kStages[] = {"free",    "resolving", "connecting",
                                            "talking", "closing",   "ending"};
  SessionRow row;
  row.destination = destination_;
  row.vmta = policy_->vmta;
  row.stage = kStages[static_cast<std::size_t>(stage_)];
  row.idle = idle_listed;
  if (candidate_ != nullptr && route_ != nullptr) {
    row.host = route_->hosts[candidate_->host].name;
    row.remote = candidate_->remote;
    row.local = policy_->sources[candidate_->source].ip;
  }
  row.messages = answered_;
  row.since = opened_;
  return row;
}

void DeliverySession::on_route(Completion&) {
  RP_ASSERT(stage_ == Stage::resolving);
  if (draining_) {
    conclude(SessionEnd::normal);
    return;
  }
  tell_route();
  if (query_.route == nullptr && on_backup_) {
    conclude(SessionEnd::unreachable);  // what the own hosts did is more to the point
    return;
  }
  if (query_.route == nullptr) {
    forget_failure();
    failure_ = query_.failure;
    TextBuilder text(failure_text());
    failed_at_.text = text.add(query_.failure_text).view();
    conclude(query_.no_exchanger ? SessionEnd::no_exchanger : SessionEnd::no_route);
    return;
  }
  route_ = std::move(query_.route);
  const bool by_dns = !on_backup_ && policy_->static_route.empty() && destination_.front() != '[';
  if (by_dns && !context_.work->route_found(queue_, *route_, context_.loop.now())) {
    conclude(SessionEnd::normal);
    return;
  }
  plan_.build(*route_, *policy_, context_.hosts, context_.random, context_.loop.now().instant,
              {&context_.sources, destination_, scout_ ? 0 : context_.keeper.source_turn(queue_)});
  if (plan_.size() == 0) {
    note_local_failure("no usable source address of the family of any address of the route");
  }
  if (plan_.all_bad() && has_backup()) {
    host_failed_ = true;
    take_backup();  // until the memory of the failure fades
    return;
  }
  connect_next();
}

bool DeliverySession::has_backup() const noexcept {
  return !draining_ && !on_backup_ && policy_->backup != nullptr;
}

void DeliverySession::take_backup() {
  note_preferred(UINT32_MAX);
  on_backup_ = true;
  stage_ = Stage::resolving;
  query_.policy = policy_->backup;
  context_.routes.resolve(query_);
}

// Without leave for another connection this session ends, and one that is opened when there is
// leave goes on with the addresses that have not failed.
void DeliverySession::connect_next() {
  if (!draining_ && plan_.more() && !may_connect()) {
    const bool others = candidate_ == nullptr || plan_.more_good() || has_backup();
    conclude(candidate_ != nullptr && !host_failed_ ? SessionEnd::local_failure
             : others                               ? SessionEnd::next_host
                                                    : SessionEnd::unreachable);
    return;
  }
  candidate_ = draining_ ? nullptr : next_permitted();
  if (candidate_ == nullptr && host_failed_ && !host_busy_ && has_backup()) {
    take_backup();
    return;
  }
  if (candidate_ == nullptr) {
    conclude(draining_      ? SessionEnd::normal
             : host_busy_   ? SessionEnd::host_busy
             : host_failed_ ? SessionEnd::unreachable
                            : SessionEnd::local_failure);
    return;
  }
  if (use_idle_connection()) {
    maybe_end();
    return;
  }
  connect_candidate();
}

void DeliverySession::connect_candidate() {
  stage_ = Stage::connecting;
  connect_late_ = false;
  leave_until_ = {};
  connect_.remote = candidate_->remote;
  connect_.local = policy_->sources[candidate_->source].ip;
  ++context_.stats.connects;
  look_for_watchers();
  context_.net.connect(connect_);
  context_.loop.timers().arm(timer_, context_.loop.now().instant + policy_->timeouts.connect);
}

void DeliverySession::on_connected(Completion&) {
  RP_ASSERT(stage_ == Stage::connecting);
  context_.loop.timers().disarm(timer_);
  if (connect_.result < 0) {
    let_go();
    connect_failed(connect_.result);
    connect_next();
    return;
  }
  stream_ = connect_.stream;
  if (told(EventKind::connection)) {
    tell_connection("connected from ", connect_.bound.text());
  }
  start_talking();
  if (draining_) {
    break_off(Break::aborted);
  }
}

void DeliverySession::connect_failed(std::int32_t result) {
  ++context_.stats.connects_failed;
  if (draining_) {
    return;
  }
  const std::int32_t code = result == -ECANCELED && connect_late_ ? -ETIMEDOUT : result;
  const std::string_view words = text_of(code_from_errno(-code));
  tell_connection("not connected: ", words, true);
  if (is_our_fault(code)) {
    note_local_failure(words);
    return;
  }
  context_.hosts.note_unreachable(candidate_->remote, context_.loop.now().instant);
  note_failure(Phase::connect, {}, words);
}

// "mx.example 192.0.2.1:25: connection refused", or the reply for what comes after a connect.
void DeliverySession::note_failure(Phase phase, const smtp::Reply& reply, std::string_view words) {
  host_failed_ = true;
  refusals_only_ = refusals_only_ && phase == Phase::greeting && reply.permanent();
  failure_ = {};
  failure_.kind = OutcomeKind::deferred;
  failure_.phase = phase;
  failure_.reply_code = reply.code;
  failure_.status = reply.status;
  if (!failure_.status.known() && phase == Phase::starttls) {
    const bool refused = close_reason_ == smtp::ClientClose::tls_refused;
    failure_.status = {4, 7, static_cast<std::uint16_t>(refused ? 4 : 5)};
  } else if (!failure_.status.known() && phase == Phase::auth) {
    failure_.status = {4, 7, 8};
  } else if (!failure_.status.known()) {
    failure_.status = {4, 4, static_cast<std::uint16_t>(phase == Phase::connect ? 1 : 2)};
  }
  TextBuilder text(failure_text());
  const RouteHost& host = route_->hosts[candidate_->host];
  text.add(host.name);
  failed_at_.host = text.view();
  failed_at_.remote = candidate_->remote;
  failed_at_.local = connect_.bound.ip.valid() ? connect_.bound.ip : connect_.local;
  text.add(' ').add(candidate_->remote.text()).add(": ");
  if (close_reason_ == smtp::ClientClose::tls_failed) {
    text.add("TLS: ");
  } else if (phase == Phase::auth) {
    text.add("AUTH: ");
  }
  text.add(reply.code != 0 ? reply.text : words);
  failed_at_.text = text.view();
}

void DeliverySession::forget_failure() {
  failure_ = {};
  failed_at_ = {};
  if (failure_text_ != nullptr) {
    context_.failure_texts.take_back(*failure_text_);
    failure_text_ = nullptr;
  }
}

FailureText& DeliverySession::failure_text() {
  if (failure_text_ == nullptr) {
    failure_text_ = &context_.failure_texts.lend();
  }
  return *failure_text_;
}

void DeliverySession::note_local_failure(std::string_view words) {
  if (host_failed_) {
    return;  // what a host did is more to the point
  }
  forget_failure();
  failure_.kind = OutcomeKind::deferred;
  failure_.phase = Phase::connect;
  failure_.status = {4, 3, 5};
  TextBuilder text(failure_text());
  failed_at_.text = text.add("local failure: ").add(words).view();
}

void DeliverySession::start_talking() {
  stage_ = Stage::talking;
  close_reason_ = smtp::ClientClose::none;
  break_ = Break::none;
  has_chunk_ = tls_wanted_ = again_in_clear_ = false;
  leaving_ = skip_ = false;  // a host that was passed over does not speak for this one
  close_verdict_ = {};
  receive_.ended = false;
  receive_.end_result = 0;
  reply_begun_ = Instant::never();
  transmitter_.start(stream_, policy_->zero_copy_threshold_bytes);
  const HostView host = context_.hosts.view(candidate_->remote, context_.loop.now().instant);
  smtp::ClientOptions options;
  options.helo = policy_->sources[candidate_->source].helo;
  options.own_name = context_.options.own_name;
  options.pipelining = host.pipelining && !policy_->ignore_pipelining;
  options.eight_bit_mime = !policy_->ignore_8bitmime;
  options.dsn = !policy_->ignore_dsn;
  options.eight_bit_needs_offer = policy_->eight_bit_needs_offer;
  options.group_next = host.grouping;
  options.window = window_for(host);
  options.tls = tls_use();
  options.login = policy_->login.get();
  options.wait_for_recipients_above = context_.options.wait_for_recipients_above;
  engine_.start(options, context_.actions);
  context_.net.receive(stream_, receive_);
  perform();
  progress();
}

// Whole transactions in flight at once.
std::uint32_t DeliverySession::window_for(const HostView& host) const {
  return host.chunking && !policy_->ignore_chunking ? policy_->pipeline_window : 1;
}

void DeliverySession::drain() {
  draining_ = true;
  switch (stage_) {
    case Stage::connecting: context_.net.cancel(connect_); break;
    case Stage::talking:
      if (!was_ready_) {
        break_off(Break::aborted);
      } else {
        wake();
      }
      break;
    default: break;
  }
}

void DeliverySession::abort() {
  drain();
  if (stage_ == Stage::talking) {
    break_off(Break::aborted);
  }
}

// What is told of the close decides how the queue goes on.
void DeliverySession::on_close_action(const smtp::ClientAction& action) {
  using Reason = smtp::ClientClose;
  close_reason_ = action.reason;
  if (draining_ || action.reason == Reason::quit || action.reason == Reason::aborted) {
    return;
  }
  const Now now = context_.loop.now();
  if (action.reason == Reason::tls_refused || action.reason == Reason::tls_failed) {
    on_tls_close(action);
  } else if (!was_ready_) {
    context_.hosts.note_unreachable(candidate_->remote, now.instant);
    const bool greeted = engine_.transitions().size() > 1;
    const bool refused = action.reason == Reason::login_refused;
    context_.stats.logins_refused += refused ? 1 : 0;
    note_failure(refused   ? Phase::auth
                 : greeted ? Phase::helo
                           : Phase::greeting,
                 action.reply, action.detail);
  } else if (interrupted_ || answered_ == 0) {
    note_failure(Phase::mail, action.reply, action.detail);
  }
  if (action.reason == Reason::own_name) {
    // RFC 5321 section 6.3: sending on would never end.
    failure_.kind = OutcomeKind::bounced;
    failure_.reply_code = 0;
    failure_.status = {5, 4, 6};
  }
}

// The stream is closed first, so that it is known how far the last send came; then the engine
// hears of it and tells what became of the transactions.
void DeliverySession::break_off(Break why) {
  if (stage_ != Stage::talking) {
    return;
  }
  break_ = why;
  close_stream();
}

void DeliverySession::close_stream() {
  RP_ASSERT(stage_ == Stage::talking);
  stage_ = Stage::closing;
  leave_idle();
  context_.loop.timers().disarm(timer_);
  if (has_chunk_) {
    context_.net.recycle(chunk_);
    has_chunk_ = false;
  }
  transmitter_.discard();
  finish_over();
  context_.net.close(stream_, close_);
}

// Mail that is being opened is waited for: all goes back at once, in its order.
void DeliverySession::on_closed(Completion&) {
  RP_ASSERT(stage_ == Stage::closing);
  closed_ = all_at(Work::Stage::opening) != 0;
  if (closed_) {
    return;
  }
  if (!engine_.ended()) {
    switch (break_) {
      case Break::timed_out: engine_.timed_out(context_.actions); break;
      case Break::aborted: engine_.abort(context_.actions); break;
      case Break::none:
      case Break::lost: engine_.connection_lost(context_.actions); break;
    }
    perform();
  }
  return_waiting();
  if (told(EventKind::connection)) {
    tell_connection("closed: ", name_of(close_reason_));
  }
  let_go();
  if (again_in_clear_ && !draining_) {
    ++context_.stats.tls_retried_in_clear;
    plan_.step_back();
    candidate_ = nullptr;  // it has not failed yet
    connect_next();        // or the next session, which knows that TLS does not work there
    return;
  }
  const bool next_address = !was_ready_ && !draining_ && (plan_.more() || has_backup()) &&
                            close_reason_ != smtp::ClientClose::own_name;
  if (next_address || go_on_to_next_host()) {
    connect_next();
  } else {
    conclude_by_close();
  }
}

void DeliverySession::conclude_by_close() {
  using Reason = smtp::ClientClose;
  const bool at_will = close_reason_ == Reason::quit || close_reason_ == Reason::aborted;
  if (draining_ || (at_will && !skip_)) {
    conclude(SessionEnd::normal);
  } else if (close_reason_ == Reason::own_name) {
    conclude(SessionEnd::no_route);
  } else if (!was_ready_ && refusals_only_ && policy_->bounce_on_5xx_greeting) {
    failure_.kind = OutcomeKind::bounced;
    conclude(SessionEnd::no_route);
  } else if (!was_ready_ || skip_) {
    conclude(SessionEnd::unreachable);
  } else if (close_reason_ == Reason::pipelining_fault) {
    conclude(SessionEnd::lost);  // at once again, in lock step
  } else if (taken_ > 0 && answered_ == 0) {
    // It greets and then takes no mail: as good as not reached, else it would be tried at once and
    // for ever.
    context_.hosts.note_unreachable(candidate_->remote, context_.loop.now().instant);
    conclude(SessionEnd::unreachable);
  } else {
    conclude(interrupted_ ? SessionEnd::lost : SessionEnd::normal);
  }
}

void DeliverySession::conclude(SessionEnd end) {
  end_ = end;
  tell_end();
  stage_ = Stage::ending;
  maybe_end();
}

// Free again only when nothing in here is used by anyone: jobs being opened, zero-copy sends, a
// wake-up on its way.
void DeliverySession::maybe_end() {
  if (stage_ != Stage::ending || has_work() || !transmitter_.released() || !wake_.idle()) {
    return;
  }
  RP_ASSERT(!timer_.armed() && !idle_listed);
  stage_ = Stage::free;
  engine_.give_back_room();
  policy_.reset();
  query_.policy.reset();
  route_.reset();
  if (scout_) {
    context_.gate->scouted(queue_, end_, failure_, failed_at_.text, context_.loop.now());
  } else if (!handed_over_) {
    failed_at_.established = told_established_;
    context_.work->session_ended(queue_, end_, failure_, failed_at_, context_.loop.now());
  }
  forget_failure();
  context_.keeper.session_free(*this);
}

void DeliverySession::leave_idle() {
  idle_ = false;
  if (idle_listed) {
    context_.keeper.session_busy(*this);
  }
}

}  // namespace ringpost::deliver
