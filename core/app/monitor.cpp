#include "core/app/monitor.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace ringpost::app {
namespace {

constexpr unsigned kConnectionsMax = 64;
constexpr unsigned kPatienceSeconds = 10;

bool same_secret(std::string_view a, std::string_view b) {
  unsigned differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = i < b.size() ? b[i] : '\0';
    differs |= static_cast<unsigned char>(a[i] ^ other);
  }
  return differs == 0;
}

bool is_loopback(const IpAddress& client) {
  static const IpNetwork kFour{IpAddress::v4(127, 0, 0, 0), 8};
  return kFour.contains(client) || client == *IpAddress::parse("::1");
}

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
  if (answer.code == 405) {
    ::MHD_add_response_header(response, "Allow", "GET, HEAD");
  }
  const MHD_Result result = ::MHD_queue_response(connection, answer.code, response);
  ::MHD_destroy_response(response);
  return result;
}

MHD_Result on_request(void* entrance, MHD_Connection* connection, const char* path,
                      const char* method, const char*, const char*, std::size_t* body_bytes,
                      void** context) {
  // The first call comes with the header alone; what follows is a body, which nobody wants.
  static char seen = 0;
  if (*context == nullptr) {
    *context = &seen;
    return MHD_YES;
  }
  if (*body_bytes > 0) {
    *body_bytes = 0;
    return MHD_YES;
  }
  const auto& entered = *static_cast<const Monitor::Entrance*>(entrance);
  if (entered.redirects) {
    const char* host = ::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    return reply(connection, Monitor::redirect(host != nullptr ? host : "", path));
  }
  const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const char* key = ::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-API-Key");
  return reply(connection,
               entered.monitor->answer(method, path,
                                       address_of(info != nullptr ? info->client_addr : nullptr),
                                       key != nullptr ? key : ""));
}

}  // namespace

bool may_monitor(const config::GlobalSettings& global, const IpAddress& client,
                 std::string_view key) {
  bool known = false;
  for (const config::Secret& secret : global.http_api_keys) {
    known = (!secret.empty() && same_secret(secret.reveal(), key)) || known;
  }
  if (known) {
    return true;
  }
  const config::HttpAccess* narrowest = nullptr;
  for (const config::HttpAccess& access : global.http_access) {
    if (access.network.contains(client) &&
        (narrowest == nullptr || access.network.prefix_bits >= narrowest->network.prefix_bits)) {
      narrowest = &access;
    }
  }
  return narrowest != nullptr ? narrowest->right != config::HttpRight::none : is_loopback(client);
}

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
  const bool known = path == "/metrics" || path == "/health" || path == "/status";
  if (!fits) {
    return {400, "text/plain; charset=utf-8", "the Host field names no host\n", {}};
  }
  HttpAnswer answer;
  answer.code = 308;
  answer.body = "this port speaks HTTPS; http-redirect-to-https no serves plain visitors too\n";
  answer.location = "https://";
  answer.location.append(host).append(known ? path : "/");
  return answer;
}

