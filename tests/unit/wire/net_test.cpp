#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>

#include "net/wire/socket_address.h"
#include "tests/unit/wire/wire_shard.h"

namespace ringpost {
namespace {

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

constexpr auto kDirect = static_cast<std::uint32_t>(RingFeature::direct_sockets);
constexpr auto kZeroCopy = static_cast<std::uint32_t>(RingFeature::zero_copy);
constexpr auto kDeferred = static_cast<std::uint32_t>(RingFeature::deferred_work);
constexpr auto kWhole = static_cast<std::uint32_t>(RingFeature::whole_sends);
constexpr auto kReport = static_cast<std::uint32_t>(RingFeature::zero_copy_report);

// Everything that moves bytes holds with and without each feature of the kernel.
class NetWays : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(NetWays, EchoesAllSizes) {
  WireShard shard(GetParam());
  auto net = shard.make_net();
  Pair pair(shard, *net);
  pair.server.echo = true;
  for (const std::size_t size : {1, 2, 100, 4095, 8192, 8193, 65536, 300'000, 1 << 20}) {
    const std::string text = pattern(size);
    for (const bool zero_copy : {false, true}) {
      pair.client.text.clear();
      pair.client.send_text(text, zero_copy);
      ASSERT_TRUE(shard.run_until([&] {
        return pair.client.sent && pair.client.text.size() >= size &&
               (!zero_copy || pair.client.released);
      })) << size;
      EXPECT_EQ(pair.client.send_result, static_cast<std::int32_t>(size));
      EXPECT_TRUE(pair.client.text == text) << size;
    }
  }
  const WireStats& stats = shard.ring->stats();
  if ((GetParam() & kZeroCopy) == 0 && shard.ring->has(RingFeature::zero_copy)) {
    EXPECT_GT(stats.zero_copy_sends, 0U);
    EXPECT_EQ(stats.zero_copy_sends, stats.zero_copy_released);
  } else {
    EXPECT_EQ(stats.zero_copy_sends, 0U);
    EXPECT_EQ(stats.zero_copy_refused, 9U);
  }
  // Loopback always copies; the kernel says so where it can.
  if (shard.ring->has(RingFeature::zero_copy_report)) {
    EXPECT_TRUE(pair.client.send.copied);
    EXPECT_EQ(stats.zero_copy_copied, stats.zero_copy_released);
  } else {
    EXPECT_EQ(pair.client.send.copied, !shard.ring->has(RingFeature::zero_copy));
  }
}

TEST_P(NetWays, CloseWithEverythingInFlight) {
  WireShard shard(GetParam());
  RingNetOptions options;
  options.socket_send_bytes = 8192;
  options.socket_receive_bytes = 8192;
  auto net = shard.make_net(options);
  const std::string text = pattern(4 << 20);
  for (int round = 0; round < 20; ++round) {
    Pair pair(shard, *net);
    pair.server.hold = true;
    net->pause(pair.server.stream);
    pair.client.send_text(text, round % 2 == 1);
    shard.turns(round);
    ASSERT_FALSE(pair.client.sent);
    pair.client.close();
    pair.server.close();
    ASSERT_TRUE(shard.run_until([&] { return pair.client.closed && pair.server.closed; }));
    EXPECT_TRUE(pair.client.sent);
    EXPECT_LT(pair.client.send_result, 0);
    EXPECT_TRUE(pair.client.idle_at_close);
    EXPECT_TRUE(pair.server.idle_at_close);
    EXPECT_EQ(net->streams_open(), 0U);
    if (round % 2 == 1) {
      EXPECT_TRUE(shard.run_until([&] { return pair.client.released; }));
    }
  }
}

TEST_P(NetWays, ManyConnectionsComeAndGo) {
  WireShard shard(GetParam());
  RingNetOptions options;
  options.streams_max = 4;
  auto net = shard.make_net(options);
  StreamId last;
  for (int round = 0; round < 100; ++round) {
    Pair pair(shard, *net);
    EXPECT_NE(pair.client.stream, last);
    last = pair.client.stream;
    pair.client.send_text("hello");
    ASSERT_TRUE(shard.run_until([&] { return pair.server.text == "hello"; }));
    pair.client.close();
    ASSERT_TRUE(shard.run_until([&] { return pair.server.ended(); }));
    EXPECT_EQ(pair.server.end_result(), 0);
    pair.server.close();
    ASSERT_TRUE(shard.run_until([&] { return pair.client.closed && pair.server.closed; }));
  }
  EXPECT_EQ(net->streams_open(), 0U);
}

TEST_P(NetWays, ManySlicesArriveInOrder) {
  WireShard shard(GetParam());
  RingNetOptions options;
  options.socket_send_bytes = 4096;
  auto net = shard.make_net(options);
  Pair pair(shard, *net);
  // More slices than a message holds or than fit into the op's own array, of all lengths.
  std::vector<std::string> parts;
  std::string whole;
  for (std::size_t i = 0; i < 1500; ++i) {
    parts.push_back(pattern(i * 7 % 1400));
    whole += parts.back();
  }
  std::vector<Slice> slices;
  for (const std::string& part : parts) {
    slices.push_back(Slice::of(part));
  }
  for (const bool zero_copy : {false, true}) {
    pair.server.text.clear();
    pair.client.send_slices(slices.data(), static_cast<std::uint32_t>(slices.size()), zero_copy);
    ASSERT_TRUE(shard.run_until([&] {
      return pair.server.text.size() >= whole.size() && (!zero_copy || pair.client.released);
    }));
    EXPECT_TRUE(pair.server.text == whole);
    EXPECT_EQ(pair.client.send_result, static_cast<std::int32_t>(whole.size()));
  }
  // Twice for the kernel's limit on slices, and often where it leaves short sends to us.
  const std::uint64_t continued = shard.ring->stats().sends_continued;
  EXPECT_GE(continued, GetParam() == kWhole ? 20U : 2U);
}

INSTANTIATE_TEST_SUITE_P(Features, NetWays,
                         ::testing::Values(0U, kDirect, kZeroCopy, kDeferred, kReport, kWhole),
                         [](const auto& way) {
                           switch (way.param) {
                             case kDirect: return "Descriptors";
                             case kZeroCopy: return "Plain";
                             case kDeferred: return "Interrupting";
                             case kReport: return "Unreported";
                             case kWhole: return "Short";
                             default: return "All";
                           }
                         });

TEST(Net, AcceptTellsBothEndsV4AndV6) {
  WireShard shard;
  auto net = shard.make_net();
  for (const SocketAddress& address : {loopback4(), loopback6()}) {
    Pair pair(shard, *net, address);
    EXPECT_EQ(pair.raw.peer, pair.bound);
    EXPECT_EQ(pair.raw.local, net->bound_address(pair.listener));
    EXPECT_EQ(pair.raw.peer.ip, address.ip);
    EXPECT_NE(pair.raw.peer.port, 0);
    pair.client.close();
    pair.server.close();
    EXPECT_TRUE(shard.run_until([&] { return pair.client.closed && pair.server.closed; }));
  }
}

TEST(Net, ListenersShareAPortAndV6LeavesV4Alone) {
  WireShard shard;
  auto net = shard.make_net();
  const auto first = net->listen(loopback4());
  ASSERT_TRUE(first.ok());
  const SocketAddress bound = net->bound_address(*first);
  const auto second = net->listen(bound);
  ASSERT_TRUE(second.ok());
  const auto any6 = net->listen({*IpAddress::parse("::"), bound.port});
  EXPECT_TRUE(any6.ok());
  const auto bad = net->listen({IpAddress::v4(192, 0, 2, 1), 0});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, ErrorCode::address_missing);
  EXPECT_NE(bad.error().detail.find("192.0.2.1"), std::string::npos);
}

TEST(Net, ClosedListenerCancelsItsAccepts) {
  WireShard shard;
  auto net = shard.make_net();
  const auto listener = net->listen(loopback4());
  ASSERT_TRUE(listener.ok());
  std::array<AcceptOp, 3> ops;
  std::array<Ended, 3> ended;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    ops[i].bind<&Ended::on_end>(&ended[i]);
    net->accept(*listener, ops[i]);
  }
  shard.turns(2);
  net->close_listener(*listener);
  ASSERT_TRUE(shard.run_until([&] { return ended[0].done && ended[1].done && ended[2].done; }));
  for (const Ended& end : ended) {
    EXPECT_EQ(end.result, -ECANCELED);
  }
  // Its place is free again.
  EXPECT_TRUE(net->listen(loopback4()).ok());
}

TEST(Net, ConnectFailuresSayWhy) {
  WireShard shard;
  auto net = shard.make_net();
  // A port nobody listens on: one that was just given up.
  const auto listener = net->listen(loopback4());
  ASSERT_TRUE(listener.ok());
  const SocketAddress nobody = net->bound_address(*listener);
  net->close_listener(*listener);
  shard.turns(3);

  ConnectOp refused;
  Ended refused_end;
  refused.bind<&Ended::on_end>(&refused_end);
  refused.remote = nobody;
  net->connect(refused);

  ConnectOp foreign;
  Ended foreign_end;
  foreign.bind<&Ended::on_end>(&foreign_end);
  foreign.remote = nobody;
  foreign.local = IpAddress::v4(192, 0, 2, 77);
  net->connect(foreign);

  ASSERT_TRUE(shard.run_until([&] { return refused_end.done && foreign_end.done; }));
  EXPECT_EQ(refused_end.result, -ECONNREFUSED);
  EXPECT_FALSE(refused.stream.valid());
  EXPECT_EQ(foreign_end.result, -EADDRNOTAVAIL);
  EXPECT_FALSE(foreign.stream.valid());
  EXPECT_EQ(net->streams_open(), 0U);
  EXPECT_EQ(shard.ring->stats().connects_failed, 2U);
}

TEST(Net, ConnectLeavesFromTheAddressAskedFor) {
  WireShard shard;
  auto net = shard.make_net();
  const auto listener = net->listen({IpAddress::v4(127, 0, 0, 1), 0});
  ASSERT_TRUE(listener.ok());
  AcceptOp accept;
  Ended accepted;
  accept.bind<&Ended::on_end>(&accepted);
  net->accept(*listener, accept);
  ConnectOp connect;
  Ended connected;
  connect.bind<&Ended::on_end>(&connected);
  connect.remote = net->bound_address(*listener);
  connect.local = IpAddress::v4(127, 0, 0, 9);
  net->connect(connect);
  ASSERT_TRUE(shard.run_until([&] { return accepted.done && connected.done; }));
  EXPECT_EQ(connected.result, 0);
  EXPECT_EQ(connect.bound.ip, connect.local);
  EXPECT_EQ(accept.socket.peer, connect.bound);
  net->discard(accept.socket);
}

TEST(Net, CancelEndsAConnectThatHangs) {
  WireShard shard;
  RingNetOptions options;
  options.listen_backlog = 0;
  auto net = shard.make_net(options);
  const auto listener = net->listen(loopback4());
  ASSERT_TRUE(listener.ok());
  // Nobody accepts: after the backlog is full, further connects hang.
  constexpr std::size_t kConnects = 8;
  std::array<ConnectOp, kConnects> ops;
  std::array<Ended, kConnects> ended;
  for (std::size_t i = 0; i < kConnects; ++i) {
    ops[i].bind<&Ended::on_end>(&ended[i]);
    ops[i].remote = net->bound_address(*listener);
    net->connect(ops[i]);
  }
  shard.turns(20);
  for (ConnectOp& op : ops) {
    net->cancel(op);
    net->cancel(op);  // twice does no harm
  }
  ASSERT_TRUE(shard.run_until([&] {
    return std::all_of(ended.begin(), ended.end(), [](const Ended& e) { return e.done; });
  }));
  std::size_t cancelled = 0;
  for (std::size_t i = 0; i < kConnects; ++i) {
    EXPECT_EQ(ended[i].times, 1);
    if (ended[i].result == -ECANCELED) {
      ++cancelled;
      EXPECT_FALSE(ops[i].stream.valid());
    } else {
      EXPECT_EQ(ended[i].result, 0);
    }
  }
  EXPECT_GT(cancelled, 0U);
  EXPECT_EQ(net->streams_open(), kConnects - cancelled);
}

TEST(Net, FullTableRefusesWithoutLeaking) {
  WireShard shard;
  RingNetOptions options;
  options.streams_max = 2;
  auto net = shard.make_net(options);
  Pair pair(shard, *net);
  ConnectOp connect;
  Ended ended;
  connect.bind<&Ended::on_end>(&ended);
  connect.remote = net->bound_address(pair.listener);
  net->connect(connect);
  ASSERT_TRUE(shard.run_until([&] { return ended.done; }));
  EXPECT_EQ(ended.result, -ENOBUFS);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const auto adopted = net->adopt({ends[0], {}, {}});
  ASSERT_FALSE(adopted.ok());
  EXPECT_EQ(adopted.error().code, ErrorCode::no_capacity);
  char byte = 0;
  EXPECT_EQ(::read(ends[1], &byte, 1), 0);  // the refused socket was closed
  ::close(ends[1]);
}

TEST(Net, TableBeyondTheDescriptorLimitIsAnError) {
  WireShard shard;
  RingNetOptions options;
  options.streams_max = 1'000'000;
  auto made = RingNet::make(*shard.ring, options, shard.report);
  if (made.ok() && !shard.ring->has(RingFeature::direct_sockets)) {
    GTEST_SKIP() << "this kernel has no table of sockets worth using";
  }
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::no_capacity);
  EXPECT_NE(made.error().detail.find("RLIMIT_NOFILE"), std::string::npos);
}

