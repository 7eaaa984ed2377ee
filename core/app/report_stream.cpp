#include "core/app/report_stream.h"

#include <cerrno>
#include <utility>

namespace ringpost::app {

void ReportStream::start(MessageWriter& writer, account::NoticeFrame frame,
                         std::span<const std::string_view> runs, Completion& ended) {
  RP_ASSERT(idle());
  writer_ = &writer;
  frame_ = std::move(frame);
  pieces_.assign(1, frame_.before);
  pieces_.insert(pieces_.end(), runs.begin(), runs.end());
  pieces_.emplace_back(frame_.after);
  next_ = 0;
  count_ = {};
  ended_ = &ended;
  pump();
}

void ReportStream::pump() {
  while (next_ < pieces_.size()) {
    std::string_view& piece = pieces_[next_];
    if (piece.empty()) {
      ++next_;
      continue;
    }
    if (!writer_->has_room(room_)) {
      return;
    }
    const std::string_view part = piece.substr(0, kPieceBytes);
    if (!writer_->append(part)) {
      writer_->abandon();
      writer_ = nullptr;
      loop_.complete(*ended_, -EMSGSIZE);
      return;
    }
    count_.add(part);
    piece.remove_prefix(part.size());
  }
  loop_.complete(*ended_, 0);
}

}  // namespace ringpost::app
