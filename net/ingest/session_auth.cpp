#include <algorithm>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "net/ingest/session.h"

// Who the client is: users and what may be done in their name, and clients behind a proxy.

namespace ringpost::ingest {
namespace {

using smtp::ServerReply;
using smtp::ServerState;

constexpr ServerReply kTooManyFailures{421, "4.7.0", "Too many failed authentications"};
constexpr ServerReply kBlocked{421, "4.7.0", "Too many failures from here or of this user"};
constexpr ServerReply kNoService{554, "5.7.1", "No mail service for this user"};

// In one session; a client that has its password right needs one.
constexpr std::uint8_t kFailuresMax = 3;

}  // namespace

smtp::ServerLimits IngestSession::limits_of(const SourcePolicy& policy) const {
  smtp::ServerLimits limits = policy.limits;
  limits.recipients_max = std::min(limits.recipients_max, shard_.recipients.capacity());
  return limits;
}

// Between transactions: from here on these rules hold.
void IngestSession::use_policy(const SourcePolicy& policy) {
  policy_ = &policy;
  profile_.chunking = policy.chunking;
  profile_.smtputf8 = policy.smtputf8;
  profile_.dsn = policy.dsn;
  profile_.verp = policy.verp;
  profile_.bare_line_ends = policy.bare_line_ends;
  profile_.controls = policy.field_names;
  profile_.notes = config_->noted_names;
  profile_.watched_controls = policy.fields.size();
  profile_.excess_fails_message = policy.excess_fails_message;
  profile_.domain_suffix = policy.domain_suffix;
  profile_.starttls = policy.starttls && tls() != nullptr;
  profile_.auth = auth_offer();
  look_for_watchers();
  engine_.change_limits(limits_of(policy));
}

// What holds for this client now; asked anew after a handshake.
smtp::AuthOffer IngestSession::auth_offer() const {
  const SourcePolicy& policy = *policy_;
  if (shard_.desk == nullptr || policy.users == nullptr) {
    return {};
  }
  smtp::AuthOffer offer = policy.auth;
  offer.cram_md5 = policy.auth.cram_md5 && policy.users->has_clear();
  offer.external = policy.auth.external && policy.users->has_certificates() && secured_ &&
                   secure_op_->facts.client != ClientProof::none;
  if (policy.clear_auth_on_loopback && peer_.ip.is_loopback() && connected_from_.ip.is_loopback()) {
    offer.clear_text_ok = true;
  }
  return offer;
}

std::string_view IngestSession::on_auth_challenge() {
  TextBuilder out(queued_text_);
  out.add('<').add_hex(shard_.entropy.next64(), 16).add('.');
  out.add_hex(shard_.entropy.next64(), 16).add("@ringpost>");
  check_op_.challenge.assign(out.view());
  return check_op_.challenge;
}

void IngestSession::on_auth(const smtp::AuthAttempt& attempt) {
  RP_ASSERT(!checking_ && shard_.desk != nullptr);
  checking_ = true;
  check_op_.book = policy_->users;
  check_op_.user.assign(attempt.user);
  check_op_.secret.assign(attempt.secret);
  if (attempt.mechanism != smtp::AuthMechanism::cram_md5) {
    check_op_.challenge.clear();
  }
  check_op_.proof = ClientProof::none;
  if (attempt.mechanism == smtp::AuthMechanism::external) {
    check_op_.proof = secure_op_->facts.client;
    check_op_.certificate = secure_op_->facts.client_digest;
  }
  check_op_.address = peer_.ip;
  check_op_.failures_max = policy_->auth_failures_max;
  check_op_.failures_period = policy_->auth_failures_period;
  shard_.desk->check(check_op_);
}

void IngestSession::on_checked(Completion&) {
  checking_ = false;
  if (engine_.state() != ServerState::awaiting_auth) {
    // The connection went away meanwhile.
    return state_ == State::open ? pump() : settle();
  }
  engine_.complete_auth(verdict_of(check_op_.verdict));
  active_ = shard_.loop.now().instant;
  pump();
}

ServerReply IngestSession::verdict_of(auth::Verdict verdict) {
  switch (verdict) {
    case auth::Verdict::accepted:
      if (!become_user()) {
        return kNoService;
      }
      ++shard_.stats.authenticated;
      return smtp::replies::kAuthenticated;
    case auth::Verdict::busy: return smtp::replies::kAuthLater;
    case auth::Verdict::too_many: ++shard_.stats.auth_failed; return kBlocked;
    case auth::Verdict::refused: break;
  }
  ++shard_.stats.auth_failed;
  return ++auth_failures_ >= kFailuresMax ? kTooManyFailures : smtp::replies::kAuthFailed;
}

// The rules of the user's source take the place of those of the address, unless the listener has
// rules that bind its users too. False: the source gives no service.
bool IngestSession::become_user() {
  if (check_op_.rules != kSameRules && !policy_->keeps_rules) {
    const SourcePolicy& own = config_->policy_for(peer_.ip, check_op_.rules);
    if (!own.accept) {
      return false;
    }
    use_policy(own);
  }
  return true;
}

Welcome IngestSession::proxied_welcome() {
  if (!policy_->accept) {
    return Welcome::not_for_you;
  }
  return owner_.changes_group(*this, policy_->slot_group) ? Welcome::serve : Welcome::too_many;
}

// Whose connection this is, said by the proxy. Nothing is answered to one that does not say so.
void IngestSession::read_proxy_header() {
  using Read = smtp::ProxyHeader::State;
  smtp::ProxyHeader& header = *std::get_if<smtp::ProxyHeader>(&reader_);
  while (header.state() == Read::reading && next_chunk()) {
    const std::size_t used = header.feed(chunk_.view().substr(chunk_used_));
    chunk_used_ += static_cast<std::uint32_t>(used);
    if (chunk_used_ == chunk_.size) {
      drop_chunk();
    }
  }
  if (header.state() == Read::done) {
    if (header.has_source()) {
      peer_ = header.source();
      policy_ = &config_->policy_for(peer_.ip, rules());
    }
    active_ = shard_.loop.now().instant;
    open(proxied_welcome());  // the header's place is reused
    return state_ == State::open ? pump() : void();
  }
  if (header.state() == Read::bad || receive_op_.ended) {
    ++shard_.stats.proxy_refused;
    close();
  }
}

}  // namespace ringpost::ingest
