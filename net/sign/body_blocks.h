#pragma once

#include <cstddef>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ringpost::sign {

/// Whether canonicalisation may change something at `c`, which `next` follows: a blank that is not
/// a single space inside a line (relaxed only), a line end before an empty line or a dot, a CR that
/// ends no line.
template <bool kRelaxed>
constexpr bool is_change(char c, char next) noexcept {
  if (kRelaxed && (c == '\t' || (c == ' ' && (next == ' ' || next == '\t' || next == '\r')))) {
    return true;
  }
  return (c == '\n' && (next == '\r' || next == '.')) || (c == '\r' && next != '\n');
}

#if defined(__SSE2__)
/// The same for 16 octets: a bit each. Reads 17.
template <bool kRelaxed>
inline unsigned changes_of_block(const char* octets) noexcept {
  const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(octets));
  const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(octets + 1));
  const auto are = [](__m128i block, char c) { return _mm_cmpeq_epi8(block, _mm_set1_epi8(c)); };
  const __m128i next_cr = are(b, '\r');
  __m128i found = _mm_or_si128(_mm_and_si128(are(a, '\n'), _mm_or_si128(next_cr, are(b, '.'))),
                               _mm_andnot_si128(are(b, '\n'), are(a, '\r')));
  if (kRelaxed) {
    const __m128i next_blank = _mm_or_si128(_mm_or_si128(are(b, ' '), are(b, '\t')), next_cr);
    found = _mm_or_si128(found, _mm_or_si128(are(a, '\t'), _mm_and_si128(are(a, ' '), next_blank)));
  }
  return static_cast<unsigned>(_mm_movemask_epi8(found));
}
#endif

/// The first place from `at` on where is_change() holds, or the last octet, whose successor is not
/// known. `at` < text.size().
template <bool kRelaxed>
inline std::size_t find_change(std::string_view text, std::size_t at) noexcept {
#if defined(__SSE2__)
  while (text.size() - at > 16) {
    const unsigned found = changes_of_block<kRelaxed>(text.data() + at);
    if (found != 0) {
      return at + static_cast<std::size_t>(__builtin_ctz(found));
    }
    at += 16;
  }
#endif
  while (at + 1 < text.size() && !is_change<kRelaxed>(text[at], text[at + 1])) {
    ++at;
  }
  return at;
}

}  // namespace ringpost::sign
