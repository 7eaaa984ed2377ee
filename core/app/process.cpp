#include "core/app/process.h"
#include "core/app/mail_store.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <sstream>

#include "core/app/account_settings.h"
#include "core/app/local_addresses.h"
#include "core/app/log.h"
#include "core/app/plain_disk.h"
#include "core/app/privileges.h"
#include "core/app/settings.h"
#include "core/app/tls_settings.h"
#include "core/app/version.h"
#include "core/loop/secure_net.h"
#include "net/wire/ares_dns.h"
#include "net/wire/kernel_entropy.h"
#include "net/wire/kernel_tls.h"
#include "net/wire/ring_disk.h"
#include "net/wire/ring_net.h"

namespace ringpost::app {
namespace {

/// Room of one mailbox: all of them together stay small on many cores; a full one only means that
/// letters wait in the sender's outbox.
std::size_t mailbox_letters(unsigned shards) {
  return std::bit_floor(std::max<std::size_t>(16384 / std::max(shards, 1U), 256));
}
constexpr unsigned kWorkers = 2;
constexpr unsigned kFillers = 2;  // fill spare segments, slowly: nothing else waits behind them
constexpr unsigned kHelpersMax = 32;
constexpr unsigned kWebWorkers = 4;
constexpr unsigned kStoringWorkers = 2;  // mail into files and commands
constexpr unsigned kLoginWorkers = 2;    // accounts of the host
constexpr Duration kCloseTime = Duration::seconds(30);

unsigned shard_count(const config::GlobalSettings& global) {
  const auto usable = static_cast<unsigned>(usable_processors().size());
  return global.shards != 0 ? global.shards : std::max(usable, 1U);
}

/// Threads for private operations: those processors that have no shard, and one for the moments in
/// which a shard waits.
unsigned helper_count(unsigned shards) {
  const auto usable = static_cast<unsigned>(usable_processors().size());
  return std::clamp(usable > shards ? usable - shards : 1U, 1U, kHelpersMax);
}

/// Sockets out of one shard that stay descriptors, so that the kernel can get their keys: half of
/// what the process may have, for all shards together.
unsigned descriptors_for_keys(unsigned shards) {
  ::rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<unsigned>(std::min<::rlim_t>(limit.rlim_cur, 1U << 20) / 2 / shards);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What the management port shows is what the control thread can ask for.
class ControlMonitor final : public MonitorSource {
 public:
  explicit ControlMonitor(ControlRoom& control) : control_(control) {}
  std::shared_ptr<const config::Snapshot> settings() override { return control_.settings(); }
  Result<MonitorFigures> figures() override { return control_.figures(); }
  std::string status_json() override { return control_.answer(R"({"command":"status"})"); }
  std::string command(const std::string& request) override { return control_.answer(request); }
  Now now() override { return read_clocks(); }

 private:
  ControlRoom& control_;
};

}  // namespace

/// What lives on one shard's thread, in the order of its making; the ring and driver are kept
/// until the workers have ended.
struct Process::Ports {
  std::unique_ptr<Ring> ring;
  std::unique_ptr<RingDriver> driver;
  std::unique_ptr<ThreadWorker> worker;
  std::unique_ptr<ThreadWorker> filler;
  std::unique_ptr<ThreadWorker> crypto;
  std::unique_ptr<ThreadWorker> web;
  std::unique_ptr<ThreadWorker> storing;
  std::unique_ptr<ThreadWorker> logins;
  std::unique_ptr<ThreadMailStore> store;
  std::unique_ptr<StsFetcher> sts;
  KernelEntropy entropy;
  std::unique_ptr<OpenSslEngines> tls;
  std::unique_ptr<SecureNet> secure_net;  ///< its sends are the kernel's until `net` is gone
  std::unique_ptr<RingNet> net;
  std::unique_ptr<RingDisk> disk;
  std::unique_ptr<AresDns> dns;
  ProbeReport probes;

