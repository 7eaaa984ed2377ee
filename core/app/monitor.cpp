#include "core/app/monitor.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "core/app/log.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr unsigned kConnectionsMax = 64;
constexpr unsigned kPatienceSeconds = 10;
/// A thread for each visitor: who waits for a long command keeps nobody from /health. The servers
/// do not listen, because a server of this library tries again and again without a pause when there
/// is no descriptor for its first visitor.
constexpr auto kFlags = static_cast<unsigned>(MHD_USE_INTERNAL_POLLING_THREAD) |
                        static_cast<unsigned>(MHD_USE_THREAD_PER_CONNECTION) |
                        static_cast<unsigned>(MHD_USE_NO_LISTEN_SOCKET) |
                        static_cast<unsigned>(MHD_USE_ITC);

IpAddress address_of(const sockaddr* from) {
  IpAddress address;
  if (from != nullptr && from->sa_family == AF_INET) {
    const auto* four = reinterpret_cast<const sockaddr_in*>(from);
    const std::uint32_t bits = ntohl(four->sin_addr.s_addr);
    return IpAddress::v4(static_cast<std::uint8_t>(bits >> 24),
                         static_cast<std::uint8_t>(bits >> 16),
                         static_cast<std::uint8_t>(bits >> 8), static_cast<std::uint8_t>(bits));
  }
  if (from != nullptr && from->sa_family == AF_INET6) {
    const auto* octets = reinterpret_cast<const sockaddr_in6*>(from)->sin6_addr.s6_addr;
    static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(octets, kMapped, sizeof kMapped) == 0) {
      return IpAddress::v4(octets[12], octets[13], octets[14], octets[15]);
    }
    address.family = IpAddress::Family::v6;
    std::copy_n(octets, address.octets.size(), address.octets.begin());
  }
  return address;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

MHD_Result reply(MHD_Connection* connection, const HttpAnswer& answer) {
  MHD_Response* response = ::MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) {
    return MHD_NO;
  }
  ::MHD_add_response_header(response, "Content-Type", answer.type.c_str());
  ::MHD_add_response_header(response, "Cache-Control", "no-store");
  if (!answer.location.empty()) {
    ::MHD_add_response_header(response, "Location", answer.location.c_str());
  }
  ::MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  if (!answer.allows.empty()) {
    ::MHD_add_response_header(response, "Allow", answer.allows.c_str());
  }
  const MHD_Result result = ::MHD_queue_response(connection, answer.code, response);
  ::MHD_destroy_response(response);
  return result;
}

/// The body of a request while it comes in.
struct Inflow {
  std::string body;
  bool too_long = false;
};

void on_over(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
  delete static_cast<Inflow*>(*context);
  *context = nullptr;
}

MHD_Result on_request(void* entrance, MHD_Connection* connection, const char* path,
                      const char* method, const char*, const char* bytes, std::size_t* size,
                      void** context) {
  // The first call comes with the header alone, then the body comes in pieces.
  if (*context == nullptr) {
    *context = new Inflow;
    return MHD_YES;
  }
  auto& inflow = *static_cast<Inflow*>(*context);
  if (*size > 0) {
    inflow.too_long = inflow.too_long || inflow.body.size() + *size > Monitor::kBodyBytesMax;
    inflow.body.append(bytes, inflow.too_long ? 0 : *size);
    *size = 0;
    return MHD_YES;
  }
  const auto field = [connection](const char* name) -> std::string_view {
    const char* value = ::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value != nullptr ? std::string_view(value) : std::string_view{};
  };
  const auto& entered = *static_cast<const Monitor::Entrance*>(entrance);
  if (entered.redirects) {
    return reply(connection, Monitor::redirect(field("Host"), path));
  }
  if (inflow.too_long) {
    return reply(connection, {413, kText, "a request has at most 64 KiB\n", {}, {}});
  }
  const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return reply(connection,
               entered.monitor->answer(
                   {method, path, address_of(info != nullptr ? info->client_addr : nullptr),
                    field("X-API-Key"), field("Host"), field("Origin"), field("Sec-Fetch-Site"),
                    field("X-CSRF-Token"), inflow.body}));
}

}  // namespace

