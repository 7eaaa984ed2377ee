#include "spool/segment.h"

#include <algorithm>
#include <cerrno>

#include "core/base/text.h"
#include "spool/bytes.h"

namespace ringpost::spool {

void Segment::confirm(std::uint32_t batch) {
  confirmed_ahead.push_back(batch);
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t i = 0; i < confirmed_ahead.size(); ++i) {
      if (confirmed_ahead[i] == confirmed) {
        ++confirmed;
        confirmed_ahead[i] = confirmed_ahead.back();
        confirmed_ahead.pop_back();
        moved = true;
        break;
      }
    }
  }
}

void Segment::clear() {
  RP_ASSERT(live == 0 && pins == 0 && extents == 0 && in_flight == 0);
  write_failed = false;
  append = 0;
  next_batch = confirmed = 0;
  confirmed_ahead.clear();
  next_local = 0;
  vouched = kNone;
  live_bytes = looked_live = 0;
  last_outcome = 0;
  slots.clear();
  born.clear();
  summary.clear();
  entries = 0;
  admitted = 0;
  admitted_recipients = 0;
  keep = suspect = false;
  std::fill(warm.begin(), warm.end(), 0);
  last_sequence = 0;
}

std::string segment_path(const std::string& folder, SegmentKind kind, std::uint32_t name) {
  char digits[8];
  for (int i = 7; i >= 0; --i) {
    digits[i] = static_cast<char>('0' + name % 10);
    name /= 10;
  }
  std::string path = folder;
  path += kind == SegmentKind::acceptance ? "/a-" : "/j-";
  path.append(digits, sizeof digits);
  return path;
}

std::uint32_t segment_name(std::string_view file, SegmentKind kind) {
  const std::string_view prefix = kind == SegmentKind::acceptance ? "a-" : "j-";
  std::uint32_t name = 0;
  if (file.size() != 10 || file.substr(0, 2) != prefix || !parse_decimal(file.substr(2), name)) {
    return 0;
  }
  return name;
}

SegmentPool::SegmentPool(Config config, Loop& loop, Disk& disk, Entropy& entropy,
                         SegmentOwner& owner)
    : config_(std::move(config)),
      loop_(loop),
      disk_(disk),
      entropy_(entropy),
      owner_(owner),
      id_high_(entropy.next64()),
      retry_at_(loop.now().instant) {
  prepare_.bind<&SegmentPool::on_prepared>(this);
}

SegmentPool::~SegmentPool() {
  for (const auto& segment : segments_) {
    if (segment->file.valid()) {
      segment->mapping.reset();
      disk_.close(segment->file);
    }
  }
}

void SegmentPool::note(std::uint32_t name, std::uint32_t ordinal) {
  next_name_ = std::max(next_name_, name + 1);
  next_ordinal_ = std::max(next_ordinal_, ordinal + 1);
}

Segment& SegmentPool::adopt(std::unique_ptr<Segment> segment) {
  segment->write.segment = segment.get();
  segment->write.bind<&SegmentPool::on_written>(this);
  if (segment->block == nullptr) {
    segment->block = std::make_unique<char[]>(kPage);
  }
  segments_.push_back(std::move(segment));
  return *segments_.back();
}

void SegmentPool::add_free(std::string path, bool prepared) {
  if (!prepared || !add_spare(path)) {
    raw_.push_back(std::move(path));
  }
}

bool SegmentPool::add_spare(std::string path) {
  auto file = disk_.open(path, true);
  if (!file) {
    return false;
  }
  const auto size = disk_.size(*file);
  auto mapping = disk_.map(*file);
  if (!size || *size != config_.segment_bytes || !mapping) {
    disk_.close(*file);
    return false;
  }
  auto segment = std::make_unique<Segment>();
  segment->path = std::move(path);
  segment->file = *file;
  segment->mapping = std::move(*mapping);
  segment->bytes = segment->mapping->bytes();
  segment->warm.resize(1);
  spares_.push_back(adopt(std::move(segment)));
  return true;
}

