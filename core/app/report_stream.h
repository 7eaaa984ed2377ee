#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/account/notice.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"

namespace ringpost::app {

/// Puts a notification that returns a large message into the spool, a piece at a time, as the disk
/// keeps up: the message goes from the mapping it lies in to the writer and is nowhere in between.
/// One notification at a time, used by its shard's thread.
class ReportStream {
 public:
  explicit ReportStream(Loop& loop) : loop_(loop) { room_.bind<&ReportStream::on_room>(this); }

  bool idle() const noexcept { return writer_ == nullptr; }
  /// `runs` is the message in wire form without its final dot line, lent until `ended` has run.
  /// ended.result 0: all is in the writer, which waits for commit() and then release(); negative
  /// errno: it was abandoned and the stream is idle.
  void start(MessageWriter& writer, account::NoticeFrame frame,
             std::span<const std::string_view> runs, Completion& ended);
  MessageWriter& writer() noexcept { return *writer_; }
  ContentInfo info() const { return count_.info(frame_.header_bytes); }
  void release() noexcept { writer_ = nullptr; }

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{16} << 10;

  void pump();
  void on_room(Completion&) { pump(); }

  Loop& loop_;
  MessageWriter* writer_ = nullptr;
  account::NoticeFrame frame_;
  std::vector<std::string_view> pieces_;
  std::size_t next_ = 0;
  account::WireCount count_;
  Completion room_;
  Completion* ended_ = nullptr;
};

}  // namespace ringpost::app
