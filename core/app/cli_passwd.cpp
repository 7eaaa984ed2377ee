#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/app/cli_commands.h"
#include "core/base/text.h"
#include "net/auth/password.h"

namespace ringpost::app {
namespace {

constexpr std::size_t kPasswordMax = 1024;

/// The terminal does not show what is typed as long as this lives.
class QuietTerminal {
 public:
  QuietTerminal() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (is_terminal_) {
      termios quiet = before_;
      quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
  }
  ~QuietTerminal() {
    if (is_terminal_) {
      ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  bool is_terminal() const { return is_terminal_; }

 private:
  termios before_{};
  bool is_terminal_;
};

/// One line of standard input without its end; false: there is none, or it is too long.
bool read_line(SecretText& out) {
  char line[kPasswordMax + 1];
  std::size_t size = 0;
  bool ended = false;
  while (!ended && size < sizeof line) {
    const ssize_t count = ::read(STDIN_FILENO, line + size, 1);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    ended = count <= 0 || line[size] == '\n';
    size += ended ? 0 : 1;
  }
  out.assign({line, size});
  wipe(line, sizeof line);
  return ended && size > 0;
}

int fail(const char* why) {
  std::fprintf(stderr, "ringpost: %s\n", why);
  return 1;
}

}  // namespace

int passwd(const std::string& name) {
  if (name.find_first_of(":\r\n#") != std::string::npos) {
    return fail("a user's name has no colon, # or line end");
  }
  SecretText password;
  {
    const QuietTerminal terminal;
    if (terminal.is_terminal()) {
      std::fputs("Password: ", stderr);
    }
    const bool read = read_line(password);
    SecretText again = password;
    bool same = true;
    if (read && terminal.is_terminal()) {
      std::fputs("\nAgain: ", stderr);
      same = read_line(again) && again.reveal() == password.reveal();
      std::fputs("\n", stderr);
    }
    if (!read) {
      return fail("no password was given, or one over 1024 octets");
    }
    if (!same) {
      return fail("the passwords differ");
    }
  }
  const auto hash = auth::hash_password(password.reveal());
  if (!hash.ok()) {
    return fail(hash.error().detail.c_str());
  }
  std::printf("%s%s%s\n", name.c_str(), name.empty() ? "" : ":", hash->c_str());
  return 0;
}

}  // namespace ringpost::app
