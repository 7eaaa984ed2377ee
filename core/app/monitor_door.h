#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "core/app/accept_pause.h"
#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::app {

/// Listens on the management port and tells encrypted visitors from plain ones by the first octet
/// they send, so that one port serves both. A thread of its own; who says nothing is shown out, and
/// without descriptors it waits (AcceptPause).
class MonitorDoor {
 public:
  /// Takes a socket over, on the door's thread.
  using Visitor = void (*)(void* server, int socket, const sockaddr* from, socklen_t size);

  MonitorDoor() = default;
  MonitorDoor(const MonitorDoor&) = delete;
  MonitorDoor& operator=(const MonitorDoor&) = delete;
  ~MonitorDoor() { stop(); }

  /// `address` of `size` octets is listened on; IPv6 takes IPv4 too. `pass` is called with
  /// `encrypted` or `plain`.
  Status start(const sockaddr* address, socklen_t size, Visitor pass, void* encrypted, void* plain);
  void stop();
  std::uint16_t port() const noexcept { return port_; }

  static constexpr std::size_t kWaitingMax = 64;
  static constexpr Duration kPatience = Duration::seconds(5);

 private:
  struct Waiting {
    int socket = -1;
    sockaddr_storage from{};
    socklen_t size = 0;
    Instant until;
  };

  void run();
  void let_in();
  /// True: it was passed on or shown out.
  bool look_at(Waiting& visitor, bool readable);

  int listener_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;
  Visitor pass_ = nullptr;
  void* encrypted_ = nullptr;
  void* plain_ = nullptr;
  AcceptPause pause_{"the management port"};
  std::vector<Waiting> waiting_;
  std::thread thread_;
};

}  // namespace ringpost::app
