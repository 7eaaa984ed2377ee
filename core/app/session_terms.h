#pragma once

#include <cstdint>

#include "core/config/policy.h"
#include "core/mail/policy.h"

namespace ringpost::app {

/// A hash of all that a session acts by: where it leads and from where, how it is secured, what it
/// offers and counts, what replies mean, how messages are signed. Equal before and after a reload
/// that changes none of it; limits and clocks of the scheduler are no part of it. Never 0.
/// `policy` is complete but for its terms; `in` is what it was made from.
std::uint64_t session_terms(const QueuePolicy& policy, const config::PathPolicy& in);

}  // namespace ringpost::app
