#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/assert.h"
#include "core/base/random.h"
#include "net/smtp/server_engine.h"
#include "tests/unit/smtp/server_content_reference.h"

namespace ringpost::smtp {

/// A reply whose text the test owns.
struct OwnedReply {
  std::uint16_t code = 250;
  std::string status = "2.0.0";
  std::string text = "Ok";

  ServerReply view() const { return {code, status, text}; }
};

/// The host of an engine that writes down every event, one a line, and answers by script. Content
/// is written down as one line per message, so that the record does not depend on how input was
/// cut; content of a message that was refused is left out for the same reason.
class ServerRecorder : public ServerEvents {
 public:
  void on_hello(std::string_view name, bool extended) override {
    log(std::string(extended ? "ehlo " : "helo ") + std::string(name));
  }

  ServerReply on_mail(const MailArguments& mail) override {
    std::string line = "mail <" + std::string(mail.path.text) + ">";
    if (mail.declared_bytes > 0) {
      line += " size=" + std::to_string(mail.declared_bytes);
    }
    line += mail.body == BodyType::eight_bit_mime ? " 8bitmime" : "";
    line += mail.body == BodyType::seven_bit ? " 7bit" : "";
    line += mail.smtputf8 ? " smtputf8" : "";
    line += mail.ret == DsnReturn::full ? " ret=full" : "";
    line += mail.ret == DsnReturn::headers ? " ret=hdrs" : "";
    line += mail.envid.empty() ? "" : " envid=" + std::string(mail.envid);
    log(line);
    return answer("mail " + std::string(mail.path.text), replies::kSenderOk);
  }

  ServerReply on_rcpt(const RcptArguments& rcpt) override {
    std::string line = "rcpt <" + std::string(rcpt.path.text) + ">";
    line += rcpt.notify == 0 ? "" : " notify=" + std::to_string(rcpt.notify);
    line += rcpt.orcpt.empty() ? "" : " orcpt=" + std::string(rcpt.orcpt);
    log(line);
    return answer("rcpt " + std::string(rcpt.path.text), replies::kRecipientOk);
  }

  ServerReply on_content_begin() override {
    log("begin");
    return answer("begin", replies::kOk);
  }

  void on_content(std::string_view run) override {
    RP_ASSERT(!run.empty());
    content_ += run;
    if (refuse_content_at > 0 && content_.size() >= refuse_content_at) {
      refuse_content_at = 0;
      engine->refuse_content(content_refusal.view());
    }
  }

  void on_content_end(const ContentSummary& summary) override {
    RP_ASSERT(content_.size() == summary.info.wire_bytes);
    log("content " + quoted(content_));
    content_.clear();
    log("end " + reference::facts_of(summary));
    if (!hold) {
      engine->complete_message({250, "2.0.0", "Ok: queued as ID"});
    }
  }

  void on_abort(AbortReason reason) override {
    static constexpr std::string_view kNames[] = {"reset", "hello", "content_refused", "closed"};
    content_.clear();
    log("abort " + std::string(kNames[static_cast<std::size_t>(reason)]));
  }

  std::string_view on_auth_challenge() override {
    log("challenge");
    return "<1.2@mx.example>";
  }

  void on_auth(const AuthAttempt& attempt) override {
    static constexpr std::string_view kNames[] = {"plain", "login", "cram-md5", "external"};
    log("auth " + std::string(kNames[static_cast<std::size_t>(attempt.mechanism)]) + " " +
        quoted(attempt.user) + " " + quoted(attempt.secret) +
        (attempt.challenge.empty() ? "" : " " + std::string(attempt.challenge)));
    if (!hold) {
      const bool good = attempt.user == "joe" &&
                        (attempt.secret == "pw" || attempt.mechanism == AuthMechanism::cram_md5 ||
                         attempt.mechanism == AuthMechanism::external);
      engine->complete_auth(good ? replies::kAuthenticated : replies::kAuthFailed);
    }
  }

  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
      const auto octet = static_cast<unsigned char>(c);
      if (c == '\r') {
        out += "\\r";
      } else if (c == '\n') {
        out += "\\n";
      } else if (octet < 0x20 || octet >= 0x7f || c == '\\') {
        static constexpr char kHex[] = "0123456789abcdef";
        out += std::string("\\x") + kHex[octet >> 4] + kHex[octet & 15];
      } else {
        out += c;
      }
    }
    return out + "\"";
  }

  ServerEngine* engine = nullptr;
  std::map<std::string, OwnedReply> answers;  ///< by "rcpt a@b", "mail a@b", "begin"
  bool hold = false;                          ///< complete_message() is the test's
  std::size_t refuse_content_at = 0;
  OwnedReply content_refusal;
  std::vector<std::string> events;

 private:
  void log(std::string line) { events.push_back(std::move(line)); }

  ServerReply answer(const std::string& what, const ServerReply& usual) const {
    const auto found = answers.find(what);
    return found == answers.end() ? usual : found->second.view();
  }

  std::string content_;
};

/// An engine with its recorder, fed in pieces as a test likes.
class ServerSession {
 public:
  explicit ServerSession(const ServerLimits& limits = {},
                         std::size_t output_bytes = ServerEngine::kOutputBytesMin)
      : output_(output_bytes), engine(limits, recorder, output_, lines_) {
    recorder.engine = &engine;
    profile.hostname = "mx.example";
    profile.controls = kControls;
  }

  void start() { engine.start(profile); }

  /// Feeds what was held back and then `input`, cut before each of `cuts`. A piece the engine does
  /// not take at once is offered again with what follows.
  void feed(std::string_view input, const std::vector<std::size_t>& cuts = {}) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
      const std::size_t end = i < cuts.size() ? cuts[i] : input.size();
      held_ += input.substr(begin, end - begin);
      begin = end;
      offer();
    }
  }

  /// Offers held input until the engine takes no more; gathers its output.
  void offer() {
    std::size_t used = 1;
    while (used > 0) {
      // A copy of its own lets a sanitizer see reads past the piece, or views kept too long.
      const auto piece = std::make_unique<char[]>(held_.size() + 1);
      std::copy(held_.begin(), held_.end(), piece.get());
      used = engine.feed({piece.get(), held_.size()});
      held_.erase(0, used);
      used += engine.output().size();
      said += engine.output();
      engine.output_sent(engine.output().size());
    }
  }

  /// The reply lines so far, without CRLF; forgotten.
  std::vector<std::string> take_replies() {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < said.size();) {
      const auto end = said.find("\r\n", at);
      RP_ASSERT(end != std::string::npos);
      lines.push_back(said.substr(at, end - at));
      at = end + 2;
    }
    said.clear();
    return lines;
  }

  std::vector<std::string> take_events() { return std::exchange(recorder.events, {}); }
  const std::string& held() const { return held_; }

  static constexpr std::string_view kControls[] = {"x-job", "x-virtual-mta"};

 private:
  std::vector<char> output_;
  std::string held_;
  ServerEngine::Lines lines_;

 public:
  ServerRecorder recorder;
  ServerProfile profile;
  ServerEngine engine;
  std::string said;
};

}  // namespace ringpost::smtp
