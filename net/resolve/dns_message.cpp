#include "net/resolve/dns_message.h"

#include <algorithm>

#include "core/base/text.h"

namespace ringpost::resolve {
namespace {

constexpr std::size_t kNameWireMax = 255;

/// Reads a message front to back. After the first broken rule `broken()` names it and every
/// further read gives zeroes.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  const char* broken() const { return broken_; }
  std::size_t position() const { return at_; }
  void fail(const char* rule) {
    broken_ = broken_ == nullptr ? rule : broken_;
    at_ = bytes_.size();
  }

  std::uint8_t octet() {
    if (at_ >= bytes_.size()) {
      fail("cut short");
      return 0;
    }
    return bytes_[at_++];
  }
  std::uint16_t number16() {
    const unsigned high = octet();
    return static_cast<std::uint16_t>(high << 8 | octet());
  }
  std::uint32_t number32() {
    const std::uint32_t high = number16();
    return high << 16 | number16();
  }
  void skip(std::size_t count) {
    if (count > bytes_.size() - at_) {
      fail("cut short");
      return;
    }
    at_ += count;
  }
  void copy(std::span<std::uint8_t> out) {
    if (out.size() > bytes_.size() - at_) {
      fail("cut short");
      return;
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), out.size(), out.begin());
    at_ += out.size();
  }
  std::string name();

 private:
  void append_label(std::string& name, std::size_t from, std::size_t size) const;

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  const char* broken_ = nullptr;
};

/// Presentation form of RFC 1035 section 5.1, except that every unusual octet is \DDD, so that no
/// two different names look the same and none contains a character that needs care elsewhere.
void Reader::append_label(std::string& name, std::size_t from, std::size_t size) const {
  if (!name.empty()) {
    name += '.';
  }
  for (std::size_t i = from; i < from + size; ++i) {
    const char c = ascii_lower(static_cast<char>(bytes_[i]));
    const bool usual = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (usual) {
      name += c;
      continue;
    }
    const unsigned value = bytes_[i];
    name += '\\';
    name += static_cast<char>('0' + value / 100);
    name += static_cast<char>('0' + value / 10 % 10);
    name += static_cast<char>('0' + value % 10);
  }
}

std::string Reader::name() {
  std::string name;
  std::size_t wire = 0;
  std::size_t at = at_;
  // Where the run of labels being read began: a pointer must lead before it, so every jump goes
  // strictly backwards and the walk ends.
  std::size_t run = at_;
  bool jumped = false;
  while (broken_ == nullptr) {
    if (at >= bytes_.size()) {
      fail("name cut short");
      break;
    }
    const std::size_t size = bytes_[at];
    if (size == 0) {
      at_ = jumped ? at_ : at + 1;
      return name;
    }
    if ((size & 0xc0) == 0xc0) {
      if (at + 1 >= bytes_.size()) {
        fail("name cut short");
        break;
      }
      const std::size_t to = (size & 0x3f) << 8 | bytes_[at + 1];
      if (to >= run) {
        fail("compression pointer does not lead backwards");
        break;
      }
      at_ = jumped ? at_ : at + 2;
      jumped = true;
      at = run = to;
      continue;
    }
    wire += size + 1;
    if (size > 63 || wire >= kNameWireMax) {
      fail(size > 63 ? "unknown label type" : "name longer than 255 octets");
      break;
    }
    if (size > bytes_.size() - at - 1) {
      fail("name cut short");
      break;
    }
    append_label(name, at + 1, size);
    at += size + 1;
  }
  return {};
}

IpAddress address_of(Reader& reader, std::uint16_t type) {
  IpAddress address;
  if (type == static_cast<std::uint16_t>(DnsType::a)) {
    address.family = IpAddress::Family::v4;
    reader.copy(std::span(address.octets).first(4));
    return address;
  }
  address.family = IpAddress::Family::v6;
  reader.copy(address.octets);
  const auto& o = address.octets;
  const bool mapped = std::all_of(o.begin(), o.begin() + 10, [](auto v) { return v == 0; }) &&
                      o[10] == 0xff && o[11] == 0xff;
  return mapped ? IpAddress::v4(o[12], o[13], o[14], o[15]) : address;
}

