#include "core/app/event_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace ringpost::app {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr auto kBusyPause = std::chrono::milliseconds(20);
constexpr auto kIdlePause = std::chrono::milliseconds(200);
constexpr std::size_t kBatchBytes = 64 * 1024;

std::string_view name_of(EventKind kind) {
  static constexpr std::string_view kNames[] = {"connection", "command",    "data",
                                                "tls",        "resolution", "failure"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name_of(EventSpeaker speaker) {
  return speaker == EventSpeaker::us ? "us" : speaker == EventSpeaker::peer ? "peer" : "note";
}

std::string_view mark_of(EventSpeaker speaker) {
  return speaker == EventSpeaker::us ? " > " : speaker == EventSpeaker::peer ? " < " : " - ";
}

/// What a stranger sent must neither break a line nor command a terminal.
std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet >= 0x20 && octet < 0x7f && c != '\\') {
      out.push_back(c);
      continue;
    }
    std::array<char, 4> room;
    TextBuilder escaped(room);
    escaped.add(c == '\\' ? "\\\\" : "\\x");
    if (c != '\\') {
      escaped.add_hex(octet, 2);
    }
    out.append(escaped.view());
  }
  return out;
}

std::string session_of(const EventLine& line, unsigned shard) {
  return std::to_string(shard) + "." + std::to_string(line.session);
}

}  // namespace

LogLevel level_of(const EventLine& line) noexcept {
  return line.speaker == EventSpeaker::bad ? LogLevel::warning : LogLevel::info;
}

std::string event_text(const EventLine& line, unsigned shard) {
  std::string out;
  add_log_time(line.time, out);
  out.append(" ").append(name_of(level_of(line))).append(line.incoming ? " in " : " out ");
  out.append(session_of(line, shard));
  if (!line.incoming) {
    out.append(" ").append(printable(line.queue)).append("/").append(printable(line.vmta));
  }
  if (line.remote.ip.valid()) {
    const bool literal = line.host.substr(0, 1) == "[";
    out.append(" ").append(literal ? std::string() : printable(line.host));
    out.append("[").append(line.remote.text()).append("]");
  }
  out.append(mark_of(line.speaker)).append(printable(line.text));
  out.append(line.cut ? " (cut)\n" : "\n");
  return out;
}

std::string event_json(const EventLine& line, unsigned shard) {
  std::string time;
  add_log_time(line.time, time);
  OrderedJson out{{"time", time},
                  {"level", name_of(level_of(line))},
                  {"kind", name_of(line.kind)},
                  {"direction", line.incoming ? "in" : "out"},
                  {"session", session_of(line, shard)}};
  if (!line.incoming) {
    out["queue"] = printable(line.queue) + "/" + printable(line.vmta);
  }
  if (line.remote.ip.valid()) {
    out["host"] = printable(line.host);
    out["remote"] = line.remote.text();
  }
  out["from"] = name_of(line.speaker);
  out["text"] = printable(line.text);
  if (line.cut) {
    out["cut"] = true;
  }
  return out.dump() + "\n";
}

EventLog::EventLog(unsigned shards, LogForm form, std::size_t ring_bytes)
    : form_(form), cursors_(shards, 0) {
  for (unsigned shard = 0; shard < shards; ++shard) {
    shards_.push_back(std::make_unique<ShardEvents>(ring_bytes));
  }
}

void EventLog::start() {
  thread_ = std::thread([this] { run(); });
}

void EventLog::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void EventLog::run() {
  bool stopping = false;
  while (!stopping) {
    const auto pause = drain() ? kBusyPause : kIdlePause;
    std::unique_lock lock(mutex_);
    stopping = ended_.wait_for(lock, pause, [this] { return stopping_; });
  }
  drain();
}