Monitor::~Monitor() {
  door_.stop();
  for (MHD_Daemon* const server : {server_, tls_server_}) {
    if (server != nullptr) {
      ::MHD_stop_daemon(server);
    }
  }
}

HttpAnswer Monitor::redirect(std::string_view host, std::string_view path) {
  const bool fits =
      !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view(".-:[]_").find(c) != std::string_view::npos;
      });
  const bool known = path == "/metrics" || path == "/health" || path == "/status" ||
                     path == "/token" || path == "/command";
  if (!fits) {
    return {400, kText, "the Host field names no host\n", {}, {}};
  }
  HttpAnswer answer;
  answer.code = 308;
  answer.body = "this port speaks HTTPS; http-redirect-to-https no serves plain visitors too\n";
  answer.location = "https://";
  answer.location.append(host).append(known ? path : "/");
  return answer;
}

Status Monitor::start_plain(std::uint16_t port) {
  server_ = ::MHD_start_daemon(kFlags, 0, nullptr, nullptr, &on_request, &plain_,
                               MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
                               MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds,
                               MHD_OPTION_NOTIFY_COMPLETED, &on_over, nullptr, MHD_OPTION_END);
  return server_ != nullptr ? Status{}
                            : Error::from_errno(ENOMEM, "http-mgmt-port " + std::to_string(port));
}

Status Monitor::start_encrypted(std::uint16_t port, const std::string& certificate,
                                const std::string& password) {
  const char* const word = password.empty() ? nullptr : password.c_str();
  tls_server_ = ::MHD_start_daemon(
      kFlags | static_cast<unsigned>(MHD_USE_TLS), 0, nullptr, nullptr, &on_request, &encrypted_,
      MHD_OPTION_HTTPS_MEM_CERT, certificate.c_str(), MHD_OPTION_HTTPS_MEM_KEY, certificate.c_str(),
      MHD_OPTION_HTTPS_KEY_PASSWORD, word, MHD_OPTION_HTTPS_PRIORITIES,
      "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
      MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds, MHD_OPTION_NOTIFY_COMPLETED, &on_over,
      nullptr, MHD_OPTION_END);
  if (tls_server_ == nullptr) {
    return Error::of(ErrorCode::invalid,
                     "http-mgmt-port " + std::to_string(port) +
                         ": the certificate of smtp-server-tls-certificate cannot be used");
  }
  return {};
}

// Without a server that encrypts all visitors are the other's.
Status Monitor::open_door(std::uint16_t port, const sockaddr* address, socklen_t size) {
  const auto pass = [](void* server, int socket, const sockaddr* from, socklen_t from_size) {
    // What it cannot take it closes.
    ::MHD_add_connection(static_cast<MHD_Daemon*>(server), socket, from, from_size);
  };
  auto opened =
      door_.start(address, size, pass, tls_server_ != nullptr ? tls_server_ : server_, server_);
  if (!opened) {
    return Error::of(opened.error().code,
                     "http-mgmt-port " + std::to_string(port) + ": " + opened.error().detail);
  }
  port_ = door_.port();
  return {};
}

Status Monitor::start(std::uint16_t port) {
  const auto settings = source_.settings();
  const auto& access = settings->global().http_access;
  const bool outside = std::any_of(access.begin(), access.end(), [](const auto& one) {
    return one.right != config::HttpRight::none && !is_of_this_host(one.network.base);
  });
  sockaddr_in six_less{};
  six_less.sin_family = AF_INET;
  six_less.sin_port = htons(port);
  six_less.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 all{};
  all.sin6_family = AF_INET6;
  all.sin6_port = htons(port);
  const void* address = outside ? static_cast<const void*>(&all) : &six_less;
  Status started = start_plain(port);
  if (const config::CertificateFile* file = settings->global().server_tls.certificate;
      started && file != nullptr) {
    std::string certificate = read_text(std::string(file->file));
    std::string password(file->password.reveal());
    plain_.redirects = settings->global().http_redirect_to_https;
    started = start_encrypted(port, certificate, password);
    // The server has read them.
    wipe(certificate.data(), certificate.size());
    wipe(password.data(), password.size());
  }
  return !started ? started
                  : open_door(port, static_cast<const sockaddr*>(address),
                              outside ? sizeof all : sizeof six_less);
}

