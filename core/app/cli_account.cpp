#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/app/account_settings.h"
#include "core/app/cli_commands.h"
#include "core/app/cli_progress.h"
#include "core/app/cli_talk.h"
#include "core/app/control_frame.h"
#include "core/app/plain_disk.h"
#include "core/base/result.h"
#include "core/config/check.h"
#include "net/wire/ring_driver.h"
#include "spool/folder.h"
#include "spool/tools.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr Duration kFilesTime = Duration::seconds(30);
/// Another finisher is given that long; it works on the same files.
constexpr int kLockTries = 300;

/// Has the daemon close its files. False: it runs and could not. No daemon is no fault: what it
/// left finished can be brought away all the same.
bool close_files(const CliOptions& options, bool& running) {
  const auto socket = connect_control(options.control);
  running = socket.ok();
  if (!socket) {
    return true;
  }
  const Status sent = write_frame(*socket, Json{{"command", "acct-flush"}}.dump(), kFilesTime);
  const auto reply =
      sent ? read_frame(*socket, 1 << 16, kFilesTime) : Result<std::string>(sent.error());
  ::close(*socket);
  const Json parsed = reply ? Json::parse(*reply, nullptr, false) : Json();
  return parsed.is_object() && parsed.value("ok", false);
}

/// The configured files and where their spool lies, or an exit code.
int read_files(const std::string& config_file, account::LogWriterOptions& files,
               std::string& spool_folder) {
  if (::access(config_file.c_str(), R_OK) != 0) {
    return fail(kUnreadable, "cannot read " + config_file);
  }
  config::CheckOptions check;
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  check.host_name = name;
  check.judge_field = &judge_field;
  const config::CheckResult config = config::check_file(config_file, check);
  if (!config.ok()) {
    std::fputs(config::render_text(config.diagnostics).c_str(), stderr);
    return fail(kFaulty, config_file + " has errors");
  }
  if (config.snapshot->global().spools.empty()) {
    return fail(kFaulty, config_file + " names no spool");
  }
  auto disk = PlainDisk::open();
  if (!disk) {
    return fail(kUnreadable, disk.error().describe());
  }
  const std::string folder(config.snapshot->global().spools.front().path);
  const auto listing = spool::list_spool(disk->disk(), folder);
  if (!listing) {
    return fail(kUnreadable, folder + ": " + listing.error().describe());
  }
  auto options = account_options(config.snapshot, 1, listing->id);
  if (!options) {
    return fail(kFaulty, options.error().describe());
  }
  files = std::move(*options);
  spool_folder = folder;
  return kDone;
}

Result<account::FinishReport> finish(const account::FinishRule& rule,
                                     const account::SpoolId& spool) {
  for (int tries = 1;; ++tries) {
    auto report = account::Finisher(rule, spool).run(read_clocks().wall);
    if (report.ok() || report.error().code != ErrorCode::locked || tries == kLockTries) {
      return report;
    }
    ::usleep(100'000);
  }
}

}  // namespace

int account_rotate(const CliOptions& options) {
  int code = 0;
  const auto result = ask(options, {{"command", "acct-flush"}}, code);
  if (result) {
    print(options.json ? result->dump(2) + "\n"
                       : "the accounting files are finished, new ones have begun\n");
  }
  return code;
}

int account_flush(const CliOptions& options, const std::string& config_file) {
  account::LogWriterOptions configured;
  std::string folder;
  if (const int code = read_files(config_file, configured, folder); code != kDone) {
    return code;
  }
  int code = kDone;
  bool running = false;
  if (!close_files(options, running)) {
    code = fail(kFaulty, "the daemon could not close its accounting files; see ringpost status");
  }
  Json files = Json::array();
  ProgressLine progress;
  for (const account::AccountFileSpec& spec : configured.files) {
    progress.show("bringing away the finished files of " + spec.path);
    const auto report = finish(account::finish_rule_of(spec), configured.spool);
    progress.clear();
    if (!report) {
      code = fail(kFaulty, report.error().describe());
      continue;
    }
    for (const std::string& problem : report->problems) {
      code = fail(kFaulty, problem);
    }
    for (const std::string& file : report->files) {
      files.push_back(file);
      if (!options.json) {
        print(file + "\n");
      }
    }
  }
  if (options.json) {
    print(Json{{"daemon", running}, {"files", files}, {"ok", code == kDone}}.dump(2) + "\n");
  }
  return code;
}

