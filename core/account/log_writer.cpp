#include "core/account/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "core/base/fixed_vector.h"

namespace ringpost::account {
namespace {

/// Rows taken from the rings before they are written.
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
constexpr std::size_t kBatchStep = std::size_t{16} << 10;
/// After a round of work the thread lets rows gather, so that shards need not wake it for each.
constexpr Duration kGather = Duration::milliseconds(20);
constexpr Duration kBackoffMin = Duration::milliseconds(100);
constexpr Duration kBackoffMax = Duration::seconds(5);
constexpr std::size_t kNotesMax = 64;
/// How often periods and archives are looked at.
constexpr Duration kLook = Duration::seconds(1);
/// How often the reserve is tried while it is missing.
constexpr Duration kReserveRetry = Duration::milliseconds(100);

Instant clock_now() {
  struct timespec time {};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant{static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec};
}

}  // namespace

FinishRule finish_rule_of(const AccountFileSpec& spec) {
  return {spec.path, spec.move_to, spec.packing, spec.delete_after, spec.mode};
}

namespace {

/// Octets kept free on a file system of memory for what finishing a full file needs: an index, the
/// position beside the finished file, the beginning of the next. An eighth of a small file system.
constexpr std::uint64_t kReserveMax = std::uint64_t{256} << 10;
constexpr std::uint64_t kReserveMin = std::uint64_t{16} << 10;

std::string reserve_of(const AccountFileSpec& spec) { return spec.path + ".reserve"; }

/// Makes it, or sees that it is there; false: there is no room for it now. Where none can be made
/// for another reason there is none.
bool keep_reserve(const AccountFileSpec& spec) {
  const int file = ::open(reserve_of(spec).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, spec.mode);
  if (file < 0) {
    return errno != ENOSPC;
  }
  struct statvfs room {};
  const bool known = ::fstatvfs(file, &room) == 0;
  const std::uint64_t eighth = known ? room.f_blocks * room.f_frsize / 8 : kReserveMax;
  const std::uint64_t size = std::clamp(eighth, kReserveMin, kReserveMax);
  const int result = ::posix_fallocate(file, 0, static_cast<off_t>(size));
  ::close(file);
  return result != ENOSPC;
}

}  // namespace

struct LogWriter::State {
  explicit State(FileCalls& through) : calls(through) {}

  FileCalls& calls;
  std::vector<std::unique_ptr<ArchiveFile>> files;
  std::vector<Rotation> rotations;  ///< one per file
  std::vector<std::uint8_t> apart;  ///< per file: it goes with the power, its archive does not
  std::vector<LogTable> archives;   ///< per file that is apart: what its archive holds
  std::unique_ptr<Archiver> archiver;
  bool full = false;                      ///< something found no space in this round
  bool owes_reserve = false;              ///< no row is taken before the reserve is there again
  std::size_t batch_bytes = kBatchBytes;  ///< less while space is short: a batch must fit
  bool looks = false;                     ///< something is to be looked at when time passes
  Instant next_look;
  std::vector<std::uint64_t> cursors;   ///< per ring: read so far
  std::vector<std::uint64_t> released;  ///< per ring: durable so far
  LogTable seen;                        ///< highest sequences taken from the rings
  bool behind = false;                  ///< the last round left entries in a ring
  bool unsynced = false;
  Instant unsynced_since;
  Instant retry_at;
  Duration backoff = kBackoffMin;

