#include "bench/tools/load_message.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "bench/tools/content.h"

namespace ringpost::tools {
namespace {

constexpr std::string_view kWords[] = {"invoice", "meeting",  "the",    "quarterly", "of", "and",
                                       "figures", "attached", "please", "review",    "to", "ship",
                                       "before",  "Friday.",  "thanks", "a",         "new"};

/// A line of prose of about `columns` octets, without its end.
void append_prose(std::string& text, std::size_t columns, Random& random) {
  const std::size_t stop = text.size() + columns;
  while (text.size() < stop) {
    text.append(kWords[random.below(std::size(kWords))]).push_back(' ');
  }
  text.resize(stop);
  // A space before the line end is the octet that clumsy relays lose.
  if (random.chance(80) && columns > 0) {
    text.back() = 'x';
  }
}

void append_base64(std::string& text, std::uint64_t size, Random& random) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::uint64_t written = 0; written < size; written += 78) {
    for (int i = 0; i < 76; ++i) {
      text.push_back(kAlphabet[random.below(64)]);
    }
    text.append("\r\n");
  }
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
  return text;
}

}  // namespace

MessageMaker::MessageMaker(const LoadOptions& options, std::uint64_t run_tag)
    : options_(options), run_tag_(run_tag) {
  Random random(options.seed);
  const std::uint64_t wanted = options.mix ? 0 : options.size_max;
  while (filler_.size() < wanted) {
    append_prose(filler_, 40 + random.below(36), random);
    filler_.append("\r\n");
  }
}

std::string MessageMaker::recipient(std::uint64_t sequence, unsigned k) const {
  if (!options_.recipient.empty()) {
    return options_.recipient;
  }
  const std::uint64_t domain = (sequence * options_.recipients + k) % options_.domains + 1;
  std::string text = "u" + std::to_string(sequence) + "." + std::to_string(k);
  return text.append("@d")
      .append(std::to_string(domain))
      .append(".")
      .append(options_.domain_suffix);
}

void MessageMaker::append_header(LoadMessage& message, const char* subject, const char* type) {
  char id[40];
  std::snprintf(id, sizeof id, "%012llx-%010llu", static_cast<unsigned long long>(run_tag_),
                static_cast<unsigned long long>(message.sequence));
  message.id = id;
  std::string& text = message.content;
  text.append(kIdField).append(message.id).append("\r\nFrom: ").append(options_.sender);
  text.append("\r\nTo: undisclosed-recipients:;\r\nDate: ").append(date_now());
  text.append("\r\nMessage-ID: <").append(message.id).append("@load.example>\r\nSubject: ");
  text.append(subject).append("\r\nMIME-Version: 1.0\r\nContent-Type: ").append(type);
  text.append("\r\n\r\n");
}

void MessageMaker::append_body(LoadMessage& message, std::uint64_t size, Random& random) {
  std::string& text = message.content;
  const std::uint64_t head = text.size() + 2;
  if (!filler_.empty()) {
    text.append(filler_, 0, size > head ? size - head : 0);
  } else {
    while (text.size() + 2 < size) {
      append_prose(text, std::min<std::uint64_t>(size - text.size() - 2, 40 + random.below(36)),
                   random);
      text.append("\r\n");
    }
  }
  // A cut through a line end would leave a bare CR, which servers refuse.
  while (text.back() == '\r' || text.back() == '\n') {
    text.pop_back();
  }
  text.append("\r\n");
}

void MessageMaker::make(std::uint64_t sequence, bool chunking, LoadMessage& message) {
  Random random(options_.seed ^ (sequence * 0x9e3779b97f4a7c15ULL));
  message.content.clear();
  message.sequence = sequence;
  message.bdat_only = false;
  message.eight_bit = false;
  message.recipients = options_.recipients;
  if (options_.mix) {
    make_mixed(message, chunking, random);
  } else {
    const std::uint64_t spread = options_.size_max - options_.size_min + 1;
    append_header(message, "load", "text/plain; charset=us-ascii");
    append_body(message, options_.size_min + random.below(spread), random);
  }
  message.hash = content_hash(message.content);
}

void MessageMaker::make_mixed(LoadMessage& message, bool chunking, Random& random) {
  static constexpr const char* kPlain = "text/plain; charset=us-ascii";
  std::string& text = message.content;
  switch (message.sequence % 10) {
    case 1:
      append_header(message, "leading dots", kPlain);
      text.append(".\r\n..\r\n.leading\r\n. \r\n...\r\nmid . dot\r\n.\r\n");
      break;
    case 2:
      append_header(message, "long lines", kPlain);
      for (int i = 0; i < 8; ++i) {
        append_prose(text, 998 - static_cast<std::size_t>(i), random);
        text.append("\r\n");
      }
      break;
    case 3:
      append_header(message, "8-bit",
                    "text/plain; charset=utf-8\r\n"
                    "Content-Transfer-Encoding: 8bit");
      message.eight_bit = true;
      text.append(
          "Gr\xc3\xbc\xc3\x9f"
          "e, \xe4\xbd\xa0\xe5\xa5\xbd, \xf0\x9f\x93\xae\r\n");
      break;
    case 4: append_header(message, "empty body", kPlain); break;
    case 5:
      append_header(message, "attachment",
                    "application/octet-stream\r\n"
                    "Content-Transfer-Encoding: base64");
      append_base64(text, 20'000 + random.below(180'000), random);
      break;
    case 6:
      append_header(message, "no final line end", kPlain);
      append_body(message, 600, random);
      text.append("the last line has no end");
      message.bdat_only = chunking;
      text.append(chunking ? "" : "\r\n");
      break;
    case 7:
      append_header(message, "several recipients", kPlain);
      message.recipients = static_cast<unsigned>(2 + random.below(9));
      append_body(message, 1'500, random);
      break;
    case 8:
      append_header(message, "blank lines\r\n\tand a folded field", kPlain);
      text.append("\r\n\r\n \r\n\t\r\n\r\n");
      break;
    case 9:
      append_header(message, "larger", kPlain);
      append_body(message, message.sequence % 200 == 99 ? 1'000'000 : 40'000, random);
      break;
    default:
      append_header(message, "prose", kPlain);
      append_body(message, 500 + random.below(8'000), random);
      break;
  }
}

}  // namespace ringpost::tools
