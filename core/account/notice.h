#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/mail/envelope.h"
#include "core/mail/outcome.h"

namespace ringpost::account {

/// What a delivery status notification tells (RFC 3464 section 2.3.3).
enum class NoticeAction : std::uint8_t {
  failed,
  delayed,
  relayed,  ///< to a host that does not report itself
};

/// One recipient a notification is about.
struct NoticeRecipient {
  std::string_view address;
  std::string_view original;  ///< ORCPT in xtext as given, or empty
  EnhancedStatus status;
  std::uint16_t reply_code = 0;  ///< of the host, or 0 where the decision is ours
  std::string_view text;         ///< the host's reply without its codes, or our own words
  std::string_view host;         ///< that answered, or empty
  IpAddress host_address;
  WallTime last_attempt;
  WallTime retry_until;  ///< delayed: when it will be given up
};

/// All that stands in a notification. Views hold while it is written.
struct Notice {
  NoticeAction action = NoticeAction::failed;
  std::string_view host_name;        ///< ours
  std::string_view token;            ///< unique to this report, letters, digits and dots
  std::string_view sender;           ///< return path of the message: whom it goes to
  std::string_view envelope_id;      ///< ENVID in xtext as given, or empty
  std::string_view contact;          ///< address of a human, or empty
  std::string_view received_from{};  ///< what the injector called itself, or empty
  IpAddress origin{};                ///< its address
  std::string_view log_id{};         ///< the message in our logs and accounting
  WallTime arrived;
  WallTime now;
  bool smtputf8 = false;  ///< the message needed it
  std::span<const NoticeRecipient> recipients;
  /// The message's header section, or all of it, in runs of wire form without the final dot line;
  /// empty: it is not shown.
  std::span<const std::string_view> original;
  bool whole = false;               ///< `original` is all of it
  bool original_eight_bit = false;  ///< some octet of it has the high bit set
};

/// What stands before and after the message that a notification shows.
struct NoticeFrame {
  std::string before;
  std::string after;
  std::uint32_t header_bytes = 0;
};

/// Learns what is to be known of content in wire form while its runs go by, the final dot line
/// among them.
class WireCount {
 public:
  void add(std::string_view run);
  ContentInfo info(std::uint32_t header_bytes) const;

 private:
  std::uint64_t bytes_ = 0;
  std::uint32_t dots_ = 0;  ///< lines that begin with one
  bool line_ended_ = false;
  bool eight_bit_ = false;
};

/// Writes the notification in wire form to `out` (RFC 3461, 3462, 3464): multipart/report with
/// words for a human, the fields, and the message. Equal notices give equal octets.
ContentInfo write_notice(const Notice& notice, std::string& out);

/// The same without the octets of `original`, for one that is large.
void write_frame(const Notice& notice, NoticeFrame& frame);

/// The octets that xtext stands for (RFC 3461 section 4), control characters as '?'. With `ascii`,
/// what stands for other than ASCII is left as it is.
std::string from_xtext(std::string_view xtext, bool ascii = false);

}  // namespace ringpost::account
