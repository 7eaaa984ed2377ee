#include "tests/sim/flow/machine.h"

#include <algorithm>

#include "core/app/account_settings.h"
#include "core/app/letters.h"
#include "core/app/settings.h"
#include "core/loop/secure_net.h"
#include "tests/sim/world/sim_tls.h"

namespace ringpost::sim {
namespace {

constexpr Duration kPumpInterval = Duration::milliseconds(20);
constexpr Duration kCloseTime = Duration::minutes(5);

/// Figures small enough for many segments and every limit to be met.
void make_small(spool::SpoolOptions& options) {
  options.segment_bytes = 256 << 10;
  options.block_bytes = 512;
  options.spare_segments = 2;
  options.spare_segments_max = 3;
  options.journal_segment_bytes = 64 << 10;
  options.journal_reserve_segments = 2;
  options.journal_max_bytes = 8 << 20;
  options.journal_batch_bytes = 8192;
  options.small_message_max = 4096;
  options.message_max = 64 << 10;
  options.head_room = 8192;
  options.batch_bytes_max = 64 << 10;
  options.chunk_bytes = 1024;
  options.chunks = 512;
  options.writers_max = 64;
  options.streams_max = 8;
  options.max_messages = 10'000;
  options.window_bytes = 8 << 10;
  options.retry_interval = Duration::milliseconds(200);
  options.compact_percent = 40;
  options.compact_look = Duration::seconds(5);
  options.compact_pause = Duration::milliseconds(5);
  options.compact_bytes = 16 << 10;
}

std::vector<Machine*>& graveyard() {
  static auto* const machines = new std::vector<Machine*>;  // outlives the search for leaks
  return *machines;
}

}  // namespace

/// One shard with its ports.
struct Machine::Node {
  Node(SimWorld& the_world, MachineRoom& room)
      : world(the_world),
        driver(world.add_driver()),
        net(std::make_unique<SimNet>(room.network, driver)),
        secure_net(std::make_unique<SecureNet>(*net, driver, tls)),
        disk(std::make_unique<SimDisk>(room.files, world.random().next())),
        entropy(world.random().next()),
        disk_min(room.disk_min),
        disk_max(room.disk_max) {
    disk->on_work([](void* node) { static_cast<Node*>(node)->step_later(); }, this);
  }
  void step_later() {
    world.after(world.delay_between(disk_min, disk_max), [this, here = alive] {
      ReadyList done;
      if (!*here || !disk->step(done)) {
        return;
      }
      Completion* completion = done.pop();
      completion->requeue();
      driver.finish(*completion, completion->result);
    });
  }

