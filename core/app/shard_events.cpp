#include "core/app/shard_events.h"

#include <cstring>

#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr std::size_t kNameMax = 255;

/// What stands before the texts of an entry; copied as it is, it never leaves the process.
struct EntryHead {
  std::int64_t time_us = 0;
  std::uint32_t session = 0;
  std::uint16_t text_size = 0;
  std::uint16_t port = 0;
  IpAddress remote;
  std::uint8_t kind = 0;
  std::uint8_t speaker = 0;
  std::uint8_t traces = 0;
  bool incoming = false;
  bool logged = false;
  bool cut = false;
  std::uint8_t queue_size = 0;
  std::uint8_t vmta_size = 0;
  std::uint8_t host_size = 0;
};

}  // namespace

Result<TraceFilter> TraceFilter::parse(std::string_view text) {
  TraceFilter filter;
  if (const auto address = IpAddress::parse(text); address.ok()) {
    filter.network = IpNetwork{*address, static_cast<std::uint8_t>(address->is_v4() ? 32 : 128)};
    return filter;
  }
  const bool digits = text.find_first_not_of("0123456789./:abcdefABCDEF") == text.npos;
  if (const auto network = IpNetwork::parse(text);
      digits && text.find('/') != text.npos && network.ok()) {
    filter.network = *network;
    return filter;
  }
  auto queue = schedule::QueuePattern::parse(text);
  if (!queue) {
    return Error::of(ErrorCode::invalid, "'" + std::string(text) +
                                             "' is neither DOMAIN[/VMTA] nor a host's name, "
                                             "address or network: " +
                                             queue.error().detail);
  }
  filter.queue = std::move(*queue);
  filter.names_host = text.find('/') == text.npos;
  return filter;
}

bool TraceFilter::matches(const EventSubject& subject) const noexcept {
  if (network) {
    return subject.remote.ip.valid() && network->contains(subject.remote.ip);
  }
  if (!subject.incoming && queue.matches(subject.queue, subject.vmta)) {
    return true;
  }
  return names_host && !subject.host.empty() && schedule::glob_matches(queue.domain, subject.host);
}

EventLine EventLine::read(std::string_view entry) noexcept {
  EntryHead head;
  std::memcpy(&head, entry.data(), sizeof head);
  entry.remove_prefix(sizeof head);
  const auto next = [&entry](std::size_t size) {
    const std::string_view part = entry.substr(0, size);
    entry.remove_prefix(size);
    return part;
  };
  EventLine line;
  line.time = {head.time_us};
  line.session = head.session;
  line.kind = static_cast<EventKind>(head.kind);
  line.speaker = static_cast<EventSpeaker>(head.speaker);
  line.incoming = head.incoming;
  line.logged = head.logged;
  line.cut = head.cut;
  line.traces = head.traces;
  line.remote = {head.remote, head.port};
  line.queue = next(head.queue_size);
  line.vmta = next(head.vmta_size);
  line.host = next(head.host_size);
  line.text = next(head.text_size);
  return line;
}

void ShardEvents::use(std::shared_ptr<const TraceFilters> filters) {
  filters_ = std::move(filters);
  watchers_changed();
}

void ShardEvents::watch(const EventSubject& subject, EventInterest& interest) const noexcept {
  interest.traces = 0;
  interest.traced = 0;
  if (filters_ == nullptr) {
    return;
  }
  for (const TraceFilter& filter : *filters_) {
    if (filter.matches(subject)) {
      interest.traces = static_cast<std::uint8_t>(interest.traces | (1U << filter.number));
      interest.traced = static_cast<EventKinds>(interest.traced | filter.kinds);
    }
  }
}

void ShardEvents::tell(const EventSubject& subject, const EventInterest& interest, EventKind kind,
                       EventSpeaker speaker, std::string_view line) noexcept {
  EntryHead head;
  const auto name_size = [](std::string_view name) {
    return static_cast<std::uint8_t>(std::min(name.size(), kNameMax));
  };
  head.time_us = loop_ != nullptr ? loop_->now().wall.us : 0;
  head.session = interest.session;
  head.text_size = static_cast<std::uint16_t>(std::min(line.size(), kTextMax));
  head.cut = line.size() > kTextMax;
  head.port = subject.remote.port;
  head.remote = subject.remote.ip;
  head.kind = static_cast<std::uint8_t>(kind);
  head.speaker = static_cast<std::uint8_t>(speaker);
  head.incoming = subject.incoming;
  head.logged = (interest.logged & event_bit(kind)) != 0;
  // Who watches gets the kinds that anyone who watches wants; the log's thread sorts them out.
  head.traces = (interest.traced & event_bit(kind)) != 0 ? interest.traces : std::uint8_t{0};
  head.queue_size = name_size(subject.queue);
  head.vmta_size = name_size(subject.vmta);
  head.host_size = name_size(subject.host);
  std::array<char, sizeof head + 3 * kNameMax + kTextMax> room;
  std::memcpy(room.data(), &head, sizeof head);
  TextBuilder text(std::span<char>(room).subspan(sizeof head));
  text.add(subject.queue.substr(0, head.queue_size)).add(subject.vmta.substr(0, head.vmta_size));
  text.add(subject.host.substr(0, head.host_size)).add(line.substr(0, head.text_size));
  const bool told = ring_.put({room.data(), sizeof head + text.size()});
  (told ? told_ : dropped_).fetch_add(1, std::memory_order_relaxed);
}

}  // namespace ringpost::app
