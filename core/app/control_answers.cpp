#include "core/app/control_answers.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/app/control_room.h"
#include "core/app/gate_setting.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

Json counters_of(const ShardStatus& s) {
  return {{"sessions_in", s.sessions_in},
          {"sessions_out", s.sessions_out},
          {"accepted_messages", s.accepted_messages},
          {"delivered", s.delivered},
          {"deferred", s.deferred},
          {"bounced", s.bounced},
          {"expired", s.expired},
          {"cancelled", s.cancelled},
          {"ambiguous", s.ambiguous},
          {"queued_recipients", s.queued_recipients},
          {"deferred_recipients", s.deferred_recipients},
          {"quarantined", s.quarantined},
          {"queues", s.queues},
          {"spool_messages", s.spool_messages},
          {"spool_segments", s.spool_segments},
          {"spool_live_bytes", s.spool_live_bytes},
          {"compacted_segments", s.compacted_segments},
          {"compacted_messages", s.compacted_messages},
          {"compacted_bytes", s.compacted_bytes},
          {"commits", s.commits},
          {"resolutions", s.resolutions},
          {"resolutions_failed", s.resolutions_failed},
          {"sessions_handed_over", s.sessions_handed_over},
          {"chunks_sent", s.chunks_sent},
          {"zero_copy_sends", s.zero_copy_sends},
          {"zero_copy_copied", s.zero_copy_copied},
          {"authenticated", s.authenticated},
          {"auth_failed", s.auth_failed},
          {"proxy_refused", s.proxy_refused},
          {"signatures", s.signatures},
          {"signatures_cached", s.signatures_cached},
          {"not_signed", s.not_signed},
          {"signing_failed", s.signing_failed},
          {"event_lines", s.event_lines},
          {"event_lines_dropped", s.event_lines_dropped},
          {"reports_made", s.reports_made},
          {"reports_omitted", s.reports_omitted},
          {"notices_sent", s.notices_sent},
          {"notices_lost", s.notices_lost},
          {"reports_suppressed", s.reports_suppressed},
          {"reports_refused", s.reports_refused},
          {"reports_lost", s.reports_lost},
          {"tls_handshakes", s.tls_handshakes},
          {"tls_resumed", s.tls_resumed},
          {"tls_by_kernel", s.tls_by_kernel},
          {"tls_failed", s.tls_failed},
          {"sessions_out_clear", s.sessions_out_clear},
          {"tls_retried_in_clear", s.tls_retried_in_clear},
          {"logins_refused", s.logins_refused},
          {"queues_backoff", s.queues_backoff},
          {"backoffs_begun", s.backoffs_begun},
          {"backoffs_ended", s.backoffs_ended},
          {"sources_disabled", s.sources_disabled},
          {"sources_enabled", s.sources_enabled}};
}

/// What came of sessions that wanted TLS: "tls_out POLICY RESULT" with the names of RFC 8460; only
/// what happened.
void add_tls_results(Json& counters, const TlsResults& results) {
  for (std::size_t kind = 0; kind < kTlsPolicyKinds; ++kind) {
    for (std::size_t result = 0; result <= kTlsFailureCount; ++result) {
      if (const std::uint64_t count = results.counts[kind][result]; count > 0) {
        const auto failure = static_cast<TlsFailure>(result);
        std::string key = "tls_out ";
        key.append(name_of(static_cast<TlsPolicyKind>(kind))).append(" ");
        key.append(failure == TlsFailure::none ? "successful" : name_of(failure));
        counters[key] = count;
      }
    }
  }
}

/// What an operator reads of a gate: the setting behind it, with its value and place.
void add_setting(Json& row, const config::Snapshot& snapshot, const schedule::WhyRow& where) {
  const GateHost host{where.gate_host, where.gate_address};
  if (!where.gate_host.empty()) {
    row["gate_host"] = where.gate_host + " [" + where.gate_address.text() + "]";
  } else if (schedule::is_of_source(where.gate) && where.gate_address.valid()) {
    row["gate_source"] = where.gate_address.text();
  }
  const auto setting = where.sender_rule != 0
                           ? sender_rate_behind(where.sender_rule, snapshot)
                           : setting_behind(where.gate, snapshot, where.name, where.vmta,
                                            {host, where.backoff, where.rate});
  if (setting) {
    row["setting"] = setting->name + " " + setting->value;
    row["place"] = setting->place;
  }
}

}  // namespace

std::string answer_ok(Json result) {
  // Names and replies come from strangers and need not be UTF-8.
  return Json{{"ok", true}, {"result", std::move(result)}}.dump(-1, ' ', false,
                                                                Json::error_handler_t::replace);
}

