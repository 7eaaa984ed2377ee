#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "net/smtp/content_scanner.h"
#include "tests/unit/smtp/server_header_reference.h"

// The scanner's twin: reads whole content octet by octet, in the plainest way, and says what the
// scanner must find whatever the pieces. Used by the unit tests and the fuzzer.

namespace ringpost::smtp::reference {

struct Scan {
  bool ended = false;
  std::size_t consumed = 0;
  std::string wire;  ///< only where there is no fault
  ContentFault fault = ContentFault::none;
  std::string facts;
};

struct Line {
  std::string text;
  std::string end;  ///< as it came: CRLF, CR, LF or nothing
};

inline std::string facts_of(const ContentSummary& s) {
  std::string out =
      "wire=" + std::to_string(s.info.wire_bytes) + " size=" + std::to_string(s.info.size) +
      " header=" + std::to_string(s.header_end) + "/" + std::to_string(s.info.header_bytes) +
      " fields=" + std::to_string(s.header_fields) +
      " received=" + std::to_string(s.received_fields) +
      " longest=" + std::to_string(s.longest_line);
  out += s.info.dot_lines ? " dots" : "";
  out += s.info.eight_bit ? " 8bit" : "";
  out += s.eight_bit_header ? " 8bit-header" : "";
  out += s.ends_with_bare_line ? " crlf-added" : "";
  out += s.normalised ? " normalised" : "";
  static constexpr std::string_view kNames[] = {"date", "message-id", "received", "bcc",
                                                "from", "sender",     "control"};
  for (const FieldMark& mark : s.fields) {
    out += " " + std::string(kNames[static_cast<std::size_t>(mark.field)]);
    if (mark.field == KnownField::control) {
      out += std::to_string(mark.control) + "=" + std::string(s.value_of(mark)) +
             (mark.value_cut ? "(cut)" : "");
    }
    out += "[" + std::to_string(mark.range.begin) + "," + std::to_string(mark.range.end) + ")";
  }
  return out;
}

// Splits at the line ends that count; says in `bare` whether there were others.
inline std::vector<Line> split_lines(std::string_view raw, BareLineEnds mode, bool& bare) {
  std::vector<Line> lines(1);
  const auto end_line = [&lines](std::string_view end) {
    lines.back().end = end;
    lines.emplace_back();
  };
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const bool cr = raw[i] == '\r';
    const bool lf = raw[i] == '\n';
    if (cr && i + 1 < raw.size() && raw[i + 1] == '\n') {
      end_line("\r\n");
      ++i;
    } else if (cr || lf) {
      bare = true;
      if (mode == BareLineEnds::normalise) {
        end_line(cr ? "\r" : "\n");
      } else {
        lines.back().text += raw[i];
      }
    } else {
      lines.back().text += raw[i];
    }
  }
  if (lines.back().text.empty() && lines.back().end.empty()) {
    lines.pop_back();
  }
  return lines;
}

inline void finish(const Case& c, Scan& scan, ContentSummary& s, unsigned faults,
                   std::size_t dots) {
  scan.wire += ".\r\n";
  s.info.wire_bytes = static_cast<std::uint32_t>(scan.wire.size());
  s.info.size = static_cast<std::uint32_t>(scan.wire.size() - 3 - dots);
  if (s.info.size > c.limits.message_bytes_max) {
    faults |= 1U << static_cast<unsigned>(ContentFault::too_large);
  }
  for (unsigned i = 1; i < 8 && scan.fault == ContentFault::none; ++i) {
    if ((faults >> i & 1) != 0) {
      scan.fault = static_cast<ContentFault>(i);
    }
  }
  scan.facts = facts_of(s);
}

