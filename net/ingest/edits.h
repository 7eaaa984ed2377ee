#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/fixed_vector.h"
#include "core/base/time.h"
#include "core/mail/envelope.h"
#include "core/mail/message_id.h"
#include "net/ingest/config.h"
#include "net/smtp/content_scanner.h"
#include "net/smtp/server_reply.h"

namespace ringpost::ingest {

/// What the Received and Message-ID fields need to know.
struct TraceFacts {
  std::string_view hostname;
  std::string_view helo;
  IpAddress origin;
  bool extended = true;  ///< EHLO
  bool secured = false;  ///< TLS
  bool authenticated = false;
  bool smtputf8 = false;
  WallTime when;
  MessageId token;                  ///< unique, for Message-ID
  std::uint32_t host_id = 0;        ///< beside it, where it is not 0
  std::string_view user;            ///< authenticated; empty: none
  std::string_view sole_recipient;  ///< for the `for` clause; empty with several
};

/// The header edits of one message (prefix and kept ranges) and what its command fields said. One
/// per shard, used within one call; the views it gives hold until its next use.
class EditPlan {
 public:
  /// Obeys the command fields and works out what is removed. Nullptr, or the reply that refuses the
  /// message.
  const smtp::ServerReply* make(const smtp::ContentSummary& content, const SourcePolicy& policy,
                                const IngestConfig& config, const TraceFacts& facts);
  /// Writes the fields that are put in front; `vmta` is the virtual MTA or pool chosen in the end.
  void write_prefix(const smtp::ContentSummary& content, const SourcePolicy& policy,
                    const TraceFacts& facts, std::string_view vmta);

  HeaderEdits edits() const;
  /// The Date field is to be written anew when the message is sent.
  bool dated_late() const { return dated_late_; }
  /// The virtual MTA or pool that an obeyed field names, or the fallback for it; empty: none does.
  std::string_view vmta() const { return vmta_; }
  std::string_view job() const { return job_; }
  /// In xtext; empty if no field gave one.
  std::string_view envid() const { return envid_; }
  std::string_view dkim_options() const { return dkim_options_; }

 private:
  const smtp::ServerReply* obey(const smtp::ContentSummary& content, const SourcePolicy& policy,
                                const IngestConfig& config);
  const smtp::ServerReply* choose_vmta(std::string_view name, const SourcePolicy& policy,
                                       const IngestConfig& config);
  bool keep_ranges(const smtp::ContentSummary& content, const SourcePolicy& policy);
  bool prefix_job(std::string_view prefix, std::string_view user);

  std::string_view vmta_;
  std::string_view job_;
  std::string_view envid_;
  std::string_view dkim_options_;
  std::size_t prefix_bytes_ = 0;
  bool dated_late_ = false;
  FixedVector<ByteRange, kKeptRangesMax> kept_;
  std::array<char, 300> envid_text_{};
  std::array<char, 512> job_text_{};
  std::array<char, 2560> prefix_{};
};

}  // namespace ringpost::ingest
