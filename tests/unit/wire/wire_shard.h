#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/loop/loop.h"
#include "net/wire/ring.h"
#include "net/wire/ring_driver.h"
#include "net/wire/ring_net.h"

namespace ringpost {

/// A completion that remembers whether and how it ended.
struct Ended {
  bool done = false;
  std::int32_t result = 0;
  int times = 0;

  void on_end(Completion& completion) {
    done = true;
    result = completion.result;
    ++times;
  }
};

/// Ring, driver and loop of one shard, the letters kept as they came.
class WireShard : public LetterHandler {
 public:
  explicit WireShard(std::uint32_t withheld = 0, const RingOptions& base = {}) {
    RingOptions options = base;
    options.withheld = withheld;
    auto made = Ring::make(options, report);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().describe());
    ring = std::move(*made);
    EXPECT_TRUE(ring->enable(report).ok());
    auto driving = RingDriver::make(*ring, peers, 0);
    EXPECT_TRUE(driving.ok());
    driver = std::move(*driving);
    loop = std::make_unique<Loop>(0, *driver, mailroom, *this);
  }
  void on_letter(const Letter& letter, Now) override { letters.push_back(letter); }

  std::unique_ptr<RingNet> make_net(const RingNetOptions& options = {}) {
    auto made = RingNet::make(*ring, options, report);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().describe());
    return made.ok() ? std::move(*made) : nullptr;
  }

  /// Turns the loop until `condition` holds; false when it does not in twenty seconds.
  template <class Condition>
  bool run_until(Condition condition) {
    const Instant end = driver->now().instant + Duration::seconds(20);
    while (!condition()) {
      const Instant now = driver->now().instant;
      if (now > end) {
        return false;
      }
      loop->turn(now + Duration::milliseconds(20));
    }
    return true;
  }
  /// Some turns that do not wait.
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      loop->turn(driver->now().instant + Duration::microseconds(200));
    }
  }

  RingPeers peers{2};
  Mailroom mailroom{2, 64};
  ProbeReport report;
  std::vector<Letter> letters;
  std::unique_ptr<Ring> ring;
  std::unique_ptr<RingDriver> driver;
  std::unique_ptr<Loop> loop;
};

inline SocketAddress loopback4(std::uint16_t port = 0) {
  return {IpAddress::v4(127, 0, 0, 1), port};
}

inline SocketAddress loopback6(std::uint16_t port = 0) { return {*IpAddress::parse("::1"), port}; }

/// One end of a connection: receives into `text`, sends, closes.
class Party {
 public:
  explicit Party(Net& net) : net_(net) {
    receive_.bind<&Party::on_receive>(this);
    send.bind<&Party::on_sent>(this);
    send.released.bind<&Party::on_released>(this);
    close_op_.bind<&Party::on_closed>(this);
  }

  void start(StreamId id) {
    stream = id;
    net_.receive(id, receive_);
  }
  void send_text(std::string_view bytes, bool zero_copy = false) {
    slice_ = Slice::of(bytes);
    send_slices(&slice_, 1, zero_copy);
  }
  void send_slices(const Slice* slices, std::uint32_t count, bool zero_copy = false) {
    sent = false;
    released = false;
    send.stream = stream;
    send.slices = slices;
    send.slice_count = count;
    send.zero_copy = zero_copy;
    net_.send(send);
  }
  void close() {
    closing = true;
    net_.close(stream, close_op_);
  }
  /// Takes what there is, as when the receive became ready.
  void look() { on_receive(receive_); }
  bool ended() const { return receive_.ended; }
  std::int32_t end_result() const { return receive_.end_result; }
  bool receive_idle() const { return receive_.idle(); }
  ReceiveOp& receive_op() { return receive_; }

  StreamId stream;
  SendOp send;
  std::string text;
  std::uint64_t received = 0;
  bool keep_text = true;
  bool echo = false;  ///< not used while a send is under way
  bool hold = false;  ///< do not take chunks
  bool sent = false;
  bool released = false;
  bool closing = false;
  bool closed = false;
  bool idle_at_close = false;
  std::int32_t send_result = 0;
  std::vector<ReceivedChunk> held;  ///< chunks not recycled, with keep_chunks
  bool keep_chunks = false;

 private:
  void on_receive(Completion&) {
    ReceivedChunk chunk;
    while (!hold && net_.take(receive_, chunk)) {
      received += chunk.size;
      if (keep_text) {
        text.append(chunk.view());
      }
      if (keep_chunks) {
        held.push_back(chunk);
      } else {
        net_.recycle(chunk);
      }
    }
    pump_echo();
  }
  void pump_echo() {
    if (echo && !closing && send.idle() && !text.empty()) {
      echoing_.swap(text);
      text.clear();
      send_text(echoing_);
    }
  }
  void on_sent(Completion& completion) {
    sent = true;
    send_result = completion.result;
    pump_echo();
  }
  void on_released(Completion&) { released = true; }
  void on_closed(Completion&) {
    idle_at_close = receive_.idle() && send.idle();
    closed = true;
  }

  Net& net_;
  ReceiveOp receive_;
  CloseOp close_op_;
  Slice slice_;
  std::string echoing_;
};

/// A connected pair on loopback, both ends on one shard.
class Pair {
 public:
  Pair(WireShard& shard, RingNet& net, const SocketAddress& address = loopback4())
      : client(net), server(net), net_(net) {
    auto listening = net.listen(address);
    EXPECT_TRUE(listening.ok());
    listener = *listening;
    accept_.bind<&Pair::on_accepted>(this);
    connect_.bind<&Pair::on_connected>(this);
    net.accept(listener, accept_);
    connect_.remote = net.bound_address(listener);
    net.connect(connect_);
    EXPECT_TRUE(shard.run_until([this] { return accepted && connected; }));
  }
  ~Pair() { net_.close_listener(listener); }

  ListenerId listener;
  Party client;
  Party server;
  RawSocket raw;
  SocketAddress bound;
  bool accepted = false;
  bool connected = false;

 private:
  void on_accepted(Completion& completion) {
    EXPECT_EQ(completion.result, 0);
    raw = accept_.socket;
    auto adopted = net_.adopt(raw);
    ASSERT_TRUE(adopted.ok());
    server.start(*adopted);
    accepted = true;
  }
  void on_connected(Completion& completion) {
    EXPECT_EQ(completion.result, 0);
    bound = connect_.bound;
    client.start(connect_.stream);
    connected = true;
  }

  RingNet& net_;
  AcceptOp accept_;
  ConnectOp connect_;
};

}  // namespace ringpost
