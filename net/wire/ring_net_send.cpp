#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

#include "net/wire/ring_net_impl.h"

namespace ringpost {
namespace {

// Younger than the installed header.
constexpr std::uint32_t kNoticeCopied = 1U << 31;  // IORING_NOTIF_USAGE_ZC_COPIED

constexpr std::uint32_t kVectorMax = 1024;  // UIO_MAXIOV

static_assert(sizeof(Slice) == sizeof(::iovec));

}  // namespace

// Points the message at what is not sent yet; false when nothing is left.
bool RingNet::Impl::aim_at_rest(SendOp& op) noexcept {
  std::uint64_t skip = op.sent;
  std::uint32_t index = 0;
  while (index < op.slice_count && skip >= op.slices[index].size) {
    skip -= op.slices[index].size;
    ++index;
  }
  if (index == op.slice_count) {
    return false;
  }
  ::msghdr& message = sending(op).message;
  const Slice* first = op.slices + index;
  std::size_t count = std::min(op.slice_count - index, kVectorMax);
  if (skip > 0) {
    count = std::min(count, std::size(op.current));
    std::copy_n(first, count, op.current);
    op.current[0] = {static_cast<const char*>(first->data) + skip,
                     first->size - static_cast<std::size_t>(skip)};
    first = op.current;
  }
  message.msg_iov = reinterpret_cast<::iovec*>(const_cast<Slice*>(first));
  message.msg_iovlen = count;
  return true;
}

void RingNet::Impl::send(SendOp& op) {
  Stream& stream = open_stream(op.stream);
  RP_ASSERT_NOTE(stream.send == nullptr, "one send per stream at a time");
  RP_ASSERT_NOTE(op.released.idle(), "the last send has not been released");
  op.start();
  if (op.zero_copy) {
    op.released.start();
  }
  op.sent = 0;
  op.copied = false;
  Sending& state = *new (op.port_storage) Sending{};
  state.zero_copy = op.zero_copy && ring_.has(RingFeature::zero_copy) && !stream.no_zero_copy;
  if (op.zero_copy && !state.zero_copy) {
    op.copied = true;
    ++ring_.stats().zero_copy_refused;
  }
  ++ring_.stats().sends;
  stream.send = &op;
  if (aim_at_rest(op)) {
    submit_send(stream, op);
  } else {
    finish_send(stream, op, 0);
  }
}

void RingNet::Impl::submit_send(Stream& stream, SendOp& op) noexcept {
  Sending& state = sending(op);
  unsigned flags = MSG_NOSIGNAL;
  if (!stream.no_wait_all && ring_.has(RingFeature::whole_sends)) {
    flags |= MSG_WAITALL;
  }
  ++stream.operations;
  ::io_uring_sqe* entry = ring_.next_entry(RingTag::send, reinterpret_cast<std::uintptr_t>(&op));
  if (state.zero_copy) {
    ++ring_.stats().zero_copy_sends;
    ::io_uring_prep_sendmsg_zc(entry, stream.target, &state.message, flags);
    if (ring_.has(RingFeature::zero_copy_report)) {
      entry->ioprio = kReportUsage;
    }
  } else {
    ::io_uring_prep_sendmsg(entry, stream.target, &state.message, flags);
  }
  aim(entry, stream);
}

// Whether the socket or the kernel would not take the send in this form; it is then sent in a
// plainer one.
bool RingNet::Impl::refused(Stream& stream, SendOp& op, std::int32_t error) noexcept {
  Sending& state = sending(op);
  const bool unsupported = error == -EOPNOTSUPP || error == -EINVAL;
  if (state.zero_copy && (unsupported || error == -ENOMEM || error == -ENOBUFS)) {
    // Short of memory that may be pinned is a matter of the moment, the others of the socket.
    stream.no_zero_copy = stream.no_zero_copy || unsupported;
    state.zero_copy = false;
    op.copied = true;
    ++ring_.stats().zero_copy_refused;
    return true;
  }
  if (!stream.no_wait_all && unsupported) {
    stream.no_wait_all = true;
    return true;
  }
  return error == -EINTR || error == -EAGAIN;
}

void RingNet::Impl::on_send(const RingEvent& event) {
  SendOp& op = *reinterpret_cast<SendOp*>(static_cast<std::uintptr_t>(event.payload));
  if (event.notification) {
    on_notice(op, event.result);
    return;
  }
  if (event.more) {
    ++sending(op).notices;
  }
  Stream& stream = stream_at(op.stream.value);
  const bool closing = stream.state != State::open;
  if (event.result > 0) {
    op.sent += static_cast<std::uint64_t>(event.result);
    ring_.stats().bytes_sent += static_cast<std::uint64_t>(event.result);
  }
  bool again = false;
  std::int32_t result = event.result;
  if (event.result > 0) {
    again = aim_at_rest(op);
    if (!again) {
      result = static_cast<std::int32_t>(
          std::min<std::uint64_t>(op.sent, std::numeric_limits<std::int32_t>::max()));
    }
  } else if (event.result == 0) {
    result = -EPIPE;
  } else {
    again = refused(stream, op, event.result);
  }
  if (again && !closing) {
    ring_.stats().sends_continued += event.result > 0 ? 1 : 0;
    submit_send(stream, op);
  } else {
    finish_send(stream, op, again ? -ECANCELED : result);
  }
  operation_ended(stream);
}

void RingNet::Impl::finish_send(Stream& stream, SendOp& op, std::int32_t result) noexcept {
  stream.send = nullptr;
  ring_.complete(op, result);
  Sending& state = sending(op);
  state.finished = true;
  if (op.zero_copy && state.notices == 0) {
    ring_.complete(op.released, 0);
  }
  if (stream.shutdown_wanted && stream.state == State::open) {
    stream.shutdown_wanted = false;
    shutdown_send(id_of(stream));
  }
}

void RingNet::Impl::on_notice(SendOp& op, std::int32_t result) noexcept {
  Sending& state = sending(op);
  RP_ASSERT(state.notices > 0);
  --state.notices;
  ++ring_.stats().zero_copy_released;
  if ((static_cast<std::uint32_t>(result) & kNoticeCopied) != 0) {
    op.copied = true;
    ++ring_.stats().zero_copy_copied;
  }
  if (state.finished && state.notices == 0) {
    ring_.complete(op.released, 0);
  }
}

void RingNet::Impl::shutdown_send(StreamId id) {
  Stream& stream = open_stream(id);
  if (stream.send != nullptr) {
    stream.shutdown_wanted = true;
    return;
  }
  ::io_uring_sqe* entry = stream_entry(stream, RingTag::stream_shutdown);
  ::io_uring_prep_shutdown(entry, stream.target, SHUT_WR);
  aim(entry, stream);
}

void RingNet::Impl::on_shutdown(const RingEvent& event) {
  operation_ended(stream_at(event.payload));
}

}  // namespace ringpost
