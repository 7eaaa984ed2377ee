#include "core/loop/secure_net.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <string>

namespace ringpost {
namespace {

/// One stream whose arrivals the test decides on; nothing that is sent arrives anywhere.
class OneStream final : public Net {
 public:
  explicit OneStream(Driver& driver) : driver_(driver) {}

  void arrive(std::string bytes) { arrived_.push_back(std::move(bytes)); }
  int lent() const { return lent_; }

  Result<ListenerId> listen(const SocketAddress&) override { return ListenerId{0}; }
  SocketAddress bound_address(ListenerId) const override { return {}; }
  void accept(ListenerId, AcceptOp&) override {}
  void close_listener(ListenerId) override {}
  Result<StreamId> adopt(const RawSocket&) override { return StreamId{0}; }
  void discard(const RawSocket&) override {}
  void connect(ConnectOp&) override {}
  void cancel(ConnectOp&) override {}
  void receive(StreamId, ReceiveOp&) override {}
  bool take(ReceiveOp&, ReceivedChunk& chunk) override {
    if (arrived_.empty()) {
      return false;
    }
    held_.push_back(std::move(arrived_.front()));
    arrived_.pop_front();
    chunk = {held_.back().data(), static_cast<std::uint32_t>(held_.back().size()), 0};
    ++lent_;
    return true;
  }
  void recycle(const ReceivedChunk&) override { --lent_; }
  void pause(StreamId) override {}
  void resume(StreamId) override {}
  void send(SendOp& op) override {
    op.start();
    driver_.finish(op, 0);
  }
  void shutdown_send(StreamId) override {}
  void close(StreamId, CloseOp& op) override {
    op.start();
    driver_.finish(op, 0);
  }

 private:
  Driver& driver_;
  std::deque<std::string> arrived_;
  std::deque<std::string> held_;
  int lent_ = 0;
};

/// Runs one handler when it is told to.
class ByHand final : public Driver {
 public:
  Now now() override { return {}; }
  void wait(ReadyList&, Instant) override {}
  void finish(Completion& operation, std::int32_t result) override {
    operation.result = result;
    ready_.push(operation);
  }
  void wake_peer(unsigned) override {}
  void wake() override {}

  void run_one() {
    ASSERT_FALSE(ready_.empty());
    ready_.pop()->run();
  }
  void run_all() {
    while (!ready_.empty()) {
      ready_.pop()->run();
    }
  }

 private:
  ReadyList ready_;
};

/// Done with the handshake once it was given "hello"; what follows is read as it lies.
class Hello final : public TlsEngine {
 public:
  explicit Hello(bool good) : good_(good) {}
  void give(std::string_view encrypted) override { given_ = encrypted; }
  bool needs_bytes() const override { return given_.empty(); }
  Step handshake(SecureOp&) override {
    if (!given_.starts_with("hello")) {
      return Step::wants_bytes;
    }
    given_.remove_prefix(5);
    return good_ ? Step::done : Step::failed;
  }
  std::size_t read(std::span<char> out) override {
    const std::size_t size = given_.copy(out.data(), out.size());
    given_.remove_prefix(size);
    return size;
  }
  bool ended() const override { return false; }
  bool broken() const override { return false; }
  bool write(std::string_view) override { return true; }
  void end() override {}
  std::vector<char>& output() override { return output_; }

 private:
  bool good_;
  std::string_view given_;
  std::vector<char> output_;
};

class Hellos final : public TlsEngines {
 public:
  bool good = true;
  Result<TlsContextRef> client_context(const TlsClientSettings&) override {
    return TlsContextRef{};
  }
  Result<TlsContextRef> server_context(const TlsServerSettings&) override {
    return TlsContextRef{};
  }
  std::unique_ptr<TlsEngine> make(const SecureOp&) override {
    return std::make_unique<Hello>(good);
  }
};

struct SecureStream : public ::testing::Test {
  void SetUp() override {
    op.bind<&SecureStream::on_secured>(this);
    close.bind<&SecureStream::on_closed>(this);
    receive.bind<&SecureStream::on_received>(this);
    op.stream = StreamId{0};
    op.receive = &receive;
    op.server = true;
  }
  void TearDown() override {
    net.close(op.stream, close);
    driver.run_all();
    EXPECT_TRUE(closed);
    EXPECT_EQ(below.lent(), 0);
  }
  void on_secured(Completion&) { secured = true; }
  void on_closed(Completion&) { closed = true; }
  void on_received(Completion&) {}
  /// What a user reads who looks now; empty: nothing.
  std::string read() {
    ReceivedChunk chunk;
    std::string text;
    while (net.take(receive, chunk)) {
      text += chunk.view();
      net.recycle(chunk);
    }
    return text;
  }

  ByHand driver;
  OneStream below{driver};
  Hellos engines;
  SecureNet net{below, driver, engines};
  ReceiveOp receive;
  SecureOp op;
  CloseOp close;
  bool secured = false;
  bool closed = false;
};

// The receive may be announced after the handshake has ended and before its end is told.
TEST_F(SecureStream, NothingIsReadBeforeTheHandshakeIsKnownToBeOver) {
  below.arrive("hello");
  net.secure(op);
  driver.run_one();  // shakes hands
  ASSERT_EQ(op.state(), Completion::State::ready);
  below.arrive("EHLO there");
  EXPECT_EQ(read(), "");
  EXPECT_FALSE(secured);
  driver.run_one();
  EXPECT_TRUE(secured);
  EXPECT_EQ(op.result, 0);
  EXPECT_EQ(read(), "EHLO there");
}

TEST_F(SecureStream, WhatCameInOnePieceWithTheHandshakeIsReadAfterIt) {
  below.arrive("helloEHLO there");
  net.secure(op);
  driver.run_one();
  EXPECT_EQ(read(), "");
  driver.run_one();
  ASSERT_TRUE(secured);
  EXPECT_EQ(read(), "EHLO there");
}

TEST_F(SecureStream, NothingIsReadOfABrokenHandshake) {
  engines.good = false;
  below.arrive("hello");
  net.secure(op);
  driver.run_one();
  below.arrive("EHLO there");
  EXPECT_EQ(read(), "");
  driver.run_all();
  ASSERT_TRUE(secured);
  EXPECT_EQ(op.result, -EPROTO);
  EXPECT_EQ(read(), "");
}

}  // namespace
}  // namespace ringpost
