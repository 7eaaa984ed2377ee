#include "core/app/last_attempts.h"

#include <algorithm>

#include "core/account/row.h"

namespace ringpost::app {

std::size_t LastAttempts::set_of(const SpoolHandle& message, std::uint32_t recipient) noexcept {
  const std::uint64_t key =
      std::uint64_t{message.slot} << 20 ^ recipient ^ std::uint64_t{message.log} << 52;
  return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15ULL >> 40) % kSets * kWays;
}

void LastAttempts::note(const SpoolHandle& message, const SettledRecord& record) {
  if (table_.empty()) {
    table_.resize(kSets * kWays);
  }
  Attempt* const begin = &table_[set_of(message, record.recipient_index)];
  Attempt* const end = begin + kWays;
  Attempt* place = std::find_if(begin, end, [&](const Attempt& one) {
    return one.message == message && one.recipient == record.recipient_index;
  });
  if (place == end) {
    place = std::min_element(begin, end,
                             [](const Attempt& a, const Attempt& b) { return a.age < b.age; });
  }
  place->message = message;
  place->recipient = record.recipient_index;
  place->age = ++notes_;
  place->host.assign(record.host);
  place->address = record.remote.ip;
  place->reply_code = record.reply_code;
  const EnhancedStatus status = account::effective_status(record);
  place->status = status.klass == 4 ? status : EnhancedStatus{4, 0, 0};
  place->text.assign(record.text);
  place->when = record.settled;
}

const LastAttempts::Attempt* LastAttempts::find(const SpoolHandle& message,
                                                std::uint32_t recipient) const noexcept {
  if (table_.empty()) {
    return nullptr;
  }
  const Attempt* const begin = &table_[set_of(message, recipient)];
  const Attempt* const end = begin + kWays;
  const Attempt* found = std::find_if(begin, end, [&](const Attempt& one) {
    return one.age > 0 && one.message == message && one.recipient == recipient;
  });
  return found == end ? nullptr : found;
}

}  // namespace ringpost::app
