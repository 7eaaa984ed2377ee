#include "core/base/assert.h"
#include "net/ingest/session.h"

// Encryption: from the first octet, or after STARTTLS.

namespace ringpost::ingest {

void IngestSession::begin_handshake() {
  RP_ASSERT(send_op_.idle() && tls() != nullptr);
  // Only what came behind the header of a proxy; never what came in clear behind STARTTLS.
  RP_ASSERT(!have_chunk_ || engine_.state() == smtp::ServerState::closed);
  state_ = State::securing;
  set_paused(false);
  if (secure_op_ == nullptr) {
    secure_op_ = std::make_unique<SecureOp>();
    secure_op_->bind<&IngestSession::on_secured>(this);
  }
  secure_op_->stream = stream_;
  secure_op_->receive = &receive_op_;
  secure_op_->context = *tls();
  secure_op_->server = true;
  secure_op_->has_early = have_chunk_;
  secure_op_->early = chunk_;
  secure_op_->early_used = chunk_used_;
  have_chunk_ = false;
  shard_.loop.timers().arm(timer_, shard_.loop.now().instant + config_->handshake_timeout);
  shard_.tls.secure(*secure_op_);
}

void IngestSession::on_secured(Completion&) {
  secure_op_->context.reset();
  if (state_ != State::securing) {
    return settle();
  }
  tell_tls();
  if (secure_op_->result < 0) {
    ++shard_.stats.tls_failed;
    return close();
  }
  ++shard_.stats.tls_sessions;
  secured_ = true;
  profile_.auth = auth_offer();
  state_ = State::open;
  active_ = shard_.loop.now().instant;
  if (engine_.state() == smtp::ServerState::awaiting_tls) {
    engine_.tls_established();
  } else {
    greet(shard_.stopping ? Welcome::stopping : Welcome::serve, true);
  }
  shard_.loop.timers().arm(timer_, active_ + patience());
  pump();
}

}  // namespace ringpost::ingest