bool EventLog::drain() {
  const LogLevel least = log_level();
  std::string batch;
  std::uint64_t lines = 0;
  bool any = false;
  const auto write = [&] {
    if (!batch.empty()) {
      write_log(batch, lines);
    }
    batch.clear();
    lines = 0;
  };
  for (unsigned shard = 0; shard < shards_.size(); ++shard) {
    account::RowRing& ring = shards_[shard]->ring();
    std::string_view entry;
    while (!(entry = ring.read(cursors_[shard])).empty()) {
      const EventLine line = EventLine::read(entry);
      if (line.logged && level_of(line) >= least) {
        batch += form_ == LogForm::json ? event_json(line, shard) : event_text(line, shard);
        ++lines;
      }
      if (line.traces != 0) {
        to_traces(line, shard);
      }
      ring.release(cursors_[shard]);
      any = true;
      if (batch.size() >= kBatchBytes) {
        write();
      }
    }
  }
  write();
  return any;
}

void EventLog::to_traces(const EventLine& line, unsigned shard) {
  const std::lock_guard lock(mutex_);
  for (Trace& trace : traces_) {
    if (trace.id == 0 || (line.traces & (1U << trace.filter.number)) == 0 ||
        (trace.filter.kinds & event_bit(line.kind)) == 0) {
      continue;
    }
    std::string text = trace.json ? event_json(line, shard) : event_text(line, shard);
    if (trace.bytes + text.size() > kTraceBytesMax) {
      ++trace.dropped;
      continue;
    }
    trace.bytes += text.size();
    trace.lines.push_back(std::move(text));
  }
}

std::uint64_t EventLog::rings_dropped() const {
  std::uint64_t sum = 0;
  for (const auto& shard : shards_) {
    sum += shard->dropped();
  }
  return sum;
}

Result<std::uint32_t> EventLog::open_trace(TraceFilter filter, bool json, Instant now) {
  const std::lock_guard lock(mutex_);
  for (std::size_t place = 0; place < traces_.size(); ++place) {
    Trace& trace = traces_[place];
    if (trace.id != 0) {
      continue;
    }
    trace = {};
    trace.id = ++last_id_;
    trace.filter = std::move(filter);
    trace.filter.number = static_cast<std::uint8_t>(place);
    trace.json = json;
    trace.read = now;
    trace.ring_dropped = rings_dropped();
    return trace.id;
  }
  return Error::of(ErrorCode::no_capacity,
                   std::to_string(kTracesMax) + " live traces are under way already");
}

Result<EventLog::TraceRead> EventLog::read_trace(std::uint32_t id, Instant now) {
  const std::lock_guard lock(mutex_);
  for (Trace& trace : traces_) {
    if (id == 0 || trace.id != id) {
      continue;
    }
    trace.read = now;
    TraceRead out;
    out.lines.assign(std::make_move_iterator(trace.lines.begin()),
                     std::make_move_iterator(trace.lines.end()));
    const std::uint64_t rings = rings_dropped();
    out.dropped = trace.dropped + (rings - trace.ring_dropped);
    trace.lines.clear();
    trace.bytes = 0;
    trace.dropped = 0;
    trace.ring_dropped = rings;
    return out;
  }
  return Error::of(ErrorCode::not_found, "the live trace has ended");
}

void EventLog::close_trace(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  for (Trace& trace : traces_) {
    if (id != 0 && trace.id == id) {
      trace = {};
    }
  }
}

bool EventLog::expire(Instant now) {
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (Trace& trace : traces_) {
    if (trace.id != 0 && now - trace.read > kTraceLife) {
      trace = {};
      any = true;
    }
  }
  return any;
}

std::shared_ptr<const TraceFilters> EventLog::filters() const {
  const std::lock_guard lock(mutex_);
  auto filters = std::make_shared<TraceFilters>();
  for (const Trace& trace : traces_) {
    if (trace.id != 0) {
      filters->push_back(trace.filter);
    }
  }
  return filters->empty() ? nullptr : filters;
}

}  // namespace ringpost::app
