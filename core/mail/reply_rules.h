#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/outcome.h"

namespace ringpost {

enum class ModeChange : std::uint8_t { none, backoff, normal };

/// What follows from a host's reply by the rules of a queue.
struct ReplyVerdict {
  ModeChange mode = ModeChange::none;
  bool own_time = false;      ///< with mode backoff: `to_normal_after` holds, not the queue's own
  bool skip_host = false;     ///< what was not taken is offered to the next host of the route
  bool bounce_queue = false;  ///< all mail of the queue is returned
  bool bounce_recipient = false;  ///< the recipient is returned, though its refusal is temporary
  bool defer_queue = false;       ///< the queue waits for its next retry
  bool disable_source = false;    ///< the source address is no longer used for this queue
  Duration to_normal_after{};
  Duration disable_for{};  ///< zero: as the queue's settings say
  bool fits = false;       ///< some rule does
  std::string pattern;     ///< of the rule that decided
  std::string place;       ///< where it was written, "FILE:LINE"

  /// Something follows for the queue, beyond the recipients at hand.
  bool for_queue() const {
    return mode != ModeChange::none || bounce_queue || defer_queue || disable_source;
  }
};

/// The rules that a queue's replies are held against. Immutable; shared by threads.
class ReplyRules {
 public:
  virtual ~ReplyRules() = default;
  /// `code` is the reply's own, `text` what follows it, an enhanced code included. May allocate;
  /// meant for refusals, which are few.
  virtual ReplyVerdict judge(std::uint16_t code, std::string_view text) const = 0;
  /// Some rule ends back-off mode: positive replies are worth a look while it lasts.
  virtual bool ends_backoff() const = 0;
};

using ReplyRulesRef = std::shared_ptr<const ReplyRules>;

/// A reply on which a rule acts, with the address it was sent from.
struct JudgedReply {
  ReplyVerdict verdict;
  Outcome outcome;          ///< what it means by its code alone; the text reference is not used
  std::string_view text;    ///< printable, without its code
  IpAddress source;         ///< family none: the host chose
  std::string_view host{};  ///< who said it, and at which address
  SocketAddress remote{};
};

}  // namespace ringpost
