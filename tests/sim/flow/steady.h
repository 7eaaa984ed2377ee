#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {

/// A machine without misfortunes that takes small messages to some domains and delivers them.
class Steady {
 public:
  Steady(unsigned shards, unsigned domains);
  ~Steady();
  Steady(const Steady&) = delete;
  Steady& operator=(const Steady&) = delete;

  /// So many messages to all domains in turn.
  void prepare(std::size_t count);
  /// Sends what is prepared, until all is delivered and accounted.
  void send();
  /// Every message was delivered once and accounted once.
  void reconcile();
  LoopStats loop_stats() const { return machine_->loop_stats(); }

 private:
  SimWorld world_;
  SimNetwork network_;
  SimZone zone_;
  SimFiles files_;
  MemoryFiles accounts_;
  Ledger ledger_;
  Outside outside_{world_, network_, ledger_};
  std::vector<std::unique_ptr<Receiver>> hosts_;
  std::vector<std::unique_ptr<Injector>> injectors_;
  std::string pauses_;
  std::size_t sent_ = 0;
  std::unique_ptr<Machine> machine_;
};

}  // namespace ringpost::sim
