#include "bench/tools/content.h"

#include <algorithm>
#include <cstring>

namespace ringpost::tools {
namespace {

constexpr std::size_t kHeadMax = 64 * 1024;

/// Where the id field begins a line of the header section in `head`, or npos.
std::size_t find_field(std::string_view head) {
  if (head.starts_with(kIdField)) {
    return 0;
  }
  head = head.substr(0, head.find("\r\n\r\n"));
  std::size_t at = 0;
  while ((at = head.find(kIdField, at)) != std::string_view::npos) {
    if (at > 0 && head[at - 1] == '\n') {
      return at;
    }
    ++at;
  }
  return at;
}

}  // namespace

std::uint64_t content_hash(std::string_view content) {
  ContentDigest digest;
  digest.reset(true);
  digest.update(content);
  digest.finish();
  return digest.hash();
}

std::string to_wire(std::string_view content) {
  std::string wire;
  wire.reserve(content.size() + 64);
  bool line_start = true;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    const std::string_view line = content.substr(0, end == std::string_view::npos ? end : end + 1);
    if (line_start && line.front() == '.') {
      wire.push_back('.');
    }
    wire.append(line);
    line_start = line.ends_with("\r\n");
    content.remove_prefix(line.size());
  }
  if (!wire.empty() && !wire.ends_with("\r\n")) {
    wire.append("\r\n");
  }
  wire.append(".\r\n");
  return wire;
}

void ContentDigest::reset(bool hashing) {
  hashing_ = hashing;
  searching_ = true;
  head_.clear();
  id_.assign("-");
  size_ = 0;
  last_two_[0] = last_two_[1] = 0;
  if (hashing_) {
    hasher_ = Hasher64();
  }
}

void ContentDigest::hash_piece(std::string_view piece) {
  if (piece.empty()) {
    return;
  }
  hasher_.update(piece);
  last_two_[0] = piece.size() > 1 ? piece[piece.size() - 2] : last_two_[1];
  last_two_[1] = piece.back();
}

bool ContentDigest::find_id() {
  const std::size_t at = find_field(head_);
  if (at != std::string_view::npos) {
    const std::size_t end = head_.find("\r\n", at);
    if (end == std::string::npos) {
      return false;
    }
    id_ = head_.substr(at + kIdField.size(), end - at - kIdField.size());
    hash_piece(std::string_view(head_).substr(at));
    return true;
  }
  if (head_.size() >= kHeadMax || head_.find("\r\n\r\n") != std::string::npos) {
    hash_piece(head_);
    return true;
  }
  return false;
}

void ContentDigest::update(std::string_view piece) {
  size_ += piece.size();
  if (!hashing_) {
    return;
  }
  if (!searching_) {
    hash_piece(piece);
    return;
  }
  head_.append(piece.substr(0, kHeadMax));
  if (find_id()) {
    searching_ = false;
    head_.clear();
    hash_piece(piece.substr(std::min(piece.size(), kHeadMax)));
  }
}

void ContentDigest::finish() {
  if (!hashing_) {
    return;
  }
  if (searching_) {
    // A message that is one unfinished header line.
    const std::size_t at = find_field(head_);
    if (at != std::string_view::npos) {
      id_ = head_.substr(at + kIdField.size());
    }
    hash_piece(std::string_view(head_).substr(at == std::string_view::npos ? 0 : at));
  }
  if (size_ > 0 && !(last_two_[0] == '\r' && last_two_[1] == '\n')) {
    hasher_.update("\r\n");
  }
}

void DotReader::reset() {
  state_ = State::text;
  previous_[0] = '\r';
  previous_[1] = '\n';
}

void DotReader::remember(std::string_view emitted) {
  previous_[0] = emitted.size() > 1 ? emitted[emitted.size() - 2] : previous_[1];
  previous_[1] = emitted.back();
}

std::size_t DotReader::run_length(std::string_view bytes) const {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  // A dot is rarer than a line end in most content, and memchr skips the rest.
  for (const char* dot = begin; dot < end; ++dot) {
    dot = static_cast<const char*>(std::memchr(dot, '.', static_cast<std::size_t>(end - dot)));
    if (dot == nullptr) {
      break;
    }
    const auto index = static_cast<std::size_t>(dot - begin);
    const char before = index >= 1 ? dot[-1] : previous_[1];
    const char two_before = index >= 2 ? dot[-2] : (index == 1 ? previous_[1] : previous_[0]);
    if (before == '\n' && two_before == '\r') {
      return index;
    }
  }
  return bytes.size();
}

}  // namespace ringpost::tools
