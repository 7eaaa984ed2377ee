#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ringpost::smtp {

/// Where the octets that matter stand in a block of at most 64: bit i for octet i.
struct BlockMasks {
  std::uint64_t lf = 0;
  std::uint64_t cr = 0;
  std::uint64_t high = 0;  ///< octets with the high bit set
};

inline constexpr std::size_t kBlockBytes = 64;

/// The masks of exactly kBlockBytes octets.
inline BlockMasks masks_of_block(const char* bytes) noexcept {
  BlockMasks masks;
#if defined(__SSE2__)
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i cr = _mm_set1_epi8('\r');
  const auto bits = [](__m128i vector) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(vector)));
  };
  for (unsigned lane = 0; lane < 4; ++lane) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + lane * 16));
    masks.lf |= bits(_mm_cmpeq_epi8(v, lf)) << (lane * 16);
    masks.cr |= bits(_mm_cmpeq_epi8(v, cr)) << (lane * 16);
    masks.high |= bits(v) << (lane * 16);
  }
#else
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const auto octet = static_cast<unsigned char>(bytes[i]);
    masks.lf |= static_cast<std::uint64_t>(octet == '\n') << i;
    masks.cr |= static_cast<std::uint64_t>(octet == '\r') << i;
    masks.high |= static_cast<std::uint64_t>(octet >> 7) << i;
  }
#endif
  return masks;
}

/// The masks of the last `size` < kBlockBytes octets of a run.
inline BlockMasks masks_of_tail(const char* bytes, std::size_t size) noexcept {
  char block[kBlockBytes] = {};
  std::memcpy(block, bytes, size);
  return masks_of_block(block);
}

}  // namespace ringpost::smtp
