#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "core/base/result.h"

namespace ringpost::app {

/// Answers one request. Called on the control thread; may block for the shards' answers.
class ControlHandler {
 public:
  virtual ~ControlHandler() = default;
  /// JSON in, JSON out; never throws.
  virtual std::string answer(const std::string& request) = 0;
};

/// The local control socket: its own thread, one client at a time for at most some seconds a
/// request, so that a stuck client cannot shut others out for long. Mode 0660.
class ControlServer {
 public:
  explicit ControlServer(ControlHandler& handler) : handler_(handler) {}
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer() { stop(); }

  /// Binds and starts the thread. A stale socket file is replaced, a live one is `locked`.
  Status start(const std::string& path);
  /// Ends the thread and removes the socket file.
  void stop();

 private:
  void serve();
  void serve_client(int client);

  ControlHandler& handler_;
  std::string path_;
  int listener_ = -1;
  int wake_ = -1;
  std::thread thread_;
};

}  // namespace ringpost::app
