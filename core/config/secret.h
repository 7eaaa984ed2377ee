#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringpost::config {

/// A password or key. Nothing formats it; who needs it asks for it by name. A view into the
/// SecretStore of its snapshot.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}

  bool empty() const { return text_.empty(); }
  /// The secret itself. Never to be logged, shown or copied into an error.
  std::string_view reveal() const { return text_; }

 private:
  std::string_view text_;
};

/// Keeps secrets in pages of their own, which no core dump contains and which are overwritten
/// before they are given back.
class SecretStore {
 public:
  SecretStore() = default;
  SecretStore(const SecretStore&) = delete;
  SecretStore& operator=(const SecretStore&) = delete;
  ~SecretStore();

  /// An empty secret if no memory can be had.
  Secret keep(std::string_view text);

 private:
  struct Block {
    char* data;
    std::size_t size;
    std::size_t used;
  };
  std::vector<Block> blocks_;
};

}  // namespace ringpost::config
