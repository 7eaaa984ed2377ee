#include "core/app/gate_setting.h"

#include <algorithm>
#include <span>
#include <vector>

#include "core/app/host_limit_rows.h"
#include "core/app/rate_plans.h"
#include "core/config/explain.h"
#include "core/config/options.h"
#include "core/config/setting.h"

namespace ringpost::app {
namespace {

using schedule::Gate;

enum class Scope : std::uint8_t { queue, vmta, pool, process };

struct Row {
  Gate gate;
  Scope scope;
  std::string_view setting;
};

// A row for each gate that a setting opens and closes. In back-off mode the setting's twin does,
// where it is set.
constexpr Row kRows[] = {
    {Gate::next_attempt, Scope::queue, "retry-recipients-after"},
    {Gate::queue_retry, Scope::queue, "retry-after"},
    {Gate::dns_retry, Scope::queue, "retry-after-dns-error"},
    {Gate::queue_connections, Scope::queue, "max-smtp-out"},
    {Gate::sessions_busy, Scope::queue, "max-smtp-out"},
    {Gate::connect_rate, Scope::queue, "max-connect-rate"},
    {Gate::connect_gap, Scope::queue, "smtp-out-rampup-interval"},
    {Gate::message_rate, Scope::queue, "max-msg-rate"},
    {Gate::warmup, Scope::queue, "warmup"},
    {Gate::held, Scope::queue, "type"},
    {Gate::vmta_connections, Scope::vmta, "max-smtp-out"},
    {Gate::vmta_connect_rate, Scope::vmta, "max-connect-rate"},
    {Gate::vmta_message_rate, Scope::vmta, "max-msg-rate"},
    {Gate::pool_message_rate, Scope::pool, "max-msg-rate"},
    {Gate::group_connections, Scope::queue, "max-smtp-out"},
    {Gate::group_connect_rate, Scope::queue, "max-connect-rate"},
    {Gate::group_message_rate, Scope::queue, "max-msg-rate"},
    {Gate::group_backoff_connections, Scope::queue, "backoff-max-smtp-out"},
    {Gate::group_backoff_connect_rate, Scope::queue, "backoff-max-connect-rate"},
    {Gate::group_backoff_message_rate, Scope::queue, "backoff-max-msg-rate"},
    {Gate::group_backoff_data_rate, Scope::queue, "backoff-max-data-volume-rate"},
    {Gate::source_connections, Scope::queue, "source-ip-max-smtp-out"},
    {Gate::source_connect_rate, Scope::queue, "source-ip-max-connect-rate"},
    {Gate::source_message_rate, Scope::queue, "source-ip-max-msg-rate"},
    {Gate::source_data_rate, Scope::queue, "source-ip-max-data-volume-rate"},
    {Gate::host_connections, Scope::queue, "max-per-host-out"},
    {Gate::data_rate, Scope::queue, "max-data-volume-rate"},
    {Gate::group_data_rate, Scope::queue, "max-data-volume-rate"},
    {Gate::vmta_data_rate, Scope::vmta, "max-smtp-data-volume-rate"},
    {Gate::total_connections, Scope::process, "total-max-smtp-out"},
};

std::optional<GateSetting> find(const std::vector<config::ExplainedSetting>& settings,
                                std::string_view name) {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [&](const auto& setting) { return setting.name == name; });
  if (found == settings.end()) {
    return std::nullopt;
  }
  return GateSetting{found->name, found->effective.value, found->effective.place};
}

std::optional<GateSetting> of_process(const config::Snapshot& snapshot, std::string_view name) {
  std::optional<GateSetting> last;  // the later one counts
  for (const auto& written : snapshot.written()) {
    if (written.section.empty() && config::option_rows()[written.row].name == name) {
      last = {std::string(name), std::string(written.value), snapshot.place(written.origin)};
    }
  }
  const config::OptionRow* const row = config::find_option(name, config::Scope::global);
  return last || row == nullptr
             ? last
             : GateSetting{std::string(name), std::string(row->fallback), "default"};
}

std::optional<GateSetting> of_written(const config::Snapshot& snapshot,
                                      std::span<const config::Setting> written,
                                      config::OptionId id) {
  for (const config::Setting& setting : written) {
    if (setting.id == id) {
      const config::OptionRow& row = config::row_of(id);
      return GateSetting{std::string(row.name), config::format_value(row, setting.value),
                         snapshot.place(setting.origin)};
    }
  }
  return std::nullopt;
}

/// A virtual MTA may be in several pools: the key tells whose rate it is.
std::optional<GateSetting> of_pool(const config::Snapshot& snapshot, std::uint64_t rate) {
  for (std::size_t i = 0; i < snapshot.pools().size(); ++i) {
    if (RatePlans::pool_messages(snapshot.pools()[i].name) == rate) {
      return of_written(snapshot, snapshot.pool_written(i), config::OptionId::pool_max_msg_rate);
    }
  }
  return std::nullopt;
}

/// Of a group the twins have gates of their own.
bool of_group(Gate gate) {
  return gate == Gate::group_connections || gate == Gate::group_connect_rate ||
         gate == Gate::group_message_rate || gate == Gate::group_data_rate;
}

std::optional<GateSetting> of_host(Gate gate, const config::Snapshot& snapshot,
                                   const GateHost& host) {
  const HostLimitRows rows = host_limit_rows(snapshot, host.name, host.address);
  if (gate == Gate::mx_connections && rows.by_name != nullptr) {
    return GateSetting{"mx-connection-limit",
                       std::string(rows.by_name->name) + " " + std::to_string(rows.by_name->count),
                       snapshot.place(rows.by_name->origin)};
  }
  if (gate == Gate::ip_connections && rows.by_address != nullptr) {
    return GateSetting{
        "ip-connection-limit",
        rows.by_address->network.text() + " " + std::to_string(rows.by_address->count),
        snapshot.place(rows.by_address->origin)};
  }
  return std::nullopt;
}

/// Where one gate stands for several settings: the one that is in force.
std::string_view setting_of(const Row& row, const config::PathPolicy& policy) {
  if (row.gate == Gate::next_attempt && policy.retry_recipients_after.ns == 0) {
    return "retry-after";
  }
  const bool gap = row.gate == Gate::group_connect_rate && gap_limits_group(policy);
  return gap ? "smtp-out-rampup-interval" : row.setting;
}

/// `queue`: as the scheduler calls it. The settings of a group's domains are the group's.
std::optional<GateSetting> of_queue(const Row& row, const config::Snapshot& snapshot,
                                    std::string_view queue, config::VmtaId vmta, bool backoff) {
  const std::string_view group = snapshot.queue_name(queue, vmta);
  const std::string_view name = snapshot.is_group(group) ? group : queue;
  const config::PathPolicy policy = snapshot.path_policy(name, vmta);
  const auto settings = config::explain_queue(snapshot, name, vmta);
  const std::string_view setting = setting_of(row, policy);
  const bool lower = setting != "max-smtp-out" || policy.backoff_max_smtp_out < policy.max_smtp_out;
  if (backoff && lower && !of_group(row.gate)) {
    auto twin = find(settings, "backoff-" + std::string(setting));
    if (twin && twin->place != "default") {
      return twin;
    }
  }
  return find(settings, setting);
}

}  // namespace

