#pragma once

#include <memory>
#include <string>

#include "core/loop/tls.h"

namespace ringpost::sim {

/// The simulator's encryption: a handshake of three records, then records whose octets are
/// changed by a key, so that nothing that came in clear can pass for encrypted or the other way
/// round. Certificates are names: "good:HOST", "expired:HOST" or "self:HOST" in place of files;
/// one that begins with "stalled:" never answers, "broken:" answers nonsense.
class SimTls final : public TlsEngines {
 public:
  Result<TlsContextRef> client_context(const TlsClientSettings& settings) override;
  Result<TlsContextRef> server_context(const TlsServerSettings& settings) override;
  std::unique_ptr<TlsEngine> make(const SecureOp& op) override;

  /// A server's context with one certificate.
  TlsContextRef server(const std::string& certificate);
};

}  // namespace ringpost::sim
