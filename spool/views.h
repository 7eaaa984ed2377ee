#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/loop/disk.h"
#include "core/loop/loop.h"
#include "core/mail/job.h"
#include "spool/acceptance_log.h"
#include "spool/options.h"
#include "spool/record_reader.h"
#include "spool/slots.h"

namespace ringpost::spool {

struct InspectOp;

/// One use of a view that waits until it is loaded.
struct ViewWaiter {
  enum class Use : std::uint8_t { open, settle, inspect };

  Use use = Use::open;
  Job* job = nullptr;
  InspectOp* inspect = nullptr;
};

/// A message lent out: its decoded record, and the pin on its segment.
struct View {
  enum class State : std::uint8_t { unused, loading, ready };

  State state = State::unused;
  bool exact = false;  ///< only this record's bytes are populated
  std::uint32_t slot = 0;
  std::uint32_t uses = 0;      ///< waiting and lent
  std::uint32_t load = kNone;  ///< populate it waits for
  Segment* segment = nullptr;
  OpenedRecord record;
  std::vector<ViewWaiter> waiters;
};

/// Told when a load or the last use ends.
class ViewUser {
 public:
  virtual ~ViewUser() = default;
  /// `view` is null when the record is damaged or unreadable; the use is over then.
  virtual void view_loaded(const ViewWaiter& waiter, View* view) = 0;
  /// The last use of the message's view has ended.
  virtual void view_ended(std::uint32_t slot) = 0;
};

/// Views of one log. Bytes that were not written or populated lately are brought in off-thread
/// before the processor looks at them, in runs with read-ahead.
class Views {
 public:
  Views(const SpoolOptions& options, Loop& loop, Disk& disk, SlotTable& slots,
        AcceptanceLog& acceptance, ViewUser& user);

  /// One more use of the message's view. ready: `view` can be read now; loading: view_loaded()
  /// follows for `waiter`; damaged: no use was counted.
  enum class Got : std::uint8_t { ready, loading, damaged };
  Got acquire(std::uint32_t slot, const ViewWaiter& waiter, View*& view);
  /// The view of a message that is lent out.
  View& of(const MessageSlot& slot) { return *views_[slot.view]; }
  void release(View& view);

  std::uint64_t quarantined() const noexcept { return quarantined_; }
  bool idle() const noexcept;

 private:
  struct Load : PopulateOp {
    Segment* segment = nullptr;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool exact = false;
  };
  static constexpr std::size_t kLoads = 8;
  static constexpr std::uint64_t kReadAheadWindows = 4;

  bool warm(const Segment& segment, std::uint64_t begin, std::uint64_t end) const;
  void pump();
  void start_load(std::uint32_t load, View& view);
  void on_loaded(Completion& done);
  void finish(View& view, bool readable);
  bool decode(View& view);
  void quarantine(View& view);
  std::uint32_t second() const;

  const SpoolOptions& options_;
  Loop& loop_;
  Disk& disk_;
  SlotTable& slots_;
  AcceptanceLog& acceptance_;
  ViewUser& user_;
  std::vector<std::unique_ptr<View>> views_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> loading_;
  std::vector<std::uint32_t> finished_;
  std::vector<ViewWaiter> calls_;
  std::vector<std::unique_ptr<Load>> loads_;
  std::uint64_t quarantined_ = 0;
};

}  // namespace ringpost::spool
