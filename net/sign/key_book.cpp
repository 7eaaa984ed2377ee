#include "net/sign/key_book.h"

#include <algorithm>
#include <numeric>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "net/sign/signing_input.h"

namespace ringpost::sign {
namespace {

constexpr std::size_t kQueryBytesMax = 255;

bool is_pattern(std::string_view domain) {
  return domain == "*" || is_signing_name(domain.substr(0, 2) == "*." ? domain.substr(2) : domain);
}

}  // namespace

Result<DomainKeyText> DomainKeyText::parse(std::string_view text) {
  const auto first = text.find(',');
  const auto second = first == std::string_view::npos ? first : text.find(',', first + 1);
  if (second == std::string_view::npos) {
    return Error::of(ErrorCode::invalid, "expected SELECTOR,DOMAIN,FILE");
  }
  DomainKeyText out;
  out.selector = trimmed(text.substr(0, first));
  out.domain = to_lower(trimmed(text.substr(first + 1, second - first - 1)));
  out.file = trimmed(text.substr(second + 1));
  if (!is_signing_name(out.selector)) {
    return Error::of(ErrorCode::invalid, "selector \"" + out.selector + "\" is no name");
  }
  if (!is_pattern(out.domain)) {
    return Error::of(ErrorCode::invalid, "\"" + out.domain +
                                             "\" is no domain, *.DOMAIN or *; write names in other "
                                             "letters in their xn-- form");
  }
  if (out.file.empty()) {
    return Error::of(ErrorCode::invalid, "the key file is missing");
  }
  return out;
}

Result<KeyBook> KeyBook::make(std::vector<DomainKey> keys) {
  KeyBook book;
  for (DomainKey& key : keys) {
    key.domain = to_lower(key.domain);
    if (!is_signing_name(key.selector) || !is_pattern(key.domain) || key.key == nullptr) {
      return Error::of(ErrorCode::invalid,
                       "domain key " + key.selector + "," + key.domain + " is not usable");
    }
  }
  book.keys_ = std::move(keys);
  Hasher64 hash;
  for (const DomainKey& key : book.keys_) {
    hash.update(key.selector + "," + key.domain + "," + std::to_string(key.key->fingerprint()));
  }
  book.fingerprint_ = hash.digest();
  book.by_name_.resize(book.keys_.size());
  std::iota(book.by_name_.begin(), book.by_name_.end(), 0U);
  std::stable_sort(book.by_name_.begin(), book.by_name_.end(),
                   [&](auto a, auto b) { return book.keys_[a].domain < book.keys_[b].domain; });
  return book;
}

KeyBook::Range KeyBook::named(std::string_view pattern) const {
  const auto begin =
      std::lower_bound(by_name_.begin(), by_name_.end(), pattern,
                       [&](auto index, auto name) { return keys_[index].domain < name; });
  const auto end = std::find_if(begin, by_name_.end(),
                                [&](auto index) { return keys_[index].domain != pattern; });
  return {static_cast<std::size_t>(begin - by_name_.begin()),
          static_cast<std::size_t>(end - by_name_.begin())};
}

// Lowers `best`, an index into keys_, to the first of the range that has the selector.
void KeyBook::consider(Range range, std::string_view selector, std::size_t& best) const {
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const std::size_t index = by_name_[i];
    if (selector.empty() || equals_ignoring_case(keys_[index].selector, selector)) {
      best = std::min(best, index);
      return;
    }
  }
}

std::size_t KeyBook::find(std::string_view domain, std::string_view selector,
                          KeyMatch (&out)[kMatchesMax]) const {
  char room[kQueryBytesMax + 2];
  if (domain.empty() || domain.size() > kQueryBytesMax || keys_.empty()) {
    return 0;
  }
  // "*." stands before the name, so that each of its suffixes can be asked for in both forms.
  room[0] = '*';
  std::size_t best = keys_.size();
  consider(named({room, 1}), selector, best);
  for (std::size_t at = 0; at < domain.size();) {
    const std::string_view suffix = domain.substr(at);
    room[1] = '.';
    std::transform(suffix.begin(), suffix.end(), room + 2, ascii_lower);
    consider(named({room + 2, suffix.size()}), selector, best);
    if (at > 0) {
      consider(named({room, suffix.size() + 2}), selector, best);
    }
    const auto dot = domain.find('.', at);
    at = dot == std::string_view::npos ? domain.size() : dot + 1;
  }
  if (best == keys_.size()) {
    return 0;
  }
  const DomainKey& chosen = keys_[best];
  const auto match = [&](const DomainKey& key) {
    return KeyMatch{&key, key.domain.front() == '*' ? domain : std::string_view(key.domain)};
  };
  out[0] = match(chosen);
  const Range same = named(chosen.domain);
  for (std::size_t i = same.begin; i < same.end; ++i) {
    const DomainKey& other = keys_[by_name_[i]];
    if (by_name_[i] > best && other.key->algorithm() != chosen.key->algorithm() &&
        (selector.empty() || equals_ignoring_case(other.selector, selector))) {
      out[1] = match(other);
      return 2;
    }
  }
  return 1;
}

}  // namespace ringpost::sign
