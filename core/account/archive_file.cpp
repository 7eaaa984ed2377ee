#include "core/account/archive_file.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/base/hash.h"

namespace ringpost::account {
namespace {

/// An index longer than this is written anew at the next sync.
constexpr std::uint64_t kIndexRenewBytes = std::uint64_t{1} << 20;
constexpr std::size_t kReadBytes = std::size_t{1} << 16;
constexpr int kAsideMax = 10'000;
/// A new index proves by a hash of so much of the file's end that it belongs to the file.
constexpr std::uint64_t kProofBytes = 4096;

}  // namespace

ArchiveFile::ArchiveFile(FileCalls& calls, ArchiveFileOptions options)
    : calls_(calls), options_(std::move(options)), index_path_(options_.path + ".pos") {}

ArchiveFile::~ArchiveFile() {
  for (const int file : {file_, index_}) {
    if (file >= 0) {
      calls_.close(file);
    }
  }
}

Error ArchiveFile::failed(int result, const char* what) const {
  return Error::from_errno(-result, std::string(what) + " " + options_.path);
}

std::vector<std::string> ArchiveFile::notes() { return std::exchange(notes_, {}); }

bool ArchiveFile::rewound() noexcept { return std::exchange(rewound_, false); }

IndexHeader ArchiveFile::index_header() const {
  return {options_.spool, identity_.device, identity_.inode};
}

// Start.

Status ArchiveFile::recover() {
  const IndexScan scan = read_index(index_path_);
  if (!scan.header && calls_.exists(index_path_)) {
    notes_.push_back(index_path_ +
                     " is damaged: where the file stands is not known, records "
                     "still in the journal are written again");
  }
  const Status recovered = recover_from(scan);
  if (!recovered) {
    return recovered;
  }
  const Status adopted = adopt();
  if (!adopted) {
    return adopted;
  }
  taken_.raise(options_.floor);
  synced_ = taken_;
  return new_index();
}

IndexScan ArchiveFile::read_index(const std::string& path) {
  const int file = calls_.open_index(path, options_.mode, false);
  if (file < 0) {
    return {};
  }
  std::string bytes;
  std::array<char, kReadBytes> piece;
  while (bytes.size() < kIndexBytesMax) {
    const ssize_t got = calls_.read_at(file, bytes.size(), piece.data(), piece.size());
    if (got <= 0) {
      break;
    }
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
  calls_.close(file);
  return scan_index(bytes);
}

/// Brings the file that the index speaks of into order, wherever it is now, and takes up the
/// positions.
Status ArchiveFile::recover_from(const IndexScan& scan) {
  if (!scan.header || scan.blocks.empty()) {
    return {};
  }
  const std::string path =
      calls_.find_inode(options_.path, scan.header->device, scan.header->inode);
  bool whole = false;
  if (!path.empty()) {
    const int file = calls_.open(path, options_.mode);
    if (file < 0) {
      return failed(file, "open");
    }
    const Status cut = cut_file(file, path, scan, whole);
    calls_.close(file);
    if (!cut) {
      return cut;
    }
  }
  if (!whole) {
    // Moved away or emptied by others: what the last block says was in it.
    taken_ = table_of(scan.blocks.back().positions);
  }
  if (scan.header->spool != options_.spool) {
    notes_.push_back(options_.path + " was written for another spool; its positions are void");
    taken_.clear();
  }
  return {};
}

/// Cuts `file` to the end of its last trusted block. `whole` is false when it does not hold what
/// was once synced: somebody else changed it.
Status ArchiveFile::cut_file(int file, const std::string& path, const IndexScan& scan,
                             bool& whole) {
  FileStatus status;
  int result = calls_.status(file, status);
  if (result < 0) {
    return failed(result, "look at");
  }
  const std::size_t trusted = trusted_blocks(file, scan);
  const IndexBlock& last = scan.blocks[trusted - 1];
  // The newest piece of data that a trusted block has a hash of: without it this is not the file
  // that was written, whatever its name and inode, and none of it may be cut.
  std::size_t proof = trusted;
  while (proof > 1 && scan.blocks[proof - 1].hash_from == scan.blocks[proof - 1].data_offset) {
    --proof;
  }
  if (status.size < last.data_offset || !holds(file, scan.blocks[proof - 1])) {
    notes_.push_back(path + " is not as it was written; it is left as it is");
    return {};
  }
  whole = true;
  taken_ = table_of(last.positions);
  if (status.size == last.data_offset) {
    return {};
  }
  notes_.push_back(path + ": an incomplete end of " +
                   std::to_string(status.size - last.data_offset) +
                   " octets was cut off; its records follow again");
  result = calls_.truncate(file, last.data_offset);
  if (result == 0) {
    result = calls_.sync(file);
  }
  return result < 0 ? Status(failed(result, "cut")) : Status();
}

/// How many blocks, at least one, speak of data that is there: those within what was once synced,
/// and those after them as long as the data has their hash.
std::size_t ArchiveFile::trusted_blocks(int file, const IndexScan& scan) {
  std::uint64_t synced = 0;
  for (const IndexBlock& block : scan.blocks) {
    synced = std::max(synced, block.synced_offset);
  }
  std::size_t trusted = 1;
  while (trusted < scan.blocks.size()) {
    const IndexBlock& block = scan.blocks[trusted];
    if (block.data_offset > synced && !holds(file, block)) {
      break;
    }
    ++trusted;
  }
  return trusted;
}

bool ArchiveFile::holds(int file, const IndexBlock& block) {
  const auto hash = hash_of(file, block.hash_from, block.data_offset);
  return hash.ok() && *hash == block.data_hash;
}

Result<std::uint64_t> ArchiveFile::hash_of(int file, std::uint64_t from, std::uint64_t to) {
  Hasher64 hasher;
  std::array<char, kReadBytes> piece;
  while (from < to) {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), to - from));
    const ssize_t got = calls_.read_at(file, from, piece.data(), wanted);
    if (got <= 0) {
      return failed(got < 0 ? static_cast<int>(got) : -EIO, "read");
    }
    hasher.update({piece.data(), static_cast<std::size_t>(got)});
    from += static_cast<std::uint64_t>(got);
  }
  return hasher.digest();
}

