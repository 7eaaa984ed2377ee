#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/sim/flow/machine.h"
#include "tests/sim/flow/outside.h"

namespace ringpost::sim {

/// One seed's world, what lies around a machine and survives its lives, and the machine: what tests
/// derive from that let it live several times. What goes wrong is in the ledger's complaints.
class MachineRun {
 public:
  MachineRun(const MachineRun&) = delete;
  MachineRun& operator=(const MachineRun&) = delete;

 protected:
  explicit MachineRun(std::uint64_t seed);
  ~MachineRun();

  void configure(const std::string& text);
  /// The machine recovers and listens. False: it did not, and there is none.
  bool start(unsigned shards);
  /// The machine takes up another configuration.
  void reload(const std::string& text);
  /// Ends it in order. False: that failed; there is none either way.
  bool stop();
  void crash(bool power_cut);

  SimWorld world_;
  SimNetwork network_;
  SimZone zone_;
  SimFiles files_;
  MemoryFiles accounts_;
  Ledger ledger_;
  Outside outside_;
  std::shared_ptr<const config::Snapshot> snapshot_;
  std::unique_ptr<Machine> machine_;
  std::uint32_t version_ = 1;  ///< of the configuration, in one life
  bool tiny_ = false;
  unsigned clean_before_grouping_ = 50;
  // As the daemon's files are.
  std::string pause_rules_;
  std::string move_rules_;
};

}  // namespace ringpost::sim
