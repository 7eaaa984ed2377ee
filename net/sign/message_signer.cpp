#include "net/sign/message_signer.h"

#include <algorithm>
#include <cerrno>

#include "core/base/hash.h"

namespace ringpost::sign {
namespace {

/// The hash that reception took of the body, if it took it in this form.
bool known_hash(const SigningFacts& facts, Canon form, BodyHash& out) {
  const bool simple = form == Canon::simple;
  if ((facts.forms & (simple ? SigningFacts::kSimple : SigningFacts::kRelaxed)) == 0) {
    return false;
  }
  const BodyDigest& digest = simple ? facts.simple : facts.relaxed;
  out = {digest.sha256, digest.octets};
  return true;
}

BodyHash hash_of(std::string_view content, Canon form) {
  CanonSet wanted;
  wanted.add(form);
  BodyHasher hasher;
  hasher.start(wanted, BodyHasher::Begin::content);
  hasher.feed(content);
  hasher.finish();
  return hasher.hash(form);
}

}  // namespace

MessageSigner::MessageSigner(Loop& loop, BodySource& below, Worker* helpers,
                             const SignerOptions& options)
    : loop_(loop),
      below_(below),
      helpers_(helpers),
      helpers_max_(helpers == nullptr ? 0 : options.helpers_max),
      cache_(options.cache_entries) {}

MessageSigner::~MessageSigner() {
  RP_ASSERT_NOTE(helping_ == 0 && here_ == nullptr && waiting_.empty(),
                 "destroyed while messages are being signed");
}

MessageSigner::Task& MessageSigner::take_task() {
  if (Task* task = free_.pop_front()) {
    return *task;
  }
  Task& task = *tasks_.emplace_back(std::make_unique<Task>());
  task.signer = this;
  task.op.bind<&Task::on_helped>(&task);
  task.op.work = &Task::work;
  task.op.context = &task;
  return task;
}

void MessageSigner::open(Job& job) {
  if (job.policy == nullptr || job.policy->signing == nullptr) {
    return below_.open(job);
  }
  Task& task = take_task();
  task.job = &job;
  task.plan = job.policy->signing.get();
  task.users = job.opened.binding();
  job.opened.bind<&Task::on_opened>(&task);
  below_.open(job);
}

void MessageSigner::opened(Task& task, std::int32_t result) {
  if (result < 0) {
    return pass_on(task, result);
  }
  const MessageView& view = task.job->view;
  task.now = loop_.now().wall;
  task.prepared = false;
  task.status = {};
  task.made = 0;
  task.key = {view.id, task.plan->fingerprint,
              view.signing.options.empty() ? 0 : hash64(view.signing.options)};
  if (view.content.dated_late) {
    task.key.edits = hash64(view.prefix, task.key.edits);
  }
  if (from_cache(task)) {
    return;
  }
  BodyHash body;
  if (known_hash(view.signing, task.plan->rules.options.body, body)) {
    task.prepare(header_);
    if (task.pending.empty()) {
      return finish(task);
    }
  } else {
    ++stats_.late_hashes;
  }
  waiting_.push_back(task);
}

bool MessageSigner::from_cache(Task& task) {
  const std::string_view fields = cache_.find(task.key, task.now);
  if (fields.empty()) {
    return false;
  }
  ++stats_.cached;
  task.job->signature.assign(fields);
  pass_on(task, 0);
  return true;
}

// The next that must be signed: another copy of the message may have been meanwhile.
MessageSigner::Task* MessageSigner::next_waiting() {
  while (Task* task = waiting_.pop_front()) {
    if (!from_cache(*task)) {
      return task;
    }
  }
  return nullptr;
}

bool MessageSigner::end_of_turn(Now) {
  while (helping_ < helpers_max_) {
    Task* task = next_waiting();
    if (task == nullptr) {
      break;
    }
    ++helping_;
    helpers_->run(task->op);
  }
  if (here_ == nullptr) {
    here_ = next_waiting();
  }
  if (here_ != nullptr) {
    if (!here_->prepared) {
      here_->prepare(header_);
    }
    here_->step();
    if (!here_->status.ok() || here_->made == here_->pending.size()) {
      Task& task = *here_;
      here_ = nullptr;
      finish(task);
    }
  }
  return here_ != nullptr || !waiting_.empty();
}

void MessageSigner::helped(Task& task) {
  --helping_;
  finish(task);
}

std::int32_t MessageSigner::Task::work(void* context) {
  Task& task = *static_cast<Task*>(context);
  if (!task.prepared) {
    HeaderSection header;
    task.prepare(header);
  }
  while (task.step()) {
  }
  return 0;
}

bool MessageSigner::Task::step() {
  if (!status.ok() || made == pending.size()) {
    return false;
  }
  status = pending[made].sign();
  made += status.ok() ? 1 : 0;
  return status.ok() && made < pending.size();
}

void MessageSigner::Task::prepare(HeaderSection& header) {
  const MessageView& view = job->view;
  prepared = true;
  pending.clear();
  header.read(view.prefix, view.body, view.kept);
  Status made_ready;
  if (view.signing.options.empty()) {
    made_ready = prepare_by(plan->rules, plan->scopes(), header);
  } else if (const auto options = MessageOptions::parse(view.signing.options); options.ok()) {
    const auto message = apply_options(*options, *plan);
    made_ready = message.ok() ? prepare_by(message->rules, message->scopes, header)
                              : Status(message.error());
  }
  // A message that cannot be signed as its options or its header are goes out without: nothing of
  // that would be different at the next attempt.
  if (!made_ready.ok()) {
    pending.clear();
  }
}

Status MessageSigner::Task::prepare_by(const SigningRules& rules,
                                       const std::vector<const KeyBook*>& scopes,
                                       const HeaderSection& header) {
  BodyHash body;
  if (!known_hash(job->view.signing, rules.options.body, body)) {
    body = hash_of(job->view.body, rules.options.body);
  }
  return prepare_signatures(rules, scopes, header, body, now, pending);
}

void MessageSigner::finish(Task& task) {
  if (!task.status.ok()) {
    ++stats_.failed;
    return pass_on(task, -ENOKEY);
  }
  if (task.pending.empty()) {
    ++stats_.unsigned_mail;
    return pass_on(task, 0);
  }
  stats_.signatures += task.pending.size();
  fields_.clear();
  std::int64_t expires = 0;
  for (const PendingSignature& one : task.pending) {
    fields_ += one.field();
    const std::int64_t end = one.input.expires();
    expires = expires == 0 ? end : (end == 0 ? expires : std::min(expires, end));
  }
  cache_.keep(task.key, fields_, expires);
  task.job->signature.assign(fields_);
  pass_on(task, 0);
}

void MessageSigner::pass_on(Task& task, std::int32_t result) {
  Job& job = *task.job;
  task.job = nullptr;
  task.plan = nullptr;
  task.pending.clear();
  free_.push_back(task);
  job.opened.rebind(task.users);
  loop_.complete(job.opened, result);
}

}  // namespace ringpost::sign