/// For DATA, `raw` is what follows the DATA command and may go on behind the final dot.
inline Scan scan(std::string_view raw, const Case& c) {
  Scan out;
  ContentSummary s;
  unsigned faults = 0;
  bool bare = false;
  const auto lines = split_lines(raw, c.bare, bare);
  bool seen_bare = false;
  bool proper = true;
  std::size_t dots = 0;
  std::size_t raw_at = 0;
  std::size_t first_high = std::string::npos;
  HeaderReader header(c, s, faults);
  for (const Line& line : lines) {
    if (c.transfer == Transfer::data && proper && line.text == "." && line.end == "\r\n") {
      out.ended = true;
      out.consumed = raw_at + 3;
      break;
    }
    if (line.end != "\r\n" && c.transfer == Transfer::data && &line == &lines.back()) {
      break;  // incomplete
    }
    const bool stuffed_by_sender = c.transfer == Transfer::data && proper;
    const bool dot = !line.text.empty() && line.text[0] == '.';
    seen_bare = seen_bare || (line.end != "\r\n" && !line.end.empty()) ||
                line.text.find_first_of("\r\n") != std::string::npos;
    const std::size_t begin = out.wire.size();
    if (dot && (!stuffed_by_sender || (line.text == "." && line.end != "\r\n"))) {
      out.wire += '.';
    }
    out.wire += line.text + "\r\n";
    s.ends_with_bare_line = line.end.empty();
    dots += dot ? 1 : 0;
    s.info.dot_lines = s.info.dot_lines || dot;
    const std::size_t octets = line.text.size() - (dot && stuffed_by_sender ? 1 : 0);
    s.longest_line = std::max(s.longest_line, static_cast<std::uint32_t>(octets));
    if (octets > c.limits.line_bytes_max) {
      faults |= 1U << static_cast<unsigned>(ContentFault::line_too_long);
    }
    const std::string all = line.text + line.end;
    for (std::size_t i = 0; i < all.size() && first_high == std::string::npos; ++i) {
      if (static_cast<unsigned char>(all[i]) >= 0x80) {
        first_high = raw_at + i;
      }
    }
    if (header.open()) {
      const std::string look = all.substr(0, ContentScanner::kHeaderLookBytes);
      header.line(look.substr(dot && stuffed_by_sender ? 1 : 0), begin, out.wire.size(), raw_at,
                  raw_at + all.size(),
                  look.size() == ContentScanner::kHeaderLookBytes && look.back() != '\n');
    }
    raw_at += all.size();
    proper = line.end == "\r\n";
  }
  if (c.transfer == Transfer::bdat) {
    out.ended = true;
    out.consumed = raw.size();
  }
  s.normalised = c.bare == BareLineEnds::normalise && seen_bare;
  if (c.bare == BareLineEnds::refuse && seen_bare) {
    faults |= 1U << static_cast<unsigned>(ContentFault::bare_line_end);
  }
  if (header.open()) {
    header.close(out.wire.size(), out.wire.size(), raw_at);
  }
  s.info.eight_bit = first_high != std::string::npos;
  s.eight_bit_header = first_high < header.body_raw();
  finish(c, out, s, faults, dots);
  return out;
}

/// What the scanner finds in the same content, cut before each of `cuts` (ascending offsets).
class Scanned : public ContentRuns {
 public:
  Scanned(std::string_view raw, const Case& c, const std::vector<std::size_t>& cuts) {
    ContentScanner scanner;
    std::vector<char> scratch(ContentScanner::kHeaderLookBytes);
    scanner.start(c.transfer, c.bare, c.limits, c.controls, scratch);
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size() && !scanner.ended(); ++i) {
      const std::size_t end = i < cuts.size() ? cuts[i] : raw.size();
      // A copy of its own lets a sanitizer see reads past the piece.
      const std::vector<char> piece(raw.begin() + static_cast<std::ptrdiff_t>(begin),
                                    raw.begin() + static_cast<std::ptrdiff_t>(end));
      const std::size_t used = scanner.feed({piece.data(), piece.size()}, *this);
      result.consumed += used;
      begin = end;
    }
    if (c.transfer == Transfer::bdat) {
      scanner.finish(*this);
    }
    result.ended = scanner.ended();
    result.fault = scanner.fault();
    if (result.ended) {
      result.facts = facts_of(scanner.summary());
    }
  }

  void on_content(std::string_view run) override { result.wire += run; }

  Scan result;
};

/// Empty if scanner and twin agree, else what differs.
inline std::string difference(std::string_view raw, const Case& c,
                              const std::vector<std::size_t>& cuts) {
  const Scan want = scan(raw, c);
  const Scan got = Scanned(raw, c, cuts).result;
  if (want.ended != got.ended) {
    return want.ended ? "the end was missed" : "an end was seen where there is none";
  }
  if (!want.ended) {
    return {};
  }
  if (want.consumed != got.consumed) {
    return "consumed " + std::to_string(got.consumed) + ", not " + std::to_string(want.consumed);
  }
  if (want.fault != got.fault) {
    return "fault " + std::to_string(static_cast<int>(got.fault)) + ", not " +
           std::to_string(static_cast<int>(want.fault));
  }
  if (want.fault != ContentFault::none) {
    return {};
  }
  if (want.wire != got.wire) {
    return "wire form '" + got.wire + "', not '" + want.wire + "'";
  }
  return want.facts == got.facts ? "" : "facts '" + got.facts + "', not '" + want.facts + "'";
}

inline std::vector<std::size_t> every_octet(std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < size; ++i) {
    cuts.push_back(i);
  }
  return cuts;
}

inline std::vector<std::size_t> random_cuts(std::size_t size, Random& random) {
  std::vector<std::size_t> cuts;
  for (std::size_t at = 0; at < size;) {
    at += 1 + random.below(random.chance(50) ? 5 : 150);
    if (at < size) {
      cuts.push_back(at);
    }
  }
  return cuts;
}

}  // namespace ringpost::smtp::reference
