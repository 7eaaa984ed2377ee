#include "core/loop/secure_net.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "core/base/text.h"

namespace ringpost {
namespace {

constexpr std::uint32_t kOwnBuffer = 1U << 31;  // in ReceivedChunk::buffer: ours, not the net's
constexpr std::size_t kPlainBytes = 8192;

}  // namespace

SecureNet::SecureNet(Net& net, Driver& driver, TlsEngines& engines)
    : net_(net), driver_(driver), engines_(engines), staging_(TlsEngine::kPieceMax) {
  work_.bind<&SecureNet::on_work>(this);
}

SecureNet::~SecureNet() {
  while (!handshakes_.empty()) {
    handshakes_.pop_front();
  }
}

SecureNet::Stream& SecureNet::fresh_stream() {
  if (vacant_.empty()) {
    Stream& made = *streams_.emplace_back(std::make_unique<Stream>());
    made.owner = this;
    made.inner.bind<&Stream::on_sent>(&made);
    made.inner_close.bind<&Stream::on_closed>(&made);
    vacant_.push_back(&made);
  }
  Stream& stream = *vacant_.back();
  vacant_.pop_back();
  return stream;
}

SecureNet::Stream* SecureNet::find(StreamId id) {
  if (secured_.empty()) {
    return nullptr;
  }
  const auto found = secured_.find(id.value);
  return found == secured_.end() ? nullptr : found->second;
}

// Handshakes.

void SecureNet::secure(SecureOp& op) {
  RP_ASSERT(op.receive != nullptr && op.receive->layer_state == nullptr);
  op.start();
  op.facts = {};
  op.failure = TlsFailure::none;
  op.error_size = 0;
  Stream& stream = fresh_stream();
  stream.id = op.stream;
  stream.securing = &op;
  stream.receive = op.receive;
  stream.handshake_bytes = 0;
  stream.has_given = stream.failed = stream.end_wanted = stream.closing = false;
  stream.offered = stream.by_kernel = false;
  stream.telling = nullptr;
  stream.engine = engines_.make(op);
  // Streams that we accepted may be half closed by us, and then what TLS says last goes first.
  if (const int socket = op.server ? -1 : net_.kernel_socket(op.stream);
      socket >= 0 && stream.engine != nullptr) {
    stream.offered = true;
    stream.engine->offer_socket(socket);
  }
  op.receive->layer_state = &stream;
  secured_.emplace(op.stream.value, &stream);
  ++stats_.streams_open;
  if (op.has_early) {
    op.has_early = false;
    stream.given = op.early;
    stream.has_given = true;
    const std::string_view rest = op.early.view().substr(op.early_used);
    stream.handshake_bytes = rest.size();
    if (stream.engine != nullptr && !rest.empty()) {
      stream.engine->give(rest);
    }
  }
  queue_handshake(stream);
}

void SecureNet::queue_handshake(Stream& stream) {
  if (!stream.linked() && !stream.failed) {
    handshakes_.push_back(stream);
  }
  if (work_.idle() && !handshakes_.empty()) {
    work_.start();
    driver_.finish(work_, 0);
  }
}

void SecureNet::on_work(Completion&) {
  if (!handshakes_.empty()) {
    shake_hands(*handshakes_.pop_front());
  }
  if (!handshakes_.empty() && work_.idle()) {
    work_.start();
    driver_.finish(work_, 0);
  }
}

void SecureNet::shake_hands(Stream& stream) {
  if (stream.engine == nullptr) {
    fail_handshake(stream, TlsFailure::validation_failure, "no memory");
    return;
  }
  if (stream.offered && !stream.inner.idle()) {
    return;  // the engine may write to the socket itself: on_sent() goes on
  }
  SecureOp& op = *stream.securing;
  while (true) {
    switch (stream.engine->handshake(op)) {
      case TlsEngine::Step::done: handshake_done(stream); return;
      case TlsEngine::Step::failed: fail_handshake(stream, op.failure, {}); return;
      case TlsEngine::Step::wants_bytes: break;
    }
    if (stream.handshake_bytes > kHandshakeBytesMax) {
      fail_handshake(stream, TlsFailure::validation_failure, "the handshake is oversized");
      return;
    }
    if (!next_input(stream)) {
      if (stream.receive->ended) {
        fail_handshake(stream, TlsFailure::validation_failure,
                       "the connection was closed in the handshake");
      } else {
        pump(stream);
      }
      return;
    }
  }
}

void SecureNet::handshake_done(Stream& stream) {
  SecureOp& op = *stream.securing;
  stream.by_kernel = stream.engine->kernel_sends();
  op.facts.by_kernel = stream.by_kernel;
  ++stats_.handshakes;
  stats_.resumed += op.facts.resumed ? 1 : 0;
  stats_.by_kernel += stream.by_kernel ? 1 : 0;
  handshake_over(stream, 0);
  pump(stream);
}

// What the engine still has to say, an alert, is sent before the failure is told.
void SecureNet::fail_handshake(Stream& stream, TlsFailure failure, std::string_view words) {
  SecureOp& op = *stream.securing;
  ++stats_.failed;
  stream.failed = true;
  op.failure = failure;
  if (!words.empty()) {
    TextBuilder text(op.error);
    op.error_size = static_cast<std::uint8_t>(text.add(words).size());
  }
  drop_input(stream);
  if (stream.engine != nullptr && !stream.receive->ended) {
    pump(stream);
  }
  if (stream.inner.idle()) {
    handshake_over(stream, -EPROTO);
  }
}

void SecureNet::handshake_over(Stream& stream, std::int32_t result) {
  SecureOp& op = *stream.securing;
  stream.securing = nullptr;
  stream.telling = &op;
  driver_.finish(op, result);
}

// Between the end of a handshake and the call of its handler more may arrive, and its handler may
// be the first to be called; the user must not see what was encrypted before it knows that it was.
bool SecureNet::told(Stream& stream) {
  if (stream.telling != nullptr && stream.telling->idle()) {
    stream.telling = nullptr;
  }
  return stream.telling == nullptr;
}

// Receiving.

void SecureNet::receive(StreamId stream, ReceiveOp& op) {
  op.layer_state = nullptr;
  net_.receive(stream, op);
}

// True when the engine has bytes that it has not used.
bool SecureNet::next_input(Stream& stream) {
  if (stream.has_given && !stream.engine->needs_bytes()) {
    return true;
  }
  drop_input(stream);
  if (!net_.take(*stream.receive, stream.given)) {
    return false;
  }
  stream.has_given = true;
  if (stream.securing != nullptr) {
    stream.handshake_bytes += stream.given.size;
  }
  stream.engine->give(stream.given.view());
  return true;
}

void SecureNet::drop_input(Stream& stream) {
  if (stream.has_given) {
    stream.has_given = false;
    net_.recycle(stream.given);
  }
}

bool SecureNet::take(ReceiveOp& op, ReceivedChunk& chunk) {
  auto* const stream = static_cast<Stream*>(op.layer_state);
  if (stream == nullptr) {
    return net_.take(op, chunk);
  }
  if (stream->securing != nullptr || stream->failed || stream->closing) {
    if (stream->securing != nullptr) {
      queue_handshake(*stream);
    }
    return false;
  }
  if (!told(*stream)) {
    return false;
  }
  const std::uint32_t buffer = free_buffer();
  char* const room = buffers_[buffer].get();
  while (true) {
    const std::size_t size = stream->engine->read({room, kPlainBytes});
    if (size > 0) {
      chunk = {room, static_cast<std::uint32_t>(size), buffer | kOwnBuffer};
      return true;
    }
    if (stream->engine->ended()) {
      op.ended = true;
      op.end_result = stream->engine->broken() ? -EBADMSG : 0;
      drop_input(*stream);
      break;
    }
    if (!next_input(*stream)) {
      break;
    }
  }
  vacant_buffers_.push_back(buffer);
  pump(*stream);  // reading may have given the engine something to answer
  return false;
}

std::uint32_t SecureNet::free_buffer() {
  if (vacant_buffers_.empty()) {
    buffers_.push_back(std::make_unique<char[]>(kPlainBytes));
    return static_cast<std::uint32_t>(buffers_.size() - 1);
  }
  const std::uint32_t buffer = vacant_buffers_.back();
  vacant_buffers_.pop_back();
  return buffer;
}

void SecureNet::recycle(const ReceivedChunk& chunk) {
  if ((chunk.buffer & kOwnBuffer) != 0) {
    vacant_buffers_.push_back(chunk.buffer & ~kOwnBuffer);
  } else {
    net_.recycle(chunk);
  }
}

// Sending.

void SecureNet::send(SendOp& op) {
  Stream* const stream = find(op.stream);
  if (stream == nullptr) {
    net_.send(op);
    return;
  }
  RP_ASSERT_NOTE(stream->user == nullptr, "one send per stream at a time");
  RP_ASSERT_NOTE(stream->securing == nullptr && !stream->closing, "this stream takes no sends");
  if (stream->by_kernel) {
    net_.send(op);
    return;
  }
  op.start();
  op.sent = 0;
  op.copied = op.zero_copy;
  if (op.zero_copy) {
    op.released.start();
  }
  stream->user = &op;
  stream->user_slice = 0;
  stream->user_offset = 0;
  stream->user_taken = 0;
  stream->marks.clear();
  pump(*stream);
}

// Gives the net what is encrypted, one send at a time.
void SecureNet::pump(Stream& stream) {
  if (!stream.inner.idle() || stream.closing || stream.engine == nullptr) {
    return;
  }
  if (stream.user != nullptr) {
    encrypt(stream);
  } else if (stream.end_wanted && stream.securing == nullptr && !stream.failed) {
    stream.engine->end();
  }
  std::vector<char>& output = stream.engine->output();
  if (output.empty()) {
    if (stream.user != nullptr) {
      finish_user(stream, stream.engine->broken() ? -EBADMSG : 0);
    }
    if (stream.end_wanted) {
      stream.end_wanted = false;
      net_.shutdown_send(stream.id);
    }
    return;
  }
  send_output(stream);
}

void SecureNet::send_output(Stream& stream) {
  std::vector<char>& output = stream.engine->output();
  stream.sending.swap(output);
  output.clear();
  stream.slice = {stream.sending.data(), stream.sending.size()};
  stream.inner.stream = stream.id;
  stream.inner.slices = &stream.slice;
  stream.inner.slice_count = 1;
  stream.inner.zero_copy = false;
  net_.send(stream.inner);
}

void SecureNet::encrypt(Stream& stream) {
  stream.marks.clear();
  while (!stream.marks.full()) {
    const std::string_view piece = next_piece(stream);
    if (piece.empty() || !stream.engine->write(piece)) {
      return;
    }
    stream.user_taken += piece.size();
    stream.marks.push_back({stream.engine->output().size(), stream.user_taken});
  }
}

// What goes into one record: a part of a large slice as it lies, or small slices together.
std::string_view SecureNet::next_piece(Stream& stream) {
  const SendOp& op = *stream.user;
  std::size_t gathered = 0;
  while (stream.user_slice < op.slice_count && gathered < staging_.size()) {
    const Slice& slice = op.slices[stream.user_slice];
    const char* const data = static_cast<const char*>(slice.data) + stream.user_offset;
    const std::size_t left = slice.size - stream.user_offset;
    const std::size_t size = std::min(left, staging_.size() - gathered);
    stream.user_offset += size;
    if (size == left) {
      ++stream.user_slice;
      stream.user_offset = 0;
    }
    if (gathered == 0 && (size == staging_.size() || stream.user_slice == op.slice_count)) {
      return {data, size};
    }
    std::memcpy(staging_.data() + gathered, data, size);
    gathered += size;
  }
  return {staging_.data(), gathered};
}

void SecureNet::on_sent(Stream& stream) {
  const bool whole = stream.inner.result >= 0;
  if (stream.user != nullptr) {
    for (const Mark& mark : stream.marks) {
      if (whole || mark.encrypted_end <= stream.inner.sent) {
        stream.user->sent = mark.plain_end;
      }
    }
    if (!whole || stream.closing || stream.engine->broken()) {
      finish_user(stream, whole ? -ECANCELED : stream.inner.result);
    } else if (stream.user_slice == stream.user->slice_count) {
      finish_user(stream, 0);
    }
  }
  if (stream.failed && stream.securing != nullptr) {
    handshake_over(stream, -EPROTO);
    return;
  }
  if (whole) {
    pump(stream);
    if (stream.offered && stream.securing != nullptr && !stream.closing) {
      queue_handshake(stream);
    }
  }
}

void SecureNet::finish_user(Stream& stream, std::int32_t result) {
  SendOp& op = *stream.user;
  stream.user = nullptr;
  stream.marks.clear();
  if (result == 0) {
    result = static_cast<std::int32_t>(
        std::min<std::uint64_t>(op.sent, std::numeric_limits<std::int32_t>::max()));
  }
  driver_.finish(op, result);
  if (op.zero_copy) {
    driver_.finish(op.released, 0);  // the engine copied it all
  }
}

void SecureNet::shutdown_send(StreamId id) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    net_.shutdown_send(id);
    return;
  }
  if (stream->by_kernel) {
    net_.shutdown_send(id);  // without a last word: a send may be in flight
    return;
  }
  stream->end_wanted = true;
  pump(*stream);
}

