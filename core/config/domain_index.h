#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/config/limits.h"
#include "core/config/text_store.h"

namespace ringpost::config {

/// A pattern of recipient domains.
struct DomainPattern {
  enum class Kind : std::uint8_t {
    exact,       ///< d
    subdomains,  ///< *.d: below d only
    subtree,     ///< [*.]d: d and below
    any,         ///< *
    literal      ///< [network]: address literals within
  };
  Kind kind = Kind::any;
  std::string name;  ///< lower case; empty for `any` and `literal`
  IpNetwork network;

  /// Internal names in braces are exact. Errors: invalid, with a sentence.
  static Result<DomainPattern> parse(std::string_view text);
};

/// A domain's name in lower case, as A-labels and without a final dot, in place: look-ups of names
/// in ASCII allocate nothing.
class FoldedName {
 public:
  /// Names longer than a domain can be are cut; nothing fits them.
  explicit FoldedName(std::string_view name);
  std::string_view view() const { return {room_.data(), size_}; }

 private:
  std::array<char, kMaxNameBytes> room_;
  std::size_t size_ = 0;
};

/// Finds the entries whose pattern fits a domain, most specific first. One hash look-up for each
/// label of the name, however many entries there are. Immutable after building.
class DomainIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffffu;

  /// The entry of exactly this pattern, to fill; kNone at first. An entry that came out of a macro
  /// stands behind one written literally.
  std::uint32_t& slot(const DomainPattern& pattern, bool from_macro);

  /// Calls `found(entry)` for each entry that fits `name` (folded), most specific first: d, *.d,
  /// [*.]d, the same for each parent domain, then *.
  template <class Found>
  void for_each_match(std::string_view name, Found&& found) const {
    if (const Node* node = find(name)) {
      emit(*node, kExact, found);
      emit(*node, kSubtree, found);
    }
    match_literals(name, found);
    for (std::size_t dot = name.find('.'); dot != std::string_view::npos;
         dot = name.find('.', dot + 1)) {
      if (const Node* node = find(name.substr(dot + 1))) {
        emit(*node, kSubdomains, found);
        emit(*node, kSubtree, found);
      }
    }
    emit(any_, kExact, found);
  }

  bool empty() const { return nodes_.empty() && literals_.empty() && any_ == Node{}; }

 private:
  enum Place : std::uint8_t { kExact, kSubdomains, kSubtree, kPlaces };
  /// Two slots for each place: literal sections, then those of macros.
  struct Node {
    std::array<std::uint32_t, 2 * kPlaces> entries;
    Node() { entries.fill(kNone); }
    bool operator==(const Node&) const = default;
  };
  struct Literal {
    IpNetwork network;
    std::uint32_t entry = kNone;
  };

  template <class Found>
  static void emit(const Node& node, Place place, Found&& found) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (node.entries[2 * place + i] != kNone) {
        found(node.entries[2 * place + i]);
      }
    }
  }
  template <class Found>
  void match_literals(std::string_view name, Found&& found) const {
    if (literals_.empty() || name.size() < 2 || name.front() != '[' || name.back() != ']') {
      return;
    }
    const Result<IpAddress> address = parse_literal(name);
    for (const Literal& literal : literals_) {
      if (address.ok() && literal.entry != kNone && literal.network.contains(*address)) {
        found(literal.entry);
      }
    }
  }
  const Node* find(std::string_view name) const;
  static Result<IpAddress> parse_literal(std::string_view name);

  std::unordered_map<std::string, Node, TextHash, std::equal_to<>> nodes_;
  std::vector<Literal> literals_;  ///< longest prefix first
  Node any_;
};

}  // namespace ringpost::config
