#pragma once

#include "core/loop/loop.h"
#include "core/loop/secure_net.h"
#include "tests/sim/flow/ledger.h"
#include "tests/sim/world/sim_net.h"
#include "tests/sim/world/sim_tls.h"
#include "tests/sim/world/sim_world.h"

namespace ringpost::sim {

/// The machines around the one under test, which share one loop and never crash.
class Outside : public LetterHandler {
 public:
  Outside(SimWorld& the_world, SimNetwork& network, Ledger& the_ledger)
      : world(the_world),
        ledger(the_ledger),
        driver_(world.add_driver()),
        plain_net_(network, driver_),
        net(plain_net_, driver_, tls),
        loop_(0, driver_, mailroom_, *this) {
    world.add_loop(loop_);
  }
  ~Outside() override { world.remove_loop(loop_); }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  void on_letter(const Letter&, Now) override {}

  SimWorld& world;
  Ledger& ledger;

 private:
  SimDriver& driver_;
  SimNet plain_net_;

 public:
  SimTls tls;
  SecureNet net;

 private:
  Mailroom mailroom_{1, 16};
  Loop loop_;
};

/// One end of a connection for scripted peers: text in, text out.
class TextStream {
 public:
  explicit TextStream(Outside& outside) : outside_(outside) {
    receive_.bind<&TextStream::on_received>(this);
    send_.bind<&TextStream::on_sent>(this);
    close_.bind<&TextStream::on_closed>(this);
    secure_.bind<&TextStream::on_secured>(this);
  }
  virtual ~TextStream() = default;
  TextStream(const TextStream&) = delete;
  TextStream& operator=(const TextStream&) = delete;

  bool gone() const { return gone_; }

 protected:
  void attach(StreamId stream) {
    stream_ = stream;
    open_ = true;
    outside_.net.receive(stream_, receive_);
  }
  void say(std::string_view text) {
    out_ += text;
    flush();
  }
  /// Shakes hands as a server once all that was said has left; what came before is forgotten.
  void secure(const std::string& certificate) {
    certificate_ = certificate;
    flush();
  }
  bool secured() const { return secured_; }
  /// The same as a client, at once.
  void secure_client() {
    client_ = true;
    secure("client");
  }
  /// Closes once all that was said has left.
  void finish() {
    finishing_ = true;
    flush();
  }
  void close() {
    if (open_) {
      open_ = false;
      outside_.net.close(stream_, close_);
    }
  }
  bool open() const { return open_; }

  /// `in` has grown.
  virtual void on_text() = 0;
  /// The peer ended (0) or the connection broke (negative); once, then closed.
  virtual void on_end(std::int32_t result) = 0;
  virtual void on_gone() {}

  Outside& outside_;
  std::string in_;

 private:
  void on_received(Completion&) {
    ReceivedChunk chunk;
    while (open_ && certificate_.empty() && outside_.net.take(receive_, chunk)) {
      in_ += chunk.view();
      outside_.net.recycle(chunk);
    }
    if (!certificate_.empty() || !secure_.idle()) {
      return;  // it will be told what came of the handshake
    }
    if (open_) {
      on_text();
    }
    if (open_ && receive_.ended) {
      end(receive_.end_result);
    }
  }
  void on_sent(Completion&) {
    if (send_.result < 0 && open_) {
      end(send_.result);
      return;
    }
    flush();
  }
  void on_secured(Completion& completion) {
    if (!open_) {
      return;
    }
    if (secure_.result < 0) {
      end(secure_.result);
      return;
    }
    secured_ = true;
    in_.clear();
    on_received(completion);
    flush();
  }
  void on_closed(Completion&) {
    gone_ = true;
    in_.clear();
    out_.clear();
    sending_.clear();
    on_gone();
  }
  void end(std::int32_t result) {
    on_end(result);
    close();
  }
  void flush() {
    if (!open_ || !send_.idle() || !secure_.idle()) {
      return;
    }
    if (!out_.empty()) {
      sending_ = std::move(out_);
      out_.clear();
      slice_ = Slice::of(sending_);
      send_.stream = stream_;
      send_.slices = &slice_;
      send_.slice_count = 1;
      outside_.net.send(send_);
    } else if (finishing_) {
      close();
    } else if (!certificate_.empty()) {
      secure_.stream = stream_;
      secure_.receive = &receive_;
      secure_.server = !client_;
      secure_.context =
          client_ ? *outside_.tls.client_context({}) : outside_.tls.server(certificate_);
      certificate_.clear();
      outside_.net.secure(secure_);
    }
  }

  StreamId stream_;
  ReceiveOp receive_;
  SecureOp secure_;
  SendOp send_;
  CloseOp close_;
  Slice slice_;
  std::string certificate_;  ///< a handshake is to begin
  std::string out_;
  std::string sending_;
  bool open_ = false;
  bool finishing_ = false;
  bool gone_ = false;
  bool secured_ = false;
  bool client_ = false;
};

}  // namespace ringpost::sim
