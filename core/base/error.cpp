#include "core/base/error.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ringpost {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  std::string_view text;
};

constexpr std::array kRows = {
    Row{ErrorCode::none, "none", "no error"},
    Row{ErrorCode::no_capacity, "no_capacity", "a configured maximum is reached"},
    Row{ErrorCode::no_space, "no_space", "the disk is full"},
    Row{ErrorCode::io_failed, "io_failed", "the device reported a failure"},
    Row{ErrorCode::damaged, "damaged", "stored bytes do not match their checksum"},
    Row{ErrorCode::unknown_version, "unknown_version", "the file has an unknown format version"},
    Row{ErrorCode::not_found, "not_found", "not found"},
    Row{ErrorCode::already_exists, "already_exists", "exists already"},
    Row{ErrorCode::locked, "locked", "in use by another process"},
    Row{ErrorCode::denied, "denied", "permission denied"},
    Row{ErrorCode::invalid, "invalid", "malformed input"},
    Row{ErrorCode::out_of_range, "out_of_range", "value out of range"},
    Row{ErrorCode::unsupported, "unsupported", "not supported by this kernel or build"},
    Row{ErrorCode::timed_out, "timed_out", "timed out"},
    Row{ErrorCode::refused, "refused", "connection refused"},
    Row{ErrorCode::reset, "reset", "connection closed by the peer"},
    Row{ErrorCode::unreachable, "unreachable", "host or network unreachable"},
    Row{ErrorCode::address_in_use, "address_in_use", "local address or port in use"},
    Row{ErrorCode::address_missing, "address_missing", "address is not on this host"},
    Row{ErrorCode::cancelled, "cancelled", "cancelled"},
    Row{ErrorCode::shutting_down, "shutting_down", "shutting down"},
};

constexpr bool rows_follow_the_enum() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].code != static_cast<ErrorCode>(i)) {
      return false;
    }
  }
  return kRows.size() == static_cast<std::size_t>(ErrorCode::shutting_down) + 1;
}
static_assert(rows_follow_the_enum(), "name_of and text_of index the table by code");

const Row& row_of(ErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

std::string_view name_of(ErrorCode code) noexcept { return row_of(code).name; }

std::string_view text_of(ErrorCode code) noexcept { return row_of(code).text; }

ErrorCode code_from_errno(int error) noexcept {
  switch (error) {
    case 0: return ErrorCode::none;
    case ENOSPC:
    case EDQUOT: return ErrorCode::no_space;
    case ENOENT: return ErrorCode::not_found;
    case EEXIST: return ErrorCode::already_exists;
    case EACCES:
    case EPERM: return ErrorCode::denied;
    case EINVAL: return ErrorCode::invalid;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOBUFS: return ErrorCode::no_capacity;
    case EOPNOTSUPP:
    case ENOSYS: return ErrorCode::unsupported;
    case ETIMEDOUT:
    case ETIME: return ErrorCode::timed_out;
    case ECONNREFUSED: return ErrorCode::refused;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED: return ErrorCode::reset;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN: return ErrorCode::unreachable;
    case EADDRINUSE: return ErrorCode::address_in_use;
    case EADDRNOTAVAIL: return ErrorCode::address_missing;
    case ECANCELED: return ErrorCode::cancelled;
    case EWOULDBLOCK: return ErrorCode::locked;
    default: return ErrorCode::io_failed;
  }
}

Error Error::of(ErrorCode code, std::string detail) { return {code, std::move(detail)}; }

Error Error::from_errno(int error, std::string_view what) {
  std::array<char, 128> buffer{};
  const char* text = ::strerror_r(error, buffer.data(), buffer.size());
  std::string detail(what);
  detail.append(": ").append(text);
  return {code_from_errno(error), std::move(detail)};
}

std::string Error::describe() const {
  std::string out(text_of(code));
  if (!detail.empty()) {
    out.append(": ").append(detail);
  }
  return out;
}

}  // namespace ringpost
