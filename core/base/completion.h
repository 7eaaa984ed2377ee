#pragma once

#include <cstdint>

#include "core/base/assert.h"

namespace ringpost {

/// An operation handed to a port (or any other later event), embedded in its owner. The port or
/// loop marks it ready when done; the loop runs handlers afterwards from its ready list, never
/// from inside the call that started or finished the operation, so handlers do not nest.
/// The owner must live, and not move, until the handler has run. Not copied while in flight.
class Completion {
 public:
  enum class State : std::uint8_t {
    idle,       ///< may be started
    in_flight,  ///< the port holds it
    ready,      ///< on the loop's ready list
  };

  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  /// Names the member function to run: bind<&Session::on_sent>(this). Stays over reuses.
  template <auto Handler, class Owner>
  void bind(Owner* owner) noexcept {
    owner_ = owner;
    run_ = [](void* who, Completion& self) { (static_cast<Owner*>(who)->*Handler)(self); };
  }

  /// Who is called, as a value: lets a carrier between shards put its own handler in place while
  /// it has the operation and restore the owner's afterwards.
  struct Binding {
    void* owner = nullptr;
    void (*run)(void*, Completion&) = nullptr;
  };
  Binding binding() const noexcept { return {owner_, run_}; }
  void rebind(const Binding& binding) noexcept {
    RP_ASSERT(state_ == State::idle);
    owner_ = binding.owner;
    run_ = binding.run;
  }

  bool idle() const noexcept { return state_ == State::idle; }
  State state() const noexcept { return state_; }

  /// Value of the operation: a count or 0, or a negative errno.
  std::int32_t result = 0;

  // For ports and the loop only.

  /// The port takes the completion.
  void start() noexcept {
    RP_ASSERT_NOTE(state_ == State::idle && run_ != nullptr, "operation started twice or unbound");
    state_ = State::in_flight;
  }
  /// Taken from one ready list to be put on another (a driver with a list of its own).
  void requeue() noexcept {
    RP_ASSERT(state_ == State::ready);
    state_ = State::in_flight;
  }
  /// Runs the handler; the completion is idle again before, so that the handler may restart it.
  void run() {
    state_ = State::idle;
    run_(owner_, *this);
  }

 private:
  friend class ReadyList;

  Completion* next_ready_ = nullptr;
  void* owner_ = nullptr;
  void (*run_)(void*, Completion&) = nullptr;
  State state_ = State::idle;
};

/// FIFO of completions whose handlers are to run. One per loop.
class ReadyList {
 public:
  bool empty() const noexcept { return head_ == nullptr; }

  /// Marks `completion` done. It must be in flight.
  void push(Completion& completion) noexcept {
    RP_ASSERT_NOTE(completion.state_ == Completion::State::in_flight, "completed twice");
    completion.state_ = Completion::State::ready;
    completion.next_ready_ = nullptr;
    if (tail_ != nullptr) {
      tail_->next_ready_ = &completion;
    } else {
      head_ = &completion;
    }
    tail_ = &completion;
  }

  Completion* pop() noexcept {
    Completion* completion = head_;
    if (completion != nullptr) {
      head_ = completion->next_ready_;
      if (head_ == nullptr) {
        tail_ = nullptr;
      }
    }
    return completion;
  }

 private:
  Completion* head_ = nullptr;
  Completion* tail_ = nullptr;
};

}  // namespace ringpost
