// room: smtp
// Whole sessions: what the engine says and tells must not depend on how the input was cut. First
// octet: settings; second: seed of the pieces; the rest is what the client sends.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/unit/smtp/server_recorder.h"

namespace {

using namespace ringpost;
using namespace ringpost::smtp;

struct Heard {
  std::vector<std::string> replies;
  std::vector<std::string> events;
  bool operator==(const Heard&) const = default;
};

Heard run(std::uint8_t settings, std::string_view input, const std::vector<std::size_t>& cuts) {
  ServerLimits limits;
  if ((settings & 1) != 0) {
    limits = {512, 2, 5, 10, {100, 80, 4, 1, 60}};
  }
  ServerSession session(limits);
  session.profile.bare_line_ends =
      (settings & 2) != 0 ? BareLineEnds::normalise : BareLineEnds::refuse;
  session.profile.chunking = (settings & 4) == 0;
  session.profile.auth = {(settings & 16) != 0, (settings & 32) != 0, (settings & 64) != 0,
                          (settings & 128) == 0, false};
  // As if it were encrypted, and the client had shown a certificate.
  session.profile.auth.external = (settings & 128) != 0;
  session.recorder.answers["rcpt r@r"] = {550, "5.7.1", "Relaying denied"};
  session.recorder.answers["mail m@m"] = {451, "4.3.0", "Later"};
  session.recorder.hold = (settings & 8) != 0;
  session.engine.start(session.profile, (settings & 128) != 0);
  session.offer();
  session.feed(input, cuts);
  for (ServerState state = session.engine.state();
       state == ServerState::awaiting_verdict || state == ServerState::awaiting_auth;
       state = session.engine.state()) {
    if (state == ServerState::awaiting_auth) {
      session.engine.complete_auth(replies::kAuthFailed);
    } else {
      session.engine.complete_message({451, "4.3.0", "Not stored"});
    }
    session.offer();
  }
  if (!session.held().empty()) {
    std::abort();
  }
  session.engine.connection_lost();
  if (session.engine.in_transaction()) {
    std::abort();
  }
  return {session.take_replies(), session.take_events()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 8000) {
    return 0;
  }
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  Random random(data[1]);
  const Heard whole = run(data[0], input, {});
  if (whole != run(data[0], input, reference::every_octet(input.size())) ||
      whole != run(data[0], input, reference::random_cuts(input.size(), random))) {
    std::abort();
  }
  return 0;
}