  std::atomic<std::uint64_t> records{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> syncs{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> rewinds{0};
  std::atomic<std::uint64_t> rotated{0};
  std::atomic<bool> failing{false};
  std::mutex flush_lock;  ///< for who waits for flushes_done_
  std::condition_variable flushed;
  std::mutex notes_lock;
  std::vector<std::string> notes;
};

Result<std::unique_ptr<LogWriter>> LogWriter::open(LogWriterOptions options, FileCalls& calls) {
  if (options.files.size() > kAccountFilesMax) {
    return Error::of(ErrorCode::no_capacity,
                     "more accounting files than " + std::to_string(kAccountFilesMax));
  }
  // A ring holds the rows of one record in all files at the least.
  std::size_t ring_bytes = 4096;
  while (ring_bytes < std::max(options.ring_bytes,
                               4 * kRowBytesMax * std::max<std::size_t>(1, options.files.size()))) {
    ring_bytes *= 2;
  }
  options.ring_bytes = ring_bytes;
  std::unique_ptr<LogWriter> writer(new LogWriter(std::move(options), calls));
  if (writer->wake_ < 0) {
    return Error::from_errno(errno, "eventfd");
  }
  std::vector<FinishRule> rules;
  for (const AccountFileSpec& spec : writer->options_.files) {
    const auto twin =
        std::count_if(writer->options_.files.begin(), writer->options_.files.end(),
                      [&spec](const AccountFileSpec& other) { return other.path == spec.path; });
    if (twin > 1) {
      return Error::of(ErrorCode::invalid, "two accounting files are named " + spec.path);
    }
    if (const Status opened = writer->open_file(spec); !opened) {
      return opened.error();
    }
    rules.push_back(finish_rule_of(spec));
    if (!rules.back().moves() && rules.back().delete_after.is_forever()) {
      rules.pop_back();
    }
  }
  if (!rules.empty()) {
    writer->state_->archiver = std::make_unique<Archiver>(std::move(rules), writer->options_.spool);
  }
  writer->publish();
  return writer;
}

Status LogWriter::open_file(const AccountFileSpec& spec) {
  State& state = *state_;
  const FinishRule rule = finish_rule_of(spec);
  const bool goes = state.calls.is_volatile(spec.path);
  const bool apart = goes && !rule.move_to.empty() && !state.calls.is_volatile(rule.move_to + "/x");
  LogTable held;
  if (rule.moves()) {
    held = archived_positions(rule, options_.spool);
  }
  auto file = std::make_unique<ArchiveFile>(
      state.calls, ArchiveFileOptions{spec.path, RowFormatter(spec.style).header(), spec.mode,
                                      options_.spool, held});
  if (apart) {
    ::unlink(reserve_of(spec).c_str());  // A start needs its room where the last run left none.
  }
  if (const Status recovered = file->recover(); !recovered) {
    return recovered;
  }
  for (std::string& text : file->notes()) {
    recovery_notes_.push_back(std::move(text));
  }
  if (goes && !apart) {
    recovery_notes_.push_back(spec.path +
                              " lies on a file system that is lost with the power; move-to names "
                              "a folder where its records stay");
  }
  state.rotations.emplace_back(spec.rotation, rule, options_.spool);
  state.rotations.back().opened(*file, state.calls.wall());
  state.looks = state.looks || apart || state.rotations.back().by_time();
  state.files.push_back(std::move(file));
  state.apart.push_back(apart ? 1 : 0);
  any_apart_ = any_apart_ || apart;
  state.owes_reserve = any_apart_;
  state.archives.push_back(std::move(held));
  return {};
}

LogWriter::LogWriter(LogWriterOptions options, FileCalls& calls)
    : options_(std::move(options)),
      written_(std::make_unique<std::atomic<std::uint64_t>[]>(kLogsMax)),
      archived_(std::make_unique<std::atomic<std::uint64_t>[]>(kLogsMax)),
      state_(std::make_unique<State>(calls)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (unsigned shard = 0; shard < options_.shards; ++shard) {
    rings_.push_back(std::make_unique<RowRing>(options_.ring_bytes));
  }
  state_->cursors.resize(options_.shards);
  state_->released.resize(options_.shards);
}

LogWriter::~LogWriter() {
  if (thread_.joinable()) {
    stop();
  }
  if (wake_ >= 0) {
    ::close(wake_);
  }
}

// The thread.

void LogWriter::start() {
  RP_ASSERT(!thread_.joinable());
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "log-writer");
  if (state_->archiver != nullptr) {
    state_->archiver->start();
  }
}

bool LogWriter::stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(wake_, &one, sizeof one);
    thread_.join();
  }
  if (state_->archiver != nullptr) {
    state_->archiver->stop();
  }
  return drained();
}

