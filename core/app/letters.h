#pragma once

#include <cstdint>

#include "core/mail/job.h"

namespace ringpost::app {

/// What the letters between shards say. Pointers hand over ownership until the answer comes.
enum class LetterKind : std::uint16_t {
  parcel = 1,    ///< AdmissionParcel* to the queue's home
  parcel_back,   ///< AdmissionParcel* back to the shard that owns it
  places_back,   ///< how many places for mail the sender of the letter used and no longer does
  place_ask,     ///< AdmissionParcel* to the shard of the message's log
  place_told,    ///< AdmissionParcel* back
  queue_ask,     ///< QueueQuestion* to the home of the queue
  queue_told,    ///< QueueQuestion* back
  job_open,      ///< JobNote: home -> the message's log
  job_opened,    ///< JobNote with result: back
  job_settle,    ///< JobNote: home -> the message's log
  job_settled,   ///< JobNote with result: back
  lease,         ///< a limit account's lease message
  control,       ///< ControlTask* from the control thread to a shard
  control_done,  ///< ControlTask* back
  drain,         ///< main thread: take no more mail, bring transactions to an end
  drained,       ///< shard -> main thread: nothing of it is under way any more
  abandon,       ///< main thread: time is over, break off what is still under way
  checkpoint,    ///< main thread, once all have drained: close the spool
  stopped,       ///< shard -> main thread: its loop ends
};

struct JobNote {
  Job* job = nullptr;
  std::int32_t result = 0;
};

constexpr std::uint16_t kind_of(LetterKind kind) { return static_cast<std::uint16_t>(kind); }

}  // namespace ringpost::app
