#include "net/smtp/content_scanner.h"

#include <algorithm>
#include <bit>

#include "core/base/assert.h"
#include "net/smtp/content_scanner_blocks.h"

namespace ringpost::smtp {
namespace {

constexpr std::string_view kCrLf = "\r\n";
constexpr std::string_view kFinalDot = ".\r\n";

// Offsets in a summary are 32 bits wide; content that is refused for its size may be longer.
std::uint32_t narrow(std::uint64_t offset) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(offset, 0xffffffffU));
}

}  // namespace

void ContentScanner::start(Transfer transfer, BareLineEnds bare, const ContentLimits& limits,
                           std::span<const std::string_view> controls, std::span<char> scratch,
                           std::size_t watched) {
  RP_ASSERT(scratch.size() >= kHeaderLookBytes);
  RP_ASSERT(limits.message_bytes_max <= std::uint64_t{2} << 30);
  transfer_ = transfer;
  bare_ = bare;
  ended_ = carry_cr_ = held_cr_ = line_dot_ = field_open_ = field_marked_ = false;
  at_line_start_ = line_proper_ = in_header_ = true;
  line_kind_ = LineKind::unseen;
  faults_ = 0;
  limits_ = &limits;
  controls_ = controls;
  watched_ = watched;
  scratch_ = scratch.first(kHeaderLookBytes);
  partial_ = values_used_ = 0;
  raw_base_ = inserted_ = dots_ = line_raw_ = line_wire_ = 0;
  first_high_ = kNowhere;
  summary_.info = {};
  summary_.header_end = summary_.header_fields = summary_.received_fields = 0;
  summary_.longest_line = 0;
  summary_.eight_bit_header = summary_.ends_with_bare_line = summary_.normalised = false;
  summary_.fields.clear();
  summary_.noted.clear();
  RP_ASSERT(note_names_.size() <= 64);
  notes_seen_ = 0;
  note_open_ = false;
}

ContentFault ContentScanner::fault() const {
  return faults_ == 0 ? ContentFault::none : static_cast<ContentFault>(std::countr_zero(faults_));
}

void ContentScanner::flush(std::size_t end) {
  if (end > run_begin_ && faults_ == 0) {
    runs_->on_content(input_.substr(run_begin_, end - run_begin_));
  }
  run_begin_ = end;
}

void ContentScanner::insert(std::size_t at, std::string_view text) {
  flush(at);
  if (faults_ == 0) {
    runs_->on_content(text);
  }
  inserted_ += text.size();
}

std::size_t ContentScanner::feed(std::string_view input, ContentRuns& runs) {
  RP_ASSERT(!ended_ && limits_ != nullptr);
  if (input.empty()) {
    return 0;
  }
  input_ = input;
  runs_ = &runs;
  run_begin_ = 0;
  if (held_cr_) {
    take_held_cr(input.front() != '\n');
  }
  if (at_line_start_) {
    look_at_first(0);
  }
  for (std::size_t pos = 0; pos < input.size(); pos += kBlockBytes) {
    const std::size_t size = std::min(kBlockBytes, input.size() - pos);
    const bool whole = size == kBlockBytes;
    const BlockMasks masks =
        whole ? masks_of_block(input.data() + pos) : masks_of_tail(input.data() + pos, size);
    // A bit of after_cr says that the octet before is CR: it must be LF then, and only then.
    const std::uint64_t after_cr = (masks.cr << 1) | static_cast<std::uint64_t>(carry_cr_);
    carry_cr_ = ((masks.cr >> (size - 1)) & 1) != 0;
    std::uint64_t events = masks.lf | after_cr;
    if (!whole) {
      events &= (std::uint64_t{1} << size) - 1;
    }
    if (masks.high != 0 && first_high_ == kNowhere) {
      first_high_ = raw_at(pos) + static_cast<unsigned>(std::countr_zero(masks.high));
    }
    for (; events != 0; events &= events - 1) {
      const std::uint64_t bit = events & -events;
      const std::size_t at = pos + static_cast<unsigned>(std::countr_zero(events));
      if ((masks.lf & after_cr & bit) == 0) {
        end_of_bare_line(at, (after_cr & bit) != 0);
      } else if (end_of_line(at + 1, 2)) {
        end_of_input(at + 1);
        return at + 1;
      }
    }
  }
  end_of_input(input.size());
  return input.size();
}

// At `at` stands a LF without CR, or (cr) an octet other than LF after a CR.
void ContentScanner::end_of_bare_line(std::size_t at, bool cr) {
  if (bare_ == BareLineEnds::refuse) {
    set(ContentFault::bare_line_end);
    return;
  }
  summary_.normalised = true;
  // take_held_cr() has dealt with a CR that ended the previous piece.
  if (cr && at == 0) {
    return;
  }
  const std::size_t end = cr ? at : at + 1;
  const std::size_t terminator = end - 1;
  // A line of one dot that a bare line end closes would become the end of DATA for the next
  // server: it gets a second dot.
  if (transfer_ == Transfer::data && line_proper_ && line_dot_ &&
      raw_at(terminator) - line_raw_ == 1) {
    insert(terminator, ".");
  }
  if (cr) {
    insert(end, "\n");
  } else {
    insert(terminator, "\r");
  }
  end_of_line(end, 1);
}

