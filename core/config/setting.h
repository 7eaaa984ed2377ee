#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/config/option_ids.h"
#include "core/config/options.h"
#include "core/config/settings.h"

namespace ringpost::config {

/// A checked value. Counts, sizes and choices (by position) are integers.
using Value = std::variant<std::int64_t, bool, Duration, Rate, DataRate, std::string_view, Secret,
                           std::span<const Duration>, std::span<const std::string_view>,
                           std::span<const std::uint32_t>, std::span<const SourceIpLimit>,
                           const StaticRoute*, const Warmup*, const CertificateFile*>;

/// One setting as written in one place.
struct Setting {
  OptionId id = OptionId::none;
  Value value;
  Origin origin;
};

// Writes a value into the member that holds it; false if the setting has none there. The tables
// behind these are the only link between option rows and members.
bool apply(PathPolicy& to, OptionId id, const Value& value);
bool apply(SourcePolicy& to, OptionId id, const Value& value);
bool apply(VirtualMta& to, OptionId id, const Value& value);
bool apply(VmtaPool& to, OptionId id, const Value& value);
bool apply(ServerTlsSettings& to, OptionId id, const Value& value);
bool apply(Listener& to, OptionId id, const Value& value);
bool apply(SmtpUser& to, OptionId id, const Value& value);
bool apply(SourceGroup& to, OptionId id, const Value& value);
bool apply(SenderRule& to, OptionId id, const Value& value);
bool apply(SmartRoute& to, OptionId id, const Value& value);
bool apply(DkimKey& to, OptionId id, const Value& value);
bool apply(Warmup& to, OptionId id, const Value& value);
bool apply(SpoolFolder& to, OptionId id, const Value& value);
bool apply(AcctFile& to, OptionId id, const Value& value);
bool apply(GlobalSettings& to, OptionId id, const Value& value);

/// The value as one would write it; two asterisks for a secret.
std::string format_value(const OptionRow& row, const Value& value);

}  // namespace ringpost::config