  SimWorld& world;
  SimDriver& driver;
  std::unique_ptr<SimNet> net;
  SimTls tls;
  std::unique_ptr<SecureNet> secure_net;
  std::unique_ptr<SimDisk> disk;
  SimEntropy entropy;
  Duration disk_min;
  Duration disk_max;
  std::unique_ptr<app::Shard> shard;
  std::unique_ptr<SimDns> dns;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  bool drained = false;
  bool stopped = false;
};

Machine::Machine(MachineRoom room, unsigned shards)
    : room_(std::move(room)), shards_(shards), mailroom_(shards + 2, 256) {}

Machine::~Machine() { *alive_ = false; }

app::ShardSettings Machine::settings_of(unsigned shard) const {
  app::ShardSettings settings = app::shard_settings(room_.snapshot, shard, shards_);
  SimTls contexts;
  settings.ingest_config = *app::ingest_config(room_.snapshot, {}, nullptr, &contexts);
  make_small(settings.spool);
  settings.main_endpoint = shards_;
  settings.spool_id = folder_->id();
  settings.spool_logs = folder_->logs_of(shard);
  settings.deliver.hosts.clean_before_grouping = room_.clean_before_grouping;
  settings.schedule.jobs_max = 64;
  settings.ingest_memory.sessions_max = 16;
  settings.ingest_memory.turned_away_max = 4;
  settings.ingest_memory.envelope_blocks = 64;
  settings.ingest_memory.recipients_max = 200;
  settings.parcels = 32;
  if (room_.tiny) {
    settings.schedule.jobs_max = 4;
    settings.schedule.entries_max = 12;
    settings.parcels = 2;
    settings.spool.unsettled_max = 6;
  }
  settings.pause_rules = room_.pause_rules;
  settings.move_rules = room_.move_rules;
  settings.keys = std::make_shared<const app::KeyRing>(room_.snapshot);
  settings.kept = kept_;
  return settings;
}

Status Machine::start() {
  SimDisk disk(room_.files, room_.world.random().next());
  SimEntropy entropy(room_.world.random().next());
  const std::string folder(room_.snapshot->global().spools.front().path);
  if (auto made = disk.make_folder(folder); !made) {
    return made;
  }
  auto opened = spool::SpoolFolder::open(disk, entropy, folder, shards_, "1");
  if (!opened) {
    return opened.error();
  }
  folder_ = std::make_unique<spool::SpoolFolder>(std::move(*opened));
  auto kept = app::gather_state(disk, folder, shards_);
  if (!kept) {
    return kept.error();
  }
  kept_ = std::move(*kept);
  auto options = app::account_options(room_.snapshot, shards_, folder_->id());
  if (!options) {
    return options.error();
  }
  options->ring_bytes = 64 << 10;
  auto log = account::LogWriter::open(std::move(*options), room_.accounts);
  if (!log) {
    return log.error();
  }
  log_ = std::move(*log);
  pump();
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Node& node = *nodes_.emplace_back(std::make_unique<Node>(room_.world, room_));
    node.shard = std::make_unique<app::Shard>(
        settings_of(shard),
        app::ShardPorts{node.driver, *node.secure_net, *node.disk, node.entropy, *node.secure_net},
        mailroom_, *log_);
    node.dns = std::make_unique<SimDns>(node.shard->loop(), room_.zone);
    if (auto started = node.shard->start(*node.dns); !started) {
      return started;
    }
  }
  for (auto& node : nodes_) {
    if (auto listening = node->shard->listen(); !listening) {
      return listening;
    }
    room_.world.add_loop(node->shard->loop());
  }
  return {};
}

void Machine::command(app::ControlKind kind, const std::string& pattern) {
  auto task = std::make_unique<app::ControlTask>();
  task->kind = kind;
  task->pattern = *schedule::QueuePattern::parse(pattern);
  post(*task);
  tasks_.push_back(std::move(task));
}

void Machine::post(app::ControlTask& task) {
  task.parts.assign(shards_, {});
  app::ControlTask* pointer = &task;
  for (unsigned shard = 0; shard < shards_; ++shard) {
    RP_ASSERT(mailroom_.post(shards_ + 1, shard,
                             Letter::of(app::kind_of(app::LetterKind::control), pointer)));
  }
}

std::unique_ptr<app::ControlTask> Machine::ask(std::unique_ptr<app::ControlTask> task) {
  post(*task);
  const app::ControlTask* const asked = task.get();
  const bool answered = room_.world.run_until(
      [&] {
        collect_answers();
        return asked->answers == shards_;
      },
      Duration::minutes(1));
  if (!answered) {
    tasks_.push_back(std::move(task));  // shards may still write to it
  }
  return task;
}

void Machine::collect_answers() {
  for (unsigned shard = 0; shard < shards_; ++shard) {
    Letter letter;
    while (mailroom_.take(shards_ + 1, shard, letter)) {
      ++letter.as<app::ControlTask*>()->answers;
    }
  }
  std::erase_if(tasks_, [&](const auto& task) {
    if (task->answers < shards_) {
      return false;
    }
    if (task->kind == app::ControlKind::pause || task->kind == app::ControlKind::resume) {
      room_.pause_rules = task->parts.front().pause_rules;
    }
    return true;
  });
}

void Machine::pump() {
  log_->pump(room_.world.instant());
  collect_answers();
  room_.world.after(kPumpInterval, [this, alive = alive_] {
    if (*alive) {
      pump();
    }
  });
}

LoopStats Machine::loop_stats() const {
  LoopStats sum;
  for (const auto& node : nodes_) {
    const LoopStats& one = node->shard->loop().stats();
    sum.turns += one.turns;
    sum.handlers += one.handlers;
    sum.timers += one.timers;
    sum.letters_received += one.letters_received;
    sum.letters_posted += one.letters_posted;
    sum.peers_woken += one.peers_woken;
  }
  return sum;
}

