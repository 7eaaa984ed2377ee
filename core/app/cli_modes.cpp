#include "core/app/cli_talk.h"
#include "core/app/table.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

/// Decisions that nobody gave by a command.
int list_decisions(const CliOptions& options) {
  int code = 0;
  const auto result = ask(options, {{"command", "decisions"}, {"kind", ""}}, code);
  if (!result) {
    return code;
  }
  Json rows = Json::array();
  for (const auto& row : *result) {
    if (row.value("cause", std::string()) != "command") {
      rows.push_back(row);
    }
  }
  if (options.json) {
    print(rows.dump(2) + "\n");
    return 0;
  }
  Table table({"id", "since", "until", "reason"});
  table.never_cut(0);
  table.may_go_below(3);
  for (const auto& row : rows) {
    table.add(
        {text_of(row, "id"), time_of(row, "since"), time_of(row, "until"), text_of(row, "reason")});
  }
  print(table.empty() ? "none\n" : table.text(terminal_width()));
  return 0;
}

int print_touched(const CliOptions& options, const std::optional<Json>& result, int code) {
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(std::string(options.dry_run ? "would touch " : "touched ") +
        std::to_string(result->value("queues", std::uint64_t{0})) + " queues with " +
        std::to_string(result->value("recipients", std::uint64_t{0})) + " recipients\n");
  return 0;
}

}  // namespace

int automation_list(const CliOptions& options) { return list_decisions(options); }

int set_mode(const CliOptions& options, const std::string& pattern, const std::string& mode) {
  int code = 0;
  const auto result =
      ask(options,
          {{"command", "mode"}, {"pattern", pattern}, {"mode", mode}, {"dry_run", options.dry_run}},
          code);
  return print_touched(options, result, code);
}

int use_source(const CliOptions& options, const std::string& what, bool use) {
  int code = 0;
  const auto result = ask(options,
                          {{"command", use ? "enable-source" : "disable-source"},
                           {"source", what},
                           {"dry_run", options.dry_run}},
                          code);
  return print_touched(options, result, code);
}

int automation_explain(const CliOptions& options, const std::string& id) {
  int code = 0;
  const auto result = ask(options, {{"command", "decisions"}, {"kind", ""}}, code);
  if (!result) {
    return code;
  }
  for (const auto& row : *result) {
    if (row.value("id", std::string()) != id) {
      continue;
    }
    if (options.json) {
      print(row.dump(2) + "\n");
      return 0;
    }
    print(text_of(row, "text") + "\n  because:  " + text_of(row, "reason") +
          "\n  since:    " + time_of(row, "since") + "\n  until:    " +
          (row.value("until", std::int64_t{0}) == 0 ? "it is taken back, by command or by a reply"
                                                    : time_of(row, "until")) +
          "\n  to end it now: ringpost automation cancel '" + id + "'\n");
    return 0;
  }
  return fail(1, "no decision '" + id + "' holds");
}

int automation_cancel(const CliOptions& options, const std::string& id) {
  int code = 0;
  const auto result = ask(options, {{"command", "undo"}, {"id", id}}, code);
  if (!result) {
    return code;
  }
  print(options.json ? result->dump(2) + "\n" : "taken back: " + id + "\n");
  return 0;
}

}  // namespace ringpost::app
