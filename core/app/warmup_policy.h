#pragma once

#include <string_view>

#include "core/config/policy.h"
#include "core/config/snapshot.h"
#include "core/schedule/limits.h"

namespace ringpost::app {

/// How the virtual MTA's addresses warm up for `name` (see WarmupPlan); nullptr where they do not.
schedule::WarmupPlanRef warmup_plan(const config::Warmup* warmup, std::string_view name,
                                    const config::VirtualMta& vmta,
                                    const config::Snapshot& snapshot);

}  // namespace ringpost::app
