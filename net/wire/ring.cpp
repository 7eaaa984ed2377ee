#include "net/wire/ring.h"

#include <liburing.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "net/wire/ring_probe.h"

namespace ringpost {
namespace {

constexpr int kTagShift = 56;
constexpr std::uint64_t kPayloadMask = (std::uint64_t{1} << kTagShift) - 1;
// A flush that the kernel turns away (short of memory, its backlog full) is tried this often.
constexpr int kFlushTries = 10'000;
constexpr int kStopRounds = 200;
constexpr std::int64_t kStopRoundNs = 10'000'000;

constexpr std::uint32_t bit(RingFeature feature) { return static_cast<std::uint32_t>(feature); }

constexpr std::uint32_t kAllFeatures =
    bit(RingFeature::deferred_work) | bit(RingFeature::registered_ring) |
    bit(RingFeature::direct_sockets) | bit(RingFeature::message_ring) |
    bit(RingFeature::zero_copy) | bit(RingFeature::zero_copy_report) |
    bit(RingFeature::whole_sends);

void trial_handler(void* owner, const RingEvent& event) {
  if (!event.notification) {
    *static_cast<std::int32_t*>(owner) = event.result;
  }
}

}  // namespace

struct Ring::Impl {
  ::io_uring ring{};
  alignas(::io_uring_sqe) std::array<unsigned char, 128> scratch{};  ///< an entry to nowhere
  bool made = false;
  bool enabled = false;
  bool task_flag = false;  ///< the kernel says in shared memory when it has work for us
  ::pid_t thread = 0;

