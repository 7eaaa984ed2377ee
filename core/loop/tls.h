#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/completion.h"
#include "core/base/result.h"
#include "core/base/tls.h"
#include "core/loop/net.h"

namespace ringpost {

/// Encrypts a stream from here on: handshake, then all that the Net sends and receives on it is
/// plain to its user and encrypted on the wire. result 0: `facts` hold; negative errno: `failure`
/// and `error_text()` say why, the stream is of no more use and is to be closed.
/// No send may be in flight, and no chunk taken and not used but `early`, when it starts. What has
/// arrived and was not taken belongs to the handshake. Until it has completed nothing is sent;
/// take() on the stream finds nothing, but is to be called as ever when the receive becomes ready,
/// since that is what drives the handshake; once it has completed, take() is to be called unasked,
/// since what came right behind the handshake is not announced again. Closing the stream completes
/// it with -ECANCELED.
struct SecureOp : Completion {
  StreamId stream;
  ReceiveOp* receive = nullptr;  ///< the stream's standing receive
  TlsContextRef context;
  bool server = false;
  /// A chunk already taken whose rest, from `early_used` on, belongs to the handshake; the layer
  /// recycles it. Never what came behind a STARTTLS in clear (RFC 3207 section 6).
  bool has_early = false;
  ReceivedChunk early;
  std::uint32_t early_used = 0;

  // Of a client; all views live until completion.
  std::string_view host_name;  ///< sent as SNI unless it is a literal; what a certificate must name
  TlsCheck check = TlsCheck::none;
  /// A certificate that does not pass TlsCheck::certificate is told by `failure`, without harm.
  bool advisory = false;
  std::span<const TlsaRecord> tlsa;  ///< for TlsCheck::dane
  /// Sessions are resumed among connections of one context, host name, check and key; empty: not.
  std::string_view session_key;

  // Out:
  TlsFacts facts;
  TlsFailure failure = TlsFailure::none;
  std::array<char, 160> error{};
  std::uint8_t error_size = 0;

  std::string_view error_text() const noexcept { return {error.data(), error_size}; }
};

/// Makes contexts. Reads files, so it belongs to start, reload and other places off the hot path.
class TlsContexts {
 public:
  virtual ~TlsContexts() = default;
  /// not_found, denied, invalid: a file cannot be used, or no cipher is left.
  virtual Result<TlsContextRef> client_context(const TlsClientSettings& settings) = 0;
  virtual Result<TlsContextRef> server_context(const TlsServerSettings& settings) = 0;
  /// Authorities are read anew for contexts made from here on, by all shards. Any thread.
  virtual void refresh() {}
};

/// Counters of one shard's encrypted streams.
struct TlsStats {
  std::uint64_t handshakes = 0;  ///< that succeeded, both sides
  std::uint64_t resumed = 0;     ///< of these
  std::uint64_t by_kernel = 0;   ///< of `handshakes`: the kernel encrypts what is sent
  std::uint64_t failed = 0;
  std::uint64_t streams_open = 0;  ///< now
};

/// Encryption for the streams of one shard's Net. On its thread only.
class Tls {
 public:
  virtual ~Tls() = default;
  virtual void secure(SecureOp& op) = 0;
  virtual TlsContexts& contexts() = 0;
  virtual const TlsStats& stats() const = 0;
};

/// One side of one encrypted connection: bytes in and out, no I/O. Implemented over the library,
/// and by the simulator's twin.
class TlsEngine {
 public:
  enum class Step : std::uint8_t { wants_bytes, done, failed };

  virtual ~TlsEngine() = default;

  /// Before the handshake: the kernel may get the keys of what is sent on this socket.
  virtual void offer_socket(int) {}
  /// After it: the kernel has them. What is sent on the socket is encrypted by it from here on,
  /// and write(), end() and output() are of no more use.
  virtual bool kernel_sends() const { return false; }

  /// Encrypted bytes from the peer; they stay until needs_bytes() says that all were used.
  virtual void give(std::string_view encrypted) = 0;
  virtual bool needs_bytes() const = 0;
  /// Goes on with the handshake as far as the bytes reach. After done: facts; after failed:
  /// failure and error text go to `op`.
  virtual Step handshake(SecureOp& op) = 0;
  /// Decrypts into `out`; 0: more bytes are needed, or ended().
  virtual std::size_t read(std::span<char> out) = 0;
  /// The peer said that no more comes, or what came cannot be decrypted.
  virtual bool ended() const = 0;
  virtual bool broken() const = 0;
  /// Encrypts one piece of at most kPieceMax. False: the connection is broken.
  virtual bool write(std::string_view plain) = 0;
  /// Tells the peer that no more will come.
  virtual void end() = 0;
  /// What is to be sent, oldest first; swapped out by the caller, who gives back an empty buffer.
  virtual std::vector<char>& output() = 0;

  static constexpr std::size_t kPieceMax = 16 * 1024;
};

/// Makes engines and the contexts they need.
class TlsEngines : public TlsContexts {
 public:
  /// nullptr: no memory.
  virtual std::unique_ptr<TlsEngine> make(const SecureOp& op) = 0;
};

}  // namespace ringpost
