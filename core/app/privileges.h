#pragma once

#include <sys/types.h>

#include <string>

#include "core/base/result.h"

namespace ringpost::app {

/// Gives up root in two steps: all files belong to a user from the beginning, and ports below 1024
/// can still be bound. On the main thread; begin() before any other thread exists.
class Privileges {
 public:
  /// From here on the process acts as `user`; only BindPermit reaches back. not_found: no such
  /// user; denied: the process may not become it.
  Status begin(const std::string& user);
  /// For good, in all threads: no way leads back, no program that is started gains anything.
  Status give_up();

 private:
  uid_t user_ = 0;
  gid_t group_ = 0;
  bool begun_ = false;
};

/// Where the process is not root and a service unit gave it the capability to bind ports below
/// 1024: it serves a BindPermit alone, and no program that is started inherits it. On the main
/// thread, before any other exists.
void keep_capability_for_permits();

/// While it lives this thread may bind ports below 1024, where the process has not given that up.
class BindPermit {
 public:
  BindPermit();
  ~BindPermit();
  BindPermit(const BindPermit&) = delete;
  BindPermit& operator=(const BindPermit&) = delete;

 private:
  bool raised_;
};

}  // namespace ringpost::app
