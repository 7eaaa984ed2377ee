#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/account/log_writer.h"
#include "core/app/control_task.h"
#include "core/app/shard.h"
#include "core/config/snapshot.h"
#include "core/loop/mailroom.h"
#include "spool/folder.h"
#include "tests/sim/flow/memory_files.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/sim/world/sim_dns.h"
#include "tests/sim/world/sim_net.h"
#include "tests/sim/world/sim_world.h"

namespace ringpost::sim {

/// What survives the lives of a simulated machine, and what lies around it.
struct MachineRoom {
  SimWorld& world;
  SimNetwork& network;
  SimZone& zone;
  SimFiles& files;
  MemoryFiles& accounts;
  std::shared_ptr<const config::Snapshot> snapshot;
  bool tiny = false;         ///< pools so small that all run out
  std::string& pause_rules;  ///< kept over lives, as the daemon's file is
  Duration disk_min = Duration::microseconds(30);
  Duration disk_max = Duration::milliseconds(5);
  unsigned clean_before_grouping = 50;  ///< transactions, as HostMemoryOptions has it
  std::string move_rules = {};          ///< kept over lives, as the daemon's file is
};

/// One life of the daemon over simulated ports: from start to a clean stop, a kill or a power cut.
/// What core/app/process.cpp does with threads is done here in one.
class Machine {
 public:
  Machine(MachineRoom room, unsigned shards);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Recovers and listens; the error otherwise.
  Status start();
  /// Drain, checkpoint, all threads' ends; what went wrong, or empty. After a fault only crash()
  /// may follow.
  std::string stop();
  /// The process is gone from one instruction to the next. The shards' memory stays as it was, out
  /// of the world: no destructor ran in the crash either.
  static void crash(std::unique_ptr<Machine> machine, bool power_cut);

  /// An operator's command to all shards, by the control thread's way; answered later.
  void command(app::ControlKind kind, const std::string& pattern);
  bool commands_answered() const { return tasks_.empty(); }
  /// The same with any task, which comes back when all shards have answered; nullptr: one did not
  /// within a minute.
  std::unique_ptr<app::ControlTask> ask(std::unique_ptr<app::ControlTask> task);

  unsigned shards() const { return shards_; }
  app::ShardStatus status();
  /// Of all shards together.
  LoopStats loop_stats() const;
  bool settled();
  std::string recovery_summary() const;
  bool damaged() const;

 private:
  struct Node;

  void post(app::ControlTask& task);
  void pump();
  void collect_answers();
  void leave_world();
  void tell_all(app::LetterKind kind);
  bool await(app::LetterKind kind, Duration limit);
  app::ShardSettings settings_of(unsigned shard) const;

  MachineRoom room_;
  unsigned shards_;
  Mailroom mailroom_;
  std::unique_ptr<spool::SpoolFolder> folder_;
  app::GatheredState kept_;
  std::unique_ptr<account::LogWriter> log_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<app::ControlTask>> tasks_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ringpost::sim
