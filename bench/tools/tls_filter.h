#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace ringpost::tools {

/// What the TLS connections of a tool have in common; may be shared by its threads.
using TlsContextPtr = std::shared_ptr<ssl_ctx_st>;

/// For a server: `pem` holds its private key and its certificate chain.
Result<TlsContextPtr> server_tls(const std::string& pem);
/// For a client that takes any certificate: it measures, it does not trust.
Result<TlsContextPtr> client_tls();

/// TLS of one connection, without its socket: octets in, octets out (OpenSSL over memory).
class TlsFilter {
 public:
  TlsFilter() = default;
  TlsFilter(const TlsFilter&) = delete;
  TlsFilter& operator=(const TlsFilter&) = delete;
  ~TlsFilter();

  /// Starts the handshake; a client's first octets stand in out() afterwards.
  void begin(ssl_ctx_st* context, bool as_server);
  /// Back to a connection in clear.
  void reset();
  bool active() const { return ssl_ != nullptr; }
  /// Takes octets of the peer and appends what they say to `plain`. False: the connection is over.
  bool receive(std::string_view bytes, std::string& plain);
  /// Encrypts `plain` into out(); before the end of the handshake it is kept until then.
  bool send(std::string_view plain);
  /// What is to be sent to the peer.
  std::string& out() { return out_; }

 private:
  bool shake();
  void drain();

  ssl_st* ssl_ = nullptr;
  bool shaken_ = false;
  std::string held_;
  std::string out_;
};

}  // namespace ringpost::tools
