#include "core/schedule/scope.h"

namespace ringpost::schedule {

Level& Scope::level(std::uint8_t priority) {
  auto at = levels.begin();
  while (at != levels.end() && (*at)->priority > priority) {
    ++at;
  }
  if (at == levels.end() || (*at)->priority != priority) {
    at = levels.insert(at, std::make_unique<Level>(priority));
  }
  return **at;
}

std::uint32_t Scope::waiters_above(int priority) const {
  std::size_t sum = 0;
  for (const auto& one : levels) {
    if (one->priority > priority) {
      sum += one->waiting.size() + one->growing.size();
    }
  }
  return static_cast<std::uint32_t>(sum);
}

std::uint32_t Scope::waiting() const {
  std::size_t sum = 0;
  for (const auto& one : levels) {
    sum += one->waiting.size();
  }
  return static_cast<std::uint32_t>(sum);
}

Waiter* Scope::head() {
  Waiter* oldest = nullptr;
  for (const auto& one : levels) {
    Waiter* first = one->waiting.front();
    if (alms > 0 && first != nullptr && (oldest == nullptr || first->ticket < oldest->ticket)) {
      oldest = first;
    }
  }
  if (oldest != nullptr) {
    return oldest;
  }
  for (const auto& one : levels) {
    if (Waiter* first = one->waiting.empty() ? one->growing.front() : one->waiting.front()) {
      return first;
    }
  }
  return nullptr;
}

bool Scope::is_first(std::uint8_t priority, bool growing) const {
  for (const auto& one : levels) {
    const bool nobody = one->waiting.empty() && one->growing.empty();
    if (one->priority > priority && !nobody) {
      return false;
    }
    if (one->priority == priority && !(growing ? nobody : one->waiting.empty())) {
      return false;
    }
    if (one->priority < priority && alms > 0 && !one->waiting.empty()) {
      return false;
    }
  }
  return true;
}

std::uint8_t Scope::top(std::uint32_t& count) const {
  for (const auto& one : levels) {
    count = static_cast<std::uint32_t>(one->waiting.size() + one->growing.size());
    if (count > 0) {
      return one->priority;
    }
  }
  count = 0;
  return 0;
}

std::uint8_t Scope::lowest() const {
  for (auto one = levels.rbegin(); one != levels.rend(); ++one) {
    if ((*one)->used > 0) {
      return (*one)->priority;
    }
  }
  return kUntouchable;
}

std::uint8_t Scope::lowest_waiting() const {
  for (auto one = levels.rbegin(); one != levels.rend(); ++one) {
    if (!(*one)->waiting.empty()) {
      return (*one)->priority;
    }
  }
  return kUntouchable;
}

std::uint32_t Scope::pressure() const {
  const std::uint8_t floor = lowest();
  std::uint32_t sum = waiting() + remote();
  for (const auto& one : levels) {
    sum += one->priority > floor ? static_cast<std::uint32_t>(one->growing.size()) : 0;
  }
  return sum;
}

std::uint32_t Scope::pressure_on(std::uint8_t priority, std::uint8_t standing, Reach reach) const {
  if (reach == Reach::nobody) {
    return 0;
  }
  const auto counts = [&](std::uint8_t theirs) {
    return theirs > standing || (reach >= Reach::equal && theirs >= priority) ||
           reach == Reach::everybody;
  };
  std::uint32_t sum = counts(debt_priority) ? remote() : 0;
  for (const auto& one : levels) {
    if (counts(one->priority)) {
      sum += static_cast<std::uint32_t>(one->waiting.size());
    }
    if (one->priority > standing) {
      sum += static_cast<std::uint32_t>(one->growing.size());
    }
  }
  return sum;
}

bool Scope::overdue(Instant now, Duration patience) {
  if (waiting() + remote() <= yields) {
    since = Instant::never();
    return false;
  }
  since = std::min(since, now);
  return now - since >= patience;
}

}  // namespace ringpost::schedule