TEST(Net, SendOfNothingCompletes) {
  WireShard shard;
  auto net = shard.make_net();
  Pair pair(shard, *net);
  const Slice empty{};
  pair.client.send_slices(&empty, 1, true);
  ASSERT_TRUE(shard.run_until([&] { return pair.client.sent && pair.client.released; }));
  EXPECT_EQ(pair.client.send_result, 0);
}

TEST(Net, ZeroCopyFromAFileMappingArrivesWhole) {
  WireShard shard;
  auto net = shard.make_net();
  Pair pair(shard, *net);
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  const std::string text = pattern(256 * 1024);
  ASSERT_EQ(::write(::fileno(file), text.data(), text.size()), static_cast<::ssize_t>(text.size()));
  void* base = ::mmap(nullptr, text.size(), PROT_READ, MAP_SHARED, ::fileno(file), 0);
  ASSERT_NE(base, MAP_FAILED);
  const std::string head = "prefix in ordinary memory";
  const Slice slices[] = {Slice::of(head), {base, text.size()}};
  pair.client.send_slices(slices, 2, true);
  ASSERT_TRUE(shard.run_until([&] {
    return pair.client.released && pair.server.text.size() >= head.size() + text.size();
  }));
  EXPECT_TRUE(pair.server.text == head + text);
  ::munmap(base, text.size());
  std::fclose(file);
}

