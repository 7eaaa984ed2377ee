#pragma once

#include <vector>

#include "core/config/options.h"

namespace ringpost::config {

// How the tables of core/config/options_*.cpp are written. Private to the option table.

/// What few rows need.
struct RowExtra {
  std::string_view aliases{};
  std::string_view choices{};
  std::int64_t min = 0;
  std::int64_t max = 0;
  ReloadClass reload = ReloadClass::live;
  unsigned traits = kPlain;
};

/// A directive with effect.
constexpr OptionRow acting(OptionId id, std::string_view name, ScopeSet scopes, ValueType type,
                           std::string_view fallback, std::string_view example,
                           std::string_view help, const RowExtra& extra = {}) {
  return {.name = name,
          .aliases = extra.aliases,
          .scopes = scopes,
          .id = id,
          .type = type,
          .fallback = fallback,
          .example = example,
          .choices = extra.choices,
          .min = extra.min,
          .max = extra.max,
          .reload = extra.reload,
          .traits = static_cast<std::uint16_t>(extra.traits),
          .help = help,
          .no_effect = {}};
}

/// A directive of the original product that is accepted and does nothing, and why.
constexpr OptionRow inert(std::string_view name, ScopeSet scopes, ValueType type,
                          std::string_view why, std::string_view help, unsigned traits = kPlain,
                          std::string_view aliases = {}) {
  OptionRow row;
  row.name = name;
  row.aliases = aliases;
  row.scopes = scopes;
  row.type = type;
  row.traits = static_cast<std::uint16_t>(traits | kEndless);
  row.help = help;
  row.no_effect = why;
  return row;
}

namespace why {
inline constexpr std::string_view kTls = "this part of TLS is not built yet";
inline constexpr std::string_view kMessageKeys = "keys are taken from the configuration only";
inline constexpr std::string_view kMonitor =
    "the management port changes nothing and has its encryption from smtp-server-tls-certificate";
inline constexpr std::string_view kReports =
    "returned reports are not read, mail to these addresses is queued like any other; a domain of "
    "type pipe hands it to a program that reads them";
inline constexpr std::string_view kDsn = "notifications have a form of their own";
inline constexpr std::string_view kCopies = "no copies are made of mail";
inline constexpr std::string_view kPipe = "accounting goes into files, not to commands";
inline constexpr std::string_view kWebhook = "accounting goes into files, not to web servers";
inline constexpr std::string_view kPrivacy = "recipients are shown as they are";
inline constexpr std::string_view kFirstAttempt =
    "the first attempt is always noted, for the field timeFirstAttempt";
inline constexpr std::string_view kRotation = "records of moved files are not counted";
inline constexpr std::string_view kChecks = "checks of incoming mail are not built yet";
inline constexpr std::string_view kFiles = "a few threads deliver into files, however much waits";
inline constexpr std::string_view kByHttp = "mail of type http-delivery is held in its queue";
inline constexpr std::string_view kSubmission = "mail is accepted by SMTP only so far";
inline constexpr std::string_view kRewrite = "rewriting of addresses is not built yet";
inline constexpr std::string_view kHeaders = "this header processing is not built yet";
inline constexpr std::string_view kProxy = "connections through proxies are not built yet";
inline constexpr std::string_view kDummy = "there is no built-in dummy server; use ringpost-sink";
inline constexpr std::string_view kVendor = "it belongs to a service of the original's vendor";
inline constexpr std::string_view kOld = "an abandoned form of the original product";
inline constexpr std::string_view kDead = "the feature is dead in the original product as well";
inline constexpr std::string_view kLogDetail = "this detail of logging is not built yet";
inline constexpr std::string_view kLogFile = "rotation is left to logrotate and SIGUSR1";
inline constexpr std::string_view kPriority =
    "a transaction that has begun is always brought to its end";
inline constexpr std::string_view kSync =
    "accepted mail is always on stable storage before the reply";
inline constexpr std::string_view kSpool = "the spool manages its files itself";
inline constexpr std::string_view kUnit = "the service unit decides it";
inline constexpr std::string_view kThreads = "there is one thread per core";
inline constexpr std::string_view kDialogue = "this variation of the dialogue is not built yet";
inline constexpr std::string_view kEvents = "a fixed number of events is kept";
inline constexpr std::string_view kSlots = "a full server answers 421 at once";
}  // namespace why

using OptionRows = std::vector<OptionRow>;

inline void add_rows(OptionRows& rows, std::span<const OptionRow> more) {
  rows.insert(rows.end(), more.begin(), more.end());
}

// One function per file of the table; option_rows() strings them together in this order.
void add_global_rows(OptionRows& rows);
void add_global_inert_rows(OptionRows& rows);
void add_source_rows(OptionRows& rows);
void add_source_inert_rows(OptionRows& rows);
void add_virtual_mta_rows(OptionRows& rows);
void add_queue_rows(OptionRows& rows);
void add_queue_inert_rows(OptionRows& rows);
void add_file_rows(OptionRows& rows);
void add_other_rows(OptionRows& rows);

}  // namespace ringpost::config
