#include "core/config/check.h"

#include <utility>

#include "core/config/builder.h"
#include "core/config/parser.h"

namespace ringpost::config {

CheckResult check_file(const std::string& path, const CheckOptions& options, FileSource& files) {
  SourceMap sources;
  DiagnosticLog log(sources, options.limits.diagnostics);
  Parser parser(sources, log, files, options.limits, options.lenient);
  const Section root = parser.parse(path);
  Builder builder(sources, log, options.host_name, options.lenient);
  std::shared_ptr<const Snapshot> snapshot = builder.build(root);
  for (const std::uint32_t file : parser.exposed_files()) {
    log.warning({file, 0, 0, 0}, "the file holds secrets and every user can read it");
  }
  CheckResult result;
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