TEST(Net, ReceivesGoOnAfterTheBuffersRanOut) {
  WireShard shard;
  RingNetOptions options;
  options.receive_buffers = 4;
  options.receive_buffer_bytes = 512;
  auto net = shard.make_net(options);
  constexpr std::size_t kPairs = 10;
  std::vector<std::unique_ptr<Pair>> pairs;
  const std::string text = pattern(20'000);
  for (std::size_t i = 0; i < kPairs; ++i) {
    pairs.push_back(std::make_unique<Pair>(shard, *net));
    pairs.back()->server.keep_chunks = true;
  }
  for (auto& pair : pairs) {
    pair->client.send_text(text);
  }
  const auto held = [&] {
    std::size_t count = 0;
    for (auto& pair : pairs) {
      count += pair->server.held.size();
    }
    return count;
  };
  // All buffers end up with the owners and everything stands still ...
  ASSERT_TRUE(shard.run_until([&] { return held() == 4; }));
  shard.turns(20);
  EXPECT_EQ(held(), 4U);
  EXPECT_GT(shard.ring->stats().buffers_exhausted, 0U);
  // ... until they give them back, one at a time.
  const bool all = shard.run_until([&] {
    for (auto& pair : pairs) {
      if (!pair->server.held.empty()) {
        net->recycle(pair->server.held.back());
        pair->server.held.pop_back();
        break;
      }
    }
    return std::all_of(pairs.begin(), pairs.end(),
                       [&](auto& p) { return p->server.received == text.size(); });
  });
  EXPECT_TRUE(all);
  for (auto& pair : pairs) {
    EXPECT_TRUE(pair->server.text == text);
    for (const ReceivedChunk& chunk : pair->server.held) {
      net->recycle(chunk);
    }
  }
}

// A stream that starved must not wait behind one that was armed first and has nothing to read.
TEST(Net, IdleStreamsDoNotKeepBuffersFromTheStarved) {
  WireShard shard;
  RingNetOptions options;
  options.receive_buffers = 1;
  options.receive_buffer_bytes = 512;
  auto net = shard.make_net(options);
  std::vector<std::unique_ptr<Pair>> pairs;
  pairs.push_back(std::make_unique<Pair>(shard, *net));
  Pair& holder = *pairs.front();
  holder.server.keep_chunks = true;
  holder.client.send_text("x");
  ASSERT_TRUE(shard.run_until([&] { return holder.server.held.size() == 1; }));
  // With no buffer at all, these starve as soon as they are armed.
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(std::make_unique<Pair>(shard, *net));
  }
  shard.turns(10);
  holder.server.keep_chunks = false;
  net->recycle(holder.server.held.front());
  // All that starve get their turn at the one buffer before the shard sleeps.
  const std::uint64_t armed = shard.ring->stats().receives_armed;
  const Instant limit = shard.driver->now().instant + Duration::seconds(10);
  for (int i = 0; i < 20 && shard.ring->stats().receives_armed < armed + 6; ++i) {
    shard.loop->turn(limit);
  }
  EXPECT_LT(shard.driver->now().instant, limit);
  pairs.back()->client.send_text("last in line");
  EXPECT_TRUE(shard.run_until([&] { return pairs.back()->server.text == "last in line"; }));
}

