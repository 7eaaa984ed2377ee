#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ringpost::config {

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`, without regard to
/// case. Gives up at `limit` and returns it.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit);

/// The candidate nearest to `name`, or an empty string where none is near enough to be meant.
std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace ringpost::config
