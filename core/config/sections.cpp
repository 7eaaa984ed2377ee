#include <array>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

constexpr ScopeSet kTop = in(Scope::global);
constexpr std::uint8_t kAny = 255;

constexpr SectionRow kSections[] = {
    {"source", "", Scope::source, kTop, 1, 1, false, "NETWORK|NAME",
     "Rules for clients from a network, or under a name that listeners refer to.", ""},
    {"virtual-mta", "vmta", Scope::virtual_mta, kTop, 1, 1, false, "NAME",
     "A sending identity: source addresses, name, limits.", ""},
    {"virtual-mta-pool", "vmta-pool", Scope::virtual_mta_pool, kTop, 1, 1, false, "NAME",
     "Several virtual MTAs under one name.", ""},
    {"domain", "", Scope::domain, in(Scope::global, Scope::virtual_mta, Scope::virtual_mta_pool), 1,
     1, false, "PATTERN|$MACRO",
     "Settings of the queues of a recipient domain; in a virtual MTA or pool, of its own "
     "queues only.",
     ""},
    {"acct-file", "", Scope::acct_file, kTop, 1, kAny, false, "FILE", "An accounting file.", ""},
    {"spool", "", Scope::spool, kTop, 1, 1, false, "FOLDER", "A folder of queued mail.", ""},
    {"smtp-listener", "", Scope::smtp_listener, kTop, 1, 1, false, "ADDRESS:PORT",
     "A listener with settings of its own.", ""},
    {"smtp-user", "", Scope::smtp_user, kTop, 1, 1, false, "NAME",
     "A user who authenticates by SMTP.", ""},
    {"source-group", "", Scope::source_group, kTop, 1, 1, false, "NAME",
     "Sources that share a quota of sessions.", ""},
    {"pattern-list", "", Scope::pattern_list, in(Scope::global, Scope::pattern_list), 0, 1, true,
     "NAME", "Rules that choose a virtual MTA.", ""},
    {"smtp-pattern-list", "", Scope::smtp_pattern_list, kTop, 1, 1, true, "NAME",
     "Patterns of replies and what follows from them.", ""},
    {"bounce-category-patterns", "", Scope::bounce_category_patterns, kTop, 0, 0, true, "",
     "Patterns that sort returned mail into categories.", ""},
    {"mx-rollup-list", "", Scope::mx_rollup_list, kTop, 0, 0, false, "",
     "Mail hosts whose domains share a queue.", ""},
    {"bounce-processor", "", Scope::bounce_processor, kTop, 0, 0, false, "",
     "Recognition of returned mail that comes in.", why::kReports},
    {"feedback-loop-processor", "", Scope::feedback_loop_processor, kTop, 0, 0, false, "",
     "Recognition of complaints that come in.", why::kReports},
    {"address-list", "", Scope::address_list,
     in(Scope::global, Scope::bounce_processor, Scope::feedback_loop_processor), 0, 1, true, "NAME",
     "A list of addresses.", ""},
    {"email-patterns", "", Scope::email_patterns,
     in(Scope::bounce_processor, Scope::feedback_loop_processor), 0, 1, false, "",
     "Forms of reports.", why::kReports},
    {"domain-key-list", "", Scope::domain_key_list, kTop, 1, 1, false, "NAME",
     "DKIM keys chosen by a message.", ""},
    {"rewrite-list", "", Scope::rewrite_list, kTop, 1, 1, false, "NAME",
     "Replacements of addresses.", why::kRewrite},
    {"proxy", "", Scope::proxy, kTop, 1, 1, false, "NAME", "A proxy for outgoing connections.",
     why::kProxy},
    {"dns", "", Scope::dns, kTop, 0, 0, false, "", "Look-ups in advance.",
     "the cache fills as mail comes"},
    {"transmissions-api", "", Scope::transmissions_api, kTop, 0, 0, false, "",
     "Submission by HTTP.", why::kSubmission},
    {"transmissions-api-listener", "", Scope::transmissions_api_listener, kTop, 1, 1, false,
     "ADDRESS:PORT", "A listener for submission by HTTP.", why::kSubmission},
    {"signals", "", Scope::signals, kTop, 0, 1, false, "", "The vendor's analysis service.",
     why::kVendor},
    {"signals-filter", "", Scope::signals_filter, kTop, 0, 1, false, "NAME",
     "What the vendor's service is told.", why::kVendor},
    {"vault", "", Scope::vault, kTop, 0, 1, false, "", "A store of secrets.",
     "there is no secret store yet"},
    {"gm-imprinter", "", Scope::gm_imprinter, kTop, 0, 1, false, "", "A dead product.", why::kDead},
    {"sender", "", Scope::sender, kTop, 1, 1, false, "ADDRESS",
     "Rules for mail of a sender address.", ""},
    {"source", "", Scope::routing, kTop, 0, 0, false, "",
     "Choice of a virtual MTA by recipient domain.", ""},
    {"relay", "", Scope::relay, kTop, 0, 1, false, "NAME", "A listener for authenticated senders.",
     ""},
    {"route", "", Scope::route, kTop, 1, 1, false, "NAME", "A smart host.", ""},
    {"dkim-signature", "", Scope::dkim_signature, kTop, 1, 1, false, "NAME",
     "A key and the domain it signs for.", ""},
    {"warmup", "", Scope::warmup, in(Scope::domain, Scope::virtual_mta), 0, 0, false, "",
     "A rate that grows over days.", ""},
};

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char x = a[i] == '_' ? '-' : ascii_lower(a[i]);
    if (x != b[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::span<const SectionRow> section_rows() { return kSections; }

const SectionRow* find_section(std::string_view kind, std::size_t arguments) {
  const SectionRow* found = nullptr;
  for (const SectionRow& row : kSections) {
    if (same_name(kind, row.kind) || (!row.aliases.empty() && same_name(kind, row.aliases))) {
      const bool fits = arguments >= row.min_arguments && arguments <= row.max_arguments;
      if (fits) {
        return &row;
      }
      found = found == nullptr ? &row : found;
    }
  }
  return found;
}

const SectionRow* section_of(Scope scope) {
  for (const SectionRow& row : kSections) {
    if (row.scope == scope) {
      return &row;
    }
  }
  return nullptr;
}

std::string_view shown(Scope scope) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Scope::count_)> kNames{
      "the global level",
      "<source>",
      "<virtual-mta>",
      "<virtual-mta-pool>",
      "<domain>",
      "<acct-file>",
      "<spool>",
      "<smtp-listener>",
      "<smtp-user>",
      "<source-group>",
      "<pattern-list>",
      "<smtp-pattern-list>",
      "<bounce-category-patterns>",
      "<mx-rollup-list>",
      "<bounce-processor>",
      "<feedback-loop-processor>",
      "<address-list>",
      "<email-patterns>",
      "<domain-key-list>",
      "<rewrite-list>",
      "<proxy>",
      "<dns>",
      "<transmissions-api>",
      "<transmissions-api-listener>",
      "<signals>",
      "<signals-filter>",
      "<vault>",
      "<gm-imprinter>",
      "<sender>",
      "source { }",
      "relay { }",
      "route { }",
      "dkim-signature { }",
      "warmup { }",
  };
  const auto index = static_cast<std::size_t>(scope);
  RP_ASSERT(index < kNames.size());
  return kNames[index];
}

std::string located(Scope scope) {
  return (scope == Scope::global ? "at " : "in ") + std::string(shown(scope));
}

}  // namespace ringpost::config