void Machine::tell_all(app::LetterKind kind) {
  for (unsigned shard = 0; shard < shards_; ++shard) {
    RP_ASSERT(mailroom_.post(shards_, shard, Letter::of(app::kind_of(kind), std::uint64_t{0})));
  }
}

bool Machine::await(app::LetterKind kind, Duration limit) {
  return room_.world.run_until(
      [&] {
        for (unsigned shard = 0; shard < shards_; ++shard) {
          Letter letter;
          while (mailroom_.take(shards_, shard, letter)) {
            const auto said = static_cast<app::LetterKind>(letter.kind);
            Node& node = *nodes_[shard];
            node.drained = node.drained || said == app::LetterKind::drained;
            if (said == app::LetterKind::stopped) {
              node.stopped = true;
              // Its thread ends with this turn.
              room_.world.remove_loop(node.shard->loop());
            }
          }
        }
        return std::all_of(nodes_.begin(), nodes_.end(), [kind](const auto& node) {
          return kind == app::LetterKind::drained ? node->drained : node->stopped;
        });
      },
      limit);
}

void Machine::leave_world() {
  *alive_ = false;
  for (auto& node : nodes_) {
    *node->alive = false;
    room_.world.remove_loop(node->shard->loop());
  }
}

std::string Machine::stop() {
  std::string fault;
  tell_all(app::LetterKind::drain);
  if (!await(app::LetterKind::drained, room_.snapshot->global().shutdown_timeout)) {
    tell_all(app::LetterKind::abandon);
    if (!await(app::LetterKind::drained, kCloseTime)) {
      fault = "a shard did not drain";
    }
  }
  if (fault.empty()) {
    tell_all(app::LetterKind::checkpoint);
    if (!await(app::LetterKind::stopped, kCloseTime)) {
      fault = "a shard did not close its spool";
    }
  }
  if (!fault.empty()) {
    return fault;
  }
  const Instant deadline = room_.world.instant() + kCloseTime;
  while (!log_->drained() && room_.world.instant() < deadline) {
    room_.world.run_for(kPumpInterval);
  }
  leave_world();
  for (auto& node : nodes_) {
    if (node->net->streams_open() != 0 || node->net->chunks_lent() != 0) {
      fault = "after the stop " + std::to_string(node->net->streams_open()) + " streams and " +
              std::to_string(node->net->chunks_lent()) + " chunks are left";
    }
    node->dns.reset();
    node->shard.reset();
  }
  if (!log_->drained()) {
    fault = "the log writer did not come to rest";
  }
  nodes_.clear();
  return fault;
}

void Machine::crash(std::unique_ptr<Machine> machine, bool power_cut) {
  machine->leave_world();
  if (power_cut) {
    machine->room_.files.crash();
    machine->room_.accounts.crash();
  } else {
    machine->room_.files.kill();
  }
  for (auto& node : machine->nodes_) {
    node->net.reset();
  }
  machine->log_.reset();
  machine->folder_.reset();
  graveyard().push_back(machine.release());
}

app::ShardStatus Machine::status() {
  app::ShardStatus sum;
  for (auto& node : nodes_) {
    const app::ShardStatus one = node->shard->status();
    sum.queued_recipients += one.queued_recipients;
    sum.spool_messages += one.spool_messages;
    sum.sessions_out += one.sessions_out;
    sum.sessions_in += one.sessions_in;
    sum.zero_copy_sends += one.zero_copy_sends;
    sum.alarms.insert(sum.alarms.end(), one.alarms.begin(), one.alarms.end());
  }
  return sum;
}

bool Machine::settled() {
  const app::ShardStatus now = status();
  return now.queued_recipients == 0 && now.spool_messages == 0 && log_->drained();
}

std::string Machine::recovery_summary() const {
  std::string text;
  for (const auto& node : nodes_) {
    text += node->shard->recovery().summary() + "; ";
    for (const std::string& note : node->shard->recovery().notes) {
      text += note + "; ";
    }
  }
  return text;
}

bool Machine::damaged() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node->shard->recovery().damage(); });
}

}  // namespace ringpost::sim
