#include "core/mail/return_path.h"

namespace ringpost {
namespace {

bool can_be_split(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at != std::string_view::npos && at > 0 && at + 1 < address.size() &&
         address.find_first_of("\"[]() ") == std::string_view::npos;
}

}  // namespace

void write_return_path(const Envelope& envelope, std::string_view recipient, TextBuilder& out) {
  const std::string_view path = envelope.reverse_path;
  if (!envelope.has_verp() || !can_be_split(path) || !can_be_split(recipient)) {
    out.add(path);
    return;
  }
  const std::size_t at = path.rfind('@');
  const std::size_t to = recipient.rfind('@');
  out.add(path.substr(0, at)).add(envelope.verp[0]).add(recipient.substr(0, to));
  out.add(envelope.verp[1]).add(recipient.substr(to + 1)).add(path.substr(at));
}

}  // namespace ringpost
