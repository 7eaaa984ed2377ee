#include "net/wire/kernel_tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/result.h"

namespace ringpost {

bool probe_kernel_tls(ProbeReport& report) {
  // The kernel looks for its TLS first and for the connection then.
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool set = socket >= 0 && ::setsockopt(socket, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0;
  const int error = errno;
  if (socket >= 0) {
    ::close(socket);
  }
  if (set || (socket >= 0 && error == ENOTCONN)) {
    return true;
  }
  report.lines.push_back("the kernel does not encrypt TLS, OpenSSL does (module tls): " +
                         Error::from_errno(error, "TCP_ULP").describe());
  return false;
}

KernelSender::KernelSender(int socket)
    : socket_(socket), bio_(::BIO_new_socket(socket, BIO_NOCLOSE)) {}

KernelSender::~KernelSender() { ::BIO_free(bio_); }

bool KernelSender::active() const { return bio_ != nullptr && BIO_get_ktls_send(bio_); }

long KernelSender::control(int command, long number, void* argument, std::vector<char>& output) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;  // the ring sends it
    case BIO_CTRL_PUSH:
    case BIO_CTRL_POP:
    case BIO_CTRL_PENDING:
    case BIO_CTRL_WPENDING: return 0;
    case BIO_CTRL_GET_KTLS_SEND: return active() ? 1 : 0;
    default: break;
  }
  // The command for the keys has no public name, but nothing else of weight comes this way.
  if (bio_ == nullptr || (!active() && !drain(output))) {
    return 0;
  }
  return ::BIO_ctrl(bio_, command, number, argument);
}

bool KernelSender::drain(std::vector<char>& output) const {
  std::size_t sent = 0;
  while (sent < output.size()) {
    const ::ssize_t taken =
        ::send(socket_, output.data() + sent, output.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken <= 0) {
      break;
    }
    sent += static_cast<std::size_t>(taken);
  }
  output.erase(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(sent));
  return output.empty();
}

int KernelSender::write(const char* bytes, int size) {
  // The library's own write waits where there is no room; these few bytes always fit where poll()
  // says that there is some.
  ::pollfd room{socket_, POLLOUT, 0};
  if (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0 ||
      (room.revents & (POLLERR | POLLHUP)) != 0) {
    return -1;
  }
  return ::BIO_write(bio_, bytes, size);
}

}  // namespace ringpost
