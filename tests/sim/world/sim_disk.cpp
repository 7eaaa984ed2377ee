#include "tests/sim/world/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringpost::sim {

namespace {

constexpr std::uint64_t kSector = 512;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

class SimMapping : public Mapping {
 public:
  explicit SimMapping(std::shared_ptr<std::string> bytes) : bytes_(std::move(bytes)) {}
  std::string_view bytes() const override { return *bytes_; }

 private:
  std::shared_ptr<std::string> bytes_;
};

class SimLock : public FileLock {
 public:
  SimLock(std::map<std::string, std::string>& locks, std::string path)
      : locks_(locks), path_(std::move(path)) {}
  ~SimLock() override { locks_.erase(path_); }

 private:
  std::map<std::string, std::string>& locks_;
  std::string path_;
};

}  // namespace

// Files.

void SimFiles::Inode::put(std::uint64_t offset, std::string_view bytes) {
  if (seen->size() < offset + bytes.size()) {
    if (seen.use_count() > 1) {
      RP_ASSERT_NOTE(seen->capacity() >= offset + bytes.size(), "a mapped file must not grow");
    }
    seen->resize(offset + bytes.size(), '\0');
  }
  dirty.resize((seen->size() + kSector - 1) / kSector);
  if (bytes.empty()) {
    return;
  }
  std::memcpy(seen->data() + offset, bytes.data(), bytes.size());
  for (std::uint64_t s = offset / kSector; s <= (offset + bytes.size() - 1) / kSector; ++s) {
    dirty[s] = true;
  }
}

// Sectors of [begin, end) become clean; with `keep` their bytes become durable.
void SimFiles::Inode::settle(std::uint64_t begin, std::uint64_t end, bool keep) {
  durable.resize(std::max<std::size_t>(durable.size(), seen->size()), '\0');
  for (std::uint64_t s = begin / kSector; s < dirty.size() && s * kSector < end; ++s) {
    if (dirty[s] && keep) {
      const std::uint64_t from = s * kSector;
      const std::uint64_t size = std::min<std::uint64_t>(kSector, seen->size() - from);
      durable.replace(from, size, *seen, from, size);
    }
    dirty[s] = false;
  }
}

void SimFiles::Inode::cut(std::uint64_t size) {
  RP_ASSERT_NOTE(seen.use_count() == 1, "a mapped file must not shrink");
  seen->resize(size);
  durable.resize(std::min<std::size_t>(durable.size(), size));
  dirty.resize((size + kSector - 1) / kSector);
}

void SimFiles::end_disks(bool) {
  for (SimDisk* disk : disks_) {
    disk->cut_short();
  }
  disks_.clear();
  locks_.clear();
  ++epoch_;
}

void SimFiles::kill() { end_disks(false); }

void SimFiles::crash() {
  end_disks(true);
  // Of names made, moved or removed since the folder's last sync each may or may not be there.
  std::map<std::string, InodeRef> names = durable_names_;
  for (const auto& [path, inode] : names_) {
    const auto old = durable_names_.find(path);
    if ((old == durable_names_.end() || old->second != inode) && random_.chance(50)) {
      names[path] = inode;
    }
  }
  for (const auto& [path, inode] : durable_names_) {
    if (names_.find(path) == names_.end() && random_.chance(50)) {
      names.erase(path);
    }
  }
  std::map<Inode*, InodeRef> survivors;
  for (auto& [path, inode] : names) {
    InodeRef& fresh = survivors[inode.get()];
    if (!fresh) {
      fresh = std::make_shared<Inode>();
      fresh->folder = inode->folder;
      fresh->durable = inode->durable;
      for (std::uint64_t s = 0; s < inode->dirty.size(); ++s) {
        const std::uint64_t from = s * kSector;
        if (!inode->dirty[s] || !random_.chance(50)) {
          continue;
        }
        const std::uint64_t size = std::min<std::uint64_t>(kSector, inode->seen->size() - from);
        fresh->durable.resize(std::max<std::size_t>(fresh->durable.size(), from + size), '\0');
        fresh->durable.replace(from, size, *inode->seen, from, size);
      }
      *fresh->seen = fresh->durable;
      fresh->dirty.assign((fresh->seen->size() + kSector - 1) / kSector, false);
    }
    inode = fresh;
  }
  names_ = names;
  durable_names_ = std::move(names);
}

