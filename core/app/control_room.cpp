#include "core/app/control_room.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

#include "core/app/control_answers.h"
#include "core/app/health.h"
#include "core/app/letters.h"
#include "core/app/log.h"
#include "core/app/settings.h"
#include "core/schedule/queue_pattern.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr Duration kFlushTime = Duration::seconds(10);
constexpr Duration kAnswerTime = Duration::seconds(10);

}  // namespace

ControlRoom::ControlRoom(Mailroom& mailroom, RingPeers& peers, unsigned endpoint,
                         ProcessFacts facts, Reloader& reloader)
    : mailroom_(mailroom),
      peers_(peers),
      endpoint_(endpoint),
      facts_(std::move(facts)),
      reloader_(reloader),
      in_force_(reloader.current()) {
  // The shards refuse to start with a list that cannot be read.
  static_cast<void>(moves_.restore(facts_.move_rules, read_clocks().wall).ok());
}

ControlRoom::~ControlRoom() { peers_.withdraw(endpoint_); }

Status ControlRoom::start() {
  if (auto opened = wake_.open(); !opened) {
    return opened;
  }
  peers_.publish(endpoint_, -1, wake_.descriptor());
  return {};
}

std::string ControlRoom::answer(const std::string& request) {
  const Json parsed = Json::parse(request, nullptr, false);
  if (parsed.is_discarded() || !parsed.is_object()) {
    return answer_error("the request is not a JSON object");
  }
  try {
    const auto command = parsed.value("command", std::string());
    const auto pattern = parsed.value("pattern", std::string());
    if (auto told = look(command, pattern, parsed)) {
      return std::move(*told);
    }
    const std::lock_guard lock(mutex_);
    return act(command, pattern, parsed);
  } catch (const Json::exception& error) {
    return answer_error(std::string("the request has a field of the wrong type: ") + error.what());
  }
}

std::optional<std::string> ControlRoom::look(const std::string& command, const std::string& pattern,
                                             const Json& request) {
  if (command == "status") {
    return status();
  }
  if (command == "queues" || command == "domains" || command == "vmtas" || command == "sessions" ||
      command == "hosts") {
    return view(command, pattern);
  }
  if (command == "settings") {
    return settings(pattern, request.value("sender", std::string()));
  }
  if (command == "list") {
    return list(request);
  }
  if (command == "trace") {
    return trace(request.value("id", std::string()));
  }
  if (command == "sources" || command == "acct-flush") {
    return command == "sources" ? sources() : flush_accounts();
  }
  if (command == "jobs") {
    return jobs(pattern);
  }
  if (command == "decisions") {
    return decisions(request.value("kind", std::string()));
  }
  if (command == "warmup") {
    return warmups(pattern);
  }
  if (command == "bounces" || command == "cold") {
    return command == "bounces" ? bounces() : day_counts(pattern);
  }
  if (command == "trace-live" && request.value("action", std::string()) == "read") {
    return trace_live(request);
  }
  return std::nullopt;
}

std::string ControlRoom::act(const std::string& command, const std::string& pattern,
                             const Json& request) {
  const bool dry_run = request.value("dry_run", false);
  if (command == "pause" || command == "resume" || command == "delete" || command == "schedule") {
    return request.contains("job")
               ? change_jobs(command, request.value("job", std::string()), dry_run)
               : change_queues(command, pattern, dry_run);
  }
  if (command == "mode") {
    return set_mode(pattern, request.value("mode", std::string()), dry_run);
  }
  if (command == "disable-source" || command == "enable-source") {
    return use_source(request.value("source", std::string()), command == "enable-source", dry_run);
  }
  if (command == "move" || command == "priority") {
    return command == "move" ? move(request) : prioritize(request);
  }
  if (command == "drain" || command == "end") {
    return command == "drain" ? drain() : end();
  }
  if (command == "trace-live") {
    return trace_live(request);
  }
  if (command == "undo") {
    return undo(request.value("id", std::string()));
  }
  if (command == "reload") {
    return reload();
  }
  return answer_error("unknown command '" + command + "'");
}

bool ControlRoom::send_round(ControlTask& task) {
  task.parts.assign(facts_.shards, {});
  task.answers = 0;
  for (unsigned shard = 0; shard < facts_.shards; ++shard) {
    if (mailroom_.room(endpoint_, shard) == 0) {
      return false;
    }
  }
  for (unsigned shard = 0; shard < facts_.shards; ++shard) {
    ControlTask* pointer = &task;
    mailroom_.post(endpoint_, shard, Letter::of(kind_of(LetterKind::control), pointer));
    if (mailroom_.claim_wake(shard)) {
      WakeEvent::raise(peers_.event(shard));
    }
  }
  return true;
}

void ControlRoom::collect() {
  for (unsigned shard = 0; shard < facts_.shards; ++shard) {
    Letter letter;
    while (mailroom_.take(endpoint_, shard, letter)) {
      auto* task = letter.as<ControlTask*>();
      if (++task->answers == facts_.shards) {
        std::erase_if(late_, [&](const TaskRef& late) { return late.get() == task; });
      }
    }
  }
}

