#include "net/resolve/answer_cache.h"

namespace ringpost::resolve {

AnswerRef AnswerCache::find(std::string_view key, Instant now) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) {
    return nullptr;
  }
  if (at->second.answer->expires <= now) {
    drop(at);
    return nullptr;
  }
  used_.remove(at->second);
  used_.push_back(at->second);
  return at->second.answer;
}

void AnswerCache::keep(std::string_view key, AnswerRef answer) {
  const auto old = entries_.find(key);
  if (old != entries_.end()) {
    drop(old);
  }
  // The map's node and the list's link are part of what an entry costs.
  const std::size_t bytes = answer->bytes() + key.size() + sizeof(Map::value_type) + 32;
  if (entries_max_ == 0 || bytes > bytes_max_) {
    return;
  }
  while (!used_.empty() && (entries_.size() >= entries_max_ || bytes_ + bytes > bytes_max_)) {
    drop(entries_.find(used_.front()->key));
  }
  const auto at = entries_.try_emplace(std::string(key)).first;
  at->second.answer = std::move(answer);
  at->second.key = at->first;
  at->second.bytes = bytes;
  used_.push_back(at->second);
  bytes_ += bytes;
}

void AnswerCache::clear() {
  while (!used_.empty()) {
    drop(entries_.find(used_.front()->key));
  }
}

void AnswerCache::drop(Map::iterator at) {
  RP_ASSERT(at != entries_.end() && bytes_ >= at->second.bytes);
  bytes_ -= at->second.bytes;
  used_.remove(at->second);
  entries_.erase(at);
}

}  // namespace ringpost::resolve
