#include "core/app/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace ringpost::app {
namespace {

constexpr std::uint32_t kBindService = 1U << CAP_NET_BIND_SERVICE;

/// Turns the one capability on or off for this thread, where it may.
bool set_bind_capability(bool on) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) {
    return false;
  }
  const bool has = (data[0].effective & kBindService) != 0;
  if (has == on || (on && (data[0].permitted & kBindService) == 0)) {
    return false;
  }
  data[0].effective = on ? data[0].effective | kBindService : data[0].effective & ~kBindService;
  return ::syscall(SYS_capset, &header, data) == 0;
}

/// Rings and their buffers count against this, once root is gone.
void raise_locked_memory() {
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  ::setrlimit(RLIMIT_MEMLOCK, &all);
}

}  // namespace

Status Privileges::begin(const std::string& user) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room(16 * 1024);
  ::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr) {
    return Error::of(ErrorCode::not_found,
                     "run-as-root no: there is no user " + user + "; name one with run-as-user");
  }
  user_ = entry.pw_uid;
  group_ = entry.pw_gid;
  if (user_ == 0) {
    return Error::of(ErrorCode::invalid, "run-as-root no: the user " + user + " is root");
  }
  raise_locked_memory();
  if (::initgroups(entry.pw_name, group_) != 0 || ::setegid(group_) != 0 || ::seteuid(user_) != 0) {
    return Error::from_errno(errno, "becoming the user " + user);
  }
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);  // of this thread and those it will start
  begun_ = true;
  return {};
}

// Real, effective and saved: with the last root id the kernel clears every capability, and the
// library does it in all threads.
Status Privileges::give_up() {
  if (!begun_) {
    return {};
  }
  if (::setresgid(group_, group_, group_) != 0 || ::setresuid(user_, user_, user_) != 0) {
    return Error::from_errno(errno, "giving up root");
  }
  if (::setuid(0) == 0) {
    return Error::of(ErrorCode::denied, "root was not given up");
  }
  return {};
}

void keep_capability_for_permits() {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) {
    return;
  }
  const std::uint32_t kept = data[0].permitted & kBindService;
  data[0] = {0, kept, 0};
  data[1] = {0, 0, 0};
  ::syscall(SYS_capset, &header, data);
}

BindPermit::BindPermit() : raised_(set_bind_capability(true)) {}

BindPermit::~BindPermit() {
  if (raised_) {
    set_bind_capability(false);
  }
}

}  // namespace ringpost::app