void LogWriter::flush() noexcept {
  flushes_asked_.fetch_add(1, std::memory_order_seq_cst);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(wake_, &one, sizeof one);
}

void LogWriter::relieve(Instant now) noexcept {
  std::int64_t last = relieved_at_ns_.load(std::memory_order_relaxed);
  if (any_apart_ && now.ns - last >= kRelieveInterval.ns &&
      relieved_at_ns_.compare_exchange_strong(last, now.ns, std::memory_order_relaxed)) {
    flush();
  }
}

bool LogWriter::flush_and_wait(Duration patience) {
  flush();
  const std::uint64_t mine = flushes_asked_.load(std::memory_order_seq_cst);
  std::unique_lock lock(state_->flush_lock);
  return state_->flushed.wait_for(lock, std::chrono::nanoseconds(patience.ns), [&] {
    return flushes_done_.load(std::memory_order_seq_cst) >= mine;
  });
}

void LogWriter::reopen() noexcept {
  reopening_.store(true, std::memory_order_seq_cst);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(wake_, &one, sizeof one);
}

void LogWriter::notify() noexcept {
  // The put before and this load, and the thread's store of the flag and its look at the rings,
  // are all in one order: either the thread sees the row or we see that it sleeps.
  if (sleeping_.load(std::memory_order_seq_cst) &&
      sleeping_.exchange(false, std::memory_order_seq_cst)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(wake_, &one, sizeof one);
  }
}

void LogWriter::run() {
  Instant give_up = Instant::never();
  while (true) {
    const Instant now = clock_now();
    const bool stopping = stopping_.load(std::memory_order_seq_cst);
    const bool worked = pump(now);
    if (stopping && drained()) {
      return;
    }
    if (stopping && give_up == Instant::never()) {
      give_up = now + options_.stop_patience;
    }
    if (now >= give_up) {
      return;
    }
    wait(now, worked);
  }
}

void LogWriter::wait(Instant now, bool worked) {
  Instant until = next_deadline();
  if (worked) {
    until = state_->behind ? now : std::min(until, now + kGather);
  } else {
    sleeping_.store(true, std::memory_order_seq_cst);
    for (std::size_t i = 0; i < rings_.size() && until > now; ++i) {
      // While the disk fails rows wait for its time, not the thread for rows.
      const bool rows = rings_[i]->more(state_->cursors[i]) && state_->retry_at <= now;
      until = rows ? now : until;
    }
  }
  int timeout_ms = -1;
  if (until != Instant::never()) {
    timeout_ms = static_cast<int>(
        std::clamp<std::int64_t>(((until - now).ns + 999'999) / 1'000'000, 0, 60'000));
  }
  struct pollfd entry {
    wake_, POLLIN, 0
  };
  ::poll(&entry, 1, timeout_ms);
  sleeping_.store(false, std::memory_order_seq_cst);
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
}

// One round.

bool LogWriter::pump(Instant now) {
  State& state = *state_;
  if (now < state.retry_at) {
    return false;
  }
  bool worked = false;
  const bool ready = std::all_of(state.files.begin(), state.files.end(),
                                 [](const auto& file) { return file->ready(); });
  if (ready && !state.owes_reserve && collect()) {
    worked = true;
    state.unsynced_since = state.unsynced ? state.unsynced_since : now;
    state.unsynced = true;
  }
  if (!write_all(now)) {
    make_room(now);
    return worked;
  }
  if (sync_due(now)) {
    if (!sync_all(now)) {
      make_room(now);
      return worked;
    }
    worked = true;
  }
  if (!state.unsynced &&
      ((reopening_.load(std::memory_order_seq_cst) && !reopen_all(now)) || !rotate_due(now))) {
    make_room(now);
    return worked;
  }
  state.full = false;
  look_at_archives(now);
  state.failing.store(state.owes_reserve, std::memory_order_relaxed);
  state.backoff = kBackoffMin;
  return worked;
}

Instant LogWriter::next_deadline() const noexcept {
  const State& state = *state_;
  if (state.failing.load(std::memory_order_relaxed) || state.owes_reserve) {
    return state.retry_at;
  }
  const Instant look = state.looks ? state.next_look : Instant::never();
  return state.unsynced ? std::min(look, state.unsynced_since + options_.sync_interval) : look;
}

bool LogWriter::drained() const noexcept {
  const State& state = *state_;
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    if (rings_[i]->more(state.released[i])) {
      return false;
    }
  }
  return !state.unsynced;
}

