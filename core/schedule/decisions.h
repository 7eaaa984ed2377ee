#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"

namespace ringpost::schedule {

/// Who or what decided.
enum class Cause : std::uint8_t { reply, command, no_source };
std::string_view name_of(Cause cause) noexcept;

/// Something that was decided about one queue while running and holds until it is taken back: that
/// it is in back-off mode, or that it does not use a source address. Survives restarts.
struct Decision {
  enum class Kind : std::uint8_t { backoff, source };

  Kind kind = Kind::backoff;
  Cause cause = Cause::reply;
  std::string name;  ///< of the queue, lower case
  std::string vmta;
  IpAddress source;  ///< of kind source
  WallTime since;
  WallTime until;         ///< 0: not by time
  bool own_time = false;  ///< `until` is the rule's, not the queue's; not kept
  std::string reply;      ///< with its code; empty: no reply led to it
  std::string pattern;    ///< that the reply fits
  std::string place;      ///< where that pattern was written

  /// "backoff:example.com/v1" or "source:192.0.2.1:example.com/v1": names it for operators.
  std::string id() const;
};

/// One line that read_decision() reads back, whatever the texts contain.
std::string write_decision(const Decision& decision);
/// False: the line is no decision.
bool read_decision(std::string_view line, Decision& out);

/// The decisions that hold for the queues at home on one shard; at most kMax.
class DecisionBook {
 public:
  static constexpr std::size_t kMax = 200'000;

  /// Adds it, or replaces the one of the same kind, queue and source. nullptr: the book is full.
  const Decision* add(Decision decision, Now now);
  void remove(const Decision& decision);
  const Decision* backoff_of(std::string_view name, std::string_view vmta) const;
  /// Calls `found(decision)` for each source that the queue does not use.
  template <class Found>
  void for_sources_of(std::string_view name, std::string_view vmta, Found found) const {
    const Entries* entries = sources_ == 0 ? nullptr : find(name, vmta);
    for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
      if ((*entries)[i]->decision.kind == Decision::Kind::source) {
        found((*entries)[i]->decision);
      }
    }
  }
  template <class Found>
  void for_all(Found found) const {
    for (const auto& [key, entries] : queues_) {
      for (const auto& entry : entries) {
        found(entry->decision);
      }
    }
  }
  /// The next one whose time is over, or nullptr; the caller removes it.
  const Decision* due(Instant now) const;
  Instant next_due() const;
  std::size_t size() const { return size_; }
  std::size_t backoffs() const { return size_ - sources_; }
  bool has_sources() const { return sources_ > 0; }
  /// Counts changes, so that whoever keeps the book on disk knows when to write.
  std::uint64_t changes() const { return changes_; }

 private:
  struct Entry {
    Decision decision;
    Instant due = Instant::never();
    std::uint64_t serial = 0;
  };
  using Key = std::pair<std::string, std::string>;  ///< name and virtual MTA, lower case
  using Entries = std::vector<std::unique_ptr<Entry>>;

  static Key key_of(std::string_view name, std::string_view vmta);
  const Entries* find(std::string_view name, std::string_view vmta) const;

  std::map<Key, Entries> queues_;
  std::map<std::pair<Instant, std::uint64_t>, const Entry*> by_time_;
  std::uint64_t serial_ = 0;
  std::size_t size_ = 0;
  std::size_t sources_ = 0;
  std::uint64_t changes_ = 0;
};

}  // namespace ringpost::schedule
