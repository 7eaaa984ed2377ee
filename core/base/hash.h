#pragma once

#include <cstdint>
#include <string_view>

namespace ringpost {

/// xxh3, 64 bits. Stable across hosts and releases: it decides on-disk checksums and which shard
/// a queue lives on. Not for secrets.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0) noexcept;

/// Incremental form of hash64 over several runs of bytes; gives the same value as hashing their
/// concatenation. Owns about 600 bytes; no allocation.
class Hasher64 {
 public:
  explicit Hasher64(std::uint64_t seed = 0) noexcept;
  void update(std::string_view bytes) noexcept;
  std::uint64_t digest() const noexcept;

 private:
  alignas(64) unsigned char state_[640];
};

}  // namespace ringpost
