#include "core/mail/envelope.h"

#include "core/base/text.h"

namespace ringpost {

bool Recipient::travels_with(const Recipient& other) const {
  return !alone && !other.alone && pool_key == other.pool_key && vmta == other.vmta &&
         priority == other.priority && equals_ignoring_case(domain(), other.domain());
}

}  // namespace ringpost
