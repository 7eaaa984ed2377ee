#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/policy_book.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "core/schedule/decisions.h"
#include "spool/spool.h"

namespace ringpost::app {

/// Mails about what is decided on queues, to those whom backoff-notify and
/// disabled-source-ip-notify name: ordinary messages of the spool with the null return path. What
/// happens within a second goes into one mail, and each reader gets at most one a minute, however
/// many queues change. One per shard, used by its thread.
class NotifyDesk final : public TurnHook {
 public:
  /// `place` tells desks of one host apart in Message-IDs.
  NotifyDesk(Loop& loop, PolicyBook& policies, unsigned place);
  ~NotifyDesk() override;
  NotifyDesk(const NotifyDesk&) = delete;
  NotifyDesk& operator=(const NotifyDesk&) = delete;

  /// Where mails are put; before the first turn.
  void set_spool(spool::Spool& spool) { spool_ = &spool; }

  /// `begun`: it holds from now on; otherwise no longer. `text` is a line for a human.
  void tell(const schedule::Decision& decision, bool begun, std::string_view text);
  bool end_of_turn(Now now) override;

  /// Writes what is waiting; idle() turns true once that is done, or cannot be.
  void drain();
  bool idle() const { return !committing_ && (!draining_ || waiting_ == 0); }
  std::uint64_t sent() const { return sent_; }
  /// Changes that no mail told of: too many readers at a time, or no room in the spool at the end.
  std::uint64_t lost() const { return lost_; }

  static constexpr std::size_t kReadersMax = 64;
  static constexpr std::size_t kLinesMax = 100;

 private:
  struct Reader {
    std::string subject;
    std::vector<std::string> lines;
    std::uint64_t more = 0;  ///< changes beyond the lines
    Instant due = Instant::never();
    Instant next;  ///< not before
  };

  bool write(const std::string& address, Reader& reader, Now now);
  ContentInfo compose(const std::string& address, const Reader& reader, Now now);
  void on_committed(Completion& completion);
  void on_due(Now) {}
  void forget(Reader& reader, std::size_t lines, std::uint64_t more);

  Loop& loop_;
  PolicyBook& policies_;
  unsigned place_;
  spool::Spool* spool_ = nullptr;
  std::map<std::string, Reader, std::less<>> readers_;
  std::size_t waiting_ = 0;  ///< readers with a mail to come
  bool committing_ = false;
  bool draining_ = false;
  std::string under_way_;       ///< the reader whose mail is being written
  std::size_t lines_told_ = 0;  ///< how much stands in it; more may have come since
  std::uint64_t more_told_ = 0;
  CommitOp commit_;
  Timer timer_;
  std::string text_;
  std::uint64_t serial_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace ringpost::app
