// room: sign
// Any text as a published key record, and as the words of the configuration: read within bounds,
// and what was read can be written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/base64.h"
#include "net/sign/key_book.h"
#include "net/sign/key_record.h"
#include "net/sign/signing_rules.h"

namespace {

using namespace ringpost::sign;  // NOLINT: a fuzz target

void need(bool condition) {
  if (!condition) {
    std::abort();
  }
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) {
    out += (out.empty() ? "" : ":") + item;
  }
  return out;
}

void check_record(std::string_view text) {
  const auto record = parse_key_record(text);
  if (!record.ok()) {
    need(!record.error().detail.empty());
    return;
  }
  need(record->public_key.size() <= text.size());
  std::string again = "v=DKIM1; k=" + record->key_type + "; h=" + joined(record->hashes) +
                      "; s=" + joined(record->services) +
                      "; p=" + ringpost::to_base64(record->public_key);
  if (record->testing || record->strict) {
    again += std::string("; t=") + (record->testing ? "y:" : "") + (record->strict ? "s" : "");
  }
  const auto second = parse_key_record(again);
  need(second.ok());
  need(second->public_key == record->public_key && second->key_type == record->key_type);
  need(second->hashes == record->hashes && second->services == record->services);
  need(second->testing == record->testing && second->strict == record->strict);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_record(text);
  if (const auto key = DomainKeyText::parse(text); key.ok()) {
    const auto again = DomainKeyText::parse(key->selector + "," + key->domain + "," + key->file);
    need(again.ok() && again->domain == key->domain && again->file == key->file);
  }
  if (const auto rule = IdentityRule::parse(text); rule.ok()) {
    need(rule->kind != IdentityRule::Kind::fixed || rule->address.find('@') != std::string::npos);
  }
  need(SigningKey::from_pem(text).ok() == false || size > 40);
  return 0;
}
