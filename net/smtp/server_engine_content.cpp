#include <algorithm>

#include "core/base/assert.h"
#include "net/smtp/server_engine.h"

// The content phase: DATA and BDAT.

namespace ringpost::smtp {
namespace {

const ServerReply& reply_for(ContentFault fault) {
  switch (fault) {
    case ContentFault::bare_line_end: return replies::kBareEndings;
    case ContentFault::too_large: return replies::kTooLarge;
    case ContentFault::header_too_large: return replies::kHeaderSize;
    case ContentFault::too_many_fields: return replies::kHeaderCount;
    case ContentFault::repeated_fields: return replies::kHeaderRepeats;
    case ContentFault::mail_loop: return replies::kMailLoop;
    case ContentFault::line_too_long:
    case ContentFault::none: break;
  }
  return replies::kContentLine;
}

}  // namespace

std::size_t ServerEngine::feed_data(std::string_view input) {
  const std::size_t consumed = scanner_.feed(input, gate_);
  if (state_ == ServerState::closed) {
    return consumed;
  }
  note_fault();
  if (scanner_.ended()) {
    end_of_content();
  }
  return consumed;
}

std::size_t ServerEngine::feed_chunk(std::string_view input) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, input.size()));
  chunk_left_ -= size;
  if (state_ == ServerState::in_chunk) {
    scanner_.feed(input.substr(0, size), gate_);
    if (state_ == ServerState::closed) {
      return size;
    }
    note_fault();
  }
  if (chunk_left_ == 0) {
    chunk_ended();
  }
  return size;
}

// A limit was met: the host hears of it at once and can let go of what it holds; the client hears
// of it when it has sent all.
void ServerEngine::note_fault() {
  if (refused_ == Refusal::none && scanner_.fault() != ContentFault::none) {
    refused_ = Refusal::scanner;
    abort_transaction(AbortReason::content_refused);
  }
}

ServerReply ServerEngine::final_refusal() const {
  return refused_ == Refusal::host ? refusal_ : reply_for(scanner_.fault());
}

void ServerEngine::chunk_ended() {
  if (state_ == ServerState::skipping_chunk) {
    state_ = after_chunk_;
    return skip_is_error_ ? reply_error(refusal_) : reply(refusal_);
  }
  if (chunk_last_) {
    scanner_.finish(gate_);
    if (state_ == ServerState::closed) {
      return;
    }
    note_fault();
    return end_of_content();
  }
  if (refused_ != Refusal::none) {
    refusal_ = final_refusal();
    state_ = ServerState::chunks_refused;
    return reply(refusal_);
  }
  state_ = ServerState::between_chunks;
  reply({250, "2.0.0", "Chunk received"});
}

void ServerEngine::end_of_content() {
  if (refused_ != Refusal::none) {
    const ServerReply refusal = final_refusal();
    refused_ = Refusal::none;
    state_ = ServerState::idle;
    return reply(refusal);
  }
  state_ = ServerState::awaiting_verdict;
  events_.on_content_end(scanner_.summary());
}

}  // namespace ringpost::smtp
