#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/account/log_writer.h"
#include "core/app/control_room.h"
#include "core/app/control_server.h"
#include "core/app/event_log.h"
#include "core/app/monitor.h"
#include "core/app/reload.h"
#include "core/app/shard.h"
#include "core/app/sts_fetcher.h"
#include "core/app/system_login.h"
#include "core/base/shared_count.h"
#include "core/config/snapshot.h"
#include "core/loop/mailroom.h"
#include "net/wire/file_tasks.h"
#include "net/wire/openssl_tls.h"
#include "net/wire/ring_driver.h"
#include "net/wire/thread_worker.h"
#include "net/wire/wake_event.h"
#include "spool/folder.h"

namespace ringpost::app {

/// The running daemon: shards on their threads, log writer, control socket. All calls on the main
/// thread.
class Process {
 public:
  /// `source` is asked again at each reload and outlives the process.
  Process(std::shared_ptr<const config::Snapshot> snapshot, ConfigSource& source, bool debug);
  ~Process();

  /// Everything up and accepting, or an error and nothing running.
  Status start();
  /// Drains, checkpoints, ends all threads; shutdown-timeout bounds the draining. True: clean. Does
  /// nothing the second time.
  bool stop();
  void reopen_logs();
  /// Reads the configuration anew; the log says what came of it.
  void reload();
  /// Looks whether source addresses went from this host or came back; every now and then.
  void tick();

 private:
  struct Ports;

  /// One shard's thread with what lives on it.
  struct ShardThread {
    unsigned shard = 0;
    std::thread thread;
    std::unique_ptr<Ports> ports;
    Status started;
    bool ready = false;
    bool drained = false;
    bool stopped = false;
  };

  unsigned main_endpoint() const { return shards_; }
  unsigned control_endpoint() const { return shards_ + 1; }

  Status start_monitor();
  Status open_spool();
  Status prepare();
  void run_shard(ShardThread& entry);
  void report(ShardThread& entry, Status status);
  bool wait_for_go();
  void log_recovery(unsigned shard, const spool::RecoveryReport& report);
  bool tell_all(LetterKind kind);
  void read_letters();
  /// Until all shards have said it; false at the limit.
  bool await_letters(Duration limit, bool ShardThread::*flag);

  std::shared_ptr<const config::Snapshot> snapshot_;
  unsigned shards_;
  bool debug_;
  std::vector<IpAddress> local_addresses_;
  ingest::IngestConfigRef ingest_;    ///< what the shards start with
  ingest::SessionSlots sessions_in_;  ///< total-max-smtp-in and quotas of source groups
  std::shared_ptr<OpenSslAuthorities> authorities_;
  OpenSslEngines tls_;      ///< of the control thread: tries what shards will make for themselves
  bool trusts_ad_ = false;  ///< name servers are of this host
  Reloader reloader_;
  std::string spool_folder_;
  std::unique_ptr<spool::SpoolFolder> spool_;  ///< holds the spool's lock
  std::string pause_rules_;
  std::string source_rules_;
  std::string job_rules_;
  std::string move_rules_;
  GatheredState kept_;
  std::unique_ptr<Mailroom> mailroom_;
  std::unique_ptr<RingPeers> peers_;
  account::PosixFiles files_;
  std::unique_ptr<account::LogWriter> accounts_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<WorkerPool> workers_;
  FillPace fill_pace_;
  std::unique_ptr<WorkerPool> fillers_;  ///< for spare segments
  std::unique_ptr<WorkerPool> crypto_;   ///< for private operations
  std::unique_ptr<StsStore> sts_;
  std::unique_ptr<WorkerPool> storing_;        ///< for mail into files and commands
  std::unique_ptr<WorkerPool> web_;            ///< for policies of MTA-STS
  std::unique_ptr<WorkerPool> login_workers_;  ///< for accounts of the host
  PamLogins logins_{pam_program()};
  std::shared_ptr<const KeyRing> keys_;
  auth::SharedState authentication_;
  std::vector<std::unique_ptr<ShardThread>> threads_;
  std::unique_ptr<ControlRoom> control_;
  std::unique_ptr<ControlServer> control_server_;
  std::unique_ptr<MonitorSource> monitor_source_;
  std::unique_ptr<Monitor> monitor_;
  WakeEvent wake_;
  std::mutex mutex_;  ///< guards ready and started of the threads, go_, give_up_
  std::condition_variable changed_;
  bool go_ = false;  ///< all have recovered and listen
  bool give_up_ = false;
  bool running_ = false;
  WallTime started_;
};

}  // namespace ringpost::app
