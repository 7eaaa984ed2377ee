#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ringpost::app {

struct CliOptions {
  std::string control = "/run/ringpost/control";
  bool json = false;
  bool dry_run = false;
};

// Each command prints its result to standard output, or one error to standard error, and returns
// the exit code: 0 done, 1 refused or faulty, 2 no daemon or file to work on.

struct ViewOptions;
int show_status(const CliOptions& options, const ViewOptions& how);
/// What the running configuration says of DOMAIN[/VMTA], as explain does of a file.
/// `how.pattern` is the queue.
int show_settings(const CliOptions& options, const ViewOptions& how, const std::string& sender);
/// Renews the screen every `seconds`, `rounds` times; 0: until interrupted.
int show_top(const CliOptions& options, unsigned seconds, unsigned rounds);
int trace(const CliOptions& options, const std::string& id);
/// What `trace --live` shows, and for how long.
struct TraceOptions {
  bool data = false;        ///< content too
  unsigned seconds = 0;     ///< 0: until interrupted
  std::uint64_t lines = 0;  ///< likewise
};
int trace_live(const CliOptions& options, const std::string& what, const TraceOptions& wanted);
/// What `list` looks for, each with `*` as wildcard.
struct ListOptions {
  std::string recipient = "*";
  std::string sender = "*";
  std::string job = "*";
  std::string vmta = "*";
  std::optional<unsigned> priority;  ///< none: any
  std::size_t limit = 100;
};
int list_messages(const CliOptions& options, const ListOptions& what);
/// `what` is a message id, or a recipient's address, which may have wildcards.
int why(const CliOptions& options, const std::string& what);
int reload(const CliOptions& options);
/// How `drain` ends.
struct DrainOptions {
  unsigned seconds = 0;         ///< it ends after this time at the latest; 0: when all is delivered
  bool leave_deferred = false;  ///< what waits for a retry clock may stay
  bool keep_running = false;    ///< the daemon is not ended
};
int drain(const CliOptions& options, const DrainOptions& wanted);
/// `verb` is pause, resume, delete or schedule.
int change_queues(const CliOptions& options, const std::string& verb, const std::string& pattern);
/// The same for mail of jobs.
int change_jobs(const CliOptions& options, const std::string& verb, const std::string& job);
/// `what` is a pattern of queues, or of jobs where `by_job`.
int move_mail(const CliOptions& options, bool by_job, const std::string& what,
              const std::string& to);
/// Of mail in these queues and of these jobs, both patterns.
int set_priority(const CliOptions& options, const std::string& queues, const std::string& job,
                 unsigned priority);

/// `mode` is normal or backoff.
int set_mode(const CliOptions& options, const std::string& pattern, const std::string& mode);
/// `what` is IP[,VMTA] or IP[,QUEUE].
int use_source(const CliOptions& options, const std::string& what, bool use);
int automation_list(const CliOptions& options);
int automation_explain(const CliOptions& options, const std::string& id);
int automation_cancel(const CliOptions& options, const std::string& id);

int check_config(const CliOptions& options, const std::string& file, bool strict, bool lenient);
/// Compares the configuration's DKIM keys with what is published; `domain` empty: all of them.
int check_dkim(const CliOptions& options, const std::string& file, const std::string& domain);
/// What the world sees of our addresses, domains and keys, or of a destination. `subject`: a
/// virtual MTA, a pool, a domain, or empty for all that is ours.
int doctor(const CliOptions& options, const std::string& file, const std::string& subject);
/// Hashes a password read from the terminal or standard input; with `name` a line for auth-file.
int passwd(const std::string& name);
int explain(const CliOptions& options, const std::string& file, const std::string& domain,
            const std::string& vmta, const std::string& sender);
int diff_config(const CliOptions& options, const std::string& before, const std::string& after);
int help_directive(const std::string& name);
/// Closes the accounting files of the daemon, if it runs, and brings away what is finished.
int account_flush(const CliOptions& options, const std::string& config_file);
/// Has the daemon close its accounting files and begin new ones.
int account_rotate(const CliOptions& options);
/// Writes the rows that the journals of a stopped spool still hold, settled in [from, to), to files
/// of the accounting files' names in `target`. Times are dates or moments in UTC; empty: no end.
int account_rebuild(const CliOptions& options, const std::string& config_file,
                    const std::string& from, const std::string& to, const std::string& target);
int spool_check(const CliOptions& options, const std::string& folder);
int spool_stat(const CliOptions& options, const std::string& folder);
int spool_export(const CliOptions& options, const std::string& folder, const std::string& target);
int spool_import(const CliOptions& options, const std::string& folder, const std::string& archive);

}  // namespace ringpost::app
