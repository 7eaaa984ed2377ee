#include "net/sign/header_lines.h"

namespace ringpost::sign {
namespace {

bool is_wsp(char c) { return c == ' ' || c == '\t'; }
// Octets of a field name (RFC 5322 section 3.6.8), the colon aside.
bool is_name_octet(char c) { return c > ' ' && c < 127 && c != ':'; }

}  // namespace

HeaderLines::Verdict HeaderLines::look_at_first(char c) noexcept {
  if (c == '\r') {
    state_ = state_ == State::dot ? State::dot_cr : State::cr;
    return Verdict::open;
  }
  if (c == '.' && state_ == State::begin) {
    state_ = State::dot;
    return Verdict::open;
  }
  if (is_wsp(c)) {
    return field_open_ ? Verdict::continuation : Verdict::text;
  }
  state_ = State::name;
  return is_name_octet(c) ? Verdict::open : Verdict::text;
}

HeaderLines::Verdict HeaderLines::look(char c) noexcept {
  Verdict verdict = Verdict::text;
  switch (state_) {
    case State::begin:
    case State::dot: verdict = look_at_first(c); break;
    case State::cr: verdict = c == '\n' ? Verdict::empty_line : Verdict::text; break;
    case State::dot_cr: verdict = c == '\n' ? Verdict::final_dot : Verdict::text; break;
    case State::name:
    case State::gap:
      if (c == ':') {
        field_open_ = true;
        verdict = Verdict::field;
      } else if (is_wsp(c)) {
        state_ = State::gap;
        verdict = Verdict::open;
      } else if (state_ == State::name && is_name_octet(c)) {
        verdict = Verdict::open;
      }
      break;
  }
  ++looked_;
  return verdict == Verdict::open && looked_ >= kLookBytes ? Verdict::text : verdict;
}

}  // namespace ringpost::sign
