#include "tests/sim/flow/receiver.h"

#include <algorithm>

namespace ringpost::sim {
namespace {

std::string path_in(const std::string& line) {
  const auto begin = line.find('<');
  const auto end = line.find('>');
  return begin == std::string::npos || end == std::string::npos
             ? ""
             : line.substr(begin + 1, end - begin - 1);
}

}  // namespace

class Receiver::Session : public TextStream {
 public:
  Session(Outside& outside, Receiver& host) : TextStream(outside), host_(host) {}

  void start(const RawSocket& socket) {
    attach(*outside_.net.adopt(socket));
    begun_ = outside_.world.instant();
    messages_max_ = manners().messages_max;
    refused_max_ = manners().refused_max;
    if (chance(manners().busy_greeting)) {
      fate_.broken = true;
      reply("421 4.3.2 busy", true);
    } else {
      reply("220 host.example ESMTP");
    }
  }

  unsigned transactions() const { return transactions_; }
  void sender_changed(Instant then) { sender_changed_ = sender_changed_ || begun_ <= then; }

 private:
  /// Transactions that a sender has on their way at once.
  static constexpr unsigned kInHand = 4;

  const Manners& manners() const { return host_.manners; }
  bool chance(unsigned percent) { return outside_.world.random().chance(percent); }

  /// Replies leave in order, some after a while.
  void reply(std::string text, bool then_close = false) {
    const Instant now = outside_.world.instant();
    Duration delay{0};
    if (chance(manners().slow)) {
      delay = outside_.world.delay_between(Duration::milliseconds(10), manners().slow_max);
    }
    next_reply_ = std::max(next_reply_, now + delay);
    ++replies_waiting_;
    closing_ = closing_ || then_close;
    outside_.world.at(next_reply_, [this, text = std::move(text) + "\r\n", then_close] {
      --replies_waiting_;
      if (open()) {
        say(text);
        if (then_close) {
          finish();
        }
      }
    });
  }
  void drop() {
    fate_.broken = true;
    closing_ = true;
    close();
  }

  void on_text() override {
    while (open() && !closing_ &&
           (in_chunk_     ? read_chunk()
            : in_content_ ? read_content()
                          : read_command())) {
    }
  }
  void on_end(std::int32_t result) override { fate_.broken = fate_.broken || result < 0; }

  bool read_command() {
    const std::size_t end = in_.find("\r\n");
    if (end == std::string::npos) {
      return false;
    }
    if (!pipelining_ && (end + 2 != in_.size() || replies_waiting_ != 0) && said_hello_) {
      outside_.ledger.complain("commands were sent ahead to a host without PIPELINING");
    }
    const std::string line = in_.substr(0, end);
    in_.erase(0, end + 2);
    command(line);
    return true;
  }

  void command(const std::string& line) {
    const auto starts = [&](const char* verb) { return line.rfind(verb, 0) == 0; };
    if (starts("RCPT")) {
      outside_.ledger.named(path_in(line), begun_, outside_.world.instant());
    }
    if (!starts("QUIT") && chance(manners().farewell)) {
      fate_.broken = true;
      reply("421 4.3.2 going down", true);
      return;
    }
    if (starts("EHLO")) {
      said_hello_ = true;
      pipelining_ = manners().pipelining;
      reply(std::string("250-host.example\r\n") + (pipelining_ ? "250-PIPELINING\r\n" : "") +
            (!manners().certificate.empty() && !secured() ? "250-STARTTLS\r\n" : "") +
            (manners().chunking ? "250-CHUNKING\r\n" : "") + "250-8BITMIME\r\n250 SIZE 1000000");
    } else if (starts("STARTTLS") && !secured() && !manners().certificate.empty()) {
      say("220 2.0.0 go ahead\r\n");
      secure(manners().certificate);
    } else if (starts("MAIL") && mail_open_) {
      outside_.ledger.complain("MAIL inside a transaction");
      drop();
    } else if (starts("MAIL")) {
      count_transaction();
      from_ = path_in(line);
      to_.clear();
      mail_open_ = !chance(manners().mail_later);
      reply(mail_open_ ? "250 2.1.0 ok" : "451 4.3.0 not now");
    } else if (starts("RCPT")) {
      recipient(path_in(line));
    } else if (starts("DATA")) {
      in_content_ = mail_open_ && !to_.empty();
      dropping_ = in_content_ && chance(manners().drop_in_data);
      reply(in_content_ ? "354 go ahead" : "503 5.5.1 no recipients");
    } else if (starts("BDAT")) {
      in_chunk_ = true;
      chunk_left_ = std::stoul(line.substr(5));
      dropping_ = mail_open_ && !to_.empty() && chance(manners().drop_in_data);
    } else if (starts("QUIT")) {
      fate_.quit = true;
      reply("221 2.0.0 bye", true);
    } else if (starts("RSET")) {
      mail_open_ = false;
      to_.clear();
      reply("250 2.0.0 ok");
    } else {
      reply("500 5.5.1 what");
    }
  }