bool LogWriter::collect() {
  State& state = *state_;
  bool any = false;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    while (bytes < state.batch_bytes) {
      const std::string_view entry = rings_[i]->read(state.cursors[i]);
      if (entry.empty()) {
        break;
      }
      take_entry(entry);
      bytes += entry.size();
      any = true;
    }
  }
  state.behind = bytes >= state.batch_bytes;
  return any;
}

void LogWriter::take_entry(std::string_view entry) {
  State& state = *state_;
  EntryHead head;
  RP_ASSERT(entry.size() >= sizeof head);
  std::memcpy(&head, entry.data(), sizeof head);
  entry.remove_prefix(sizeof head);
  std::array<std::string_view, kAccountFilesMax> rows;
  for (unsigned i = 0; i < head.rows; ++i) {
    EntryRowHead row;
    std::memcpy(&row, entry.data(), sizeof row);
    for (std::uint32_t rest = row.files; rest != 0; rest &= rest - 1) {
      rows[static_cast<std::size_t>(std::countr_zero(rest))] = entry.substr(sizeof row, row.size);
    }
    entry.remove_prefix(sizeof row + row.size);
  }
  for (std::size_t i = 0; i < state.files.size(); ++i) {
    if (state.files[i]->wants(head.log, head.sequence)) {
      state.files[i]->take(head.log, head.sequence, rows[i]);
    }
  }
  if (head.sequence > state.seen[head.log]) {
    state.seen.set(head.log, head.sequence);
    state.records.fetch_add(1, std::memory_order_relaxed);
  }
}

bool LogWriter::write_all(Instant now) {
  State& state = *state_;
  bool all = true;
  std::uint64_t bytes = 0;
  for (const auto& file : state.files) {
    all = check(file->write(), now) && all;
    bytes += file->bytes_written();
  }
  state.bytes.store(bytes, std::memory_order_relaxed);
  return check_rewound() && all;
}

/// The file system is full: what is durable in the files that can be brought elsewhere is finished,
/// so that the archiver frees their place. The reserve makes room for doing so.
void LogWriter::make_room(Instant now) {
  State& state = *state_;
  if (!std::exchange(state.full, false)) {
    return;
  }
  state.batch_bytes = std::max(kBatchStep, state.batch_bytes / 2);
  bool any = false;
  for (std::size_t i = 0; i < state.files.size(); ++i) {
    const AccountFileSpec& spec = options_.files[i];
    if (state.apart[i] == 0) {
      continue;
    }
    ::unlink(reserve_of(spec).c_str());
    state.owes_reserve = true;
    for (const auto& file : state.files) {
      file->retreat();
    }
    ArchiveFile& file = *state.files[i];
    const bool calm = std::all_of(state.files.begin(), state.files.end(),
                                  [&](const auto& one) { return check(one->write(), now); });
    check_rewound();
    if (calm && file.has_rows()) {
      any = true;
      const bool done = check(state.rotations[i].rotate(file, state.calls.wall()), now);
      state.rotated.fetch_add(done ? 1 : 0, std::memory_order_relaxed);
    }
  }
  if (any) {
    state.archiver->wake();
  }
}

