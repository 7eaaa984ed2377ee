#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "net/smtp/server_engine.h"

// The command phase: lines, verbs, sequence.

namespace ringpost::smtp {
namespace {

constexpr std::size_t kHelloBytesMax = 255;
/// A command line and the domain of ours that completes its address.
constexpr std::size_t kCompletedBytesMax = 2048 + 256;

bool has_control_octets(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

bool is_hello_name(std::string_view text) {
  return !text.empty() && text.size() <= kHelloBytesMax &&
         text.find_first_of(" \t") == std::string_view::npos;
}

}  // namespace

// Takes one line, or the part of it that has come. A line that came whole is read where it lies.
std::size_t ServerEngine::feed_command(std::string_view input) {
  const void* found = std::memchr(input.data(), '\n', input.size());
  if (found == nullptr) {
    const std::size_t room = limits_.command_bytes_max - line_size_;
    if (line_overlong_ || input.size() > room) {
      line_overlong_ = true;
      drop_line();
      dropped_ += static_cast<std::uint32_t>(std::min(input.size(), kDroppedBytesMax));
      if (dropped_ > kDroppedBytesMax) {
        reply(replies::kEndlessLine);
      }
    } else {
      keep_piece(input);
    }
    return input.size();
  }
  const auto size = static_cast<std::size_t>(static_cast<const char*>(found) - input.data()) + 1;
  if (line_overlong_ || size > limits_.command_bytes_max - line_size_) {
    line_overlong_ = false;
    drop_line();
    dropped_ = 0;
    if (state_ == ServerState::in_auth) {
      end_auth(replies::kAuthDecode);
    } else {
      reply_error(replies::kLineTooLong);
    }
    return size;
  }
  std::string_view line = input.substr(0, size);
  if (line_size_ > 0) {
    keep_piece(line);
    line = {line_->data(), std::exchange(line_size_, 0)};
  }
  command_line(line);
  drop_line();
  return size;
}

void ServerEngine::keep_piece(std::string_view piece) {
  if (line_ == nullptr) {
    line_ = &lines_.lend();
  }
  std::memcpy(line_->data() + line_size_, piece.data(), piece.size());
  line_size_ += piece.size();
}

// AUTH is told without what follows the mechanism, and what no command is known for not at all: a
// client that goes on after a refused AUTH sends its password as a command.
void ServerEngine::tell_line(std::string_view line) {
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  if (state_ == ServerState::in_auth) {
    return events_.on_command_line("(not shown)");
  }
  const Command command = parse_command(line);
  if (command.verb == Verb::unknown || command.verb == Verb::web) {
    return events_.on_command_line("(no command known here, not shown)");
  }
  if (command.verb != Verb::auth) {
    return events_.on_command_line(line);
  }
  const std::string_view name = command.argument.substr(0, command.argument.find(' '));
  const bool known = equals_ignoring_case(name, "plain") || equals_ignoring_case(name, "login") ||
                     equals_ignoring_case(name, "cram-md5");
  std::array<char, 32> room;
  TextBuilder text(room);
  text.add("AUTH ").add(known ? name : "");
  if (!known || name.size() < command.argument.size()) {
    text.add(known ? " (not shown)" : "(not shown)");
  }
  events_.on_command_line(text.view());
}

void ServerEngine::command_line(std::string_view line) {
  line.remove_suffix(1);
  if (profile_->told) {
    tell_line(line);
  }
  // A line that a bare LF ends, or with a CR inside, could be read differently by something
  // between us and the client: it is answered but never acted upon.
  if (line.empty() || line.back() != '\r' || line.find('\r') != line.size() - 1) {
    if (state_ == ServerState::in_auth) {
      return end_auth(replies::kBareLineEnd);
    }
    reply_error(replies::kBareLineEnd);
    return;
  }
  line.remove_suffix(1);
  if (state_ == ServerState::in_auth) {
    return auth_line(line);
  }
  const Command command = parse_command(line);
  if (command.verb == Verb::web) {
    // A browser was made to send a form here; its body must not be read as commands.
    reply(replies::kNotWeb);
    return;
  }
  if (has_control_octets(line)) {
    reply_error(replies::kBadOctets);
    return;
  }
  if (count_idle_command(command.verb)) {
    run(command);
  }
}

// False when the session ended because nothing but idle commands came.
bool ServerEngine::count_idle_command(Verb verb) {
  if (verb == Verb::mail || verb == Verb::rcpt || verb == Verb::data || verb == Verb::bdat ||
      verb == Verb::quit) {
    return true;
  }
  if (++idle_commands_ <= limits_.idle_commands_max) {
    return true;
  }
  reply(replies::kTooManyCommands);
  return false;
}

void ServerEngine::run(const Command& command) {
  switch (command.verb) {
    case Verb::mail: return mail(command.argument);
    case Verb::rcpt: return rcpt(command.argument);
    case Verb::data: return data(command.argument);
    case Verb::bdat: return bdat(command.argument);
    case Verb::ehlo: return hello(command.argument, true);
    case Verb::helo: return hello(command.argument, false);
    case Verb::rset: return rset(command.argument);
    case Verb::auth: return auth(command.argument);
    default: return run_simple(command);
  }
}

void ServerEngine::run_simple(const Command& command) {
  switch (command.verb) {
    case Verb::noop: return reply(replies::kOk);
    case Verb::quit:
      if (takes_no_argument(command.argument)) {
        write_line({221, "2.0.0", "Closing"}, ' ');
        shut(AbortReason::closed);
      }
      return;
    case Verb::vrfy: return vrfy(command.argument);
    case Verb::help: return help();
    case Verb::starttls: return starttls(command.argument);
    case Verb::expn:
    case Verb::unimplemented: return reply_error(replies::kNotImplemented);
    default: return reply_error(replies::kUnknownCommand);
  }
}

bool ServerEngine::takes_no_argument(std::string_view argument) {
  if (argument.empty()) {
    return true;
  }
  reply_error(replies::kNoArgument);
  return false;
}

void ServerEngine::hello(std::string_view argument, bool extended) {
  if (!is_hello_name(argument)) {
    reply_error(replies::kNeedsDomain);
    return;
  }
  abort_transaction(AbortReason::hello);
  refused_ = Refusal::none;
  extended_ = extended;
  state_ = ServerState::idle;
  write_hello();
  events_.on_hello(argument, extended);
}

// The argument of MAIL or RCPT with our domain put behind an address that has none, in `room`;
// the argument itself where nothing is to be added or it would not fit.
std::string_view ServerEngine::completed(std::string_view argument, std::span<char> room) const {
  const std::string_view suffix = profile_->domain_suffix;
  const auto bracket = suffix.empty() ? std::string_view::npos : argument.find('<');
  if (bracket == std::string_view::npos) {
    return argument;
  }
  const ParsedPath path = parse_path(argument.substr(bracket), true);
  const std::string_view local = path.mailbox.local_part;
  if (path.fault != PathFault::no_domain || argument.size() + 1 + suffix.size() > room.size()) {
    return argument;
  }
  const auto end = static_cast<std::size_t>(local.data() + local.size() - argument.data());
  TextBuilder out(room);
  out.add(argument.substr(0, end)).add('@').add(suffix).add(argument.substr(end));
  return out.view();
}

void ServerEngine::mail(std::string_view argument) {
  if (state_ == ServerState::awaiting_hello) {
    return reply_error(replies::kHelloFirst);
  }
  if (transaction_open_) {
    if (state_ == ServerState::between_chunks) {
      return reply_error(replies::kChunksBegun);
    }
    // What follows in the same packet belongs to the new message: it must not join the old one.
    abort_transaction(AbortReason::reset);
    state_ = ServerState::idle;
    return reply_error(replies::kNestedMail);
  }
  MailArguments arguments;
  char room[kCompletedBytesMax];
  if (const ServerReply* bad = parse_mail(completed(argument, room), features(), arguments)) {
    return reply_error(*bad);
  }
  if (arguments.declared_bytes > limits_.content.message_bytes_max) {
    return reply(replies::kTooLarge);
  }
  const ServerReply verdict = events_.on_mail(arguments);
  if (verdict.accepted()) {
    transaction_open_ = true;
    refused_ = Refusal::none;
    smtputf8_ = arguments.smtputf8;
    recipients_ = 0;
    excess_ = false;
    state_ = ServerState::in_envelope;
  }
  reply(verdict);
}

void ServerEngine::rcpt(std::string_view argument) {
  if (state_ == ServerState::between_chunks) {
    return reply_error(replies::kChunksBegun);
  }
  if (!transaction_open_) {
    return reply_error(replies::kMailFirst);
  }
  RcptArguments arguments;
  char room[kCompletedBytesMax];
  if (const ServerReply* bad =
          parse_rcpt(completed(argument, room), features(), smtputf8_, arguments)) {
    return reply_error(*bad);
  }
  if (recipients_ >= limits_.recipients_max) {
    excess_ = profile_->excess_fails_message;
    return reply(excess_ ? replies::kRecipientOk : replies::kTooManyRecipients);
  }
  const ServerReply verdict = events_.on_rcpt(arguments);
  if (verdict.accepted()) {
    ++recipients_;
  }
  reply(verdict);
}

// Asks the host whether content may come. False: `refusal` says why not.
bool ServerEngine::begin_content(Transfer transfer, ServerReply& refusal) {
  if (recipients_ == 0) {
    refusal = replies::kNoRecipients;
    return false;
  }
  if (excess_) {
    refusal = replies::kRecipientsInExcess;
    return false;
  }
  refusal = events_.on_content_begin();
  if (refusal.accepted()) {
    scanner_.use_notes(profile_->notes);
    scanner_.start(transfer, profile_->bare_line_ends, limits_.content, profile_->controls,
                   scratch_, profile_->watched_controls);
    refused_ = Refusal::none;
    return true;
  }
  return false;
}

void ServerEngine::data(std::string_view argument) {
  if (!takes_no_argument(argument)) {
    return;
  }
  if (state_ == ServerState::between_chunks) {
    return reply_error(replies::kChunksBegun);
  }
  if (!transaction_open_) {
    return reply_error(replies::kMailFirst);
  }
  ServerReply refusal;
  if (!begin_content(Transfer::data, refusal)) {
    return reply(refusal);
  }
  state_ = ServerState::in_data;
  reply(replies::kGoAhead);
}

// Whatever the verdict on it, the octets of a chunk are read: they are under way already
// (RFC 3030 section 2).
void ServerEngine::bdat(std::string_view argument) {
  BdatArguments chunk;
  if (const ServerReply* bad = parse_bdat(argument, chunk)) {
    // Where the chunk ends is unknown, so what follows cannot be read as commands.
    write_line(*bad, ' ');
    return shut(AbortReason::closed);
  }
  if (chunk.octets == 0 && !chunk.last && ++idle_commands_ > limits_.idle_commands_max) {
    return reply(replies::kTooManyCommands);  // chunks of nothing bring no message nearer
  }
  chunk_left_ = chunk.octets;
  chunk_last_ = chunk.last;
  ServerReply refusal;
  if (!profile_->chunking) {
    skip_chunk(replies::kNotImplemented, false);
  } else if (state_ == ServerState::between_chunks) {
    state_ = ServerState::in_chunk;
  } else if (state_ == ServerState::chunks_refused) {
    skip_chunk(refusal_, true);
  } else if (!transaction_open_) {
    const bool greeted = state_ != ServerState::awaiting_hello;
    skip_chunk(greeted ? replies::kMailFirst : replies::kHelloFirst, false);
  } else if (begin_content(Transfer::bdat, refusal)) {
    state_ = ServerState::in_chunk;
  } else {
    abort_transaction(AbortReason::content_refused);
    skip_chunk(refusal, true);
  }
  if (chunk_left_ == 0) {
    chunk_ended();
  }
}

// `of_message`: the chunk belongs to a message that was refused. The client may have sent all its
// further chunks already; each gets the same answer, because the client may look at the last
// reply only.
void ServerEngine::skip_chunk(const ServerReply& refusal, bool of_message) {
  refusal_ = refusal;
  skip_is_error_ = !of_message;
  if (of_message) {
    after_chunk_ = chunk_last_ ? ServerState::idle : ServerState::chunks_refused;
  } else {
    after_chunk_ = state_;
  }
  state_ = ServerState::skipping_chunk;
}

void ServerEngine::rset(std::string_view argument) {
  if (!takes_no_argument(argument)) {
    return;
  }
  abort_transaction(AbortReason::reset);
  refused_ = Refusal::none;
  if (state_ != ServerState::awaiting_hello) {
    state_ = ServerState::idle;
  }
  reply(replies::kOk);
}

void ServerEngine::starttls(std::string_view argument) {
  if (secured_) {
    return reply_error(replies::kTlsActive);
  }
  if (!profile_->starttls) {
    return reply_error(replies::kNotImplemented);
  }
  if (authenticated_) {
    return reply_error(replies::kTlsAfterAuth);  // what the client is would have to be forgotten
  }
  if (state_ == ServerState::awaiting_hello) {
    return reply_error(replies::kHelloFirst);
  }
  if (state_ != ServerState::idle) {
    return reply_error(replies::kTlsTooLate);
  }
  if (takes_no_argument(argument)) {
    reply(replies::kTlsReady);
    state_ = ServerState::awaiting_tls;
  }
}

void ServerEngine::vrfy(std::string_view argument) {
  if (argument.empty()) {
    return reply_error(replies::kVrfySyntax);
  }
  reply(replies::kVerify);
}

void ServerEngine::help() {
  write_line({214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP"}, '-');
  write_line({214, "2.0.0", "See RFC 5321"}, ' ');
}

}  // namespace ringpost::smtp
