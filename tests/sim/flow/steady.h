#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine_run.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {

/// A machine without misfortunes that takes small messages to some domains and delivers them.
class Steady : private MachineRun {
 public:
  Steady(unsigned shards, unsigned domains);
  ~Steady();

  /// So many messages to all domains in turn.
  void prepare(std::size_t count);
  /// Sends what is prepared, until all is delivered and accounted.
  void send();
  /// Every message was delivered once and accounted once.
  void reconcile();
  LoopStats loop_stats() const { return machine_->loop_stats(); }

 private:
  std::vector<std::unique_ptr<Receiver>> hosts_;
  std::vector<std::unique_ptr<Injector>> injectors_;
  std::size_t sent_ = 0;
};

}  // namespace ringpost::sim
