// ringpost: the operator's command-line tool. Talks to a running ringpostd over its control
// socket, or works on files where the daemon need not run.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>

#include "core/app/cli_commands.h"
#include "core/app/cli_original.h"
#include "core/app/cli_pages.h"
#include "core/app/cli_views.h"
#include "core/app/version.h"

namespace {

using ringpost::app::CliOptions;

struct Arguments {
  CliOptions options;
  std::string file;
  std::string first;
  std::string second;
  std::string sender;
  ringpost::app::ViewOptions view;
  ringpost::app::ListOptions list;
  ringpost::app::TraceOptions trace;
  ringpost::app::DrainOptions drain;
  bool live = false;
  unsigned priority = 50;
  unsigned every = 2;
  unsigned rounds = 0;
  bool strict = false;
  bool lenient = false;
};

/// `table`: its rows can be sorted and limited too.
void add_view_options(CLI::App& command, ringpost::app::ViewOptions& view, bool table) {
  if (table) {
    command.add_option("--sort", view.sort, "column; -COLUMN for the greatest first");
  }
  command.add_option("--match", view.match, "only rows that contain this text");
  if (table) {
    command.add_option("--limit", view.limit, "rows at most");
  }
  command.add_option("--watch", view.watch, "again every so many seconds")
      ->expected(0, 1)
      ->default_str("2");
}

void add_live_commands(CLI::App& app, Arguments& arguments, int& exit_code) {
  auto& options = arguments.options;
  CLI::App* status = app.add_subcommand("status", "Is the daemon up, and what has it done?");
  add_view_options(*status, arguments.view, false);
  status->callback([&] { exit_code = ringpost::app::show_status(options, arguments.view); });
  app.add_subcommand("reload", "Read the configuration anew")->callback([&] {
    exit_code = ringpost::app::reload(options);
  });
  CLI::App* show = app.add_subcommand("show", "Tables of the running daemon");
  show->require_subcommand(1);
  for (const ringpost::app::View& view : ringpost::app::views()) {
    CLI::App* command = show->add_subcommand(view.name, view.help);
    if (view.pattern != nullptr) {
      command->add_option("pattern", arguments.view.pattern, view.pattern);
    }
    add_view_options(*command, arguments.view, true);
    command->callback([&arguments, &exit_code, &view] {
      exit_code = ringpost::app::show_view(arguments.options, view, arguments.view);
    });
  }
  CLI::App* settings = show->add_subcommand("settings", "Effective settings of a queue");
  settings->add_option("queue", arguments.view.pattern, "DOMAIN[/VMTA]")->required();
  settings->add_option("--sender", arguments.sender, "sender address, whose rules choose too");
  add_view_options(*settings, arguments.view, false);
  settings->callback(
      [&] { exit_code = ringpost::app::show_settings(options, arguments.view, arguments.sender); });
  CLI::App* top = app.add_subcommand("top", "What each core does, renewed every few seconds");
  top->add_option("--every", arguments.every, "seconds")->check(CLI::Range(1, 3600));
  top->add_option("--rounds", arguments.rounds, "how often; 0: until interrupted");
  top->callback(
      [&] { exit_code = ringpost::app::show_top(options, arguments.every, arguments.rounds); });
  CLI::App* trace = app.add_subcommand(
      "trace", "Where a message is and what it waits for; or what sessions say, as they say it");
  trace
      ->add_option("what", arguments.first,
                   "the id of the 250 reply; with --live DOMAIN[/VMTA], or name, address or "
                   "network of a host")
      ->required();
  CLI::Option* live = trace->add_flag("--live", arguments.live, "Show dialogues as they happen");
  trace->add_flag("--data", arguments.trace.data, "Content too")->needs(live);
  trace->add_option("--seconds", arguments.trace.seconds, "end after this time")->needs(live);
  trace->add_option("--lines", arguments.trace.lines, "end after so many lines")->needs(live);
  trace->callback([&] {
    exit_code = arguments.live
                    ? ringpost::app::trace_live(options, arguments.first, arguments.trace)
                    : ringpost::app::trace(options, arguments.first);
  });
  CLI::App* why = app.add_subcommand("why", "What a message or a recipient's mail waits for");
  why->add_option("what", arguments.first, "message id, or ADDRESS, * as wildcard")->required();
  why->callback([&] { exit_code = ringpost::app::why(options, arguments.first); });
  CLI::App* list = app.add_subcommand("list", "Queued mail, searched by");
  list->add_option("--recipient", arguments.list.recipient, "ADDRESS, * as wildcard");
  list->add_option("--sender", arguments.list.sender, "ADDRESS, * as wildcard");
  list->add_option("--job", arguments.list.job, "job id, * as wildcard");
  list->add_option("--vmta", arguments.list.vmta, "virtual MTA, * as wildcard");
  list->add_option("--priority", arguments.list.priority, "0 to 100, only mail that has it")
      ->check(CLI::Range(0, 100));
  list->add_option("--limit", arguments.list.limit, "rows at most")->check(CLI::Range(1, 10'000));
  list->callback([&] { exit_code = ringpost::app::list_messages(options, arguments.list); });
}

void add_drain_command(CLI::App& app, Arguments& arguments, int& exit_code) {
  CLI::App* drain =
      app.add_subcommand("drain", "Take no more mail, deliver what is there, then end the daemon");
  drain->add_option("--seconds", arguments.drain.seconds, "end after this time at the latest");
  drain->add_flag("--leave-deferred", arguments.drain.leave_deferred,
                  "Do not wait for mail that was put off");
  drain->add_flag("--keep-running", arguments.drain.keep_running, "Do not end the daemon");
  drain->callback([&] { exit_code = ringpost::app::drain(arguments.options, arguments.drain); });
}

void add_queue_commands(CLI::App& app, Arguments& arguments, int& exit_code) {
  struct Row {
    const char* name;
    const char* help;
  };
  static constexpr Row kRows[] = {
      {"pause", "Stop delivery of queues until resumed; survives a restart"},
      {"resume", "Let paused queues go on"},
      {"delete", "Cancel all mail of queues; each recipient is accounted as cancelled"},
      {"schedule", "Try deferred mail of queues at once; survives a restart"},
      {"move", "Move the mail of queues to another one; survives a restart"},
  };
  struct Target {
    const char* name;
    const char* pattern;
    const char* before;  ///< what makes a pattern of queues of it; nullptr: it names jobs
    const char* after;
  };
  static const Target kTargets[] = {
      {"queue", "DOMAIN[/VMTA], * as wildcard", "", ""},
      {"domain", "DOMAIN, * as wildcard: its queues of all virtual MTAs", "", "/*"},
      {"vmta", "virtual MTA, * as wildcard: all its queues", "*/", ""},
      {"job", "job id, * as wildcard: its mail in all queues", nullptr, ""},
  };
  for (const Row& row : kRows) {
    CLI::App* command = app.add_subcommand(row.name, row.help);
    command->require_subcommand(1);
    for (const Target& target : kTargets) {
      CLI::App* what = command->add_subcommand(target.name, row.help);
      what->add_option("pattern", arguments.first, target.pattern)->required();
      what->add_flag("--dry-run", arguments.options.dry_run, "Only count what it would touch");
      const std::string verb = row.name;
      if (verb == "move") {
        what->add_option("--to", arguments.second, "virtual MTA or pool, or DOMAIN/VMTA")
            ->required();
      }
      what->callback([&arguments, &exit_code, &target, verb] {
        const bool by_job = target.before == nullptr;
        const std::string named =
            by_job ? arguments.first : target.before + arguments.first + target.after;
        exit_code = verb == "move" ? ringpost::app::move_mail(arguments.options, by_job, named,
                                                              arguments.second)
                    : by_job       ? ringpost::app::change_jobs(arguments.options, verb, named)
                                   : ringpost::app::change_queues(arguments.options, verb, named);
      });
    }
  }
}

void add_mode_commands(CLI::App& app, Arguments& arguments, int& exit_code) {
  auto& options = arguments.options;
  CLI::App* set = app.add_subcommand("set", "Change how queues are treated");
  set->require_subcommand(1);
  CLI::App* queue = set->add_subcommand("queue", "The mode of queues; survives a restart");
  queue->add_option("pattern", arguments.first, "DOMAIN[/VMTA], * as wildcard")->required();
  queue->add_option("--mode", arguments.second, "normal or backoff")
      ->required()
      ->check(CLI::IsMember({"normal", "backoff"}));
  queue->add_flag("--dry-run", options.dry_run, "Only count what it would touch");
  queue->callback(
      [&] { exit_code = ringpost::app::set_mode(options, arguments.first, arguments.second); });
  for (const bool use : {false, true}) {
    CLI::App* verb = use ? app.add_subcommand("enable", "Use a source address again")
                         : app.add_subcommand("disable", "Take a source address out of use");
    verb->require_subcommand(1);
    CLI::App* source =
        verb->add_subcommand("source", "For all queues, or some; survives a restart");
    source->add_option("source", arguments.first, "IP[,VMTA] or IP[,DOMAIN/VMTA]")->required();
    source->add_flag("--dry-run", options.dry_run, "Only count what it would touch");
    source->callback([&arguments, &exit_code, use] {
      exit_code = ringpost::app::use_source(arguments.options, arguments.first, use);
    });
  }
  CLI::App* automation = app.add_subcommand("automation", "What the daemon decided by itself");
  automation->require_subcommand(1);
  automation->add_subcommand("list", "Decisions that hold")->callback([&] {
    exit_code = ringpost::app::automation_list(options);
  });
  CLI::App* explain = automation->add_subcommand("explain", "Why and until when");
  explain->add_option("id", arguments.first, "as listed")->required();
  explain->callback(
      [&] { exit_code = ringpost::app::automation_explain(options, arguments.first); });
  CLI::App* cancel = automation->add_subcommand("cancel", "Take a decision back");
  cancel->add_option("id", arguments.first, "as listed")->required();
  cancel->callback([&] { exit_code = ringpost::app::automation_cancel(options, arguments.first); });
}

void add_priority_command(CLI::App& app, Arguments& arguments, int& exit_code) {
  CLI::App* what = app.get_subcommand("set")->add_subcommand(
      "priority",
      "Which mail of a queue goes first: what waits now gets another priority; "
      "survives a restart");
  CLI::Option_group* which = what->add_option_group("which mail");
  which->require_option(1, 2);
  auto* queues = which->add_option("--queue", arguments.first, "DOMAIN[/VMTA], * as wildcard");
  auto* job = which->add_option("--job", arguments.second, "job id, * as wildcard");
  what->add_option("priority", arguments.priority, "0 to 100, higher goes first; mail has 50")
      ->required()
      ->check(CLI::Range(0, 100));
  what->add_flag("--dry-run", arguments.options.dry_run, "Only count what it would touch");
  what->callback([&arguments, &exit_code, queues, job] {
    exit_code =
        ringpost::app::set_priority(arguments.options, queues->count() == 0 ? "*" : arguments.first,
                                    job->count() == 0 ? "*" : arguments.second, arguments.priority);
  });
}

void add_config_commands(CLI::App& app, Arguments& arguments, int& exit_code) {
  CLI::App* diff = app.add_subcommand("diff", "Compare files without a running daemon");
  diff->require_subcommand(1);
  CLI::App* config = diff->add_subcommand("config", "What a new configuration changes");
  config->add_option("old", arguments.first, "the file in force")->required();
  config->add_option("new", arguments.second, "the new file")->required();
  config->callback([&] {
    exit_code = ringpost::app::diff_config(arguments.options, arguments.first, arguments.second);
  });
  CLI::App* passwd = app.add_subcommand("passwd", "Hash a password for auth-file or <smtp-user>");
  passwd->add_option("name", arguments.first, "user's name: prints the whole line");
  passwd->callback([&] { exit_code = ringpost::app::passwd(arguments.first); });
  CLI::App* help = app.add_subcommand("help", "What a directive of the configuration means");
  help->add_option("directive", arguments.first, "its name")->required();
  help->callback([&] { exit_code = ringpost::app::help_directive(arguments.first); });
}

void add_file_commands(CLI::App& app, Arguments& arguments, int& exit_code) {
  auto& options = arguments.options;
  CLI::App* check = app.add_subcommand("check", "Check files without a running daemon");
  check->require_subcommand(1);
  CLI::App* config = check->add_subcommand("config", "Check a configuration file");
  config->add_option("file", arguments.file, "the file")->required();
  config->add_flag("--strict", arguments.strict, "Warnings count as errors");
  config->add_flag("--lenient", arguments.lenient, "Faulty directives are left out");
  config->callback([&] {
    exit_code =
        ringpost::app::check_config(options, arguments.file, arguments.strict, arguments.lenient);
  });
  CLI::App* dkim = check->add_subcommand("dkim", "Compare DKIM keys with their published records");
  dkim->add_option("domain", arguments.first, "only keys that sign for this domain");
  dkim->add_option("-c,--config", arguments.file, "configuration file")->required();
  dkim->callback(
      [&] { exit_code = ringpost::app::check_dkim(options, arguments.file, arguments.first); });
  CLI::App* doctor = app.add_subcommand(
      "doctor", "What the world sees: reverse DNS, SPF, DKIM, DMARC, mail hosts, port 25, clock");
  doctor->add_option("subject", arguments.first,
                     "virtual MTA, pool, or domain, ours or a destination; without: all of ours");
  doctor->add_option("-c,--config", arguments.file, "configuration file")->required();
  doctor->callback([&] {
    exit_code = ringpost::app::doctor(arguments.options, arguments.file, arguments.first);
  });
  CLI::App* explain = app.add_subcommand("explain", "Effective settings of a queue, with origins");
  explain->add_option("domain", arguments.first, "destination domain")->required();
  explain->add_option("vmta", arguments.second, "virtual MTA");
  explain->add_option("--sender", arguments.sender, "sender address, whose rules choose too");
  explain->add_option("-c,--config", arguments.file, "configuration file")->required();
  explain->callback([&] {
    exit_code = ringpost::app::explain(options, arguments.file, arguments.first, arguments.second,
                                       arguments.sender);
  });
  add_config_commands(app, arguments, exit_code);
  CLI::App* acct = app.add_subcommand("acct", "Accounting files");
  acct->require_subcommand(1);
  CLI::App* flush = acct->add_subcommand(
      "flush", "Close the current files, pack and move what is finished; may be repeated");
  flush->add_option("-c,--config", arguments.file, "configuration file")->required();
  flush->callback([&] { exit_code = ringpost::app::account_flush(options, arguments.file); });
  CLI::App* rotate = app.add_subcommand("rotate", "Finish files of the running daemon");
  rotate->require_subcommand(1);
  rotate->add_subcommand("acct", "Finish the accounting files and begin new ones")->callback([&] {
    exit_code = ringpost::app::account_rotate(options);
  });
  CLI::App* rebuild = acct->add_subcommand(
      "rebuild", "Write anew what the journals of a stopped daemon still hold");
  rebuild->add_option("-c,--config", arguments.file, "configuration file")->required();
  rebuild->add_option("--from", arguments.first, "settled then or later: 2026-11-21[T13:00[:00]]");
  rebuild->add_option("--to", arguments.second, "settled before");
  rebuild->add_option("--target", arguments.sender, "folder for the files, which must be new")
      ->required();
  rebuild->callback([&] {
    exit_code = ringpost::app::account_rebuild(options, arguments.file, arguments.first,
                                               arguments.second, arguments.sender);
  });
}

void add_spool_commands(CLI::App& app, Arguments& arguments, int& exit_code) {
  auto& options = arguments.options;
  CLI::App* spool = app.add_subcommand("spool", "Tools for the spool of a stopped daemon");
  spool->require_subcommand(1);
  spool->add_subcommand("check", "Verify all segments and journals")
      ->callback([&] { exit_code = ringpost::app::spool_check(options, arguments.file); })
      ->add_option("folder", arguments.file, "spool folder")
      ->required();
  spool->add_subcommand("stat", "What the spool holds")
      ->callback([&] { exit_code = ringpost::app::spool_stat(options, arguments.file); })
      ->add_option("folder", arguments.file, "spool folder")
      ->required();
  CLI::App* exporting = spool->add_subcommand("export", "Write unsettled messages as files");
  exporting->add_option("folder", arguments.file, "spool folder")->required();
  exporting->add_option("target", arguments.first, "folder to write to")->required();
  exporting->callback(
      [&] { exit_code = ringpost::app::spool_export(options, arguments.file, arguments.first); });
  CLI::App* importing = spool->add_subcommand(
      "import", "Take over what an export of another spool has, each message once");
  importing->add_option("folder", arguments.file, "spool folder, made if missing")->required();
  importing->add_option("archive", arguments.first, "folder that an export wrote")->required();
  importing->callback(
      [&] { exit_code = ringpost::app::spool_import(options, arguments.file, arguments.first); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Ringpost: high-volume outbound mail transfer agent", "ringpost"};
  app.set_version_flag("--version", ringpost::app::version_text());
  app.require_subcommand(1);
  Arguments arguments;
  app.add_option(
      "--control", arguments.options.control,
      "control socket (default: $RINGPOST_CONTROL, else " + arguments.options.control + ")");
  if (const char* control = std::getenv("RINGPOST_CONTROL"); control != nullptr) {
    arguments.options.control = control;
  }
  app.add_flag("--json", arguments.options.json, "JSON instead of tables");
  app.fallthrough();
  int exit_code = 0;
  add_live_commands(app, arguments, exit_code);
  add_drain_command(app, arguments, exit_code);
  add_queue_commands(app, arguments, exit_code);
  add_mode_commands(app, arguments, exit_code);
  add_priority_command(app, arguments, exit_code);
  add_file_commands(app, arguments, exit_code);
  add_spool_commands(app, arguments, exit_code);
  app.add_subcommand("manual", "Print this tool's manual page, ringpost(1)")->callback([&] {
    std::cout << ringpost::app::man_page(app);
  });
  app.add_subcommand("completion", "Print the completion script for bash")->callback([&] {
    std::cout << ringpost::app::bash_completion(app);
  });
  ringpost::app::Translated told = ringpost::app::translate_words({argv + 1, argv + argc});
  if (!told.instead.empty()) {
    std::cerr << "ringpost: " << told.instead << "\n";
    return 1;
  }
  std::reverse(told.words.begin(), told.words.end());  // as the parser takes them
  try {
    app.parse(told.words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return exit_code;
}
