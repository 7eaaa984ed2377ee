#pragma once

#include <cstddef>
#include <vector>

#include "core/base/fixed_vector.h"
#include "core/loop/loop.h"

namespace ringpost::app {

/// Sends letters in order even when a mailbox is full for a moment: what does not fit waits here
/// and goes first at the end of a turn. Bounded, because every kind of letter is: jobs, parcels
/// and leases each have a maximum in flight.
class Outbox : public TurnHook {
 public:
  Outbox(Loop& loop, unsigned endpoints) : loop_(loop), waiting_(endpoints) {}

  void send(unsigned to, const Letter& letter) {
    Waiting& queue = waiting_[to];
    if (queue.empty() && loop_.post(to, letter)) {
      return;
    }
    queue.letters.push_back(letter);
  }

  bool end_of_turn(Now) override {
    bool more = false;
    for (unsigned to = 0; to < waiting_.size(); ++to) {
      Waiting& queue = waiting_[to];
      while (!queue.empty() && loop_.post(to, queue.letters[queue.next])) {
        ++queue.next;
      }
      if (queue.empty()) {
        queue.letters.clear();
        queue.next = 0;
      } else {
        more = true;
      }
    }
    return more;
  }

 private:
  struct Waiting {
    std::vector<Letter> letters;
    std::size_t next = 0;
    bool empty() const { return next == letters.size(); }
  };

  Loop& loop_;
  std::vector<Waiting> waiting_;
};

}  // namespace ringpost::app
