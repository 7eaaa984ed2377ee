#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "bench/tools/load_message.h"
#include "bench/tools/load_options.h"

namespace ringpost::tools {

/// How a message ended.
enum class Ending : std::uint8_t {
  acked,    ///< 250 to the final dot
  refused,  ///< a 4xx or 5xx
  unknown,  ///< content was sent and no reply came
  unsent,   ///< the connection went before the content: the server cannot have it
};

class LoadTransaction;

/// What a session asks of the thread that runs it.
class LoadHost {
 public:
  virtual ~LoadHost() = default;
  virtual const LoadOptions& options() const = 0;
  /// Fills in the next message, or tells that there is none now.
  virtual bool next_message(bool chunking, LoadMessage& message) = 0;
  virtual std::string recipient_of(std::uint64_t sequence, unsigned k) = 0;
  /// Called once per message. `final_ns` is the time from the final dot to its reply, or -1.
  virtual void ended(Ending ending, const LoadTransaction& transaction, std::int64_t final_ns,
                     std::string_view reply) = 0;
};

/// One message on its way through a session.
class LoadTransaction {
 public:
  LoadMessage message;
  unsigned sent_commands = 0;  ///< MAIL, each RCPT and DATA or BDAT, in that order
  unsigned accepted = 0;
  bool mail_refused = false;
  bool content_sent = false;
  bool bdat = false;
  std::int64_t final_sent_ns = 0;
  std::string refused;  ///< '1' per refused recipient, else '0'; empty while none was

  unsigned commands() const { return message.recipients + 2; }
};

/// One SMTP conversation, sending side: replies in, commands out, no I/O.
class LoadSession {
 public:
  explicit LoadSession(LoadHost& host) : host_(host) {}

  /// Forgets the last connection and waits for a banner.
  void begin();
  void receive(std::string_view bytes, std::int64_t now_ns);
  /// Starts what may be started now; called after begin, receive, and when work may have come.
  void advance(std::int64_t now_ns);
  /// The connection is gone: ends what was under way.
  void lost();
  /// Sends QUIT if nothing is under way; true once it was sent.
  bool quit();

  std::string& out() { return out_; }
  /// STARTTLS was accepted since the last call: what follows is TLS.
  bool take_starttls() { return std::exchange(starttls_, false); }
  bool broken() const { return state_ == State::broken; }
  bool idle() const { return state_ == State::ready && transactions_.empty(); }
  bool greeted() const { return state_ != State::fresh; }

 private:
  enum class State : std::uint8_t { fresh, ready, quitting, broken };
  enum class Expect : std::uint8_t {
    banner,
    ehlo,
    starttls,
    mail,
    rcpt,
    data,
    final_dot,
    reset,
    quit
  };
  struct Expected {
    Expect what;
    unsigned index;
  };

  void on_line(std::string_view line, std::int64_t now_ns);
  void on_reply(int code, std::string_view line, std::int64_t now_ns);
  void send_ehlo();
  void on_ehlo_reply(bool good);
  void on_rcpt_reply(unsigned index, bool good);
  void on_data_reply(int code, std::string_view line, std::int64_t now_ns);
  void on_final_reply(int code, std::string_view line, std::int64_t now_ns);
  void note_extension(std::string_view name);
  bool start_transaction();
  bool may_start() const;
  void send_commands(LoadTransaction& transaction, std::int64_t now_ns);
  void send_command(LoadTransaction& transaction, std::int64_t now_ns);
  void finish(Ending ending, std::int64_t final_ns, std::string_view reply);
  Pipelining pipelining() const;

  LoadHost& host_;
  State state_ = State::fresh;
  bool has_pipelining_ = false;
  bool has_chunking_ = false;
  bool has_eight_bit_ = false;
  bool has_starttls_ = false;
  bool starttls_ = false;
  bool secured_ = false;
  std::string line_;
  std::string out_;
  std::deque<Expected> expected_;
  std::deque<LoadTransaction> transactions_;
};

}  // namespace ringpost::tools
