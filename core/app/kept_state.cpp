#include "core/app/kept_state.h"

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/schedule/kept_line.h"

namespace ringpost::app {
namespace {

constexpr std::string_view kMark = "ringpost-state-1";
constexpr std::size_t kHeadBytes = 160;
constexpr std::uint64_t kFirstSize = 16 << 10;
constexpr std::uint64_t kFileMax = std::uint64_t{256} << 20;

/// One whole file: a head of fixed length, then the lines.
struct StateFile {
  bool whole = false;
  std::uint64_t epoch = 0;
  std::uint64_t shards = 0;
  std::uint64_t sequence = 0;
  std::uint64_t last = 0;  ///< 1: written at the end of a run
  std::string lines;
};

std::string path_of(const std::string& folder, const std::string& who, unsigned place) {
  return folder + "/state." + who + "." + std::to_string(place);
}

std::string encode(const StateFile& file) {
  std::string head = std::string(kMark) + " " + std::to_string(file.epoch) + " " +
                     std::to_string(file.shards) + " " + std::to_string(file.sequence) + " " +
                     std::to_string(file.last) + " " + std::to_string(file.lines.size()) + " ";
  const std::uint64_t sum = hash64(file.lines, hash64(head));
  head += std::to_string(sum) + " ";
  RP_ASSERT(head.size() < kHeadBytes);
  head.resize(kHeadBytes - 1, ' ');
  return head + "\n" + file.lines;
}

StateFile decode(std::string_view bytes) {
  StateFile file;
  if (bytes.size() < kHeadBytes || !bytes.starts_with(kMark)) {
    return file;
  }
  std::uint64_t numbers[6] = {};
  std::size_t at = kMark.size() + 1;
  std::size_t sum_at = 0;
  for (std::uint64_t& number : numbers) {
    const std::size_t end = bytes.find(' ', at);
    if (end == std::string_view::npos || !parse_decimal(bytes.substr(at, end - at), number)) {
      return file;
    }
    sum_at = at;
    at = end + 1;
  }
  const std::uint64_t size = numbers[4];
  if (size > bytes.size() - kHeadBytes) {
    return file;
  }
  file.lines = bytes.substr(kHeadBytes, size);
  file.whole = hash64(file.lines, hash64(bytes.substr(0, sum_at))) == numbers[5];
  file.epoch = numbers[0];
  file.shards = numbers[1];
  file.sequence = numbers[2];
  file.last = numbers[3];
  return file;
}

StateFile read_one(Disk& disk, const std::string& path) {
  const auto file = disk.open(path, false);
  if (!file) {
    return {};
  }
  const auto size = disk.size(*file);
  std::string bytes(size ? std::min(*size, kFileMax) : 0, '\0');
  const auto got = disk.read(*file, 0, bytes);
  disk.close(*file);
  bytes.resize(got ? *got : 0);
  return decode(bytes);
}

template <class Each>
void for_lines(std::string_view lines, Each each) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    if (end > 0) {
      each(lines.substr(0, end));
    }
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

/// The later of the two files that is whole.
StateFile read_pair(Disk& disk, const std::string& folder, const std::string& who) {
  StateFile one = read_one(disk, path_of(folder, who, 0));
  StateFile other = read_one(disk, path_of(folder, who, 1));
  const auto rank = [](const StateFile& file) {
    return std::pair{file.whole ? file.epoch : 0, file.whole ? file.sequence : 0};
  };
  StateFile later = rank(one) < rank(other) ? std::move(other) : std::move(one);
  return later.whole ? std::move(later) : StateFile{};
}

Status write_whole(Disk& disk, const std::string& folder, const std::string& path,
                   std::string_view bytes) {
  auto file = disk.open(path, true);
  const bool fresh = !file;
  if (fresh) {
    file = disk.create(path);
  }
  if (!file) {
    return file.error();
  }
  Status written = disk.write_now(*file, 0, bytes, true);
  disk.close(*file);
  return written && fresh ? disk.sync_folder(folder) : written;
}

/// Lines of shards about what is no queue's: they replace the base's, one by one.
std::set<std::string_view> shared_subjects(std::string_view lines) {
  std::set<std::string_view> subjects;
  for_lines(lines, [&](std::string_view line) {
    if (schedule::is_shared_line(line)) {
      subjects.insert(schedule::subject_of_line(line));
    }
  });
  return subjects;
}

/// What holds of the base besides what shards wrote since.
void add_base(std::string& out, const StateFile& base, const std::vector<bool>& newer) {
  const std::string written = out;
  const auto subjects = shared_subjects(written);
  for_lines(base.lines, [&](std::string_view line) {
    const std::uint64_t home = schedule::home_of_line(line, base.shards);
    const bool replaced = schedule::is_shared_line(line)
                              ? subjects.count(schedule::subject_of_line(line)) != 0
                              : home < newer.size() && newer[home];
    if (!replaced) {
      out.append(line).append("\n");
    }
  });
}

}  // namespace

Result<GatheredState> gather_state(Disk& disk, const std::string& folder, unsigned shards) {
  constexpr std::uint64_t kShardsMax = 256;
  const StateFile base = read_pair(disk, folder, "base");
  std::vector<StateFile> files(kShardsMax);
  std::uint64_t epoch = base.epoch;
  for (std::uint64_t shard = 0; shard < kShardsMax; ++shard) {
    files[shard] = read_pair(disk, folder, std::to_string(shard));
    epoch = base.whole ? epoch : std::max(epoch, files[shard].epoch);
  }
  GatheredState gathered;
  std::uint64_t latest = epoch;
  std::vector<bool> newer(kShardsMax);
  std::uint64_t ended = 0;
  bool any = base.whole;
  for (std::uint64_t shard = 0; shard < kShardsMax; ++shard) {
    const StateFile& file = files[shard];
    latest = std::max(latest, file.epoch);
    any = any || file.whole;
    if (file.whole && file.epoch == epoch) {
      gathered.lines += file.lines;
      newer[shard] = true;
      ended += file.last;
    }
  }
  add_base(gathered.lines, base, newer);
  gathered.clean = !any || (base.whole && ended == base.shards);
  gathered.epoch = latest + 1;
  const std::string bytes = encode({true, gathered.epoch, shards, 1, 0, gathered.lines});
  for (unsigned place = 0; place < 2; ++place) {
    // Over the older one first; the younger one stays whole meanwhile.
    const StateFile there = read_one(disk, path_of(folder, "base", place));
    if (there.whole && there.epoch == base.epoch && base.whole) {
      continue;
    }
    if (auto written = write_whole(disk, folder, path_of(folder, "base", place), bytes); !written) {
      return written.error();
    }
    return gathered;
  }
  RP_ASSERT_NOTE(false, "both base files are of one epoch");
}

KeptState::KeptState(Disk& disk, const std::string& folder, const Identity& identity)
    : disk_(disk), folder_(folder), identity_(identity) {
  write_.bind<&KeptState::on_written>(this);
  grow_.bind<&KeptState::on_grown>(this);
}

KeptState::~KeptState() {
  RP_ASSERT_NOTE(idle(), "destroyed while writing");
  for (const FileId file : files_) {
    if (file.valid()) {
      disk_.close(file);
    }
  }
}

Status KeptState::open() {
  for (unsigned place = 0; place < 2; ++place) {
    const std::string path = path_of(folder_, std::to_string(identity_.shard), place);
    auto file = disk_.open(path, true);
    if (!file) {
      file = disk_.create(path);
      if (file) {
        if (auto synced = disk_.sync_folder(folder_); !synced) {
          disk_.close(*file);
          return synced;
        }
      }
    }
    if (!file) {
      return file.error();
    }
    files_[place] = *file;
    const auto size = disk_.size(*file);
    if (!size) {
      return size.error();
    }
    sizes_[place] = *size;
  }
  return {};
}

void KeptState::write(std::string_view lines, bool last) {
  RP_ASSERT(idle());
  ++sequence_;
  bytes_ = encode(
      {true, identity_.epoch, identity_.shards, sequence_, last ? 1U : 0U, std::string(lines)});
  const unsigned place = sequence_ % 2;
  if (bytes_.size() <= sizes_[place]) {
    start_write();
    return;
  }
  grow_.path = path_of(folder_, std::to_string(identity_.shard), place);
  grow_.size = std::bit_ceil(std::max<std::uint64_t>(bytes_.size(), kFirstSize));
  grow_.zero = true;
  disk_.prepare(grow_);
}

void KeptState::on_grown(Completion&) {
  if (grow_.result < 0) {
    failed_ = true;
    --sequence_;
    return;
  }
  sizes_[sequence_ % 2] = grow_.size;
  start_write();
}

void KeptState::start_write() {
  slice_ = Slice::of(bytes_);
  write_.file = files_[sequence_ % 2];
  write_.offset = 0;
  write_.slices = &slice_;
  write_.slice_count = 1;
  write_.durable = true;
  disk_.write(write_);
}

void KeptState::on_written(Completion&) {
  failed_ = write_.result != static_cast<std::int64_t>(bytes_.size());
  if (failed_) {
    --sequence_;  // the other file is the one to keep
  }
}

}  // namespace ringpost::app
