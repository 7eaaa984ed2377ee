#include <unistd.h>

#include <cstdio>

#include "core/app/cli_commands.h"
#include "core/config/check.h"
#include "core/config/explain.h"

namespace ringpost::app {
namespace {

constexpr int kDone = 0;
constexpr int kFaulty = 1;
constexpr int kUnreadable = 2;

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int fail(int code, const std::string& text) {
  std::fprintf(stderr, "ringpost: %s\n", text.c_str());
  return code;
}

config::CheckResult read_config(const std::string& file, bool strict, bool lenient) {
  config::CheckOptions check;
  check.strict = strict;
  check.lenient = lenient;
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  check.host_name = name;
  return config::check_file(file, check);
}

}  // namespace

int check_config(const CliOptions& options, const std::string& file, bool strict, bool lenient) {
  if (::access(file.c_str(), R_OK) != 0) {
    return fail(kUnreadable, "cannot read " + file);
  }
  const config::CheckResult result = read_config(file, strict, lenient);
  if (options.json) {
    print(config::render_json(result.diagnostics) + "\n");
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
            const std::string& vmta) {
  const config::CheckResult result = read_config(file, false, true);
  if (!result.ok()) {
    std::fputs(config::render_text(result.diagnostics).c_str(), stderr);
    return fail(kFaulty, file + " has errors");
  }
  auto explanation = config::explain(*result.snapshot, domain, vmta);
  if (!explanation) {
    return fail(kFaulty, explanation.error().describe());
  }
  print(options.json ? config::render_json(*explanation) + "\n"
                     : config::render_text(*explanation));
  return kDone;
}

}  // namespace ringpost::app
