#include "core/app/metrics.h"

namespace ringpost::app {
namespace {

using Figures = MonitorFigures;
using S = ShardStatus;
constexpr auto kCounter = MetricKind::counter;
constexpr auto kGauge = MetricKind::gauge;

constexpr Metric of_shards(std::string_view name, MetricKind kind, std::string_view help,
                           std::uint64_t S::*value) {
  return {name, kind, help, value, nullptr};
}

constexpr Metric of_process(std::string_view name, MetricKind kind, std::string_view help,
                            std::uint64_t (*value)(const Figures&)) {
  return {name, kind, help, nullptr, value};
}

std::string_view tls_result_name(TlsFailure result) {
  return result == TlsFailure::none ? "successful" : name_of(result);
}

void add_tls_results(const Metric& metric, const Figures& figures, std::string& text);

constexpr Metric kMetrics[] = {
    of_shards("ringpost_accepted_messages_total", kCounter, "Messages accepted durably.",
              &S::accepted_messages),
    of_shards("ringpost_delivered_recipients_total", kCounter, "Recipients delivered.",
              &S::delivered),
    of_shards("ringpost_deferred_recipients_total", kCounter,
              "Attempts for a recipient that will be repeated.", &S::deferred),
    of_shards("ringpost_bounced_recipients_total", kCounter, "Recipients refused for good.",
              &S::bounced),
    of_shards("ringpost_expired_recipients_total", kCounter, "Recipients whose life was over.",
              &S::expired),
    of_shards("ringpost_cancelled_recipients_total", kCounter,
              "Recipients cancelled by an operator.", &S::cancelled),
    of_shards("ringpost_ambiguous_outcomes_total", kCounter,
              "Outcomes after which the receiver may have a message twice.", &S::ambiguous),
    of_shards("ringpost_event_lines_total", kCounter,
              "Lines on what happens in sessions, told to the event log and to live traces.",
              &S::event_lines),
    of_shards("ringpost_event_lines_dropped_total", kCounter,
              "Lines of that kind dropped because the log was not written fast enough.",
              &S::event_lines_dropped),
    of_process("ringpost_log_lines_dropped_total", kCounter,
               "Lines of the event log dropped under pressure or not written.",
               [](const Figures& f) { return f.log_lines_dropped; }),
    of_shards("ringpost_reports_made_total", kCounter, "Delivery status notifications spooled.",
              &S::reports_made),
    of_shards("ringpost_reports_suppressed_total", kCounter, "Notifications over max-report-rate.",
              &S::reports_suppressed),
    of_shards("ringpost_reports_refused_total", kCounter,
              "Attempts to spool a notification that found no room.", &S::reports_refused),
    of_shards("ringpost_reports_lost_total", kCounter,
              "Notifications owed whose outcome could no longer be read.", &S::reports_lost),
    of_shards("ringpost_queued_recipients", kGauge, "Recipients in queues and in delivery.",
              &S::queued_recipients),
    of_shards("ringpost_deferred_recipients", kGauge,
              "Of these: recipients that wait for a retry clock, or whose queue is paused.",
              &S::deferred_recipients),
    of_shards("ringpost_quarantined_messages", kGauge,
              "Messages found damaged on disk since the start; their files are kept.",
              &S::quarantined),
    of_shards("ringpost_queues", kGauge, "Queues: destination and virtual MTA.", &S::queues),
    of_shards("ringpost_sessions_in", kGauge, "Incoming sessions.", &S::sessions_in),
    of_shards("ringpost_sessions_out", kGauge, "Outgoing sessions.", &S::sessions_out),
    of_shards("ringpost_sessions_handed_over_total", kCounter,
              "Idle outgoing sessions that went on for another queue with the same settings.",
              &S::sessions_handed_over),
    of_shards("ringpost_spool_messages", kGauge, "Messages in the spool.", &S::spool_messages),
    of_shards("ringpost_spool_segments", kGauge, "Acceptance segments in use.", &S::spool_segments),
    of_shards("ringpost_spool_live_bytes", kGauge,
              "What messages that are not settled take in those segments.", &S::spool_live_bytes),
    of_shards("ringpost_spool_compacted_segments_total", kCounter,
              "Mostly dead segments emptied by copying what was live.", &S::compacted_segments),
    of_shards("ringpost_spool_compacted_messages_total", kCounter, "Messages copied for that.",
              &S::compacted_messages),
    of_shards("ringpost_spool_compacted_bytes_total", kCounter, "Bytes copied for that.",
              &S::compacted_bytes),
    of_shards("ringpost_spool_commits_total", kCounter, "Batches made durable.", &S::commits),
    of_shards("ringpost_resolutions_total", kCounter, "Routes asked for.", &S::resolutions),
    of_shards("ringpost_resolutions_failed_total", kCounter,
              "Routes that DNS could not give for the moment.", &S::resolutions_failed),
    of_shards("ringpost_chunks_sent_total", kCounter, "Contents sent by BDAT.", &S::chunks_sent),
    of_shards("ringpost_zero_copy_sends_total", kCounter, "Sends without a copy in the kernel.",
              &S::zero_copy_sends),
    of_shards("ringpost_zero_copy_copied_total", kCounter,
              "Sends that should have been so and that the kernel copied.", &S::zero_copy_copied),
    of_shards("ringpost_tls_handshakes_total", kCounter, "TLS handshakes that succeeded.",
              &S::tls_handshakes),
    of_shards("ringpost_tls_resumed_total", kCounter, "Handshakes that resumed a session.",
              &S::tls_resumed),
    of_shards("ringpost_tls_by_kernel_total", kCounter,
              "Handshakes after which the kernel encrypts what is sent.", &S::tls_by_kernel),
    of_shards("ringpost_tls_failed_total", kCounter, "TLS handshakes that failed.", &S::tls_failed),
    {"ringpost_tls_results_total", kCounter,
     "Outgoing sessions that wanted TLS, by policy and result in the terms of RFC 8460.", nullptr,
     nullptr, &add_tls_results},
    of_process("ringpost_accounting_records_total", kCounter,
               "Records that reached the log writer.",
               [](const Figures& f) { return f.accounts.records; }),
    of_process("ringpost_accounting_bytes_total", kCounter, "Octets written to accounting files.",
               [](const Figures& f) { return f.accounts.bytes; }),
    of_process("ringpost_accounting_syncs_total", kCounter,
               "Times the accounting files were made durable.",
               [](const Figures& f) { return f.accounts.syncs; }),
    of_process("ringpost_accounting_failures_total", kCounter,
               "Failed writes, syncs and rotations of accounting files.",
               [](const Figures& f) { return f.accounts.failures; }),
    of_process("ringpost_accounting_failing", kGauge, "1 while accounting files cannot be written.",
               [](const Figures& f) { return std::uint64_t{f.accounts.failing}; }),
    of_process("ringpost_accounting_ring_bytes", kGauge,
               "Octets of rows in memory, in the fullest ring.",
               [](const Figures& f) { return f.accounts.ring_bytes_used; }),
    of_process("ringpost_accounting_files_closed_total", kCounter, "Accounting files finished.",
               [](const Figures& f) { return f.accounts.rotations; }),
    of_process("ringpost_accounting_files_archived_total", kCounter,
               "Finished files the daemon brought to their place.",
               [](const Figures& f) { return f.accounts.archiver.files; }),
    of_process("ringpost_accounting_archive_failing", kGauge,
               "1 while finished files cannot be brought to their place.",
               [](const Figures& f) { return std::uint64_t{f.accounts.archiver.failing}; }),
    of_process(
        "ringpost_start_time_seconds", kGauge, "When the daemon started, since 1970.",
        [](const Figures& f) { return static_cast<std::uint64_t>(f.started.unix_seconds()); }),
    of_process("ringpost_resident_memory_bytes", kGauge, "Memory of the process.",
               [](const Figures& f) { return f.memory_bytes; }),
    of_process("ringpost_trouble", kGauge, "Reasons for which /health says that all is not well.",
               [](const Figures& f) { return f.trouble; }),
};

std::string_view name_of(MetricKind kind) {
  return kind == MetricKind::counter ? "counter" : "gauge";
}

void add_sample(std::string& text, std::string_view name, const std::string& labels,
                std::uint64_t value) {
  text.append(name).append(labels).append(" ").append(std::to_string(value)).append("\n");
}

void add_tls_results(const Metric& metric, const Figures& figures, std::string& text) {
  for (std::size_t kind = 0; kind < kTlsPolicyKinds; ++kind) {
    for (std::size_t result = 0; result <= kTlsFailureCount; ++result) {
      std::uint64_t count = 0;
      for (const ShardStatus& shard : figures.shards) {
        count += shard.tls.counts[kind][result];
      }
      std::string labels = "{policy=\"";
      labels.append(name_of(static_cast<TlsPolicyKind>(kind))).append("\",result=\"");
      labels.append(tls_result_name(static_cast<TlsFailure>(result))).append("\"}");
      add_sample(text, metric.name, labels, count);
    }
  }
}

}  // namespace

std::span<const Metric> metric_table() { return kMetrics; }

std::string metrics_text(const MonitorFigures& figures) {
  std::string text;
  for (const Metric& metric : kMetrics) {
    text.append("# HELP ").append(metric.name).append(" ").append(metric.help).append("\n");
    text.append("# TYPE ").append(metric.name).append(" ").append(name_of(metric.kind));
    text.append("\n");
    if (metric.labelled != nullptr) {
      metric.labelled(metric, figures, text);
      continue;
    }
    if (metric.of_process != nullptr) {
      add_sample(text, metric.name, {}, metric.of_process(figures));
      continue;
    }
    for (std::size_t shard = 0; shard < figures.shards.size(); ++shard) {
      add_sample(text, metric.name, "{shard=\"" + std::to_string(shard) + "\"}",
                 figures.shards[shard].*metric.of_shard);
    }
  }
  return text;
}

std::string metrics_manual() {
  std::string text = "| name | kind | per shard | meaning |\n|---|---|---|---|\n";
  for (const Metric& metric : kMetrics) {
    text.append("| `").append(metric.name).append("` | ").append(name_of(metric.kind));
    text.append(metric.of_shard != nullptr ? " | yes | " : " | | ").append(metric.help);
    text.append(" |\n");
  }
  return text;
}

}  // namespace ringpost::app
