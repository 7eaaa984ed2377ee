#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/loop/secure_net.h"
#include "net/deliver/deliverer.h"
#include "tests/sim/world/sim_net.h"
#include "tests/sim/world/sim_tls.h"
#include "tests/sim/world/sim_world.h"

namespace ringpost::deliver {

/// How a simulated receiving host answers. A hook gets each command line (or "BANNER", or "." for
/// the end of content) and returns the reply without line end, "" for the usual one, "CLOSE" to
/// close, "SILENT" to say nothing ever again, "DRIP" for a reply that never ends.
struct HostManners {
  std::string extensions = "PIPELINING|SIZE 50000000|8BITMIME|DSN";
  /// Each connection is closed once it has brought so many octets, or would get more than so many.
  std::size_t octets_in_max = ~std::size_t{0};
  std::size_t octets_out_max = ~std::size_t{0};
  std::function<std::string(const std::string& command)> hook;
  Duration drip;  ///< between the lines of the endless reply of "DRIP"
  /// Offers STARTTLS with this certificate of the simulator (sim_tls.h); empty: does not.
  std::string certificate;
};

struct ReceivedMessage {
  std::string reverse_path;
  std::vector<std::string> recipients;
  std::string content;   ///< as it came, final dot line included; added to what came by BDAT
  bool chunked = false;  ///< it came by BDAT
  bool refused = false;  ///< by the reply to it
};

/// An SMTP server on the simulated network.
class TestHost : public LetterHandler {
 public:
  TestHost(sim::SimWorld& world, sim::SimNetwork& network, Mailroom& mailroom,
           const SocketAddress& address, HostManners manners);

  void on_letter(const Letter&, Now) override {}

  HostManners manners;
  std::vector<ReceivedMessage> messages;  ///< whole contents that came, accepted or not
  std::vector<std::string> commands;
  std::size_t connections = 0;
  std::size_t encrypted = 0;                        ///< handshakes that succeeded
  std::size_t reads_with_content_and_envelope = 0;  ///< a read held a final dot and a MAIL behind
  /// Longest run of replies sent at once, a sign of groups.
  std::size_t open_sessions() const;

 private:
  struct Session {
    TestHost* host = nullptr;
    StreamId stream;
    ReceiveOp receive;
    SecureOp secure;
    SendOp send;
    CloseOp close;
    std::string in;
    std::string out;
    std::string sending;
    Slice slice;
    Timer drip;
    bool in_content = false;
    bool in_chunk = false;
    bool mail_open = false;
    std::size_t chunk_left = 0;
    std::size_t octets_in = 0;
    std::size_t octets_out = 0;
    bool silent = false;
    bool close_after = false;
    bool closing = false;
    bool gone = false;
    bool secure_next = false;
    bool secured = false;
    ReceivedMessage message;

    void on_received(Completion&);
    void on_sent(Completion&);
    void on_secured(Completion&);
    void on_closed(Completion&) {
      gone = true;
      host->loop_.timers().disarm(drip);
    }
    void on_drip(Now now);
    void say(const std::string& reply);
    void command(const std::string& line);
    void usual_command(const std::string& line);
    void read_all();
    bool read_content();
    bool read_chunk();
    void begin_chunk(const std::string& line);
    void content_done(std::string content);
    void flush();
  };

  void on_accepted(Completion&);