TEST(Net, PauseStopsThePeerAndResumeGoesOn) {
  WireShard shard;
  RingNetOptions options;
  options.socket_send_bytes = 256 * 1024;
  options.socket_receive_bytes = 128 * 1024;
  auto net = shard.make_net(options);
  Pair pair(shard, *net);
  const std::string text = pattern(4 << 20);
  for (int round = 0; round < 3; ++round) {
    pair.server.text.clear();
    pair.server.received = 0;
    net->pause(pair.server.stream);
    shard.turns(3);
    pair.client.send_text(text);
    shard.turns(50);
    EXPECT_FALSE(pair.client.sent);
    EXPECT_LT(pair.server.received, text.size() / 2);
    const std::uint64_t before = pair.server.received;
    shard.turns(20);
    EXPECT_EQ(pair.server.received, before);  // nothing trickles in while paused
    net->resume(pair.server.stream);
    // Pausing and resuming in one turn must not lose the receive either.
    net->pause(pair.server.stream);
    net->resume(pair.server.stream);
    ASSERT_TRUE(shard.run_until([&] { return pair.server.received == text.size(); }))
        << pair.server.received;
    EXPECT_TRUE(pair.server.text == text);
    ASSERT_TRUE(shard.run_until([&] { return pair.client.sent; }));
  }
}