/// Reads the data of a record of a known type; false when the type is of no interest.
bool read_data(Reader& reader, DnsRecord& record, std::size_t size) {
  switch (record.type) {
    case static_cast<std::uint16_t>(DnsType::tlsa): {
      record.tlsa.usage = reader.octet();
      record.tlsa.selector = reader.octet();
      record.tlsa.matching = reader.octet();
      for (std::size_t i = 3; i < size && reader.broken() == nullptr; ++i) {
        record.tlsa.data += static_cast<char>(reader.octet());
      }
      return true;
    }
    case static_cast<std::uint16_t>(DnsType::txt): {
      const std::size_t end = reader.position() + size;
      while (reader.position() < end && reader.broken() == nullptr) {
        for (std::size_t left = reader.octet(); left > 0 && reader.broken() == nullptr; --left) {
          record.text += static_cast<char>(reader.octet());
        }
      }
      return true;
    }
    case static_cast<std::uint16_t>(DnsType::a):
    case static_cast<std::uint16_t>(DnsType::aaaa):
      record.address = address_of(reader, record.type);
      return true;
    case static_cast<std::uint16_t>(DnsType::mx):
      record.preference = reader.number16();
      record.target = reader.name();
      return true;
    case static_cast<std::uint16_t>(DnsType::cname):
    case kTypePtr:
    case kTypeNs: record.target = reader.name(); return true;
    case kTypeSoa:
      reader.name();
      reader.name();
      reader.skip(16);
      record.minimum_seconds = reader.number32();
      return true;
    default: return false;
  }
}

void read_records(Reader& reader, std::size_t count, std::vector<DnsRecord>& out) {
  for (std::size_t i = 0; i < count && reader.broken() == nullptr; ++i) {
    DnsRecord record;
    record.name = reader.name();
    record.type = reader.number16();
    const std::uint16_t record_class = reader.number16();
    const std::uint32_t ttl = reader.number32();
    record.ttl_seconds = (ttl & 0x80000000U) != 0 ? 0 : ttl;
    const std::size_t size = reader.number16();
    const std::size_t begin = reader.position();
    if (record_class != kClassIn || !read_data(reader, record, size)) {
      reader.skip(size);
      continue;
    }
    if (reader.position() - begin != size) {
      reader.fail("record data of another length than stated");
      return;
    }
    out.push_back(std::move(record));
  }
}

}  // namespace

Result<DnsMessage> parse_message(std::span<const std::uint8_t> bytes) {
  Reader reader(bytes);
  DnsMessage message;
  reader.skip(2);
  const std::uint16_t flags = reader.number16();
  message.is_response = (flags & 0x8000) != 0;
  message.opcode = static_cast<std::uint8_t>(flags >> 11 & 0xf);
  message.authoritative = (flags & 0x0400) != 0;
  message.truncated = (flags & 0x0200) != 0;
  message.recursion_available = (flags & 0x0080) != 0;
  message.authentic = (flags & 0x0020) != 0;
  message.rcode = static_cast<std::uint8_t>(flags & 0xf);
  message.question_count = reader.number16();
  const std::size_t answers = reader.number16();
  const std::size_t authorities = reader.number16();
  reader.skip(2);
  if (message.question_count > 1) {
    reader.fail("more than one question");
  } else if (answers + authorities > kDnsRecordsMax) {
    reader.fail("too many records");
  }
  if (message.question_count == 1) {
    message.question = reader.name();
    message.question_type = reader.number16();
    if (reader.number16() != kClassIn) {
      reader.fail("question of another class than IN");
    }
  }
  read_records(reader, answers, message.answers);
  read_records(reader, authorities, message.authorities);
  if (reader.broken() != nullptr) {
    return Error::of(ErrorCode::invalid, std::string("DNS message: ") + reader.broken());
  }
  return message;
}

}  // namespace ringpost::resolve