// The servers do not listen: the door passes each visitor to the right one.
Status Monitor::start_encrypted(std::uint16_t port, const sockaddr* address, socklen_t size) {
  constexpr auto kFlags = static_cast<unsigned>(MHD_USE_INTERNAL_POLLING_THREAD) |
                          static_cast<unsigned>(MHD_USE_NO_LISTEN_SOCKET) |
                          static_cast<unsigned>(MHD_USE_ITC);
  server_ = ::MHD_start_daemon(kFlags, 0, nullptr, nullptr, &on_request, &plain_,
                               MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
                               MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds, MHD_OPTION_END);
  const char* const password = password_.empty() ? nullptr : password_.c_str();
  tls_server_ = ::MHD_start_daemon(
      kFlags | static_cast<unsigned>(MHD_USE_TLS), 0, nullptr, nullptr, &on_request, &encrypted_,
      MHD_OPTION_HTTPS_MEM_CERT, certificate_.c_str(), MHD_OPTION_HTTPS_MEM_KEY,
      certificate_.c_str(), MHD_OPTION_HTTPS_KEY_PASSWORD, password, MHD_OPTION_HTTPS_PRIORITIES,
      "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
      MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds, MHD_OPTION_END);
  if (server_ == nullptr || tls_server_ == nullptr) {
    return Error::of(ErrorCode::invalid,
                     "http-mgmt-port " + std::to_string(port) +
                         ": the certificate of smtp-server-tls-certificate cannot be used");
  }
  const auto pass = [](void* server, int socket, const sockaddr* from, socklen_t from_size) {
    // What it cannot take it closes.
    ::MHD_add_connection(static_cast<MHD_Daemon*>(server), socket, from, from_size);
  };
  auto opened = door_.start(address, size, pass, tls_server_, server_);
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
    return one.right != config::HttpRight::none && !is_loopback(one.network.base);
  });
  sockaddr_in six_less{};
  six_less.sin_family = AF_INET;
  six_less.sin_port = htons(port);
  six_less.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 all{};
  all.sin6_family = AF_INET6;
  all.sin6_port = htons(port);
  const void* address = outside ? static_cast<const void*>(&all) : &six_less;
  if (const config::CertificateFile* file = settings->global().server_tls.certificate;
      file != nullptr) {
    certificate_ = read_text(std::string(file->file));
    password_ = file->password.reveal();
    plain_.redirects = settings->global().http_redirect_to_https;
    return start_encrypted(port, static_cast<const sockaddr*>(address),
                           outside ? sizeof all : sizeof six_less);
  }
  const unsigned flags = static_cast<unsigned>(MHD_USE_INTERNAL_POLLING_THREAD) |
                         (outside ? static_cast<unsigned>(MHD_USE_DUAL_STACK) : 0U);
  errno = 0;
  server_ =
      ::MHD_start_daemon(flags, port, nullptr, nullptr, &on_request, &plain_, MHD_OPTION_SOCK_ADDR,
                         address, MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
                         MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds, MHD_OPTION_END);
  if (server_ == nullptr) {
    return Error::from_errno(errno != 0 ? errno : EADDRINUSE,
                             "http-mgmt-port " + std::to_string(port));
  }
  const auto* info = ::MHD_get_daemon_info(server_, MHD_DAEMON_INFO_BIND_PORT);
  port_ = info != nullptr ? info->port : port;
  return {};
}

HttpAnswer Monitor::answer(std::string_view method, std::string_view path, const IpAddress& client,
                           std::string_view key) {
  const auto settings = source_.settings();
  if (!may_monitor(settings->global(), client, key)) {
    return {403, "text/plain; charset=utf-8", "http-access does not allow it\n", {}};
  }
  if (method != "GET" && method != "HEAD") {
    return {405, "text/plain; charset=utf-8", "only GET and HEAD\n", {}};
  }
  if (path == "/metrics") {
    return metrics();
  }
  if (path == "/health") {
    return health();
  }
  if (path == "/status") {
    return {200, "application/json", source_.status_json() + "\n", {}};
  }
  return {404, "text/plain; charset=utf-8", "there are /metrics, /health and /status\n", {}};
}

Result<MonitorFigures> Monitor::look() {
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
  troubles_ = watch_.look(*figures, read_host(folders), source_.now());
  figures->trouble = troubles_.size();
  return figures;
}

HttpAnswer Monitor::metrics() {
  const auto figures = look();
  if (!figures) {
    return {503, "text/plain; charset=utf-8", figures.error().describe() + "\n", {}};
  }
  return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(*figures), {}};
}

HttpAnswer Monitor::health() {
  const auto figures = look();
  if (!figures) {
    return {503, "application/json", health_json({{"shard", figures.error().describe()}}), {}};
  }
  return {troubles_.empty() ? 200U : 503U, "application/json", health_json(troubles_), {}};
}

}  // namespace ringpost::app
