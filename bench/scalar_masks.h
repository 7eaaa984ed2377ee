#pragma once

#include "net/smtp/content_scanner_blocks.h"

namespace ringpost::bench {

/// The masks of a block as hosts without vector instructions compute them.
smtp::BlockMasks scalar_masks(const char* bytes);

}  // namespace ringpost::bench
