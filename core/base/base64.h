#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringpost {

/// Octets that base64 of `octets` octets takes (RFC 4648 section 4), padding included.
constexpr std::size_t base64_size(std::size_t octets) noexcept { return (octets + 2) / 3 * 4; }

/// Base64 with padding, without line ends. Allocates.
std::string to_base64(std::string_view octets);
/// The same into `out`, which has base64_size() octets at least, without allocation; the octets
/// written.
std::size_t to_base64(std::string_view octets, std::span<char> out);

/// The octets behind base64 `text`, or nothing where it does not follow RFC 4648 section 4: only
/// the alphabet, full quanta, padding at the end alone, and no bits left over. Blanks are not
/// skipped. Allocates.
std::optional<std::string> from_base64(std::string_view text);

/// The same into `out`, without allocation: the octets written, or nothing where the text is no
/// base64 or does not fit.
std::optional<std::size_t> from_base64(std::string_view text, std::span<char> out);

}  // namespace ringpost
