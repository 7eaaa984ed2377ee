#pragma once

#include <string>
#include <string_view>

namespace ringpost {

/// A text that is overwritten when it goes. Never shown.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view text) : text_(text) {}
  SecretText(const SecretText& other) = default;
  SecretText& operator=(const SecretText& other);
  ~SecretText() { clear(); }

  void assign(std::string_view text);
  void clear() noexcept;
  /// The secret itself. Never to be logged, shown or copied into an error.
  std::string_view reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace ringpost
