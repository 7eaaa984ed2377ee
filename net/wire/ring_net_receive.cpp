#include <liburing.h>

#include <cerrno>

#include "net/wire/ring_net_impl.h"

// A receive is multishot: it stays in the kernel and reports every arrival with a buffer it took
// from the pool. It ends by itself at the end of the stream, on errors, when the completion queue
// ran over, and (ENOBUFS) when the pool is empty, even if nothing has arrived; the last two are no
// matter of the stream's owner and it is armed again, after ENOBUFS once buffers came back.

namespace ringpost {

void RingNet::Impl::receive(StreamId id, ReceiveOp& op) {
  Stream& stream = open_stream(id);
  RP_ASSERT_NOTE(stream.receive == nullptr && op.idle(), "one receive per stream");
  op.ended = false;
  op.end_result = 0;
  op.port_state = &stream;
  stream.receive = &op;
  keep_receiving(stream);
}

bool RingNet::Impl::take(ReceiveOp& op, ReceivedChunk& chunk) {
  if (op.port_state == nullptr) {
    return false;
  }
  Stream& stream = *static_cast<Stream*>(op.port_state);
  if (stream.first_chunk == ReceiveBuffers::kNone) {
    return false;
  }
  chunk.buffer = stream.first_chunk;
  const std::string_view content = buffers_->content(chunk.buffer);
  chunk.data = content.data();
  chunk.size = static_cast<std::uint32_t>(content.size());
  stream.first_chunk = buffers_->next(chunk.buffer);
  if (stream.first_chunk == ReceiveBuffers::kNone) {
    stream.last_chunk = ReceiveBuffers::kNone;
  }
  return true;
}

void RingNet::Impl::recycle(const ReceivedChunk& chunk) {
  // Who starves for it is armed before the next entry into the kernel.
  buffers_->give_back(chunk.buffer);
}

void RingNet::Impl::pause(StreamId id) {
  Stream& stream = open_stream(id);
  stream.paused = true;
  if (stream.linked()) {
    starved_.remove(stream);
  }
  if (stream.armed && !stream.stopping_receive) {
    stop_receive(stream);
  }
}

void RingNet::Impl::resume(StreamId id) {
  Stream& stream = open_stream(id);
  stream.paused = false;
  keep_receiving(stream);
}

void RingNet::Impl::arm_receive(Stream& stream) noexcept {
  ++ring_.stats().receives_armed;
  ::io_uring_sqe* entry = stream_entry(stream, RingTag::receive);
  ::io_uring_prep_recv_multishot(entry, stream.target, nullptr, 0, 0);
  aim(entry, stream);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = ReceiveBuffers::kGroup;
  stream.armed = true;
  stream.stopping_receive = false;
}

void RingNet::Impl::stop_receive(Stream& stream) noexcept {
  stream.stopping_receive = true;
  const std::uint64_t target = Ring::user_data(RingTag::receive, id_of(stream).value);
  ::io_uring_prep_cancel64(stream_entry(stream, RingTag::stream_cancel), target, 0);
}

void RingNet::Impl::keep_receiving(Stream& stream) noexcept {
  if (stream.receive != nullptr && !stream.armed && !stream.ended && !stream.paused &&
      !stream.linked()) {
    arm_receive(stream);
  }
}

void RingNet::Impl::announce(Stream& stream) noexcept {
  ReceiveOp& op = *stream.receive;
  if (op.idle()) {
    op.start();
    ring_.complete(op, 0);
  }
}

void RingNet::Impl::end_receive(Stream& stream, std::int32_t result) noexcept {
  stream.ended = true;
  stream.receive->ended = true;
  stream.receive->end_result = result;
  announce(stream);
}

void RingNet::Impl::append_chunk(Stream& stream, std::uint32_t buffer) noexcept {
  if (stream.last_chunk == ReceiveBuffers::kNone) {
    stream.first_chunk = buffer;
  } else {
    buffers_->next(stream.last_chunk) = buffer;
  }
  stream.last_chunk = buffer;
}

void RingNet::Impl::drop_chunks(Stream& stream) noexcept {
  while (stream.first_chunk != ReceiveBuffers::kNone) {
    const std::uint32_t buffer = stream.first_chunk;
    stream.first_chunk = buffers_->next(buffer);
    recycle({nullptr, 0, buffer});
  }
  stream.last_chunk = ReceiveBuffers::kNone;
}

void RingNet::Impl::on_receive(const RingEvent& event) {
  Stream& stream = stream_at(event.payload);
  const bool live = stream.state == State::open;
  if (event.buffer >= 0) {
    const auto buffer = static_cast<std::uint32_t>(event.buffer);
    const auto size = static_cast<std::uint32_t>(std::max(event.result, 0));
    buffers_->filled(buffer, size);
    if (live && size > 0) {
      ++ring_.stats().chunks_received;
      ring_.stats().bytes_received += size;
      append_chunk(stream, buffer);
      announce(stream);
    } else {
      recycle({nullptr, 0, buffer});
    }
  }
  if (!event.more) {
    stream.armed = false;
    operation_ended(stream);
  }
  if (!live) {
    return;
  }
  if (event.result == -ENOBUFS) {
    ++ring_.stats().buffers_exhausted;
    if (event.more) {
      // Early 6.1 kernels may leave such a receive behind without ever waking it again.
      stop_receive(stream);
    } else if (!stream.paused && !stream.linked()) {
      starved_.push_back(stream);
    }
    return;
  }
  if (event.result == 0) {
    end_receive(stream, 0);
    return;
  }
  const bool goes_on = event.result > 0 || event.result == -ECANCELED || event.result == -EINTR ||
                       event.result == -EAGAIN;
  if (!goes_on) {
    end_receive(stream, event.result);
    return;
  }
  if (!event.more) {
    keep_receiving(stream);
  } else if (stream.paused && !stream.stopping_receive) {
    stop_receive(stream);
  }
}

bool RingNet::Impl::before_entry() {
  unsigned free = buffers_->at_kernel();
  for (; free > 0 && !starved_.empty(); --free) {
    arm_receive(*starved_.pop_front());
  }
  // A receive without arrivals may have been armed and leave its buffer to another: as long as
  // there are buffers and streams that want one, no sleep comes between them.
  return buffers_->at_kernel() > 0 && !starved_.empty();
}

}  // namespace ringpost
