#include <algorithm>
#include <array>

#include "core/base/base64.h"
#include "core/base/text.h"
#include "net/smtp/client_engine.h"

// Authentication at a smart host (RFC 4954), before anything is sent. The password is put into the
// room of commands alone, which is wiped once it has left.

namespace ringpost::smtp {
namespace {

// A longer line is sent in two steps: RFC 4954 section 4 bounds the command, not the answer.
constexpr std::size_t kAuthLineMax = 512;
constexpr std::string_view kPlain = "AUTH PLAIN";
constexpr std::string_view kLogin = "AUTH LOGIN\r\n";
constexpr std::string_view kLineEnd = "\r\n";
// Of texts that short many replies would hold a part by chance.
constexpr std::size_t kTellingSize = 4;

/// Room for name and password with what stands between them.
class PlainText {
 public:
  explicit PlainText(const Login& login) {
    const std::string_view password = login.password.reveal();
    TextBuilder text(octets_);
    text.add('\0').add(login.user).add('\0').add(password);
    size_ = text.size();
  }
  ~PlainText() { wipe(octets_.data(), octets_.size()); }
  PlainText(const PlainText&) = delete;
  PlainText& operator=(const PlainText&) = delete;
  std::string_view view() const { return {octets_.data(), size_}; }

 private:
  std::array<char, kLoginBytesMax + 2> octets_;
  std::size_t size_ = 0;
};

bool holds(std::string_view text, std::string_view part) {
  return part.size() >= kTellingSize && text.find(part) != text.npos;
}

/// Whether the text repeats the password in one of the forms in which it was sent.
bool tells(std::string_view text, const Login& login) {
  std::array<char, base64_size(kLoginBytesMax + 2)> room;
  const PlainText plain(login);
  const auto encoded = [&](std::string_view octets) {
    const std::size_t size = to_base64(octets, room);
    // The last group may be padded, and what follows it is not known.
    return std::string_view(room.data(), size >= 8 ? size - 4 : 0);
  };
  const bool found = holds(text, login.password.reveal()) ||
                     holds(text, encoded(login.password.reveal())) ||
                     holds(text, encoded(plain.view()));
  wipe(room.data(), room.size());
  return found;
}

}  // namespace

void ClientEngine::log_in(ClientActions& out) noexcept {
  const Login* const login = options_.login;
  if (login == nullptr || names_us_) {
    return become_ready(out);
  }
  if (!secured_ && !login->clear_text_ok) {
    return finish(ClientClose::login_refused, {},
                  "the password may not be sent over a connection without TLS", out);
  }
  if (capabilities_.auth_plain) {
    begin_plain(out);
  } else if (capabilities_.auth_login) {
    begin_login(out);
  } else {
    finish(ClientClose::login_refused, {}, "the server offers neither AUTH PLAIN nor AUTH LOGIN",
           out);
  }
}

void ClientEngine::begin_plain(ClientActions& out) noexcept {
  const std::size_t size =
      base64_size(options_.login->user.size() + options_.login->password.reveal().size() + 2);
  enter(ClientState::awaiting_auth);
  if (kPlain.size() + 1 + size + kLineEnd.size() > kAuthLineMax) {
    login_step_ = LoginStep::plain;
    return send_command(ClientCommand::auth, "AUTH PLAIN\r\n", out);
  }
  login_step_ = LoginStep::told;
  add_text("AUTH PLAIN ", out);
  send_answer(PlainText(*options_.login).view(), out);
}

void ClientEngine::begin_login(ClientActions& out) noexcept {
  enter(ClientState::awaiting_auth);
  login_step_ = LoginStep::user;
  send_command(ClientCommand::auth, kLogin, out);
}

void ClientEngine::add_text(std::string_view text, ClientActions& out) noexcept {
  RP_ASSERT(text.size() <= free_room().size());
  std::copy(text.begin(), text.end(), free_room().begin());
  commit_bytes(text.size(), out);
}

void ClientEngine::send_answer(std::string_view octets, ClientActions& out) noexcept {
  RP_ASSERT(base64_size(octets.size()) <= free_room().size());
  secret_in_room_ = true;
  commit_bytes(to_base64(octets, free_room()), out);
  add_text(kLineEnd, out);
  expected_.push(ClientCommand::auth);
}

void ClientEngine::wipe_secret() noexcept {
  if (secret_in_room_) {
    wipe(room_->data(), room_->size());
    secret_in_room_ = false;
  }
}

void ClientEngine::on_auth(const ExpectedReply&, const Reply& reply, ClientActions& out) {
  const Login& login = *options_.login;
  if (reply.positive()) {
    return become_ready(out);
  }
  if (reply.code == 334) {
    switch (login_step_) {
      case LoginStep::plain:
        login_step_ = LoginStep::told;
        return send_answer(PlainText(login).view(), out);
      case LoginStep::user: login_step_ = LoginStep::password; return send_answer(login.user, out);
      case LoginStep::password:
        login_step_ = LoginStep::told;
        return send_answer(login.password.reveal(), out);
      case LoginStep::told: break;
    }
    return finish(ClientClose::login_refused, {}, "the server asks for more than name and password",
                  out);
  }
  const bool plain = login_step_ == LoginStep::plain || login_step_ == LoginStep::told;
  if (reply.code == 504 && plain && capabilities_.auth_plain && capabilities_.auth_login) {
    capabilities_.auth_plain = false;  // offered, and not known after all
    return begin_login(out);
  }
  if (tells(reply.text, login)) {
    return finish(ClientClose::login_refused, {},
                  "name or password was refused, in words that repeat the password", out);
  }
  finish(ClientClose::login_refused, reply, "AUTH", out);
}

}  // namespace ringpost::smtp