  ~Impl() {
    if (made) {
      ::io_uring_queue_exit(&ring);
    }
  }
  /// Whether entering the kernel without waiting would do anything.
  bool needs_entry() noexcept {
    if (!task_flag || ::io_uring_sq_ready(&ring) != 0) {
      return true;
    }
    const unsigned flags = __atomic_load_n(ring.sq.kflags, __ATOMIC_RELAXED);
    return (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
  }
};

Ring::Ring(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Ring::~Ring() { stop(); }

Result<std::unique_ptr<Ring>> Ring::make(const RingOptions& options, ProbeReport& report) {
  struct Attempt {
    unsigned flags;
    const char* note;
  };
  constexpr unsigned kBase = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
  static constexpr std::array kAttempts = {
      Attempt{kBase | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                  IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                  IORING_SETUP_TASKRUN_FLAG,
              nullptr},
      Attempt{
          kBase | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
          "io_uring cannot defer completions to our waits (6.1); they interrupt instead"},
      Attempt{kBase, "io_uring has no cooperative completions (5.19); slower"},
  };
  auto impl = std::make_unique<Impl>();
  const bool withheld = (options.withheld & bit(RingFeature::deferred_work)) != 0;
  int error = 0;
  std::uint32_t features = kAllFeatures & ~options.withheld;
  for (std::size_t i = withheld ? 1 : 0; i < kAttempts.size(); ++i) {
    ::io_uring_params params{};
    params.flags = kAttempts[i].flags;
    params.cq_entries = options.completion_entries;
    error = -::io_uring_queue_init_params(options.submission_entries, &impl->ring, &params);
    if (error == 0) {
      impl->made = true;
      impl->task_flag = (params.flags & IORING_SETUP_TASKRUN_FLAG) != 0;
      if (kAttempts[i].note != nullptr && !withheld) {
        report.lines.emplace_back(kAttempts[i].note);
      }
      if ((params.flags & IORING_SETUP_DEFER_TASKRUN) == 0) {
        features &= ~bit(RingFeature::deferred_work);
      }
      break;
    }
    if (error != EINVAL) {
      break;
    }
  }
  if (!impl->made) {
    return Error::from_errno(error, "io_uring_setup (is io_uring forbidden here?)");
  }
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;
  if ((impl->ring.features & kNeeded) != kNeeded) {
    return Error::of(ErrorCode::unsupported, "this kernel's io_uring is too old (6.1 is needed)");
  }
  std::unique_ptr<Ring> ring(new Ring(std::move(impl)));
  ring->features_ = features;
  ring->finished_.reserve(options.completion_entries);
  return ring;
}

void Ring::lack(RingFeature feature, const char* sentence, ProbeReport& report) {
  if (has(feature)) {
    features_ &= ~bit(feature);
    report.lines.emplace_back(sentence);
  }
}

Status Ring::enable(ProbeReport& report) {
  RP_ASSERT(!impl_->enabled);
  // The library declares io_uring_enable_rings but does not export it.
  if (::syscall(__NR_io_uring_register, impl_->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr,
                0) != 0) {
    return Error::from_errno(errno, "io_uring_register(ENABLE_RINGS)");
  }
  impl_->enabled = true;
  impl_->thread = ::gettid();
  if (has(RingFeature::registered_ring) && ::io_uring_register_ring_fd(&impl_->ring) < 1) {
    lack(RingFeature::registered_ring,
         "io_uring cannot register its own descriptor (5.18); each entry costs a look-up", report);
  }
  try_features(report);
  return {};
}

void Ring::try_features(ProbeReport& report) {
  ::io_uring_probe* probe = ::io_uring_get_probe_ring(&impl_->ring);
  const auto knows = [probe](int opcode) {
    return probe != nullptr && ::io_uring_opcode_supported(probe, opcode) != 0;
  };
  if (!knows(IORING_OP_MSG_RING)) {
    lack(RingFeature::message_ring,
         "io_uring cannot message other rings (5.18); shards wake each other by event descriptors",
         report);
  }
  if (!knows(IORING_OP_SENDMSG_ZC)) {
    lack(RingFeature::zero_copy, "no vectored zero-copy send (6.1); all content is copied", report);
  }
  ::io_uring_free_probe(probe);
  if (!has(RingFeature::zero_copy)) {
    features_ &= ~bit(RingFeature::zero_copy_report);
    return;
  }
  // Flags are looked at before the descriptor, so a bad one tells without sending anything.
  const std::int32_t result = trial([](::io_uring_sqe* entry) {
    static const ::msghdr kNothing{};
    ::io_uring_prep_sendmsg_zc(entry, -1, &kNothing, 0);
    entry->ioprio = kReportUsage;
  });
  if (result == -EINVAL) {
    lack(RingFeature::zero_copy_report,
         "zero-copy sends do not report whether they copied (6.2); copies are not counted", report);
  }
}

std::int32_t Ring::trial(void (*prepare)(io_uring_sqe*)) {
  constexpr std::int32_t kPending = 1;
  std::int32_t result = kPending;
  attach(RingTag::internal, &result, &trial_handler);
  prepare(next_entry(RingTag::internal, 0));
  for (int round = 0; round < 100 && result == kPending; ++round) {
    turn(Duration::milliseconds(10));
  }
  clients_[static_cast<std::size_t>(RingTag::internal)] = {};
  return result;
}

bool Ring::has(RingFeature feature) const noexcept { return (features_ & bit(feature)) != 0; }

int Ring::descriptor() const noexcept { return impl_->ring.ring_fd; }

::io_uring* Ring::native() noexcept { return &impl_->ring; }

void Ring::attach(RingTag tag, void* owner, Handler handler) noexcept {
  Client& client = clients_[static_cast<std::size_t>(tag)];
  RP_ASSERT_NOTE(client.handler == nullptr, "two adapters for one tag");
  client = {owner, handler};
}

void Ring::attach_hook(void* owner, Hook hook) noexcept {
  RP_ASSERT(hook_count_ < kHooksMax);
  hooks_[hook_count_].owner = owner;
  hooks_[hook_count_].hook = hook;
  ++hook_count_;
}

std::uint64_t Ring::user_data(RingTag tag, std::uint64_t payload) noexcept {
  RP_ASSERT((payload & ~kPayloadMask) == 0);
  return static_cast<std::uint64_t>(tag) << kTagShift | payload;
}

io_uring_sqe* Ring::next_entry(RingTag tag, std::uint64_t payload) noexcept {
  if (stopped_) {
    return reinterpret_cast<::io_uring_sqe*>(impl_->scratch.data());
  }
  ::io_uring_sqe* entry = ::io_uring_get_sqe(&impl_->ring);
  if (entry == nullptr) [[unlikely]] {
    ++stats_.submission_full;
    for (int i = 0; i < kFlushTries && entry == nullptr; ++i) {
      ++stats_.kernel_entries;
      const int result = ::io_uring_submit(&impl_->ring);
      RP_ASSERT_NOTE(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY,
                     "the ring is not enabled or belongs to another thread");
      entry = ::io_uring_get_sqe(&impl_->ring);
    }
    RP_ASSERT_NOTE(entry != nullptr, "the kernel takes no submissions");
  }
  entry->user_data = user_data(tag, payload);
  ++in_kernel_;
  ++stats_.submissions;
  return entry;
}

void Ring::enter(Duration timeout) noexcept {
  int result = 0;
  if (timeout.ns <= 0) {
    if (!impl_->needs_entry()) {
      return;
    }
    ++stats_.kernel_entries;
    result = ::io_uring_submit_and_get_events(&impl_->ring);
  } else {
    constexpr std::int64_t kSecond = 1'000'000'000;
    // A wait without end is cut into days; waking up for nothing is harmless.
    const std::int64_t ns = std::min(timeout.ns, Duration::days(1).ns);
    ::__kernel_timespec span{};
    span.tv_sec = ns / kSecond;
    span.tv_nsec = ns % kSecond;
    ::io_uring_cqe* cqe = nullptr;
    ++stats_.kernel_entries;
    result = ::io_uring_submit_and_wait_timeout(&impl_->ring, &cqe, 1, &span, nullptr);
  }
  RP_ASSERT_NOTE(
      result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY,
      "io_uring_enter failed: ring not enabled, or used by a second thread");
}

void Ring::reap() {
  ::io_uring* ring = &impl_->ring;
  if (::io_uring_cq_has_overflow(ring)) {
    ++stats_.completion_overflows;
  }
  // At most one ring's worth, so that a flood cannot keep the loop in here.
  for (unsigned left = ring->cq.ring_entries; left > 0; --left) {
    ::io_uring_cqe* cqe = nullptr;
    unsigned head = 0;
    io_uring_for_each_cqe(ring, head, cqe) { break; }
    if (cqe == nullptr) {
      break;
    }
    const std::uint64_t data = cqe->user_data;
    RingEvent event;
    event.payload = data & kPayloadMask;
    event.result = cqe->res;
    event.more = (cqe->flags & IORING_CQE_F_MORE) != 0;
    event.notification = (cqe->flags & IORING_CQE_F_NOTIF) != 0;
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
      event.buffer = static_cast<std::int32_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    }
    ::io_uring_cq_advance(ring, 1);
    ++stats_.completions;
    const auto tag = static_cast<RingTag>(data >> kTagShift);
    if (!event.more && tag != RingTag::wake_message) {
      --in_kernel_;
    }
    if (stopped_) {
      if (tag == RingTag::accept && event.result >= 0) {
        ::close(event.result);
      }
      continue;
    }
    const Client& client = clients_[data >> kTagShift];
    if (client.handler != nullptr) {
      client.handler(client.owner, event);
    }
  }
}

void Ring::turn(Duration timeout) {
  bool restless = false;
  for (std::size_t i = 0; i < hook_count_; ++i) {
    restless = hooks_[i].hook(hooks_[i].owner) || restless;
  }
  enter(restless || !finished_.empty() ? Duration{} : timeout);
  reap();
}

void Ring::complete(Completion& operation, std::int32_t result) noexcept {
  operation.result = result;
  finished_.push_back(&operation);
}

void Ring::hand_over(ReadyList& ready) noexcept {
  for (Completion* operation : finished_) {
    ready.push(*operation);
  }
  finished_.clear();
}

Status Ring::make_file_table(unsigned slots) {
  if (!has(RingFeature::direct_sockets)) {
    return Error::of(ErrorCode::unsupported, "direct sockets are withheld");
  }
  if (!direct_sockets_close_at_once()) {
    features_ &= ~bit(RingFeature::direct_sockets);
    return Error::of(ErrorCode::unsupported,
                     "this kernel (before 6.13) closes direct sockets late; the limit of open "
                     "files must cover all connections");
  }
  const int error = -::io_uring_register_files_sparse(&impl_->ring, slots);
  if (error == 0) {
    return {};
  }
  features_ &= ~bit(RingFeature::direct_sockets);
  if (error == EMFILE) {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return Error::of(ErrorCode::no_capacity, "a table of " + std::to_string(slots) +
                                                 " sockets exceeds RLIMIT_NOFILE, " +
                                                 std::to_string(limit.rlim_cur));
  }
  if (error == EINVAL) {
    return Error::of(ErrorCode::unsupported, "no sparse file table (5.19)");
  }
  return Error::from_errno(error, "io_uring_register(FILES)");
}

Status Ring::set_file(unsigned slot, int descriptor) {
  const int result = ::io_uring_register_files_update(&impl_->ring, slot, &descriptor, 1);
  if (result == 1) {
    return {};
  }
  return Error::from_errno(result < 0 ? -result : EIO, "io_uring_register(FILES_UPDATE)");
}

void Ring::stop() noexcept {
  if (stopped_) {
    return;
  }
  if (!impl_->enabled || impl_->thread != ::gettid()) {
    stopped_ = true;
    return;
  }
  for (int round = 0; round < kStopRounds; ++round) {
    if (round % 10 == 0) {
      stopped_ = false;
      ::io_uring_sqe* entry = next_entry(RingTag::internal, 0);
      ::io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, entry, -1, nullptr, 0, 0);
      entry->cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
      stopped_ = true;
    }
    enter(Duration::nanoseconds(round == 0 ? 0 : kStopRoundNs));
    reap();
    if (in_kernel_ == 0) {
      break;
    }
  }
}

}  // namespace ringpost