Segment* SegmentPool::open(std::uint64_t first_sequence, bool copies) {
  Segment* segment = spares_.pop_front();
  if (segment == nullptr) {
    return nullptr;
  }
  if (spares_.empty() && !prepare_.idle()) {
    disk_.hurry(prepare_);
  }
  segment->clear();
  segment->state = SegmentState::opening;
  SegmentHeader& header = segment->header;
  header.kind = config_.kind;
  header.log = config_.log;
  header.block_bytes = config_.block_bytes;
  header.ordinal = next_ordinal_++;
  header.size = config_.segment_bytes;
  header.generation = entropy_.next64();
  header.id_high = id_high_;
  header.first_sequence = first_sequence;
  header.spool = config_.spool;
  header.created_us = loop_.now().wall.us;
  header.copies = copies;
  segment->append = config_.block_bytes;
  write_header(*segment, true);
  return segment;
}

void SegmentPool::write_header(Segment& segment, bool durable) {
  std::memset(segment.block.get(), 0, kSector);
  encode_segment_header(segment.header, segment.block.get());
  SegmentWrite& write = segment.write;
  write.slice[0] = {segment.block.get(), kSector};
  write.file = segment.file;
  write.offset = 0;
  write.slices = write.slice;
  write.slice_count = 1;
  write.durable = durable;
  ++writing_;
  disk_.write(write);
}

void SegmentPool::on_written(Completion& done) {
  Segment& segment = *static_cast<SegmentWrite&>(done).segment;
  --writing_;
  if (segment.state == SegmentState::freeing) {
    --freeing_;
    if (done.result == static_cast<std::int32_t>(kSector)) {
      segment.state = SegmentState::spare;
      spares_.push_back(segment);
    } else {
      give_up(segment);
    }
    return;
  }
  RP_ASSERT(segment.state == SegmentState::opening);
  std::int32_t result = 0;
  if (done.result != static_cast<std::int32_t>(kSector)) {
    result = done.result < 0 ? done.result : -EIO;
    give_up(segment);
  } else {
    segment.state = SegmentState::open;
  }
  owner_.segment_opened(segment, result);
}

void SegmentPool::release(Segment& segment) {
  RP_ASSERT(!segment.linked());
  if (segment.header.size != config_.segment_bytes) {
    // Of an earlier configuration; its size does not fit any more.
    give_up(segment);
    return;
  }
  segment.clear();
  segment.state = SegmentState::freeing;
  segment.header.kind = SegmentKind::free;
  segment.header.copies = false;
  ++freeing_;
  write_header(segment, false);
}

void SegmentPool::give_up(Segment& segment) {
  segment.clear();
  segment.state = SegmentState::failed;
  failed_.push_back(segment);
}

void SegmentPool::pump(Now now) {
  const bool wanted = spares_.size() + freeing_ < config_.keep;
  const bool allowed = segments_.size() < config_.files_max;
  if (!prepare_.idle() || !wanted || !allowed || now.instant < retry_at_) {
    return;
  }
  if (raw_.empty()) {
    prepare_.path = segment_path(config_.folder, config_.kind, next_name_++);
  } else {
    prepare_.path = std::move(raw_.back());
    raw_.pop_back();
  }
  prepare_.size = config_.segment_bytes;
  prepare_.zero = true;
  prepare_.urgent = spares_.empty();
  disk_.prepare(prepare_);
}

void SegmentPool::on_prepared(Completion& done) {
  trouble_ = done.result;
  if (done.result == 0 && !add_spare(prepare_.path)) {
    trouble_ = -EIO;
  }
  if (trouble_ != 0) {
    // The file may exist half made: it is prepared again, under the same name.
    raw_.push_back(prepare_.path);
    retry_at_ = loop_.now().instant + config_.retry;
  }
  pump(loop_.now());
}

void SegmentPool::trim(bool all) {
  if (Segment* segment = failed_.pop_front()) {
    remove(*segment);
  } else if (spares_.size() > (all ? 0 : config_.keep_max)) {
    remove(*spares_.pop_front());
  } else if (all && !raw_.empty() && prepare_.idle()) {
    if (!disk_.unlink(raw_.back())) {
      trouble_ = -EIO;
    }
    raw_.pop_back();
  }
}

void SegmentPool::remove(Segment& segment) {
  segment.mapping.reset();
  disk_.close(segment.file);
  if (!disk_.unlink(segment.path)) {
    trouble_ = -EIO;
  }
  std::erase_if(segments_, [&](const auto& owned) { return owned.get() == &segment; });
}

}  // namespace ringpost::spool
