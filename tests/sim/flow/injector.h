#pragma once

#include <deque>
#include <memory>
#include <string>

#include "tests/sim/flow/outside.h"

namespace ringpost::sim {

/// A sender of mail that keeps the ledger of what was answered. One message at a time, a new
/// connection after a failure; a message is handed over once and not repeated.
class Injector {
 public:
  /// `tls`: that port of the server shakes hands at once.
  Injector(Outside& outside, const SocketAddress& server, bool tls = false);
  ~Injector();

  /// Hands the mail of this number over as soon as the one before is done with.
  void submit(std::size_t number) {
    queued_.push_back(number);
    go_on();
  }
  /// Content as DATA carries it: dot-stuffed, with the final dot line.
  static std::string wire_form(std::string_view text);
  bool idle() const { return queued_.empty(); }
  std::size_t open_sessions() const;

 private:
  class Session;

  void go_on();
  void on_connected(Completion&);
  void session_over();

  Outside& outside_;
  SocketAddress server_;
  bool tls_;
  ConnectOp connect_;
  std::deque<std::size_t> queued_;
  std::deque<std::unique_ptr<Session>> sessions_;
  Session* current_ = nullptr;
};

}  // namespace ringpost::sim
