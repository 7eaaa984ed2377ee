#pragma once

#include <vector>

#include "net/wire/wire_stats.h"

struct bio_st;  // BIO of OpenSSL

namespace ringpost {

/// Whether this kernel encrypts TLS on TCP sockets; `report` gets a line where it does not.
bool probe_kernel_tls(ProbeReport& report);

/// The way on which OpenSSL gives the kernel the keys of what one connection sends: a socket BIO
/// of the library, which alone knows how. Until the kernel has them nothing is written to it.
/// Never waits for the peer. `socket` stays its owner's and outlives this.
class KernelSender {
 public:
  explicit KernelSender(int socket);
  ~KernelSender();
  KernelSender(const KernelSender&) = delete;
  KernelSender& operator=(const KernelSender&) = delete;

  /// The kernel encrypts what is sent on the socket from now on.
  bool active() const;
  /// What the library asks of its write BIO. When it hands over keys, `output`, which is encrypted
  /// already, is sent before; without room for it the kernel does not get them.
  long control(int command, long number, void* argument, std::vector<char>& output);
  /// Writes handshake messages and alerts, which the kernel encrypts; -1: there is no room.
  int write(const char* bytes, int size);

 private:
  bool drain(std::vector<char>& output) const;

  int socket_;
  bio_st* bio_;
};

}  // namespace ringpost
