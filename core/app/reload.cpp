#include "core/app/reload.h"

#include <algorithm>

#include "core/app/settings.h"

namespace ringpost::app {
namespace {

bool same(const config::Listener& a, const config::Listener& b) {
  return a.network == b.network && a.port == b.port;
}

bool same(const config::SpoolFolder& a, const config::SpoolFolder& b) { return a.path == b.path; }

bool same(const config::AcctFile& a, const config::AcctFile& b) {
  return a.path == b.path && std::ranges::equal(a.records, b.records) &&
         std::ranges::equal(a.fields, b.fields) && a.sync_interval == b.sync_interval;
}

template <class Entry>
bool all_same(const std::vector<Entry>& a, const std::vector<Entry>& b) {
  return std::ranges::equal(a, b, [](const Entry& x, const Entry& y) { return same(x, y); });
}

}  // namespace

std::vector<std::string> restart_changes(const config::GlobalSettings& now,
                                         const config::GlobalSettings& next) {
  const std::pair<const char*, bool> checked[] = {
      {"host-name", now.host_names == next.host_names},
      {"control-socket", now.control_socket == next.control_socket},
      {"shards", now.shards == next.shards},
      {"cpu-pinning", now.cpu_pinning == next.cpu_pinning},
      {"log-file", now.log_file == next.log_file},
      {"name-server", now.name_servers == next.name_servers},
      {"journal-max", now.journal_max == next.journal_max},
      {"spool-segment-size", now.spool_segment_size == next.spool_segment_size},
      {"spool-spare", now.spool_spare == next.spool_spare},
      {"settle-sync-interval", now.settle_sync_interval == next.settle_sync_interval},
      {"unsettled-max", now.unsettled_max == next.unsettled_max},
      {"smtp-listener", all_same(now.listeners, next.listeners)},
      {"spool", all_same(now.spools, next.spools)},
      {"acct-file", all_same(now.acct_files, next.acct_files)},
  };
  std::vector<std::string> names;
  for (const auto& [name, equal] : checked) {
    if (!equal) {
      names.emplace_back(name);
    }
  }
  return names;
}

std::uint32_t sessions_in_max(const config::GlobalSettings& global) {
  return global.total_max_smtp_in != 0 ? global.total_max_smtp_in : config::kUnlimited;
}

Reloader::Reloader(ConfigSource& source, std::shared_ptr<const config::Snapshot> current,
                   std::vector<IpAddress> local, SharedCount& sessions_in)
    : source_(source),
      first_(std::move(current)),
      local_(std::move(local)),
      sessions_in_(sessions_in) {}

ReloadPlan Reloader::plan() {
  ReloadPlan plan;
  config::CheckResult read = source_.read();
  plan.diagnostics = std::move(read.diagnostics);
  plan.snapshot = std::move(read.snapshot);
  plan.version = version_ + 1;
  if (plan.snapshot == nullptr) {
    return plan;
  }
  plan.needs_restart = restart_changes(first_->global(), plan.snapshot->global());
  plan.ingest = ingest_config(*plan.snapshot, local_);
  return plan;
}

void Reloader::applied(const ReloadPlan& plan) {
  version_ = plan.version;
  sessions_in_.set_limit(sessions_in_max(plan.snapshot->global()));
}

}  // namespace ringpost::app
