#include "core/app/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "core/app/control_frame.h"

namespace ringpost::app {
namespace {

constexpr Duration kPatience = Duration::seconds(60);

/// Answers `slow` when it is let go, all else at once.
class Handler final : public ControlHandler {
 public:
  std::string answer(const std::string& request) override {
    std::unique_lock lock(mutex_);
    if (request == "slow") {
      ++waiting_;
      most_ = std::max(most_, waiting_);
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      --waiting_;
    }
    return "answer to " + request;
  }
  void until_waiting(std::size_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ == number; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  std::size_t most() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t waiting_ = 0;
  std::size_t most_ = 0;
  bool open_ = false;
};

class Client {
 public:
  explicit Client(const std::string& path) {
    const auto socket = connect_control(path);
    socket_ = socket ? *socket : -1;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(socket_); }
  bool ask(const std::string& request) { return write_frame(socket_, request, kPatience).ok(); }
  std::string hear() {
    const auto answer = read_frame(socket_, 1000, kPatience);
    return answer ? *answer : "nothing";
  }
  /// An answer is there now.
  bool answered() const {
    char octet = 0;
    return ::recv(socket_, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
  }

 private:
  int socket_ = -1;
};

class ControlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "ringpost-control-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/control";
    ASSERT_TRUE(server_.start(path_).ok());
  }
  void TearDown() override {
    handler_.let_go();
    server_.stop();
    ::rmdir(folder_.c_str());
  }

  Handler handler_;
  ControlServer server_{handler_};
  std::string folder_;
  std::string path_;
};

TEST_F(ControlServerTest, NobodyWaitsForWhatAnotherAsked) {
  Client silent(path_);
  Client slow(path_);
  ASSERT_TRUE(slow.ask("slow"));
  handler_.until_waiting(1);
  Client quick(path_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(quick.ask("quick"));
    EXPECT_EQ(quick.hear(), "answer to quick");
  }
  EXPECT_FALSE(slow.answered());
  handler_.let_go();
  EXPECT_EQ(slow.hear(), "answer to slow");
}

TEST_F(ControlServerTest, SoManyAtOnceAndNoMore) {
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < ControlServer::kClientsMax; ++i) {
    clients.push_back(std::make_unique<Client>(path_));
    ASSERT_TRUE(clients.back()->ask("slow"));
  }
  handler_.until_waiting(ControlServer::kClientsMax);
  std::vector<std::unique_ptr<Client>> later;
  for (int i = 0; i < 8; ++i) {
    later.push_back(std::make_unique<Client>(path_));
    ASSERT_TRUE(later.back()->ask("slow"));
  }
  handler_.let_go();
  for (auto& client : clients) {
    EXPECT_EQ(client->hear(), "answer to slow");
    client.reset();  // its place is free
  }
  for (auto& client : later) {
    EXPECT_EQ(client->hear(), "answer to slow");
  }
  EXPECT_EQ(handler_.most(), ControlServer::kClientsMax);
}

TEST_F(ControlServerTest, AStopAnswersWhatIsUnderWayAndWaitsForNobodyElse) {
  Client silent(path_);
  Client slow(path_);
  ASSERT_TRUE(slow.ask("slow"));
  handler_.until_waiting(1);
  auto stopped = std::async(std::launch::async, [this] { server_.stop(); });
  EXPECT_EQ(silent.hear(), "nothing");
  handler_.let_go();
  EXPECT_EQ(slow.hear(), "answer to slow");
  stopped.get();
  EXPECT_NE(::access(path_.c_str(), F_OK), 0);
  ASSERT_TRUE(server_.start(path_).ok());
  Client next(path_);
  ASSERT_TRUE(next.ask("quick"));
  EXPECT_EQ(next.hear(), "answer to quick");
}

}  // namespace
}  // namespace ringpost::app
