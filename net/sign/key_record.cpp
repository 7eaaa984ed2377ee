#include "net/sign/key_record.h"

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/text.h"

namespace ringpost::sign {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view without_space(std::string_view text) {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

std::string without_inner_space(std::string_view text) {
  std::string out(text);
  out.erase(std::remove_if(out.begin(), out.end(), is_space), out.end());
  return out;
}

bool is_tag_name(std::string_view name) {
  const auto is_letter = [](char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

struct Tag {
  std::string_view name;
  std::string_view value;
};

// A tag list (RFC 6376 section 3.2): names are case-sensitive and must not repeat.
Result<std::vector<Tag>> parse_tags(std::string_view text) {
  std::vector<Tag> tags;
  const auto is_odd = [](char c) { return (c < ' ' && !is_space(c)) || c == 127; };
  const auto is_high = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  if (std::any_of(text.begin(), text.end(), is_odd) ||
      std::any_of(text.begin(), text.end(), is_high)) {
    return Error::of(ErrorCode::invalid, "it holds octets that are not printable ASCII");
  }
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    const std::string_view item = without_space(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty() && without_space(text).empty()) {
      break;  // a semicolon may end the list
    }
    const auto equal = item.find('=');
    const std::string_view name = without_space(item.substr(0, equal));
    if (equal == std::string_view::npos || !is_tag_name(name)) {
      return Error::of(ErrorCode::invalid, "\"" + std::string(item) + "\" is not TAG=VALUE");
    }
    if (std::any_of(tags.begin(), tags.end(), [&](const Tag& t) { return t.name == name; })) {
      return Error::of(ErrorCode::invalid, "the tag " + std::string(name) + "= is repeated");
    }
    tags.push_back({name, without_space(item.substr(equal + 1))});
  }
  return tags;
}

// A list divided by colons, lower case.
std::vector<std::string> parse_list(std::string_view value) {
  std::vector<std::string> items;
  for (;;) {
    const auto end = std::min(value.find(':'), value.size());
    const std::string_view item = without_space(value.substr(0, end));
    if (!item.empty()) {
      items.push_back(to_lower(item));
    }
    if (end == value.size()) {
      return items;
    }
    value.remove_prefix(end + 1);
  }
}

bool holds(const std::vector<std::string>& items, std::string_view item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

// What one record that could be read means; the state's sentence in `text`.
RecordState judge(const SigningKey& key, const KeyRecord& record, std::string& text) {
  if (record.public_key.empty()) {
    text = "the published key was revoked (p= is empty)";
    return RecordState::revoked;
  }
  if (record.key_type != key_type_of(key.algorithm())) {
    text = "the published key is of type " + record.key_type + ", ours of type " +
           std::string(key_type_of(key.algorithm()));
    return RecordState::other_key;
  }
  if (!key.is_public_half(record.public_key)) {
    text = "the published key is another one than ours";
    return RecordState::other_key;
  }
  if (!record.hashes.empty() && !holds(record.hashes, "sha256")) {
    text = "the record does not allow sha256 (h=)";
    return RecordState::unusable;
  }
  if (!record.services.empty() && !holds(record.services, "*") &&
      !holds(record.services, "email")) {
    text = "the record is not for mail (s=)";
    return RecordState::unusable;
  }
  text = "the published key matches";
  return RecordState::matches;
}

void add_notes(const KeyRecord& record, bool identity_below, RecordCheck& check) {
  if (record.testing) {
    check.notes.push_back(
        "the record says that DKIM is being tested (t=y): receivers give its "
        "signatures no weight");
  }
  if (record.strict && identity_below) {
    check.notes.push_back(
        "the record is strict (t=s) and the identity lies in a domain below: "
        "receivers refuse the signature");
  }
}

}  // namespace

Result<KeyRecord> parse_key_record(std::string_view text) {
  const Result<std::vector<Tag>> tags = parse_tags(text);
  if (!tags.ok()) {
    return tags.error();
  }
  KeyRecord record;
  bool has_key = false;
  for (std::size_t i = 0; i < tags->size(); ++i) {
    const Tag& tag = (*tags)[i];
    if (tag.name == "v" && (i != 0 || tag.value != "DKIM1")) {
      return Error::of(ErrorCode::invalid, i != 0 ? "v= is not the first tag" : "v= is not DKIM1");
    }
    if (tag.name == "k") {
      record.key_type = to_lower(tag.value);
    } else if (tag.name == "h") {
      record.hashes = parse_list(tag.value);
    } else if (tag.name == "s") {
      record.services = parse_list(tag.value);
    } else if (tag.name == "t") {
      const std::vector<std::string> flags = parse_list(tag.value);
      record.testing = holds(flags, "y");
      record.strict = holds(flags, "s");
    } else if (tag.name == "p") {
      has_key = true;
      const std::optional<std::string> octets = from_base64(without_inner_space(tag.value));
      if (!octets) {
        return Error::of(ErrorCode::invalid, "p= is not base64");
      }
      record.public_key = *octets;
    }
  }
  if (!has_key) {
    return Error::of(ErrorCode::invalid, "it has no p= tag");
  }
  return record;
}

// Several records at one name leave the result to the receiver (RFC 6376 section 3.6.2.2): the
// best one is judged, and a note says so.
RecordCheck check_records(const SigningKey& key, std::span<const std::string> records,
                          bool identity_below) {
  RecordCheck best;
  best.text = "no key record is published";
  bool first = true;
  for (const std::string& text : records) {
    RecordCheck one;
    const Result<KeyRecord> record = parse_key_record(text);
    if (record.ok()) {
      one.state = judge(key, *record, one.text);
      add_notes(*record, identity_below, one);
    } else {
      one.state = RecordState::malformed;
      one.text = "the record is broken: " + record.error().detail;
    }
    const bool better = best.state == RecordState::malformed && one.state != best.state;
    if (first || better || one.state == RecordState::matches) {
      best = std::move(one);
    }
    first = false;
  }
  if (records.size() > 1) {
    best.notes.push_back("there are " + std::to_string(records.size()) +
                         " TXT records at this name; receivers may take any: keep one");
  }
  return best;
}

}  // namespace ringpost::sign
