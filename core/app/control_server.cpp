#include "core/app/control_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/app/control_frame.h"

namespace ringpost::app {
namespace {

constexpr int kBacklog = 16;
constexpr Duration kFrameTime = Duration::seconds(5);

Result<int> bind_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error::of(ErrorCode::out_of_range,
                     "control-socket '" + path + "' is empty or longer than 107 octets");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    return Error::from_errno(errno, "socket");
  }
  // Not world-accessible at any moment, not even between bind and chmod.
  const mode_t mask = ::umask(0117);
  const int bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(mask);
  if (bound != 0 || ::listen(socket, kBacklog) != 0) {
    const Error failure = Error::from_errno(bound != 0 ? error : errno, "control-socket " + path);
    ::close(socket);
    return failure;
  }
  return socket;
}

}  // namespace

Status ControlServer::start(const std::string& path) {
  if (auto other = connect_control(path); other.ok()) {
    ::close(*other);
    return Error::of(ErrorCode::locked, "another ringpostd answers at " + path);
  }
  ::unlink(path.c_str());
  auto listener = bind_at(path);
  if (!listener) {
    return listener.error();
  }
  listener_ = *listener;
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  path_ = path;
  thread_ = std::thread([this] { serve(); });
  return {};
}

void ControlServer::stop() {
  if (!thread_.joinable()) {
    return;
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  thread_.join();
  ::close(listener_);
  ::close(wake_);
  ::unlink(path_.c_str());
}

void ControlServer::serve() {
  while (true) {
    pollfd entries[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(entries, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    if ((entries[1].revents & POLLIN) != 0) {
      return;
    }
    if ((entries[0].revents & POLLIN) == 0) {
      continue;
    }
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) {
      serve_client(client);
      ::close(client);
    }
  }
}

void ControlServer::serve_client(int client) {
  while (true) {
    const auto request = read_frame(client, kRequestBytesMax, kFrameTime);
    if (!request) {
      return;
    }
    if (!write_frame(client, handler_.answer(*request), kFrameTime)) {
      return;
    }
  }
}

}  // namespace ringpost::app
