#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/account/log_table.h"
#include "core/account/log_writer.h"
#include "core/account/row.h"
#include "core/mail/doors.h"

namespace ringpost::account {

/// Asks rules once for each text of the few that come again and again: patterns cost more than the
/// rest of a row. Used by one thread.
class RememberedRules final : public BounceRules {
 public:
  explicit RememberedRules(std::shared_ptr<const BounceRules> rules) : rules_(std::move(rules)) {}
  std::string_view category(std::string_view text) const override;
  /// Nothing is asked without rules.
  explicit operator bool() const noexcept { return rules_ != nullptr; }

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::string_view category;
  };
  std::shared_ptr<const BounceRules> rules_;
  mutable std::array<Entry, 256> known_{};
};

/// How often returned mail and failed attempts fell into a category.
struct CategoryCount {
  std::string name;
  std::uint64_t bounced = 0;
  std::uint64_t deferred = 0;
};
/// More categories than this are counted as the last one, `...`.
inline constexpr std::size_t kCategoriesCounted = 200;

/// Settled outcomes of one shard -> rows in its ring. One per shard, used by its thread only; the
/// writer outlives it. A record offered again after it was taken, in this life or one before, is
/// accepted and ignored.
class Accountant final : public OutcomeSink {
 public:
  Accountant(LogWriter& writer, unsigned shard);

  /// False: the ring is full (the disk is slower than delivery, or fails): offer it again later.
  /// Sequences of a log come in ascending order and begin above 0; log-ids are below kLogsMax.
  bool account(const SettledRecord& record) override;
  std::uint64_t archived(std::uint16_t log) const override { return writer_.archived(log); }

  /// Whether some file has records of these kinds.
  bool shows(std::uint8_t kinds) const noexcept;

  std::uint64_t accepted() const noexcept { return accepted_; }
  std::uint64_t refused() const noexcept { return refused_; }

  /// Since the start, in no order.
  const std::vector<CategoryCount>& categories() const noexcept { return categories_; }

  /// The journal is half full: see LogWriter::relieve().
  void relieve(Instant now) { writer_.relieve(now); }
  /// From now on categories of returned mail are found by these.
  void use(std::shared_ptr<const BounceRules> rules);

 private:
  /// Files that look alike: a row is formatted once for all of them.
  struct SharedStyle {
    RowFormatter formatter;
    std::vector<std::uint32_t> files;
  };

  std::string_view category_of(const SettledRecord& record) const;
  std::uint32_t takers_of(const SharedStyle& style, const SettledRecord& record);
  std::string_view queue_of(const SettledRecord& record);
  std::string_view make_entry(const SettledRecord& record);
  void count_category(const SettledRecord& record);

  LogWriter& writer_;
  RowRing& ring_;
  RememberedRules rules_;
  std::vector<SharedStyle> styles_;
  std::array<char, 640> queue_room_{};
  std::vector<char> entry_;
  LogTable taken_;
  std::vector<CategoryCount> categories_;
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace ringpost::account
