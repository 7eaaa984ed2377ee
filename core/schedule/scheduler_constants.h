#pragma once

#include <cstdint>

#include "core/base/time.h"

namespace ringpost::schedule {

/// What bounds a scheduler's work and patience; not configured.
struct SchedulerConstants {
  static constexpr std::uint32_t kVisitsPerRun = 512;
  static constexpr std::uint32_t kEntriesPerRun = 4096;
  static constexpr Duration kSlice = Duration::seconds(5);
  static constexpr Duration kShortSlice = Duration::seconds(1);  ///< before higher priorities
  static constexpr Duration kLongSlice = Duration::seconds(60);  ///< before lower ones
  static constexpr Duration kRoomRetry = Duration::seconds(1);
  static constexpr Duration kMoveRetry = Duration::milliseconds(20);
  static constexpr Duration kGrowthPauseMax = Duration::minutes(1);
  static constexpr Duration kPauseMax = Duration::minutes(1);
  static constexpr std::uint8_t kLostMax = 6;
  static constexpr std::uint16_t kRecentlySeconds = 60;
  static constexpr std::uint8_t kSparedMax = 3;  ///< after 1, 2 and 4 s
  static constexpr std::uint32_t kRecipientsPerEndingJob = 1000;
  /// Units are kept that long for a connect permit.
  static constexpr Duration kConnectPatience = Duration::milliseconds(50);
  /// Queues looked at to find out how many permits could be used at once.
  static constexpr int kDemandQueues = 32;
};

}  // namespace ringpost::schedule
