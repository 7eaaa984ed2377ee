// Answers that are tables: a row of JSON for each queue, destination, session or host.

#include <algorithm>
#include <map>

#include "core/app/control_answers.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

struct Sum {
  std::uint64_t queues = 0;
  std::uint64_t ready = 0;
  std::uint64_t deferred = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t sessions = 0;

  void add(const schedule::QueueRow& row) {
    ++queues;
    ready += row.ready;
    deferred += row.deferred;
    in_flight += row.in_flight;
    sessions += row.sessions;
  }
};

Json json_of(const schedule::QueueRow& row) {
  Json priorities = Json::object();
  for (const auto& [priority, ready] : row.priorities) {
    priorities[std::to_string(priority)] = ready;
  }
  return {
      {"queue", row.name + "/" + row.vmta},
      {"domain", row.name},
      {"vmta", row.vmta},
      {"group", row.group},
      {"state", state_text(row.state, row.gate)},
      {"paused", row.paused},
      {"mode", row.backoff ? "backoff" : "normal"},
      {"queued", std::uint64_t{row.ready} + row.deferred + row.in_flight},
      {"ready", row.ready},
      {"deferred", row.deferred},
      {"in_flight", row.in_flight},
      {"sessions", row.sessions},
      {"connections_max", row.connections_max},
      {"gate_opens", row.gate_opens.unix_seconds()},
      {"gate_host", row.gate_host.empty() ? std::string()
                                          : row.gate_host + " [" + row.gate_address.text() + "]"},
      {"next_attempt", row.next_retry.unix_seconds()},
      {"priorities", std::move(priorities)},
      {"last_error", row.last_error}};
}

void sort_by(Json& rows, const char* key) {
  std::sort(rows.begin(), rows.end(),
            [&](const Json& a, const Json& b) { return a[key] < b[key]; });
}

}  // namespace

std::string answer_queues(const ControlTask& task) {
  Json rows = Json::array();
  for (const auto& part : task.parts) {
    for (const auto& row : part.queues) {
      rows.push_back(json_of(row));
    }
  }
  sort_by(rows, "queue");
  return answer_ok(std::move(rows));
}

std::string answer_sums(const ControlTask& task, SumBy by) {
  std::map<std::string, Sum> sums;
  for (const auto& part : task.parts) {
    for (const auto& row : part.queues) {
      sums[by == SumBy::domain ? row.name : row.vmta].add(row);
    }
  }
  Json rows = Json::array();
  for (const auto& [name, sum] : sums) {
    rows.push_back({{by == SumBy::domain ? "domain" : "vmta", name},
                    {"queues", sum.queues},
                    {"queued", sum.ready + sum.deferred + sum.in_flight},
                    {"ready", sum.ready},
                    {"deferred", sum.deferred},
                    {"in_flight", sum.in_flight},
                    {"sessions", sum.sessions}});
  }
  return answer_ok(std::move(rows));
}

std::string answer_sessions(const ControlTask& task) {
  Json rows = Json::array();
  for (std::size_t shard = 0; shard < task.parts.size(); ++shard) {
    for (const auto& row : task.parts[shard].sessions) {
      if (!task.pattern.matches(row.destination, row.vmta)) {
        continue;
      }
      rows.push_back({{"queue", row.destination + "/" + row.vmta},
                      {"stage", row.idle ? "idle" : row.stage},
                      {"host", row.host},
                      {"remote", row.remote.ip.valid() ? row.remote.text() : ""},
                      {"local", row.local.valid() ? row.local.text() : ""},
                      {"messages", row.messages},
                      {"since", row.since.unix_seconds()},
                      {"shard", shard}});
    }
  }
  sort_by(rows, "queue");
  return answer_ok(std::move(rows));
}

std::string answer_hosts(const ControlTask& task) {
  struct Known {
    std::uint32_t clean = 0;
    WallTime bad_until;
    WallTime doubt_until;
    std::uint32_t shards = 0;
  };
  std::map<std::string, Known> hosts;
  for (const auto& part : task.parts) {
    for (const auto& row : part.hosts) {
      Known& known = hosts[row.host.text()];
      known.clean = std::max(known.clean, row.clean);
      known.bad_until = std::max(known.bad_until, row.bad_until);
      known.doubt_until = std::max(known.doubt_until, row.doubt_until);
      ++known.shards;
    }
  }
  Json rows = Json::array();
  for (const auto& [host, known] : hosts) {
    const char* state = known.bad_until != WallTime{}     ? "unreachable lately"
                        : known.doubt_until != WallTime{} ? "without pipelining"
                                                          : "good";
    rows.push_back({{"host", host},
                    {"state", state},
                    {"clean", known.clean},
                    {"bad_until", known.bad_until.unix_seconds()},
                    {"doubt_until", known.doubt_until.unix_seconds()},
                    {"shards", known.shards}});
  }
  return answer_ok(std::move(rows));
}

std::string answer_list(const ControlTask& task) {
  Json rows = Json::array();
  Json cursor = Json::array();
  std::uint64_t examined = 0;
  bool finished = true;
  for (const auto& part : task.parts) {
    if (!part.error.empty()) {
      return answer_error(part.error);
    }
    const SearchRound& round = part.search;
    for (const SearchRow& row : round.rows) {
      rows.push_back({{"id", row.id.text()},
                      {"recipient", row.recipient},
                      {"sender", row.sender},
                      {"vmta", row.vmta},
                      {"job", row.job},
                      {"priority", row.priority},
                      {"received", row.received.unix_seconds()},
                      {"size", row.size_bytes},
                      {"attempts", row.attempts},
                      {"next_attempt", row.next_attempt.unix_seconds()},
                      {"under_way", row.under_way}});
    }
    cursor.push_back(
        {{"log", round.cursor.log}, {"slot", round.cursor.slot}, {"finished", round.finished}});
    examined += round.examined;
    finished = finished && round.finished;
  }
  return answer_ok({{"rows", std::move(rows)},
                    {"cursor", std::move(cursor)},
                    {"examined", examined},
                    {"finished", finished}});
}

}  // namespace ringpost::app
