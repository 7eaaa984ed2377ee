#include <nlohmann/json.hpp>

#include "core/app/control_answers.h"
#include "core/app/control_room.h"

// Live traces. A client that watches asks time and again, so that nobody holds the socket, and one
// that goes away is noticed.

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr EventKinds kUsual =
    kAllEventKinds & static_cast<EventKinds>(~event_bit(EventKind::content));

}  // namespace

std::string ControlRoom::tell_traces() {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::traces;
  task->traces = events_->filters();
  auto done = ask(std::move(task));
  return done ? std::string() : done.error().describe();
}

std::string ControlRoom::trace_live(const Json& request) {
  if (events_ == nullptr) {
    return answer_error("there is no event log");
  }
  const Instant now = read_clocks().instant;
  const auto action = request.value("action", std::string());
  const auto id = request.value("id", std::uint32_t{0});
  if (action == "open") {
    auto filter = TraceFilter::parse(request.value("what", std::string()));
    if (!filter) {
      return answer_error(filter.error().detail);
    }
    filter->kinds = request.value("data", false) ? kAllEventKinds : kUsual;
    events_->expire(now);
    const auto opened = events_->open_trace(std::move(*filter), request.value("json", false), now);
    if (!opened) {
      return answer_error(opened.error().detail);
    }
    const std::string fault = tell_traces();
    return fault.empty() ? answer_ok({{"id", *opened}}) : answer_error(fault);
  }
  if (action == "close") {
    events_->close_trace(id);
    const std::string fault = tell_traces();
    return fault.empty() ? answer_ok(Json::object()) : answer_error(fault);
  }
  if (action != "read") {
    return answer_error("a live trace is opened, read and closed");
  }
  auto read = events_->read_trace(id, now);
  return read ? answer_ok({{"lines", std::move(read->lines)}, {"dropped", read->dropped}})
              : answer_error(read.error().detail);
}

void ControlRoom::expire_traces() {
  const std::lock_guard lock(mutex_);
  if (events_ != nullptr && events_->expire(read_clocks().instant)) {
    tell_traces();
  }
}

}  // namespace ringpost::app
