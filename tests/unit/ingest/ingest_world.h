#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/loop/mailroom.h"
#include "core/loop/secure_net.h"
#include "net/ingest/service.h"
#include "tests/sim/world/sim_net.h"
#include "tests/sim/world/sim_tls.h"
#include "tests/unit/ingest/fake_sink.h"
#include "tests/unit/ingest/test_client.h"

namespace ringpost::ingest {

inline const IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);
inline const IpAddress kStranger = IpAddress::v4(198, 51, 100, 7);

/// One shard with an ingest service, and a host with clients.
class IngestWorld : public LetterHandler {
 public:
  explicit IngestWorld(std::uint64_t seed = 1, sim::NetFaults faults = {})
      : world(seed),
        network(world, faults),
        mailroom_(2, 16),
        server_driver_(world.add_driver()),
        client_driver_(world.add_driver()),
        server_net(network, server_driver_),
        client_net(network, client_driver_),
        server_loop_(0, server_driver_, mailroom_, *this),
        client_loop_(1, client_driver_, mailroom_, *this),
        entropy_(seed),
        sink(world, server_driver_) {
    world.add_loop(server_loop_);
    world.add_loop(client_loop_);
    config = IngestConfig::loopback_only("mx.example");
    config->listen = {{{IpAddress::v4(192, 0, 2, 1), 25}, 0, nullptr, false}};
    memory.sessions_max = 20;
    memory.turned_away_max = 2;
    memory.envelope_blocks = 64;
    memory.recipients_max = 200;
    stop_done_.bind<&IngestWorld::on_stopped>(this);
  }
  ~IngestWorld() override {
    for (auto& one : clients_) {
      one->close();
    }
    if (service != nullptr && !service->stopped()) {
      if (!stopping_) {
        stop();
      }
      service->abandon_sessions();
      EXPECT_TRUE(run_until([this] { return service->stopped(); }, Duration::minutes(1)));
    }
    run_for(Duration::seconds(5));
    EXPECT_EQ(sink.open_writers, 0);
    EXPECT_EQ(server_net.chunks_lent(), 0U);
    EXPECT_EQ(server_net.streams_open(), 0U);
    service.reset();
  }

  void start() {
    service = std::make_unique<IngestService>(server_loop_, secure_net, secure_net, sink, entropy_,
                                              memory, config, &desk_);
    const Status status = service->start();
    ASSERT_TRUE(status.ok());
  }
  TestClient& connect(const IpAddress& from = kLoopback) {
    clients_.push_back(
        std::make_unique<TestClient>(client_secure_net, config->listen.front().address, from));
    return *clients_.back();
  }
  void stop() {
    stopping_ = true;
    service->stop(stop_done_);
  }
  bool run_until(const std::function<bool()>& done, Duration limit = Duration::minutes(1)) {
    return world.run_until(done, limit);
  }
  void run_for(Duration duration) { world.run_for(duration); }
  /// Runs until the client's last line begins with `prefix`.
  ::testing::AssertionResult hears(TestClient& client, std::string_view prefix) {
    if (run_until([&] { return client.last().substr(0, prefix.size()) == prefix; })) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << "heard:\n" << client.heard;
  }
  void on_letter(const Letter&, Now) override {}
  bool stop_reported() const { return stop_reported_; }

  sim::SimWorld world;
  sim::SimNetwork network;

 private:
  void on_stopped(Completion&) { stop_reported_ = true; }

  Mailroom mailroom_;
  sim::SimDriver& server_driver_;
  sim::SimDriver& client_driver_;

 public:
  sim::SimNet server_net;
  sim::SimNet client_net;
  sim::SimTls tls;
  SecureNet secure_net{server_net, server_driver_, tls};
  SecureNet client_secure_net{client_net, client_driver_, tls};

 private:
  Loop server_loop_;
  Loop client_loop_;
  sim::SimEntropy entropy_;
  auth::SharedState shared_;
  auth::Desk desk_{server_loop_, nullptr, shared_};

 public:
  FakeSink sink;
  std::shared_ptr<IngestConfig> config;
  IngestMemory memory;
  std::unique_ptr<IngestService> service;

 private:
  std::vector<std::unique_ptr<TestClient>> clients_;
  Completion stop_done_;
  bool stopping_ = false;
  bool stop_reported_ = false;
};

}  // namespace ringpost::ingest
