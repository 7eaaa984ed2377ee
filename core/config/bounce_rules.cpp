#include "core/base/assert.h"
#include "core/config/patterns.h"

namespace ringpost::config {
namespace {

struct ShippedCategory {
  std::string_view pattern;
  std::string_view category;
};

// What is looked at: `5.1.1;smtp;550 5.1.1 text of the reply`. The first that fits counts, so what
// is specific stands first: a full mailbox is often refused "by policy", an unknown one seldom. The
// phrases follow what receivers publish for senders about their replies and RFC 3463; where no
// phrase fits, the enhanced status alone decides (core/account/row.cpp).
constexpr ShippedCategory kShipped[] = {
    // Blocks by reputation and lists, the providers' own codes among them.
    {"\\b(spamhaus|barracuda(central)?|spamcop|sorbs|invaluement|surbl|uribl|psbl)\\b",
     "spam-related"},
    {"\\b(rbl|dnsbl|black ?list(ed)?|block ?list(ed)?|deny ?list(ed)?)\\b", "spam-related"},
    {"(likely|suspected|detected|considered|identified|classified|looks like) (as )?"
     "(to be )?(an )?(unsolicited|spam|junk|bulk)",
     "spam-related"},
    {"\\b(unsolicited|spam|junk)\\b", "spam-related"},
    {"\\[(TSS?|BL|CL|PH)[0-9]{2}\\]", "spam-related"},
    {"\\b(low|poor|bad) (\\S+ )?reputation|reputation (of|for) (the|your)", "spam-related"},
    {"due to (user|spam|recipient) complaints", "spam-related"},
    {"\\b(virus(es)?|malware|infected|phishing|trojan)\\b", "virus-related"},
    {"(message|attachment|content|file type)s? (was |is |has been )?"
     "(rejected|blocked|not allowed|prohibited|refused) .*(content|attachment|executable)",
     "content-related"},
    {"(message|mail) (content|size|body) .*(reject|exceed|not accept)", "content-related"},
    {"(message|mail) (is )?too (big|large)|exceeds .*(size|maximum message)", "content-related"},
    // Full or resting mailboxes.
    {"(mailbox|inbox|account|user|recipient).{0,30}(is )?(over ?quota|full)\\b", "quota-issues"},
    {"\\b(over|out of|exceed(s|ed)?|insufficient)\\b.{0,40}"
     "\\b(quota|storage|disk space|mailbox size)",
     "quota-issues"},
    {"\\bquota\\b", "quota-issues"},
    {"(mailbox|account|user|recipient|address).{0,40}"
     "(disabled|inactive|suspended|deactivated|expired|locked|not active|discontinued)",
     "inactive-mailbox"},
    {"(disabled|inactive|suspended|deactivated) (mailbox|account|user|recipient)",
     "inactive-mailbox"},
    // The sender side: identity and authentication.
    {"\\b(spf|dkim|dmarc)\\b|unauthenticated (e?mail|message)|not pass authentication",
     "policy-related"},
    {"sender.{0,30}(verif|not exist|unknown|invalid|could not be resolved|rejected)",
     "invalid-sender"},
    {"(envelope|from|sender'?s?).{0,10}(domain|address).{0,40}"
     "(no (mx|a record)|not (exist|found|resolve)|invalid|must (exist|resolve))",
     "invalid-sender"},
    {"(reverse dns|ptr record|rdns|no ptr)", "bad-configuration"},
    {"(helo|ehlo).{0,40}(invalid|reject|not accept|mismatch|must)", "bad-configuration"},
    // Unknown mailboxes and domains.
    {"(no such|unknown|invalid|non-?existent|bad|undeliverable|unrouteable) (local )?"
     "(user|mailbox|recipient|address|account|rcpt)",
     "bad-mailbox"},
    {"(user|mailbox|recipient|address|account).{0,60}"
     "(unknown|not (be )?found|does ?n[o']t exist|not exist|no longer|not (a )?valid|invalid|"
     "unavailable|not known|not here|does not have)",
     "bad-mailbox"},
    {"that you tried to reach (does not exist|is)", "bad-mailbox"},
    {"(domain|host).{0,40}(not found|does not exist|unknown|no longer|not accept mail)",
     "bad-domain"},
    {"null mx|nxdomain", "bad-domain"},
    {"\\brelay(ing)?\\b.{0,40}(denied|not (permitted|allowed)|prohibited|access)|"
     "(unable|not (permitted|allowed)) to relay",
     "relaying-issues"},
    {"\\b(mail|routing) loop|too many hops|hop count", "routing-errors"},
    // Pace and policy.
    {"(too many|excessive|exceeded).{0,40}(connections|messages|recipients|rate|limit)",
     "policy-related"},
    {"(rate|throttl|defer)(ed|ing)?.{0,30}(limit|sender|volume|traffic)", "policy-related"},
    {"gr[ae]y ?list", "policy-related"},
    {"(access|service|delivery|message|mail|connection).{0,30}"
     "(denied|refused|rejected|blocked|prohibited|not (authorized|allowed|permitted))",
     "policy-related"},
    {"\\b(policy|banned|blocked|forbidden)\\b", "policy-related"},
    {"(syntax error|command (not )?(recognized|implemented|unrecognized)|bad sequence)",
     "protocol-errors"},
};

}  // namespace

const BounceCategories& shipped_bounce_categories() {
  static const BounceCategories kList = [] {
    BounceCategories list;
    for (const ShippedCategory& rule : kShipped) {
      const Status added = list.add(rule.pattern, rule.category);
      RP_ASSERT_NOTE(added.ok(), "a shipped pattern is faulty");
    }
    list.prepare();
    return list;
  }();
  return kList;
}

}  // namespace ringpost::config
