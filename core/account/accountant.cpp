#include "core/account/accountant.h"

#include <algorithm>
#include <cstring>

#include "core/base/hash.h"

namespace ringpost::account {

std::string_view RememberedRules::category(std::string_view text) const {
  const std::uint64_t hash = hash64(text);
  Entry& entry = known_[hash % known_.size()];
  if (entry.hash != hash) {
    entry = {hash, rules_->category(text)};
  }
  return entry.category;
}

Accountant::Accountant(LogWriter& writer, unsigned shard)
    : writer_(writer), ring_(writer.ring(shard)), rules_(writer.options().bounce_rules) {
  const auto& files = writer.options().files;
  for (std::uint32_t i = 0; i < files.size(); ++i) {
    auto known = std::find_if(styles_.begin(), styles_.end(), [&](const SharedStyle& style) {
      return files[style.files.front()].style == files[i].style;
    });
    if (known == styles_.end()) {
      styles_.push_back({RowFormatter(files[i].style), {}});
      known = styles_.end() - 1;
    }
    known->files.push_back(i);
  }
  entry_.resize(sizeof(EntryHead) + styles_.size() * (sizeof(EntryRowHead) + kRowBytesMax));
  RP_ASSERT(entry_.size() <= ring_.entry_max());
  for (std::size_t log = 0; log < kLogsMax; ++log) {
    if (writer.written(log) != 0) {
      taken_.set(log, writer.written(log));
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
  count_category(record);
  writer_.notify();
  return true;
}

void Accountant::count_category(const SettledRecord& record) {
  if (record.type != RecordType::outcome || record.kind == OutcomeKind::delivered) {
    return;
  }
  std::string_view name = category_of(record);
  name = name.empty() ? "other" : name;
  auto found = std::find_if(categories_.begin(), categories_.end(),
                            [name](const CategoryCount& count) { return count.name == name; });
  if (found == categories_.end()) {
    if (categories_.size() < kCategoriesCounted) {
      categories_.push_back({std::string(name), 0, 0});
    } else {
      categories_.back().name = "...";
    }
    found = categories_.end() - 1;
  }
  ++(record.kind == OutcomeKind::deferred ? found->deferred : found->bounced);
}

bool Accountant::shows(std::uint8_t kinds) const noexcept {
  const auto& files = writer_.options().files;
  return std::any_of(files.begin(), files.end(),
                     [kinds](const AccountFileSpec& spec) { return (spec.records & kinds) != 0; });
}

void Accountant::use(std::shared_ptr<const BounceRules> rules) {
  rules_ = RememberedRules(std::move(rules));
}

std::string_view Accountant::category_of(const SettledRecord& record) const {
  return bounce_category(record, rules_ ? &rules_ : nullptr);
}

std::string_view Accountant::queue_of(const SettledRecord& record) {
  TextBuilder text(queue_room_);
  write_queue(text, record);
  return text.view();
}

/// The files of `style` that show the record, as bits.
std::uint32_t Accountant::takers_of(const SharedStyle& style, const SettledRecord& record) {
  const auto type = static_cast<std::uint8_t>(record_of(record) & ~unsigned{record.hidden_records});
  std::uint32_t takers = 0;
  for (const std::uint32_t i : style.files) {
    const AccountFileSpec& file = writer_.options().files[i];
    const bool shown = (file.records & type) != 0 &&
                       (file.queues.takes_all() || file.queues.takes(queue_of(record)));
    takers |= shown ? 1U << i : 0U;
  }
  return takers;
}

std::string_view Accountant::make_entry(const SettledRecord& record) {
  EntryHead head;
  head.sequence = record.sequence;
  head.log = record.log;
  std::size_t size = sizeof head;
  const bool categorised =
      record.type == RecordType::outcome && record.kind != OutcomeKind::delivered;
  const std::string_view category = categorised ? category_of(record) : std::string_view{};
  for (SharedStyle& style : styles_) {
    const std::uint32_t takers = takers_of(style, record);
    if (takers == 0) {
      continue;
    }
    const std::span<char> room(entry_.data() + size + sizeof(EntryRowHead), kRowBytesMax);
    const std::string_view text = style.formatter.format(record, category, room);
    const EntryRowHead row{takers, static_cast<std::uint32_t>(text.size())};
    std::memcpy(entry_.data() + size, &row, sizeof row);
    size += sizeof row + text.size();
    ++head.rows;
  }
  std::memcpy(entry_.data(), &head, sizeof head);
  return {entry_.data(), size};
}

}  // namespace ringpost::account
