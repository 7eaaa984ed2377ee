#include "net/wire/wake_event.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace ringpost {

WakeEvent::~WakeEvent() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

Status WakeEvent::open() {
  RP_ASSERT(descriptor_ < 0);
  descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor_ < 0) {
    return Error::from_errno(errno, "eventfd");
  }
  return {};
}

void WakeEvent::raise(int descriptor) noexcept {
  // It can only fail with a full counter, and then the waiter is awake anyway.
  static_cast<void>(::eventfd_write(descriptor, 1));
}

void WakeEvent::lower() const noexcept {
  ::eventfd_t count = 0;
  static_cast<void>(::eventfd_read(descriptor_, &count));
}

}  // namespace ringpost
