#include "core/app/gate_setting.h"

#include <algorithm>
#include <vector>

#include "core/app/host_limit_rows.h"
#include "core/app/rate_plans.h"
#include "core/config/explain.h"

namespace ringpost::app {
namespace {

using schedule::Gate;

enum class Scope : std::uint8_t { queue, vmta, process };

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
    {Gate::queue_connections, Scope::queue, "max-smtp-out"},
    {Gate::sessions_busy, Scope::queue, "max-smtp-out"},
    {Gate::connect_rate, Scope::queue, "max-connect-rate"},
    {Gate::message_rate, Scope::queue, "max-msg-rate"},
    {Gate::warmup, Scope::queue, "warmup"},
    {Gate::held, Scope::queue, "require-starttls"},
    {Gate::vmta_connections, Scope::vmta, "max-smtp-out"},
    {Gate::vmta_connect_rate, Scope::vmta, "max-connect-rate"},
    {Gate::vmta_message_rate, Scope::vmta, "max-msg-rate"},
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
  return last;
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

}  // namespace

std::optional<GateSetting> setting_behind(Gate gate, const config::Snapshot& snapshot,
                                          std::string_view domain, std::string_view vmta,
                                          const GateCase& of) {
  if (gate == Gate::mx_connections || gate == Gate::ip_connections) {
    return of_host(gate, snapshot, of.host);
  }
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& candidate) { return candidate.gate == gate; });
  if (row == std::end(kRows)) {
    return std::nullopt;
  }
  if (row->scope == Scope::process) {
    return of_process(snapshot, row->setting);
  }
  const auto told = config::explain(snapshot, domain, vmta);
  if (!told) {
    return std::nullopt;
  }
  if (of.backoff && row->scope == Scope::queue && !of_group(gate)) {
    auto twin = find(told->queue_settings, "backoff-" + std::string(row->setting));
    if (twin && twin->place != "default") {
      return twin;
    }
  }
  const auto own =
      find(row->scope == Scope::queue ? told->queue_settings : told->vmta_settings, row->setting);
  return !own && gate == Gate::warmup ? find(told->vmta_settings, row->setting) : own;
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
