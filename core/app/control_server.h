#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "core/app/accept_pause.h"
#include "core/base/result.h"

namespace ringpost::app {

/// Answers one request. Called on a thread of the client, several at once; may block for the
/// shards' answers.
class ControlHandler {
 public:
  virtual ~ControlHandler() = default;
  /// JSON in, JSON out; never throws.
  virtual std::string answer(const std::string& request) = 0;
};

/// The local control socket: a thread that accepts and one for each client, so that nobody waits
/// for what another one asked. At most kClientsMax are served at once; who comes then waits
/// until one of them is done, which one that says nothing is after some seconds. Mode 0660.
class ControlServer {
 public:
  static constexpr std::size_t kClientsMax = 16;

  explicit ControlServer(ControlHandler& handler) : handler_(handler) {}
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer() { stop(); }

  /// Binds and starts the thread. A stale socket file is replaced, a live one is `locked`.
  Status start(const std::string& path);
  /// Ends the threads, once requests under way are answered, and removes the socket file.
  void stop();

 private:
  struct Client {
    std::thread thread;
    int socket = -1;
    bool done = false;  ///< its thread is at its end
  };

  void serve();
  void accept_client();
  void serve_client(Client& client);
  /// Joins the threads of clients that are done.
  void reap();
  void raise();

  ControlHandler& handler_;
  std::string path_;
  int listener_ = -1;
  int wake_ = -1;                            ///< eventfd: to stop, or a client is done
  AcceptPause pause_{"the control socket"};  ///< of the accepting thread
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  std::list<Client> clients_;  ///< of the accepting thread; the fields of one also of its own
  std::mutex mutex_;           ///< guards `socket` and `done` of all
};

}  // namespace ringpost::app
