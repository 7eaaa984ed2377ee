#include "core/app/control_room.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "core/app/letters.h"
#include "tests/unit/app/support.h"

namespace ringpost::app {
namespace {

class NoSource final : public ConfigSource {
 public:
  config::CheckResult read() override { return {}; }
};

class NoContexts final : public TlsContexts {
 public:
  Result<TlsContextRef> client_context(const TlsClientSettings&) override {
    return Error::of(ErrorCode::not_found, "");
  }
  Result<TlsContextRef> server_context(const TlsServerSettings&) override {
    return Error::of(ErrorCode::not_found, "");
  }
};

/// A shard that answers each task at once, but one that deletes only when somebody has been told
/// of the queues meanwhile.
class SlowShard {
 public:
  SlowShard(Mailroom& mailroom, RingPeers& peers) : mailroom_(mailroom), peers_(peers) {
    thread_ = std::thread([this] { run(); });
  }
  ~SlowShard() {
    ended_.store(true);
    thread_.join();
  }
  void until_deleting() {
    while (!deleting_.load()) {
      std::this_thread::yield();
    }
  }

 private:
  void run() {
    std::vector<Letter> held;
    while (!ended_.load()) {
      Letter letter;
      if (!mailroom_.take(0, 1, letter)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      const ControlKind kind = letter.as<ControlTask*>()->kind;
      if (kind == ControlKind::cancel) {
        held.push_back(letter);
        deleting_.store(true);
        continue;
      }
      give_back(letter);
      if (kind == ControlKind::queues) {
        for (const Letter& late : held) {
          give_back(late);
        }
        held.clear();
      }
    }
  }
  void give_back(const Letter& letter) {
    mailroom_.post(0, 1, letter);
    if (mailroom_.claim_wake(1)) {
      WakeEvent::raise(peers_.event(1));
    }
  }

  Mailroom& mailroom_;
  RingPeers& peers_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> deleting_{false};
  std::thread thread_;
};

TEST(ControlRoom, WhoLooksDoesNotWaitForWhoChanges) {
  Mailroom mailroom(2, 256);
  RingPeers peers(2);
  NoSource source;
  NoContexts contexts;
  ingest::SessionSlots slots(10);
  Reloader reloader(source, snapshot_of("postmaster a@example.org\n"), {}, slots, contexts);
  ProcessFacts facts;
  facts.shards = 1;
  ControlRoom room(mailroom, peers, 1, facts, reloader);
  ASSERT_TRUE(room.start().ok());
  SlowShard shard(mailroom, peers);
  auto deleted = std::async(std::launch::async, [&room] {
    return room.answer(R"({"command":"delete","pattern":"*/*"})");
  });
  shard.until_deleting();
  for (const char* command : {"status", "jobs", "bounces", "decisions", "queues"}) {
    const std::string told = room.answer(R"({"command":")" + std::string(command) + "\"}");
    EXPECT_NE(told.find("\"ok\":true"), std::string::npos) << command << ": " << told;
  }
  const std::string told = deleted.get();
  EXPECT_NE(told.find("\"ok\":true"), std::string::npos) << told;
}

}  // namespace
}  // namespace ringpost::app