  Status open(unsigned shard, unsigned shards, RingPeers& peers, WorkerPool& workers,
              WorkerPool& helpers, const std::shared_ptr<OpenSslAuthorities>& authorities);
  Status open_dns(Loop& loop, const config::GlobalSettings& global);
  void close();
};

Status Process::Ports::open(unsigned shard, unsigned shards, RingPeers& peers, WorkerPool& workers,
                            WorkerPool& helpers,
                            const std::shared_ptr<OpenSslAuthorities>& authorities) {
  auto made = Ring::make({}, probes);
  if (!made) {
    return made.error();
  }
  ring = std::move(*made);
  if (auto enabled = ring->enable(probes); !enabled) {
    return enabled;
  }
  auto drive = RingDriver::make(*ring, peers, shard);
  if (!drive) {
    return drive.error();
  }
  driver = std::move(*drive);
  worker = std::make_unique<ThreadWorker>(workers, *driver);
  crypto = std::make_unique<ThreadWorker>(helpers, *driver);
  RingNetOptions sockets_wanted;
  if (probe_kernel_tls(probes)) {
    sockets_wanted.descriptors_kept_max = descriptors_for_keys(shards);
  }
  auto sockets = RingNet::make(*ring, sockets_wanted, probes);
  if (!sockets) {
    return sockets.error();
  }
  net = std::move(*sockets);
  tls = std::make_unique<OpenSslEngines>(authorities);
  secure_net = std::make_unique<SecureNet>(*net, *driver, *tls);
  return {};
}

Status Process::Ports::open_dns(Loop& loop, const config::GlobalSettings& global) {
  AresDnsOptions options;
  options.servers = global.name_servers;
  auto made = AresDns::make(*ring, *driver, loop.timers(), entropy, options);
  if (!made) {
    return made.error();
  }
  dns = std::move(*made);
  return {};
}

void Process::Ports::close() {
  dns.reset();
  disk.reset();
  net.reset();
  secure_net.reset();
}

Process::Process(std::shared_ptr<const config::Snapshot> snapshot, ConfigSource& source, bool debug)
    : snapshot_(std::move(snapshot)),
      shards_(shard_count(snapshot_->global())),
      debug_(debug),
      local_addresses_(local_addresses()),
      sessions_in_(sessions_in_max(snapshot_->global())),
      authorities_(std::make_shared<OpenSslAuthorities>()),
      tls_(authorities_),
      reloader_(source, snapshot_, local_addresses_, sessions_in_, tls_) {}

Process::~Process() { stop(); }

Status Process::start() {
  started_ = read_clocks().wall;
  if (auto listeners = check_listeners(*snapshot_, local_addresses_); !listeners) {
    return listeners;
  }
  if (const auto found = check_tls(*snapshot_, tls_); !found.empty()) {
    return Error::of(ErrorCode::invalid, config::render_text(found));
  }
  limit_sessions(*snapshot_, sessions_in_);
  trusts_ad_ = resolvers_are_local(snapshot_->global().name_servers);
  std::vector<std::string> faults;
  auto ingest = ingest_config(snapshot_, local_addresses_, nullptr, &tls_, &faults, &sessions_in_);
  if (!ingest) {
    return ingest.error();
  }
  ingest_ = std::move(*ingest);
  reloader_.begin(ingest_->mail_rules);
  for (const std::string& line : faults) {
    log_warning(line);
  }
  for (const std::string& line : user_warnings(*snapshot_)) {
    log_warning(line);
  }
  if (auto prepared = prepare(); !prepared) {
    return prepared;
  }
  running_ = true;
  for (unsigned shard = 0; shard < shards_; ++shard) {
    threads_.push_back(std::make_unique<ShardThread>());
    ShardThread& entry = *threads_.back();
    entry.shard = shard;
    entry.thread = std::thread([this, &entry] { run_shard(entry); });
  }
  Status status;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] {
      return std::all_of(threads_.begin(), threads_.end(),
                         [](const auto& entry) { return entry->ready; });
    });
    for (const auto& entry : threads_) {
      if (!entry->started && status) {
        status = entry->started;
      }
    }
    give_up_ = !status.ok();
    go_ = status.ok();
  }
  changed_.notify_all();
  if (!status) {
    return status;
  }
  const std::string socket(snapshot_->global().control_socket);
  if (!socket.empty()) {
    control_server_ = std::make_unique<ControlServer>(*control_);
    if (auto started = control_server_->start(socket); !started) {
      return started;
    }
  }
  return start_monitor();
}

