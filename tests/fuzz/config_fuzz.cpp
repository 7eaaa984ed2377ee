// room: config
// Any bytes as a configuration: the check must end, say something printable, and a snapshot that
// it returns must answer questions.

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/config/check.h"
#include "core/config/diff.h"
#include "core/config/explain.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ringpost;
  using namespace ringpost::config;
  if (size == 0) {
    return 0;
  }
  CheckOptions options;
  options.lenient = (data[0] & 1) != 0;
  options.strict = (data[0] & 2) != 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Explaining and comparing all settings takes ten times as long as reading the file.
  const bool thorough = hash64(text) % 8 == 0;
  MemoryFiles files;
  files.put("main.conf", text);
  files.put("part.conf", text.substr(0, text.size() / 2));
  const CheckResult result = check_file("main.conf", options, files);
  const std::string shown = render_text(result.diagnostics) + render_json(result.diagnostics);
  for (const char c : shown) {
    RP_ASSERT(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  }
  if (result.ok()) {
    PolicyCache cache(result.snapshot);
    for (VmtaId vmta = 0; vmta < result.snapshot->virtual_mtas().size() && vmta < 4; ++vmta) {
      for (const char* domain : {"a.example", "x.b.example", "[10.0.0.1]", "{bounce}", ""}) {
        const auto queue = result.snapshot->queue_name(domain, vmta);
        const PathPolicy& policy = cache.policy_for(queue, vmta);
        RP_ASSERT(&policy == &cache.policy_for(queue, vmta) && !policy.retry_after.empty());
        if (thorough) {
          const auto explanation =
              explain(*result.snapshot, domain, result.snapshot->virtual_mtas()[vmta].name);
          RP_ASSERT(!explanation.ok() || !render_text(*explanation).empty());
        }
      }
    }
    if (thorough) {
      const CheckResult empty = check_text("empty.conf", "", {});
      RP_ASSERT(!render_text(compare(*empty.snapshot, *result.snapshot, 20)).empty());
    }
    for (const ReplyPatterns& list : result.snapshot->reply_patterns()) {
      static_cast<void>(list.match("421 4.7.0 too many connections from 192.0.2.1, try later"));
    }
    static_cast<void>(result.snapshot->bounce_categories().find("5.1.1;smtp;550 no such user"));
    const RoutedMail mail{"a@b.example", "c@d.example"};
    static_cast<void>(choose_virtual_mta(result.snapshot->routing_lists(), 0, mail));
    static_cast<void>(choose_priority(result.snapshot->routing_lists(), 0, mail));
    static_cast<void>(result.snapshot->sender_rule("a@b.example"));
    static_cast<void>(result.snapshot->routed_vmta("b.example"));
    static_cast<void>(result.snapshot->find_domain_key("b.example", kDefaultVmta));
    static_cast<void>(result.snapshot->source_policy(IpAddress::v4(127, 0, 0, 1)));
  }
  return 0;
}
