#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/app/control_answers.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

/// What is out of use on any shard; they differ only where a reply disabled an address on one.
std::vector<const deliver::SourceOff*> all_off(const ControlTask& task) {
  std::vector<const deliver::SourceOff*> out;
  for (const auto& part : task.parts) {
    for (const deliver::SourceOff& off : part.sources_off) {
      const auto same = [&off](const deliver::SourceOff* known) {
        return known->ip == off.ip && known->queue == off.queue && known->reason == off.reason;
      };
      if (std::none_of(out.begin(), out.end(), same)) {
        out.push_back(&off);
      }
    }
  }
  return out;
}

Json off_row(const deliver::SourceOff& off, Now now) {
  const bool ends = off.until != Instant::never();
  return {{"reason", deliver::name_of(off.reason)},
          {"queue", off.queue},
          {"since", off.since.unix_seconds()},
          {"until", ends ? (now.wall + (off.until - now.instant)).unix_seconds() : 0},
          {"text", off.text}};
}

}  // namespace

std::string answer_sources(const ControlTask& task, const config::Snapshot& snapshot, Now now) {
  const auto off = all_off(task);
  Json rows = Json::array();
  for (const config::VirtualMta& vmta : snapshot.virtual_mtas()) {
    for (const config::SourceHost& host : vmta.sources) {
      Json reasons = Json::array();
      bool usable = true;
      for (const deliver::SourceOff* entry : off) {
        if (entry->ip == host.address) {
          reasons.push_back(off_row(*entry, now));
          usable = usable && !entry->queue.empty();
        }
      }
      const std::string_view helo = !host.helo.empty()   ? host.helo
                                    : !vmta.helo.empty() ? vmta.helo
                                                         : snapshot.global().host_names.front();
      rows.push_back({{"vmta", vmta.name},
                      {"address", host.address.text()},
                      {"helo", helo},
                      {"usable", usable},
                      {"off", std::move(reasons)}});
    }
  }
  return Json{{"ok", true}, {"result", std::move(rows)}}.dump(-1, ' ', false,
                                                              Json::error_handler_t::replace);
}

}  // namespace ringpost::app
