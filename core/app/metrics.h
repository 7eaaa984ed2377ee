#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/account/log_writer.h"
#include "core/app/control_task.h"

namespace ringpost::app {

/// What metrics and health are made of: one look at the whole process.
struct MonitorFigures {
  std::vector<ShardStatus> shards;
  account::LogWriterStats accounts;
  WallTime started;
  WallTime now;
  std::uint64_t memory_bytes = 0;  ///< resident
  std::uint64_t log_lines_dropped = 0;
  bool draining = false;      ///< takes no mail any more
  std::uint64_t trouble = 0;  ///< reasons that /health gives
};

enum class MetricKind : std::uint8_t { counter, gauge };

/// One metric; docs/metrics.md and the answer of /metrics both come from the table of these.
struct Metric {
  std::string_view name;
  MetricKind kind = MetricKind::counter;
  std::string_view help;
  std::uint64_t ShardStatus::*of_shard = nullptr;                ///< one sample for each shard, or
  std::uint64_t (*of_process)(const MonitorFigures&) = nullptr;  ///< or
  /// samples with labels of their own, of the process.
  void (*labelled)(const Metric&, const MonitorFigures&, std::string& text) = nullptr;
};
std::span<const Metric> metric_table();

/// All metrics in Prometheus' text form 0.0.4.
std::string metrics_text(const MonitorFigures& figures);
/// The table of docs/metrics.md.
std::string metrics_manual();

}  // namespace ringpost::app
