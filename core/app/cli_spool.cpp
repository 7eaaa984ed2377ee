#include <cstdio>

#include "core/app/cli_commands.h"

namespace ringpost::app {}
