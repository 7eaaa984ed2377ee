#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/loop/disk.h"
#include "core/loop/ports.h"
#include "core/mail/envelope.h"

// Mail of another spool, taken over with what became of it so far. Blocks; the spool is stopped.

namespace ringpost::spool {

struct ImportRecipient {
  std::string address;
  std::string original;
  std::string vmta;
  std::uint64_t pool_key = 0;
  std::uint32_t next_attempt = 0;  ///< unix seconds; 0: at once
  std::uint16_t attempts = 0;
  std::uint8_t notify = 0;
  std::uint8_t priority = kNormalPriority;
  std::uint8_t delays = 0;  ///< reports on its delay that were made
  bool alone = false;
  bool ambiguous = false;
  /// Its ending, as in a journal's outcome record, where the sender is still to be told of it;
  /// empty: it is not settled.
  std::string owed;
};

/// One message of an archive. Texts are as in Envelope.
struct ImportMessage {
  std::string id;  ///< 26 characters; the same message has the same one in every archive
  std::string reverse_path;
  std::string vmta;
  std::string job;
  std::string user;
  std::string envelope_id;
  std::string helo;
  std::string noted;
  std::string dkim_options;
  IpAddress origin;
  std::int64_t received_us = 0;
  std::uint64_t sender_rule = 0;
  DsnReturn dsn_return = DsnReturn::unspecified;
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;
  std::uint8_t reports = 0;
  std::array<char, 2> verp{};
  std::vector<ImportRecipient> recipients;
  std::string content;  ///< as sent, without dot-stuffing; lines end in CRLF
};

/// Messages of an archive, one after the other.
class ImportSource {
 public:
  virtual ~ImportSource() = default;
  /// Largest content in octets.
  virtual std::uint64_t largest() = 0;
  /// False: there are no more. Entries that cannot be read are passed over, and told by the source.
  virtual Result<bool> next(ImportMessage& out) = 0;
  /// This entry is faulty after all.
  virtual void refused(const ImportMessage& message, std::string_view why) = 0;
};

struct ImportFigures {
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;  ///< to be delivered to
  std::uint64_t reports = 0;     ///< endings that senders are still to be told of
  std::uint64_t already = 0;     ///< messages that an earlier import took
  std::uint64_t refused = 0;
  std::uint16_t log = 0;  ///< where they are
};

/// Takes what `source` has into a log of its own, which the next start adopts. All of it or
/// nothing: until the log gets its name, in one step at the end, it is none; and it remembers which
/// messages it holds, so that a repeated import takes none of them again. `spool_of_archive`: the
/// identity of the spool that the archive came from, in hexadecimal; the same one as here is
/// refused. locked: a daemon runs on the spool.
Result<ImportFigures> import_messages(Disk& disk, Entropy& entropy, const std::string& folder,
                                      const std::string& spool_of_archive, Now now,
                                      ImportSource& source);

}  // namespace ringpost::spool
