#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config/diagnostic.h"
#include "core/config/files.h"
#include "core/config/limits.h"
#include "core/config/snapshot.h"

namespace ringpost::config {

/// What accounting says of a column's name; the text may be empty where it is good.
struct FieldVerdict {
  Severity severity = Severity::note;
  std::string message;
  std::string suggestion;
};
using FieldJudge = FieldVerdict (*)(std::string_view name);

struct CheckOptions {
  bool strict = false;  ///< warnings become errors
  /// Unknown directives and sections, and what is faulty, are left out with a warning; what
  /// protects somebody still refuses the file.
  bool lenient = false;
  /// Name of the host where the configuration gives none.
  std::string host_name = "localhost";
  ParseLimits limits;
  /// Whether accounting files have a column of this name; null: any name will do.
  FieldJudge judge_field = nullptr;
};

/// Directives of all files, sections not counted.
struct Tally {
  std::size_t directives = 0;
  std::size_t acting = 0;
  std::size_t without_effect = 0;  ///< known, and accepted for what they say
};

struct CheckResult {
  std::vector<Diagnostic> diagnostics;
  /// nullptr if there is an error among the diagnostics.
  std::shared_ptr<const Snapshot> snapshot;

  Tally tally;

  bool ok() const { return snapshot != nullptr; }
};

/// Reads a configuration with all it includes. Every fault of it is reported in this one run; a
/// file that cannot be read is one of them. Blocks on disk; call it off the shards.
CheckResult check_file(const std::string& path, const CheckOptions& options);
/// The same over files that need not be on disk.
CheckResult check_file(const std::string& path, const CheckOptions& options, FileSource& files);
/// The same for one text that includes nothing, such as an embedded default.
CheckResult check_text(const std::string& name, const std::string& text,
                       const CheckOptions& options);

/// A fault that only shows when all is read. Of its line the name of the directive is shown, which
/// is no secret; nothing where the file has gone meanwhile. Blocks on disk.
Diagnostic finding_at(const Snapshot& snapshot, const Origin& origin, std::string message);

}  // namespace ringpost::config