std::vector<std::string> SimFiles::names(const std::string& folder) const {
  std::vector<std::string> found;
  for (const auto& [path, inode] : names_) {
    if (parent_of(path) == folder) {
      found.push_back(path.substr(folder.size() + 1));
    }
  }
  return found;
}

std::string SimFiles::read(const std::string& path) const { return *names_.at(path)->seen; }

void SimFiles::overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes) {
  Inode& inode = *names_.at(path);
  inode.put(offset, bytes);
  inode.settle(offset, offset + bytes.size(), true);
}

void SimFiles::break_medium(const std::string& path, std::uint64_t offset, std::uint64_t size) {
  broken_.push_back({path, offset, offset + size});
}

bool SimFiles::is_broken(const std::string& path, std::uint64_t begin, std::uint64_t end) const {
  return std::any_of(broken_.begin(), broken_.end(), [&](const Broken& broken) {
    return broken.path == path && broken.begin < end && begin < broken.end;
  });
}

std::uint64_t SimFiles::used() const {
  std::uint64_t sum = 0;
  for (const auto& [path, inode] : names_) {
    sum += inode->seen->size();
  }
  return sum;
}

// Disk.

SimDisk::SimDisk(SimFiles& files, std::uint64_t seed)
    : files_(&files), epoch_(files.epoch_), random_(seed) {
  files.disks_.push_back(this);
}

SimDisk::~SimDisk() { std::erase(files_->disks_, this); }

SimDisk::File& SimDisk::at(FileId id) {
  RP_ASSERT_NOTE(epoch_ == files_->epoch_, "the machine crashed under this disk");
  const auto found = open_.find(id.value);
  RP_ASSERT_NOTE(found != open_.end(), "file is not open");
  return found->second;
}

Result<FileId> SimDisk::open(const std::string& path, bool writable) {
  const auto found = files_->names_.find(path);
  if (found == files_->names_.end() || found->second->folder) {
    return Error::of(ErrorCode::not_found, path);
  }
  const FileId id{next_id_++};
  open_[id.value] = File{path, found->second, writable, 0};
  return id;
}

Result<FileId> SimDisk::create(const std::string& path) {
  if (files_->names_.count(path) != 0) {
    return Error::of(ErrorCode::already_exists, path);
  }
  files_->names_[path] = std::make_shared<SimFiles::Inode>();
  return open(path, true);
}

void SimDisk::close(FileId file) {
  if (epoch_ == files_->epoch_) {
    at(file);
  }
  open_.erase(file.value);
}

Result<std::uint64_t> SimDisk::size(FileId file) {
  return static_cast<std::uint64_t>(at(file).inode->seen->size());
}

Result<std::size_t> SimDisk::read(FileId file, std::uint64_t offset, std::span<char> out) {
  const File& from = at(file);
  const std::string& bytes = *from.inode->seen;
  const std::size_t size =
      offset >= bytes.size() ? 0 : std::min<std::size_t>(out.size(), bytes.size() - offset);
  if (files_->is_broken(from.path, offset, offset + size)) {
    return Error::of(ErrorCode::io_failed, from.path);
  }
  std::memcpy(out.data(), bytes.data() + offset, size);
  return size;
}

Status SimDisk::write_now(FileId file, std::uint64_t offset, std::string_view bytes, bool durable) {
  File& to = at(file);
  to.inode->put(offset, bytes);
  if (durable) {
    to.inode->settle(0, to.inode->seen->size(), true);
  }
  return {};
}

Result<MappingRef> SimDisk::map(FileId file) {
  return MappingRef(std::make_shared<SimMapping>(at(file).inode->seen));
}