/// Opens the path and sees that rows can follow: with the header line, at the start of a line.
Status ArchiveFile::adopt() {
  for (int round = 0; round < 2; ++round) {
    const int file = calls_.open(options_.path, options_.mode);
    if (file < 0) {
      return failed(file, "open");
    }
    if (file_ >= 0) {
      calls_.close(file_);
    }
    file_ = file;
    bool misfit = false;
    const Status prepared = prepare_content(size_, misfit);
    if (!prepared) {
      return prepared;
    }
    if (!misfit) {
      break;
    }
    const Status moved = move_aside();
    if (!moved) {
      return moved;
    }
  }
  const int result = calls_.status(file_, identity_);
  block_from_ = size_;
  return result < 0 ? Status(failed(result, "look at")) : Status();
}

Status ArchiveFile::prepare_content(std::uint64_t& size, bool& misfit) {
  FileStatus status;
  int result = calls_.status(file_, status);
  if (result < 0) {
    return failed(result, "look at");
  }
  const std::string& header = options_.header;
  std::string begin(static_cast<std::size_t>(std::min<std::uint64_t>(header.size(), status.size)),
                    '\0');
  const ssize_t got = calls_.read_at(file_, 0, begin.data(), begin.size());
  if (got < 0 || static_cast<std::size_t>(got) != begin.size()) {
    return failed(got < 0 ? static_cast<int>(got) : -EIO, "read");
  }
  misfit = !header.starts_with(begin);
  if (header.empty() && status.size > 0) {
    // Rows of JSON: they begin with a brace, and no other form does.
    char first = '{';
    calls_.read_at(file_, 0, &first, 1);
    misfit = first != '{';
  }
  size = status.size;
  if (misfit) {
    return {};
  }
  if (status.size < header.size()) {
    // New, or its making was interrupted.
    result = calls_.truncate(file_, 0);
    size = 0;
    return result < 0 ? Status(failed(result, "empty")) : append_all(header);
  }
  if (status.size == 0) {
    return {};
  }
  char last = '\n';
  calls_.read_at(file_, status.size - 1, &last, 1);
  return last == '\n' ? Status() : append_all("\r\n");
}

