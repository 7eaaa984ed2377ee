#include "core/loop/loop.h"

#include <algorithm>

namespace ringpost {

Loop::Loop(unsigned shard, Driver& driver, Mailroom& mailroom, LetterHandler& letters)
    : shard_(shard),
      driver_(driver),
      mailroom_(mailroom),
      letters_(letters),
      now_(driver.now()),
      timers_(now_.instant) {
  RP_ASSERT(mailroom.endpoints() <= posted_flag_.size());
}

void Loop::complete(Completion& completion, std::int32_t result) noexcept {
  completion.start();
  completion.result = result;
  ready_.push(completion);
}

bool Loop::post(unsigned to, const Letter& letter) noexcept {
  if (!mailroom_.post(shard_, to, letter)) {
    return false;
  }
  ++stats_.letters_posted;
  if (!posted_flag_[to]) {
    posted_flag_[to] = true;
    posted_to_.push_back(static_cast<std::uint16_t>(to));
  }
  return true;
}

void Loop::turn(Instant until) {
  gather(until);
  stats_.timers += timers_.expire(now_);
  run_ready();
  read_letters();
  run_hooks();
  wake_peers();
  ++stats_.turns;
}

void Loop::run() {
  while (!stopping_) {
    turn(Instant::never());
  }
  turn(Instant{});  // the last turn's wake-ups of peers leave with the next entry
}

void Loop::gather(Instant until) {
  // Letters posted before the first turn still owe their readers a wake-up.
  const bool pending = busy_ || !ready_.empty() || !posted_to_.empty();
  if (pending) {
    until = Instant{};
  } else {
    until = std::min(until, timers_.next_wakeup());
  }
  if (until > now_.instant) {
    mailroom_.announce_sleep(shard_);
    if (!mailroom_.empty(shard_)) {
      until = Instant{};
    }
    driver_.wait(ready_, until);
    mailroom_.announce_awake(shard_);
  } else {
    driver_.wait(ready_, Instant{});
  }
  now_ = driver_.now();
}

void Loop::run_ready() {
  for (std::size_t i = 0; i < kHandlersPerTurn; ++i) {
    Completion* completion = ready_.pop();
    if (completion == nullptr) {
      return;
    }
    ++stats_.handlers;
    completion->run();
  }
}

void Loop::read_letters() {
  // Senders take turns at being read first, so that none can starve the others.
  const unsigned endpoints = mailroom_.endpoints();
  std::size_t left = kLettersPerTurn;
  unsigned from = mailroom_.next_sender(shard_, next_sender_);
  for (unsigned rounds = endpoints; rounds > 0 && from < endpoints && left > 0; --rounds) {
    Letter letter;
    while (left > 0 && mailroom_.take(shard_, from, letter)) {
      --left;
      ++stats_.letters_received;
      letters_.on_letter(letter, now_);
    }
    next_sender_ = (from + 1) % endpoints;
    from = mailroom_.next_sender(shard_, next_sender_);
  }
}

void Loop::run_hooks() {
  busy_ = !mailroom_.empty(shard_);
  for (TurnHook* hook : hooks_) {
    busy_ = hook->end_of_turn(now_) || busy_;
  }
}

void Loop::wake_peers() {
  for (const std::uint16_t to : posted_to_) {
    posted_flag_[to] = false;
    if (to == shard_) {
      busy_ = true;
    } else if (mailroom_.claim_wake(to)) {
      ++stats_.peers_woken;
      driver_.wake_peer(to);
    }
  }
  posted_to_.clear();
}

}  // namespace ringpost
