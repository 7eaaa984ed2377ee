#include "spool/views.h"

#include <algorithm>

#include "spool/bytes.h"

namespace ringpost::spool {

Views::Views(const SpoolOptions& options, Loop& loop, Disk& disk, SlotTable& slots,
             AcceptanceLog& acceptance, ViewUser& user)
    : options_(options),
      loop_(loop),
      disk_(disk),
      slots_(slots),
      acceptance_(acceptance),
      user_(user) {
  for (std::size_t i = 0; i < kLoads; ++i) {
    loads_.push_back(std::make_unique<Load>());
    loads_.back()->bind<&Views::on_loaded>(this);
  }
}

std::uint32_t Views::second() const {
  return static_cast<std::uint32_t>(loop_.now().instant.ns / 1'000'000'000) + 1;
}

bool Views::warm(const Segment& segment, std::uint64_t begin, std::uint64_t end) const {
  const std::uint32_t now = second();
  const auto age = static_cast<std::uint32_t>(options_.warm_time.whole_seconds());
  for (std::uint64_t window = begin / options_.window_bytes;
       window <= (end - 1) / options_.window_bytes; ++window) {
    const std::uint32_t stamp = segment.warm[window];
    if (stamp == 0 || now - stamp > age) {
      return false;
    }
  }
  return true;
}

Views::Got Views::acquire(std::uint32_t index, const ViewWaiter& waiter, View*& out) {
  MessageSlot& slot = slots_[index];
  out = nullptr;
  if ((slot.flags & MessageSlot::kQuarantined) != 0) {
    return Got::damaged;
  }
  if (slot.view == kNone) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(views_.size()));
      views_.push_back(std::make_unique<View>());
    }
    slot.view = free_.back();
    free_.pop_back();
    View& view = *views_[slot.view];
    view.slot = index;
    view.segment = acceptance_.table()[slot.segment];
    view.load = kNone;
    view.exact = view.segment->suspect;
    view.state = View::State::loading;
    acceptance_.pin(*view.segment);
    if (warm(*view.segment, slot.begin, std::uint64_t{slot.begin} + slot.bytes)) {
      if (!decode(view)) {
        quarantine(view);
        ++view.uses;
        release(view);
        return Got::damaged;
      }
      view.state = View::State::ready;
    } else {
      loading_.push_back(slot.view);
    }
  }
  View& view = *views_[slot.view];
  ++view.uses;
  if (view.state == View::State::ready) {
    out = &view;
    return Got::ready;
  }
  view.waiters.push_back(waiter);
  pump();
  return Got::loading;
}

void Views::quarantine(View& view) {
  slots_[view.slot].flags |= MessageSlot::kQuarantined;
  view.segment->keep = true;
  ++quarantined_;
}

bool Views::decode(View& view) {
  MessageSlot& slot = slots_[view.slot];
  const bool verify = (slot.flags & MessageSlot::kVerified) == 0;
  if (!read_record(view.segment->bytes, view.segment->header.generation, slot.head, verify,
                   view.record) ||
      view.record.recipients.size() != slot.recipients) {
    return false;
  }
  slot.flags |= MessageSlot::kVerified;
  return true;
}

void Views::release(View& view) {
  RP_ASSERT(view.uses > 0);
  if (--view.uses > 0) {
    return;
  }
  MessageSlot& slot = slots_[view.slot];
  free_.push_back(slot.view);
  slot.view = kNone;
  acceptance_.unpin(*view.segment);
  view.segment = nullptr;
  view.state = View::State::unused;
  user_.view_ended(view.slot);
}

void Views::pump() {
  for (const std::uint32_t index : loading_) {
    View& view = *views_[index];
    if (view.load != kNone) {
      continue;
    }
    const MessageSlot& slot = slots_[view.slot];
    std::uint32_t idle = kNone;
    for (std::uint32_t i = 0; i < loads_.size() && view.load == kNone; ++i) {
      const Load& load = *loads_[i];
      if (load.idle()) {
        idle = i;
      } else if (!view.exact && load.segment == view.segment && !load.exact &&
                 load.begin <= slot.begin && slot.begin + slot.bytes <= load.end) {
        view.load = i;
      }
    }
    if (view.load == kNone && idle != kNone) {
      start_load(idle, view);
    }
  }
}

void Views::start_load(std::uint32_t index, View& view) {
  Load& load = *loads_[index];
  const MessageSlot& slot = slots_[view.slot];
  const std::uint64_t window = view.exact ? kPage : options_.window_bytes;
  const std::uint64_t ahead = view.exact ? 0 : kReadAheadWindows * window;
  load.segment = view.segment;
  load.exact = view.exact;
  load.begin = slot.begin / window * window;
  load.end = std::min<std::uint64_t>(align_up(slot.begin + slot.bytes, window) + ahead,
                                     view.segment->bytes.size());
  load.address = view.segment->bytes.data() + load.begin;
  load.size = load.end - load.begin;
  view.load = index;
  disk_.populate(load);
}

void Views::on_loaded(Completion& done) {
  auto& load = static_cast<Load&>(static_cast<PopulateOp&>(done));
  std::uint32_t index = 0;
  while (loads_[index].get() != &load) {
    ++index;
  }
  if (done.result == 0 && !load.exact) {
    const std::uint64_t last = load.end == load.segment->bytes.size()
                                   ? load.segment->warm.size()
                                   : load.end / options_.window_bytes;
    for (std::uint64_t w = load.begin / options_.window_bytes; w < last; ++w) {
      load.segment->warm[w] = second();
    }
  } else if (done.result != 0) {
    load.segment->suspect = true;
  }
  finished_.clear();
  for (const std::uint32_t loading : loading_) {
    if (views_[loading]->load == index) {
      finished_.push_back(loading);
    }
  }
  load.segment = nullptr;
  for (const std::uint32_t loading : finished_) {
    View& view = *views_[loading];
    view.load = kNone;
    if (done.result != 0 && !view.exact) {
      view.exact = true;  // the fault may lie beside it
    } else {
      finish(view, done.result == 0);
    }
  }
  pump();
}

void Views::finish(View& view, bool readable) {
  MessageSlot& slot = slots_[view.slot];
  loading_.erase(std::find(loading_.begin(), loading_.end(), slot.view));
  const bool good = readable && decode(view);
  if (!good) {
    quarantine(view);
  }
  view.state = good ? View::State::ready : View::State::loading;
  calls_.swap(view.waiters);
  // One use is kept over the calls, so that the view outlives them.
  ++view.uses;
  for (const ViewWaiter& waiter : calls_) {
    if (!good) {
      --view.uses;
    }
    user_.view_loaded(waiter, good ? &view : nullptr);
  }
  calls_.clear();
  calls_.swap(view.waiters);
  release(view);
}

bool Views::idle() const noexcept {
  return std::all_of(loads_.begin(), loads_.end(), [](const auto& load) { return load->idle(); });
}

}  // namespace ringpost::spool
