// room: resolve
// Any text as a record, a policy and a kept line of MTA-STS: read within bounds, and what was read
// can be written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/resolve/sts_policy.h"

namespace {

using namespace ringpost::resolve;  // NOLINT: a fuzz target

void need(bool condition) {
  if (!condition) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string id = sts_record_id({text, "v=spf1"});
  need(id.size() <= 32);
  need(id.empty() || sts_record_id({"v=STSv1; id=" + id}) == id);
  need(sts_record_id({text, text}).empty());
  auto policy = parse_sts_policy(text);
  if (policy.ok()) {
    need(policy->mode == StsMode::none || !policy->mx.empty());
    need(policy->mx.size() <= kStsPatternsMax && policy->max_age.ns >= 0);
    policy->domain = "example.org";
    policy->id = "1";
    const auto back = parse_sts_line(sts_line(*policy, "file"));
    need(back.ok() && back->policy == *policy && back->authorities == "file");
    policy->names("mx.example.org");
  } else {
    need(!policy.error().detail.empty());
  }
  parse_sts_line(text).ok();
  return 0;
}
