// room: smtp
// The content scanner against its twin, whole, octet by octet and in pieces that the input draws.
// First octet: transfer, line ends, small limits; second: seed of the pieces; the rest is content.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/unit/smtp/server_content_reference.h"

namespace {

using namespace ringpost;
using namespace ringpost::smtp;

void check(const std::string& raw, const reference::Case& c, const std::vector<std::size_t>& cuts) {
  const std::string difference = reference::difference(raw, c, cuts);
  if (!difference.empty()) {
    std::fprintf(stderr, "%s\n", difference.c_str());
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 20000) {
    return 0;
  }
  static constexpr std::string_view kControls[] = {"x-job", "x-virtual-mta"};
  reference::Case c;
  c.controls = {kControls[0], kControls[1]};
  c.transfer = (data[0] & 1) != 0 ? Transfer::bdat : Transfer::data;
  c.bare = (data[0] & 2) != 0 ? BareLineEnds::normalise : BareLineEnds::refuse;
  if ((data[0] & 4) != 0) {
    c.limits = {100, 60, 3, 1, 40};
  }
  std::string raw(reinterpret_cast<const char*>(data + 2), size - 2);
  if (c.transfer == Transfer::data) {
    raw += "\r\n.\r\n";
  }
  Random random(data[1]);
  check(raw, c, {});
  check(raw, c, reference::every_octet(raw.size()));
  check(raw, c, reference::random_cuts(raw.size(), random));
  return 0;
}