Status Process::start_monitor() {
  const std::uint32_t port = snapshot_->global().http_port;
  if (port == 0) {
    return {};
  }
  monitor_source_ = std::make_unique<ControlMonitor>(*control_);
  monitor_ = std::make_unique<Monitor>(*monitor_source_);
  const BindPermit permit;
  return monitor_->start(static_cast<std::uint16_t>(port));
}

Status Process::open_spool() {
  auto plain = PlainDisk::open();
  if (!plain) {
    return plain.error();
  }
  Disk& disk = plain->disk();
  KernelEntropy entropy;
  if (auto made = disk.make_folder(spool_folder_); !made) {
    return made;
  }
  auto opened =
      spool::SpoolFolder::open(disk, entropy, spool_folder_, shards_, std::to_string(::getpid()));
  if (!opened) {
    if (opened.error().code == ErrorCode::locked) {
      return Error::of(
          ErrorCode::locked,
          "spool " + spool_folder_ + " is held by the ringpostd with pid " + opened.error().detail);
    }
    return opened.error();
  }
  spool_ = std::make_unique<spool::SpoolFolder>(std::move(*opened));
  auto kept = gather_state(disk, spool_folder_, shards_);
  if (!kept) {
    return kept.error();
  }
  kept_ = std::move(*kept);
  return {};
}

Status Process::prepare() {
  const config::GlobalSettings& global = snapshot_->global();
  if (global.spools.empty()) {
    return Error::of(ErrorCode::invalid, "the configuration names no spool; add 'spool FOLDER'");
  }
  spool_folder_ = global.spools.front().path;
  if (auto opened = open_spool(); !opened) {
    return opened;
  }
  pause_rules_ = read_file(spool_folder_ + "/paused");
  source_rules_ = read_file(spool_folder_ + "/sources");
  job_rules_ = read_file(spool_folder_ + "/paused-jobs");
  move_rules_ = read_file(spool_folder_ + "/moves");
  mailroom_ = std::make_unique<Mailroom>(shards_ + 2, mailbox_letters(shards_));
  peers_ = std::make_unique<RingPeers>(shards_ + 2);
  if (auto opened = wake_.open(); !opened) {
    return opened;
  }
  peers_->publish(main_endpoint(), -1, wake_.descriptor());
  control_ = std::make_unique<ControlRoom>(
      *mailroom_, *peers_, control_endpoint(),
      ProcessFacts{version_text(), shards_, started_, spool_folder_ + "/paused",
                   spool_folder_ + "/sources", spool_folder_ + "/paused-jobs",
                   spool_folder_ + "/moves", move_rules_, debug_},
      reloader_);
  if (auto started = control_->start(); !started) {
    return started;
  }
  control_->check_sources(false);
  auto options = account_options(snapshot_, shards_, spool_->id());
  if (!options) {
    return options.error();
  }
  auto accounts = account::LogWriter::open(std::move(*options), files_);
  if (!accounts) {
    return accounts.error();
  }
  accounts_ = std::move(*accounts);
  for (const std::string& line : accounts_->recovery_notes()) {
    log_info(line);
  }
  control_->use_accounts(*accounts_);
  events_ = std::make_unique<EventLog>(shards_, log_form_of(global));
  control_->use_events(*events_);
  events_->start();
  accounts_->start();
  workers_ = std::make_unique<WorkerPool>(kWorkers);
  fillers_ = std::make_unique<WorkerPool>(kFillers);
  crypto_ = std::make_unique<WorkerPool>(helper_count(shards_));
  web_ = std::make_unique<WorkerPool>(kWebWorkers);
  storing_ = std::make_unique<WorkerPool>(kStoringWorkers);
  login_workers_ = std::make_unique<WorkerPool>(kLoginWorkers);
  authentication_.system = &logins_;
  sts_ = std::make_unique<StsStore>(spool_folder_ + "/sts-policies", read_clocks().wall);
  for (const std::string& line : sts_->warnings()) {
    log_warning(line);
  }
  keys_ = std::make_shared<const KeyRing>(snapshot_);
  for (const std::string& line : keys_->warnings()) {
    log_warning("DKIM: " + line);
  }
  return {};
}

