#include "core/app/cli_original.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace ringpost::app {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kCommands[] = {
    "acct",  "automation", "check",   "clear",  "completion", "delete",  "deregister",
    "diff",  "digest",     "disable", "doctor", "enable",     "explain", "help",
    "list",  "manual",     "move",    "passwd", "pause",      "reload",  "register",
    "reset", "resolve",    "resume",  "rotate", "schedule",   "set",     "show",
    "spool", "status",     "test",    "top",    "trace",      "why"};
constexpr std::string_view kShown[] = {
    "backoff", "bounces",    "cold",      "disabled", "domains",  "hosts",         "jobs",
    "license", "precache",   "queues",    "sessions", "settings", "sources",       "registration",
    "status",  "topdomains", "topqueues", "version",  "vmtas",    "vmta-settings", "warmup"};
constexpr std::string_view kReset[] = {"counters", "status"};
constexpr std::string_view kRotated[] = {"acct", "log"};
constexpr std::string_view kCleared[] = {"dnscache", "secretscache"};

/// What has no counterpart of the same words.
struct Instead {
  std::string_view command;
  std::string_view text;
};
constexpr Instead kInstead[] = {
    {"show license", "there is no licence to show"},
    {"show registration", "there is nothing to register"},
    {"register", "there is nothing to register"},
    {"deregister", "there is nothing to register"},
    {"show precache",
     "DNS answers are kept per shard for as long as they allow and are not listed; "
     "'ringpost show hosts' tells what is remembered of receiving hosts"},
    {"show vmta-settings",
     "use 'ringpost show settings DOMAIN/VMTA': settings are those of a "
     "queue"},
    {"reset counters",
     "counters run from the start of the daemon, so that monitors can take "
     "differences: see http-mgmt-port and /metrics"},
    {"reset status",
     "counters run from the start of the daemon, so that monitors can take "
     "differences: see http-mgmt-port and /metrics"},
    {"rotate log", "move the log file away and send SIGUSR1 to ringpostd; it opens a new one"},
    {"clear dnscache",
     "answers of DNS are kept as long as they allow, a day at most; a restart "
     "forgets them"},
    {"clear secretscache", "secrets are read again by 'ringpost reload'"},
    {"resolve",
     "use 'ringpost doctor DOMAIN -c FILE': mail hosts, addresses, and whether they "
     "answer"},
    {"check spf",
     "use 'ringpost doctor VMTA -c FILE': SPF of our own addresses, with reverse DNS, "
     "DKIM and DMARC"},
    {"digest", "use 'ringpost passwd NAME': it prints a line for auth-file"},
};

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

/// The only one of `known` that begins so; else the word itself.
std::string expanded(const std::string& word, std::span<const std::string_view> known) {
  std::string found;
  for (const std::string_view one : known) {
    if (one == word) {
      return word;
    }
    if (!word.empty() && one.starts_with(word)) {
      if (!found.empty()) {
        return word;
      }
      found = one;
    }
  }
  return found.empty() ? word : found;
}

/// Takes `--name VALUE` or `--name=VALUE` out of the words.
bool take_value(Words& words, const std::string& name, std::string& value) {
  for (auto at = words.begin(); at != words.end(); ++at) {
    if (at->rfind(name + "=", 0) == 0) {
      value = at->substr(name.size() + 1);
      words.erase(at);
      return true;
    }
    if (*at == name && at + 1 != words.end()) {
      value = *(at + 1);
      words.erase(at, at + 2);
      return true;
    }
  }
  return false;
}

bool take_flag(Words& words, const std::string& name) {
  const auto at = std::find(words.begin(), words.end(), name);
  if (at == words.end()) {
    return false;
  }
  words.erase(at);
  return true;
}

/// `--before VALUE` as `--after VALUE`.
void rename_option(Words& words, const std::string& before, const std::string& after) {
  std::string value;
  if (take_value(words, before, value)) {
    words.push_back(after);
    words.push_back(value);
  }
}

bool has_option(const Words& words, std::initializer_list<std::string_view> names) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    const std::string name = word.substr(0, word.find('='));
    return std::find(names.begin(), names.end(), name) != names.end();
  });
}

bool names_a_queue(const std::string& word) {
  return word.find_first_of("./*") != std::string::npos;
}

void show(Translated& out) {
  Words& words = out.words;
  const std::string what = words[1];
  if (what == "status") {
    words.erase(words.begin());
    return;
  }
  if (what == "version") {
    words.assign(1, "--version");
    return;
  }
  if (what == "disabled") {
    words.erase(words.begin() + 1);
    return;
  }
  if (what != "queues" && what != "topqueues" && what != "domains" && what != "topdomains") {
    return;
  }
  std::string value;
  if (take_value(words, "--mode", value)) {
    if (value == "backoff") {
      words[1] = "backoff";
      if (words.size() > 2 && !is_option(words[2])) {
        words.erase(words.begin() + 2);
      }
      return;
    }
    out.instead = "use 'ringpost show backoff' for queues in back-off mode; the others are normal";
    return;
  }
  if (take_flag(words, "--connected")) {
    out.instead = "use 'ringpost show sessions [DOMAIN[/VMTA]]', or 'show queues --sort -sessions'";
    return;
  }
  if (take_flag(words, "--paused")) {
    words.insert(words.end(), {"--match", "paused"});
  }
  for (const char* shown_anyway : {"--errors", "--no-rcpt-events", "--mode-events"}) {
    take_flag(words, shown_anyway);
  }
  rename_option(words, "--maxitems", "--limit");
  if (take_value(words, "--vmta", value)) {
    words.push_back("*/" + value);
  }
  if (what == "topdomains") {
    words[1] = "domains";
    words.insert(words.end(), {"--sort", "-ready", "--limit", "20"});
  }
}

