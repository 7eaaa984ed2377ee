#include "core/app/reload.h"

#include <iterator>

#include "core/app/settings.h"
#include "core/app/system_login.h"
#include "core/app/tls_settings.h"
#include "core/base/text.h"
#include "core/config/diff.h"

namespace ringpost::app {

std::uint32_t sessions_in_max(const config::GlobalSettings& global) {
  return global.total_max_smtp_in != 0 ? global.total_max_smtp_in : config::kUnlimited;
}

void limit_sessions(const config::Snapshot& snapshot, ingest::SessionSlots& slots) {
  std::vector<ingest::SessionSlots::Quota> quotas;
  for (const config::SourceGroup& group : snapshot.source_groups()) {
    const std::uint32_t most =
        group.max_smtp_in != 0 ? group.max_smtp_in : ingest::SessionSlots::kNoLimit;
    const std::uint32_t reserved =
        group.reserved_smtp_in != config::kUnlimited ? group.reserved_smtp_in : 0;
    quotas.push_back({to_lower(group.name), most, reserved});
  }
  slots.set_limits(sessions_in_max(snapshot.global()), quotas);
}

Reloader::Reloader(ConfigSource& source, std::shared_ptr<const config::Snapshot> current,
                   std::vector<IpAddress> local, ingest::SessionSlots& sessions_in,
                   TlsContexts& contexts)
    : source_(source),
      first_(std::move(current)),
      current_(first_),
      local_(std::move(local)),
      sessions_in_(sessions_in),
      contexts_(contexts) {}

ReloadPlan Reloader::plan() {
  ReloadPlan plan;
  config::CheckResult read = source_.read();
  plan.diagnostics = std::move(read.diagnostics);
  plan.snapshot = std::move(read.snapshot);
  plan.version = version_ + 1;
  if (plan.snapshot == nullptr) {
    return plan;
  }
  contexts_.refresh();
  std::vector<config::Diagnostic> found = check_tls(*plan.snapshot, contexts_);
  if (!found.empty()) {
    std::move(found.begin(), found.end(), std::back_inserter(plan.diagnostics));
    plan.snapshot = nullptr;
    return plan;
  }
  plan.needs_restart = config::restart_needed(*first_, *plan.snapshot);
  auto ingest =
      ingest_config(plan.snapshot, local_, rules_.get(), &contexts_, &plan.faults, &sessions_in_);
  if (!ingest) {
    config::Diagnostic fault;
    fault.message = ingest.error().detail;
    plan.diagnostics.push_back(std::move(fault));
    plan.snapshot = nullptr;
    return plan;
  }
  plan.ingest = std::move(*ingest);
  for (std::string& line : user_warnings(*plan.snapshot)) {
    plan.faults.push_back(std::move(line));
  }
  plan.keys = std::make_shared<const KeyRing>(plan.snapshot);
  return plan;
}

void Reloader::applied(const ReloadPlan& plan) {
  version_ = plan.version;
  current_ = plan.snapshot;
  rules_ = plan.ingest->mail_rules;
  limit_sessions(*plan.snapshot, sessions_in_);
}

}  // namespace ringpost::app