Result<std::vector<std::string>> SimDisk::list(const std::string& folder) {
  const auto found = files_->names_.find(folder);
  if (found == files_->names_.end() || !found->second->folder) {
    return Error::of(ErrorCode::not_found, folder);
  }
  return files_->names(folder);
}

Status SimDisk::make_folder(const std::string& folder) {
  SimFiles::InodeRef& inode = files_->names_[folder];
  if (!inode) {
    inode = std::make_shared<SimFiles::Inode>();
    inode->folder = true;
    if (parent_of(folder).empty() || files_->names_.count(parent_of(folder)) == 0) {
      files_->durable_names_[folder] = inode;  // nobody here can sync what is above
    }
  }
  return {};
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  const auto found = files_->names_.find(from);
  if (found == files_->names_.end()) {
    return Error::of(ErrorCode::not_found, from);
  }
  files_->names_[to] = found->second;
  files_->names_.erase(from);
  // What a folder holds goes with it.
  for (auto* names : {&files_->names_, &files_->durable_names_}) {
    for (auto entry = names->lower_bound(from + "/");
         entry != names->end() && entry->first.rfind(from + "/", 0) == 0;) {
      (*names)[to + entry->first.substr(from.size())] = entry->second;
      entry = names->erase(entry);
    }
  }
  return {};
}

Status SimDisk::unlink(const std::string& path) {
  if (files_->names_.erase(path) == 0) {
    return Error::of(ErrorCode::not_found, path);
  }
  return {};
}

Status SimDisk::sync_folder(const std::string& folder) {
  std::erase_if(files_->durable_names_,
                [&](const auto& entry) { return parent_of(entry.first) == folder; });
  for (const auto& [path, inode] : files_->names_) {
    if (parent_of(path) == folder) {
      files_->durable_names_[path] = inode;
    }
  }
  return {};
}

Result<std::uint64_t> SimDisk::free_bytes(const std::string&) {
  const std::uint64_t used = files_->used();
  return files_->capacity > used ? files_->capacity - used : std::uint64_t{0};
}

Result<std::unique_ptr<FileLock>> SimDisk::lock(const std::string& path, std::string_view note) {
  const auto [entry, fresh] = files_->locks_.emplace(path, note);
  if (!fresh) {
    return Error::of(ErrorCode::locked, entry->second);
  }
  return std::unique_ptr<FileLock>(std::make_unique<SimLock>(files_->locks_, path));
}

void SimDisk::add(Waiting waiting) {
  RP_ASSERT_NOTE(epoch_ == files_->epoch_, "the machine crashed under this disk");
  waiting.completion->start();
  waiting_.push_back(waiting);
  if (notice_ != nullptr) {
    notice_(notice_context_);
  }
}

void SimDisk::write(WriteOp& op) {
  RP_ASSERT(op.slice_count > 0 && op.slice_count <= kWriteSlicesMax && at(op.file).writable);
  Waiting waiting;
  waiting.completion = waiting.write = &op;
  add(waiting);
}

void SimDisk::sync(SyncOp& op) {
  at(op.file);
  Waiting waiting;
  waiting.completion = waiting.sync = &op;
  add(waiting);
}

void SimDisk::prepare(PrepareOp& op) {
  Waiting waiting;
  waiting.completion = waiting.prepare = &op;
  add(waiting);
}

void SimDisk::populate(PopulateOp& op) {
  Waiting waiting;
  waiting.completion = waiting.populate = &op;
  add(waiting);
}

bool SimDisk::step(ReadyList& ready) {
  if (waiting_.empty()) {
    return false;
  }
  const std::size_t chosen = random_.below(waiting_.size());
  const Waiting waiting = waiting_[chosen];
  if (waiting.prepare != nullptr && !waiting.prepare->urgent && files_->faults.never_at_leisure) {
    return waiting_.size() > 1;
  }
  waiting_[chosen] = waiting_.back();
  waiting_.pop_back();
  std::int32_t result = 0;
  if (waiting.write != nullptr) {
    result = finish_write(*waiting.write);
  } else if (waiting.sync != nullptr) {
    result = finish_sync(*waiting.sync);
  } else if (waiting.prepare != nullptr) {
    result = finish_prepare(*waiting.prepare);
  } else {
    result = finish_populate(*waiting.populate);
  }
  waiting.completion->result = result;
  ready.push(*waiting.completion);
  return true;
}

