#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/loop/tls.h"

namespace ringpost {

/// Certificate authorities read from files, kept for all shards. Any thread.
class OpenSslAuthorities {
 public:
  OpenSslAuthorities();
  ~OpenSslAuthorities();
  OpenSslAuthorities(const OpenSslAuthorities&) = delete;
  OpenSslAuthorities& operator=(const OpenSslAuthorities&) = delete;

  /// The authorities in `file`, or the system's where it is empty; read the first time. The value
  /// is an X509_STORE of OpenSSL with a reference for the caller.
  Result<void*> store(const std::string& file);
  /// Files are read again when they are next asked for; contexts keep what they have.
  void forget();

 private:
  std::mutex mutex_;
  std::map<std::string, void*> stores_;
};

struct OpenSslOptions {
  std::size_t sessions_max = 4096;  ///< kept for resumption; the oldest goes first
};

/// TLS by OpenSSL with memory on both sides: bytes given are read from where they lie, bytes made
/// are appended to the engine's output. Contexts may be used by several threads; engines and the
/// sessions kept for resumption are those of one shard, used by its thread. Outlives its engines.
class OpenSslEngines final : public TlsEngines {
 public:
  explicit OpenSslEngines(std::shared_ptr<OpenSslAuthorities> authorities,
                          const OpenSslOptions& options = {});
  ~OpenSslEngines() override;
  OpenSslEngines(const OpenSslEngines&) = delete;
  OpenSslEngines& operator=(const OpenSslEngines&) = delete;

  Result<TlsContextRef> client_context(const TlsClientSettings& settings) override;
  Result<TlsContextRef> server_context(const TlsServerSettings& settings) override;
  void refresh() override { authorities_->forget(); }
  std::unique_ptr<TlsEngine> make(const SecureOp& op) override;

 private:
  class Sessions;

  std::shared_ptr<OpenSslAuthorities> authorities_;
  std::unique_ptr<Sessions> sessions_;
};

}  // namespace ringpost
