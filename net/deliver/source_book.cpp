#include "net/deliver/source_book.h"

#include <algorithm>
#include <utility>

namespace ringpost::deliver {
namespace {

bool is_queue(std::string_view text, std::string_view name, std::string_view vmta) {
  return text.size() == name.size() + 1 + vmta.size() && text.starts_with(name) &&
         text[name.size()] == '/' && text.ends_with(vmta);
}

}  // namespace

std::string_view name_of(SourceReason reason) noexcept {
  switch (reason) {
    case SourceReason::not_here: return "not an address of this host";
    case SourceReason::command: return "disabled by command";
    case SourceReason::reply: return "disabled by a reply";
  }
  return "?";
}

bool SourceBook::usable(const IpAddress& ip, std::string_view name, std::string_view vmta,
                        Instant now) const {
  return std::none_of(off_.begin(), off_.end(), [&](const SourceOff& off) {
    return off.ip == ip && off.until > now &&
           (off.queue.empty() || is_queue(off.queue, name, vmta));
  });
}

bool SourceBook::usable(const IpAddress& ip) const {
  return std::none_of(off_.begin(), off_.end(),
                      [&ip](const SourceOff& off) { return off.ip == ip && off.queue.empty(); });
}

std::uint64_t SourceBook::off_for_all() const {
  return static_cast<std::uint64_t>(std::count_if(
      off_.begin(), off_.end(), [](const SourceOff& off) { return off.queue.empty(); }));
}

void SourceBook::note_change(std::uint64_t before) { changes_ += before != off_for_all() ? 1 : 0; }

void SourceBook::disable(SourceOff off) {
  changes_ += off.queue.empty() ? 1 : 0;
  const auto same = std::find_if(off_.begin(), off_.end(), [&](const SourceOff& known) {
    return known.ip == off.ip && known.reason == off.reason && known.queue == off.queue;
  });
  if (same != off_.end()) {
    *same = std::move(off);
  } else {
    off_.push_back(std::move(off));
  }
}

bool SourceBook::enable(const IpAddress& ip, std::string_view queue) {
  const std::uint64_t before = off_for_all();
  const bool any = std::erase_if(off_, [&](const SourceOff& off) {
                     return off.ip == ip && off.reason != SourceReason::not_here &&
                            (queue.empty() || off.queue == queue);
                   }) > 0;
  note_change(before);
  return any;
}

void SourceBook::set_missing(std::span<const IpAddress> missing, WallTime now) {
  ++changes_;
  std::erase_if(off_, [&](const SourceOff& off) {
    return off.reason == SourceReason::not_here &&
           std::find(missing.begin(), missing.end(), off.ip) == missing.end();
  });
  for (const IpAddress& ip : missing) {
    const bool known = std::any_of(off_.begin(), off_.end(), [&](const SourceOff& off) {
      return off.reason == SourceReason::not_here && off.ip == ip;
    });
    if (!known) {
      off_.push_back({ip, {}, SourceReason::not_here, Instant::never(), now, {}});
    }
  }
}

void SourceBook::expire(Instant now) {
  const std::uint64_t before = off_for_all();
  std::erase_if(off_, [now](const SourceOff& off) { return off.until <= now; });
  note_change(before);
}

}  // namespace ringpost::deliver
