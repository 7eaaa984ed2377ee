// A session's encryption: whether it is wanted, the handshake, and what follows when it fails.

#include "net/deliver/session.h"

#include <algorithm>

namespace ringpost::deliver {

// What DNS and policies say of the host outranks what the queue is content with.
const HostTls* DeliverySession::host_tls() const {
  return route_->hosts[candidate_->host].tls.get();
}

TlsDemand DeliverySession::tls_demand() const {
  TlsDemand wanted = policy_->tls.demand;
  // A password does not leave in clear, so that there is nothing to fall back to.
  if (policy_->login != nullptr && !policy_->login->clear_text_ok && wanted == TlsDemand::offered) {
    wanted = TlsDemand::encrypted;
  }
  const HostTls* const host = host_tls();
  if (host == nullptr || host->testing) {
    return wanted;
  }
  const bool sts = host->kind == TlsPolicyKind::sts;
  return std::max(wanted, sts ? TlsDemand::verified : TlsDemand::encrypted);
}

TlsPolicyKind DeliverySession::tls_policy() const {
  return host_tls() == nullptr ? TlsPolicyKind::none : host_tls()->kind;
}

smtp::TlsUse DeliverySession::tls_use() const {
  const QueueTls& tls = policy_->tls;
  switch (tls_demand()) {
    case TlsDemand::never: break;
    case TlsDemand::offered: {
      const Instant now = context_.loop.now().instant;
      const bool broken = context_.hosts.view(candidate_->remote, now).tls_broken;
      return broken || tls.context == nullptr ? smtp::TlsUse::never : smtp::TlsUse::offered;
    }
    case TlsDemand::encrypted:
    case TlsDemand::verified: return smtp::TlsUse::required;
  }
  return smtp::TlsUse::never;
}

// Only once STARTTLS has left and nothing that came in clear is at hand.
void DeliverySession::begin_handshake() {
  if (!tls_wanted_ || !transmitter_.drained() || has_chunk_) {
    return;
  }
  tls_wanted_ = false;
  const QueueTls& tls = policy_->tls;
  handshake_deadline_ = context_.loop.now().instant + policy_->timeouts.handshake;
  if (tls.context == nullptr) {
    secure_.failure = TlsFailure::validation_failure;
    engine_.tls_failed(tls.context_error, context_.actions);
    perform();
    return;
  }
  secure_.stream = stream_;
  secure_.receive = &receive_;
  secure_.context = tls.context;
  secure_.host_name = route_->hosts[candidate_->host].name;
  secure_.check = tls.demand == TlsDemand::verified ? TlsCheck::certificate : TlsCheck::none;
  secure_.advisory = false;
  secure_.tlsa = {};
  const HostTls* const host = host_tls();
  if (host != nullptr && host->kind == TlsPolicyKind::sts) {
    secure_.advisory = host->testing && secure_.check == TlsCheck::none;
    secure_.check = TlsCheck::certificate;
  } else if (host != nullptr && !host->records.empty()) {
    secure_.host_name = host->name;
    secure_.check = TlsCheck::dane;
    secure_.tlsa = host->records;
  }
  secure_.session_key = tls.resume ? std::string_view(policy_->vmta) : std::string_view{};
  context_.tls.secure(secure_);
}

void DeliverySession::on_secured(Completion&) {
  secure_.context.reset();
  if (stage_ != Stage::talking || engine_.ended()) {
    return;
  }
  tell_tls();
  if (secure_.result < 0) {
    engine_.tls_failed(secure_.error_text(), context_.actions);
    perform();
  } else {
    const bool stranger = host_tls() != nullptr && host_tls()->stranger;
    context_.stats.tls.count(tls_policy(),
                             stranger ? TlsFailure::validation_failure : secure_.failure);
    engine_.tls_established(context_.actions);
    perform();
    feed_engine();
  }
  progress();
}

void DeliverySession::handshake_late() {
  secure_.failure = TlsFailure::validation_failure;
  engine_.tls_failed("the handshake took too long", context_.actions);
  perform();
  progress();
}

void DeliverySession::on_tls_close(const smtp::ClientAction& action) {
  const Instant now = context_.loop.now().instant;
  const bool refused = action.reason == smtp::ClientClose::tls_refused;
  context_.stats.tls.count(tls_policy(),
                           refused ? TlsFailure::starttls_not_supported : secure_.failure);
  if (tls_demand() == TlsDemand::offered) {
    context_.hosts.note_tls_broken(candidate_->remote, now);
    again_in_clear_ = true;
    return;
  }
  context_.hosts.note_unreachable(candidate_->remote, now);
  note_failure(Phase::starttls, action.reply, action.detail);
}

}  // namespace ringpost::deliver
