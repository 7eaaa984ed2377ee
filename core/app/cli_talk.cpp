#include "core/app/cli_talk.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "core/app/control_frame.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr Duration kReplyTime = Duration::seconds(30);

}  // namespace

int fail(int code, const std::string& text) {
  std::fprintf(stderr, "ringpost: %s\n", text.c_str());
  return code;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::optional<Json> ask(const CliOptions& options, const Json& request, int& code) {
  const auto socket = connect_control(options.control);
  if (!socket) {
    code = fail(
        2, socket.error().detail + " (is ringpostd running? --control names its control-socket)");
    return std::nullopt;
  }
  const std::string body = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  Status sent = write_frame(*socket, body, kReplyTime);
  auto reply =
      sent ? read_frame(*socket, kReplyBytesMax, kReplyTime) : Result<std::string>(sent.error());
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
  return text.empty() ? "-" : text;
}

std::size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
    return 0;
  }
  return size.ws_col;
}

}  // namespace ringpost::app
