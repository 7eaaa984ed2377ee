#include "core/app/control_frame.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace ringpost::app {
namespace {

std::int64_t monotonic_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

/// Waits until the socket can be read or written; false at the deadline.
bool wait_for(int socket, short events, std::int64_t deadline_ms) {
  pollfd entry{socket, events, 0};
  const std::int64_t left = std::max<std::int64_t>(deadline_ms - monotonic_ms(), 0);
  return ::poll(&entry, 1, static_cast<int>(left)) > 0;
}

Status read_exactly(int socket, char* out, std::size_t size, std::int64_t deadline_ms) {
  for (std::size_t have = 0; have < size;) {
    if (!wait_for(socket, POLLIN, deadline_ms)) {
      return Error::of(ErrorCode::timed_out, "reading from the control socket");
    }
    const ssize_t got = ::recv(socket, out + have, size - have, 0);
    if (got == 0) {
      return Error::of(ErrorCode::reset, have == 0 ? "" : "in the middle of a frame");
    }
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
      return Error::from_errno(errno, "reading from the control socket");
    }
    have += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return {};
}

}  // namespace

Result<std::string> read_frame(int socket, std::size_t bytes_max, Duration time_limit) {
  const std::int64_t deadline = monotonic_ms() + time_limit.whole_milliseconds();
  std::array<unsigned char, 4> header{};
  if (auto got = read_exactly(socket, reinterpret_cast<char*>(header.data()), 4, deadline); !got) {
    return got.error();
  }
  const std::size_t size = std::size_t{header[0]} << 24 | std::size_t{header[1]} << 16 |
                           std::size_t{header[2]} << 8 | std::size_t{header[3]};
  if (size > bytes_max) {
    return Error::of(ErrorCode::out_of_range, "a control frame of " + std::to_string(size) +
                                                  " octets; at most " + std::to_string(bytes_max) +
                                                  " are taken");
  }
  std::string body(size, '\0');
  if (auto got = read_exactly(socket, body.data(), size, deadline); !got) {
    return got.error();
  }
  return body;
}

Status write_frame(int socket, std::string_view body, Duration time_limit) {
  const std::int64_t deadline = monotonic_ms() + time_limit.whole_milliseconds();
  const auto size = static_cast<std::uint32_t>(body.size());
  std::string frame;
  frame.reserve(body.size() + 4);
  for (int shift = 24; shift >= 0; shift -= 8) {
    frame += static_cast<char>(size >> shift);
  }
  frame.append(body);
  for (std::size_t sent = 0; sent < frame.size();) {
    if (!wait_for(socket, POLLOUT, deadline)) {
      return Error::of(ErrorCode::timed_out, "writing to the control socket");
    }
    const ssize_t put =
        ::send(socket, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno != EINTR && errno != EAGAIN) {
      return Error::from_errno(errno, "writing to the control socket");
    }
    sent += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  return {};
}

Result<int> connect_control(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error::of(ErrorCode::out_of_range,
                     "control socket path '" + path + "' is empty or longer than 107 octets");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    return Error::from_errno(errno, "socket");
  }
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(socket);
    return Error::from_errno(error, "no ringpostd answers at " + path);
  }
  return socket;
}

}  // namespace ringpost::app
