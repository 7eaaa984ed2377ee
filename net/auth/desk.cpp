#include "net/auth/desk.h"

#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::auth {
namespace {

/// What a stranger's password is compared with, so that the time does not tell who is known here.
const StoredSecret& nobody() {
  static const StoredSecret secret = [] {
    auto parsed = StoredSecret::parse(
        "$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    return parsed.ok() ? *parsed : StoredSecret();
  }();
  return secret;
}

}  // namespace

SharedState::SharedState() { RP_ASSERT(random_octets(key_.data(), key_.size())); }

std::string SharedState::digest(const User& user, std::string_view password) const {
  const std::uint64_t stored = user.secret.fingerprint();
  return keyed_digest(
      {key_.data(), key_.size()},
      {user.name, password, {reinterpret_cast<const char*>(&stored), sizeof stored}});
}

bool SharedState::is_known(const User& user, std::string_view password) {
  const std::string wanted = digest(user, password);
  const std::lock_guard lock(mutex_);
  return known_.count(wanted) != 0;
}

void SharedState::remember(const User& user, std::string_view password) {
  std::string fresh = digest(user, password);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kKnownMax) {
    known_.clear();
  }
  known_.insert(std::move(fresh));
}

void Desk::check(CheckOp& op) {
  if (under_way_ >= kUnderWayMax) {
    op.secret.clear();
    op.verdict = Verdict::busy;
    return loop_.complete(op, 0);
  }
  ++under_way_;
  op.desk_ = this;
  op.now_ = loop_.now().instant;
  op.work_.work = &Desk::work;
  op.work_.context = &op;
  op.work_.bind<&CheckOp::on_checked>(&op);
  if (helpers_ == nullptr) {
    judge(op);
    return loop_.complete(op.work_, 0);
  }
  helpers_->run(op.work_);
}

std::int32_t Desk::work(void* op) {
  auto& check = *static_cast<CheckOp*>(op);
  check.desk_->judge(check);
  return 0;
}

void Desk::judge(CheckOp& op) const {
  FailureGuard& guard = shared_.guard;
  const std::uint64_t account = hash64(op.user);
  if (!guard.allows(op.address, account, op.failures_max, op.failures_period, op.now_)) {
    op.verdict = Verdict::too_many;
  } else {
    const User* user = op.book == nullptr ? nullptr : op.book->find(op.user);
    const std::string_view secret = op.secret.reveal();
    bool good = false;
    if (!op.challenge.empty()) {
      good = user != nullptr && user->secret.answers(op.challenge, secret);
    } else if (user == nullptr) {
      static_cast<void>(nobody().matches(secret));
    } else if (user->secret.is_clear()) {
      good = user->secret.matches(secret);
    } else {
      good = shared_.is_known(*user, secret) || user->secret.matches(secret);
    }
    op.verdict = good ? Verdict::accepted : Verdict::refused;
    if (good) {
      op.rules = user->rules;
      guard.succeeded(op.address, account, op.now_);
      if (op.challenge.empty() && !user->secret.is_clear()) {
        shared_.remember(*user, secret);
      }
    } else {
      guard.failed(op.address, account, op.failures_period, op.now_);
    }
  }
  op.secret.clear();
}

void CheckOp::on_checked(Completion&) { desk_->finish(*this); }

void Desk::finish(CheckOp& op) {
  --under_way_;
  op.book.reset();
  loop_.complete(op, 0);
}

}  // namespace ringpost::auth
