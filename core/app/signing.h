#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/config/snapshot.h"
#include "net/sign/body_hasher.h"
#include "net/sign/signing_plan.h"

namespace ringpost::app {

/// The DKIM keys a configuration names, loaded and tried. Made at start and at each reload off the
/// shards (it reads files); immutable from then on and shared by them. A key that cannot be used is
/// left out, with a warning: mail that only it fits leaves unsigned.
class KeyRing {
 public:
  explicit KeyRing(std::shared_ptr<const config::Snapshot> snapshot);

  /// Sentences about keys that are not used or should be replaced, each with its place.
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// How a queue signs; nullptr: it does not, or has no key.
  std::shared_ptr<const sign::SigningPlan> plan_for(const config::PathPolicy& policy,
                                                    config::VmtaId vmta) const;
  /// A key as `check dkim` looks at it: `domain` as in the configuration.
  struct Entry {
    std::string selector;
    std::string domain;
    std::string place;
    std::shared_ptr<const sign::SigningKey> key;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  using Book = std::shared_ptr<const sign::KeyBook>;
  using Key = std::shared_ptr<const sign::SigningKey>;

  void load_domains();
  void load_own(std::span<const config::Setting> settings);
  Book make_book(std::span<const config::DkimKey> keys, bool always_only);
  void add_key(const config::DkimKey& from, std::vector<sign::DomainKey>& out);
  void add_folder(const std::string& folder, std::string_view selector, std::string_view domain,
                  const std::string& place, std::vector<sign::DomainKey>& out);
  Key load(const std::string& path, const std::string& place);
  void note(const std::string& domain, const std::string& selector, const Key& key,
            const std::string& place);
  void warn(const std::string& text);
  static Book of_algorithm(const Book& book, sign::Algorithm algorithm);
  bool add_own(const config::PathPolicy& policy, sign::SigningPlan& plan) const;

  std::shared_ptr<const config::Snapshot> snapshot_;
  std::vector<std::string> warnings_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, Key> files_;  ///< nullptr: not usable
  std::vector<Book> vmtas_;                     ///< by virtual MTA
  Book global_;
  Book always_;  ///< of dkim-signature blocks
  std::vector<sign::SigningPlan::NamedBook> lists_;
  /// dkim-key-file of domain sections: a key, or the keys of a folder by selector.
  std::map<std::pair<std::string, std::string>, Book, std::less<>> own_;
};

/// The canonical forms of bodies that some signature of the configuration may use.
sign::CanonSet body_forms(const config::Snapshot& snapshot);

}  // namespace ringpost::app
