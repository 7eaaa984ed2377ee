#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "net/smtp/client_engine.h"

namespace ringpost::smtp {

/// A transaction that owns what it points at.
struct OwnedTransaction {
  /// `reverse-path recipient... [size=N] [body=N] [dots] [8bit] [utf8] [envid=X] [ret=full|hdrs]
  /// [notify=never|success|failure|delay] [orcpt=X]`; the last two hold for all recipients.
  explicit OwnedTransaction(std::string_view line);
  OwnedTransaction(const OwnedTransaction&) = delete;
  OwnedTransaction& operator=(const OwnedTransaction&) = delete;

  std::deque<std::string> strings;
  std::vector<Recipient> recipients;
  std::vector<JobRecipient> chosen;
  Envelope envelope;
  ClientTransaction transaction;
};

/// Plays a conversation with an engine and writes down what it does. Script lines:
///   option: NAME [VALUE]   pipelining off, group_next off, window N, unanswered N, own_name X,
///                          threshold N,
///                          drain manual, crlf lf, tls offered|required, login USER PASSWORD
///                          [clear]
///   T: ...                 a transaction (OwnedTransaction), numbered from 0
///   S: TEXT                the server says this line; neighbouring ones arrive together
///   I: INPUT               begin N, quit, abort, lost, timeout, drained, body_sent, secured,
///                          tls_failed
///   C: TEXT, R: TEXT       what the client sent and told; `[body N]` stands for content,
///                          `[chunk N]` for the same without its final dot line
class ClientScript {
 public:
  /// How server bytes are cut: after the first `split` octets of each run, or into runs of one
  /// octet where `split` is kEveryOctet.
  static constexpr std::size_t kEveryOctet = ~std::size_t{0};
  explicit ClientScript(std::size_t split = 0) : split_(split) {}

  /// Plays the inputs of a script (C and R lines are skipped); returns inputs and results in the
  /// order of events, in script form.
  std::string play(std::string_view script);
  const ClientEngine& engine() const { return engine_; }
  /// Transactions that were begun and are not over; must be empty after a close.
  std::size_t open_transactions() const { return open_; }

 private:
  void start();
  void option(std::string_view text);
  void serve(std::string_view bytes);
  void input(std::string_view text);
  void carry_out();
  void write(std::string_view kind, std::string_view text);
  void write_client_bytes(std::string_view bytes);

  std::size_t split_;
  bool started_ = false;
  bool auto_drain_ = true;
  std::string line_end_ = "\r\n";
  std::string own_name_;
  Login login_;
  ClientOptions options_;
  ClientEngine::Rooms rooms_;
  ClientEngine engine_{rooms_};
  ClientActions actions_;
  std::deque<OwnedTransaction> transactions_;
  std::vector<std::size_t> numbers_;  // engine number -> script number
  std::size_t beginning_ = 0;
  std::size_t open_ = 0;
  std::uint32_t asked_ = 0;  // engine number of the transaction that asked for RCPTs last
  std::string held_;
  std::string out_;
};

}  // namespace ringpost::smtp
