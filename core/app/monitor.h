#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/health.h"
#include "core/app/metrics.h"
#include "core/app/monitor_command.h"
#include "core/app/monitor_door.h"
#include "core/base/address.h"
#include "core/base/result.h"
#include "core/config/snapshot.h"

struct MHD_Daemon;

namespace ringpost::app {

struct HttpAnswer {
  unsigned code = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string location{};  ///< of an answer that sends elsewhere
  std::string allows{};    ///< methods, of an answer that refuses one
};

/// What the management port shows. Called on threads of the server, several at once.
class MonitorSource {
 public:
  virtual ~MonitorSource() = default;
  /// The configuration in force: who may ask.
  virtual std::shared_ptr<const config::Snapshot> settings() = 0;
  /// timed_out: a shard did not answer.
  virtual Result<MonitorFigures> figures() = 0;
  /// The JSON of `ringpost status --json`.
  virtual std::string status_json() = 0;
  /// A request in the form of the control socket, and its answer.
  virtual std::string command(const std::string& request) = 0;
  virtual Now now() = 0;
};

/// The management port: /metrics (Prometheus), /health (503 with the reasons when all is not well),
/// /status (JSON) and, by POST alone, /command, which takes what the control socket takes (see
/// CommandGate for who may). On threads of its own; only on loopback unless http-access names other
/// networks. With a certificate of smtp-server-tls-certificate the port speaks HTTPS too, and
/// plain visitors are sent there where http-redirect-to-https says so.
class Monitor {
 public:
  explicit Monitor(MonitorSource& source) : source_(source) {}
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  ~Monitor();

  /// address_in_use: another program has the port. Port 0 takes a free one, for tests.
  Status start(std::uint16_t port);
  std::uint16_t port() const noexcept { return port_; }

  /// How a visitor came in; handed to the server's callback.
  struct Entrance {
    Monitor* monitor = nullptr;
    bool redirects = false;
  };
  /// Where a plain visitor is sent who asked `host` (of the Host field) for `path`.
  static HttpAnswer redirect(std::string_view host, std::string_view path);
  /// For the server's callback and tests: the answer to a request.
  HttpAnswer answer(const HttpQuestion& question);
  HttpAnswer answer(std::string_view method, std::string_view path, const IpAddress& client,
                    std::string_view key) {
    return answer({method, path, client, key, "localhost", {}, {}, {}, {}});
  }
  static constexpr std::size_t kBodyBytesMax = 64 * 1024;

 private:
  Status start_plain(std::uint16_t port);
  /// `certificate` is a PEM with its key.
  Status start_encrypted(std::uint16_t port, const std::string& certificate,
                         const std::string& password);
  Status open_door(std::uint16_t port, const sockaddr* address, socklen_t size);
  HttpAnswer metrics();
  HttpAnswer health();
  HttpAnswer command(const config::GlobalSettings& global, const HttpQuestion& question);
  HttpAnswer token(const config::GlobalSettings& global, const HttpQuestion& question);
  Result<MonitorFigures> look(std::vector<Trouble>& troubles);

  MonitorSource& source_;
  Entrance plain_{this, false};
  Entrance encrypted_{this, false};
  MHD_Daemon* server_ = nullptr;
  MHD_Daemon* tls_server_ = nullptr;
  MonitorDoor door_;
  CommandGate gate_;
  std::uint16_t port_ = 0;
  std::mutex watch_mutex_;
  HealthWatch watch_;
};

}  // namespace ringpost::app
