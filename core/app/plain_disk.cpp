#include "core/app/plain_disk.h"

namespace ringpost::app {

void PlainDisk::NoWorker::run(WorkOp&) {
  RP_ASSERT_NOTE(false, "an operation on a disk without a loop");
}

Result<PlainDisk> PlainDisk::open() {
  PlainDisk plain;
  ProbeReport probes;
  auto ring = Ring::make({}, probes);
  if (!ring) {
    return ring.error();
  }
  plain.ring_ = std::move(*ring);
  plain.worker_ = std::make_unique<NoWorker>();
  plain.disk_ =
      std::make_unique<RingDisk>(*plain.ring_, *plain.worker_, *plain.worker_, RingDiskOptions{});
  return plain;
}

}  // namespace ringpost::app
