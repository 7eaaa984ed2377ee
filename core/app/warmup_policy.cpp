#include "core/app/warmup_policy.h"

#include <memory>

#include "core/schedule/warmup.h"

namespace ringpost::app {
namespace {

schedule::RateLimit limit_from(const config::Rate& rate) { return {rate.count, rate.period}; }

/// Those configured, in use or not: what is disabled for a while stays as warm as it is.
std::string sources_text(const config::VirtualMta& vmta) {
  std::string text;
  for (const config::SourceHost& source : vmta.sources) {
    text += (text.empty() ? "" : " ") + source.address.text();
  }
  return text.empty() ? "any" : schedule::in_order(text);
}

}  // namespace

schedule::WarmupPlanRef warmup_plan(const config::Warmup* warmup, std::string_view name,
                                    const config::VirtualMta& vmta,
                                    const config::Snapshot& snapshot) {
  if (warmup == nullptr) {
    return nullptr;
  }
  auto plan = std::make_shared<schedule::WarmupPlan>();
  plan->name = name;
  plan->vmta = vmta.name;
  plan->source = sources_text(vmta);
  plan->period = warmup->period;
  plan->start = limit_from(warmup->start_rate);
  plan->end = limit_from(warmup->end_rate);
  plan->linear = warmup->curve == config::WarmupCurve::linear;
  plan->idle_days_count = warmup->count_idle_days;
  plan->start_day = warmup->start_day;
  plan->place = snapshot.place({warmup->file, warmup->line});
  return plan;
}

}  // namespace ringpost::app
