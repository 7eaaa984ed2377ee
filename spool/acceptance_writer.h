#pragma once

#include <cstdint>

#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/mail/doors.h"
#include "spool/chunks.h"
#include "spool/format.h"

namespace ringpost::spool {

class AcceptanceLog;

/// One message being received, of a pool of the log. Its content gathers in chunks; a large one
/// has a stream that empties them into its extent.
class Writer final : public MessageWriter, public ListLink<> {
 public:
  Writer(AcceptanceLog& log, ChunkPool& chunks) : log_(log) {
    content_.attach(chunks);
    meta_.attach(chunks);
  }

  Status append(std::string_view run) override;
  bool has_room(Completion& when_room) override;
  void commit(const Submission& submission, CommitOp& op) override;
  void abandon() override;

 private:
  friend class AcceptanceLog;

  enum class State : std::uint8_t {
    unused,
    gathering,
    committing,  ///< waits for its batch
    abandoned,   ///< waits for the stream's operations to end
  };

  AcceptanceLog& log_;
  State state_ = State::unused;
  bool refused_ = false;  ///< append() has failed: only abandon() may follow
  std::uint32_t stream_ = kNone;
  std::uint64_t declared_ = 0;
  std::uint64_t content_bytes_ = 0;
  ChunkChain content_;
  ChunkChain meta_;  ///< head, index, envelope
  Hasher64 hasher_;  ///< of the content
  RecordHead head_;
  bool tells_delay_ = false;  ///< a sender who wants to hear of a delay
  std::uint64_t offset_ = 0;  ///< of the record
  CommitOp* op_ = nullptr;
};

}  // namespace ringpost::spool
