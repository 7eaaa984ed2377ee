#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace ringpost::config {

/// Regular expressions that are held against a text together, in time linear in the text. Case is
/// ignored unless `(?-i)` stands in a pattern. Immutable after prepare(); safe to share.
class PatternSet {
 public:
  PatternSet();
  ~PatternSet();
  PatternSet(PatternSet&&) noexcept;
  PatternSet& operator=(PatternSet&&) noexcept;

  /// Adds the pattern with the next number. Errors: invalid, with what is wrong with it:
  /// look-around and back-references cannot be matched in linear time.
  Status add(std::string_view pattern);
  /// Ends the adding.
  void prepare();

  std::size_t size() const;
  /// The pattern as written.
  std::string_view text(std::size_t number) const;
  /// Numbers of the patterns that fit, ascending. Allocates; meant for replies and bounces.
  std::vector<int> matches(std::string_view text) const;
  /// The lowest of them, or -1. Of one pattern alone it allocates nothing, once warm.
  int first_match(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

enum class ModeChange : std::uint8_t { none, backoff, normal };

/// What follows from a reply.
struct ReplyAction {
  ModeChange mode = ModeChange::none;
  /// With mode backoff: overrides the queue's backoff-to-normal-after.
  std::optional<Duration> to_normal_after;
  bool skip_mx = false;       ///< go to the next host
  bool bounce_queue = false;  ///< return all mail of the queue
  bool bounce_rcpt = false;   ///< return this recipient, though the refusal is temporary
  bool defer_queue = false;   ///< the queue waits for its next retry
  /// Stop using the source address for this queue: for the given time, or until
  /// reenable-source-ip-after (zero).
  std::optional<Duration> disable_source_ip;
  std::string_view category;  ///< `type=...`: category of the refusal
  std::string_view pattern;   ///< the pattern that decided the mode, else the first that fitted
  std::uint32_t file = 0;     ///< where that rule stands: index into Snapshot::files()
  std::uint32_t line = 0;     ///< 0: in the shipped list

  bool any() const { return !pattern.empty() || line != 0; }
};

/// An `smtp-pattern-list`.
class ReplyPatterns {
 public:
  std::string_view name;

  /// `action.pattern` is set here.
  Status add(std::string_view pattern, ReplyAction action);
  void prepare() { set_.prepare(); }
  std::size_t size() const { return actions_.size(); }
  /// Equal for lists that mean the same, wherever in the files they stand.
  std::uint64_t digest() const;
  /// Whether some rule says mode=normal.
  bool ends_backoff() const;
  /// The rules that fit add up; where two of them contradict each other the first one holds.
  /// `reply` is the whole reply with its code, lines joined by blanks.
  ReplyAction match(std::string_view reply) const;

 private:
  PatternSet set_;
  std::vector<ReplyAction> actions_;
};

/// `bounce-category-patterns`: what is looked at is the enhanced status, a semicolon, and the
/// diagnostic text.
class BounceCategories {
 public:
  Status add(std::string_view pattern, std::string_view category);
  void prepare() { set_.prepare(); }
  std::size_t size() const { return categories_.size(); }
  /// The category of the first pattern that fits, or empty.
  std::string_view find(std::string_view text) const;

 private:
  PatternSet set_;
  std::vector<std::string_view> categories_;
};

/// Gives the header fields of a message to rules that look at them.
class HeaderView {
 public:
  virtual ~HeaderView() = default;
  /// The raw, folded value of the first field of that name, or empty.
  virtual std::string_view field(std::string_view name) const = 0;
};

inline constexpr std::uint32_t kRecipientPriorityMax = 100;

/// One line of a `pattern-list`.
struct RoutingRule {
  enum class Part : std::uint8_t { mail_from, rcpt_to, header, any };
  Part part = Part::any;
  std::string_view header;               ///< name of the field, for Part::header
  PatternSet pattern;                    ///< of one pattern; empty for Part::any
  std::string_view virtual_mta;          ///< virtual MTA or pool; empty: it chooses none
  std::int32_t list = -1;                ///< index of another list to go on with
  std::string_view list_name;            ///< its name as written, for call-to
  std::optional<std::uint8_t> priority;  ///< recipient-priority; none: it chooses none
  std::uint32_t line = 0;
};

/// A `pattern-list`: rules that choose a virtual MTA and a priority. Each is decided by the first
/// rule that fits and has one.
struct RoutingList {
  std::string_view name;  ///< empty for one written inside another
  std::vector<RoutingRule> rules;
};

/// What routing rules look at. `header` may be nullptr.
struct RoutedMail {
  std::string_view mail_from;
  std::string_view rcpt_to;
  const HeaderView* header = nullptr;
};

/// The virtual MTA or pool that the list `start` of `lists` chooses, or an empty name. Lists that
/// call each other in a circle choose nothing.
std::string_view choose_virtual_mta(std::span<const RoutingList> lists, std::size_t start,
                                    const RoutedMail& mail);
/// The recipient's priority by the same rules.
std::optional<std::uint8_t> choose_priority(std::span<const RoutingList> lists, std::size_t start,
                                            const RoutedMail& mail);

/// The shipped list of replies by which large receivers ask for a slower pace.
const ReplyPatterns& shipped_reply_patterns();
/// The shipped categories of returned mail; the configuration's own are asked before.
const BounceCategories& shipped_bounce_categories();

}  // namespace ringpost::config
