#include "core/app/sts_fetcher.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "net/wire/https_get.h"

namespace ringpost::app {
namespace {

using resolve::StsPolicy;
using resolve::StsPolicyRef;

std::string key_of(const std::string& domain, const std::string& authorities) {
  return domain + "\t" + authorities;
}

bool is_closed(const void* store) { return static_cast<const StsStore*>(store)->closed(); }

}  // namespace

StsStore::StsStore(std::string file, WallTime now) : file_(std::move(file)) {
  load(now);
  rewrite();
}

StsStore::~StsStore() {
  if (out_ != nullptr) {
    std::fclose(out_);
  }
}

void StsStore::load(WallTime now) {
  std::ifstream in(file_);
  std::string line;
  std::size_t broken = 0;
  while (std::getline(in, line)) {
    auto read = resolve::parse_sts_line(line);
    if (!read) {
      ++broken;
      continue;
    }
    read->policy.fetched = std::min(read->policy.fetched, now);  // a clock that stepped back
    auto policy = std::make_shared<const StsPolicy>(std::move(read->policy));
    policies_[key_of(policy->domain, read->authorities)] = {policy, read->authorities};
  }
  if (broken > 0) {
    warnings_.push_back(file_ + ": " + std::to_string(broken) + " lines are no policies");
  }
  drop_expired(now);
}

void StsStore::drop_expired(WallTime now) {
  std::erase_if(policies_,
                [now](const auto& entry) { return entry.second.policy->expires() <= now; });
}

// A new file in the place of the old one, so that a crash leaves one of them whole.
void StsStore::rewrite() {
  if (out_ != nullptr) {
    std::fclose(out_);
  }
  const std::string fresh = file_ + ".new";
  out_ = std::fopen(fresh.c_str(), "we");
  bool good = out_ != nullptr;
  lines_ = 0;
  for (const auto& [key, kept] : policies_) {
    good = good && std::fprintf(out_, "%s\n",
                                resolve::sts_line(*kept.policy, kept.authorities).c_str()) > 0;
    ++lines_;
  }
  good = good && std::fflush(out_) == 0 && ::fdatasync(::fileno(out_)) == 0 &&
         std::rename(fresh.c_str(), file_.c_str()) == 0;
  if (!good) {
    warnings_.push_back("policies of MTA-STS are not kept: " +
                        Error::from_errno(errno, fresh).describe());
    if (out_ != nullptr) {
      std::fclose(out_);
      out_ = nullptr;
    }
  }
}

StsPolicyRef StsStore::find(const std::string& domain, const std::string& authorities,
                            WallTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = policies_.find(key_of(domain, authorities));
  const bool live = found != policies_.end() && found->second.policy->expires() > now;
  return live ? found->second.policy : nullptr;
}

void StsStore::keep(StsPolicyRef policy, const std::string& authorities, WallTime now) {
  const std::lock_guard lock(mutex_);
  const std::string key = key_of(policy->domain, authorities);
  if (policies_.size() >= kPoliciesMax && policies_.find(key) == policies_.end()) {
    drop_expired(now);
    if (policies_.size() >= kPoliciesMax) {
      return;
    }
  }
  policies_[key] = {policy, authorities};
  if (out_ == nullptr) {
    return;
  }
  if (lines_ >= 2 * kPoliciesMax) {
    rewrite();
    return;
  }
  ++lines_;
  std::fprintf(out_, "%s\n", resolve::sts_line(*policy, authorities).c_str());
  std::fflush(out_);
  ::fdatasync(::fileno(out_));
}

std::size_t StsStore::size() {
  const std::lock_guard lock(mutex_);
  return policies_.size();
}

// On a worker's thread.
void StsFetcher::Task::run() {
  policy = store->find(domain, authorities, now);
  if (id.empty() || (policy != nullptr && policy->id == id && !policy->is_due(now)) ||
      store->closed()) {
    return;
  }
  HttpsRequest request;
  request.host = "mta-sts." + domain;
  request.path = "/.well-known/mta-sts.txt";
  request.addresses = addresses;
  request.authorities = authorities;
  request.bytes_max = resolve::kStsPolicyBytesMax;
  request.cancelled = &is_closed;
  request.context = store;
  const HttpsReply reply = https_get(request);
  if (!reply.done) {
    failure = reply.certificate_faulty ? TlsFailure::sts_webpki_invalid
                                       : TlsFailure::sts_policy_fetch_error;
    reason = reply.reason;
    return;
  }
  auto read = resolve::parse_sts_policy(reply.body);
  if (!read) {
    failure = TlsFailure::sts_policy_invalid;
    reason = read.error().detail;
    return;
  }
  read->domain = domain;
  read->id = id;
  read->fetched = now;
  policy = std::make_shared<const StsPolicy>(std::move(*read));
  store->keep(policy, authorities, now);
}

void StsFetcher::fetch(resolve::StsFetchOp& op) {
  op.start();
  if (free_.empty()) {
    Task& made = *all_.emplace_back(std::make_unique<Task>());
    made.home = this;
    made.store = &store_;
    made.work.context = &made;
    made.work.work = [](void* task) {
      static_cast<Task*>(task)->run();
      return std::int32_t{0};
    };
    made.work.bind<&Task::on_done>(&made);
    free_.push_back(&made);
  }
  Task& task = *free_.back();
  free_.pop_back();
  task.op = &op;
  task.domain = op.domain;
  task.id = op.id;
  task.authorities = op.authorities;
  task.addresses = op.addresses;
  task.now = driver_.now().wall;
  task.policy = nullptr;
  task.failure = TlsFailure::none;
  task.reason.clear();
  worker_.run(task.work);
}

void StsFetcher::Task::on_done(Completion&) {
  op->policy = std::move(policy);
  op->failure = failure;
  op->reason = std::move(reason);
  home->free_.push_back(this);
  home->driver_.finish(*op, 0);
}

}  // namespace ringpost::app
