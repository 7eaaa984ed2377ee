#include "net/sign/signature_cache.h"

#include <bit>

#include "core/base/assert.h"
#include "core/base/hash.h"

namespace ringpost::sign {

SignatureCache::SignatureCache(std::size_t entries_max)
    : entries_(entries_max), buckets_(std::bit_ceil(entries_max + 1), kNone) {
  RP_ASSERT(entries_max > 0 && entries_max < kNone);
  for (Entry& entry : entries_) {
    free_.push_back(entry);
  }
}

std::uint32_t& SignatureCache::bucket_of(const SignatureCacheKey& key) {
  const std::uint64_t words[] = {key.message.high, key.message.low, key.rules, key.edits};
  const std::uint64_t hash = hash64({reinterpret_cast<const char*>(words), sizeof words});
  return buckets_[hash & (buckets_.size() - 1)];
}

SignatureCache::Entry* SignatureCache::entry_of(const SignatureCacheKey& key) {
  for (std::uint32_t at = bucket_of(key); at != kNone; at = entries_[at].next) {
    if (entries_[at].key == key) {
      return &entries_[at];
    }
  }
  return nullptr;
}

// Out of its bucket and the list of used ones.
void SignatureCache::unlink(Entry& entry) {
  std::uint32_t* link = &bucket_of(entry.key);
  while (&entries_[*link] != &entry) {
    link = &entries_[*link].next;
  }
  *link = entry.next;
  entry.next = kNone;
  used_.remove(entry);
}

std::string_view SignatureCache::find(const SignatureCacheKey& key, WallTime now) {
  Entry* entry = entry_of(key);
  const bool good =
      entry != nullptr &&
      (entry->expires == 0 || entry->expires - now.unix_seconds() >= kLifeMin.whole_seconds());
  if (!good) {
    ++misses_;
    return {};
  }
  ++hits_;
  used_.remove(*entry);
  used_.push_back(*entry);
  return entry->fields;
}

void SignatureCache::keep(const SignatureCacheKey& key, std::string_view fields,
                          std::int64_t expires) {
  Entry* entry = entry_of(key);
  if (entry != nullptr) {
    unlink(*entry);
  } else if (free_.empty()) {
    entry = used_.front();
    unlink(*entry);
  } else {
    entry = free_.pop_front();
  }
  if (fields.empty() || fields.size() > kFieldsBytesMax) {
    free_.push_back(*entry);
    return;
  }
  entry->key = key;
  entry->expires = expires;
  entry->fields.assign(fields);
  std::uint32_t& bucket = bucket_of(key);
  entry->next = bucket;
  bucket = static_cast<std::uint32_t>(entry - entries_.data());
  used_.push_back(*entry);
}

void SignatureCache::clear() {
  while (Entry* entry = used_.front()) {
    unlink(*entry);
    free_.push_back(*entry);
  }
}

}  // namespace ringpost::sign