// A CR ended the previous piece and was held back because what follows decides what it becomes.
void ContentScanner::take_held_cr(bool bare) {
  held_cr_ = false;
  const auto hand_on = [this](std::string_view text) {
    if (faults_ == 0) {
      runs_->on_content(text);
    }
  };
  if (!bare) {
    hand_on("\r");
    return;
  }
  summary_.normalised = true;
  if (transfer_ == Transfer::data && line_proper_ && line_dot_ && raw_base_ - line_raw_ == 2) {
    hand_on(".");
    inserted_ += 1;
  }
  hand_on(kCrLf);
  inserted_ += 1;
  end_of_line(0, 1);
}

// The current line ends before `end`, its last `terminator_bytes` being the line end as it came.
// True: it was the final dot.
bool ContentScanner::end_of_line(std::size_t end, std::size_t terminator_bytes) {
  const bool proper = terminator_bytes == 2;
  const std::uint64_t raw_bytes = raw_at(end) - line_raw_;
  const bool stuffed = line_dot_ && line_proper_ && transfer_ == Transfer::data;
  if (proper && stuffed && raw_bytes == 3) {
    ended_ = true;
    return true;
  }
  if (line_dot_) {
    ++dots_;
    summary_.info.dot_lines = true;
  }
  const std::uint64_t octets = raw_bytes - terminator_bytes - (stuffed ? 1 : 0);
  if (octets > summary_.longest_line) {
    summary_.longest_line = narrow(octets);
    if (octets > limits_->line_bytes_max) {
      set(ContentFault::line_too_long);
    }
  }
  if (in_header_) {
    header_line_ended(end);
  }
  begin_line(end, proper);
  return false;
}

void ContentScanner::begin_line(std::size_t at, bool proper) {
  line_raw_ = raw_at(at);
  line_wire_ = wire_at(at);
  line_proper_ = proper;
  line_dot_ = false;
  line_kind_ = LineKind::unseen;
  partial_ = 0;
  at_line_start_ = true;
  if (at < input_.size()) {
    look_at_first(at);
  }
}

void ContentScanner::look_at_first(std::size_t at) {
  at_line_start_ = false;
  if (input_[at] == '.') {
    line_dot_ = true;
    // Where the sender did not stuff (BDAT, or a line start that is ours), we do.
    if (transfer_ == Transfer::bdat || !line_proper_) {
      insert(at, ".");
    }
  }
}

void ContentScanner::end_of_input(std::size_t consumed) {
  if (ended_) {
    flush(consumed);
    if (first_high_ != kNowhere && first_high_ >= raw_at(consumed)) {
      first_high_ = kNowhere;
    }
    const std::uint64_t wire = wire_at(consumed);
    raw_base_ += consumed;
    end_message(wire);
  } else {
    if (in_header_ && !at_line_start_ && line_kind_ == LineKind::unseen) {
      keep_partial(consumed);
    }
    check_partial_line(consumed);
    if (carry_cr_ && bare_ == BareLineEnds::normalise) {
      held_cr_ = true;
      flush(consumed - 1);
      run_begin_ = consumed;
    } else {
      flush(consumed);
    }
    raw_base_ += consumed;
  }
  input_ = {};
  runs_ = nullptr;
}

// Limits that a line or message without an end would never meet otherwise. Only what can no
// longer turn out to be within the limit counts, so that the verdict does not depend on how the
// content was cut into pieces.
void ContentScanner::check_partial_line(std::size_t size) {
  const std::uint64_t partial = raw_at(size) - line_raw_;
  const std::uint64_t sure = partial > 3 ? partial - 3 : 0;
  if (line_wire_ - dots_ + sure > limits_->message_bytes_max) {
    set(ContentFault::too_large);
  }
  if (sure > limits_->line_bytes_max) {
    set(ContentFault::line_too_long);
  }
  if (in_header_ && line_kind_ == LineKind::field &&
      line_wire_ + sure > limits_->header_bytes_max) {
    set(ContentFault::header_too_large);
  }
}

void ContentScanner::finish(ContentRuns& runs) {
  RP_ASSERT(!ended_ && transfer_ == Transfer::bdat);
  runs_ = &runs;
  input_ = {};
  run_begin_ = 0;
  if (held_cr_) {
    take_held_cr(true);
  } else if (carry_cr_) {
    set(ContentFault::bare_line_end);
  }
  if (raw_base_ > line_raw_) {
    summary_.ends_with_bare_line = true;
    // The CRLF belongs to the line but came from us: it counts as inserted, not as read.
    insert(0, kCrLf);
    end_of_line(0, 0);
  }
  ended_ = true;
  line_wire_ = wire_at(0);
  insert(0, kFinalDot);
  end_message(wire_at(0));
  runs_ = nullptr;
}

void ContentScanner::end_message(std::uint64_t wire_bytes) {
  if (in_header_) {
    end_header(line_wire_, line_wire_, line_raw_);
  }
  const std::uint64_t size = wire_bytes - kFinalDot.size() - dots_;
  if (size > limits_->message_bytes_max) {
    set(ContentFault::too_large);
  }
  summary_.info.wire_bytes = narrow(wire_bytes);
  summary_.info.size = narrow(size);
  summary_.info.eight_bit = first_high_ != kNowhere;
}

}  // namespace ringpost::smtp
