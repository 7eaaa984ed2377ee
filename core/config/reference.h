#pragma once

#include <string>
#include <string_view>

#include "core/config/options.h"

namespace ringpost::config {

/// The reference of all directives in Markdown: docs/directives.md.
std::string render_reference();

/// The manual page ringpost.conf(5) in troff: docs/ringpost.conf.5.
std::string render_man_page();

/// A file in which every directive that acts stands as a comment, with what it means:
/// docs/ringpost.conf.example.
std::string render_example();

/// How the value of a row is written, in Markdown where it lists choices.
std::string value_form(const OptionRow& row);

/// What the tables say about one directive or kind of section, in all its scopes; empty if none
/// has the name.
std::string describe_directive(std::string_view name);

}  // namespace ringpost::config
