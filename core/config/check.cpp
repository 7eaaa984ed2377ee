#include "core/config/check.h"

#include <algorithm>
#include <utility>

#include "core/config/builder.h"
#include "core/config/files.h"
#include "core/config/parser.h"
#include "core/config/value_reader.h"

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

/// The names of columns in accounting sections, which are another room's.
void judge_fields(const Section& root, const CheckOptions& options, DiagnosticLog& log) {
  for (const Section& section : root.sections) {
    if (section.scope != Scope::acct_file) {
      continue;
    }
    for (const Directive& directive : section.directives) {
      const OptionRow* row = find_option(directive.name.text, Scope::acct_file);
      const bool by_kind = row != nullptr && row->id == OptionId::acct_record_fields;
      if (row == nullptr || (!by_kind && row->id != OptionId::acct_fields)) {
        continue;
      }
      for (const Word& word : ValueReader::list_of(directive.values, by_kind ? 1 : 0)) {
        const std::string_view name = word.text.substr(word.text.starts_with('!') ? 1 : 0);
        if (name == "*" || name.empty()) {
          continue;
        }
        FieldVerdict verdict = options.judge_field(name);
        if (!verdict.message.empty()) {
          log.add(verdict.severity, word.span, std::move(verdict.message),
                  std::move(verdict.suggestion));
        }
      }
    }
  }
}

}  // namespace

CheckResult check_file(const std::string& path, const CheckOptions& options, FileSource& files) {
  SourceMap sources;
  DiagnosticLog log(sources, options.limits.diagnostics, options.lenient);
  Parser parser(sources, log, files, options.limits, options.lenient);
  Section root = parser.parse(path);
  Builder builder(sources, log, options.host_name, options.lenient);
  if (options.judge_field != nullptr) {
    judge_fields(root, options, log);
  }
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

Diagnostic finding_at(const Snapshot& snapshot, const Origin& origin, std::string message) {
  Diagnostic found;
  found.message = std::move(message);
  if (origin.is_default() || origin.file >= snapshot.files().size()) {
    return found;
  }
  found.file = snapshot.files()[origin.file];
  found.line = origin.line;
  found.column = found.length = 1;
  DiskFiles disk;
  Result<LoadedFile> loaded = disk.load(found.file, ParseLimits{}.file_bytes);
  if (!loaded.ok()) {
    return found;
  }
  SourceMap sources;
  const std::uint32_t file = sources.add(found.file, std::move(loaded->text));
  sources.mask({file, origin.line, 0, 0});  // there may be secrets anywhere: it is wiped
  const std::string_view line = sources.line(file, origin.line);
  const std::size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const std::size_t end = std::min(line.find_first_of(" \t=>", begin), line.size());
  found.source_line = line.substr(0, end);
  found.column = static_cast<std::uint32_t>(begin + 1);
  found.length = static_cast<std::uint32_t>(std::max<std::size_t>(end - begin, 1));
  return found;
}

}  // namespace ringpost::config