void Process::report(ShardThread& entry, Status status) {
  {
    const std::lock_guard lock(mutex_);
    entry.started = std::move(status);
    entry.ready = true;
  }
  changed_.notify_all();
}

void Process::run_shard(ShardThread& entry) {
  if (snapshot_->global().cpu_pinning) {
    const auto processors = usable_processors();
    if (auto pinned = pin_thread(processors[entry.shard % processors.size()]); !pinned) {
      log_warning("shard " + std::to_string(entry.shard) +
                  " is not pinned: " + pinned.error().describe());
    }
  }
  entry.ports = std::make_unique<Ports>();
  Ports& ports = *entry.ports;
  if (auto opened = ports.open(entry.shard, shards_, *peers_, *workers_, *crypto_, authorities_);
      !opened) {
    report(entry, opened);
    return;
  }
  for (const std::string& line : ports.probes.lines) {
    log_info(line);
  }
  ports.filler = std::make_unique<ThreadWorker>(*fillers_, *ports.driver);
  RingDiskOptions files;
  files.pace = &fill_pace_;
  ports.disk = std::make_unique<RingDisk>(*ports.ring, *ports.worker, *ports.filler, files);
  ports.web = std::make_unique<ThreadWorker>(*web_, *ports.driver);
  ports.storing = std::make_unique<ThreadWorker>(*storing_, *ports.driver);
  ports.logins = std::make_unique<ThreadWorker>(*login_workers_, *ports.driver);
  ports.store = std::make_unique<ThreadMailStore>(*ports.storing);
  ports.sts = std::make_unique<StsFetcher>(*ports.web, *ports.driver, *sts_);
  {
    ShardSettings settings = shard_settings(snapshot_, entry.shard, shards_, local_addresses_);
    settings.authentication = &authentication_;
    settings.ingest_memory.slots = &sessions_in_;
    settings.ingest_config = ingest_;
    settings.resolve.trusts_ad = trusts_ad_;
    settings.main_endpoint = main_endpoint();
    settings.pause_rules = pause_rules_;
    settings.missing_sources = control_->missing_sources();
    settings.keys = keys_;
    settings.signer.helpers_max = 1 + (helper_count(shards_) - 1) / shards_;
    settings.source_rules = source_rules_;
    settings.job_rules = job_rules_;
    settings.move_rules = move_rules_;
    settings.kept = kept_;
    settings.spool_id = spool_->id();
    settings.spool_logs = spool_->logs_of(entry.shard);
    Shard shard(std::move(settings),
                {*ports.driver, *ports.secure_net, *ports.disk, ports.entropy, *ports.secure_net,
                 ports.crypto.get(), ports.sts.get(), ports.store.get(),
                 &events_->shard(entry.shard), ports.logins.get()},
                *mailroom_, *accounts_);
    Status started = ports.open_dns(shard.loop(), snapshot_->global());
    if (started) {
      started = shard.start(*ports.dns);
    }
    if (started) {
      log_recovery(entry.shard, shard.recovery());
      const BindPermit permit;
      started = shard.listen();
    }
    report(entry, started);
    if (started && wait_for_go()) {
      shard.loop().run();
    }
  }
  ports.close();
}

bool Process::wait_for_go() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return go_ || give_up_; });
  return go_;
}