TEST(Net, ChunksNotTakenStayUntilAskedFor) {
  WireShard shard;
  auto net = shard.make_net();
  Pair pair(shard, *net);
  pair.server.hold = true;
  pair.client.send_text("first");
  ASSERT_TRUE(shard.run_until([&] { return pair.client.sent; }));
  pair.client.send_text("second");
  ASSERT_TRUE(shard.run_until([&] { return pair.client.sent; }));
  net->shutdown_send(pair.client.stream);
  ASSERT_TRUE(shard.run_until([&] { return pair.server.ended(); }));
  std::string text;
  ReceivedChunk chunk;
  while (net->take(pair.server.receive_op(), chunk)) {
    text.append(chunk.view());
    net->recycle(chunk);
  }
  EXPECT_EQ(text, "firstsecond");
  EXPECT_EQ(pair.server.end_result(), 0);
}

TEST(Net, ShutdownWaitsForTheSendAndReceivingGoesOn) {
  WireShard shard;
  RingNetOptions options;
  options.socket_send_bytes = 256 * 1024;
  auto net = shard.make_net(options);
  Pair pair(shard, *net);
  const std::string text = pattern(4 << 20);
  pair.client.send_text(text);
  net->shutdown_send(pair.client.stream);
  ASSERT_TRUE(shard.run_until([&] { return pair.server.ended(); }));
  EXPECT_TRUE(pair.server.text == text);
  EXPECT_EQ(pair.client.send_result, static_cast<std::int32_t>(text.size()));
  pair.server.send_text("still here");
  EXPECT_TRUE(shard.run_until([&] { return pair.client.text == "still here"; }));
}

