#pragma once

// What most unit tests include; compiled once where RINGPOST_PCH is on (RINGPOST_QUICK of
// scripts/build). Tests still name all they use: builds without it must pass.

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
