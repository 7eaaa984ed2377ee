#include "net/auth/user_book.h"

#include "core/base/text.h"

namespace ringpost::auth {

bool UserBook::add(User user) {
  const bool clear = user.method == LoginMethod::password && user.secret.is_clear();
  std::string name = user.name;
  const auto [place, is_new] = users_.emplace(std::move(name), std::move(user));
  if (!is_new) {
    return false;
  }
  has_clear_ = has_clear_ || clear;
  for (const CertificateDigest& certificate : place->second.certificates) {
    const auto [known, first] = by_certificate_.emplace(certificate, &place->second);
    if (!first && known->second != &place->second) {
      known->second = nullptr;
    }
  }
  return true;
}

void UserBook::read(std::string_view text, const std::string& place, std::uint32_t rules,
                    bool clear_too, std::vector<std::string>& faults) {
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    line = trimmed(line.substr(0, line.size() - (line.ends_with('\r') ? 1 : 0)));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const auto fault = [&](const std::string& why) {
      faults.push_back(place + ":" + std::to_string(number) + ": " + why);
    };
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == line.size()) {
      fault("a line is written NAME:HASH");
      continue;
    }
    auto secret = StoredSecret::parse(line.substr(colon + 1));
    if (!secret.ok()) {
      fault(secret.error().detail);
    } else if (secret->is_clear() && !clear_too) {
      fault("the password is not hashed; ringpost passwd prints the hash to write here");
    } else if (!add({std::string(line.substr(0, colon)), std::move(*secret), rules})) {
      fault("there is a user of this name already");
    }
  }
}

const User* UserBook::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

const User* UserBook::find(const CertificateDigest& certificate) const {
  const auto found = by_certificate_.find(certificate);
  return found == by_certificate_.end() ? nullptr : found->second;
}

}  // namespace ringpost::auth
