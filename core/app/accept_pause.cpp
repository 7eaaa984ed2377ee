#include "core/app/accept_pause.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/app/log.h"

namespace ringpost::app {

bool lacks_resources(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void AcceptPause::failed(int error, Instant now) {
  if (!lacks_resources(error)) {
    return;
  }
  until_ = now + kPause;
  tell(error, now);
}

void AcceptPause::tell(int error, Instant now) {
  if (now >= next_log_) {
    next_log_ = now + kLogEvery;
    log_error(what_ +
              " cannot accept connections, they wait: " + std::generic_category().message(error));
  }
}

int AcceptPause::timeout_ms(int otherwise, Instant now) const {
  if (over(now)) {
    return otherwise;
  }
  const int left = static_cast<int>((until_ - now).whole_milliseconds()) + 1;
  return otherwise < 0 ? left : std::min(left, otherwise);
}

}  // namespace ringpost::app
