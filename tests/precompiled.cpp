// Compiles precompiled.h.
#include "tests/precompiled.h"
