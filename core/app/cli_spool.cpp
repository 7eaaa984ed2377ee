#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/app/cli_commands.h"
#include "core/app/cli_progress.h"
#include "core/app/cli_talk.h"
#include "core/app/import_source.h"
#include "core/app/plain_disk.h"
#include "core/app/table.h"
#include "net/wire/kernel_entropy.h"
#include "spool/tools.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

int fail_on(const std::string& folder, const Error& error) {
  std::string text = "ringpost: " + folder + ": " + error.describe();
  if (error.code == ErrorCode::locked) {
    text += " (a ringpostd runs on this spool; stop it first)";
  }
  std::fprintf(stderr, "%s\n", text.c_str());
  return kUnreadable;
}

Json report_json(const spool::RecoveryReport& report) {
  return {{"messages", report.messages},
          {"recipients", report.recipients},
          {"ambiguous", report.ambiguous},
          {"commit_indeterminate", report.commit_indeterminate},
          {"tail_cuts", report.tail_cuts},
          {"damaged_records", report.damaged_records},
          {"damaged_batches", report.damaged_batches},
          {"damaged_segments", report.damaged_segments},
          {"lost_outcomes", report.lost_outcomes},
          {"clean", report.clean},
          {"notes", report.notes}};
}

Json figures_json(const spool::SpoolFigures& figures) {
  Json logs = Json::array();
  for (const spool::LogFigures& log : figures.logs) {
    logs.push_back({{"log", log.log},
                    {"report", report_json(log.report)},
                    {"segments", log.segments},
                    {"spares", log.spares},
                    {"journal_segments", log.journal_segments},
                    {"bytes", log.bytes},
                    {"live_bytes", log.live_bytes},
                    {"oldest", log.oldest_us / 1'000'000},
                    {"domains", log.domains}});
  }
  return {{"id", figures.id}, {"total", report_json(figures.total)}, {"logs", std::move(logs)}};
}

void print_figures(const spool::SpoolFigures& figures) {
  Table table({"log", "messages", "recipients", "segments", "spares", "journal", "bytes",
               "live bytes", "damaged"});
  for (const spool::LogFigures& log : figures.logs) {
    table.add({std::to_string(log.log), std::to_string(log.report.messages),
               std::to_string(log.report.recipients), std::to_string(log.segments),
               std::to_string(log.spares), std::to_string(log.journal_segments),
               std::to_string(log.bytes), std::to_string(log.live_bytes),
               std::to_string(log.report.damaged_records + log.report.damaged_batches +
                              log.report.damaged_segments)});
  }
  print("spool " + figures.id + ", last stop " +
        (figures.total.clean ? "clean" : "not clean: the next start recovers") + "\n" +
        table.text(terminal_width()));
  for (const std::string& note : figures.total.notes) {
    print(note + "\n");
  }
}

int show(const CliOptions& options, const std::string& folder,
         Result<spool::SpoolFigures> (*look)(Disk&, const std::string&, spool::ToolProgress*)) {
  auto disk = PlainDisk::open();
  if (!disk) {
    return fail_on(folder, disk.error());
  }
  ProgressLine progress;
  auto figures = look(disk->disk(), folder, &progress);
  progress.clear();
  if (!figures) {
    return fail_on(folder, figures.error());
  }
  if (options.json) {
    print(figures_json(*figures).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    print_figures(*figures);
  }
  return figures->total.damage() ? kFaulty : kDone;
}

}  // namespace

int spool_check(const CliOptions& options, const std::string& folder) {
  return show(options, folder, spool::check);
}

int spool_stat(const CliOptions& options, const std::string& folder) {
  return show(options, folder, spool::stat);
}

int spool_export(const CliOptions& options, const std::string& folder, const std::string& target) {
  auto disk = PlainDisk::open();
  if (!disk) {
    return fail_on(folder, disk.error());
  }
  ProgressLine progress;
  auto done = spool::export_messages(disk->disk(), folder, target, &progress);
  progress.clear();
  if (!done) {
    return fail_on(folder, done.error());
  }
  if (options.json) {
    print(Json{{"messages", done->messages},
               {"recipients", done->recipients},
               {"reports", done->reports},
               {"damaged", done->damaged}}
              .dump(2) +
          "\n");
  } else {
    print(std::to_string(done->messages) + " messages with " + std::to_string(done->recipients) +
          " recipients and " + std::to_string(done->reports) + " reports owed written to " +
          target + ", " + std::to_string(done->damaged) + " damaged ones could not be\n");
  }
  return done->damaged > 0 ? kFaulty : kDone;
}

int spool_import(const CliOptions& options, const std::string& folder, const std::string& archive) {
  ProgressLine progress;
  ArchiveSource source(archive, progress);
  if (const Status opened = source.open(); !opened) {
    return fail_on(archive, opened.error());
  }
  auto disk = PlainDisk::open();
  if (!disk) {
    return fail_on(folder, disk.error());
  }
  KernelEntropy entropy;
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const WallTime now{std::chrono::duration_cast<std::chrono::microseconds>(wall).count()};
  auto done = spool::import_messages(disk->disk(), entropy, folder, source.spool_id(),
                                     {Instant{Duration::hours(1).ns}, now}, source);
  progress.clear();
  if (!done) {
    return fail_on(folder, done.error());
  }
  if (options.json) {
    print(Json{{"messages", done->messages},
               {"recipients", done->recipients},
               {"reports", done->reports},
               {"already", done->already},
               {"faulty", source.faulty()}}
              .dump(2) +
          "\n");
  } else {
    print(std::to_string(done->messages) + " messages with " + std::to_string(done->recipients) +
          " recipients and " + std::to_string(done->reports) + " reports owed taken into " +
          folder + ", " + std::to_string(done->already) + " were there, " +
          std::to_string(source.faulty()) + " faulty\n");
  }
  return source.faulty() > 0 ? kFaulty : kDone;
}

}  // namespace ringpost::app
