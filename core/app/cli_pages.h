#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace ringpost::app {

// What is derived from the tree of commands, so that it cannot differ from it.

/// The manual page ringpost(1) in man(7) macros; docs/ringpost.1 is this.
std::string man_page(const CLI::App& app);
/// A completion script for bash, to be sourced.
std::string bash_completion(const CLI::App& app);

}  // namespace ringpost::app
