#include "core/app/cli_original.h"

#include <gtest/gtest.h>

#include <sstream>

namespace ringpost::app {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    line += line.empty() ? word : " " + word;
  }
  return line;
}

struct Row {
  const char* original;
  const char* here;  ///< nullptr: it says what to use instead
};

// Every command word of the original, with its options.
constexpr Row kRows[] = {
    {"show status", "status"},
    {"show queues", "show queues"},
    {"show queues gmail.com/v1", "show queues gmail.com/v1"},
    {"show queues --paused --maxitems 5", "show queues --match paused --limit 5"},
    {"show queues --maxitems=5 --sort queue --errors", "show queues --sort queue --limit 5"},
    {"show queues --no-rcpt-events --mode-events", "show queues"},
    {"show queues --mode=backoff", "show backoff"},
    {"show queues gmail.com --mode backoff --control c", "show backoff --control c"},
    {"show queues --mode normal", nullptr},
    {"show queues --connected", nullptr},
    {"show topqueues", "show topqueues"},
    {"show domains --vmta v1", "show domains */v1"},
    {"show topdomains", "show domains --sort -ready --limit 20"},
    {"show vmtas", "show vmtas"},
    {"show jobs", "show jobs"},
    {"show disabled sources", "show sources"},
    {"show precache", nullptr},
    {"show settings gmail.com/v1", "show settings gmail.com/v1"},
    {"show vmta-settings v1", nullptr},
    {"show version", "--version"},
    {"show ver", "--version"},
    {"show license", nullptr},
    {"show registration", nullptr},
    {"reload", "reload"},
    {"test config /etc/x", "check config /etc/x"},
    {"set queue --mode=backoff gmail.com/v1", "set queue --mode=backoff gmail.com/v1"},
    {"pause queue gmail.com", "pause queue gmail.com"},
    {"resume queue gmail.com/v1", "resume queue gmail.com/v1"},
    {"pause job 17", "pause job 17"},
    {"resume job 17", "resume job 17"},
    {"schedule gmail.com/v1", "schedule queue gmail.com/v1"},
    {"schedule --retry-recipients */v1", "schedule queue */v1"},
    {"schedule queue gmail.com", "schedule queue gmail.com"},
    {"trace gmail.com/v1", "trace --live gmail.com/v1"},
    {"trace --log-data --log-resolution gmail.com", "trace --live gmail.com --data"},
    {"trace --to-log gmail.com", nullptr},
    {"trace 0123456789abcdefghjkmnpqrs", "trace 0123456789abcdefghjkmnpqrs"},
    {"delete --queue=gmail.com/*", "delete queue gmail.com/*"},
    {"delete --queue gmail.com/* --dry-run", "delete queue gmail.com/* --dry-run"},
    {"delete --jobId 17", "delete job 17"},
    {"delete --jobId 17 --queue gmail.com/v1", nullptr},
    {"delete --rcpt a@b.c --queue */*", nullptr},
    {"delete --dsn --jobId 17", nullptr},
    {"list --maxitems 9 --rcpt a@b.c --orig d@e.f --jobId 17",
     "list --limit 9 --recipient a@b.c --sender d@e.f --job 17"},
    {"list --pause", nullptr},
    {"set priority --queue gmail.com/v1 70", "set priority --queue gmail.com/v1 70"},
    {"set priority --jobId=17 70", "set priority 70 --job 17"},
    {"set priority --rcpt a@b.c 70", nullptr},
    {"list --jobId 17 --priority 70", "list --priority 70 --job 17"},
    {"disable source 192.0.2.1 gmail.com/v1", "disable source 192.0.2.1,gmail.com/v1"},
    {"enable source 192.0.2.1,v1", "enable source 192.0.2.1,v1"},
    {"disable source --reenable-after=1h 192.0.2.1 gmail.com", nullptr},
    {"rotate acct", "rotate acct"},
    {"rot acc", "rotate acct"},
    {"rotate acct file.csv", nullptr},
    {"rotate log", nullptr},
    {"reset counters", nullptr},
    {"reset count", nullptr},
    {"reset status", nullptr},
    {"clear dnscache *", nullptr},
    {"clear secretscache", nullptr},
    {"resolve --connect gmail.com", nullptr},
    {"check spf 192.0.2.1 a.example", nullptr},
    {"check config x.conf", "check config x.conf"},
    {"digest", nullptr},
    {"register", nullptr},
    {"deregister", nullptr},
    {"show status --xml", nullptr},
    {"--dom show status", nullptr},
    {"--json show queues", "--json show queues"},
};

TEST(OriginalWords, EachWorksHereOrSaysWhatToUse) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.original);
    const Translated told = translate_words(split(row.original));
    EXPECT_EQ(told.instead.empty(), row.here != nullptr) << told.instead;
    if (row.here != nullptr) {
      EXPECT_EQ(joined(told.words), row.here);
    }
  }
}

TEST(OriginalWords, WhatIsOursStays) {
  for (const char* line :
       {"status --json", "acct flush -c x", "show s", "why a@b.example", "p", "", "unknown word",
        "move queue gmail.com/* --to v2", "doctor gmail.com -c x", "show sessions d.example",
        "trace --control /run/c 0123456789abcdefghjkmnpqrs", "trace --live gmail.com"}) {
    const Translated told = translate_words(split(line));
    EXPECT_TRUE(told.instead.empty()) << line;
    EXPECT_EQ(joined(told.words), line);
  }
}

}  // namespace
}  // namespace ringpost::app
