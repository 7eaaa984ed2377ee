#pragma once

#include <string>
#include <vector>

#include "core/config/diagnostic.h"
#include "core/config/snapshot.h"
#include "core/loop/tls.h"
#include "core/mail/policy.h"

namespace ringpost::app {

// What the configuration says of encryption, in the terms of the TLS port.

/// Contexts by their settings, each made once. Files are read when a context is made: a new book
/// for a new snapshot takes up what was renewed.
class TlsContextBook {
 public:
  /// Without contexts it has none to give.
  explicit TlsContextBook(TlsContexts* contexts) : contexts_(contexts) {}

  Result<TlsContextRef> client(const TlsClientSettings& settings);
  void clear() { clients_.clear(); }

 private:
  struct Client {
    TlsClientSettings settings;
    TlsContextRef context;
  };
  TlsContexts* contexts_;
  std::vector<Client> clients_;
};

/// The encryption of one queue. A context that cannot be made is told in it.
QueueTls queue_tls(const config::PathPolicy& policy, TlsContextBook& book);

/// The encryption of a listener, which takes the process's certificates where it has none of its
/// own; nullptr: it has none, or not to be (check_tls() told).
TlsContextRef listener_tls(const config::Snapshot& snapshot, const config::Listener& listener,
                           TlsContexts& contexts);

/// Tries every file and list of ciphers the configuration names; an error for each that cannot be
/// used, with its place. Reads files.
std::vector<config::Diagnostic> check_tls(const config::Snapshot& snapshot, TlsContexts& contexts);

}  // namespace ringpost::app
