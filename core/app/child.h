#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace ringpost::app {

/// One pipe; what is open of it is closed with it.
struct Pipe {
  int read = -1;
  int write = -1;

  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(read);
    close(write);
  }
  /// False: errno says why. Children of others do not inherit it.
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return false;
    }
    read = ends[0];
    write = ends[1];
    return true;
  }
  /// The child reads and writes like any other program: only our own ends do not wait.
  static void set_patient(int end) { ::fcntl(end, F_SETFL, O_NONBLOCK); }
  static void close(int& end) {
    if (end >= 0) {
      ::close(end);
    }
    end = -1;
  }
};

/// Starts a program, `words[0]` a path, with this environment alone: `in` is its standard input,
/// `out` its output and error, nothing else is open. It leads a process group of its own, so that
/// all of it can be ended, and has signals as a fresh process has them. 0, or an errno.
int start_child(const std::vector<std::string>& words, const std::vector<std::string>& settings,
                const Pipe& in, const Pipe& out, pid_t& child);

}  // namespace ringpost::app
