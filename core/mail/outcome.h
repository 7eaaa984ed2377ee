#pragma once

#include <cstdint>
#include <string_view>

namespace ringpost {

/// What became of one recipient in one attempt.
enum class OutcomeKind : std::uint8_t {
  pending,    ///< no answer yet
  returned,   ///< not attempted after all: goes back unpenalised, the attempt is not counted
  deferred,   ///< a temporary failure: tried again later
  delivered,  ///< final: accepted by the receiver
  bounced,    ///< final: refused for good
  expired,    ///< final: its life (bounce-after) is over
  cancelled,  ///< final: deleted by an operator
};

constexpr bool is_final(OutcomeKind kind) { return kind >= OutcomeKind::delivered; }
std::string_view name_of(OutcomeKind kind) noexcept;

/// Kinds of accounting records, as a set of bits.
namespace record_bit {
inline constexpr std::uint8_t kDelivered = 1;  ///< d
inline constexpr std::uint8_t kBounced = 2;    ///< b: bounced, expired and cancelled
inline constexpr std::uint8_t kTransient = 4;  ///< t: an attempt that will be repeated
inline constexpr std::uint8_t kQueue = 8;      ///< tq: a whole queue was put off
inline constexpr std::uint8_t kReceived = 16;  ///< r: a recipient was accepted
}  // namespace record_bit

/// What a record for accounting tells of. Numbers stand in journals.
enum class RecordType : std::uint8_t { outcome, received, queue };
inline constexpr RecordType kLastRecordType = RecordType::queue;

/// The step of a session an outcome came from.
enum class Phase : std::uint8_t {
  none,
  route,  ///< no host could be found
  connect,
  greeting,
  helo,
  starttls,
  auth,
  mail,
  rcpt,
  data,
  content,
  final_reply,  ///< after the final dot: the ambiguous window of RFC 5321 section 4.2.5
  queue,        ///< decided while waiting: expiry, cancellation
};

std::string_view name_of(Phase phase) noexcept;

/// How mail of a queue leaves. Numbers stand in journals.
enum class DeliveryWay : std::uint8_t { smtp, discard, file, pipe };
inline constexpr DeliveryWay kLastWay = DeliveryWay::pipe;

std::string_view name_of(DeliveryWay way) noexcept;

/// RFC 3463 status; all zero where none is known.
struct EnhancedStatus {
  std::uint8_t klass = 0;
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  bool known() const { return klass != 0; }
  bool operator==(const EnhancedStatus&) const = default;
};

/// A place in the text arena of the Job (core/mail/job.h) that carries the outcome.
struct TextRef {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

/// Outcome of one recipient. Data, not an error; settled in the spool's journal once decided.
struct Outcome {
  OutcomeKind kind = OutcomeKind::pending;
  Phase phase = Phase::none;
  /// The final dot was sent and its reply never came: a second delivery is possible.
  bool ambiguous = false;
  /// The receiver's reply code, or 0 where the decision is ours.
  std::uint16_t reply_code = 0;
  EnhancedStatus status;
  /// The reply without its codes, or our own words; at most kOutcomeTextMax octets, printable.
  TextRef text;
};

inline constexpr std::size_t kOutcomeTextMax = 512;

}  // namespace ringpost
