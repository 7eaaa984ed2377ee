#include <unistd.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <vector>

#include "core/app/account_settings.h"
#include "core/app/cli_commands.h"
#include "core/app/cli_config.h"
#include "core/app/cli_talk.h"
#include "core/app/system_login.h"
#include "core/app/tls_settings.h"
#include "core/config/check.h"
#include "core/config/diff.h"
#include "core/config/explain.h"
#include "core/config/options.h"
#include "core/config/reference.h"
#include "core/config/suggest.h"
#include "net/wire/openssl_tls.h"

namespace ringpost::app {
namespace {

config::CheckResult read_config(const std::string& file, bool strict, bool lenient) {
  config::CheckOptions check;
  check.strict = strict;
  check.lenient = lenient;
  check.judge_field = &judge_field;
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  check.host_name = name;
  return config::check_file(file, check);
}

}  // namespace

std::shared_ptr<const config::Snapshot> read_snapshot(const std::string& file, int& code) {
  if (::access(file.c_str(), R_OK) != 0) {
    code = fail(kUnreadable, "cannot read " + file);
    return nullptr;
  }
  const config::CheckResult result = read_config(file, false, true);
  if (!result.ok()) {
    std::fputs(config::render_text(result.diagnostics).c_str(), stderr);
    code = fail(kFaulty, file + " has errors");
  }
  return result.snapshot;
}

int check_config(const CliOptions& options, const std::string& file, bool strict, bool lenient) {
  if (::access(file.c_str(), R_OK) != 0) {
    return fail(kUnreadable, "cannot read " + file);
  }
  config::CheckResult result = read_config(file, strict, lenient);
  if (result.ok()) {
    OpenSslEngines tls(std::make_shared<OpenSslAuthorities>());
    std::vector<config::Diagnostic> found = check_tls(*result.snapshot, tls);
    for (config::Diagnostic& fault : check_accounts(*result.snapshot)) {
      found.push_back(std::move(fault));
    }
    for (config::Diagnostic& fault : check_users(*result.snapshot)) {
      fault.severity = strict ? config::Severity::error : fault.severity;
      found.push_back(std::move(fault));
    }
    if (!found.empty()) {
      if (config::count_of(found, config::Severity::error) > 0) {
        result.snapshot.reset();
      }
      std::move(found.begin(), found.end(), std::back_inserter(result.diagnostics));
    }
  }
  if (options.json) {
    print(config::render_json(result.diagnostics));
    return result.ok() ? kDone : kFaulty;
  }
  print(config::render_text(result.diagnostics));
  const auto errors = config::count_of(result.diagnostics, config::Severity::error);
  const auto warnings = config::count_of(result.diagnostics, config::Severity::warning);
  print(file + ": " + (result.ok() ? "good" : "faulty") + ", " + std::to_string(errors) +
        " errors, " + std::to_string(warnings) + " warnings\n");
  return result.ok() ? kDone : kFaulty;
}

int explain(const CliOptions& options, const std::string& file, const std::string& domain,
            const std::string& vmta, const std::string& sender) {
  int code = kDone;
  const auto snapshot = read_snapshot(file, code);
  if (snapshot == nullptr) {
    return code;
  }
  auto explanation = config::explain(*snapshot, domain, vmta, sender);
  if (!explanation) {
    return fail(kFaulty, explanation.error().describe());
  }
  print(options.json ? config::render_json(*explanation) : config::render_text(*explanation));
  return kDone;
}

int diff_config(const CliOptions& options, const std::string& before, const std::string& after) {
  int code = kDone;
  const auto old_snapshot = read_snapshot(before, code);
  const auto new_snapshot = old_snapshot == nullptr ? nullptr : read_snapshot(after, code);
  if (new_snapshot == nullptr) {
    return code;
  }
  const config::ConfigDiff diff = config::compare(*old_snapshot, *new_snapshot);
  print(options.json ? config::render_json(diff) : config::render_text(diff));
  return kDone;
}

int help_directive(const std::string& name) {
  const std::string text = config::describe_directive(name);
  if (!text.empty()) {
    print(text);
    return kDone;
  }
  std::vector<std::string_view> names;
  for (const config::OptionRow& row : config::option_rows()) {
    names.push_back(row.name);
  }
  const std::string nearest = config::nearest_name(name, names);
  return fail(kFaulty, "there is no directive or section '" + name + "'" +
                           (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
}

}  // namespace ringpost::app