/// Rows may follow once a file that is due has been finished: positions are those of all files.
bool LogWriter::rotation_due() {
  State& state = *state_;
  if (flushes_asked_.load(std::memory_order_seq_cst) !=
      flushes_done_.load(std::memory_order_seq_cst)) {
    return true;
  }
  const WallTime wall = state.calls.wall();
  for (std::size_t i = 0; i < state.files.size(); ++i) {
    if (state.rotations[i].due(*state.files[i], wall)) {
      return true;
    }
  }
  return false;
}

/// False: a file could not be finished; it is tried again.
bool LogWriter::rotate_due(Instant now) {
  State& state = *state_;
  const std::uint64_t asked = flushes_asked_.load(std::memory_order_seq_cst);
  const bool flush = asked != flushes_done_.load(std::memory_order_seq_cst);
  const WallTime wall = state.calls.wall();
  bool all = true;
  bool any = false;
  for (std::size_t i = 0; i < state.files.size(); ++i) {
    ArchiveFile& file = *state.files[i];
    if (!state.rotations[i].due(file, wall) && !(flush && file.has_rows())) {
      continue;
    }
    const bool done = check(state.rotations[i].rotate(file, wall), now);
    all = all && done;
    any = any || done;
    state.rotated.fetch_add(done ? 1 : 0, std::memory_order_relaxed);
  }
  if (all && flush) {
    {
      const std::lock_guard lock(state.flush_lock);
      flushes_done_.store(asked, std::memory_order_seq_cst);
    }
    state.flushed.notify_all();
  }
  if ((any || flush) && state.archiver != nullptr) {
    state.archiver->wake();
  }
  return all;
}

/// Rows never eat the reserve: until it is there again none is taken. Where a file of ours fills
/// the place, it is finished.
void LogWriter::regain_reserve(Instant now) {
  State& state = *state_;
  bool all = true;
  for (std::size_t i = 0; i < state.files.size(); ++i) {
    if (state.apart[i] == 0 || keep_reserve(options_.files[i])) {
      continue;
    }
    all = false;
    ArchiveFile& file = *state.files[i];
    if (!state.unsynced && file.has_rows()) {
      const bool done = check(state.rotations[i].rotate(file, state.calls.wall()), now);
      state.rotated.fetch_add(done ? 1 : 0, std::memory_order_relaxed);
    }
    state.archiver->wake();
  }
  state.owes_reserve = !all;
  if (!all) {
    state.retry_at = std::max(state.retry_at, now + kReserveRetry);
  }
}

/// What finishers, this program's or another's, have made durable since.
void LogWriter::look_at_archives(Instant now) {
  State& state = *state_;
  if (state.owes_reserve) {
    regain_reserve(now);
  }
  if (!state.looks || now < state.next_look) {
    return;
  }
  state.next_look = now + kLook;
  for (std::size_t i = 0; i < state.files.size(); ++i) {
    if (state.apart[i] != 0) {
      keep_reserve(options_.files[i]);
      state.archives[i].raise(
          read_positions(archive_position_path(finish_rule_of(options_.files[i])), options_.spool));
    }
  }
  publish();
}

bool LogWriter::sync_due(Instant now) {
  const State& state = *state_;
  if (!state.unsynced) {
    return false;
  }
  // In a file system that was full a moment ago each batch is made sure of at once: if it is full
  // again before the next sync, all since the last one is taken back, and nothing would get on.
  const bool cramped = state.batch_bytes < kBatchBytes;
  if (cramped || now >= state.unsynced_since + options_.sync_interval ||
      stopping_.load(std::memory_order_relaxed) || reopening_.load(std::memory_order_relaxed) ||
      rotation_due()) {
    return true;
  }
  // Rows keep their room in the ring until they are synced.
  return std::any_of(rings_.begin(), rings_.end(),
                     [](const auto& ring) { return ring->used() > ring->capacity() / 2; });
}

