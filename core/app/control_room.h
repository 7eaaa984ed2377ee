#pragma once

#include <nlohmann/json.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/account/log_writer.h"
#include "core/app/control_server.h"
#include "core/app/control_task.h"
#include "core/app/event_log.h"
#include "core/app/metrics.h"
#include "core/app/reload.h"
#include "core/app/source_check.h"
#include "core/base/time.h"
#include "core/loop/mailroom.h"
#include "net/wire/ring_driver.h"
#include "net/wire/wake_event.h"

namespace ringpost::app {

/// Facts on the process that no shard knows.
struct ProcessFacts {
  std::string version;
  unsigned shards = 0;
  WallTime started;
  std::string pause_file;   ///< where paused queues are kept over restarts
  std::string source_file;  ///< likewise source addresses out of use
  std::string job_file;     ///< likewise paused jobs
  std::string move_file;    ///< likewise mail that was moved
  std::string move_rules;   ///< what that file holds
  bool debug = false;       ///< the log has everything
};

/// Turns requests of the control socket, and of the main thread, into tasks for all shards and
/// their parts into JSON. An endpoint of the mailroom. Requests that only look wait for no other,
/// so that whoever watches has an answer while a long command goes on; those that change something
/// come one after the other, whoever asks.
class ControlRoom : public ControlHandler {
 public:
  /// `endpoint` is the control thread's place in the mailroom.
  ControlRoom(Mailroom& mailroom, RingPeers& peers, unsigned endpoint, ProcessFacts facts,
              Reloader& reloader);
  ~ControlRoom() override;

  Status start();
  /// Any thread.
  std::string answer(const std::string& request) override;
  /// Tries whether the configured source addresses are on this host, and tells the shards which
  /// are not. Before the shards run it only notes them. Any thread.
  void check_sources(bool tell_shards);
  std::vector<IpAddress> missing_sources();

  /// The configuration in force, and figures of the whole process. Any thread.
  std::shared_ptr<const config::Snapshot> settings();
  Result<MonitorFigures> figures();
  /// Without it accounting is not in the status and cannot be flushed. Before requests come.
  void use_accounts(account::LogWriter& accounts) { accounts_ = &accounts; }
  /// Without it there are no live traces. Before requests come.
  void use_events(EventLog& events) { events_ = &events; }
  /// Ends live traces that nobody reads any more; every now and then. Any thread.
  void expire_traces();

 private:
  using TaskRef = std::unique_ptr<ControlTask>;

  /// Sends the task round and waits. no_capacity: nothing was sent. timed_out: some shard did
  /// not answer; the task is then kept until it does. Any thread, several at once.
  Result<TaskRef> ask(TaskRef task);
  /// Waits for letters, or while another thread does so, for that one. `held` is of room_mutex_.
  void listen(std::unique_lock<std::mutex>& held, Instant deadline);
  void collect();
  bool send_round(ControlTask& task);
  bool draining();
  static Status save_rules(const std::string& file_name, const std::string& rules);

  std::string status();
  /// Rows of queues, domains, vmtas, sessions or hosts.
  std::string view(const std::string& command, const std::string& pattern);
  std::string settings(const std::string& queue, const std::string& sender);
  /// One round of a search; the answer says where the next one begins.
  std::string list(const nlohmann::json& request);
  std::string trace(const std::string& id);
  /// Requests that change nothing; without mutex_. None: it is another one.
  std::optional<std::string> look(const std::string& command, const std::string& pattern,
                                  const nlohmann::json& request);
  /// The others, with it.
  std::string act(const std::string& command, const std::string& pattern,
                  const nlohmann::json& request);
  std::string reload();
  std::string drain();
  std::string end();
  // control_traces.cpp
  std::string trace_live(const nlohmann::json& request);
  std::string tell_traces();
  std::string sources();
  std::string flush_accounts();
  void check_sources_locked(bool tell_shards);

  // control_decisions.cpp: modes, source addresses, and what was decided by itself.
  std::string set_mode(const std::string& pattern, const std::string& mode, bool dry_run);
  std::string use_source(const std::string& what, bool use, bool dry_run);
  std::string decisions(const std::string& kind);
  std::string ask_about(ControlKind kind, const std::string& pattern,
                        std::string (*told)(const ControlTask&));
  std::string warmups(const std::string& pattern);
  std::string day_counts(const std::string& pattern);
  std::string undo(const std::string& id);
  bool await_kept(const ControlTask& done);

  // control_jobs.cpp
  std::string jobs(const std::string& pattern);
  bool await_endings();
  bool await_status(const ControlTask& then, bool (*good)(const ControlTask&, const ControlTask&));
  std::string change_queues(const std::string& verb, const std::string& pattern, bool dry_run);
  std::string change_jobs(const std::string& verb, const std::string& job, bool dry_run);
  /// Has all shards do what `verb` says to the task's queues or job, and keeps the rules of pauses.
  std::string change(const std::string& verb, TaskRef task, bool dry_run);
  std::string move(const nlohmann::json& request);
  /// What the task's queues or job have put off is due; kept like a move.
  std::string try_now(TaskRef task, bool dry_run);
  std::string prioritize(const nlohmann::json& request);
  Status keep_move(const MoveRule& rule);
  Status check_named(const schedule::QueuePattern& queues);
  std::string bounces();

  Mailroom& mailroom_;
  RingPeers& peers_;
  unsigned endpoint_;
  ProcessFacts facts_;
  Reloader& reloader_;
  SourceCheck source_check_;
  MoveRules moves_;
  account::LogWriter* accounts_ = nullptr;
  EventLog* events_ = nullptr;
  std::mutex mutex_;       ///< held while something is changed; taken before room_mutex_
  std::mutex room_mutex_;  ///< guards the place in the mailroom and what follows
  std::condition_variable heard_;
  bool listening_ = false;  ///< a thread waits for letters, for all
  WakeEvent wake_;
  std::vector<TaskRef> late_;  ///< given up waiting for, still with a shard
  std::shared_ptr<const config::Snapshot> in_force_;
  bool draining_ = false;
};

}  // namespace ringpost::app
