#include "net/smtp/server_engine.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::smtp {
namespace {

constexpr std::size_t kReplyTextMax = 480;

}  // namespace

std::string_view name_of(ServerState state) noexcept {
  switch (state) {
    case ServerState::awaiting_hello: return "awaiting_hello";
    case ServerState::idle: return "idle";
    case ServerState::in_envelope: return "in_envelope";
    case ServerState::in_data: return "in_data";
    case ServerState::in_chunk: return "in_chunk";
    case ServerState::between_chunks: return "between_chunks";
    case ServerState::skipping_chunk: return "skipping_chunk";
    case ServerState::chunks_refused: return "chunks_refused";
    case ServerState::awaiting_tls: return "awaiting_tls";
    case ServerState::awaiting_verdict: return "awaiting_verdict";
    case ServerState::in_auth: return "in_auth";
    case ServerState::awaiting_auth: return "awaiting_auth";
    case ServerState::closed: return "closed";
  }
  return "unknown";
}

ServerEngine::ServerEngine(const ServerLimits& limits, ServerEvents& events, std::span<char> output,
                           Lines& lines)
    : events_(events), output_(output), lines_(lines) {
  RP_ASSERT(output.size() >= kOutputBytesMin);
  use_limits(limits);
}

void ServerEngine::use_limits(const ServerLimits& limits) {
  RP_ASSERT(state_ == ServerState::closed);
  change_limits(limits);
}

void ServerEngine::change_limits(const ServerLimits& limits) {
  RP_ASSERT(!transaction_open_);
  RP_ASSERT(limits.command_bytes_max >= 512 && limits.command_bytes_max <= kCommandBytesMax);
  limits_ = limits;
}

void ServerEngine::begin_session(const ServerProfile& profile, bool secured) {
  RP_ASSERT(!transaction_open_);
  profile_ = &profile;
  secured_ = secured;
  output_begin_ = output_end_ = 0;
  extended_ = smtputf8_ = paused_ = chunk_last_ = line_overlong_ = authenticated_ = false;
  refused_ = Refusal::none;
  recipients_ = errors_ = idle_commands_ = 0;
  chunk_left_ = 0;
  drop_line();
  dropped_ = 0;
}

// Whose it is next must not find what was said here: a user's secret may have been.
void ServerEngine::drop_line() {
  line_size_ = 0;
  if (line_ != nullptr) {
    wipe(line_->data(), line_->size());
    lines_.take_back(*line_);
    line_ = nullptr;
  }
}

void ServerEngine::start(const ServerProfile& profile, bool secured) {
  begin_session(profile, secured);
  state_ = ServerState::awaiting_hello;
  write("220 ");
  write(profile.hostname);
  write(" ");
  write(profile.banner);
  write("\r\n");
}

void ServerEngine::turn_away(const ServerProfile& profile, const ServerReply& last) {
  begin_session(profile, false);
  write_line(last, ' ');
  state_ = ServerState::closed;
}

std::size_t ServerEngine::feed(std::string_view input) {
  std::size_t consumed = 0;
  paused_ = false;
  while (consumed < input.size() && !paused_) {
    const std::string_view rest = input.substr(consumed);
    if (state_ == ServerState::closed) {
      return input.size();
    }
    if (state_ == ServerState::awaiting_tls) {
      shut(AbortReason::closed);
      continue;
    }
    if (state_ == ServerState::awaiting_verdict || state_ == ServerState::awaiting_auth ||
        output_blocked()) {
      break;
    }
    switch (state_) {
      case ServerState::in_data: consumed += feed_data(rest); break;
      case ServerState::in_chunk:
      case ServerState::skipping_chunk: consumed += feed_chunk(rest); break;
      default: consumed += feed_command(rest); break;
    }
  }
  return consumed;
}

void ServerEngine::tls_established() {
  RP_ASSERT(state_ == ServerState::awaiting_tls && output().empty());
  state_ = ServerState::awaiting_hello;
  extended_ = false;
  secured_ = true;
}

void ServerEngine::complete_message(const ServerReply& verdict) {
  RP_ASSERT(state_ == ServerState::awaiting_verdict && transaction_open_);
  end_transaction();
  idle_commands_ = 0;
  state_ = ServerState::idle;
  reply(verdict);
}

