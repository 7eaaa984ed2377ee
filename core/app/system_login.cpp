#include "core/app/system_login.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "core/app/child.h"
#include "core/app/log.h"
#include "core/app/users.h"
#include "core/config/check.h"
#include "net/wire/ring_driver.h"

namespace ringpost::app {
namespace {

using Answer = auth::SystemLogins::Answer;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAccountPatience{20};
constexpr std::int64_t kComplainEverySeconds = 60;
constexpr std::size_t kWordMax = 200;
constexpr const char* kShadow = "/etc/shadow";

/// What the program said, until it has closed its output; false: it took too long.
bool listen_to(Pipe& out, std::string& said) {
  const auto until = Clock::now() + kAccountPatience;
  while (Clock::now() < until) {
    pollfd entry{out.read, POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (::poll(&entry, 1, static_cast<int>(left.count()) + 1) <= 0) {
      continue;
    }
    std::array<char, 256> room;
    const ssize_t count = ::read(out.read, room.data(), room.size());
    if (count == 0 || (count < 0 && errno != EINTR)) {
      return true;
    }
    if (count > 0 && said.size() < kWordMax) {
      said.append(room.data(), static_cast<std::size_t>(count));
    }
  }
  return false;
}

bool exists(const char* path) {
  struct stat facts = {};
  return ::stat(path, &facts) == 0;
}

/// Whether the daemon's user can read the file, or an odd arrangement makes that unknowable.
bool user_reads_shadow(const config::GlobalSettings& global) {
  struct stat facts = {};
  if (::geteuid() != 0 || ::stat(kShadow, &facts) != 0) {
    return ::faccessat(AT_FDCWD, kShadow, R_OK, AT_EACCESS) == 0;
  }
  const std::string name(global.run_as_user);
  if (global.run_as_root || name.empty()) {
    return true;
  }
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> room;
  ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr) {
    return true;  // the start says so
  }
  std::array<gid_t, 256> groups;
  int count = static_cast<int>(groups.size());
  ::getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count);
  const auto end = groups.begin() + std::clamp(count, 0, static_cast<int>(groups.size()));
  return (facts.st_mode & S_IRGRP) != 0 && std::find(groups.begin(), end, facts.st_gid) != end;
}

std::string trouble_with_accounts(const config::GlobalSettings& global) {
  if (::access(pam_program().c_str(), X_OK) != 0) {
    return "there is no " + pam_program() + ", which asks PAM";
  }
  if (!exists("/etc/pam.d/ringpost") && !exists("/usr/lib/pam.d/ringpost")) {
    return "PAM has no service file /etc/pam.d/ringpost";
  }
  if (!user_reads_shadow(global)) {
    return "this user cannot read /etc/shadow, as pam_unix must; add it to the group shadow "
           "(SupplementaryGroups=shadow in the unit)";
  }
  return {};
}

config::Diagnostic about(const config::Snapshot& snapshot, const config::SmtpUser& user,
                         std::string message) {
  config::Diagnostic found = config::finding_at(
      snapshot, user.origin, "user " + std::string(user.name) + ": " + std::move(message));
  found.severity = config::Severity::warning;
  return found;
}

bool any_listener_encrypts(const config::GlobalSettings& global) {
  return !global.server_tls.certificates.empty() ||
         std::any_of(global.listeners.begin(), global.listeners.end(),
                     [](const auto& one) { return !one.tls.certificates.empty(); });
}

}  // namespace

Answer PamLogins::check(const std::string& user, std::string_view password,
                        const IpAddress& client) {
  if (password.find('\0') != password.npos || password.size() > kWordMax * 5) {
    return Answer::bad;
  }
  Pipe in;
  Pipe out;
  pid_t child = -1;
  int error = in.open() && out.open() ? 0 : errno;
  error = error != 0
              ? error
              : start_child({program_}, {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, in, out, child);
  if (error != 0) {
    complain("cannot run " + program_ + ": " + Error::from_errno(error, "start").describe());
    return Answer::unknown;
  }
  Pipe::close(in.read);
  Pipe::close(out.write);
  std::string words = user + '\0' + client.text() + '\0';
  words.append(password);
  // A pipe has room for it, so this does not wait.
  const bool written =
      ::write(in.write, words.data(), words.size()) == static_cast<ssize_t>(words.size());
  ::explicit_bzero(words.data(), words.size());
  Pipe::close(in.write);
  std::string said;
  const bool ended = written && listen_to(out, said);
  if (!ended) {
    ::kill(-child, SIGKILL);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (ended && WIFEXITED(status) && WEXITSTATUS(status) <= 1) {
    return WEXITSTATUS(status) == 0 ? Answer::good : Answer::bad;
  }
  said.resize(std::min({said.find('\n'), said.size(), kWordMax}));
  complain(!ended ? "took too long and was ended" : said.empty() ? "failed" : said);
  return Answer::unknown;
}

void PamLogins::complain(const std::string& why) {
  const std::int64_t now = read_clocks().wall.unix_seconds();
  std::int64_t last = complained_.load();
  if (now - last >= kComplainEverySeconds && complained_.compare_exchange_strong(last, now)) {
    log_error("accounts of the host cannot be checked: ringpost-pam: " + why);
  }
}

std::string pam_program() {
  std::error_code error;
  const std::filesystem::path here =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::filesystem::path beside = here / "ringpost-pam";
  return (exists(beside.c_str()) ? beside : here.parent_path() / "lib/ringpost/ringpost-pam")
      .string();
}

std::vector<config::Diagnostic> check_users(const config::Snapshot& snapshot) {
  std::vector<config::Diagnostic> found;
  bool told_of_accounts = false;
  for (const config::SmtpUser& user : snapshot.smtp_users()) {
    if (user.method == config::UserMethod::system && !told_of_accounts) {
      told_of_accounts = true;
      if (auto trouble = trouble_with_accounts(snapshot.global()); !trouble.empty()) {
        found.push_back(about(snapshot, user,
                              "authentication-method system cannot work: " + std::move(trouble)));
      }
    }
    if (user.method != config::UserMethod::certificate || user.certificate.empty()) {
      continue;
    }
    const auto read = user_certificates(user);
    if (!read) {
      found.push_back(
          about(snapshot, user, read.error().detail + "; the user cannot authenticate"));
    } else if (!read->in_time) {
      found.push_back(about(snapshot, user,
                            "tls-certificate " + std::string(user.certificate) +
                                " has expired, or is not valid yet"));
    }
    if (!any_listener_encrypts(snapshot.global())) {
      found.push_back(about(snapshot, user,
                            "no listener can ask for a certificate: that needs "
                            "smtp-server-tls-certificate"));
    }
  }
  return found;
}

std::vector<std::string> user_warnings(const config::Snapshot& snapshot) {
  std::vector<std::string> lines;
  for (const config::Diagnostic& one : check_users(snapshot)) {
    lines.push_back(one.file + ":" + std::to_string(one.line) + ": " + one.message);
  }
  return lines;
}

}  // namespace ringpost::app
