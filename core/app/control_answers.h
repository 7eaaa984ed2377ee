#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "core/account/log_writer.h"
#include "core/app/control_task.h"
#include "core/app/reload.h"
#include "core/config/explain.h"

namespace ringpost::app {

struct ProcessFacts;

// JSON of the answers to finished tasks, as the control socket gives them.

std::string answer_ok(nlohmann::json result);
std::string answer_error(const std::string& text);
/// "waiting: message-rate".
std::string state_text(schedule::QueueState state, schedule::Gate gate);
std::string answer_status(const ControlTask& task, const ProcessFacts& facts, bool draining,
                          const account::LogWriterStats& accounts, WallTime now);
std::string answer_flushed();
std::string answer_queues(const ControlTask& task);
enum class SumBy : std::uint8_t { domain, vmta };
/// One row for each destination over all virtual MTAs, or the other way round.
std::string answer_sums(const ControlTask& task, SumBy by);
std::string answer_sessions(const ControlTask& task);
/// One row for each host: what the shards that know it remember worst.
std::string answer_hosts(const ControlTask& task);
/// Rows of one round over all spools, and the places to go on at.
std::string answer_list(const ControlTask& task);
/// `found` has the spools' facts, `waiting` the queues'; settings are looked up in `snapshot`.
std::string answer_trace(const ControlTask& found, const ControlTask& waiting,
                         const config::Snapshot& snapshot);
std::string answer_settings(const config::Explanation& told);
std::string answer_change(const ControlTask& task);
/// The source addresses of all virtual MTAs, and which of them are out of use.
std::string answer_sources(const ControlTask& task, const config::Snapshot& snapshot, Now now);
std::string answer_day_counts(const ControlTask& task);
std::string answer_warmups(const ControlTask& task);
std::string answer_jobs(const ControlTask& task);
std::string answer_decisions(const ControlTask& task, const std::string& kind);
std::string answer_reload(const ReloadPlan& plan);

}  // namespace ringpost::app
