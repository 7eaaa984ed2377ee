#include "core/app/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>

namespace ringpost::app {
namespace {

constexpr std::size_t kLinesQueued = 8192;

}  // namespace

Status start_log(const LogOptions& options) {
  try {
    spdlog::init_thread_pool(kLinesQueued, 1);
    spdlog::sink_ptr sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    auto logger =
        std::make_shared<spdlog::async_logger>("ringpost", std::move(sink), spdlog::thread_pool(),
                                               spdlog::async_overflow_policy::overrun_oldest);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->set_level(options.debug ? spdlog::level::debug : spdlog::level::info);
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return Error::of(ErrorCode::io_failed, "log-file " + options.file + ": " + error.what());
  }
  return {};
}

void stop_log() { spdlog::shutdown(); }

void log_debug(std::string_view line) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->debug(line);
  }
}
void log_info(std::string_view line) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->info(line);
  }
}
void log_warning(std::string_view line) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->warn(line);
  }
}
void log_error(std::string_view line) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->error(line);
  }
}

}  // namespace ringpost::app
