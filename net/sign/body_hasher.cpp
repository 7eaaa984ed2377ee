#include "net/sign/body_hasher.h"

#include <algorithm>

#include "core/base/assert.h"
#include "net/sign/body_blocks.h"

namespace ringpost::sign {

void BodyCanon::start(Canon canon) noexcept {
  *this = BodyCanon();
  canon_ = canon;
}

void BodyCanon::emit(std::string_view octets) noexcept {
  hash_.update(octets);
  emitted_ += octets.size();
}

void BodyCanon::emit_empty_lines() noexcept {
  static constexpr std::string_view kLineEnds =
      "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
  while (empty_lines_ > 0) {
    const std::uint64_t count = std::min<std::uint64_t>(empty_lines_, kLineEnds.size() / 2);
    emit(kLineEnds.substr(0, count * 2));
    empty_lines_ -= count;
  }
}

void BodyCanon::take_content(char c) noexcept {
  at_begin_ = false;
  dot_alone_ = false;
  if (canon_ == Canon::relaxed && (c == ' ' || c == '\t')) {
    held_blank_ = true;
    return;
  }
  emit_empty_lines();
  if (held_blank_) {
    emit(" ");
    held_blank_ = false;
  }
  emit({&c, 1});
  line_empty_ = false;
}

void BodyCanon::end_line() noexcept {
  if (dot_alone_) {
    ended_ = true;
    return;
  }
  held_blank_ = false;
  if (line_empty_) {
    ++empty_lines_;
  } else {
    emit("\r\n");
  }
  line_empty_ = true;
  at_begin_ = true;
}

void BodyCanon::take(char c) noexcept {
  if (held_cr_) {
    held_cr_ = false;
    if (c == '\n') {
      end_line();
      return;
    }
    take_content('\r');  // wire form has no bare CR; if it had, it would be text
  }
  if (c == '\r') {
    held_cr_ = true;
  } else if (at_begin_ && c == '.') {
    at_begin_ = false;
    dot_alone_ = true;
  } else {
    take_content(c);
  }
}

// Whether text of the line was emitted and nothing is held back: what follows can be emitted as it
// lies up to the next octet that canonicalisation changes.
bool BodyCanon::in_text() const noexcept { return !line_empty_ && !held_cr_ && !held_blank_; }

// Emits the octets from `begin` that are canonical as they lie; returns where they end.
std::size_t BodyCanon::take_text(std::string_view wire, std::size_t begin) noexcept {
  std::size_t end =
      canon_ == Canon::relaxed ? find_change<true>(wire, begin) : find_change<false>(wire, begin);
  if (end > begin && wire[end - 1] == '\r') {
    --end;
  }
  if (end == begin) {
    return begin;
  }
  emit(wire.substr(begin, end - begin));
  if (end - begin >= 2 && wire[end - 1] == '\n' && wire[end - 2] == '\r') {
    line_empty_ = true;
    at_begin_ = true;
  }
  return end;
}

void BodyCanon::feed(std::string_view wire) noexcept {
  std::size_t at = 0;
  while (at < wire.size() && !ended_) {
    if (in_text()) {
      at = take_text(wire, at);
    }
    if (at < wire.size()) {
      take(wire[at++]);
    }
  }
}

BodyHash BodyCanon::finish() noexcept {
  if (!ended_) {
    if (held_cr_) {
      held_cr_ = false;
      take_content('\r');
    }
    dot_alone_ = false;
    if (!line_empty_) {
      end_line();  // a last line without its end gets one (RFC 6376 section 3.4.3, 3.4.4)
    }
  }
  if (canon_ == Canon::simple && emitted_ == 0) {
    emit("\r\n");
  }
  return {hash_.finish(), emitted_};
}

void BodyHasher::start(CanonSet wanted, Begin begin) noexcept {
  wanted_ = wanted;
  in_header_ = begin == Begin::content;
  in_line_ = false;
  line_cr_ = false;
  lines_ = HeaderLines();
  restart();
}

void BodyHasher::restart() noexcept {
  simple_.start(Canon::simple);
  relaxed_.start(Canon::relaxed);
  speculated_ = false;
}

void BodyHasher::feed_body(std::string_view wire) noexcept {
  if (wanted_.simple) {
    simple_.feed(wire);
  }
  if (wanted_.relaxed) {
    relaxed_.feed(wire);
  }
}

// Past the CRLF that ends the current line, or the end of `wire`.
std::size_t BodyHasher::past_line(std::string_view wire, std::size_t at) noexcept {
  while (at < wire.size()) {
    const auto lf = wire.find('\n', at);
    if (lf == std::string_view::npos) {
      line_cr_ = wire.back() == '\r';
      return wire.size();
    }
    const bool proper = lf > at ? wire[lf - 1] == '\r' : line_cr_;
    line_cr_ = false;
    at = lf + 1;
    if (proper) {
      in_line_ = false;
      lines_.begin_line();
      break;
    }
  }
  return at;
}

// Reads the header section on; returns where the body begins, or the end of `wire`. A line cut off
// before it is known what it is goes into the hashes, in case it is text; a field takes it back.
std::size_t BodyHasher::skip_header(std::string_view wire) noexcept {
  using Verdict = HeaderLines::Verdict;
  std::size_t undecided = 0;
  std::size_t at = 0;
  while (at < wire.size()) {
    if (in_line_) {
      at = past_line(wire, at);
      undecided = at;
      continue;
    }
    const Verdict verdict = lines_.look(wire[at]);
    if (verdict == Verdict::text) {
      in_header_ = false;
      return undecided;
    }
    if (verdict == Verdict::open) {
      ++at;
      continue;
    }
    if (speculated_) {
      restart();
    }
    if (verdict == Verdict::empty_line) {
      in_header_ = false;
      return at + 1;
    }
    if (verdict == Verdict::final_dot) {
      in_header_ = false;
      feed_body(".\r\n");
      return wire.size();
    }
    in_line_ = true;
    line_cr_ = false;
    ++at;
  }
  if (!in_line_ && undecided < wire.size()) {
    feed_body(wire.substr(undecided));
    speculated_ = true;
  }
  return wire.size();
}

void BodyHasher::feed(std::string_view wire) noexcept {
  if (in_header_) {
    wire.remove_prefix(skip_header(wire));
  }
  if (!in_header_ && !wire.empty()) {
    feed_body(wire);
  }
}

void BodyHasher::finish() noexcept {
  if (wanted_.simple) {
    simple_hash_ = simple_.finish();
  }
  if (wanted_.relaxed) {
    relaxed_hash_ = relaxed_.finish();
  }
}

const BodyHash& BodyHasher::hash(Canon canon) const noexcept {
  RP_ASSERT(canon == Canon::simple ? wanted_.simple : wanted_.relaxed);
  return canon == Canon::simple ? simple_hash_ : relaxed_hash_;
}

}  // namespace ringpost::sign
