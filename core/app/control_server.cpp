#include "core/app/control_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <system_error>

#include "core/app/control_frame.h"
#include "net/wire/ring_driver.h"

namespace ringpost::app {
namespace {

constexpr int kBacklog = 64;
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
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  path_ = path;
  stopping_.store(false);
  thread_ = std::thread([this] { serve(); });
  return {};
}

void ControlServer::stop() {
  if (!thread_.joinable()) {
    return;
  }
  stopping_.store(true);
  raise();
  thread_.join();
  ::close(listener_);
  ::close(wake_);
  ::unlink(path_.c_str());
}

void ControlServer::raise() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(wake_, &one, sizeof one);
}

void ControlServer::serve() {
  while (!stopping_.load()) {
    const Instant now = read_clocks().instant;
    const bool room = clients_.size() < kClientsMax && pause_.over(now);
    pollfd entries[2] = {{room ? listener_ : -1, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(entries, 2, pause_.timeout_ms(-1, now)) < 0 && errno != EINTR) {
      break;
    }
    if ((entries[1].revents & POLLIN) != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
      reap();
    }
    if ((entries[0].revents & POLLIN) != 0 && !stopping_.load()) {
      accept_client();
    }
  }
  {
    // Who asks nothing is not waited for; an answer under way still leaves.
    const std::lock_guard lock(mutex_);
    for (const Client& client : clients_) {
      if (!client.done) {
        ::shutdown(client.socket, SHUT_RD);
      }
    }
  }
  for (Client& client : clients_) {
    client.thread.join();
  }
  clients_.clear();
}

void ControlServer::accept_client() {
  const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) {
    pause_.failed(errno, read_clocks().instant);
    return;
  }
  Client& client = clients_.emplace_back();
  client.socket = socket;
  try {
    client.thread = std::thread([this, &client] { serve_client(client); });
  } catch (const std::system_error&) {  // no thread is to be had now
    ::close(socket);
    clients_.pop_back();
  }
}

void ControlServer::reap() {
  std::list<Client> done;
  {
    const std::lock_guard lock(mutex_);
    for (auto client = clients_.begin(); client != clients_.end();) {
      const auto next = std::next(client);
      if (client->done) {
        done.splice(done.end(), clients_, client);
      }
      client = next;
    }
  }
  for (Client& client : done) {
    client.thread.join();
  }
}

void ControlServer::serve_client(Client& client) {
  while (!stopping_.load()) {
    const auto request = read_frame(client.socket, kRequestBytesMax, kFrameTime);
    if (!request || !write_frame(client.socket, handler_.answer(*request), kFrameTime)) {
      break;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    ::close(client.socket);
    client.done = true;
  }
  raise();
}

}  // namespace ringpost::app
