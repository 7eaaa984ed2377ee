#include "net/deliver/transmitter.h"

#include <algorithm>

namespace ringpost::deliver {

void Transmitter::bind(TransmitOwner& owner, Net& net) {
  owner_ = &owner;
  net_ = &net;
  for (Flight& flight : flights_) {
    flight.owner = this;
    flight.op.bind<&Flight::on_sent>(&flight);
    flight.op.released.bind<&Flight::on_released>(&flight);
  }
}

void Transmitter::start(StreamId stream, std::uint64_t zero_copy_threshold_bytes) noexcept {
  RP_ASSERT(released());
  stream_ = stream;
  threshold_ = zero_copy_threshold_bytes;
}

void Transmitter::add(Slice slice) noexcept {
  if (slice.size == 0) {
    return;
  }
  pending_bytes_ += slice.size;
  if (!pending_.empty()) {
    Slice& last = pending_.back();
    if (static_cast<const char*>(last.data) + last.size == slice.data) {
      last.size += slice.size;
      return;
    }
  }
  pending_.push_back(slice);
}

void Transmitter::add_command(std::string_view bytes) noexcept { add(Slice::of(bytes)); }

void Transmitter::add_body(Job& job) noexcept {
  RP_ASSERT_NOTE(pending_body_ == nullptr, "two contents between two flushes");
  const std::uint64_t before = pending_bytes_;
  add(Slice::of(job.signature));
  add(Slice::of(job.view.prefix));
  for (const ByteRange& range : job.view.kept) {
    add(Slice::of(job.view.body.substr(range.begin, range.size())));
  }
  pending_body_ = &job;
  pending_body_bytes_ = pending_bytes_ - before;
  pending_body_end_ = pending_bytes_;
}

void Transmitter::flush() noexcept {
  if (current_ != nullptr || pending_.empty()) {
    return;
  }
  const auto idle = [](const Flight& flight) { return flight.idle(); };
  const auto free = std::count_if(flights_.begin(), flights_.end(), idle);
  if (free == 0) {
    return;  // a notification makes one free and flushes again
  }
  Flight& flight = *std::find_if(flights_.begin(), flights_.end(), idle);
  // One is kept for plain sends, so that commands never wait for a notification.
  const bool zero_copy = pending_body_ != nullptr && pending_body_bytes_ >= threshold_ && free > 1;
  flight.slices = pending_;
  flight.body = pending_body_;
  flight.body_end = pending_body_end_;
  flight.sending = true;
  flight.held = zero_copy;
  flight.op.stream = stream_;
  flight.op.slices = flight.slices.data();
  flight.op.slice_count = static_cast<std::uint32_t>(flight.slices.size());
  flight.op.zero_copy = zero_copy;
  flight.op.copied = false;
  flight.op.sent = 0;
  current_ = &flight;
  discard();
  net_->send(flight.op);
}

void Transmitter::discard() noexcept {
  pending_.clear();
  pending_bytes_ = pending_body_bytes_ = pending_body_end_ = 0;
  pending_body_ = nullptr;
}

bool Transmitter::released() const noexcept {
  return pending_.empty() && std::all_of(flights_.begin(), flights_.end(),
                                         [](const Flight& flight) { return flight.idle(); });
}

bool Transmitter::uses(const Job& job) const noexcept {
  return pending_body_ == &job ||
         std::any_of(flights_.begin(), flights_.end(),
                     [&](const Flight& flight) { return !flight.idle() && flight.body == &job; });
}

void Transmitter::Flight::on_sent(Completion&) {
  sending = false;
  owner->current_ = nullptr;
  const bool body_left = body != nullptr && (op.result >= 0 || op.sent >= body_end);
  owner->owner_->on_transmitted(op.result, body_left);
}

void Transmitter::Flight::on_released(Completion&) {
  held = false;
  owner->owner_->on_released(*body, op.copied);
}

}  // namespace ringpost::deliver
