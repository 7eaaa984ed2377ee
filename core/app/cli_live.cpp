#include <unistd.h>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <ctime>
#include <optional>

#include "core/app/cli_commands.h"
#include "core/app/control_frame.h"
#include "core/app/table.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr Duration kAnswerTime = Duration::seconds(30);

int fail(int code, const std::string& text) {
  std::fprintf(stderr, "ringpost: %s\n", text.c_str());
  return code;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// Asks the daemon; prints the error and sets `code` where there is no result.
std::optional<Json> ask(const CliOptions& options, Json request, int& code) {
  const auto socket = connect_control(options.control);
  if (!socket) {
    code = fail(
        2, socket.error().detail + " (is ringpostd running? --control names its control-socket)");
    return std::nullopt;
  }
  const std::string body = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  Status sent = write_frame(*socket, body, kAnswerTime);
  auto reply =
      sent ? read_frame(*socket, kReplyBytesMax, kAnswerTime) : Result<std::string>(sent.error());
  ::close(*socket);
  if (!reply) {
    code = fail(2, reply.error().describe());
    return std::nullopt;
  }
  Json parsed = Json::parse(*reply, nullptr, false);
  if (parsed.is_discarded() || !parsed.is_object()) {
    code = fail(2, "the daemon's answer is not JSON");
    return std::nullopt;
  }
  if (!parsed.value("ok", false)) {
    code = fail(1, parsed.value("error", std::string("refused without a reason")));
    return std::nullopt;
  }
  code = 0;
  return parsed["result"];
}

std::string count_of(const Json& row, const char* key) {
  return std::to_string(row.value(key, std::uint64_t{0}));
}

std::string time_of(const Json& row, const char* key) {
  const auto seconds = row.value(key, std::int64_t{0});
  if (seconds == 0) {
    return "-";
  }
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &parts);
  return text;
}

std::string text_of(const Json& row, const char* key) {
  auto text = row.value(key, std::string());
  if (text.size() > 60) {
    text = text.substr(0, 57) + "...";
  }
  return text.empty() ? "-" : text;
}

void print_status(const Json& status) {
  Table totals({"counter", "value"});
  for (const char* key : {"accepted_messages", "delivered", "deferred", "bounced", "expired",
                          "cancelled", "ambiguous", "queued_recipients", "queues", "sessions_in",
                          "sessions_out", "spool_messages", "spool_segments"}) {
    totals.add({key, count_of(status["totals"], key)});
  }
  print("ringpostd " + status.value("version", std::string()) + ", pid " + count_of(status, "pid") +
        ", up " + count_of(status, "uptime_seconds") + " s, " + count_of(status, "shards") +
        " shards: " + status.value("state", std::string("?")) + "\n");
  for (const auto& alarm : status.value("alarms", Json::array())) {
    print("ALARM: " + alarm.get<std::string>() + "\n");
  }
  print(totals.text());
}

}  // namespace

int show_status(const CliOptions& options) {
  int code = 0;
  const auto status = ask(options, {{"command", "status"}}, code);
  if (status && options.json) {
    print(status->dump(2) + "\n");
  } else if (status) {
    print_status(*status);
  }
  return code;
}

int show_queues(const CliOptions& options, const std::string& pattern) {
  int code = 0;
  const auto result = ask(options, {{"command", "queues"}, {"pattern", pattern}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  Table table({"queue", "state", "ready", "deferred", "in flight", "sessions", "next attempt",
               "last error"});
  for (const auto& row : *result) {
    table.add({row.value("queue", std::string()), text_of(row, "state"), count_of(row, "ready"),
               count_of(row, "deferred"), count_of(row, "in_flight"), count_of(row, "sessions"),
               time_of(row, "next_attempt"), text_of(row, "last_error")});
  }
  print(table.empty() ? "no queues\n" : table.text());
  return 0;
}

int show_domains(const CliOptions& options, const std::string& pattern) {
  int code = 0;
  const auto result = ask(options, {{"command", "domains"}, {"pattern", pattern}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  Table table({"domain", "queues", "ready", "deferred", "in flight", "sessions"});
  for (const auto& row : *result) {
    table.add({row.value("domain", std::string()), count_of(row, "queues"), count_of(row, "ready"),
               count_of(row, "deferred"), count_of(row, "in_flight"), count_of(row, "sessions")});
  }
  print(table.empty() ? "no queues\n" : table.text());
  return 0;
}

int show_sources(const CliOptions& options) {
  int code = 0;
  const auto result = ask(options, {{"command", "sources"}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  Table table({"virtual MTA", "address", "HELO", "state", "queue", "until", "text"});
  for (const auto& row : *result) {
    const auto add = [&](const std::string& state, const Json& off) {
      table.add({text_of(row, "vmta"), text_of(row, "address"), text_of(row, "helo"), state,
                 text_of(off, "queue"), time_of(off, "until"), text_of(off, "text")});
    };
    if (row["off"].empty()) {
      add("in use", Json::object());
    }
    for (const auto& off : row["off"]) {
      add(off.value("reason", std::string()), off);
    }
  }
  print(table.empty() ? "no virtual MTA has source addresses\n" : table.text());
  return 0;
}

int trace(const CliOptions& options, const std::string& id) {
  int code = 0;
  const auto result = ask(options, {{"command", "trace"}, {"id", id}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(result->value("message", std::string()) + "\n");
  Table table({"recipient", "state", "queue", "until", "attempts"});
  for (const auto& row : (*result)["recipients"]) {
    table.add({text_of(row, "recipient"), text_of(row, "state"), text_of(row, "queue"),
               time_of(row, "until"), count_of(row, "attempts")});
  }
  print(table.text());
  return 0;
}

int reload(const CliOptions& options) {
  int code = 0;
  const auto result = ask(options, {{"command", "reload"}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(result->value("findings", std::string()));
  print("configuration " + count_of(*result, "version") + " is in force\n");
  for (const auto& name : (*result)["needs_restart"]) {
    print(name.get<std::string>() + " keeps its old value until a restart\n");
  }
  return 0;
}

int change_queues(const CliOptions& options, const std::string& verb, const std::string& pattern) {
  int code = 0;
  const auto result =
      ask(options, {{"command", verb}, {"pattern", pattern}, {"dry_run", options.dry_run}}, code);
  if (!result) {
    return code;
  }
  if (options.json) {
    print(result->dump(2) + "\n");
    return 0;
  }
  print(std::string(options.dry_run ? "would touch " : "touched ") + count_of(*result, "queues") +
        " queues with " + count_of(*result, "recipients") + " recipients\n");
  return 0;
}

}  // namespace ringpost::app
