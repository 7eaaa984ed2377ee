#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringpost {

/// Every operating error a caller may react to. Anything finer belongs in the error's detail.
/// What a remote server answered is an Outcome, not an error (core/mail/outcome.h).
enum class ErrorCode : std::uint16_t {
  none = 0,
  no_capacity,      ///< a configured maximum is reached; try again later
  no_space,         ///< the disk is full (ENOSPC, EDQUOT)
  io_failed,        ///< the device failed (EIO, EROFS) or an operation on it did
  damaged,          ///< bytes on disk do not match their checksum
  unknown_version,  ///< a file was written by a newer format
  not_found,        ///< no such file, name or object
  already_exists,   ///< the file or object is there already
  locked,           ///< another process holds it
  denied,           ///< permissions do not allow it (EACCES, EPERM)
  invalid,          ///< input does not follow its grammar
  out_of_range,     ///< a number is outside its bounds
  unsupported,      ///< this kernel or build cannot do it
  timed_out,        ///< the deadline passed
  refused,          ///< connection refused
  reset,            ///< connection reset or closed by the peer
  unreachable,      ///< no route to host or network
  address_in_use,   ///< EADDRINUSE: our own fault, never the peer's
  address_missing,  ///< EADDRNOTAVAIL: the address is not on this host
  cancelled,        ///< the owner withdrew the operation
  shutting_down,    ///< no new work is accepted any more
};

/// Stable name for logs and JSON, e.g. "no_space".
std::string_view name_of(ErrorCode code) noexcept;
/// One sentence for operators.
std::string_view text_of(ErrorCode code) noexcept;
/// Maps a positive errno to the nearest code.
ErrorCode code_from_errno(int error) noexcept;

/// An operating error: a code to react to and a detail to show. The detail names the place
/// (file, address, field) and, where there is one, the mend. Cold paths only: it allocates.
struct Error {
  ErrorCode code = ErrorCode::none;
  std::string detail;

  static Error of(ErrorCode code, std::string detail = {});
  /// `what` names the operation and its object, e.g. "open /var/spool/x".
  static Error from_errno(int error, std::string_view what);
  /// "<text_of(code)>: <detail>".
  std::string describe() const;
};

}  // namespace ringpost
