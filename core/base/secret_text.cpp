#include "core/base/secret_text.h"

#include "core/base/text.h"

namespace ringpost {

SecretText& SecretText::operator=(const SecretText& other) {
  if (this != &other) {
    assign(other.text_);
  }
  return *this;
}

void SecretText::assign(std::string_view text) {
  wipe(text_.data(), text_.size());
  text_.assign(text);
}

void SecretText::clear() noexcept {
  wipe(text_.data(), text_.size());
  text_.clear();
}

}  // namespace ringpost
