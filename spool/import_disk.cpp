#include "spool/import_disk.h"

#include <algorithm>
#include <cerrno>

namespace ringpost::spool {

void PromptDisk::done(Completion& op, std::int32_t result) {
  failed_ = failed_ || result < 0;
  op.start();
  done_.emplace_back(&op, result);
}

void PromptDisk::write(WriteOp& op) {
  gathered_.clear();
  for (std::uint32_t i = 0; i < op.slice_count; ++i) {
    gathered_.append(op.slices[i].view());
  }
  const Status written = disk_.write_now(op.file, op.offset, gathered_, op.durable);
  done(op, written ? static_cast<std::int32_t>(gathered_.size()) : -EIO);
}

void PromptDisk::sync(SyncOp& op) { done(op, disk_.write_now(op.file, 0, {}, true) ? 0 : -EIO); }

void PromptDisk::prepare(PrepareOp& op) {
  const std::string zeroes(4096, '\0');
  auto file = disk_.create(op.path);
  if (!file && file.error().code == ErrorCode::already_exists) {
    file = disk_.open(op.path, true);
  }
  if (!file) {
    done(op, -EIO);
    return;
  }
  const Status written = disk_.write_now(*file, op.size - zeroes.size(), zeroes, true);
  disk_.close(*file);
  done(op, written ? 0 : -EIO);
}

bool PromptDisk::hand_over(ReadyList& ready) {
  const auto done = std::move(done_);
  done_.clear();
  for (const auto& [completion, result] : done) {
    completion->result = result;
    ready.push(*completion);
  }
  return !done.empty();
}

void PromptDriver::wait(ReadyList& ready, Instant until) {
  if (disk_.hand_over(ready) || until <= now_.instant) {
    return;
  }
  const Duration sleep = std::min(until - now_.instant, Duration::milliseconds(50));
  now_ = {now_.instant + sleep, now_.wall + sleep};
}

}  // namespace ringpost::spool
