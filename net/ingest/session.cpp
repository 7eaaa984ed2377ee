#include "net/ingest/session.h"

#include <algorithm>
#include <cerrno>

#include "core/base/assert.h"
#include "core/base/text.h"

namespace ringpost::ingest {
namespace {

using smtp::ServerReply;
using smtp::ServerState;

constexpr ServerReply kTooMany{421, "4.3.2", "Too many connections, try again later"};
constexpr ServerReply kNotForYou{554, "5.7.1", "No mail service for your address"};
constexpr ServerReply kStopping{421, "4.3.2", "Shutting down, try again later"};
constexpr ServerReply kTimeout{421, "4.4.2", "Timeout, closing"};
constexpr ServerReply kStored{451, "4.3.0", "Cannot store the message, try again later"};
constexpr ServerReply kFull{452, "4.3.1", "No room to store the message, try again later"};

constexpr std::size_t kHostnameBytesMax = 255;
constexpr std::size_t kBannerBytesMax = 200;
// Of content, once it takes longer than data_timeout.
constexpr std::uint64_t kLeastBytesPerSecond = 32;
// For a client to take the last replies.
constexpr Duration kFlushTime = Duration::seconds(30);

// An idle connection costs this and an armed receive.
static_assert(sizeof(IngestSession) <= 7168);

}  // namespace

IngestSession::IngestSession(IngestShard& shard, SessionOwner& owner)
    : shard_(shard),
      owner_(owner),
      transaction_(shard.blocks),
      engine_({}, *this, output_, shard.lines) {
  receive_op_.bind<&IngestSession::on_received>(this);
  send_op_.bind<&IngestSession::on_sent>(this);
  close_op_.bind<&IngestSession::on_closed>(this);
  room_op_.bind<&IngestSession::on_room>(this);
  commit_op_.bind<&IngestSession::on_committed>(this);
  check_op_.bind<&IngestSession::on_checked>(this);
  timer_.bind<&IngestSession::on_deadline>(this);
}

void IngestSession::begin(StreamId stream, const SocketAddress& peer, IngestConfigRef config,
                          const SourcePolicy& policy, const ListenAddress* listener,
                          Welcome welcome) {
  RP_ASSERT(state_ == State::ended && writer_ == nullptr && !committing_ && !have_chunk_);
  stream_ = stream;
  peer_ = connected_from_ = peer;
  config_ = std::move(config);
  listener_ = listener;
  policy_ = &policy;
  paused_ = crowded_ = storage_refused_ = waiting_for_room_ = false;
  helo_bytes_ = auth_failures_ = 0;
  bytes_in_ = 0;
  begin_content_clock();
  check_op_.user.clear();
  begin_events();
  receive_op_.ended = false;
  receive_op_.end_result = 0;
  active_ = shard_.loop.now().instant;
  shard_.net.receive(stream_, receive_op_);
  if (policy.proxied && welcome == Welcome::serve) {
    state_ = State::proxied;
    reader_.emplace<smtp::ProxyHeader>();
    return shard_.loop.timers().arm(timer_, active_ + policy.command_timeout);
  }
  state_ = State::open;
  open(welcome);
}

// The client is known: greets it under the rules for it.
void IngestSession::open(Welcome welcome) {
  reader_.emplace<sign::BodyHasher>();
  profile_ = {};
  profile_.hostname = std::string_view(config_->hostname).substr(0, kHostnameBytesMax);
  profile_.banner = std::string_view(config_->banner).substr(0, kBannerBytesMax);
  use_policy(*policy_);
  tell_connected();
  if (listener_ != nullptr && listener_->immediate_tls) {
    // Whoever is not served here gets no words: they would have to be encrypted first.
    return welcome == Welcome::serve && tls() != nullptr ? begin_handshake() : close();
  }
  state_ = State::open;
  greet(welcome, false);
  shard_.loop.timers().arm(timer_, active_ + patience());
  after_engine();
}

void IngestSession::greet(Welcome welcome, bool secured) {
  switch (welcome) {
    case Welcome::serve: return engine_.start(profile_, secured);
    case Welcome::too_many: return engine_.turn_away(profile_, kTooMany);
    case Welcome::not_for_you: return engine_.turn_away(profile_, kNotForYou);
    case Welcome::stopping: return engine_.turn_away(profile_, kStopping);
  }
}

// Feeds what has arrived as far as it goes, then sends all replies at once.
void IngestSession::pump() {
  while (state_ == State::open && engine_.state() != ServerState::closed &&
         (have_chunk_ || engine_.state() != ServerState::awaiting_tls) && next_chunk()) {
    if (!may_feed() || should_leave()) {
      break;
    }
    feed_chunk();
  }
  after_engine();
}

// Makes sure that there is a chunk at hand.
bool IngestSession::next_chunk() {
  if (have_chunk_) {
    return true;
  }
  have_chunk_ = shard_.net.take(receive_op_, chunk_);
  chunk_used_ = 0;
  return have_chunk_;
}

bool IngestSession::may_feed() {
  const ServerState state = engine_.state();
  const bool told_later =
      state == ServerState::awaiting_verdict || state == ServerState::awaiting_auth;
  if (told_later || engine_.output_blocked() || waiting_for_room_ || !room_op_.idle()) {
    return false;
  }
  waiting_for_room_ = writer_ != nullptr && !writer_->has_room(room_op_);
  return !waiting_for_room_;
}

void IngestSession::feed_chunk() {
  const bool goes_on = in_content() || engine_.state() == ServerState::between_chunks;
  chunk_secret_ = chunk_secret_ || (!in_content() && engine_.expects_secrets());
  const auto used = engine_.feed(chunk_.view().substr(chunk_used_));
  chunk_used_ += static_cast<std::uint32_t>(used);
  bytes_in_ += used;
  if (in_content() && !goes_on) {
    begin_content_clock();
  }
  // A part of a command line is no sign of life: octet by octet it could last for ever.
  if (!engine_.in_line()) {
    active_ = shard_.loop.now().instant;
  }
  if (chunk_used_ == chunk_.size) {
    drop_chunk();
  }
}

void IngestSession::drop_chunk() {
  if (have_chunk_) {
    have_chunk_ = false;
    if (chunk_secret_) {
      // The buffer is the port's own, and serves other clients next.
      wipe(const_cast<char*>(chunk_.data), chunk_.size);
      chunk_secret_ = false;
    }
    shard_.net.recycle(chunk_);
  }
}

// It reads nothing until it was told of a message, a user or a handshake.
bool IngestSession::engine_waits() const {
  const ServerState state = engine_.state();
  return state == ServerState::awaiting_verdict || state == ServerState::awaiting_auth ||
         state == ServerState::awaiting_tls;
}

// Looks at what the engine came to and at the stream, and does what follows.
void IngestSession::after_engine() {
  if (state_ == State::open) {
    if (should_leave()) {
      engine_.close(kStopping);
    }
    if (receive_op_.ended && !have_chunk_ && !engine_waits()) {
      end_of_stream();
    }
    if (engine_.state() == ServerState::closed && state_ == State::open) {
      state_ = State::flushing;
      shard_.loop.timers().arm(timer_, shard_.loop.now().instant + kFlushTime);
    }
  }
  flush();
  if (state_ == State::open) {
    crowded_ = crowded_ && have_chunk_;
    set_paused(crowded_);
  } else if (state_ == State::flushing || state_ == State::lingering) {
    discard_input();
  }
}

// The client sends no more. What it said before has been dealt with.
void IngestSession::end_of_stream() {
  if (engine_.in_transaction()) {
    ++shard_.stats.lost_in_transaction;
  }
  engine_.connection_lost();
  if (receive_op_.end_result < 0) {
    close();
  }
}

void IngestSession::flush() {
  if ((state_ != State::open && state_ != State::flushing) || !send_op_.idle()) {
    return;
  }
  const std::string_view output = engine_.output();
  if (output.empty()) {
    if (state_ == State::flushing) {
      linger();
    } else if (engine_.state() == ServerState::awaiting_tls && !have_chunk_) {
      begin_handshake();
    }
    return;
  }
  tell_replies();
  send_slice_ = Slice::of(output);
  send_op_.stream = stream_;
  send_op_.slices = &send_slice_;
  send_op_.slice_count = 1;
  shard_.net.send(send_op_);
}

void IngestSession::set_paused(bool paused) {
  if (paused == paused_) {
    return;
  }
  paused_ = paused;
  if (paused) {
    shard_.net.pause(stream_);
  } else {
    shard_.net.resume(stream_);
  }
}

// After the last reply: reads on without looking, because closing with octets unread would reset
// the connection and could take the reply from the client.
void IngestSession::discard_input() {
  set_paused(false);
  do {
    drop_chunk();
  } while (next_chunk());
  if (receive_op_.ended && (state_ == State::lingering || receive_op_.end_result < 0)) {
    close();
  }
}

void IngestSession::linger() {
  state_ = State::lingering;
  shard_.net.shutdown_send(stream_);
  shard_.loop.timers().arm(timer_, shard_.loop.now().instant + config_->linger);
}

void IngestSession::close() {
  if (state_ == State::closing || state_ == State::settling || state_ == State::ended) {
    return;
  }
  engine_.connection_lost();
  drop_chunk();
  shard_.loop.timers().disarm(timer_);
  state_ = State::closing;
  shard_.net.close(stream_, close_op_);
}

void IngestSession::on_closed(Completion&) {
  tell_closed();
  state_ = State::settling;
  settle();
}

// The session is over when nobody holds one of its completions any more.
void IngestSession::settle() {
  if (state_ != State::settling || committing_ || checking_ || !room_op_.idle() ||
      !send_op_.idle() || (secure_op_ != nullptr && !secure_op_->idle())) {
    return;
  }
  RP_ASSERT(writer_ == nullptr && !timer_.armed());
  state_ = State::ended;
  transaction_.clear();
  if (sender_sessions_ != nullptr) {
    sender_sessions_->give_back();
    sender_sessions_ = nullptr;
  }
  config_.reset();
  policy_ = nullptr;
  owner_.session_ended(*this);
}

void IngestSession::on_received(Completion&) {
  if (state_ == State::securing) {
    // Asking is what drives the handshake; there is nothing to get before its end.
    ReceivedChunk none;
    const bool plain = shard_.net.take(receive_op_, none);
    RP_ASSERT(!plain);
  } else if (state_ == State::proxied) {
    read_proxy_header();
  } else if (state_ == State::open) {
    crowded_ = have_chunk_;
    pump();
  } else if (state_ == State::flushing || state_ == State::lingering) {
    discard_input();
  }
}

void IngestSession::on_sent(Completion&) {
  if (state_ == State::settling) {
    return settle();
  }
  if (state_ != State::open && state_ != State::flushing) {
    return;
  }
  if (send_op_.result < 0) {
    return close();
  }
  active_ = shard_.loop.now().instant;
  const auto sent = static_cast<std::uint32_t>(send_op_.result);
  engine_.output_sent(sent);
  output_told_ -= std::min(sent, output_told_);
  pump();
}

void IngestSession::on_room(Completion&) {
  waiting_for_room_ = false;
  begin_content_clock();  // the time before was ours
  if (state_ == State::open) {
    pump();
  } else {
    settle();
  }
}

void IngestSession::on_committed(Completion&) {
  committing_ = false;
  const bool durable = commit_op_.result == 0;
  if (durable) {
    ++shard_.stats.messages;
    shard_.stats.recipients += message_recipients_;
    shard_.stats.bytes += message_bytes_;
  }
  if (engine_.state() != ServerState::awaiting_verdict) {
    // The connection went away meanwhile; a durable message is accepted all the same.
    return state_ == State::open ? pump() : settle();
  }
  if (durable) {
    write_queued(commit_op_.id);
  } else {
    engine_.complete_message(
        storage_reply(commit_op_.result == -ENOSPC ? ErrorCode::no_space : ErrorCode::io_failed));
  }
  active_ = shard_.loop.now().instant;
  pump();
}

void IngestSession::write_queued(const MessageId& id) {
  char text[MessageId::kTextSize];
  id.write_text(text);
  TextBuilder out(queued_text_);
  out.add("Ok: queued as ").add({text, sizeof text});
  engine_.complete_message({250, "2.0.0", out.view()});
}

ServerReply IngestSession::storage_reply(ErrorCode code) {
  if (code == ErrorCode::no_capacity || code == ErrorCode::no_space) {
    ++shard_.stats.no_room;
    return kFull;
  }
  ++shard_.stats.store_failed;
  return code == ErrorCode::shutting_down ? kStopping : kStored;
}

// Only what the client is late with counts, not our own waiting.
bool IngestSession::waiting_for_us() const {
  return state_ == State::open && send_op_.idle() &&
         (committing_ || checking_ || waiting_for_room_);
}

bool IngestSession::in_content() const {
  const ServerState state = engine_.state();
  return state == ServerState::in_data || state == ServerState::in_chunk ||
         state == ServerState::skipping_chunk;
}

void IngestSession::begin_content_clock() {
  content_since_ = shard_.loop.now().instant;
  content_from_ = bytes_in_;
}

Duration IngestSession::patience() const {
  return in_content() ? policy_->data_timeout : policy_->command_timeout;
}

// Whether content comes octet by octet. A client that is never silent for as long as data_timeout
// could hold its session, and all that belongs to it, for years.
bool IngestSession::is_too_slow(Instant now) const {
  const Duration passed = now - content_since_;
  const auto seconds = static_cast<std::uint64_t>(passed.ns / Duration::seconds(1).ns);
  return in_content() && !waiting_for_us() && passed >= policy_->data_timeout &&
         bytes_in_ - content_from_ < kLeastBytesPerSecond * seconds;
}

void IngestSession::on_deadline(Now now) {
  if (state_ == State::flushing || state_ == State::lingering || state_ == State::securing) {
    shard_.stats.tls_failed += state_ == State::securing ? 1 : 0;
    return close();
  }
  if (state_ == State::proxied) {
    ++shard_.stats.timeouts;
    return close();
  }
  if (waiting_for_us()) {
    active_ = now.instant;
  }
  // Deadlines are not moved with every octet: the timer looks when it fires.
  const Instant due = active_ + patience();
  if (now.instant < due && !is_too_slow(now.instant)) {
    return shard_.loop.timers().arm(timer_, due);
  }
  ++shard_.stats.timeouts;
  engine_.close(kTimeout);
  drop_chunk();
  // A client that does not read its replies does not get to read this one either.
  if (!send_op_.idle()) {
    return close();
  }
  after_engine();
}

// A client that sends its next transaction along with the last never comes to rest by itself: what
// it has begun without an answer is refused.
bool IngestSession::should_leave() const { return shard_.stopping && engine_.at_rest(); }

void IngestSession::stop_when_at_rest() {
  if (state_ == State::proxied) {
    return close();
  }
  if (state_ == State::open) {
    pump();
  }
}

void IngestSession::abandon() { close(); }

}  // namespace ringpost::ingest
