// Mail that a command takes: one run for each recipient, the message on its standard input.

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <vector>

#include "core/app/child.h"
#include "core/app/mail_store.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr std::chrono::minutes kLimit{5};
constexpr int kPollMs = 200;
constexpr int kTryAgain = 75;  // EX_TEMPFAIL of sysexits.h
constexpr int kNotFound = 127;

/// What became of one run.
struct Run {
  int error = 0;       ///< errno: the command could not be begun
  int status = 0;      ///< as waitpid gives it
  bool late = false;   ///< it was ended by us
  std::string output;  ///< its first line, of standard output or error
};

// Feeds the command and listens to it until it has closed its output. A command that does not want
// to read all of the mail may do so.
void talk(Pipe& in, Pipe& out, std::string_view content, deliver::StoreOp& op, Run& run) {
  const auto begun = std::chrono::steady_clock::now();
  while (out.read >= 0) {
    if (op.cancelled || std::chrono::steady_clock::now() - begun > kLimit) {
      run.late = true;
      return;
    }
    pollfd polled[2] = {{out.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
    if (::poll(polled, in.write >= 0 ? 2 : 1, kPollMs) <= 0) {
      continue;
    }
    if (in.write >= 0 && polled[1].revents != 0) {
      const ssize_t count = ::write(in.write, content.data(), content.size());
      content.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
      if (content.empty() || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        Pipe::close(in.write);
      }
    }
    if (polled[0].revents != 0) {
      char room[512];
      const ssize_t count = ::read(out.read, room, sizeof room);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        Pipe::close(out.read);
      } else if (count > 0 && run.output.size() < kOutcomeTextMax) {
        run.output.append(room, static_cast<std::size_t>(count));
      }
    }
  }
}

// It may have closed its output and go on.
void await(pid_t child, deliver::StoreOp& op, Run& run) {
  const auto begun = std::chrono::steady_clock::now();
  while (::waitpid(child, &run.status, run.late ? 0 : WNOHANG) == 0) {
    if (op.cancelled || std::chrono::steady_clock::now() - begun > kLimit) {
      run.late = true;
      ::kill(-child, SIGKILL);
    } else {
      ::usleep(5'000);
    }
  }
}

Run run_command(deliver::StoreOp& op, std::string_view to, std::string_view content) {
  const std::string_view from = op.job->view.envelope.reverse_path;
  std::vector<std::string> words;
  for (const std::string& word : command_words(op.how->command)) {
    words.push_back(with_macros(word, from, to, op.how->keep_case));
  }
  const std::vector<std::string> settings = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                             "SENDER=" + std::string(from),
                                             "RECIPIENT=" + std::string(to)};
  Run run;
  Pipe in;
  Pipe out;
  pid_t child = -1;
  if (!in.open() || !out.open()) {
    run.error = errno;
    return run;
  }
  run.error = start_child(words, settings, in, out, child);
  if (run.error != 0) {
    return run;
  }
  Pipe::close(in.read);
  Pipe::close(out.write);
  Pipe::set_patient(in.write);
  Pipe::set_patient(out.read);
  talk(in, out, content, op, run);
  if (run.late) {
    ::kill(-child, SIGKILL);
  }
  Pipe::close(in.write);
  await(child, op, run);
  run.output.resize(std::min(run.output.find('\n'), run.output.size()));
  return run;
}

Outcome outcome_of(const Run& run, Job& job) {
  Outcome outcome;
  outcome.phase = Phase::content;
  const bool ended = !run.late && WIFEXITED(run.status);
  const int status = ended ? WEXITSTATUS(run.status) : 0;
  std::string text;
  if (run.late) {
    text = "the command took too long and was ended";
  } else if (!ended) {
    text = "the command was ended by signal " + std::to_string(WTERMSIG(run.status));
  } else if (status != 0) {
    text = "the command ended with status " + std::to_string(status);
  } else {
    text = "taken by the command";
  }
  text.append(run.output.empty() ? "" : ": ").append(run.output);
  const bool again = !ended || status == kTryAgain || status == kNotFound;
  outcome.kind = again         ? OutcomeKind::deferred
                 : status == 0 ? OutcomeKind::delivered
                               : OutcomeKind::bounced;
  outcome.status = again         ? EnhancedStatus{4, 3, 0}
                   : status == 0 ? EnhancedStatus{2, 0, 0}
                                 : EnhancedStatus{5, 3, 0};
  outcome.text = job.keep_text(text);
  return outcome;
}

}  // namespace

std::vector<std::string> command_words(std::string_view line) {
  std::vector<std::string> words;
  bool quoted = false;
  bool inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool blank = c == ' ' || c == '\t';
    if (blank && !quoted) {
      inside = false;
      continue;
    }
    if (!inside) {
      words.emplace_back();
      inside = true;
    }
    if (c != '"') {
      words.back() += c;
    } else if (quoted && i + 1 < line.size() && line[i + 1] == '"') {
      words.back() += line[++i];
    } else {
      quoted = !quoted;
    }
  }
  return words;
}

std::string with_macros(std::string_view word, std::string_view from, std::string_view to,
                        bool keep_case) {
  const std::size_t at = std::min(to.rfind('@'), to.size());
  const std::string_view domain = to.substr(std::min(at + 1, to.size()));
  const std::pair<std::string_view, std::string_view> macros[] = {
      {"$from", from}, {"$to", to}, {"$user", to.substr(0, at)}, {"$domain", domain}};
  std::string out;
  while (!word.empty()) {
    bool replaced = false;
    for (const auto& [name, value] : macros) {
      if (starts_ignoring_case(word, name)) {
        out += keep_case ? std::string(value) : to_lower(value);
        word.remove_prefix(name.size());
        replaced = true;
        break;
      }
    }
    if (!replaced) {
      out += word.front();
      word.remove_prefix(1);
    }
  }
  return out;
}

std::int32_t give_to_command(deliver::StoreOp& op) {
  Job& job = *op.job;
  const std::string content = plain_content(job, "\n");
  for (JobRecipient& recipient : job.recipients) {
    const Run run = run_command(op, job.view.envelope.recipients[recipient.index].address, content);
    if (run.error != 0) {
      op.reason = "cannot run the command: " + std::string(text_of(code_from_errno(run.error)));
      return -run.error;
    }
    recipient.outcome = outcome_of(run, job);
  }
  return 0;
}

}  // namespace ringpost::app
