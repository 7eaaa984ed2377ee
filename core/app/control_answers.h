#pragma once

#include <string>

#include "core/app/control_task.h"
#include "core/app/reload.h"

namespace ringpost::app {

struct ProcessFacts;

// JSON of the answers to finished tasks, as the control socket gives them.

std::string answer_error(const std::string& text);
std::string answer_status(const ControlTask& task, const ProcessFacts& facts, WallTime now);
std::string answer_queues(const ControlTask& task);
/// One row for each destination, over all virtual MTAs.
std::string answer_domains(const ControlTask& task);
/// `found` has the spools' facts, `waiting` the queues'.
std::string answer_trace(const ControlTask& found, const ControlTask& waiting);
std::string answer_change(const ControlTask& task);
/// The source addresses of all virtual MTAs, and which of them are out of use.
std::string answer_sources(const ControlTask& task, const config::Snapshot& snapshot, Now now);
std::string answer_reload(const ReloadPlan& plan);

}  // namespace ringpost::app
