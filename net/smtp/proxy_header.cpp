#include "net/smtp/proxy_header.h"

#include <algorithm>
#include <cstring>

#include "core/base/text.h"

namespace ringpost::smtp {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kWord = "PROXY";
constexpr std::size_t kFixed = 16;  ///< signature, version and command, family, length
constexpr std::size_t kAddresses4 = 12;
constexpr std::size_t kAddresses6 = 36;

std::uint16_t number16(const char* octets) {
  return static_cast<std::uint16_t>((static_cast<unsigned char>(octets[0]) << 8) |
                                    static_cast<unsigned char>(octets[1]));
}

/// The next word of a line of single blanks; empty at the end or where two stand together.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

/// ::ffff:a.b.c.d is a.b.c.d, so that rules match either form.
void fold_mapped(IpAddress& address) {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!address.is_v4() && std::memcmp(address.octets.data(), kMapped, sizeof kMapped) == 0) {
    const auto& o = address.octets;
    address = IpAddress::v4(o[12], o[13], o[14], o[15]);
  }
}

bool read_port(std::string_view text, std::uint16_t& out) {
  return !text.empty() && text.size() <= 5 && (text.size() == 1 || text.front() != '0') &&
         parse_decimal(text, out);
}

}  // namespace

// How many octets must be there before more can be told.
std::size_t ProxyHeader::wanted() const noexcept {
  const std::string_view seen(octets_.data(), size_);
  if (size_ < kFixed || seen.substr(0, kSignature.size()) != kSignature) {
    return size_ + 1;
  }
  const bool local = (octets_[12] & 0x0f) == 0;
  const std::size_t family = static_cast<unsigned char>(octets_[13]) >> 4;
  const std::size_t length = number16(&octets_[14]);
  const std::size_t addresses = family == 1 ? kAddresses4 : family == 2 ? kAddresses6 : 0;
  return kFixed + (local ? 0 : std::min(addresses, length));
}

std::size_t ProxyHeader::feed(std::string_view input) noexcept {
  std::size_t used = 0;
  while (state_ == State::reading && used < input.size()) {
    if (skip_ > 0) {
      const std::size_t count = std::min(skip_, input.size() - used);
      skip_ -= count;
      used += count;
      state_ = skip_ == 0 ? State::done : State::reading;
      continue;
    }
    octets_[size_++] = input[used++];
    look();
  }
  return used;
}

void ProxyHeader::look() noexcept {
  const std::string_view seen(octets_.data(), size_);
  const auto begins = [&](std::string_view mark) {
    const std::size_t both = std::min(seen.size(), mark.size());
    return seen.substr(0, both) == mark.substr(0, both);
  };
  if (begins(kSignature)) {
    if (size_ >= kFixed && size_ >= wanted()) {
      read_binary();
    }
  } else if (!begins(kWord) || size_ > kLineMax) {
    state_ = State::bad;
  } else if (seen.ends_with("\r\n")) {
    read_line(seen.substr(0, size_ - 2));
  } else if (seen.back() == '\n') {
    state_ = State::bad;
  }
}

// PROXY TCP4 192.0.2.1 198.51.100.2 56324 25
void ProxyHeader::read_line(std::string_view line) noexcept {
  state_ = State::bad;
  if (take_word(line) != kWord) {
    return;
  }
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") {
    state_ = State::done;
    return;
  }
  if (family != "TCP4" && family != "TCP6") {
    return;
  }
  const auto source = IpAddress::parse(take_word(line));
  const auto target = IpAddress::parse(take_word(line));
  std::uint16_t source_port = 0;
  std::uint16_t target_port = 0;
  const bool v4 = family == "TCP4";
  // An IPv4 address in the form of IPv6 is folded when it is read.
  if (!source || !target || (v4 && !(source->is_v4() && target->is_v4())) ||
      !read_port(take_word(line), source_port) || !read_port(take_word(line), target_port) ||
      !line.empty()) {
    return;
  }
  source_ = {*source, source_port};
  has_source_ = true;
  state_ = State::done;
}

void ProxyHeader::read_binary() noexcept {
  const auto command = static_cast<unsigned char>(octets_[12]);
  const auto family = static_cast<unsigned char>(octets_[13]);
  const std::size_t length = number16(&octets_[14]);
  const std::size_t read = size_ - kFixed;
  state_ = State::bad;
  if ((command >> 4) != 2 || (command & 0x0f) > 1 || length > kRestMax) {
    return;
  }
  const bool proxied = (command & 0x0f) == 1;
  if (proxied && family != 0) {
    // TCP over IPv4 and IPv6 is what we speak; sockets of a host and datagrams are not.
    const bool v4 = family == 0x11;
    if ((!v4 && family != 0x21) || length < (v4 ? kAddresses4 : kAddresses6)) {
      return;
    }
    const char* at = &octets_[kFixed];
    source_.ip = {};
    source_.ip.family = v4 ? IpAddress::Family::v4 : IpAddress::Family::v6;
    std::memcpy(source_.ip.octets.data(), at, v4 ? 4 : 16);
    source_.port = number16(at + (v4 ? 8 : 32));
    fold_mapped(source_.ip);
    has_source_ = true;
  }
  skip_ = length - read;
  state_ = skip_ == 0 ? State::done : State::reading;
}

}  // namespace ringpost::smtp
