#include "net/deliver/transmitter.h"

#include <algorithm>
#include <limits>

namespace ringpost::deliver {

namespace {

constexpr std::uint32_t kFinalDotBytes = 3;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
// A way that copies copies all; a single copy may come of a moment's watching of the traffic.
constexpr unsigned kCopiesMax = 8;

}  // namespace

Transmitter::Flight::Flight() {
  op.bind<&Flight::on_sent>(this);
  op.released.bind<&Flight::on_released>(this);
}

void Transmitter::bind(TransmitOwner& owner, Net& net, Flights& flights, Waiting& waiting) {
  owner_ = &owner;
  net_ = &net;
  flights_ = &flights;
  waiting_ = &waiting;
}

void Transmitter::start(StreamId stream, std::uint64_t zero_copy_threshold_bytes) noexcept {
  RP_ASSERT(released());
  stream_ = stream;
  threshold_ = zero_copy_threshold_bytes;
  copies_ = 0;
}

void Transmitter::add_command(std::string_view bytes) noexcept {
  if (pending_ != nullptr) {
    Piece& last = pending_->fifo[pending_->fifo.size() - 1];
    if (last.body == nullptr && last.command.data() + last.command.size() == bytes.data()) {
      last.command = {last.command.data(), last.command.size() + bytes.size()};
      return;
    }
  }
  push({bytes, nullptr, false});
}

void Transmitter::push(const Piece& piece) noexcept {
  if (pending_ == nullptr) {
    pending_ = &waiting_->lend();
  }
  pending_->fifo.push(piece);
}

void Transmitter::pop() noexcept {
  pending_->fifo.pop();
  if (pending_->fifo.empty()) {
    waiting_->take_back(*pending_);
    pending_ = nullptr;
  }
}

void Transmitter::add_body(Job& job, bool final_dot) noexcept { push({{}, &job, final_dot}); }

void Transmitter::flush() noexcept {
  if (current_ != nullptr || pending_ == nullptr) {
    return;
  }
  const auto free = std::count(used_.begin(), used_.end(), nullptr);
  if (free == 0) {
    return;  // a notification makes one free and flushes again
  }
  Flight& flight = flights_->lend();
  *std::find(used_.begin(), used_.end(), nullptr) = &flight;
  flight.owner = this;
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
  for (; pending_ != nullptr; pop()) {
    const Piece& piece = pending_->fifo.front();
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

void Transmitter::discard() noexcept {
  while (pending_ != nullptr) {
    pop();
  }
}

bool Transmitter::released() const noexcept {
  return pending_ == nullptr && std::all_of(used_.begin(), used_.end(),
                                            [](const Flight* flight) { return flight == nullptr; });
}

void Transmitter::give_back(Flight& flight) noexcept {
  if (flight.idle()) {
    *std::find(used_.begin(), used_.end(), &flight) = nullptr;
    flights_->take_back(flight);
  }
}

bool Transmitter::uses(const Job& job) const noexcept {
  for (std::size_t i = 0; pending_ != nullptr && i < pending_->fifo.size(); ++i) {
    if (pending_->fifo[i].body == &job) {
      return true;
    }
  }
  return std::any_of(used_.begin(), used_.end(),
                     [&](const Flight* flight) { return flight != nullptr && flight->holds(job); });
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
  const std::int32_t result = op.result;
  Transmitter& mine = *owner;
  mine.give_back(*this);  // from here on it may be another's
  mine.owner_->on_transmitted(result, left);
}

void Transmitter::Flight::on_released(Completion&) {
  held = false;
  Job& job = *bodies[0].job;
  const bool copied = op.copied;
  Transmitter& mine = *owner;
  mine.copies_ = copied ? mine.copies_ + 1 : 0;
  if (mine.copies_ == kCopiesMax) {
    mine.threshold_ = kNever;  // to ask and be copied nevertheless costs more than to be copied
  }
  mine.give_back(*this);
  mine.owner_->on_released(job, copied);
}

}  // namespace ringpost::deliver
