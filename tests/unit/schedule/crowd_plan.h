#pragma once

#include <cstdint>
#include <vector>

#include "core/schedule/limits.h"
#include "tests/number_from.h"

namespace ringpost::schedule::test {

/// Seeds of each property are seeds() from first_seed() on, 200 where nothing slows them down;
/// RINGPOST_SEEDS and RINGPOST_SEED_FIRST ask for others. RINGPOST_SHIFT gives all crowds another
/// sequence of chances, those of tests with one seed too.
inline std::uint64_t seeds_or(std::uint64_t most) { return number_from("RINGPOST_SEEDS", most); }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline std::uint64_t seeds() { return seeds_or(10); }
#else
inline std::uint64_t seeds() { return seeds_or(200); }
#endif
inline std::uint64_t shift() { return number_from("RINGPOST_SHIFT", 0) * 1'000'003; }
inline std::uint64_t first_seed() { return number_from("RINGPOST_SEED_FIRST", 1); }

/// What one simulated run is like.
struct CrowdPlan {
  unsigned shards = 1;
  std::uint32_t total_max = 0;
  std::vector<std::uint32_t> vmta_max;   ///< a virtual MTA each
  std::vector<std::uint32_t> queue_max;  ///< a destination each
  std::vector<std::uint8_t> priorities;  ///< of each destination in turn; empty: all alike
  std::vector<bool> untouchable;         ///< whose connections nobody interrupts; may be shorter
  RateLimit messages;                    ///< of each queue
  RateLimit connects;                    ///< of each queue
  std::vector<RateLimit> vmta_messages;  ///< of each virtual MTA as a whole; may be shorter
  std::vector<RateLimit> vmta_connects;
  ByteLimit octets;                    ///< of each queue
  std::vector<ByteLimit> vmta_octets;  ///< of each virtual MTA as a whole; may be shorter
  std::uint32_t size_min = 1;          ///< of a message, in octets
  std::uint32_t size_max = 1;
  std::vector<RateLimit> sender_messages;  ///< of each rule for senders
  RateLimit pool_messages;                 ///< of all virtual MTAs together
  bool pooled = false;                     ///< `pool_messages` applies
  std::size_t grouped = 0;  ///< that many destinations are one group, per virtual MTA
  std::uint32_t group_max = 0;
  RateLimit group_messages;
  RateLimit group_connects;
  ByteLimit group_octets;
  bool twins = false;  ///< queues outside the group have these in back-off mode, instead of others
  std::uint32_t backoff_max = 0;
  RateLimit backoff_messages;
  RateLimit backoff_connects;
  ByteLimit backoff_octets;
  std::uint32_t group_backoff_max = 0;  ///< of those in back-off mode
  RateLimit group_backoff_messages;
  RateLimit group_backoff_connects;
  ByteLimit group_backoff_octets;
  WarmupPlanRef warmup;       ///< of each queue, or of what shares it
  bool vmta_warmup = false;   ///< each virtual MTA warms up as a whole
  bool group_warmup = false;  ///< the group does
  unsigned hosts = 0;  ///< addresses that mail hosts have in all; 0: connections are not looked at
  unsigned addresses = 1;             ///< of each destination; neighbours share some
  std::uint32_t per_host_max = 0;     ///< of a queue or group, to one address
  std::uint32_t per_name_max = 0;     ///< over all queues; two addresses have one name
  std::uint32_t per_address_max = 0;  ///< over all queues
  unsigned failing_connects = 0;      ///< percent
  std::vector<SourceLimit> sources;   ///< of each queue, one for each source address; needs hosts
  Duration bounce_after = Duration::hours(20);
  std::uint32_t jobs_max = 64;
  std::uint32_t backlog_per_session = 2;
  Duration letter_delay_max = Duration::milliseconds(20);
  Duration service_max = Duration::milliseconds(300);
  Duration greeting_max = Duration::forever();  ///< and never more than `service_max`
  Duration idle_timeout = Duration::seconds(2);
  int jobs_per_session_max = 40;
  unsigned refused_letters = 5;      ///< percent of sends that find the mailbox full
  unsigned refused_sessions = 2;     ///< percent
  unsigned failing_sessions = 10;    ///< percent that end as one of the failures
  bool failing_starts = true;        ///< so do attempts that come to no session
  unsigned failing_recipients = 20;  ///< percent deferred or returned
  bool closer = true;
  bool prefetch = false;    ///< sessions ask for a job ahead while busy
  bool late_word = false;   ///< sessions count as established when their first mail got an answer
  std::uint32_t jobs = 0;   ///< that many jobs, drawn for each message; 0: none
  bool late_take = false;   ///< an offered session asks for its job later
  unsigned slow = 0;        ///< percent of sessions whose host takes one command at a time
  unsigned late_reads = 0;  ///< percent of the others whose mail takes long to be read
  Duration reply_max = Duration::milliseconds(300);  ///< of each of its replies
  Duration mail_takes{};  ///< of that to MAIL, where the first destination's host is such a one
};

}  // namespace ringpost::schedule::test
