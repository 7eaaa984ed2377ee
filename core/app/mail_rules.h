#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/result.h"
#include "core/config/snapshot.h"
#include "net/ingest/mail_rules.h"

namespace ringpost::app {

/// The snapshot's rules on incoming mail, as ingest asks them. The virtual MTA of a recipient is
/// chosen by the first of these that names one: the message's own header field, the rule for its
/// sender, the pattern-list of its source, the virtual MTA of the listener's named source, the
/// `source` block by recipient domain, that of the source by address, `{default}`. Its priority is
/// that of the first rule of the pattern-list that fits and has one, whoever chose the virtual MTA.
class MailRules final : public ingest::MailRules {
 public:
  /// Reads the files of address lists. Sessions of senders go on being counted as in the rules
  /// before. Errors: a file cannot be read; the text names it and the list.
  static Result<std::shared_ptr<MailRules>> make(std::shared_ptr<const config::Snapshot> snapshot,
                                                 const MailRules* before = nullptr);

  /// Number of the rules of this source; equal ones may share.
  std::uint32_t add_source(const config::SourcePolicy& source);
  /// Names of the header fields that the source's rules look at, as written.
  std::vector<std::string_view> fields_of(const config::SourcePolicy& source) const;

  ingest::Choice choose(const ingest::ChoiceQuestion& question) const override;
  bool same_for_all(std::uint32_t source, std::string_view named) const override;
  SharedCount* sessions_of(std::string_view reverse_path) const override;
  std::string_view return_path(std::string_view sender) const override;
  std::uint64_t rule_key(std::string_view sender) const override;
  bool is_relay_address(std::string_view recipient) const override;
  bool is_suppressed(std::uint32_t source, std::string_view recipient) const override;

 private:
  using Names = std::unordered_set<std::string, config::TextHash, std::equal_to<>>;

  /// Addresses by their text, by domain, and by pattern.
  struct Addresses {
    Names addresses;
    Names domains;
    config::PatternSet patterns;

    Status add(std::string_view entry);
    bool has(std::string_view address) const;
  };
  struct Source {
    std::int32_t list = -1;
    config::VmtaRef fallback;
    bool fallback_is_listeners = false;
    bool by_local_address = false;
    bool has_priorities = false;             ///< rules of the list give some
    bool looks_at_recipients = false;        ///< rules of the list do
    std::vector<std::uint32_t> suppression;  ///< in lists_
  };

  explicit MailRules(std::shared_ptr<const config::Snapshot> snapshot)
      : kept_(std::move(snapshot)), snapshot_(*kept_) {}
  Status read_lists();
  void count_senders(const MailRules* before);
  std::shared_ptr<SharedCount> count_of(std::string_view address) const;
  config::VmtaRef by_local_address(const IpAddress& local) const;
  config::VmtaRef find(const ingest::ChoiceQuestion& question) const;
  ingest::Choice named(config::VmtaRef ref, std::string_view recipient) const;
  void note_list(Source& source, std::size_t list, unsigned depth) const;
  std::uint8_t priority(const Source& source, const ingest::ChoiceQuestion& question) const;
  void add_fields(std::size_t list, unsigned depth, std::vector<std::string_view>& out) const;

  std::shared_ptr<const config::Snapshot> kept_;
  const config::Snapshot& snapshot_;
  std::vector<Source> sources_;
  /// By place in the snapshot's sender rules; nullptr: not limited.
  std::vector<std::shared_ptr<SharedCount>> sender_sessions_;
  std::vector<Addresses> lists_;
  Addresses relay_;
  bool routes_domains_ = false;
};

}  // namespace ringpost::app
