#include "net/auth/desk.h"

#include <algorithm>

#include "core/base/assert.h"
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
  const User* const user =
      op.book == nullptr || op.proof != ClientProof::none ? nullptr : op.book->find(op.user);
  op.slow_ = user != nullptr && user->method == LoginMethod::system;
  if (under_way_ >= kUnderWayMax || (op.slow_ && slow_ >= kSlowMax)) {
    op.secret.clear();
    op.verdict = Verdict::busy;
    return loop_.complete(op, 0);
  }
  ++under_way_;
  slow_ += op.slow_ ? 1 : 0;
  op.desk_ = this;
  op.now_ = loop_.now().instant;
  op.work_.work = &Desk::work;
  op.work_.context = &op;
  op.work_.bind<&CheckOp::on_checked>(&op);
  Worker* const helpers = op.slow_ && slow_helpers_ != nullptr ? slow_helpers_ : helpers_;
  if (helpers == nullptr) {
    judge(op);
    return loop_.complete(op.work_, 0);
  }
  helpers->run(op.work_);
}

std::int32_t Desk::work(void* op) {
  auto& check = *static_cast<CheckOp*>(op);
  check.desk_->judge(check);
  return 0;
}

bool Desk::has_password(const CheckOp& op, const User& user) const {
  const std::string_view secret = op.secret.reveal();
  if (!op.challenge.empty()) {
    return user.secret.answers(op.challenge, secret);
  }
  if (user.secret.is_clear()) {
    return user.secret.matches(secret);
  }
  if (shared_.is_known(user, secret)) {
    return true;
  }
  const bool good = user.secret.matches(secret);
  if (good) {
    shared_.remember(user, secret);
  }
  return good;
}

SystemLogins::Answer Desk::look_at(const CheckOp& op, const User* user) const {
  using Answer = SystemLogins::Answer;
  const auto told = [](bool good) { return good ? Answer::good : Answer::bad; };
  if (op.proof != ClientProof::none) {
    return told(user != nullptr && op.proof == ClientProof::good &&
                std::find(user->certificates.begin(), user->certificates.end(), op.certificate) !=
                    user->certificates.end());
  }
  if (user != nullptr && user->method == LoginMethod::password) {
    return told(has_password(op, *user));
  }
  if (user != nullptr && user->method == LoginMethod::system && op.challenge.empty()) {
    return shared_.system == nullptr
               ? Answer::unknown
               : shared_.system->check(user->name, op.secret.reveal(), op.address);
  }
  if (op.challenge.empty()) {
    static_cast<void>(nobody().matches(op.secret.reveal()));
  }
  return Answer::bad;
}

void Desk::judge(CheckOp& op) const {
  FailureGuard& guard = shared_.guard;
  const bool unnamed = op.user.empty();
  const User* const user = op.book == nullptr ? nullptr
                           : unnamed          ? op.book->find(op.certificate)
                                              : op.book->find(op.user);
  const std::string_view digest(reinterpret_cast<const char*>(op.certificate.data()),
                                op.certificate.size());
  const std::uint64_t account =
      !unnamed ? hash64(op.user) : hash64(user != nullptr ? std::string_view(user->name) : digest);
  op.verdict = Verdict::too_many;
  if (guard.allows(op.address, account, op.failures_max, op.failures_period, op.now_)) {
    switch (look_at(op, user)) {
      case SystemLogins::Answer::good:
        RP_ASSERT(user != nullptr);
        op.verdict = Verdict::accepted;
        op.rules = user->rules;
        op.user.assign(user->name);
        guard.succeeded(op.address, account, op.now_);
        break;
      case SystemLogins::Answer::bad:
        op.verdict = Verdict::refused;
        guard.failed(op.address, account, op.failures_period, op.now_);
        break;
      case SystemLogins::Answer::unknown: op.verdict = Verdict::busy; break;
    }
  }
  op.secret.clear();
}

void CheckOp::on_checked(Completion&) { desk_->finish(*this); }

void Desk::finish(CheckOp& op) {
  --under_way_;
  slow_ -= op.slow_ ? 1 : 0;
  op.book.reset();
  loop_.complete(op, 0);
}

}  // namespace ringpost::auth
