#include "core/app/log.h"

#include <fcntl.h>
#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr std::size_t kLinesQueued = 8192;

std::atomic<std::uint64_t> lines_lost{0};

/// Appends to a file that may be moved away meanwhile, or writes to standard error.
class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogFile(std::string file) : file_(std::move(file)) {}
  ~LogFile() override {
    if (opened_) {
      ::close(descriptor_);
    }
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  Status open() {
    const std::lock_guard lock(mutex_);
    if (file_.empty()) {
      return {};
    }
    const int fresh = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fresh < 0) {
      return Error::from_errno(errno, "log-file " + file_);
    }
    if (opened_) {
      ::close(descriptor_);
    }
    descriptor_ = fresh;
    opened_ = true;
    return {};
  }

  void write(std::string_view lines, std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    put(lines, count);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    put({line.data(), line.size()}, 1);
  }
  void flush_() override {}

 private:
  void put(std::string_view lines, std::uint64_t count) {
    while (!lines.empty()) {
      const ssize_t done = ::write(descriptor_, lines.data(), lines.size());
      if (done < 0 && errno == EINTR) {
        continue;
      }
      if (done <= 0) {
        // Of a batch some lines may have been written: the count errs on the side of alarm.
        lines_lost.fetch_add(count, std::memory_order_relaxed);
        return;
      }
      lines.remove_prefix(static_cast<std::size_t>(done));
    }
  }

  std::string file_;
  int descriptor_ = STDERR_FILENO;
  bool opened_ = false;
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    std::string time;
    const auto since = message.time.time_since_epoch();
    add_log_time({std::chrono::duration_cast<std::chrono::microseconds>(since).count()}, time);
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string line =
        nlohmann::ordered_json{
            {"time", time},
            {"level", std::string(level.data(), level.size())},
            {"text", std::string(message.payload.data(), message.payload.size())}}
            .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
        "\n";
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::shared_ptr<LogFile> log_sink() {
  const auto* logger = spdlog::default_logger_raw();
  return logger == nullptr || logger->sinks().empty()
             ? nullptr
             : std::dynamic_pointer_cast<LogFile>(logger->sinks().front());
}

void say(spdlog::level::level_enum level, std::string_view line) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->log(level, line);
  }
}

}  // namespace

std::string_view name_of(LogLevel level) noexcept {
  static constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
}

Status start_log(const LogOptions& options) {
  auto sink = std::make_shared<LogFile>(options.file);
  if (auto opened = sink->open(); !opened) {
    return opened;
  }
  try {
    spdlog::init_thread_pool(kLinesQueued, 1);
    auto logger =
        std::make_shared<spdlog::async_logger>("ringpost", std::move(sink), spdlog::thread_pool(),
                                               spdlog::async_overflow_policy::overrun_oldest);
    if (options.form == LogForm::json) {
      logger->set_formatter(std::make_unique<JsonFormatter>());
    } else {
      logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    }
    logger->set_level(level_of(options.level));
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return Error::of(ErrorCode::io_failed, "log-file " + options.file + ": " + error.what());
  }
  return {};
}

void stop_log() { spdlog::shutdown(); }

void reopen_log() {
  const auto sink = log_sink();
  if (sink == nullptr) {
    return;
  }
  if (const Status opened = sink->open(); !opened) {
    log_error(opened.error().describe() + "; the log goes on where it was");
  }
}

void set_log_level(LogLevel level) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->set_level(level_of(level));
  }
}

LogLevel log_level() {
  const auto* logger = spdlog::default_logger_raw();
  const auto level = logger != nullptr ? logger->level() : spdlog::level::off;
  return level <= spdlog::level::debug  ? LogLevel::debug
         : level == spdlog::level::info ? LogLevel::info
         : level == spdlog::level::warn ? LogLevel::warning
                                        : LogLevel::error;
}

std::uint64_t log_lines_dropped() {
  const auto pool = spdlog::thread_pool();
  return lines_lost.load(std::memory_order_relaxed) +
         (pool != nullptr ? pool->overrun_counter() : 0);
}

void log_debug(std::string_view line) { say(spdlog::level::debug, line); }
void log_info(std::string_view line) { say(spdlog::level::info, line); }
void log_warning(std::string_view line) { say(spdlog::level::warn, line); }
void log_error(std::string_view line) { say(spdlog::level::err, line); }

void write_log(std::string_view lines, std::uint64_t count) {
  if (const auto sink = log_sink(); sink != nullptr) {
    sink->write(lines, count);
  } else {
    lines_lost.fetch_add(count, std::memory_order_relaxed);
  }
}

void add_log_time(WallTime time, std::string& out) {
  const std::time_t seconds = time.unix_seconds();
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  out.append(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts));
  const std::string millis = std::to_string(1000 + (time.us % 1'000'000) / 1000);
  out.append(millis, 1, 3);
  char zone[8];
  const std::size_t size = std::strftime(zone, sizeof zone, "%z", &parts);
  out.append(zone, std::min<std::size_t>(size, 3)).append(":");
  out.append(zone + std::min<std::size_t>(size, 3), zone + size);
}

}  // namespace ringpost::app