  void count_transaction() {
    ++transactions_;
    late_ += sender_changed_ ? 1 : 0;
    const auto complain = [&](const char* what) { outside_.ledger.complain(what); };
    if (messages_max_ != 0 && transactions_ > messages_max_) {
      complain("LIMIT: more transactions on a connection than max-msg-per-connection");
    }
    if (late_ > kInHand) {
      complain("LIMIT: a connection of other settings is used on and on");
    }
    if (refused_max_ != 0 && refused_ >= refused_max_ &&
        outside_.world.instant() > worn_out_ + manners().there_and_back) {
      complain("LIMIT: a transaction after as many refusals as max-errors-per-connection");
    }
  }
  void refuse(const char* text) {
    reply(text);
    if (++refused_ == refused_max_) {
      worn_out_ = outside_.world.instant();
    }
  }

  void recipient(const std::string& address) {
    if (!mail_open_) {
      reply("503 5.5.1 no sender");
    } else if (chance(manners().rcpt_never)) {
      outside_.ledger.rejected(address);
      refuse("550 5.1.1 no such user");
    } else if (chance(manners().rcpt_later)) {
      refuse("451 4.7.1 greylisted");
    } else {
      to_.push_back(address);
      reply("250 2.1.5 ok");
      if (manners().recipients_max != 0 && to_.size() > manners().recipients_max) {
        outside_.ledger.complain("more recipients in a transaction than max-rcpt-per-message");
      }
    }
  }

  bool read_content() {
    if (dropping_ && in_.size() > 20) {
      drop();
      return false;
    }
    const bool lone = in_.rfind(".\r\n", 0) == 0;
    const std::size_t end = lone ? 0 : in_.find("\r\n.\r\n");
    if (end == std::string::npos) {
      return false;
    }
    const std::size_t size = lone ? 3 : end + 5;
    in_content_ = false;
    mail_open_ = false;
    content_over(std::string_view(in_).substr(0, size));
    in_.erase(0, std::min(size, in_.size()));
    return true;
  }

  // All messages of a sender come in one chunk.
  bool read_chunk() {
    if (dropping_ && in_.size() > 20) {
      drop();
      return false;
    }
    if (in_.size() < chunk_left_) {
      return false;
    }
    const std::string content = in_.substr(0, chunk_left_) + ".\r\n";
    in_.erase(0, chunk_left_);
    in_chunk_ = false;
    if (!mail_open_ || to_.empty()) {
      reply(mail_open_ ? "554 5.5.1 no valid recipients" : "503 5.5.1 no sender");
      return true;
    }
    mail_open_ = false;
    content_over(content);
    return true;
  }

  void keep(std::string_view content) {
    for (const std::string& to : to_) {
      outside_.ledger.delivered(from_, to, outside_.world.instant(), &fate_, content);
    }
  }

  void content_over(std::string_view content) {
    if (manners().never_clear && !secured()) {
      outside_.ledger.complain("mail left in clear that must not");
    }
    ++messages_;
    if (chance(manners().drop_after_dot)) {
      if (chance(50)) {
        keep(content);
      }
      drop();
    } else if (chance(manners().silent_after_dot)) {
      keep(content);
      fate_.broken = true;
      closing_ = true;
    } else if (chance(manners().later_after_dot)) {
      reply("452 4.3.1 full");
    } else if (chance(manners().never_after_dot)) {
      for (const std::string& to : to_) {
        outside_.ledger.rejected(to);
      }
      reply("554 5.6.0 unwanted");
    } else {
      keep(content);
      reply("250 2.0.0 kept");
    }
    if (!closing_ && manners().last_message != 0 && messages_ >= manners().last_message) {
      fate_.broken = true;
      reply("421 4.7.0 enough", true);
    }
  }

  Receiver& host_;
  SessionFate fate_;
  Instant next_reply_;
  Instant begun_;
  unsigned replies_waiting_ = 0;
  bool said_hello_ = false;
  bool pipelining_ = true;
  bool mail_open_ = false;
  bool in_content_ = false;
  bool in_chunk_ = false;
  std::size_t chunk_left_ = 0;
  bool dropping_ = false;
  bool closing_ = false;
  unsigned messages_ = 0;
  unsigned transactions_ = 0;
  unsigned late_ = 0;  ///< of these, since the sender's settings changed
  unsigned refused_ = 0;
  unsigned messages_max_ = 0;  ///< as they were when the connection came
  unsigned refused_max_ = 0;
  bool sender_changed_ = false;
  Instant worn_out_;
  std::string from_;
  std::vector<std::string> to_;
};

Receiver::Receiver(Outside& outside, const SocketAddress& address) : outside_(outside) {
  accept_.bind<&Receiver::on_accepted>(this);
  listener_ = *outside_.net.listen(address);
  outside_.net.accept(listener_, accept_);
}

Receiver::~Receiver() = default;

void Receiver::on_accepted(Completion&) {
  sessions_.push_back(std::make_unique<Session>(outside_, *this));
  sessions_.back()->start(accept_.socket);
  outside_.net.accept(listener_, accept_);
}

std::vector<unsigned> Receiver::transactions() const {
  std::vector<unsigned> out;
  for (const auto& session : sessions_) {
    out.push_back(session->transactions());
  }
  return out;
}

void Receiver::sender_changed(Instant then) {
  for (const auto& session : sessions_) {
    session->sender_changed(then);
  }
}

std::size_t Receiver::open_sessions() const {
  return static_cast<std::size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return !s->gone(); }));
}

}  // namespace ringpost::sim
