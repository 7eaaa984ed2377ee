#pragma once

#include <string>
#include <string_view>

namespace ringpost::config {

/// The reference of all directives in Markdown: docs/directives.md.
std::string render_reference();

/// What the tables say about one directive or kind of section, in all its scopes; empty if none
/// has the name.
std::string describe_directive(std::string_view name);

}  // namespace ringpost::config