std::string answer_error(const std::string& text) {
  return Json{{"ok", false}, {"error", text}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string state_text(const schedule::QueueState state, const schedule::Gate gate) {
  std::string text(schedule::name_of(state));
  if (gate != schedule::Gate::none) {
    text.append(": ").append(schedule::name_of(gate));
  }
  return text;
}

std::string answer_flushed() { return answer_ok({{"flushed", true}}); }

std::string answer_status(const ControlTask& task, const ProcessFacts& facts, bool draining,
                          const account::LogWriterStats& accounts, WallTime now) {
  Json shards = Json::array();
  Json totals = counters_of({});
  Json alarms = Json::array();
  for (const auto& part : task.parts) {
    Json counters = counters_of(part.status);
    add_tls_results(counters, part.status.tls);
    for (const auto& [key, value] : counters.items()) {
      totals[key] = totals.value(key, std::uint64_t{0}) + value.get<std::uint64_t>();
    }
    counters["loop"] = {{"turns", part.status.loop.turns},
                        {"handlers", part.status.loop.handlers},
                        {"letters_received", part.status.loop.letters_received},
                        {"letters_posted", part.status.loop.letters_posted},
                        {"peers_woken", part.status.loop.peers_woken}};
    shards.push_back(std::move(counters));
    for (const std::string& alarm : part.status.alarms) {
      alarms.push_back(alarm);
    }
  }
  if (const auto damaged = totals["quarantined"].get<std::uint64_t>(); damaged > 0) {
    alarms.push_back(std::to_string(damaged) + " messages are quarantined: damaged on disk");
  }
  if (accounts.failing) {
    alarms.push_back("accounting files cannot be written; their records wait in the journal");
  }
  if (accounts.archiver.failing) {
    alarms.push_back("finished accounting files cannot be brought to their place");
  }
  return answer_ok({{"version", facts.version},
                    {"pid", ::getpid()},
                    {"state", draining ? "draining" : "running"},
                    {"uptime_seconds", (now - facts.started).whole_seconds()},
                    {"shards", facts.shards},
                    {"alarms", std::move(alarms)},
                    {"accounting",
                     {{"records", accounts.records},
                      {"bytes", accounts.bytes},
                      {"syncs", accounts.syncs},
                      {"failures", accounts.failures},
                      {"files_closed", accounts.rotations},
                      {"files_archived", accounts.archiver.files},
                      {"ring_bytes_used", accounts.ring_bytes_used}}},
                    {"totals", std::move(totals)},
                    {"by_shard", std::move(shards)}});
}

std::string answer_trace(const ControlTask& found, const ControlTask& waiting,
                         const config::Snapshot& snapshot) {
  const auto part = std::find_if(found.parts.begin(), found.parts.end(),
                                 [](const auto& p) { return p.message.found; });
  if (part == found.parts.end()) {
    return answer_error("no message " + found.id.text() +
                        " is in the spool: it is settled (see the accounting file) or never was");
  }
  const MessageFacts& facts = part->message;
  std::vector<const schedule::WhyRow*> where(facts.recipients.size(), nullptr);
  for (const auto& p : waiting.parts) {
    for (const auto& row : p.waiting) {
      for (std::uint32_t i = row.first; i < row.first + row.count && i < where.size(); ++i) {
        where[i] = &row;
      }
    }
  }
  Json recipients = Json::array();
  for (std::size_t i = 0; i < facts.recipients.size(); ++i) {
    Json row = {{"recipient", facts.recipients[i]}};
    if (where[i] != nullptr) {
      row["state"] = state_text(where[i]->state, where[i]->gate);
      row["queue"] = where[i]->name + "/" + where[i]->vmta;
      row["until"] = where[i]->gate_opens.unix_seconds();
      row["expires"] = where[i]->expires.unix_seconds();
      row["attempts"] = where[i]->attempts;
      row["job"] = where[i]->job;
      row["priority"] = where[i]->priority;
      row["last_error"] = where[i]->last_error;
      add_setting(row, snapshot, *where[i]);
    } else {
      row["state"] = facts.settled[i] ? "settled: see the accounting file"
                                      : "on its way between the spool and its queue";
    }
    recipients.push_back(std::move(row));
  }
  return answer_ok({{"id", found.id.text()},
                    {"message", found.id.text() + ": " + std::to_string(facts.size_bytes) +
                                    " octets from <" + facts.reverse_path + "> by virtual MTA " +
                                    facts.vmta + (facts.job.empty() ? "" : ", job " + facts.job)},
                    {"job", facts.job},
                    {"received", facts.received.unix_seconds()},
                    {"size", facts.size_bytes},
                    {"reverse_path", facts.reverse_path},
                    {"vmta", facts.vmta},
                    {"recipients", std::move(recipients)}});
}

std::string answer_settings(const config::Explanation& told) {
  return answer_ok(
      {{"text", config::render_text(told)}, {"settings", Json::parse(config::render_json(told))}});
}

std::string answer_change(const ControlTask& task) {
  std::uint64_t queues = 0;
  std::uint64_t recipients = 0;
  for (const auto& part : task.parts) {
    if (!part.error.empty()) {
      return answer_error(part.error);
    }
    queues += part.touched.queues;
    recipients += part.touched.recipients;
  }
  return answer_ok({{"queues", queues}, {"recipients", recipients}, {"dry_run", task.dry_run}});
}

std::string answer_reload(const ReloadPlan& plan) {
  const std::string found = config::render_text(plan.diagnostics);
  if (plan.snapshot == nullptr) {
    return answer_error("the configuration has errors, nothing was changed\n" + found);
  }
  return answer_ok(
      {{"version", plan.version}, {"needs_restart", plan.needs_restart}, {"findings", found}});
}

}  // namespace ringpost::app
