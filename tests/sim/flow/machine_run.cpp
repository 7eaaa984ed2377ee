#include "tests/sim/flow/machine_run.h"

#include "core/app/settings.h"
#include "core/config/check.h"

namespace ringpost::sim {

MachineRun::MachineRun(std::uint64_t seed)
    : world_(seed),
      network_(world_, {}),
      files_(seed + 1),
      accounts_(seed + 2),
      outside_(world_, network_, ledger_) {}

MachineRun::~MachineRun() {
  if (machine_ != nullptr) {
    Machine::crash(std::move(machine_), false);
  }
}

void MachineRun::configure(const std::string& text) {
  config::CheckResult checked = config::check_text("simulated", text, {});
  if (!checked.ok()) {
    ledger_.complain("configuration: " + config::render_text(checked.diagnostics));
  }
  snapshot_ = checked.snapshot;
}

bool MachineRun::start(unsigned shards) {
  world_.trace("start", shards);
  version_ = 1;
  machine_ = std::make_unique<Machine>(MachineRoom{.world = world_,
                                                   .network = network_,
                                                   .zone = zone_,
                                                   .files = files_,
                                                   .accounts = accounts_,
                                                   .snapshot = snapshot_,
                                                   .tiny = tiny_,
                                                   .pause_rules = pause_rules_,
                                                   .clean_before_grouping = clean_before_grouping_,
                                                   .move_rules = move_rules_},
                                       shards);
  ledger_.life_begins(world_.instant());
  if (auto started = machine_->start(); !started) {
    ledger_.complain("did not start: " + started.error().describe());
    Machine::crash(std::move(machine_), false);
    return false;
  }
  if (machine_->damaged()) {
    ledger_.complain("DAMAGE at a start: " + machine_->recovery_summary());
  }
  return true;
}

void MachineRun::reload(const std::string& text) {
  configure(text);
  auto task = std::make_unique<app::ControlTask>();
  task->kind = app::ControlKind::reload;
  task->snapshot = snapshot_;
  task->ingest = *app::ingest_config(snapshot_);
  task->keys = std::make_shared<const app::KeyRing>(snapshot_);
  task->version = ++version_;
  if (machine_->ask(std::move(task)) == nullptr) {
    ledger_.complain("a reload was not answered");
  }
}

bool MachineRun::stop() {
  const std::string fault = machine_->stop();
  ledger_.life_over();
  world_.trace("stopped");
  if (!fault.empty()) {
    ledger_.complain("STOP: " + fault);
    Machine::crash(std::move(machine_), false);
    return false;
  }
  machine_.reset();
  return true;
}

void MachineRun::crash(bool power_cut) {
  ledger_.life_over();
  world_.trace("crash", power_cut ? 1 : 0);
  ledger_.crashed(world_.instant(), power_cut);
  Machine::crash(std::move(machine_), power_cut);
}

}  // namespace ringpost::sim
