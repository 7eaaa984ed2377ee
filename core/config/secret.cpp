#include "core/config/secret.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "core/base/text.h"

namespace ringpost::config {

SecretStore::~SecretStore() {
  for (const Block& block : blocks_) {
    wipe(block.data, block.size);
    ::munmap(block.data, block.size);
  }
}

Secret SecretStore::keep(std::string_view text) {
  constexpr std::size_t kBlock = 64 * 1024;
  if (text.empty()) {
    return Secret();
  }
  if (blocks_.empty() || blocks_.back().size - blocks_.back().used < text.size()) {
    const std::size_t size = (std::max(text.size(), kBlock) + kBlock - 1) / kBlock * kBlock;
    void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
      return Secret();
    }
    // Best effort: a kernel that refuses still leaves the pages to be overwritten.
    static_cast<void>(::madvise(pages, size, MADV_DONTDUMP));
    blocks_.push_back({static_cast<char*>(pages), size, 0});
  }
  Block& block = blocks_.back();
  char* place = block.data + block.used;
  std::memcpy(place, text.data(), text.size());
  block.used += text.size();
  return Secret({place, text.size()});
}

}  // namespace ringpost::config
