#include "net/wire/kernel_entropy.h"

#include <sys/random.h>

#include <cerrno>

namespace ringpost {

void KernelEntropy::fill(std::span<unsigned char> out) {
  while (!out.empty()) {
    const ::ssize_t got = ::getrandom(out.data(), out.size(), 0);
    RP_ASSERT_NOTE(got > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
}

}  // namespace ringpost