  sim::SimDriver& driver_;
  sim::SimNet plain_net_;
  sim::SimTls tls_;
  SecureNet net_;
  Loop loop_;
  AcceptOp accept_;
  ListenerId listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

/// One sending shard with its Deliverer, and fakes behind every door.
class DeliverWorld : public LetterHandler,
                     public RouteSource,
                     public BodySource,
                     public WorkSource {
 public:
  explicit DeliverWorld(std::uint64_t seed = 1, DeliverOptions options = {},
                        sim::NetFaults faults = {});
  ~DeliverWorld() override;

  TestHost& add_host(const std::string& address, HostManners manners = {});
  /// Hosts of the one route, name, preference and address.
  void add_route(const std::string& name, std::uint16_t preference, const std::string& address);
  /// Queues a message to the recipients; returns its number.
  std::size_t add_message(const std::string& content, std::vector<std::string> recipients);
  bool open() { return deliverer->open_session({kQueue}, "example.org", policy, leave_until); }
  /// A session of another queue, whose mail others_queued() names.
  bool open_other() {
    return deliverer->open_session({kOther}, "example.net", policy, Instant::never());
  }
  /// Until no session is open; false if that takes more than two virtual hours.
  bool run();
  bool run_until(const std::function<bool()>& done) {
    return world.run_until(done, Duration::hours(2));
  }

  // Doors.
  void on_letter(const Letter&, Now) override {}
  void resolve(RouteQuery& query) override;
  void open(Job& job) override;
  void settle(Job&) override {}
  Job* take(QueueId queue, Now now) override;
  void finished(Job& job, Now now) override;
  void session_ended(QueueId queue, SessionEnd end, const Outcome& failure,
                     const SessionFailure& at, Now now) override;
  bool route_found(QueueId, const Route&, Now) override { return !turn_away; }
  void session_established(QueueId queue, Now now) override;
  void reply_judged(QueueId, const JudgedReply& reply, Now) override {
    judged.push_back(reply.verdict);
    judged_texts.emplace_back(std::to_string(reply.outcome.reply_code) + " " +
                              std::string(reply.text));
  }
  Duration keeps(QueueId, const IpAddress&, Duration, Now) override { return kept_for; }
  Duration expects(QueueId, const IpAddress&, IdleOthers others, Now) override {
    return others.there ? Duration{} : expected_in;
  }
  bool surplus(QueueId, const QueuePolicy&, const IpAddress&) override { return mode_changed; }

  static constexpr std::uint32_t kQueue = 3;
  static constexpr std::uint32_t kOther = 5;

  struct Message {
    std::string content;
    std::string prefix = "Received: by ringpost\r\n";
    std::vector<std::string> addresses;
    std::vector<Recipient> recipients;
    std::vector<ByteRange> kept;
    Job job;
    std::vector<Outcome> outcomes;
    std::vector<std::string> texts;
    AttemptFacts facts;
    int taken = 0;
    int finished = 0;
    bool smtputf8 = false;
    bool dot_lines = false;
  };
  struct Ended {
    SessionEnd end;
    Outcome failure;
    std::string text;
    std::uint32_t queue = kQueue;
    std::string host;
    SocketAddress remote;
  };

  sim::SimWorld world;
  sim::SimNetwork network;
  Mailroom mailroom;
  std::unique_ptr<sim::SimNet> net;
  sim::SimTls tls;
  std::unique_ptr<SecureNet> secure_net;
  std::unique_ptr<Loop> loop;
  std::unique_ptr<Deliverer> deliverer;
  std::vector<std::unique_ptr<TestHost>> hosts;
  std::shared_ptr<QueuePolicy> policy = std::make_shared<QueuePolicy>();
  std::shared_ptr<Route> route = std::make_shared<Route>();
  std::shared_ptr<Route> backup_route = std::make_shared<Route>();  ///< of policy->backup
  Outcome route_failure;
  std::deque<Message> messages;
  std::deque<std::size_t> queued;
  std::deque<std::size_t> others_queued;   ///< messages of kOther
  Duration kept_for;                       ///< WorkSource::keeps()
  Duration expected_in;                    ///< WorkSource::expects()
  Instant leave_until = Instant::never();  ///< of the sessions of kQueue
  std::vector<Ended> ended;
  std::vector<ReplyVerdict> judged;
  std::vector<std::string> judged_texts;
  bool mode_changed = false;
  bool requeues_returned = false;  ///< what goes back is taken again, as the scheduler does it
  int established = 0;
  bool turn_away = false;  ///< the mail belongs into another queue
  int open_result = 0;
  Duration open_delay = Duration::microseconds(50);

  std::string expected_content(std::size_t number) const {
    return messages[number].prefix + messages[number].content;
  }
};

}  // namespace ringpost::deliver
