#pragma once

#include <string_view>
#include <vector>

#include "core/config/options.h"
#include "core/config/source.h"

namespace ringpost::config {

// What the parser makes of the text, whatever dialect it is in: sections that hold directives
// and sections. Texts are views into the SourceMap.

struct Word {
  std::string_view text;
  Span span;
  bool quoted = false;   ///< in double quotes, here taken off
  bool pattern = false;  ///< a regular expression, its slashes taken off
};

struct Directive {
  Word name;  ///< empty for the lines of bounce-category-patterns, which begin with the pattern
  std::vector<Word> values;
};

struct Section {
  const SectionRow* row = nullptr;  ///< nullptr: unknown or misplaced; its content is not looked at
  Scope scope = Scope::global;
  Word kind;
  std::vector<Word> arguments;
  std::vector<Directive> directives;
  std::vector<Section> sections;
};

}  // namespace ringpost::config