HttpAnswer Monitor::answer(const HttpQuestion& question) {
  const auto settings = source_.settings();
  const config::GlobalSettings& global = settings->global();
  if (right_of(global, question.client, question.key) == config::HttpRight::none) {
    return {403, kText, "http-access does not allow it\n", {}, {}};
  }
  const std::string_view path = question.path;
  const bool commands = path == "/command";
  const bool reads = question.method == "GET" || question.method == "HEAD";
  if (commands ? question.method != "POST" : !reads) {
    const char* allowed = commands ? "POST" : "GET, HEAD";
    return {405, kText, std::string("only ") + allowed + "\n", {}, allowed};
  }
  if (commands) {
    return command(global, question);
  }
  if (path == "/token") {
    return token(global, question);
  }
  if (path == "/metrics") {
    return metrics();
  }
  if (path == "/health") {
    return health();
  }
  if (path == "/status") {
    return {200, "application/json", source_.status_json() + "\n", {}, {}};
  }
  return {404, kText, "there are /metrics, /health, /status, /token and /command\n", {}, {}};
}

HttpAnswer Monitor::token(const config::GlobalSettings& global, const HttpQuestion& question) {
  const WallTime now = source_.now().wall;
  if (const auto refusal = gate_.refusal(global, question, now, true); !refusal.empty()) {
    return {403, kText, std::string(refusal), {}, {}};
  }
  return {200,
          "application/json",
          "{\"token\":\"" + gate_.token(question.client, now) + "\"}\n",
          {},
          {}};
}

HttpAnswer Monitor::command(const config::GlobalSettings& global, const HttpQuestion& question) {
  const auto refusal = gate_.refusal(global, question, source_.now().wall, false);
  if (!refusal.empty()) {
    return {403, kText, std::string(refusal), {}, {}};
  }
  const std::string word = command_of(question.body);
  auto least = config::HttpRight::admin;
  if (word.empty() || !right_for(word, least)) {
    return {400,
            kText,
            "the body is a request in JSON with a command that may be given here\n",
            {},
            {}};
  }
  if (right_of(global, question.client, question.key) < least) {
    return {403, kText, "http-access does not allow this command\n", {}, {}};
  }
  if (least > config::HttpRight::monitor) {
    log_info("management port: " + question.client.text() + " says " + word);
  }
  return {200, "application/json", source_.command(std::string(question.body)) + "\n", {}, {}};
}

Result<MonitorFigures> Monitor::look(std::vector<Trouble>& troubles) {
  auto figures = source_.figures();
  if (!figures) {
    return figures;
  }
  const auto settings = source_.settings();
  std::vector<std::string> folders;
  const auto add = [&folders](std::string_view folder) {
    if (!folder.empty() && std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.emplace_back(folder);
    }
  };
  for (const config::SpoolFolder& spool : settings->global().spools) {
    add(spool.path);
  }
  for (const config::AcctFile& file : settings->global().acct_files) {
    add(file.path.substr(0, file.path.rfind('/') + 1));
    add(file.move_to);
  }
  const HostFacts host = read_host(folders);
  const std::lock_guard lock(watch_mutex_);
  troubles = watch_.look(*figures, host, source_.now());
  figures->trouble = troubles.size();
  return figures;
}

HttpAnswer Monitor::metrics() {
  std::vector<Trouble> troubles;
  const auto figures = look(troubles);
  if (!figures) {
    return {503, kText, figures.error().describe() + "\n", {}, {}};
  }
  return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(*figures), {}};
}

HttpAnswer Monitor::health() {
  std::vector<Trouble> troubles;
  const auto figures = look(troubles);
  if (!figures) {
    return {503, "application/json", health_json({{"shard", figures.error().describe()}}), {}, {}};
  }
  return {troubles.empty() ? 200U : 503U, "application/json", health_json(troubles), {}, {}};
}

}  // namespace ringpost::app
