#include "core/loop/mailroom.h"

#include <bit>

namespace ringpost {
namespace {

constexpr std::uint64_t bit_of(unsigned endpoint) { return std::uint64_t{1} << endpoint % 64; }

}  // namespace

LetterRing::LetterRing(std::size_t capacity_power_of_two)
    : letters_(std::make_unique<Letter[]>(capacity_power_of_two)),
      mask_(capacity_power_of_two - 1) {
  RP_ASSERT(std::has_single_bit(capacity_power_of_two));
}

bool LetterRing::put(const Letter& letter) noexcept {
  const std::uint64_t written = written_.load(std::memory_order_relaxed);
  if (written - read_.load(std::memory_order_acquire) > mask_) {
    return false;
  }
  letters_[written & mask_] = letter;
  written_.store(written + 1, std::memory_order_release);
  return true;
}

std::size_t LetterRing::room() const noexcept {
  return mask_ + 1 -
         static_cast<std::size_t>(written_.load(std::memory_order_relaxed) -
                                  read_.load(std::memory_order_acquire));
}

bool LetterRing::take(Letter& letter) noexcept {
  const std::uint64_t read = read_.load(std::memory_order_relaxed);
  if (read == written_.load(std::memory_order_acquire)) {
    return false;
  }
  letter = letters_[read & mask_];
  read_.store(read + 1, std::memory_order_release);
  return true;
}

bool LetterRing::empty() const noexcept {
  return read_.load(std::memory_order_relaxed) == written_.load(std::memory_order_acquire);
}

Mailroom::Mailroom(unsigned endpoints, std::size_t ring_capacity)
    : endpoints_(endpoints),
      flags_(std::make_unique<Flag[]>(endpoints)),
      marks_(std::make_unique<Marks[]>(endpoints)) {
  RP_ASSERT(endpoints <= kEndpointsMax);
  rings_.reserve(std::size_t{endpoints} * endpoints);
  for (unsigned i = 0; i < endpoints * endpoints; ++i) {
    rings_.push_back(std::make_unique<LetterRing>(ring_capacity));
  }
}

bool Mailroom::post(unsigned from, unsigned to, Letter letter) noexcept {
  letter.from = static_cast<std::uint16_t>(from);
  if (!ring(from, to).put(letter)) {
    return false;
  }
  marks_[to].words[from / 64].fetch_or(bit_of(from), std::memory_order_seq_cst);
  return true;
}

std::size_t Mailroom::room(unsigned from, unsigned to) const noexcept {
  return ring(from, to).room();
}

bool Mailroom::take(unsigned to, unsigned from, Letter& letter) noexcept {
  LetterRing& box = ring(from, to);
  if (box.take(letter)) {
    return true;
  }
  std::atomic<std::uint64_t>& word = marks_[to].words[from / 64];
  if ((word.load(std::memory_order_relaxed) & bit_of(from)) == 0) {
    return false;
  }
  // What is put after the mark is gone sets it again; what was put before is seen now.
  word.fetch_and(~bit_of(from), std::memory_order_seq_cst);
  if (!box.take(letter)) {
    return false;
  }
  word.fetch_or(bit_of(from), std::memory_order_seq_cst);
  return true;
}

unsigned Mailroom::next_sender(unsigned to, unsigned from) const noexcept {
  const unsigned words = (endpoints_ + 63) / 64;
  std::uint64_t skipped = bit_of(from) - 1;  // of the first word, which comes again at the end
  for (unsigned i = 0; i <= words; ++i) {
    const unsigned at = (from / 64 + i) % words;
    const std::uint64_t word = marks_[to].words[at].load(std::memory_order_seq_cst) & ~skipped;
    if (word != 0) {
      return at * 64 + static_cast<unsigned>(std::countr_zero(word));
    }
    skipped = 0;
  }
  return endpoints_;
}

bool Mailroom::empty(unsigned to) const noexcept { return next_sender(to, 0) == endpoints_; }

// The reader's store of the flag and its second look at the marks, and the writer's store of the
// mark and its look at the flag, each need a total order between them, or both could look
// before the other's store is seen and the letter would lie until something else wakes the
// reader. Exchanges with sequential consistency give that order where fences would, and a thread
// sanitizer understands them.

void Mailroom::announce_sleep(unsigned endpoint) noexcept {
  flags_[endpoint].sleeping.exchange(true, std::memory_order_seq_cst);
}

void Mailroom::announce_awake(unsigned endpoint) noexcept {
  flags_[endpoint].sleeping.store(false, std::memory_order_relaxed);
}

bool Mailroom::claim_wake(unsigned endpoint) noexcept {
  return flags_[endpoint].sleeping.exchange(false, std::memory_order_seq_cst);
}

}  // namespace ringpost
