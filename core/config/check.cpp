#include "core/config/check.h"

#include <utility>

#include "core/config/builder.h"
#include "core/config/parser.h"

namespace ringpost::config {

namespace {

void count(const Section& section, Tally& tally) {
  for (const Directive& directive : section.directives) {
    ++tally.directives;
    const OptionRow* row = section.scope == Scope::bounce_category_patterns
                               ? &row_of(OptionId::bounce_category)
                               : find_option(directive.name.text, section.scope);
    const bool section_acts = section.row == nullptr || section.row->no_effect.empty();
    if (row != nullptr) {
      ++(row->acts() && section_acts ? tally.acting : tally.without_effect);
    }
  }
  for (const Section& inner : section.sections) {
    count(inner, tally);
  }
}

}  // namespace

CheckResult check_file(const std::string& path, const CheckOptions& options, FileSource& files) {
  SourceMap sources;
  DiagnosticLog log(sources, options.limits.diagnostics, options.lenient);
  Parser parser(sources, log, files, options.limits, options.lenient);
  Section root = parser.parse(path);
  Builder builder(sources, log, options.host_name, options.lenient);
  std::shared_ptr<const Snapshot> snapshot = builder.build(root);
  for (const std::uint32_t file : parser.exposed_files()) {
    log.warning({file, 0, 0, 0}, "the file holds secrets and every user can read it");
  }
  for (const auto& [file, span] : builder.key_files()) {
    if (files.readable_by_others(relative_to(std::string(file), path))) {
      log.warning(span, "the file holds secrets and every user can read it");
    }
  }
  CheckResult result;
  count(root, result.tally);
  result.diagnostics = log.finish(options.strict);
  if (count_of(result.diagnostics, Severity::error) == 0) {
    result.snapshot = std::move(snapshot);
  }
  return result;
}

CheckResult check_file(const std::string& path, const CheckOptions& options) {
  DiskFiles files;
  return check_file(path, options, files);
}

CheckResult check_text(const std::string& name, const std::string& text,
                       const CheckOptions& options) {
  MemoryFiles files;
  files.put(name, text);
  return check_file(name, options, files);
}

}  // namespace ringpost::config
