#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/base/fixed_vector.h"
#include "core/base/list.h"
#include "core/loop/ports.h"
#include "core/loop/tls.h"

namespace ringpost {

/// A Net whose streams can be encrypted: a layer over another Net, which moves the encrypted
/// bytes, with engines that make them. Streams that were not secured pass through. Engine and
/// buffers of a stream are taken when it is secured; sending and receiving on it allocate nothing
/// once the buffers have grown. Where the net keeps the socket of a stream that we opened, and the
/// kernel takes the keys, what is sent on it passes through as it does in clear. At most one
/// handshake goes on in a turn of the loop, so that many of them do not delay replies. On its
/// shard's thread; `net`, `driver` and `engines` outlive its use, though not the destructor.
class SecureNet final : public Net, public Tls {
 public:
  /// A handshake that is longer is broken off: no honest one comes near.
  static constexpr std::uint64_t kHandshakeBytesMax = 128 * 1024;

  SecureNet(Net& net, Driver& driver, TlsEngines& engines);
  ~SecureNet() override;
  SecureNet(const SecureNet&) = delete;
  SecureNet& operator=(const SecureNet&) = delete;

  void secure(SecureOp& op) override;
  TlsContexts& contexts() override { return engines_; }
  const TlsStats& stats() const override { return stats_; }

  Result<ListenerId> listen(const SocketAddress& address) override { return net_.listen(address); }
  SocketAddress bound_address(ListenerId listener) const override {
    return net_.bound_address(listener);
  }
  void accept(ListenerId listener, AcceptOp& op) override { net_.accept(listener, op); }
  void close_listener(ListenerId listener) override { net_.close_listener(listener); }
  Result<StreamId> adopt(const RawSocket& socket) override { return net_.adopt(socket); }
  void discard(const RawSocket& socket) override { net_.discard(socket); }
  void connect(ConnectOp& op) override { net_.connect(op); }
  void cancel(ConnectOp& op) override { net_.cancel(op); }
  void receive(StreamId stream, ReceiveOp& op) override;
  bool take(ReceiveOp& op, ReceivedChunk& chunk) override;
  void recycle(const ReceivedChunk& chunk) override;
  void pause(StreamId stream) override { net_.pause(stream); }
  void resume(StreamId stream) override { net_.resume(stream); }
  void send(SendOp& op) override;
  void shutdown_send(StreamId stream) override;
  void close(StreamId stream, CloseOp& op) override;

 private:
  /// Where a piece ends: whether it left whole decides what counts as sent.
  struct Mark {
    std::size_t encrypted_end = 0;
    std::uint64_t plain_end = 0;
  };
  static constexpr std::size_t kPiecesMax = 4;  ///< encrypted ahead of the socket

  struct Stream : ListLink<> {
    SecureNet* owner = nullptr;
    StreamId id;
    std::unique_ptr<TlsEngine> engine;
    SecureOp* securing = nullptr;  ///< until the handshake is over
    SecureOp* telling = nullptr;   ///< from then until its handler was called, and somewhat longer
    ReceiveOp* receive = nullptr;
    std::uint64_t handshake_bytes = 0;
    ReceivedChunk given;  ///< to the engine
    bool has_given = false;
    bool offered = false;     ///< the socket, to the engine
    bool by_kernel = false;   ///< what is sent is encrypted below
    bool failed = false;      ///< the handshake; its last words are on the way
    bool end_wanted = false;  ///< FIN after what is being sent
    bool closing = false;

    SendOp* user = nullptr;
    std::uint32_t user_slice = 0;  ///< where encryption goes on
    std::size_t user_offset = 0;   ///< in that slice
    std::uint64_t user_taken = 0;  ///< octets encrypted
    FixedVector<Mark, kPiecesMax> marks;
    SendOp inner;
    Slice slice;
    std::vector<char> sending;
    CloseOp inner_close;
    CloseOp* user_close = nullptr;

    void on_sent(Completion&) { owner->on_sent(*this); }
    void on_closed(Completion&) { owner->on_closed(*this); }
  };

  Stream& fresh_stream();
  Stream* find(StreamId id);
  void queue_handshake(Stream& stream);
  void on_work(Completion&);
  void shake_hands(Stream& stream);
  void handshake_done(Stream& stream);
  void handshake_over(Stream& stream, std::int32_t result);
  static bool told(Stream& stream);
  void fail_handshake(Stream& stream, TlsFailure failure, std::string_view words);
  bool next_input(Stream& stream);
  void drop_input(Stream& stream);
  void pump(Stream& stream);
  void send_output(Stream& stream);
  void say_goodbye(Stream& stream);
  void encrypt(Stream& stream);
  std::string_view next_piece(Stream& stream);
  void on_sent(Stream& stream);
  void finish_user(Stream& stream, std::int32_t result);
  void on_closed(Stream& stream);
  std::uint32_t free_buffer();

  Net& net_;
  Driver& driver_;
  TlsEngines& engines_;
  std::unordered_map<std::uint32_t, Stream*> secured_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> vacant_;
  List<Stream> handshakes_;  ///< with something to do
  Completion work_;
  std::vector<std::unique_ptr<char[]>> buffers_;  ///< of plain bytes lent
  std::vector<std::uint32_t> vacant_buffers_;
  std::vector<char> staging_;  ///< small slices of one piece
  TlsStats stats_;
};

}  // namespace ringpost
