#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/hash.h"

namespace ringpost::tools {

/// The header field by which generator and sink know a message again. The generator writes it
/// first; relays put their own fields before it, so hashes count from this line on.
inline constexpr std::string_view kIdField = "X-Ringpost-Load-Id: ";

/// Hash of the content from its id field to its end, without dot-stuffing, the last line ended by
/// CRLF (a relay must add one to a BDAT message that lacks it). Without the field: of everything.
std::uint64_t content_hash(std::string_view content);

/// `content` as DATA carries it: dots stuffed, last line ended, final dot appended.
std::string to_wire(std::string_view content);

/// Takes a message's content in pieces of any size and finds its id and hash.
class ContentDigest {
 public:
  void reset(bool hashing);
  void update(std::string_view piece);
  /// Call once, after the last piece.
  void finish();

  /// The id, or "-" if the header section had none.
  const std::string& id() const { return id_; }
  std::uint64_t hash() const { return hasher_.digest(); }
  /// Octets of the whole content as received, ahead of the id field too.
  std::uint64_t size() const { return size_; }

 private:
  bool find_id();
  void hash_piece(std::string_view piece);

  bool hashing_ = false;
  bool searching_ = false;
  std::string head_;  // what came before the id was found
  std::string id_;
  Hasher64 hasher_;
  std::uint64_t size_ = 0;
  char last_two_[2] = {0, 0};
};

/// Recognises the end of DATA (<CRLF>.<CRLF> and nothing else, RFC 5321 section 4.1.1.4) in a
/// stream cut anywhere and hands on the content without its stuffing.
class DotReader {
 public:
  void reset();
  /// Feeds `bytes`; `emit(piece)` gets runs of content. Returns how many bytes belong to the
  /// message; done() tells whether its end was among them.
  template <class Emit>
  std::size_t feed(std::string_view bytes, Emit&& emit) {
    std::size_t at = 0;
    while (at < bytes.size() && !done()) {
      at += state_ == State::text ? feed_text(bytes.substr(at), emit) : feed_dot(bytes[at], emit);
    }
    return at;
  }
  bool done() const { return state_ == State::done; }

 private:
  enum class State : std::uint8_t { text, dot, dot_cr, done };

  /// Length of the run before a dot that begins a line, or all of `bytes`.
  std::size_t run_length(std::string_view bytes) const;
  void remember(std::string_view emitted);

  template <class Emit>
  std::size_t feed_text(std::string_view bytes, Emit& emit) {
    const std::size_t run = run_length(bytes);
    if (run > 0) {
      emit(bytes.substr(0, run));
      remember(bytes.substr(0, run));
    }
    if (run == bytes.size()) {
      return run;
    }
    state_ = State::dot;
    return run + 1;
  }

  template <class Emit>
  std::size_t feed_dot(char c, Emit& emit) {
    if (state_ == State::dot) {
      state_ = c == '\r' ? State::dot_cr : State::text;
      // The dot was stuffing: it is dropped, and what follows is not at a line's begin any more.
      previous_[0] = previous_[1] = '.';
      return c == '\r' ? 1 : 0;
    }
    if (c == '\n') {
      state_ = State::done;
      return 1;
    }
    // <CRLF>.<CR> without <LF>: the octet after the dot was content.
    state_ = State::text;
    emit(std::string_view("\r", 1));
    remember("\r");
    return 0;
  }

  State state_ = State::text;
  char previous_[2] = {'\r', '\n'};
};

}  // namespace ringpost::tools