bool LogWriter::sync_all(Instant now) {
  State& state = *state_;
  bool all = true;
  for (const auto& file : state.files) {
    all = check(file->sync(), now) && all;
  }
  if (!check_rewound() || !all) {
    return false;
  }
  publish();
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    state.released[i] = state.cursors[i];
    rings_[i]->release(state.cursors[i]);
  }
  state.unsynced = false;
  state.batch_bytes = std::min(kBatchBytes, state.batch_bytes + kBatchStep);
  state.syncs.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool LogWriter::reopen_all(Instant now) {
  bool all = true;
  for (const auto& file : state_->files) {
    all = check(file->reopen(), now) && all;
  }
  if (all) {
    reopening_.store(false, std::memory_order_seq_cst);
  }
  return all;
}

/// After an error: alarm, and the next round not before the back-off is over.
bool LogWriter::check(const Status& status, Instant now) {
  State& state = *state_;
  if (status.ok()) {
    return true;
  }
  if (!state.failing.exchange(true, std::memory_order_relaxed)) {
    note(status.error().describe());
  }
  state.full = state.full || status.error().code == ErrorCode::no_space;
  if (state.retry_at <= now) {
    state.retry_at = now + state.backoff;
    state.backoff = std::min(state.backoff * 2, kBackoffMax);
  }
  state.failures.fetch_add(1, std::memory_order_relaxed);
  return false;
}

/// False when a file lost rows that had not been synced: all rings are read again from there.
bool LogWriter::check_rewound() {
  State& state = *state_;
  bool rewound = false;
  for (const auto& file : state.files) {
    rewound = file->rewound() || rewound;
    for (std::string& text : file->notes()) {
      note(std::move(text));
    }
  }
  if (rewound) {
    state.cursors = state.released;
    state.unsynced = false;
    state.rewinds.fetch_add(1, std::memory_order_relaxed);
  }
  return !rewound;
}

void LogWriter::publish() {
  const State& state = *state_;
  for (std::size_t log = 0; log < kLogsMax; ++log) {
    std::uint64_t written = state.files.empty() ? state.seen[log] : ~std::uint64_t{0};
    std::uint64_t archived = written;
    for (std::size_t i = 0; i < state.files.size(); ++i) {
      const std::uint64_t synced = state.files[i]->synced()[log];
      written = std::min(written, synced);
      archived = std::min(archived, state.apart[i] != 0 ? state.archives[i][log] : synced);
    }
    written_[log].store(written, std::memory_order_release);
    archived_[log].store(archived, std::memory_order_release);
  }
}

LogWriterStats LogWriter::stats() const noexcept {
  const State& state = *state_;
  LogWriterStats stats;
  stats.records = state.records.load(std::memory_order_relaxed);
  stats.bytes = state.bytes.load(std::memory_order_relaxed);
  stats.syncs = state.syncs.load(std::memory_order_relaxed);
  stats.failures = state.failures.load(std::memory_order_relaxed);
  stats.rewinds = state.rewinds.load(std::memory_order_relaxed);
  stats.failing = state.failing.load(std::memory_order_relaxed);
  stats.rotations = state.rotated.load(std::memory_order_relaxed);
  stats.ring_bytes = options_.ring_bytes;
  for (const auto& ring : rings_) {
    stats.ring_bytes_used = std::max<std::uint64_t>(stats.ring_bytes_used, ring->used());
  }
  if (state.archiver != nullptr) {
    stats.archiver = state.archiver->stats();
  }
  return stats;
}

void LogWriter::note(std::string text) {
  const std::lock_guard lock(state_->notes_lock);
  if (state_->notes.size() < kNotesMax) {
    state_->notes.push_back(std::move(text));
  }
}

std::vector<std::string> LogWriter::take_notes() {
  std::vector<std::string> notes;
  {
    const std::lock_guard lock(state_->notes_lock);
    notes.swap(state_->notes);
  }
  if (state_->archiver != nullptr) {
    for (std::string& text : state_->archiver->take_notes()) {
      notes.push_back(std::move(text));
    }
  }
  return notes;
}

}  // namespace ringpost::account
