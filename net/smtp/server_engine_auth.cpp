#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/base64.h"
#include "core/base/text.h"
#include "net/smtp/server_engine.h"

// Authentication (RFC 4954): the exchange of lines, up to the attempt that the host judges. What is
// secret lies in scratch_ and line_ alone and is wiped when the attempt has been handed on.

namespace ringpost::smtp {
namespace {

constexpr std::size_t kNameBytesMax = 255;
constexpr std::string_view kUserPrompt = "VXNlcm5hbWU6";
constexpr std::string_view kPasswordPrompt = "UGFzc3dvcmQ6";

// A name with octets of these could be read differently in a log or another program.
bool is_user_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

bool ServerEngine::is_in_clear(AuthMechanism mechanism) const {
  return mechanism != AuthMechanism::cram_md5 && mechanism != AuthMechanism::external && !secured();
}

// Whether it may be used as things are; has_mechanism() tells whether it exists here at all.
bool ServerEngine::may_offer(AuthMechanism mechanism) const {
  const AuthOffer& offer = profile_->auth;
  if (offer.encrypted_only && !secured()) {
    return false;
  }
  return offer.clear_text_ok || !is_in_clear(mechanism);
}

bool ServerEngine::has_mechanism(std::string_view name, AuthMechanism& out) const {
  const AuthOffer& offer = profile_->auth;
  if (equals_ignoring_case(name, "PLAIN")) {
    out = AuthMechanism::plain;
    return offer.plain;
  }
  if (equals_ignoring_case(name, "LOGIN")) {
    out = AuthMechanism::login;
    return offer.login;
  }
  if (equals_ignoring_case(name, "EXTERNAL")) {
    out = AuthMechanism::external;
    return offer.external && secured();
  }
  out = AuthMechanism::cram_md5;
  return equals_ignoring_case(name, "CRAM-MD5") && offer.cram_md5;
}

void ServerEngine::write_auth_offer() {
  struct Row {
    AuthMechanism mechanism;
    bool has;
    std::string_view word;
  };
  const AuthOffer& offer = profile_->auth;
  const Row rows[] = {{AuthMechanism::plain, offer.plain, " PLAIN"},
                      {AuthMechanism::login, offer.login, " LOGIN"},
                      {AuthMechanism::cram_md5, offer.cram_md5, " CRAM-MD5"},
                      {AuthMechanism::external, offer.external && secured(), " EXTERNAL"}};
  bool begun = false;
  for (const Row& row : rows) {
    if (row.has && may_offer(row.mechanism)) {
      write(begun ? "" : "250-AUTH");
      write(row.word);
      begun = true;
    }
  }
  write(begun ? "\r\n" : "");
}

void ServerEngine::auth(std::string_view argument) {
  if (!profile_->auth.any()) {
    return reply_error(replies::kNotImplemented);
  }
  if (state_ == ServerState::awaiting_hello || !extended_) {
    return reply_error(replies::kHelloFirst);
  }
  if (authenticated_) {
    return reply_error(replies::kAuthTwice);
  }
  if (state_ != ServerState::idle) {
    return reply_error(replies::kAuthInside);
  }
  const std::size_t blank = std::min(argument.find(' '), argument.size());
  const std::string_view name = argument.substr(0, blank);
  const std::string_view initial = trimmed(argument.substr(blank));
  if (name.empty() || initial.find(' ') != std::string_view::npos) {
    return reply_error(replies::kAuthSyntax);
  }
  if (!has_mechanism(name, mechanism_)) {
    return reply_error(replies::kAuthMechanism);
  }
  if (!may_offer(mechanism_)) {
    return reply_error(replies::kAuthEncrypt);
  }
  auth_user_ = 0;
  auth_has_user_ = false;
  if (mechanism_ == AuthMechanism::cram_md5) {
    // The server speaks first (RFC 2195 section 2).
    if (!initial.empty()) {
      return reply_error(replies::kAuthSyntax);
    }
    auth_challenge_ = events_.on_auth_challenge();
    return challenge(auth_challenge_);
  }
  state_ = ServerState::in_auth;
  if (!initial.empty()) {
    return auth_answer(initial == "=" ? std::string_view{} : initial);
  }
  write("334 ");
  write(mechanism_ == AuthMechanism::login ? kUserPrompt : "");
  write("\r\n");
}

void ServerEngine::challenge(std::string_view text) {
  RP_ASSERT(text.size() <= kNameBytesMax);
  state_ = ServerState::in_auth;
  write("334 ");
  write(to_base64(text));
  write("\r\n");
}

void ServerEngine::auth_line(std::string_view line) {
  if (line == "*") {
    return end_auth(replies::kAuthCancelled);
  }
  auth_answer(line);
}

void ServerEngine::end_auth(const ServerReply& answer) {
  wipe(scratch_.data(), scratch_.size());
  state_ = ServerState::idle;
  reply_error(answer);
}

void ServerEngine::auth_answer(std::string_view text) {
  const std::span<char> room = std::span<char>(scratch_).subspan(auth_user_);
  const auto size = from_base64(text, room);
  if (!size) {
    return end_auth(replies::kAuthDecode);
  }
  switch (mechanism_) {
    case AuthMechanism::plain:
      if (!take_plain(*size)) {
        end_auth(replies::kAuthDecode);
      }
      return;
    case AuthMechanism::cram_md5:
      if (!take_cram(*size)) {
        end_auth(replies::kAuthDecode);
      }
      return;
    case AuthMechanism::external:
      if (!take_external(*size)) {
        end_auth(replies::kAuthDecode);
      }
      return;
    case AuthMechanism::login: break;
  }
  if (auth_has_user_) {
    return attempt({scratch_.data(), auth_user_}, {scratch_.data() + auth_user_, *size});
  }
  if (!is_user_name({scratch_.data(), *size})) {
    return end_auth(replies::kAuthDecode);
  }
  auth_user_ = *size;
  auth_has_user_ = true;
  write("334 ");
  write(kPasswordPrompt);
  write("\r\n");
}

// authzid NUL authcid NUL password (RFC 4616); nobody may act for somebody else.
bool ServerEngine::take_plain(std::size_t size) {
  const std::string_view all(scratch_.data(), size);
  const std::size_t first = all.find('\0');
  const std::size_t second = first == all.npos ? first : all.find('\0', first + 1);
  if (second == all.npos) {
    return false;
  }
  const std::string_view actor = all.substr(0, first);
  const std::string_view user = all.substr(first + 1, second - first - 1);
  const std::string_view password = all.substr(second + 1);
  if (!is_user_name(user) || password.find('\0') != password.npos ||
      (!actor.empty() && actor != user)) {
    return false;
  }
  attempt(user, password);
  return true;
}

// "user digest", the digest behind the last blank.
bool ServerEngine::take_cram(std::size_t size) {
  const std::string_view all(scratch_.data(), size);
  const std::size_t blank = all.rfind(' ');
  if (blank == all.npos || !is_user_name(all.substr(0, blank))) {
    return false;
  }
  attempt(all.substr(0, blank), all.substr(blank + 1));
  return true;
}

// The name the client wants to go by; empty: that which its certificate stands for (RFC 4422
// appendix A).
bool ServerEngine::take_external(std::size_t size) {
  const std::string_view name(scratch_.data(), size);
  if (!name.empty() && !is_user_name(name)) {
    return false;
  }
  attempt(name, {});
  return true;
}

void ServerEngine::attempt(std::string_view user, std::string_view secret) {
  state_ = ServerState::awaiting_auth;
  const bool cram = mechanism_ == AuthMechanism::cram_md5;
  events_.on_auth({mechanism_, user, secret, cram ? auth_challenge_ : std::string_view{}});
  wipe(scratch_.data(), scratch_.size());
}

void ServerEngine::complete_auth(const ServerReply& verdict) {
  RP_ASSERT(state_ == ServerState::awaiting_auth);
  state_ = ServerState::idle;
  if (verdict.accepted()) {
    authenticated_ = true;
    return reply(verdict);
  }
  reply_error(verdict);
}

}  // namespace ringpost::smtp
