#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/mail/envelope.h"
#include "core/mail/job.h"
#include "net/smtp/client_capabilities.h"

namespace ringpost::smtp {

/// Longest address that is put into a command. Ingest takes shorter ones only.
inline constexpr std::size_t kClientAddressMax = 600;
/// Longest ENVID or ORCPT value that is passed on (RFC 3461 allows 100 and 500).
inline constexpr std::size_t kClientDsnValueMax = 520;
/// Octets of the final dot line.
inline constexpr std::uint64_t kFinalDotBytes = 3;
/// Longest command line that comes out of the above.
inline constexpr std::size_t kClientCommandMax = 2048;

/// One transaction as the engine sees it. Belongs to the host, which keeps it and everything it
/// points at alive until the engine has said that the transaction is over.
struct ClientTransaction {
  const Envelope* envelope = nullptr;
  std::span<const JobRecipient> recipients;  ///< which of the envelope's; at least one
  std::uint64_t size = 0;                    ///< octets as RFC 1870 counts them
  std::uint64_t body_bytes = 0;              ///< octets the host streams, final dot line included
  bool eight_bit = false;                    ///< the content has octets above 127
  bool chunkable = false;       ///< no line begins with a dot: without the last it may go by BDAT
  bool needs_smtputf8 = false;  ///< must not go to a server without SMTPUTF8
  bool metered = false;         ///< no RCPT leaves without ClientEngine::allow()

  const Recipient& recipient(std::size_t k) const {
    return envelope->recipients[recipients[k].index];
  }
};

/// Whether every address can stand in a command: no control octet, space or angle bracket outside
/// of what RFC 5321 quotes, not too long, no empty recipient. Accepted mail always passes; a
/// record that does not is damaged and must not become a command line.
bool addresses_are_sound(const ClientTransaction& transaction) noexcept;

/// Writes MAIL with the parameters that the server offers; returns the octets written. `room` has
/// at least kClientCommandMax.
std::size_t write_mail(std::span<char> room, const ClientTransaction& transaction,
                       const Capabilities& capabilities) noexcept;
/// Likewise BDAT for the whole content (RFC 3030 section 2).
std::size_t write_last_chunk(std::span<char> room, const ClientTransaction& transaction) noexcept;
/// Likewise RCPT for the k-th recipient of the transaction.
std::size_t write_rcpt(std::span<char> room, const ClientTransaction& transaction, std::size_t k,
                       const Capabilities& capabilities) noexcept;

}  // namespace ringpost::smtp