std::optional<GateSetting> setting_behind(Gate gate, const config::Snapshot& snapshot,
                                          std::string_view queue, std::string_view vmta,
                                          const GateCase& of) {
  if (gate == Gate::mx_connections || gate == Gate::ip_connections) {
    return of_host(gate, snapshot, of.host);
  }
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& candidate) { return candidate.gate == gate; });
  if (row == std::end(kRows)) {
    return std::nullopt;
  }
  const config::VmtaRef ref = snapshot.find_vmta(vmta);
  const bool known = ref.kind == config::VmtaRef::Kind::vmta;
  const config::VmtaId id = known ? ref.id : config::kDefaultVmta;
  const std::string_view name = snapshot.virtual_mtas()[id].name;
  if (gate == Gate::warmup && of.rate == RatePlans::vmta_warmup(name)) {
    return of_written(snapshot, snapshot.vmta_written(id), config::OptionId::warmup);
  }
  switch (row->scope) {
    case Scope::process: return of_process(snapshot, row->setting);
    case Scope::pool: return of_pool(snapshot, of.rate);
    case Scope::vmta: return find(config::explain_vmta(snapshot, id), row->setting);
    case Scope::queue: break;
  }
  return of_queue(*row, snapshot, queue, id, of.backoff);
}

std::optional<GateSetting> sender_rate_behind(std::uint64_t rule,
                                              const config::Snapshot& snapshot) {
  for (const config::SenderRule& sender : snapshot.sender_rules()) {
    if (RatePlans::messages_of(sender) == rule) {
      return GateSetting{"max-msg-rate", config::format_rate(sender.max_msg_rate),
                         snapshot.place(sender.origin)};
    }
  }
  return std::nullopt;
}

}  // namespace ringpost::app