std::int32_t SimDisk::finish_write(WriteOp& op) {
  SimFiles::Inode& inode = *at(op.file).inode;
  std::string bytes;
  for (std::uint32_t i = 0; i < op.slice_count; ++i) {
    bytes.append(op.slices[i].view());
  }
  RP_ASSERT_NOTE(op.offset + bytes.size() <= inode.seen->size(), "a segment does not grow");
  const DiskFaults& faults = files_->faults;
  const bool fails = random_.chance(faults.write_error);
  if (fails || random_.chance(faults.short_write)) {
    // A sector is written whole or not at all.
    bytes.resize(random_.below(bytes.size()) / kSector * kSector);
    inode.put(op.offset, bytes);
    return fails ? -faults.write_errno : static_cast<std::int32_t>(bytes.size());
  }
  inode.put(op.offset, bytes);
  if (op.durable) {
    const bool kept = !random_.chance(faults.sync_error);
    inode.settle(op.offset, op.offset + bytes.size(), kept);
    if (!kept) {
      return -EIO;
    }
  }
  return static_cast<std::int32_t>(bytes.size());
}

std::int32_t SimDisk::finish_sync(SyncOp& op) {
  SimFiles::Inode& inode = *at(op.file).inode;
  const bool kept = !random_.chance(files_->faults.sync_error);
  inode.settle(0, inode.seen->size(), kept);
  return kept ? 0 : -EIO;
}

std::int32_t SimDisk::finish_prepare(PrepareOp& op) {
  if (random_.chance(files_->faults.prepare_error)) {
    return -EIO;
  }
  const auto found = files_->names_.find(op.path);
  SimFiles::InodeRef inode = found != files_->names_.end() ? found->second : nullptr;
  const std::uint64_t have = inode ? inode->seen->size() : 0;
  if (op.size > have && files_->used() + op.size - have > files_->capacity) {
    return -ENOSPC;
  }
  if (!inode) {
    inode = std::make_shared<SimFiles::Inode>();
    files_->names_[op.path] = inode;
  }
  if (op.zero && have > op.size) {
    inode->cut(op.size);
  }
  const std::string zeroes(op.zero ? op.size : 0, '\0');
  inode->put(0, zeroes);
  inode->settle(0, inode->seen->size(), true);
  files_->durable_names_[op.path] = inode;
  return 0;
}

std::int32_t SimDisk::finish_populate(PopulateOp& op) {
  const char* address = static_cast<const char*>(op.address);
  for (const auto& [id, file] : open_) {
    const std::string& bytes = *file.inode->seen;
    if (address < bytes.data() || address >= bytes.data() + bytes.size()) {
      continue;
    }
    const auto offset = static_cast<std::uint64_t>(address - bytes.data());
    RP_ASSERT_NOTE(offset + op.size <= bytes.size(), "populates past the end of a file");
    if (files_->is_broken(file.path, offset, offset + op.size)) {
      return -EIO;
    }
    return random_.chance(files_->faults.populate_error) ? -EIO : 0;
  }
  RP_ASSERT_NOTE(false, "populates what is not a mapping");
}

// Writes under way may have reached the page cache, wholly or in part.
void SimDisk::cut_short() {
  for (const Waiting& waiting : waiting_) {
    if (waiting.write == nullptr || !random_.chance(60)) {
      continue;
    }
    SimFiles::Inode& inode = *open_.at(waiting.write->file.value).inode;
    std::uint64_t offset = waiting.write->offset;
    for (std::uint32_t i = 0; i < waiting.write->slice_count; ++i) {
      const std::string_view bytes = waiting.write->slices[i].view();
      if (random_.chance(90)) {
        inode.put(offset, bytes);
      }
      offset += bytes.size();
    }
  }
  waiting_.clear();
}

}  // namespace ringpost::sim