namespace {

/// A moment in UTC, `2026-11-21`, `2026-11-21T13:00` or with seconds; false on anything else.
bool parse_moment(const std::string& text, WallTime& out) {
  for (const char* form : {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"}) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') {
      out.us = static_cast<std::int64_t>(::timegm(&parts)) * 1'000'000;
      return true;
    }
  }
  return false;
}

/// Formats outcomes as the accounting files would have them, and writes them.
class Rebuilder final : public spool::OutcomeReader {
 public:
  Rebuilder(const account::LogWriterOptions& files, WallTime from, WallTime to)
      : files_(files), from_(from), to_(to), room_(account::kRowBytesMax) {}

  Status open(const std::string& target) {
    for (const account::AccountFileSpec& spec : files_.files) {
      const std::string path = target + "/" + spec.path.substr(spec.path.rfind('/') + 1);
      if (::access(path.c_str(), F_OK) == 0) {
        return Error::of(ErrorCode::already_exists, path);
      }
      formatters_.emplace_back(spec.style);
      outputs_.emplace_back(path, std::ios::binary);
      outputs_.back() << formatters_.back().header();
      if (!outputs_.back()) {
        return Error::of(ErrorCode::io_failed, "write " + path);
      }
    }
    return {};
  }

  Status on_outcome(const SettledRecord& record) override {
    if (record.settled < from_ || record.settled >= to_) {
      return {};
    }
    const auto kind =
        static_cast<std::uint8_t>(account::record_of(record) & ~unsigned{record.hidden_records});
    const std::string_view category =
        record.type == RecordType::outcome
            ? account::bounce_category(record, files_.bounce_rules.get())
            : std::string_view();
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const account::AccountFileSpec& spec = files_.files[i];
      char queue[640];
      TextBuilder name(queue);
      account::write_queue(name, record);
      if ((spec.records & kind) != 0 && spec.queues.takes(name.view())) {
        outputs_[i] << formatters_[i].format(record, category, room_);
        ++rows_;
      }
    }
    return {};
  }

  Status close() {
    for (std::ofstream& output : outputs_) {
      output.close();
      if (!output) {
        return Error::of(ErrorCode::io_failed, "the files could not be written whole");
      }
    }
    return {};
  }
  std::uint64_t rows() const { return rows_; }

 private:
  const account::LogWriterOptions& files_;
  WallTime from_;
  WallTime to_;
  std::vector<account::RowFormatter> formatters_;
  std::vector<std::ofstream> outputs_;
  std::vector<char> room_;
  std::uint64_t rows_ = 0;
};

}  // namespace

int account_rebuild(const CliOptions& options, const std::string& config_file,
                    const std::string& from, const std::string& to, const std::string& target) {
  WallTime first{std::numeric_limits<std::int64_t>::min()};
  WallTime end{std::numeric_limits<std::int64_t>::max()};
  if ((!from.empty() && !parse_moment(from, first)) || (!to.empty() && !parse_moment(to, end))) {
    return fail(kFaulty, "a time is written 2026-11-21, 2026-11-21T13:00 or with seconds, in UTC");
  }
  account::LogWriterOptions files;
  std::string folder;
  if (const int code = read_files(config_file, files, folder); code != kDone) {
    return code;
  }
  Rebuilder rebuilder(files, first, end);
  if (const Status opened = rebuilder.open(target); !opened) {
    return fail(kFaulty, opened.error().describe());
  }
  auto disk = PlainDisk::open();
  if (!disk) {
    return fail(kUnreadable, disk.error().describe());
  }
  std::uint64_t lost = 0;
  ProgressLine progress;
  const auto outcomes = spool::read_outcomes(disk->disk(), folder, rebuilder, lost, &progress);
  progress.clear();
  if (!outcomes) {
    return fail(kUnreadable, outcomes.error().describe());
  }
  if (const Status closed = rebuilder.close(); !closed) {
    return fail(kFaulty, closed.error().describe());
  }
  if (options.json) {
    print(Json{{"outcomes", *outcomes}, {"rows", rebuilder.rows()}, {"lost", lost}}.dump(2) + "\n");
  } else {
    print(std::to_string(rebuilder.rows()) + " rows of " + std::to_string(*outcomes) +
          " outcomes in the journals\n");
  }
  return lost == 0 ? kDone : fail(kFaulty, std::to_string(lost) + " records are damaged");
}

}  // namespace ringpost::app
