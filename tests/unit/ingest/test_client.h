#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/loop/secure_net.h"

namespace ringpost::ingest {

/// A client on the simulated network: sends what it is told, keeps what it hears.
class TestClient {
 public:
  TestClient(SecureNet& net, const SocketAddress& server, const IpAddress& local) : net_(net) {
    connect_.bind<&TestClient::on_connected>(this);
    receive_.bind<&TestClient::on_received>(this);
    send_.bind<&TestClient::on_sent>(this);
    close_.bind<&TestClient::on_closed>(this);
    secure_.bind<&TestClient::on_secured>(this);
    connect_.remote = server;
    connect_.local = local;
    net_.connect(connect_);
  }

  void send(std::string_view text) {
    pending_ += text;
    go_on();
  }
  /// Begins a handshake now; nothing may be on its way.
  void secure(TlsContextRef context) {
    secure_.stream = connect_.stream;
    secure_.receive = &receive_;
    secure_.context = std::move(context);
    net_.secure(secure_);
  }
  bool secured() const { return secured_; }
  bool refused() const { return refused_; }
  /// FIN once all has been sent.
  void finish() {
    finishing_ = true;
    go_on();
  }
  void close() {
    if (connected_ && !closing_) {
      closing_ = true;
      net_.close(connect_.stream, close_);
    }
  }
  /// Stops taking what arrives.
  void deaf(bool deaf) {
    deaf_ = deaf;
    if (!deaf) {
      take();
    }
  }

  bool ended() const { return receive_.ended && !deaf_; }
  bool closed() const { return closed_; }
  std::int32_t end_result() const { return receive_.end_result; }
  /// All reply lines that have come, without CRLF.
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::size_t at = 0;
    for (auto end = heard.find("\r\n"); end != std::string::npos; end = heard.find("\r\n", at)) {
      out.push_back(heard.substr(at, end - at));
      at = end + 2;
    }
    return out;
  }
  std::string last() const {
    const auto all = lines();
    return all.empty() ? "" : all.back();
  }

  std::string heard;

 private:
  void on_connected(Completion&) {
    ASSERT_EQ(connect_.result, 0);
    connected_ = true;
    net_.receive(connect_.stream, receive_);
    go_on();
  }
  void on_received(Completion&) { take(); }
  void take() {
    ReceivedChunk chunk;
    while (connected_ && !deaf_ && !closing_ && net_.take(receive_, chunk)) {
      heard += chunk.view();
      net_.recycle(chunk);
    }
  }
  void on_sent(Completion&) {
    if (send_.result >= 0) {
      go_on();
    }
  }
  void on_closed(Completion&) { closed_ = true; }
  void on_secured(Completion&) {
    secured_ = secure_.result == 0;
    refused_ = !secured_;
    take();
    go_on();
  }
  void go_on() {
    if (!connected_ || closing_ || refused_ || !send_.idle() || !secure_.idle()) {
      return;
    }
    if (!pending_.empty()) {
      sending_ = std::exchange(pending_, {});
      slice_ = Slice::of(sending_);
      send_.stream = connect_.stream;
      send_.slices = &slice_;
      send_.slice_count = 1;
      net_.send(send_);
    } else if (finishing_) {
      finishing_ = false;
      net_.shutdown_send(connect_.stream);
    }
  }

  SecureNet& net_;
  ConnectOp connect_;
  ReceiveOp receive_;
  SecureOp secure_;
  SendOp send_;
  CloseOp close_;
  Slice slice_;
  std::string pending_;
  std::string sending_;
  bool connected_ = false;
  bool finishing_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool deaf_ = false;
  bool secured_ = false;
  bool refused_ = false;
};

}  // namespace ringpost::ingest
