#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/mail/envelope.h"
#include "net/ingest/pools.h"
#include "net/smtp/command.h"

namespace ringpost::ingest {

/// Where the recipients of a message are put in order before they are handed to the spool. One per
/// shard, used within one call; sized at start.
class RecipientTable {
 public:
  explicit RecipientTable(std::uint32_t recipients_max);

  std::uint32_t capacity() const { return static_cast<std::uint32_t>(sorted_.capacity()); }
  void clear();
  void add(const Recipient& recipient);
  /// The recipients added, in the order they came.
  std::span<Recipient> added() { return recipients_; }
  /// The recipients added, those that travel together side by side, groups in the order of their
  /// first recipients, recipients of a group in the order they came.
  std::span<const Recipient> grouped();

 private:
  struct Key {
    std::uint64_t group = 0;  ///< hash of domain in lower case, virtual MTA and pool key
    std::uint32_t first = 0;  ///< position of the group's first recipient
    std::uint32_t index = 0;
  };
  void order();

  std::vector<Recipient> recipients_;
  std::vector<Recipient> sorted_;
  std::vector<Key> keys_;
};

/// The envelope of the open transaction of one session, copied out of its commands into pooled
/// blocks. Belongs to the session.
class Transaction {
 public:
  explicit Transaction(BlockPool& pool) : pool_(pool) {}
  ~Transaction() { clear(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// False: no room in the pool; the transaction is empty.
  bool open(const smtp::MailArguments& mail);
  /// False: no room in the pool; the recipient was not added.
  bool add(const smtp::RcptArguments& rcpt);
  /// Gives all blocks back.
  void clear();

  std::uint64_t declared_bytes() const { return declared_bytes_; }
  std::uint32_t recipients() const { return recipients_; }
  bool smtputf8() const { return smtputf8_; }
  /// Fills what MAIL said, and the table with what RCPT said; the envelope's recipients are left to
  /// be set from there. The views hold until clear() and the table's next use.
  void fill(Envelope& envelope, RecipientTable& table) const;

 private:
  /// Stands before the text of a recipient: address, then ORCPT.
  struct Entry {
    std::uint16_t address_bytes = 0;
    std::uint16_t original_bytes = 0;
    std::uint8_t notify = notify::kUnspecified;
  };
  char* room_for(std::size_t bytes);

  BlockPool& pool_;
  EnvelopeBlock* first_ = nullptr;
  EnvelopeBlock* last_ = nullptr;
  std::uint64_t declared_bytes_ = 0;
  std::uint32_t recipients_ = 0;
  std::uint16_t path_bytes_ = 0;
  std::uint16_t envid_bytes_ = 0;
  DsnReturn ret_ = DsnReturn::unspecified;
  BodyType body_ = BodyType::unspecified;
  bool smtputf8_ = false;
  std::array<char, 2> verp_{};
};

}  // namespace ringpost::ingest
