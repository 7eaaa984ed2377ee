#include "net/sign/header_choice.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::sign {
namespace {

constexpr std::string_view kOversigned[] = {
    "From", "Reply-To", "Subject", "Date", "To", "Cc", "MIME-Version", "Content-Type",
};

constexpr std::string_view kSigned[] = {
    "Sender",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "Content-Language",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
};

// What later hosts remove, add or rewrite as a rule (RFC 6376 section 5.4).
constexpr std::string_view kChanging[] = {
    "Return-Path", "Received", "Bcc", "Resent-Bcc", "DKIM-Signature", "Authentication-Results",
};

// A longer name could not stand in h= without a line over 78 columns.
constexpr std::size_t kNameBytesMax = 70;

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 127 && c != ':' && c != ';'; });
}

}  // namespace

HeaderChoice::HeaderChoice() {
  for (const std::string_view name : kOversigned) {
    entries_.push_back({std::string(name), true});
  }
  for (const std::string_view name : kSigned) {
    entries_.push_back({std::string(name), false});
  }
}

Status HeaderChoice::add(std::string_view name, bool oversigned) {
  const auto is_name = [name](std::string_view one) { return equals_ignoring_case(one, name); };
  if (!is_field_name(name)) {
    return Error::of(ErrorCode::invalid, "\"" + std::string(name) + "\" is no field name");
  }
  if (std::any_of(std::begin(kChanging), std::end(kChanging), is_name)) {
    return Error::of(ErrorCode::invalid,
                     std::string(name) + " changes on the way and must not be signed");
  }
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& one) { return is_name(one.name); });
  if (entry == entries_.end()) {
    entries_.push_back({std::string(name), oversigned});
  } else {
    entry->oversigned = entry->oversigned || oversigned;
  }
  return {};
}

Status HeaderChoice::sign_also(std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (Status status = add(name, false); !status.ok()) {
      return status;
    }
  }
  return {};
}

Status HeaderChoice::oversign(std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (Status status = add(name, true); !status.ok()) {
      return status;
    }
  }
  return {};
}

void HeaderChoice::clear_oversigned() {
  for (Entry& entry : entries_) {
    entry.oversigned = false;
  }
}

std::uint64_t HeaderChoice::fingerprint() const {
  Hasher64 hash;
  for (const Entry& entry : entries_) {
    hash.update(entry.name);
    hash.update(entry.oversigned ? "!\n" : "\n");
  }
  return hash.digest();
}

void HeaderChoice::select(const HeaderSection& section, std::vector<SignedField>& out) const {
  out.clear();
  const std::span<const HeaderField> fields = section.fields();
  for (const Entry& entry : entries_) {
    for (std::size_t i = fields.size(); i > 0; --i) {
      if (equals_ignoring_case(fields[i - 1].name, entry.name)) {
        out.push_back({entry.name, &fields[i - 1]});
      }
    }
    if (entry.oversigned) {
      out.push_back({entry.name, nullptr});
    }
  }
}

}  // namespace ringpost::sign
