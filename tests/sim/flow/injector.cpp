#include "tests/sim/flow/injector.h"

#include <algorithm>

namespace ringpost::sim {
namespace {

constexpr Duration kReplyTime = Duration::seconds(30);
constexpr Duration kAgain = Duration::milliseconds(300);

}  // namespace

std::string Injector::wire_form(std::string_view text) {
  std::string wire;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && c == '.') {
      wire += '.';
    }
    wire += c;
    line_begins = c == '\n';
  }
  return wire + ".\r\n";
}

class Injector::Session : public TextStream {
 public:
  Session(Outside& outside, Injector& owner) : TextStream(outside), owner_(owner) {}

  void start(StreamId stream, bool tls) {
    attach(stream);
    if (tls) {
      secure_client();
    }
    watch();
  }
  void go_on() {
    if (step_ == Step::idle && open() && !owner_.queued_.empty()) {
      begin(owner_.queued_.front());
    }
  }

 private:
  enum class Step { greeting, hello, idle, envelope, content };

  Mail& mail() { return outside_.ledger.mails[number_]; }

  void begin(std::size_t number) {
    number_ = number;
    in_hand_ = true;
    Mail& item = mail();
    item.fate = MailFate::under_way;
    item.taken.assign(item.to.size(), false);
    chunked_ = outside_.world.random().chance(20);
    replies_ = 0;
    std::string text = "MAIL FROM:<" + item.from + ">\r\n";
    for (std::size_t i = 0; i < item.to.size(); ++i) {
      text += "RCPT TO:<" + item.to[i] + ">";
      const bool asks = i < item.notify.size() && !item.notify[i].empty();
      text += asks ? " NOTIFY=" + item.notify[i] + "\r\n" : "\r\n";
    }
    if (chunked_) {
      text += "BDAT " + std::to_string(item.content.size()) + " LAST\r\n" + item.content;
    } else {
      text += "DATA\r\n";
    }
    step_ = Step::envelope;
    say(text);
    watch();
  }

  void on_text() override {
    std::size_t end = 0;
    while (open() && (end = in_.find("\r\n")) != std::string::npos) {
      const std::string line = in_.substr(0, end);
      in_.erase(0, end + 2);
      if (line.size() < 4 || line[3] != '-') {
        on_reply(line);
        watch();
      }
    }
  }

  void on_reply(const std::string& line) {
    if (line.rfind("421", 0) == 0) {
      settle(MailFate::refused);
      leave();
      return;
    }
    switch (step_) {
      case Step::greeting:
        step_ = Step::hello;
        say("EHLO injector.example\r\n");
        return;
      case Step::hello:
        step_ = Step::idle;
        go_on();
        return;
      case Step::idle: return;
      case Step::envelope: on_envelope_reply(line); return;
      case Step::content:
        settle(line[0] == '2' ? MailFate::accepted : MailFate::refused);
        step_ = Step::idle;
        go_on();
        return;
    }
  }

  void on_envelope_reply(const std::string& line) {
    const std::size_t reply = replies_++;
    const std::size_t recipients = mail().to.size();
    if (reply >= 1 && reply <= recipients) {
      mail().taken[reply - 1] = line[0] == '2';
    }
    if (reply <= recipients) {
      return;
    }
    if (chunked_) {
      settle(line[0] == '2' ? MailFate::accepted : MailFate::refused);
      step_ = Step::idle;
      go_on();
      return;
    }
    if (line[0] == '3') {
      step_ = Step::content;
      say(wire_form(mail().content));
    } else {
      settle(MailFate::refused);
      step_ = Step::idle;
      go_on();
    }
  }

  void settle(MailFate fate) {
    if (in_hand_) {
      in_hand_ = false;
      mail().fate = fate;
      owner_.queued_.pop_front();
      outside_.world.trace("answered", number_ * 8 + static_cast<std::uint64_t>(fate));
    }
  }

  void on_end(std::int32_t) override { settle(MailFate::unknown); }
  void leave() {
    settle(MailFate::unknown);
    close();
  }
  void on_gone() override { owner_.session_over(); }

  /// Gives up when nothing comes for long.
  void watch() {
    const unsigned watch = ++watches_;
    outside_.world.after(kReplyTime, [this, watch] {
      if (watch == watches_ && open() && step_ != Step::idle) {
        leave();
      }
    });
  }

  Injector& owner_;
  Step step_ = Step::greeting;
  std::size_t number_ = 0;
  std::size_t replies_ = 0;
  unsigned watches_ = 0;
  bool in_hand_ = false;
  bool chunked_ = false;
};

Injector::Injector(Outside& outside, const SocketAddress& server, bool tls)
    : outside_(outside), server_(server), tls_(tls) {
  connect_.bind<&Injector::on_connected>(this);
}

Injector::~Injector() = default;

void Injector::go_on() {
  if (current_ != nullptr) {
    current_->go_on();
  } else if (!queued_.empty() && connect_.idle()) {
    connect_.remote = server_;
    outside_.net.connect(connect_);
  }
}

void Injector::on_connected(Completion&) {
  if (connect_.result < 0) {
    session_over();
    return;
  }
  sessions_.push_back(std::make_unique<Session>(outside_, *this));
  current_ = sessions_.back().get();
  current_->start(connect_.stream, tls_);
}

void Injector::session_over() {
  current_ = nullptr;
  outside_.world.after(kAgain, [this] { go_on(); });
}

std::size_t Injector::open_sessions() const {
  return static_cast<std::size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) { return !s->gone(); }));
}

}  // namespace ringpost::sim
