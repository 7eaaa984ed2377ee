#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/flow/outside.h"

namespace ringpost::sim {

/// How a receiving host behaves, in percent of the occasions; zero everywhere: it takes all.
struct Manners {
  bool pipelining = true;
  bool chunking = false;
  unsigned busy_greeting = 0;     ///< 421 instead of 220
  unsigned mail_later = 0;        ///< 451 to MAIL
  unsigned rcpt_later = 0;        ///< 451 to RCPT
  unsigned rcpt_never = 0;        ///< 550 to RCPT
  unsigned drop_in_data = 0;      ///< closes while content comes
  unsigned drop_after_dot = 0;    ///< closes instead of answering; half of them keep the message
  unsigned silent_after_dot = 0;  ///< never answers the dot, though it kept the message
  unsigned later_after_dot = 0;   ///< 452 to the content
  unsigned never_after_dot = 0;   ///< 554 to the content
  unsigned farewell = 0;          ///< 421 instead of any other reply to a command
  unsigned slow = 0;              ///< a reply takes a while
  Duration slow_max = Duration::seconds(4);
  unsigned last_message = 0;  ///< 421 after so many messages on a connection; 0: never
  std::string certificate;    ///< of STARTTLS, as SimTls has them; empty: not offered
  bool never_clear = false;   ///< mail that came in clear is an error of the sender
  // Errors of the sender; 0: none.
  unsigned recipients_max = 0;  ///< more in one transaction
  unsigned messages_max = 0;    ///< more transactions on a connection
  unsigned refused_max = 0;     ///< a transaction begun after so many recipients were refused
  /// Most time until the sender knows of a reply, and what it began before has come.
  Duration there_and_back = Duration::seconds(1);
};

/// A receiving host with one listening address.
class Receiver {
 public:
  Receiver(Outside& outside, const SocketAddress& address);
  ~Receiver();

  Manners manners;
  std::size_t open_sessions() const;
  /// By connection, how many transactions were begun on it.
  std::vector<unsigned> transactions() const;
  /// The sender has other settings by now than it had before `then`: connections that came until
  /// then are for what it has in hand.
  void sender_changed(Instant then);

 private:
  class Session;

  void on_accepted(Completion&);

  Outside& outside_;
  ListenerId listener_;
  AcceptOp accept_;
  std::deque<std::unique_ptr<Session>> sessions_;
};

}  // namespace ringpost::sim
