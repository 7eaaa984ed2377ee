#include "net/ingest/transaction.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::ingest {
namespace {

std::uint64_t hash_of_group(const Recipient& recipient) {
  const std::string_view domain = recipient.domain();
  char lower[256];
  const std::size_t size = std::min(domain.size(), sizeof lower);
  std::transform(domain.begin(), domain.begin() + static_cast<std::ptrdiff_t>(size), lower,
                 ascii_lower);
  const std::uint64_t seed = recipient.vmta.empty() ? 0 : hash64(recipient.vmta);
  const std::uint64_t other = recipient.pool_key + (std::uint64_t{recipient.priority} << 32);
  return hash64({lower, size}, seed + other);
}

char* put(char* to, std::string_view text) {
  if (!text.empty()) {
    std::memcpy(to, text.data(), text.size());
  }
  return to + text.size();
}

}  // namespace

RecipientTable::RecipientTable(std::uint32_t recipients_max) {
  recipients_.reserve(recipients_max);
  sorted_.reserve(recipients_max);
  keys_.reserve(recipients_max);
}

void RecipientTable::clear() {
  recipients_.clear();
  sorted_.clear();
  keys_.clear();
}

void RecipientTable::add(const Recipient& recipient) {
  RP_ASSERT(recipients_.size() < recipients_.capacity());
  recipients_.push_back(recipient);
}

// Sorting in place by domain, then by first position, needs no memory; a stable sort would.
void RecipientTable::order() {
  for (std::uint32_t i = 0; i < recipients_.size(); ++i) {
    keys_.push_back({hash_of_group(recipients_[i]), 0, i});
  }
  std::sort(keys_.begin(), keys_.end(), [](const Key& a, const Key& b) {
    return a.group != b.group ? a.group < b.group : a.index < b.index;
  });
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const bool same = i > 0 && keys_[i].group == keys_[i - 1].group;
    keys_[i].first = same ? keys_[i - 1].first : keys_[i].index;
  }
  std::sort(keys_.begin(), keys_.end(), [](const Key& a, const Key& b) {
    return a.first != b.first ? a.first < b.first : a.index < b.index;
  });
}

std::span<const Recipient> RecipientTable::grouped() {
  bool one_group = true;
  for (std::size_t i = 1; i < recipients_.size() && one_group; ++i) {
    one_group = recipients_[i].travels_with(recipients_[0]);
  }
  if (one_group) {
    return recipients_;
  }
  order();
  for (const Key& key : keys_) {
    sorted_.push_back(recipients_[key.index]);
  }
  return sorted_;
}

char* Transaction::room_for(std::size_t bytes) {
  RP_ASSERT(bytes <= sizeof EnvelopeBlock::bytes);
  if (last_ == nullptr || sizeof last_->bytes - last_->used < bytes) {
    EnvelopeBlock* block = pool_.take();
    if (block == nullptr) {
      return nullptr;
    }
    (last_ == nullptr ? first_ : last_->next) = block;
    last_ = block;
  }
  char* room = last_->bytes + last_->used;
  last_->used += static_cast<std::uint32_t>(bytes);
  return room;
}

bool Transaction::open(const smtp::MailArguments& mail) {
  clear();
  char* room = room_for(mail.path.text.size() + mail.envid.size());
  if (room == nullptr) {
    return false;
  }
  put(put(room, mail.path.text), mail.envid);
  path_bytes_ = static_cast<std::uint16_t>(mail.path.text.size());
  envid_bytes_ = static_cast<std::uint16_t>(mail.envid.size());
  declared_bytes_ = mail.declared_bytes;
  ret_ = mail.ret;
  body_ = mail.body;
  smtputf8_ = mail.smtputf8;
  verp_ = mail.verp;
  return true;
}

bool Transaction::add(const smtp::RcptArguments& rcpt) {
  const Entry entry{static_cast<std::uint16_t>(rcpt.path.text.size()),
                    static_cast<std::uint16_t>(rcpt.orcpt.size()), rcpt.notify};
  char* room = room_for(sizeof entry + entry.address_bytes + entry.original_bytes);
  if (room == nullptr) {
    return false;
  }
  std::memcpy(room, &entry, sizeof entry);
  put(put(room + sizeof entry, rcpt.path.text), rcpt.orcpt);
  ++recipients_;
  return true;
}

void Transaction::clear() {
  while (first_ != nullptr) {
    EnvelopeBlock* next = first_->next;
    pool_.give_back(first_);
    first_ = next;
  }
  last_ = nullptr;
  recipients_ = 0;
}

void Transaction::fill(Envelope& envelope, RecipientTable& table) const {
  RP_ASSERT(first_ != nullptr);
  envelope.reverse_path = {first_->bytes, path_bytes_};
  envelope.envelope_id = {first_->bytes + path_bytes_, envid_bytes_};
  envelope.dsn_return = ret_;
  envelope.body = body_;
  envelope.smtputf8 = smtputf8_;
  envelope.verp = verp_;
  table.clear();
  std::size_t at = std::size_t{path_bytes_} + envid_bytes_;
  for (const EnvelopeBlock* block = first_; block != nullptr; block = block->next) {
    while (at < block->used) {
      Entry entry;
      std::memcpy(&entry, block->bytes + at, sizeof entry);
      at += sizeof entry;
      const std::string_view text(block->bytes + at,
                                  std::size_t{entry.address_bytes} + entry.original_bytes);
      Recipient recipient;
      recipient.address = text.substr(0, entry.address_bytes);
      recipient.original = text.substr(entry.address_bytes);
      recipient.notify = entry.notify;
      table.add(recipient);
      at += text.size();
    }
    at = 0;
  }
}

}  // namespace ringpost::ingest
