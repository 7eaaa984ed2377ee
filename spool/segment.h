#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/list.h"
#include "core/loop/disk.h"
#include "core/loop/loop.h"
#include "spool/format.h"

namespace ringpost::spool {

struct Segment;

/// What a segment awaits.
enum class SegmentState : std::uint8_t {
  spare,     ///< prepared, unused
  opening,   ///< its new header is being written
  open,      ///< takes batches
  draining,  ///< takes no new messages; what was begun in it ends
  sealing,   ///< its summary is being written
  sealed,    ///< only read
  freeing,   ///< its header is being marked free
  failed,    ///< could not be used; its file waits to be removed
};

/// Write of a segment's own blocks (header, summary).
struct SegmentWrite : WriteOp {
  Segment* segment = nullptr;
  Slice slice[2];
};

/// One segment file in use or spare. Owned by its pool; lives in memory until its file is
/// unlinked. All of one shard.
struct Segment : ListLink<> {
  std::string path;
  FileId file;
  MappingRef mapping;
  std::string_view bytes;  ///< the mapping, read-only
  SegmentHeader header;
  SegmentState state = SegmentState::spare;
  bool write_failed = false;  ///< a batch or sync failed: nothing more is written to it

  std::uint64_t append = 0;  ///< where free room begins
  std::uint32_t next_batch = 0;
  std::uint32_t confirmed = 0;  ///< all batches below are known durable
  std::vector<std::uint32_t> confirmed_ahead;

  // Acceptance segments.
  std::uint32_t next_local = 0;
  std::uint32_t vouched = kNone;     ///< local numbers below are known durable
  std::uint32_t live = 0;            ///< messages not settled
  std::uint64_t live_bytes = 0;      ///< of them
  std::uint64_t looked_live = 0;     ///< live_bytes when compaction last looked; 0: it did not
  std::uint32_t pins = 0;            ///< open views
  std::uint32_t extents = 0;         ///< uploads under way
  std::uint32_t in_flight = 0;       ///< batches being written
  std::uint64_t last_outcome = 0;    ///< journal sequence of the last outcome of its messages
  std::vector<std::uint32_t> slots;  ///< slot by local number; kNone: settled or none
  std::vector<MessageId> born;       ///< of copies, by local number: the ids they keep
  std::string summary;               ///< entries so far; until sealed and admitted
  std::uint32_t entries = 0;
  std::size_t admitted = 0;               ///< place in `summary`
  std::uint32_t admitted_recipients = 0;  ///< of the entry at that place
  bool keep = false;                      ///< holds damage: never reused
  bool suspect = false;             ///< the medium failed somewhere: populate record by record
  std::vector<std::uint32_t> warm;  ///< per window: second of the last write or populate, 0: never

  // Journal segments.
  std::uint64_t last_sequence = 0;  ///< of the last record written to it; 0: none

  std::uint32_t index = kNone;  ///< in the log's table

  SegmentWrite write;             ///< of the header, by the pool
  SegmentWrite seal;              ///< of the summary
  std::unique_ptr<char[]> block;  ///< header block, then summary footer

  std::uint32_t ordinal() const { return header.ordinal; }
  /// The id of a message of this segment.
  MessageId id_of(std::uint32_t local) const {
    return header.copies ? born[local]
                         : MessageId{header.id_high, message_number(ordinal(), local)};
  }
  /// A batch was synced. They may finish out of order.
  void confirm(std::uint32_t batch);
  /// Back to an unused segment, keeping buffers and the file.
  void clear();
};

/// Hears of a pool's segments.
class SegmentOwner {
 public:
  virtual ~SegmentOwner() = default;
  /// open() has ended: 0, or a negative errno and the segment has left the pool's hands as failed.
  virtual void segment_opened(Segment& segment, std::int32_t result) = 0;
};

/// The segment files of one kind of one log: prepares spares ahead, opens them under a new
/// generation, takes them back, unlinks what is too much.
class SegmentPool {
 public:
  struct Config {
    std::string folder;
    SegmentKind kind = SegmentKind::acceptance;
    std::uint16_t log = 0;
    Uuid spool{};
    std::uint64_t segment_bytes = 0;
    std::uint32_t block_bytes = kPage;
    std::uint32_t keep = 2;           ///< spares kept ready
    std::uint32_t keep_max = 8;       ///< more are unlinked
    std::uint32_t files_max = kNone;  ///< no file is made beyond
    Duration retry;
  };

  SegmentPool(Config config, Loop& loop, Disk& disk, Entropy& entropy, SegmentOwner& owner);
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;
  ~SegmentPool();

  // Recovery tells what it found.

  /// A file with a number and ordinal that must not be used again.
  void note(std::uint32_t name, std::uint32_t ordinal);
  /// A file that holds records; the pool owns it, the caller uses it.
  Segment& adopt(std::unique_ptr<Segment> segment);
  /// A file that can be reused as it is (`prepared`) or after preparing it anew.
  void add_free(std::string path, bool prepared);
  /// Also draws the id-high of this start.
  std::uint64_t id_high() const noexcept { return id_high_; }
  std::uint32_t next_ordinal() const noexcept { return next_ordinal_; }

  // Use.

  /// Starts to open a spare; segment_opened() follows. Null when there is none.
  Segment* open(std::uint64_t first_sequence, bool copies = false);
  /// Takes a segment back: marks it free, then it is a spare again.
  void release(Segment& segment);
  /// Gives a segment up; its file is unlinked later.
  void give_up(Segment& segment);
  /// Keeps the number of spares. Called now and then and after use.
  void pump(Now now);
  /// Unlinks at most one file that is too much. `all`: no spare is kept at all.
  void trim(bool all);

  std::size_t spares() const noexcept { return spares_.size(); }
  std::size_t files() const noexcept { return segments_.size(); }
  /// A spare is on its way.
  bool preparing() const noexcept { return !prepare_.idle() || freeing_ > 0 || !raw_.empty(); }
  /// Nonzero when the last file could not be prepared: its negative errno.
  std::int32_t trouble() const noexcept { return trouble_; }
  bool idle() const noexcept { return prepare_.idle() && writing_ == 0; }

 private:
  void on_prepared(Completion& done);
  void on_written(Completion& done);
  void write_header(Segment& segment, bool durable);
  bool add_spare(std::string path);
  void remove(Segment& segment);

  Config config_;
  Loop& loop_;
  Disk& disk_;
  Entropy& entropy_;
  SegmentOwner& owner_;
  std::uint64_t id_high_;
  std::uint32_t next_name_ = 1;
  std::uint32_t next_ordinal_ = 1;
  std::uint32_t freeing_ = 0;
  std::uint32_t writing_ = 0;
  std::int32_t trouble_ = 0;
  Instant retry_at_;
  PrepareOp prepare_;
  std::vector<std::string> raw_;  ///< files that exist but must be prepared
  std::vector<std::unique_ptr<Segment>> segments_;
  List<Segment> spares_;
  List<Segment> failed_;
};

/// "a-00000001" in its folder, and back; 0 when the name is not of that kind.
std::string segment_path(const std::string& folder, SegmentKind kind, std::uint32_t name);
std::uint32_t segment_name(std::string_view file, SegmentKind kind);

}  // namespace ringpost::spool
