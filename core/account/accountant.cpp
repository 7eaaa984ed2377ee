#include "core/account/accountant.h"

#include <cstring>

namespace ringpost::account {

Accountant::Accountant(LogWriter& writer, unsigned shard)
    : writer_(writer), ring_(writer.ring(shard)) {
  for (const AccountFileSpec& spec : writer.options().files) {
    formatters_.emplace_back(spec.fields, spec.iso_times);
  }
  entry_.resize(sizeof(EntryHead) + formatters_.size() * (sizeof(EntryRowHead) + kRowBytesMax));
  RP_ASSERT(entry_.size() <= ring_.entry_max());
  for (std::size_t log = 0; log < kLogsMax; ++log) {
    if (writer.archived(log) != 0) {
      taken_.set(log, writer.archived(log));
    }
  }
}

bool Accountant::account(const SettledRecord& record) {
  RP_ASSERT_NOTE(record.log < kLogsMax && record.sequence > 0, "a record outside of every journal");
  if (record.sequence <= taken_[record.log]) {
    return true;
  }
  if (!ring_.put(make_entry(record))) {
    ++refused_;
    return false;
  }
  taken_.set(record.log, record.sequence);
  ++accepted_;
  writer_.notify();
  return true;
}

std::string_view Accountant::make_entry(const SettledRecord& record) {
  EntryHead head;
  head.sequence = record.sequence;
  head.log = record.log;
  std::size_t size = sizeof head;
  const std::uint8_t type = record_of(record.kind);
  const auto& files = writer_.options().files;
  for (std::uint32_t i = 0; i < files.size(); ++i) {
    if ((files[i].records & type) == 0) {
      continue;
    }
    const std::span<char> room(entry_.data() + size + sizeof(EntryRowHead), kRowBytesMax);
    const std::string_view text = formatters_[i].format(record, room);
    const EntryRowHead row{i, static_cast<std::uint32_t>(text.size())};
    std::memcpy(entry_.data() + size, &row, sizeof row);
    size += sizeof row + text.size();
    ++head.rows;
  }
  std::memcpy(entry_.data(), &head, sizeof head);
  return {entry_.data(), size};
}

}  // namespace ringpost::account