TEST(Net, ResetIsReported) {
  WireShard shard;
  RingNetOptions options;
  options.descriptors_kept_max = 1;
  auto net = shard.make_net(options);
  Pair pair(shard, *net);
  const int descriptor = net->kernel_socket(pair.client.stream);
  ASSERT_GE(descriptor, 0);
  EXPECT_EQ(net->kernel_socket(pair.server.stream), -1);
  EXPECT_EQ(local_end(descriptor), pair.bound);
  const ::linger hard{1, 0};
  ASSERT_EQ(::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
  pair.client.close();
  ASSERT_TRUE(shard.run_until([&] { return pair.server.ended(); }));
  EXPECT_EQ(pair.server.end_result(), -ECONNRESET);
  pair.server.send_text("to nobody");
  ASSERT_TRUE(shard.run_until([&] { return pair.server.sent; }));
  EXPECT_LT(pair.server.send_result, 0);
}

TEST(Net, SendToAClosedPeerFailsWithoutASignal) {
  WireShard shard;
  auto net = shard.make_net();
  Pair pair(shard, *net);
  pair.client.close();
  ASSERT_TRUE(shard.run_until([&] { return pair.client.closed && pair.server.ended(); }));
  const std::string text = pattern(1 << 20);
  std::int32_t result = 0;
  for (int i = 0; i < 100 && result >= 0; ++i) {
    pair.server.send_text(text, i % 2 == 1);
    ASSERT_TRUE(shard.run_until([&] { return pair.server.sent; }));
    ASSERT_TRUE(i % 2 == 0 || shard.run_until([&] { return pair.server.released; }));
    result = pair.server.send_result;
  }
  EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result;
}

TEST(Net, AcceptedSocketsMoveBetweenShards) {
  WireShard first;
  WireShard second;
  auto from = first.make_net();
  auto to = second.make_net();
  const auto listener = from->listen(loopback4());
  ASSERT_TRUE(listener.ok());
  AcceptOp accept;
  Ended accepted;
  accept.bind<&Ended::on_end>(&accepted);
  from->accept(*listener, accept);
  ConnectOp connect;
  Ended connected;
  connect.bind<&Ended::on_end>(&connected);
  connect.remote = from->bound_address(*listener);
  from->connect(connect);
  ASSERT_TRUE(first.run_until([&] { return accepted.done && connected.done; }));
  const auto adopted = to->adopt(accept.socket);
  ASSERT_TRUE(adopted.ok());
  Party here(*from);
  Party there(*to);
  here.start(connect.stream);
  there.start(*adopted);
  there.send_text("220 ready\r\n");
  EXPECT_TRUE(second.run_until([&] { return there.sent; }));
  EXPECT_TRUE(first.run_until([&] { return here.text == "220 ready\r\n"; }));
}

// Random sends, pauses and closes on many connections; the sum of what arrives must be what was
// sent wherever the connection ended in order.
TEST(Net, ManyConnectionsUnderRandomUse) {
  WireShard shard;
  RingNetOptions options;
  options.receive_buffers = 8;
  options.receive_buffer_bytes = 1024;
  options.socket_send_bytes = 8192;
  auto net = shard.make_net(options);
  std::minstd_rand random(42);
  const std::string text = pattern(200'000);
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < 12; ++i) {
      pairs.push_back(std::make_unique<Pair>(shard, *net));
      Pair& pair = *pairs.back();
      pair.server.keep_text = false;
      pair.client.send_text(std::string_view(text).substr(0, 1 + random() % text.size()),
                            random() % 2 == 0);
    }
    for (int step = 0; step < 200; ++step) {
      Pair& pair = *pairs[random() % pairs.size()];
      if (!pair.server.closing) {
        switch (random() % 4) {
          case 0: net->pause(pair.server.stream); break;
          case 1:
          case 2: net->resume(pair.server.stream); break;
          default:
            if (random() % 40 == 0) {
              pair.server.close();
            }
        }
      }
      shard.turns(1);
    }
    for (auto& pair : pairs) {
      if (!pair->server.closing) {
        net->resume(pair->server.stream);
      }
    }
    for (auto& pair : pairs) {
      EXPECT_TRUE(shard.run_until([&] { return pair->client.sent; }));
      EXPECT_TRUE(!pair->client.send.zero_copy ||
                  shard.run_until([&] { return pair->client.released; }));
      if (pair->client.send_result > 0 && !pair->server.closing) {
        const auto whole = static_cast<std::uint64_t>(pair->client.send_result);
        EXPECT_TRUE(shard.run_until([&] { return pair->server.received == whole; }));
      }
      pair->client.close();
      if (!pair->server.closing) {
        pair->server.close();
      }
    }
    EXPECT_TRUE(shard.run_until([&] { return net->streams_open() == 0; }));
  }
}

}  // namespace
}  // namespace ringpost
