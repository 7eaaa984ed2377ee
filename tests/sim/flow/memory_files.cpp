#include "tests/sim/flow/memory_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringpost::sim {
namespace {

constexpr std::size_t kSector = 512;

}  // namespace

// Of the sectors that differ each is the old or the new one; the length too.
std::string MemoryFiles::survivor(const Inode& inode) {
  std::string bytes = inode.durable;
  if (inode.seen.size() != bytes.size() && random_.chance(50)) {
    bytes.resize(inode.seen.size(), '\0');
  }
  for (std::size_t at = 0; at < std::min(bytes.size(), inode.seen.size()); at += kSector) {
    const std::size_t size = std::min({kSector, bytes.size() - at, inode.seen.size() - at});
    if (bytes.compare(at, size, inode.seen, at, size) != 0 && random_.chance(50)) {
      bytes.replace(at, size, inode.seen, at, size);
    }
  }
  return bytes;
}

void MemoryFiles::crash() {
  for (const auto& [path, inode] : names_) {
    const auto old = durable_names_.find(path);
    if ((old == durable_names_.end() || old->second != inode) && random_.chance(50)) {
      durable_names_[path] = inode;
    }
  }
  names_ = durable_names_;
  for (auto& [path, inode] : names_) {
    inode->seen = inode->durable = survivor(*inode);
  }
  open_.clear();
}

std::string MemoryFiles::text_of(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? "" : found->second->seen;
}

int MemoryFiles::add_open(InodeRef inode) {
  open_[next_file_] = std::move(inode);
  return next_file_++;
}

MemoryFiles::InodeRef MemoryFiles::make(const std::string& path) {
  InodeRef& inode = names_[path];
  inode = std::make_shared<Inode>();
  inode->number = next_inode_++;
  return inode;
}

int MemoryFiles::open(const std::string& path, mode_t) {
  const auto found = names_.find(path);
  return add_open(found != names_.end() ? found->second : make(path));
}

int MemoryFiles::open_index(const std::string& path, mode_t, bool fresh) {
  const auto found = names_.find(path);
  if (found == names_.end() && !fresh) {
    return -ENOENT;
  }
  const InodeRef inode = found != names_.end() ? found->second : make(path);
  if (fresh) {
    inode->seen.clear();
  }
  return add_open(inode);
}

int MemoryFiles::status(int file, account::FileStatus& out) {
  const Inode& inode = *open_.at(file);
  out = {inode.seen.size(), 1, inode.number};
  return 0;
}

ssize_t MemoryFiles::append(int file, std::string_view bytes) {
  open_.at(file)->seen.append(bytes);
  return static_cast<ssize_t>(bytes.size());
}

ssize_t MemoryFiles::write_at(int file, std::uint64_t offset, std::string_view bytes) {
  std::string& seen = open_.at(file)->seen;
  seen.resize(std::max<std::size_t>(seen.size(), offset + bytes.size()), '\0');
  seen.replace(offset, bytes.size(), bytes);
  return static_cast<ssize_t>(bytes.size());
}

ssize_t MemoryFiles::read_at(int file, std::uint64_t offset, char* out, std::size_t size) {
  const std::string& seen = open_.at(file)->seen;
  if (offset >= seen.size()) {
    return 0;
  }
  size = std::min<std::size_t>(size, seen.size() - offset);
  std::memcpy(out, seen.data() + offset, size);
  return static_cast<ssize_t>(size);
}

int MemoryFiles::truncate(int file, std::uint64_t size) {
  open_.at(file)->seen.resize(size, '\0');
  return 0;
}

int MemoryFiles::sync(int file) {
  Inode& inode = *open_.at(file);
  inode.durable = inode.seen;
  return 0;
}

int MemoryFiles::rename(const std::string& from, const std::string& to) {
  const auto found = names_.find(from);
  if (found == names_.end()) {
    return -ENOENT;
  }
  names_[to] = found->second;
  names_.erase(from);
  return 0;
}

int MemoryFiles::sync_folder_of(const std::string&) {
  durable_names_ = names_;
  return 0;
}

std::string MemoryFiles::find_inode(const std::string&, std::uint64_t, std::uint64_t inode) {
  for (const auto& [path, entry] : names_) {
    if (entry->number == inode) {
      return path;
    }
  }
  return "";
}

}  // namespace ringpost::sim
