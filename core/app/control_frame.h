#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::app {

/// The control socket speaks frames: four octets of length, most significant first, then that many
/// octets of JSON. One request frame, one reply frame, any number of times.
inline constexpr std::size_t kRequestBytesMax = 64 * 1024;
inline constexpr std::size_t kReplyBytesMax = 256 * 1024 * 1024;

/// Blocking, with a deadline for the whole frame. reset: the peer closed (before the first octet
/// the detail is empty). out_of_range: the announced length is above `bytes_max`.
Result<std::string> read_frame(int socket, std::size_t bytes_max, Duration time_limit);
Status write_frame(int socket, std::string_view body, Duration time_limit);

/// Connects to a daemon's control socket; the caller owns the descriptor.
Result<int> connect_control(const std::string& path);

}  // namespace ringpost::app
