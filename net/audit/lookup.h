#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/tls.h"

namespace ringpost::audit {

enum class RecordType : std::uint16_t { a = 1, ptr = 12, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };

/// What DNS says of one name and type, aliases followed.
struct Answer {
  enum class State : std::uint8_t {
    found,
    no_data,    ///< the name exists and has no such record
    no_domain,  ///< the name does not exist
    failed,     ///< nobody could tell: `failure`
  };
  State state = State::failed;
  bool authentic = false;            ///< AD of a resolver that may be believed
  std::vector<IpAddress> addresses;  ///< a, aaaa
  std::vector<std::string> names;    ///< ptr, and mx by preference; lower case
  std::vector<std::string> texts;    ///< txt, the strings of each joined
  std::vector<TlsaRecord> tlsa;
  std::string failure;

  bool found() const { return state == State::found; }
  bool failed() const { return state == State::failed; }
  /// RFC 7208 section 4.6.4: an answer without records.
  bool is_void() const { return state == State::no_data || state == State::no_domain; }
};

/// Asks DNS. Blocks.
class Lookup {
 public:
  virtual ~Lookup() = default;
  virtual Answer look_up(const std::string& name, RecordType type) = 0;
};

}  // namespace ringpost::audit
