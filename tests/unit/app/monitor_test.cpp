#include "core/app/monitor.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/config/check.h"

namespace ringpost::app {
namespace {

std::shared_ptr<const config::Snapshot> load(const std::string& text) {
  config::CheckOptions options;
  options.host_name = "mail.example.org";
  return config::check_text("test.conf", text, options).snapshot;
}

class Source final : public MonitorSource {
 public:
  std::shared_ptr<const config::Snapshot> settings() override { return snapshot; }
  Result<MonitorFigures> figures() override { return shown; }
  std::string status_json() override { return "{\"ok\":true}"; }
  std::string command(const std::string& request) override {
    commands.push_back(request);
    return "{\"ok\":true}";
  }
  Now now() override { return time; }

  std::shared_ptr<const config::Snapshot> snapshot = load("http-api-key s3cret\n");
  MonitorFigures shown;
  std::vector<std::string> commands;
  Now time{Instant{Duration::hours(1).ns}, WallTime{1'800'000'000'000'000}};
};

const IpAddress kHere = IpAddress::v4(127, 0, 0, 1);

TEST(Metrics, TheManualIsTheTable) {
  const std::string path = RINGPOST_SOURCE_DIR "/docs/metrics.md";
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::string begin = "<!-- table -->\n";
  const std::string end = "<!-- end of table -->\n";
  const std::size_t from = text.find(begin) + begin.size();
  const std::size_t to = text.find(end);
  ASSERT_LE(from, to);
  if (std::getenv("RINGPOST_UPDATE_DOCS") != nullptr) {
    text.replace(from, to - from, metrics_manual());
    std::ofstream(path) << text;
    return;
  }
  EXPECT_EQ(text.substr(from, to - from), metrics_manual())
      << "RINGPOST_UPDATE_DOCS=1 unit_app writes it";
}

TEST(Metrics, AreSamplesWithHelpAndType) {
  MonitorFigures figures;
  figures.shards.resize(2);
  figures.shards[1].delivered = 42;
  figures.accounts.records = 7;
  figures.shards[0].tls.count(TlsPolicyKind::tlsa, TlsFailure::none);
  figures.shards[1].tls.count(TlsPolicyKind::tlsa, TlsFailure::none);
  const std::string text = metrics_text(figures);
  EXPECT_NE(text.find("# HELP ringpost_delivered_recipients_total Recipients delivered.\n"
                      "# TYPE ringpost_delivered_recipients_total counter\n"
                      "ringpost_delivered_recipients_total{shard=\"0\"} 0\n"
                      "ringpost_delivered_recipients_total{shard=\"1\"} 42\n"),
            std::string::npos);
  EXPECT_NE(text.find("\nringpost_accounting_records_total 7\n"), std::string::npos);
  EXPECT_NE(text.find("ringpost_tls_results_total{policy=\"tlsa\",result=\"successful\"} 2\n"),
            std::string::npos);
  for (const Metric& metric : metric_table()) {
    EXPECT_EQ((metric.of_shard != nullptr) + (metric.of_process != nullptr) +
                  (metric.labelled != nullptr),
              1)
        << metric.name;
    EXPECT_EQ(metric.kind == MetricKind::counter, metric.name.ends_with("_total")) << metric.name;
  }
}

TEST(Metrics, AlertRulesNameOnesThatThereAre) {
  std::ifstream in(RINGPOST_SOURCE_DIR "/docs/alerts.yml");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::string_view begin = "ringpost_";
  int names = 0;
  for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
    const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at);
    const std::string name = text.substr(at, end - at);
    ++names;
    EXPECT_TRUE(std::any_of(metric_table().begin(), metric_table().end(),
                            [&name](const Metric& metric) { return metric.name == name; }))
        << name;
  }
  EXPECT_GT(names, 8);
}

TEST(Monitor, NarrowestNetworkOrKeyDecides) {
  using config::HttpRight;
  const IpAddress inside = IpAddress::v4(10, 1, 2, 3);
  const IpAddress host = IpAddress::v4(10, 1, 2, 4);
  const auto plain = load("");
  EXPECT_EQ(right_of(plain->global(), kHere, ""), HttpRight::monitor);
  EXPECT_EQ(right_of(plain->global(), *IpAddress::parse("::1"), ""), HttpRight::monitor);
  EXPECT_EQ(right_of(plain->global(), inside, ""), HttpRight::none);
  EXPECT_EQ(right_of(plain->global(), IpAddress{}, ""), HttpRight::none) << "an unknown address";
  const auto set = load(
      "http-access 10/8 operator\nhttp-access 10.1.2.4 none\nhttp-access 127.0.0.1 none\n"
      "http-api-key s3cret\n");
  EXPECT_EQ(right_of(set->global(), inside, ""), HttpRight::operate);
  EXPECT_EQ(right_of(set->global(), host, ""), HttpRight::none);
  EXPECT_EQ(right_of(set->global(), kHere, ""), HttpRight::none);
  EXPECT_EQ(right_of(set->global(), host, "s3cret"), HttpRight::admin);
  for (const auto* wrong : {"s3cre", "s3crets", "S3cret", ""}) {
    EXPECT_EQ(right_of(set->global(), host, wrong), HttpRight::none) << wrong;
  }
}

/// A page of this port, which has read its token.
HttpQuestion from_own_page(Monitor& monitor, std::string& token, std::string_view body) {
  const std::string said =
      monitor.answer({"GET", "/token", kHere, "", "localhost:8080", "", "same-origin", "", ""})
          .body;
  token = nlohmann::json::parse(said)["token"];
  return {"POST",        "/command", kHere, "", "localhost:8080", "http://localhost:8080",
          "same-origin", token,      body};
}

TEST(MonitorCommands, NothingChangesByReadingAndNothingWithoutProof) {
  Source source;
  source.snapshot = load("http-api-key s3cret\nhttp-access 127/8 admin\n");
  Monitor monitor(source);
  const std::string body = R"({"command":"pause","pattern":"a.example"})";
  std::string token;
  const HttpQuestion good = from_own_page(monitor, token, body);
  EXPECT_EQ(monitor.answer(good).code, 200U);
  ASSERT_EQ(source.commands, std::vector<std::string>{body});
  const auto refused = [&](auto change, unsigned code) {
    HttpQuestion question = good;
    change(question);
    EXPECT_EQ(monitor.answer(question).code, code) << question.host << question.origin;
  };
  for (const char* method : {"GET", "HEAD", "PUT", "OPTIONS"}) {
    refused([&](HttpQuestion& q) { q.method = method; }, 405);
  }
  refused([](HttpQuestion& q) { q.token = ""; }, 403);
  refused([](HttpQuestion& q) { q.token = "00"; }, 403);
  refused([](HttpQuestion& q) { q.client = IpAddress::v4(127, 0, 0, 2); }, 403);
  refused([](HttpQuestion& q) { q.origin = "https://evil.example"; }, 403);
  refused([](HttpQuestion& q) { q.origin = "null"; }, 403);
  refused([](HttpQuestion& q) { q.fetch_site = "cross-site"; }, 403);
  refused([](HttpQuestion& q) { q.fetch_site = "same-site"; }, 403);
  refused([](HttpQuestion& q) { q.host = q.origin = "evil.example"; }, 403);
  refused(
      [](HttpQuestion& q) {
        q.key = "wrong";
        q.token = "";
      },
      403);
  source.time.wall = source.time.wall + Duration::hours(2);
  refused([](HttpQuestion&) {}, 403);
  EXPECT_EQ(source.commands.size(), 1U);
  // A page of a name that was made to mean this host cannot read a token either.
  EXPECT_EQ(monitor.answer({"GET", "/token", kHere, "", "evil.example:8080", "", "", "", ""}).code,
            403U);
  EXPECT_EQ(
      monitor.answer({"GET", "/token", kHere, "", "[::1]:8080", "http://evil.example", "", "", ""})
          .code,
      403U);
  EXPECT_EQ(monitor
                .answer({"POST", "/command", IpAddress::v4(192, 0, 2, 1), "s3cret", "any", "", "",
                         "", body})
                .code,
            200U)
      << "a key is proof enough";
}

TEST(MonitorCommands, RightsDecideWhich) {
  Source source;
  Monitor monitor(source);
  const auto code = [&](const std::string& rules, const char* body) {
    source.snapshot = load(rules + "http-csrf-protection no\n");
    return monitor.answer({"POST", "/command", kHere, "", "x", "", "", "", body}).code;
  };
  EXPECT_EQ(code("", R"({"command":"queues"})"), 200U);
  EXPECT_EQ(code("", R"({"command":"pause"})"), 403U);
  EXPECT_EQ(code("http-access 127/8 operator\n", R"({"command":"pause"})"), 200U);
  EXPECT_EQ(code("http-access 127/8 operator\n", R"({"command":"delete"})"), 403U);
  EXPECT_EQ(code("http-access 127/8 admin\n", R"({"command":"delete"})"), 200U);
  for (const char* body : {"", "x", "[]", "{}", R"({"command":7})", R"({"command":"end"})",
                           R"({"command":"trace-live"})"}) {
    EXPECT_EQ(code("http-access 127/8 admin\n", body), 400U) << body;
  }
  EXPECT_EQ(source.commands.size(), 3U);
}

TEST(Monitor, AnswersReadersOnly) {
  Source source;
  source.shown.shards.resize(1);
  Monitor monitor(source);
  EXPECT_EQ(monitor.answer("GET", "/metrics", kHere, "").code, 200U);
  EXPECT_EQ(monitor.answer("HEAD", "/status", kHere, "").body, "{\"ok\":true}\n");
  EXPECT_EQ(monitor.answer("POST", "/metrics", kHere, "").code, 405U);
  EXPECT_EQ(monitor.answer("GET", "/", kHere, "").code, 404U);
  const HttpAnswer refused = monitor.answer("GET", "/metrics", IpAddress::v4(192, 0, 2, 1), "x");
  EXPECT_EQ(refused.code, 403U);
  EXPECT_EQ(refused.body.find("ringpost"), std::string::npos);
  source.shown.shards[0].alarms = {"shard 0: outcomes cannot be made durable"};
  const HttpAnswer sick = monitor.answer("GET", "/health", kHere, "");
  EXPECT_EQ(sick.code, 503U);
  const auto json = nlohmann::json::parse(sick.body);
  EXPECT_FALSE(json["healthy"]);
  EXPECT_EQ(json["reasons"].back()["reason"], "shard 0: outcomes cannot be made durable");
}

TEST(Health, EachTroubleHasItsReason) {
  MonitorFigures figures;
  HostFacts host;
  Now now{Instant{Duration::hours(1).ns}, WallTime{1'800'000'000'000'000}};
  HealthWatch watch;
  const auto areas = [&] {
    std::string text;
    for (const Trouble& trouble : watch.look(figures, host, now)) {
      text.append(trouble.area).append(" ");
    }
    return text;
  };
  host.memory_total = 100;
  host.memory_available = 50;
  host.disks = {{"/a", 10, 100}};
  EXPECT_EQ(areas(), "");
  host.disks = {{"/a", 1, 100}, {"/big", (1ULL << 30) + 1, 1ULL << 40}};
  EXPECT_EQ(areas(), "disk ") << "a gibibyte is enough everywhere";
  host.disks.clear();
  host.memory_available = 4;
  EXPECT_EQ(areas(), "memory ");
  host.memory_available = 50;
  figures.accounts.failing = true;
  EXPECT_EQ(areas(), "log-writer ");
  figures.accounts.failing = false;
  figures.accounts.ring_bytes = 1000;
  figures.accounts.ring_bytes_used = 950;
  EXPECT_EQ(areas(), "log-writer ") << "it hangs: nothing is taken from its rings";
  figures.accounts.ring_bytes_used = 900;
  EXPECT_EQ(areas(), "");
  figures.accounts.archiver.failing = true;
  EXPECT_EQ(areas(), "log-writer ");
  figures.accounts.archiver.failing = false;
  figures.shards.resize(1);
  figures.shards[0].resolutions = 100;
  figures.shards[0].resolutions_failed = 60;
  EXPECT_EQ(areas(), "dns ");
  figures.shards[0].resolutions = 110;
  EXPECT_EQ(areas(), "dns ") << "too few to learn from";
  figures.shards[0].resolutions = 130;
  EXPECT_EQ(areas(), "");
  now.wall = now.wall + Duration::seconds(61);
  now.instant = now.instant + Duration::seconds(1);
  EXPECT_EQ(areas(), "clock ");
  const auto pass = [&](Duration time) {
    now.wall = now.wall + time;
    now.instant = now.instant + time;
  };
  pass(HealthWatch::kClockMemory);
  EXPECT_EQ(areas(), "");
  figures.draining = true;
  EXPECT_EQ(areas(), "intake ");
  figures.draining = false;
  // Damage is told of for a while after it was found, not for ever.
  figures.shards[0].quarantined = 1;
  EXPECT_EQ(areas(), "spool ");
  pass(HealthWatch::kDamageMemory);
  EXPECT_EQ(areas(), "");
  figures.shards[0].quarantined = 2;
  EXPECT_EQ(areas(), "spool ");
  pass(HealthWatch::kDamageMemory);
  figures.shards[0].alarms = {"the journal cannot be written"};
  EXPECT_EQ(areas(), "spool ");
  const std::string json = health_json(watch.look(figures, host, now));
  EXPECT_NE(json.find("\"healthy\":false"), std::string::npos) << json;
  EXPECT_NE(json.find("the journal cannot be written"), std::string::npos) << json;
}

std::string fetch(std::uint16_t port, const std::string& request) {
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(client, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    EXPECT_EQ(::send(client, request.data(), request.size(), 0),
              static_cast<ssize_t>(request.size()));
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(client, piece, sizeof piece, 0)) > 0;) {
      answer.append(piece, static_cast<std::size_t>(got));
    }
  }
  ::close(client);
  return answer;
}

TEST(Monitor, SendsOnlyWhereTheHostFieldNamesAHost) {
  EXPECT_EQ(Monitor::redirect("mta.example:8080", "/metrics").location,
            "https://mta.example:8080/metrics");
  EXPECT_EQ(Monitor::redirect("[::1]:8080", "/else\r\nX: y").location, "https://[::1]:8080/");
  EXPECT_EQ(Monitor::redirect("a\r\nX: y", "/metrics").code, 400U);
  EXPECT_EQ(Monitor::redirect("", "/metrics").code, 400U);
}

TEST(Monitor, ACertificateThatCannotBeUsedIsToldAtStart) {
  Source source;
  source.snapshot = load("smtp-server-tls-certificate /nowhere/at/all.pem\n");
  Monitor monitor(source);
  const Status started = monitor.start(0);
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().detail.find("smtp-server-tls-certificate"), std::string::npos);
}

TEST(Monitor, SpeaksHttpOnLoopback) {
  Source source;
  source.snapshot = load("http-access 127.0.0.1 none\nhttp-api-key s3cret\n");
  source.shown.shards.resize(1);
  Monitor monitor(source);
  ASSERT_TRUE(monitor.start(0).ok());
  ASSERT_NE(monitor.port(), 0);
  const std::string tail = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
  EXPECT_TRUE(fetch(monitor.port(), "GET /metrics" + tail + "\r\n").starts_with("HTTP/1.1 403"));
  const std::string metrics =
      fetch(monitor.port(), "GET /metrics" + tail + "X-API-Key: s3cret\r\n\r\n");
  EXPECT_TRUE(metrics.starts_with("HTTP/1.1 200"));
  EXPECT_NE(metrics.find("text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(metrics.find("ringpost_queues{shard=\"0\"} 0\n"), std::string::npos);
  const std::string post = fetch(monitor.port(), "POST /status" + tail +
                                                     "X-API-Key: s3cret\r\nContent-Length: 5\r\n"
                                                     "\r\nhello");
  EXPECT_TRUE(post.starts_with("HTTP/1.1 405")) << post;
  Monitor second(source);
  EXPECT_FALSE(second.start(monitor.port()).ok()) << "the port is taken";
}

/// Whose commands go on until it is told otherwise.
class SlowSource final : public MonitorSource {
 public:
  std::shared_ptr<const config::Snapshot> settings() override { return snapshot; }
  Result<MonitorFigures> figures() override { return MonitorFigures{}; }
  std::string status_json() override { return "{}"; }
  std::string command(const std::string&) override {
    begun.set_value();
    in_time = over.get_future().wait_for(std::chrono::seconds(30)) == std::future_status::ready;
    return "{}";
  }
  Now now() override { return {Instant{1}, WallTime{1}}; }

  std::shared_ptr<const config::Snapshot> snapshot = load("http-api-key s3cret\n");
  std::promise<void> begun;
  std::promise<void> over;
  bool in_time = false;
};

TEST(Monitor, AnswersWhileACommandGoesOn) {
  SlowSource source;
  Monitor monitor(source);
  ASSERT_TRUE(monitor.start(0).ok());
  std::string told;
  std::thread operating([&] {
    told = fetch(monitor.port(),
                 "POST /command HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 "X-API-Key: s3cret\r\nContent-Length: 20\r\n\r\n{\"command\":\"queues\"}");
  });
  source.begun.get_future().wait();
  const std::string tail = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  EXPECT_NE(fetch(monitor.port(), "GET /health" + tail).find("\"healthy\":"), std::string::npos);
  EXPECT_TRUE(fetch(monitor.port(), "GET /metrics" + tail).starts_with("HTTP/1.1 200"));
  source.over.set_value();
  operating.join();
  EXPECT_TRUE(source.in_time) << "they waited for the command";
  EXPECT_TRUE(told.starts_with("HTTP/1.1 200")) << told;
}

}  // namespace
}  // namespace ringpost::app
