#pragma once

#include <cstddef>

#include "core/base/assert.h"

namespace ringpost {

/// Link of an intrusive list; derive from it, with a distinct Tag per list the object can be in.
template <class Tag = void>
struct ListLink {
  ListLink* next = nullptr;
  ListLink* prev = nullptr;

  bool linked() const noexcept { return next != nullptr; }
};

/// Doubly linked list threaded through its elements: no allocation, O(1) removal. Elements must
/// outlive their membership. Single-threaded.
template <class T, class Tag = void>
class List {
 public:
  List() noexcept { head_.next = head_.prev = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const noexcept { return head_.next == &head_; }
  std::size_t size() const noexcept { return size_; }

  T* front() noexcept { return empty() ? nullptr : cast(head_.next); }
  T* back() noexcept { return empty() ? nullptr : cast(head_.prev); }
  /// The element after `item`, or nullptr at the end.
  T* after(T& item) noexcept {
    Link* next = static_cast<Link&>(item).next;
    return next == &head_ ? nullptr : cast(next);
  }

  void push_back(T& item) noexcept { insert(item, head_.prev); }
  void push_front(T& item) noexcept { insert(item, &head_); }
  /// Puts `item` directly before `position`, which is in this list.
  void insert_before(T& item, T& position) noexcept {
    insert(item, static_cast<Link&>(position).prev);
  }

  void remove(T& item) noexcept {
    Link& link = item;
    RP_ASSERT(link.linked() && size_ > 0);
    link.prev->next = link.next;
    link.next->prev = link.prev;
    link.next = link.prev = nullptr;
    --size_;
  }

  T* pop_front() noexcept {
    T* item = front();
    if (item != nullptr) {
      remove(*item);
    }
    return item;
  }

 private:
  using Link = ListLink<Tag>;

  static T* cast(Link* link) noexcept { return static_cast<T*>(link); }

  void insert(T& item, Link* position) noexcept {
    Link& link = item;
    RP_ASSERT(!link.linked());
    link.prev = position;
    link.next = position->next;
    position->next->prev = &link;
    position->next = &link;
    ++size_;
  }

  Link head_;
  std::size_t size_ = 0;
};

}  // namespace ringpost