/// The file has other columns: it is kept under another name and a new one begun.
Status ArchiveFile::move_aside() {
  for (int number = 1; number < kAsideMax; ++number) {
    const std::string name = options_.path + ".old-" + std::to_string(number);
    if (calls_.exists(name)) {
      continue;
    }
    const int result = calls_.rename(options_.path, name);
    if (result < 0) {
      return failed(result, "rename");
    }
    notes_.push_back(options_.path + " has other columns; it is now " + name);
    return {};
  }
  return Error::of(ErrorCode::already_exists, options_.path + ".old-1 and so on");
}

// Writing.

void ArchiveFile::take(std::size_t log, std::uint64_t sequence, std::string_view row) {
  RP_ASSERT(wants(log, sequence) && !must_go_back_);
  taken_.set(log, sequence);
  buffer_ += row;
  dirty_ = true;
}

Status ArchiveFile::append_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = calls_.append(file_, bytes);
    if (wrote <= 0) {
      return failed(wrote < 0 ? static_cast<int>(wrote) : -ENOSPC, "write");
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    size_ += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

Status ArchiveFile::write() {
  if (must_go_back_) {
    return go_back();
  }
  if (must_adopt_) {
    return adopt_anew();
  }
  const std::uint64_t before = size_;
  const Status appended = append_all(std::string_view(buffer_).substr(buffer_done_));
  buffer_done_ += size_ - before;
  bytes_written_ += size_ - before;
  if (!appended) {
    return appended;
  }
  if (!buffer_.empty()) {
    const Status written = write_block(block_from_, hash64(buffer_));
    if (!written) {
      return written;
    }
  }
  buffer_.clear();
  buffer_done_ = 0;
  return {};
}

Status ArchiveFile::write_block(std::uint64_t hash_from, std::uint64_t hash) {
  if (index_broken_) {
    return new_index();
  }
  std::string bytes;
  append_block(bytes, {size_, synced_size_, hash_from, hash, positions_of(taken_)}, index_header(),
               index_size_);
  std::string_view rest = bytes;
  std::uint64_t at = index_size_;
  while (!rest.empty()) {
    const ssize_t wrote = calls_.write_at(index_, at, rest);
    if (wrote <= 0) {
      // A part may stand there; the whole is written over it, or a new index begun.
      return failed(wrote < 0 ? static_cast<int>(wrote) : -ENOSPC, "write the index of");
    }
    rest.remove_prefix(static_cast<std::size_t>(wrote));
    at += static_cast<std::uint64_t>(wrote);
  }
  index_size_ = at;
  block_from_ = size_;
  return {};
}

Status ArchiveFile::sync() {
  RP_ASSERT(buffered() == 0);
  if (must_go_back_) {
    return go_back();
  }
  if (!dirty_ && !index_broken_) {
    return {};
  }
  const Status noticed = notice_others();
  if (!noticed) {
    return noticed;
  }
  const int result = calls_.sync(file_);
  if (result < 0) {
    // The kernel may have dropped what it could not write and call it clean: start from what is
    // known to be durable.
    must_go_back_ = true;
    return failed(result, "sync");
  }
  synced_size_ = size_;
  data_synced_ = taken_;
  if (index_broken_ || index_size_ > kIndexRenewBytes) {
    index_broken_ = true;
    return new_index();
  }
  const Status written = write_block(size_, hash64({}));
  if (!written) {
    return written;
  }
  const int index_result = calls_.sync(index_);
  if (index_result < 0) {
    index_broken_ = true;
    return failed(index_result, "sync the index of");
  }
  synced_ = taken_;
  dirty_ = false;
  return {};
}

/// Somebody else cut the file or wrote to it: go on at its end.
Status ArchiveFile::notice_others() {
  FileStatus status;
  const int result = calls_.status(file_, status);
  if (result < 0) {
    return failed(result, "look at");
  }
  if (status.size != size_) {
    notes_.push_back(options_.path + " was changed by another program: it has " +
                     std::to_string(status.size) + " octets instead of " + std::to_string(size_));
    size_ = block_from_ = status.size;
    index_broken_ = true;
  }
  return {};
}

/// Writes an index of one block beside the old one and puts it in its place. The data is synced
/// before, so that the block needs no proof.
Status ArchiveFile::new_index() {
  const int data = calls_.sync(file_);
  if (data < 0) {
    must_go_back_ = true;
    return failed(data, "sync");
  }
  synced_size_ = size_;
  data_synced_ = taken_;
  const std::uint64_t proof_from = size_ - std::min(size_, kProofBytes);
  const auto proof = hash_of(file_, proof_from, size_);
  if (!proof) {
    index_broken_ = true;
    return proof.error();
  }
  const std::string path = index_path_ + ".new";
  const int file = calls_.open_index(path, options_.mode, true);
  if (file < 0) {
    return failed(file, "make the index of");
  }
  std::string bytes;
  append_header(bytes, index_header());
  append_block(bytes, {size_, size_, proof_from, *proof, positions_of(taken_)}, index_header(),
               bytes.size());
  const ssize_t wrote = calls_.write_at(file, 0, bytes);
  int result = wrote < 0 ? static_cast<int>(wrote) : 0;
  if (result == 0 && static_cast<std::size_t>(wrote) != bytes.size()) {
    result = -ENOSPC;
  }
  result = result == 0 ? calls_.sync(file) : result;
  result = result == 0 ? calls_.rename(path, index_path_) : result;
  result = result == 0 ? calls_.sync_folder_of(index_path_) : result;
  if (result < 0) {
    calls_.close(file);
    index_broken_ = true;
    return failed(result, "make the index of");
  }
  if (index_ >= 0) {
    calls_.close(index_);
  }
  index_ = file;
  index_size_ = bytes.size();
  block_from_ = size_;
  index_broken_ = false;
  synced_ = taken_;
  dirty_ = false;
  return {};
}

/// Back to what is known to be durable.
Status ArchiveFile::go_back() {
  const int result = calls_.truncate(file_, synced_size_);
  if (result < 0) {
    return failed(result, "cut");
  }
  size_ = block_from_ = synced_size_;
  buffer_.clear();
  buffer_done_ = 0;
  taken_ = data_synced_;
  rewound_ = true;
  index_broken_ = true;
  must_go_back_ = false;
  return new_index();
}

Status ArchiveFile::reopen() {
  RP_ASSERT(!dirty_ && buffered() == 0);
  const int file = calls_.open(options_.path, options_.mode);
  if (file < 0) {
    return failed(file, "open");
  }
  FileStatus status;
  const int result = calls_.status(file, status);
  calls_.close(file);
  if (result < 0) {
    return failed(result, "look at");
  }
  const bool same = status.device == identity_.device && status.inode == identity_.inode;
  if (same && !index_broken_) {
    return {};
  }
  return adopt_anew();
}

/// Until it succeeds nothing is taken: what stands at the path need not be ours yet.
Status ArchiveFile::adopt_anew() {
  index_broken_ = must_adopt_ = true;
  const Status adopted = adopt();
  if (!adopted) {
    return adopted;
  }
  must_adopt_ = false;
  return new_index();
}

Status ArchiveFile::rotate(const std::string& finished) {
  RP_ASSERT(!dirty_ && buffered() == 0);
  if (must_adopt_) {
    return adopt_anew();
  }
  const int result = calls_.rename(options_.path, finished);
  if (result < 0) {
    return failed(result, "rename");
  }
  return adopt_anew();
}

}  // namespace ringpost::account