void remove_mail(Translated& out) {
  Words& words = out.words;
  if (has_option(words,
                 {"--orig", "--rcpt", "--envId", "--older-than", "--no-accounting", "--dsn"})) {
    out.instead =
        "mail is deleted by queue, domain, vmta or job, and always accounted: "
        "'ringpost delete queue DOMAIN/VMTA', 'ringpost delete job JOB'; 'ringpost list' "
        "finds mail by sender and recipient";
    return;
  }
  std::string queue;
  std::string job;
  const bool by_queue = take_value(words, "--queue", queue);
  const bool by_job = take_value(words, "--jobId", job);
  if (by_queue && by_job) {
    out.instead = "mail of a job is deleted in all its queues: 'ringpost delete job JOB'";
  } else if (by_queue || by_job) {
    words.insert(words.begin() + 1, {by_queue ? "queue" : "job", by_queue ? queue : job});
  }
}

void set_priority(Translated& out) {
  if (has_option(out.words, {"--orig", "--rcpt", "--envId"})) {
    out.instead =
        "priorities are set by queue and job: 'ringpost set priority --queue DOMAIN/VMTA "
        "--job JOB N'; by sender, recipient or header a <pattern-list> gives them to mail "
        "that comes in";
    return;
  }
  rename_option(out.words, "--jobId", "--job");
}

void list(Translated& out) {
  if (has_option(out.words, {"--schedule", "--pause", "--envId", "--queue"})) {
    out.instead =
        "mail is listed by --recipient, --sender, --job and --vmta; queues by 'ringpost "
        "show queues'";
    return;
  }
  rename_option(out.words, "--maxitems", "--limit");
  rename_option(out.words, "--rcpt", "--recipient");
  rename_option(out.words, "--orig", "--sender");
  rename_option(out.words, "--jobId", "--job");
}

// An address and a queue in two words are one here.
void source(Translated& out) {
  Words& words = out.words;
  if (has_option(words, {"--reenable-after"})) {
    out.instead =
        "a source address that is disabled by command stays so until 'ringpost enable "
        "source'; rules of a pattern list may say disable-source-ip=TIME";
    return;
  }
  if (words.size() >= 4 && !is_option(words[2]) && !is_option(words[3]) &&
      words[2].find(',') == std::string::npos) {
    words[2] += "," + words[3];
    words.erase(words.begin() + 3);
  }
}

void trace(Translated& out) {
  Words& words = out.words;
  if (has_option(words, {"--to-log", "--source-ip"})) {
    out.instead =
        "'ringpost trace --live QUEUE' prints dialogues as they happen; log-commands in "
        "a <domain> section writes them to the log";
    return;
  }
  if (take_flag(words, "--log-data")) {
    words.push_back("--data");
  }
  take_flag(words, "--log-resolution");
  if (words.size() > 1 && !is_option(words[1]) && names_a_queue(words[1]) &&
      !has_option(words, {"--live"})) {
    words.insert(words.begin() + 1, "--live");
  }
}

void schedule(Translated& out) {
  Words& words = out.words;
  take_flag(words, "--retry-recipients");
  if (words.size() >= 2 && names_a_queue(words[1]) && !is_option(words[1])) {
    words.insert(words.begin() + 1, "queue");
  }
}

void expand(Words& words) {
  words[0] = expanded(words[0], kCommands);
  if (words.size() < 2 || is_option(words[1])) {
    return;
  }
  const std::string& first = words[0];
  if (first == "show") {
    words[1] = expanded(words[1], kShown);
  } else if (first == "reset") {
    words[1] = expanded(words[1], kReset);
  } else if (first == "rotate") {
    words[1] = expanded(words[1], kRotated);
  } else if (first == "clear") {
    words[1] = expanded(words[1], kCleared);
  }
}

}  // namespace

Translated translate_words(Words words) {
  Translated out{std::move(words), {}};
  const auto first =
      std::find_if(out.words.begin(), out.words.end(), [](const auto& w) { return !is_option(w); });
  if (has_option(out.words, {"--xml", "--dom"})) {
    out.instead = "use --json";
    return out;
  }
  if (first != out.words.begin() || first == out.words.end()) {
    return out;
  }
  expand(out.words);
  const std::string command = out.words[0];
  const std::string two = out.words.size() < 2 ? command : command + " " + out.words[1];
  for (const Instead& one : kInstead) {
    if (one.command == command || one.command == two) {
      out.instead = one.text;
      return out;
    }
  }
  if (command == "show" && out.words.size() > 1) {
    show(out);
  } else if (two == "test config") {
    out.words[0] = "check";
  } else if (command == "delete") {
    remove_mail(out);
  } else if (two == "set priority") {
    set_priority(out);
  } else if (command == "list") {
    list(out);
  } else if (two == "disable source" || two == "enable source") {
    source(out);
  } else if (command == "trace") {
    trace(out);
  } else if (command == "schedule") {
    schedule(out);
  } else if (two == "rotate acct" && out.words.size() > 2 && !is_option(out.words[2])) {
    out.instead = "all accounting files are finished together: 'ringpost rotate acct'";
  }
  return out;
}

}  // namespace ringpost::app