// Whoever comes first waits for letters on behalf of all, and hands over when it has its own.
void ControlRoom::listen(std::unique_lock<std::mutex>& held, Instant deadline) {
  const auto left =
      std::max<std::int64_t>((deadline - read_clocks().instant).whole_milliseconds(), 0);
  if (listening_) {
    heard_.wait_for(held, std::chrono::milliseconds(left + 1));
    return;
  }
  listening_ = true;
  mailroom_.announce_sleep(endpoint_);
  if (mailroom_.empty(endpoint_)) {
    held.unlock();
    pollfd entry{wake_.descriptor(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(left + 1));
    wake_.lower();
    held.lock();
  }
  mailroom_.announce_awake(endpoint_);
  collect();
  listening_ = false;
  heard_.notify_all();
}

Result<ControlRoom::TaskRef> ControlRoom::ask(TaskRef task) {
  std::unique_lock held(room_mutex_);
  collect();
  if (!send_round(*task)) {
    return Error::of(ErrorCode::no_capacity, "a shard does not read its letters");
  }
  const Instant deadline = read_clocks().instant + kAnswerTime;
  while (task->answers < facts_.shards) {
    if (read_clocks().instant >= deadline) {
      late_.push_back(std::move(task));
      return Error::of(ErrorCode::timed_out, "a shard did not answer in time");
    }
    listen(held, deadline);
  }
  return task;
}

std::string ControlRoom::status() {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::status;
  auto done = ask(std::move(task));
  const auto accounts = accounts_ != nullptr ? accounts_->stats() : account::LogWriterStats{};
  if (!done) {
    return answer_error(done.error().describe());
  }
  const bool drains = draining();
  return answer_status(**done, facts_, drains, accounts, read_clocks().wall);
}

bool ControlRoom::draining() {
  const std::lock_guard lock(room_mutex_);
  return draining_;
}

std::string ControlRoom::view(const std::string& command, const std::string& pattern) {
  auto task = std::make_unique<ControlTask>();
  task->kind = command == "sessions" ? ControlKind::sessions
               : command == "hosts"  ? ControlKind::hosts
                                     : ControlKind::queues;
  if (!pattern.empty()) {
    auto parsed = schedule::QueuePattern::parse(pattern);
    if (!parsed) {
      return answer_error(parsed.error().describe());
    }
    task->pattern = *parsed;
  }
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  switch ((*done)->kind) {
    case ControlKind::sessions: return answer_sessions(**done);
    case ControlKind::hosts: return answer_hosts(**done);
    default: break;
  }
  return command == "domains" ? answer_sums(**done, SumBy::domain)
         : command == "vmtas" ? answer_sums(**done, SumBy::vmta)
                              : answer_queues(**done);
}

std::string ControlRoom::settings(const std::string& queue, const std::string& sender) {
  const std::size_t slash = queue.find('/');
  const std::string domain = queue.substr(0, slash);
  const std::string vmta = slash == std::string::npos ? "" : queue.substr(slash + 1);
  auto told = config::explain(*settings(), domain, vmta, sender);
  return told ? answer_settings(*told) : answer_error(told.error().describe());
}

std::string ControlRoom::list(const nlohmann::json& request) {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::search;
  task->query.recipient = request.value("recipient", std::string("*"));
  task->query.sender = request.value("sender", std::string("*"));
  task->query.job = request.value("job", std::string("*"));
  task->query.vmta = request.value("vmta", std::string("*"));
  if (request.contains("priority")) {
    task->query.priority = request.value("priority", std::uint8_t{0});
  }
  task->query.rows_max = std::min<std::size_t>(request.value("limit", std::size_t{100}), 10'000);
  for (const Json& cursor : request.value("cursor", Json::array())) {
    task->cursors.push_back(
        {cursor.value("log", std::uint32_t{0}), cursor.value("slot", std::uint32_t{0})});
    task->searched.push_back(cursor.value("finished", false));
  }
  auto done = ask(std::move(task));
  return done ? answer_list(**done) : answer_error(done.error().describe());
}

std::string ControlRoom::trace(const std::string& id) {
  const auto parsed = MessageId::parse(id);
  if (!parsed) {
    return answer_error("'" + id +
                        "' is not a message id: 26 letters and digits, as in the 250 "
                        "reply and the accounting file");
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::find;
  task->id = *parsed;
  auto found = ask(std::move(task));
  if (!found) {
    return answer_error(found.error().describe());
  }
  auto second = std::make_unique<ControlTask>();
  second->kind = ControlKind::why;
  second->id = *parsed;
  for (const auto& part : (*found)->parts) {
    if (part.message.found) {
      second->handle = part.message.handle;
    }
  }
  auto waiting = ask(std::move(second));
  return waiting ? answer_trace(**found, **waiting, *settings())
                 : answer_error(waiting.error().describe());
}

// A shard only exchanges what it holds, which cannot fail: the plan is taken up by all or, being
// faulty, by none.
std::string ControlRoom::reload() {
  const ReloadPlan plan = reloader_.plan();
  if (plan.snapshot == nullptr) {
    log_error("reload: the configuration has errors, nothing was changed\n" +
              config::render_text(plan.diagnostics));
    return answer_reload(plan);
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::reload;
  task->snapshot = plan.snapshot;
  task->ingest = plan.ingest;
  task->keys = plan.keys;
  task->version = plan.version;
  auto done = ask(std::move(task));
  if (!done && done.error().code == ErrorCode::no_capacity) {
    return answer_error(done.error().describe() + "; nothing was changed");
  }
  reloader_.applied(plan);
  {
    const std::lock_guard lock(room_mutex_);
    in_force_ = reloader_.current();
  }
  set_log_level(log_level_of(plan.snapshot->global(), facts_.debug));
  check_sources_locked(true);
  std::string said = "reload: configuration " + std::to_string(plan.version) + " is in force";
  for (const std::string& name : plan.needs_restart) {
    said += "; " + name + " keeps its old value until a restart";
  }
  for (const std::string& line : plan.keys->warnings()) {
    log_warning("DKIM: " + line);
  }
  for (const std::string& line : plan.faults) {
    log_warning(line);
  }
  log_info(done ? said : said + " once a slow shard has answered");
  return answer_reload(plan);
}

std::string ControlRoom::drain() {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::stop_intake;
  auto done = ask(std::move(task));
  if (!done) {
    return answer_error(done.error().describe());
  }
  if (!draining()) {
    log_info("drains by an operator's command: takes no mail until the next start");
  }
  {
    const std::lock_guard lock(room_mutex_);
    draining_ = true;
  }
  return answer_ok({{"state", "draining"}});
}

// As a service manager would: the main thread ends everything in order.
std::string ControlRoom::end() {
  if (!draining()) {
    return answer_error("only a daemon that drains is ended this way");
  }
  log_info("drained; ends by an operator's command");
  ::kill(::getpid(), SIGTERM);
  return answer_ok({{"state", "ending"}});
}

void ControlRoom::check_sources(bool tell_shards) {
  const std::lock_guard lock(mutex_);
  check_sources_locked(tell_shards);
}

std::vector<IpAddress> ControlRoom::missing_sources() {
  const std::lock_guard lock(mutex_);
  return source_check_.missing();
}

void ControlRoom::check_sources_locked(bool tell_shards) {
  const bool changed = source_check_.run(*reloader_.current());
  for (const std::string& note : source_check_.notes()) {
    log_warning(note);
  }
  if (!changed || !tell_shards) {
    return;
  }
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::sources_checked;
  task->missing_sources = source_check_.missing();
  if (auto done = ask(std::move(task)); !done) {
    log_warning("source addresses: " + done.error().describe());
  }
}

std::string ControlRoom::sources() {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::sources;
  auto done = ask(std::move(task));
  return done ? answer_sources(**done, *settings(), read_clocks())
              : answer_error(done.error().describe());
}

std::shared_ptr<const config::Snapshot> ControlRoom::settings() {
  const std::lock_guard lock(room_mutex_);
  return in_force_;
}

Result<MonitorFigures> ControlRoom::figures() {
  auto task = std::make_unique<ControlTask>();
  task->kind = ControlKind::status;
  auto done = ask(std::move(task));
  if (!done) {
    return done.error();
  }
  MonitorFigures figures;
  for (auto& part : (*done)->parts) {
    figures.shards.push_back(std::move(part.status));
  }
  if (accounts_ != nullptr) {
    figures.accounts = accounts_->stats();
  }
  figures.log_lines_dropped = log_lines_dropped();
  figures.draining = draining();
  figures.started = facts_.started;
  figures.now = read_clocks().wall;
  figures.memory_bytes = resident_memory();
  return figures;
}

std::string ControlRoom::flush_accounts() {
  if (accounts_ == nullptr || !accounts_->flush_and_wait(kFlushTime)) {
    return answer_error("the accounting files could not be closed in time");
  }
  return answer_flushed();
}

Status ControlRoom::save_rules(const std::string& file_name, const std::string& rules) {
  const std::string fresh = file_name + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (file < 0) {
    return Error::from_errno(errno, "open " + fresh);
  }
  const bool written =
      ::write(file, rules.data(), rules.size()) == static_cast<ssize_t>(rules.size()) &&
      ::fsync(file) == 0;
  const int error = errno;
  ::close(file);
  if (!written || ::rename(fresh.c_str(), file_name.c_str()) != 0) {
    return Error::from_errno(written ? errno : error, "write " + fresh);
  }
  const std::string folder = file_name.substr(0, file_name.rfind('/'));
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return {};
}

}  // namespace ringpost::app
