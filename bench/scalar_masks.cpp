// The scalar form of the masks, under another name so that both can be in one program.
#undef __SSE2__
#define masks_of_block masks_of_block_scalar
#define masks_of_tail masks_of_tail_scalar

#include "bench/scalar_masks.h"

namespace ringpost::bench {

smtp::BlockMasks scalar_masks(const char* bytes) { return smtp::masks_of_block_scalar(bytes); }

}  // namespace ringpost::bench
