#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/mail/doors.h"

namespace ringpost::spool::testing {

/// A recipient that was offered for scheduling.
struct Offered {
  SpoolHandle message;
  MessageId id;
  std::string domain;
  std::string vmta;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint16_t attempts = 0;
  bool ambiguous = false;
  WallTime next;
  std::uint8_t priority = kNormalPriority;
};

class TestAdmissions : public AdmissionSink {
 public:
  bool admit(const Admission& a) override {
    if (closed || (refuse_every > 0 && ++asked % refuse_every == 0)) {
      return false;
    }
    offered.push_back({a.message, a.id, std::string(a.domain), std::string(a.vmta), a.first,
                       a.count, a.attempts, a.ambiguous_before, a.next_attempt, a.priority});
    return true;
  }

  std::deque<Offered> offered;
  unsigned refuse_every = 0;
  unsigned asked = 0;
  bool closed = false;
};

/// A settled record that owns its texts.
struct Accounted {
  RecordType type = RecordType::outcome;
  std::uint64_t sequence = 0;
  MessageId id;
  OutcomeKind kind = OutcomeKind::pending;
  bool ambiguous = false;
  std::uint16_t attempts = 0;
  std::string recipient;
  std::string reverse_path;
  std::string text;
  std::string host;
  std::string vmta;
  std::string submitted;
  std::string queue;
  std::string helo;
  std::string noted;
  std::uint16_t offered = 0;
  std::uint8_t hidden = 0;
  WallTime first_attempt;
  IpAddress received_at;

  bool final() const { return type == RecordType::outcome && is_final(kind); }
};

/// Accounting whose file survives any crash; what is archived is set by the test. As the real one
/// does, it knows what its file has and passes over what a restart offers again.
class TestOutcomes : public OutcomeSink {
 public:
  bool account(const SettledRecord& r) override {
    if (closed || (refuse_every > 0 && ++asked % refuse_every == 0)) {
      return false;
    }
    const Accounted now{r.type,
                        r.sequence,
                        r.id,
                        r.kind,
                        r.ambiguous,
                        r.attempts,
                        std::string(r.recipient),
                        std::string(r.reverse_path),
                        std::string(r.text),
                        std::string(r.host),
                        std::string(r.vmta),
                        std::string(r.submitted),
                        std::string(r.queue),
                        std::string(r.helo),
                        std::string(r.noted),
                        r.offered,
                        r.hidden_records,
                        r.first_attempt,
                        r.received_at};
    const auto [known, fresh] = ever.emplace(std::pair(r.log, r.sequence), now);
    consistent = consistent && known->second.id == now.id &&
                 known->second.recipient == now.recipient && known->second.kind == now.kind &&
                 known->second.type == now.type;
    std::uint64_t& last = last_sequence[r.log];
    if (r.sequence <= last) {
      consistent = consistent && !fresh;
      return true;
    }
    last = r.sequence;
    records.push_back(now);
    return true;
  }
  std::uint64_t archived(std::uint16_t log) const override {
    const auto found = archive.find(log);
    return found == archive.end() ? 0 : found->second;
  }
  void archive_all() { archive = last_sequence; }
  /// A restart after which only the archive is left: what lay above it is offered again.
  void lose_unarchived() {
    for (auto& [log, last] : last_sequence) {
      last = archive[log];
    }
    std::erase_if(records, [&](const Accounted& r) { return r.sequence > archive[0]; });
  }

  std::vector<Accounted> records;
  std::map<std::pair<std::uint16_t, std::uint64_t>, Accounted> ever;
  std::map<std::uint16_t, std::uint64_t> last_sequence;
  std::map<std::uint16_t, std::uint64_t> archive;
  unsigned refuse_every = 0;
  unsigned asked = 0;
  bool closed = false;
  /// A sequence always means the same outcome, and comes in order.
  bool consistent = true;
};

}  // namespace ringpost::spool::testing
