// room: smtp
// The reply parser, whatever comes and however it is cut: bounded, and the same result.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/smtp/reply_parser.h"

namespace {

using ringpost::smtp::ReplyParser;

std::string run(std::string_view bytes, std::size_t piece) {
  ReplyParser parser;
  std::string seen;
  while (!bytes.empty()) {
    const ReplyParser::Step step = parser.feed(bytes.substr(0, piece));
    if (step.event == ReplyParser::Event::error) {
      return seen + "error " + std::string(text_of(parser.error()));
    }
    if (step.consumed == 0) {
      std::abort();
    }
    bytes.remove_prefix(step.consumed);
    if (step.event == ReplyParser::Event::reply) {
      const ringpost::smtp::Reply& reply = parser.reply();
      if (reply.code < 200 || reply.code > 599 ||
          reply.text.size() > ringpost::smtp::kReplyTextKept) {
        std::abort();
      }
      seen += std::to_string(reply.code) + std::string(reply.text) + "\n";
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = run(bytes, size + 1);
  if (run(bytes, 1) != whole || run(bytes, 7) != whole) {
    std::abort();
  }
  return 0;
}
