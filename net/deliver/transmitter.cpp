#include "net/deliver/transmitter.h"

#include <algorithm>

namespace ringpost::deliver {

namespace {

constexpr std::uint32_t kFinalDotBytes = 3;

}  // namespace

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

void Transmitter::add_command(std::string_view bytes) noexcept {
  if (!pending_.empty()) {
    Piece& last = pending_[pending_.size() - 1];
    if (last.body == nullptr && last.command.data() + last.command.size() == bytes.data()) {
      last.command = {last.command.data(), last.command.size() + bytes.size()};
      return;
    }
  }
  pending_.push({bytes, nullptr, false});
}

void Transmitter::add_body(Job& job, bool final_dot) noexcept {
  pending_.push({{}, &job, final_dot});
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
  gather(flight, free > 1);
  flight.sending = true;
  flight.held = flight.zero_copy;
  flight.op.stream = stream_;
  flight.op.slices = flight.slices.data();
  flight.op.slice_count = static_cast<std::uint32_t>(flight.slices.size());
  flight.op.zero_copy = flight.zero_copy;
  flight.op.copied = false;
  flight.op.sent = 0;
  current_ = &flight;
  net_->send(flight.op);
}

bool Transmitter::fits(const Flight& flight, const Piece& piece, bool large) const noexcept {
  if (flight.slices.empty()) {
    return true;
  }
  const std::size_t needed = piece.body == nullptr ? 1 : 2 + piece.body->view.kept.size();
  if (flight.slices.size() + needed > kSlicesMax) {
    return false;
  }
  const bool alone = large || flight.zero_copy;
  return piece.body == nullptr || flight.bodies.empty() || (!alone && !flight.bodies.full());
}

// Moves as much of what waits into a send as can leave in one.
void Transmitter::gather(Flight& flight, bool may_zero_copy) noexcept {
  static_assert(kSlicesMax >= kKeptRangesMax + 4, "the largest content and a command fit");
  flight.slices.clear();
  flight.bodies.clear();
  flight.bytes = 0;
  flight.zero_copy = false;
  for (; !pending_.empty(); pending_.pop()) {
    const Piece& piece = pending_.front();
    const bool large =
        may_zero_copy && piece.body != nullptr && piece.body->sent_bytes() >= threshold_;
    if (!fits(flight, piece, large)) {
      return;
    }
    flight.zero_copy = flight.zero_copy || large;
    if (piece.body == nullptr) {
      flight.add(Slice::of(piece.command));
    } else {
      flight.add_body(piece);
    }
  }
}

void Transmitter::discard() noexcept { pending_.clear(); }

bool Transmitter::released() const noexcept {
  return pending_.empty() && std::all_of(flights_.begin(), flights_.end(),
                                         [](const Flight& flight) { return flight.idle(); });
}

bool Transmitter::uses(const Job& job) const noexcept {
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i].body == &job) {
      return true;
    }
  }
  return std::any_of(flights_.begin(), flights_.end(),
                     [&](const Flight& flight) { return !flight.idle() && flight.holds(job); });
}

bool Transmitter::Flight::holds(const Job& job) const {
  return std::any_of(bodies.begin(), bodies.end(),
                     [&](const Body& body) { return body.job == &job; });
}

void Transmitter::Flight::add(Slice slice) {
  if (slice.size == 0) {
    return;
  }
  bytes += slice.size;
  if (!slices.empty()) {
    Slice& last = slices.back();
    if (static_cast<const char*>(last.data) + last.size == slice.data) {
      last.size += slice.size;
      return;
    }
  }
  slices.push_back(slice);
}

void Transmitter::Flight::add_body(const Piece& piece) {
  const MessageView& view = piece.body->view;
  add(Slice::of(piece.body->signature));
  add(Slice::of(view.prefix));
  for (std::size_t i = 0; i < view.kept.size(); ++i) {
    const ByteRange& range = view.kept[i];
    const bool cut = !piece.final_dot && i + 1 == view.kept.size();
    add(Slice::of(view.body.substr(range.begin, range.size() - (cut ? kFinalDotBytes : 0))));
  }
  bodies.push_back({piece.body, bytes});
}

void Transmitter::Flight::on_sent(Completion&) {
  sending = false;
  owner->current_ = nullptr;
  std::size_t left = 0;
  for (const Body& body : bodies) {
    left += op.result >= 0 || op.sent >= body.end ? 1U : 0U;
  }
  owner->owner_->on_transmitted(op.result, left);
}

void Transmitter::Flight::on_released(Completion&) {
  held = false;
  owner->owner_->on_released(*bodies[0].job, op.copied);
}

}  // namespace ringpost::deliver