void ServerEngine::refuse_content(const ServerReply& refusal) {
  RP_ASSERT(transaction_open_ && (in_content() || state_ == ServerState::between_chunks));
  refused_ = Refusal::host;
  refusal_ = refusal;
  abort_transaction(AbortReason::content_refused);
  if (state_ == ServerState::between_chunks) {
    state_ = ServerState::chunks_refused;
  }
}

void ServerEngine::close(const ServerReply& last) {
  if (state_ == ServerState::closed) {
    return;
  }
  if (!output_blocked()) {
    write_line(last, ' ');
  }
  shut(AbortReason::closed);
}

void ServerEngine::connection_lost() { shut(AbortReason::closed); }

void ServerEngine::output_sent(std::size_t octets) {
  RP_ASSERT(octets <= output_end_ - output_begin_);
  output_begin_ += octets;
  const std::size_t left = output_end_ - output_begin_;
  if (left > 0 && output_begin_ > 0) {
    std::memmove(output_.data(), output_.data() + output_begin_, left);
  }
  output_begin_ = 0;
  output_end_ = left;
}

void ServerEngine::reply(const ServerReply& answer) {
  write_line(answer, ' ');
  if (answer.closes()) {
    shut(AbortReason::closed);
  }
}

// A protocol error of the client: too many end the session.
void ServerEngine::reply_error(const ServerReply& answer) {
  ++errors_;
  if (errors_ > limits_.errors_max) {
    reply(replies::kTooManyErrors);
  } else {
    reply(answer);
  }
}

void ServerEngine::write(std::string_view text) {
  RP_ASSERT(text.size() <= output_.size() - output_end_);
  if (!text.empty()) {
    std::memcpy(output_.data() + output_end_, text.data(), text.size());
  }
  output_end_ += text.size();
}

void ServerEngine::write_line(const ServerReply& answer, char separator) {
  RP_ASSERT(answer.code >= 200 && answer.code < 600);
  char code[4];
  std::to_chars(code, code + 3, answer.code);
  code[3] = separator;
  write({code, 4});
  if (!answer.status.empty()) {
    write(answer.status);
    write(" ");
  }
  // The text may be the host's: nothing in it may break the line or pass for a second reply.
  const std::string_view text = answer.text.substr(0, kReplyTextMax);
  const std::size_t begin = output_end_;
  write(text);
  std::replace_if(
      output_.begin() + static_cast<std::ptrdiff_t>(begin),
      output_.begin() + static_cast<std::ptrdiff_t>(output_end_),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  write("\r\n");
}

void ServerEngine::write_hello() {
  const std::string_view name = profile_->hostname;
  if (!extended_) {
    write("250 ");
    write(name);
    write("\r\n");
    return;
  }
  write("250-");
  write(name);
  write("\r\n250-PIPELINING\r\n");
  if (profile_->size) {
    char line[40] = "250-SIZE ";
    const auto end = std::to_chars(line + 9, line + 36, limits_.content.message_bytes_max).ptr;
    write({line, static_cast<std::size_t>(end - line)});
    write("\r\n");
  }
  if (profile_->eight_bit_mime) {
    write("250-8BITMIME\r\n");
  }
  if (profile_->chunking) {
    write("250-CHUNKING\r\n");
  }
  if (profile_->smtputf8) {
    write("250-SMTPUTF8\r\n");
  }
  if (profile_->dsn) {
    write("250-DSN\r\n");
  }
  if (profile_->verp) {
    write("250-VERP\r\n250-XVERP\r\n");
  }
  if (profile_->starttls && !secured_) {
    write("250-STARTTLS\r\n");
  }
  write_auth_offer();
  write("250 ENHANCEDSTATUSCODES\r\n");
}

void ServerEngine::abort_transaction(AbortReason reason) {
  if (transaction_open_) {
    end_transaction();
    events_.on_abort(reason);
  }
}

void ServerEngine::end_transaction() {
  transaction_open_ = false;
  smtputf8_ = false;
  recipients_ = 0;
}

void ServerEngine::shut(AbortReason reason) {
  state_ = ServerState::closed;
  if (line_size_ > 0) {
    drop_line();
  }
  abort_transaction(reason);
}

CommandFeatures ServerEngine::features() const {
  return {profile_->size && extended_,     profile_->eight_bit_mime && extended_,
          profile_->smtputf8 && extended_, profile_->dsn && extended_,
          profile_->verp && extended_,     profile_->auth.any() && extended_};
}

}  // namespace ringpost::smtp
