// ringpost-pam: asks PAM, under the service name `ringpost`, whether a password is that of an
// account of this host. ringpostd starts it for each attempt, so that modules of PAM, which may
// wait, fork or fail, are never in the process that moves mail.
//
// Standard input: user, NUL, client's address, NUL, password, end. Exit status: 0 the password is
// right and the account may be used; 1 it is not; 2 nobody could tell, and a line of output says
// why.

#include <security/pam_appl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kGood = 0;
constexpr int kBad = 1;
constexpr int kUnknown = 2;
constexpr int kMessagesMax = 16;

// What was read: at most a name, an address and a password, each with a NUL behind it.
char g_input[4096];

struct Attempt {
  const char* user = nullptr;
  const char* address = nullptr;
  const char* password = nullptr;
};

bool read_attempt(Attempt& out) {
  std::size_t size = 0;
  while (size < sizeof g_input - 1) {
    const ssize_t count = ::read(STDIN_FILENO, g_input + size, sizeof g_input - 1 - size);
    if (count == 0 || (count < 0 && errno != EINTR)) {
      break;
    }
    size += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  const char* const end = g_input + size;
  const auto next = [end](const char* from) -> const char* {
    const auto* found =
        static_cast<const char*>(std::memchr(from, '\0', static_cast<std::size_t>(end - from)));
    return found == nullptr ? nullptr : found + 1;
  };
  out.user = g_input;
  out.address = next(out.user);
  out.password = out.address == nullptr ? nullptr : next(out.address);
  // A NUL inside would be another password than the one that was said.
  return out.password != nullptr && *out.user != '\0' && next(out.password) == nullptr;
}

/// Says the name where a module asks openly and the password where it asks in secret.
int converse(int count, const pam_message** asked, pam_response** told, void* data) {
  const auto& attempt = *static_cast<const Attempt*>(data);
  if (count <= 0 || count > kMessagesMax) {
    return PAM_CONV_ERR;
  }
  auto* answers = static_cast<pam_response*>(
      std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (answers == nullptr) {
    return PAM_BUF_ERR;
  }
  for (int i = 0; i < count; ++i) {
    const int style = asked[i]->msg_style;
    if (style == PAM_PROMPT_ECHO_OFF || style == PAM_PROMPT_ECHO_ON) {
      answers[i].resp = ::strdup(style == PAM_PROMPT_ECHO_OFF ? attempt.password : attempt.user);
    }
  }
  *told = answers;
  return PAM_SUCCESS;
}

// Guesses are counted by who asks; waiting here would only hold a place.
void no_delay(int, unsigned, void*) {}

int status_of(int result) {
  switch (result) {
    case PAM_SUCCESS: return kGood;
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
    case PAM_PERM_DENIED:
    case PAM_ACCT_EXPIRED:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_AUTHTOK_EXPIRED:
    case PAM_CRED_INSUFFICIENT: return kBad;
    default: return kUnknown;
  }
}

int ask(Attempt& attempt) {
  const pam_conv conversation{&converse, &attempt};
  pam_handle_t* session = nullptr;
  int result = ::pam_start("ringpost", attempt.user, &conversation, &session);
  if (result == PAM_SUCCESS) {
    // A function as data, as pam_set_item(3) has it.
    ::pam_set_item(session, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&no_delay));
    ::pam_set_item(session, PAM_TTY, "smtp");
    if (*attempt.address != '\0') {
      ::pam_set_item(session, PAM_RHOST, attempt.address);
    }
    result = ::pam_authenticate(session, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  }
  if (result == PAM_SUCCESS) {
    result = ::pam_acct_mgmt(session, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  }
  const int status = status_of(result);
  if (status == kUnknown) {
    std::fprintf(stderr, "PAM: %s\n", ::pam_strerror(session, result));
  }
  if (session != nullptr) {
    ::pam_end(session, result);
  }
  return status;
}

}  // namespace

int main() {
  Attempt attempt;
  int status = kUnknown;
  if (read_attempt(attempt)) {
    status = ask(attempt);
  } else {
    std::fputs("ringpost-pam is started by ringpostd\n", stderr);
  }
  ::explicit_bzero(g_input, sizeof g_input);
  return status;
}