void Process::log_recovery(unsigned shard, const spool::RecoveryReport& report) {
  const std::string where = "shard " + std::to_string(shard) + " spool: ";
  for (const std::string& line : report.notes) {
    log_warning(where + line);
  }
  std::string summary = where + std::to_string(report.messages) + " messages with " +
                        std::to_string(report.recipients) + " recipients to deliver, last stop " +
                        (report.clean ? "clean" : "not clean");
  if (!report.clean) {
    summary += ": " + std::to_string(report.ambiguous) + " recipients were under way, " +
               std::to_string(report.commit_indeterminate) +
               " messages may not have been acknowledged, " + std::to_string(report.tail_cuts) +
               " torn tails cut";
  }
  if (report.damage()) {
    log_error(summary + "; DAMAGE was found, see above");
  } else {
    log_info(summary);
  }
}

bool Process::tell_all(LetterKind kind) {
  bool told = true;
  for (unsigned shard = 0; shard < shards_; ++shard) {
    told = mailroom_->post(main_endpoint(), shard, Letter::of(kind_of(kind), std::uint64_t{0})) &&
           told;
    if (mailroom_->claim_wake(shard)) {
      WakeEvent::raise(peers_->event(shard));
    }
  }
  return told;
}

void Process::read_letters() {
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Letter letter;
    while (mailroom_->take(main_endpoint(), shard, letter)) {
      const auto kind = static_cast<LetterKind>(letter.kind);
      threads_[shard]->drained = threads_[shard]->drained || kind == LetterKind::drained;
      threads_[shard]->stopped = threads_[shard]->stopped || kind == LetterKind::stopped;
    }
  }
}

bool Process::await_letters(Duration limit, bool ShardThread::*flag) {
  const Instant deadline = read_clocks().instant + limit;
  while (true) {
    mailroom_->announce_sleep(main_endpoint());
    read_letters();
    if (std::all_of(threads_.begin(), threads_.end(),
                    [flag](const auto& entry) { return (*entry).*flag; })) {
      mailroom_->announce_awake(main_endpoint());
      return true;
    }
    const auto left = (deadline - read_clocks().instant).whole_milliseconds();
    if (left <= 0) {
      mailroom_->announce_awake(main_endpoint());
      return false;
    }
    pollfd entry{wake_.descriptor(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    wake_.lower();
    mailroom_->announce_awake(main_endpoint());
  }
}

bool Process::stop() {
  if (!running_) {
    return false;
  }
  running_ = false;
  fill_pace_.awaited.fetch_add(1, std::memory_order_relaxed);  // the end waits for every file
  monitor_.reset();
  control_server_.reset();
  bool clean = go_;
  if (go_) {
    tell_all(LetterKind::drain);
    if (!await_letters(snapshot_->global().shutdown_timeout, &ShardThread::drained)) {
      log_warning("shutdown-timeout has passed: transactions under way are broken off");
      tell_all(LetterKind::abandon);
      clean = await_letters(kCloseTime, &ShardThread::drained);
    }
    tell_all(LetterKind::checkpoint);
    if (!await_letters(kCloseTime, &ShardThread::stopped)) {
      // A device that answers no more: the journal has what counts, waiting longer helps nobody.
      log_error("a shard could not close its spool");
      stop_log();
      ::_exit(1);
    }
  }
  for (auto& entry : threads_) {
    entry->thread.join();
  }
  events_->stop();
  sts_->close();
  workers_.reset();
  fillers_.reset();
  crypto_.reset();
  web_.reset();
  storing_.reset();
  login_workers_.reset();
  threads_.clear();
  const bool accounted = accounts_->stop();
  if (!accounted) {
    log_error("the accounting files could not be written; the journal keeps their records");
  }
  return clean && accounted;
}

void Process::reload() { control_->answer(R"({"command":"reload"})"); }

void Process::tick() {
  control_->check_sources(true);
  control_->expire_traces();
  for (const std::string& note : accounts_->take_notes()) {
    log_warning("accounting: " + note);
  }
}

void Process::reopen_logs() {
  accounts_->reopen();
  reopen_log();
}

}  // namespace ringpost::app
