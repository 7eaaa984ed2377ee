#pragma once

#include <string>
#include <vector>

namespace ringpost::app {

/// The words of a command line in this tool's terms.
struct Translated {
  std::vector<std::string> words;
  std::string instead;  ///< not empty: there is no such command here; what to use for it
};

/// Takes the command words that operators know from PowerMTA, abbreviations included; what is in
/// this tool's terms already stays as it is.
Translated translate_words(std::vector<std::string> words);

}  // namespace ringpost::app
