#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/account/finisher.h"
#include "core/base/result.h"

namespace ringpost::account {

/// Ending of a packed file's name, with its dot; empty for none.
std::string_view ending_of(Packing packing);

/// Writes `source` packed to `target`, anew, and syncs it. Blocking.
Status pack_file(const std::string& source, const std::string& target, Packing packing,
                 mode_t mode);

/// Unpacks `packed` and compares it with `source`, octet by octet. damaged: they differ.
Status verify_packed(const std::string& source, const std::string& packed, Packing packing);

}  // namespace ringpost::account
