#pragma once

#include <span>

#include "core/loop/ports.h"

namespace ringpost {

/// Random bytes from the kernel's generator. Usable from any thread.
class KernelEntropy final : public Entropy {
 public:
  void fill(std::span<unsigned char> out) override;
};

}  // namespace ringpost