void SecureNet::close(StreamId id, CloseOp& op) {
  Stream* const stream = find(id);
  if (stream == nullptr) {
    net_.close(id, op);
    return;
  }
  op.start();
  RP_ASSERT(!stream->closing);
  stream->closing = true;
  stream->user_close = &op;
  if (stream->linked()) {
    handshakes_.remove(*stream);
  }
  drop_input(*stream);
  say_goodbye(*stream);
  net_.close(id, stream->inner_close);
}

// Without its last word a peer cannot tell the end from a cut (RFC 8446 section 6.1). It leaves if
// the socket has room at once; nobody waits for it.
void SecureNet::say_goodbye(Stream& stream) {
  const bool secured = stream.securing == nullptr && !stream.failed && !stream.by_kernel;
  if (!secured || !stream.inner.idle() || stream.user != nullptr || stream.receive->ended) {
    return;
  }
  stream.engine->end();
  if (!stream.engine->output().empty()) {
    send_output(stream);
  }
}

// The send of the net below has completed before its close did; so does the user's.
void SecureNet::on_closed(Stream& stream) {
  RP_ASSERT(stream.inner.idle() && stream.user == nullptr);
  if (stream.securing != nullptr) {
    handshake_over(stream, -ECANCELED);
  }
  stream.receive->layer_state = nullptr;
  stream.engine.reset();
  secured_.erase(stream.id.value);
  --stats_.streams_open;
  CloseOp& op = *stream.user_close;
  stream.user_close = nullptr;
  vacant_.push_back(&stream);
  driver_.finish(op, 0);
}

}  // namespace ringpost
