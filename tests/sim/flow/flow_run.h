#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine_run.h"
#include "tests/sim/flow/receiver.h"

namespace ringpost::sim {

/// What a seed may draw.
struct FlowProfile {
  bool net_faults = true;
  bool peer_faults = true;
  bool crashes = true;
  bool commands = true;     ///< an operator pauses, resumes, deletes, hurries
  bool disk_faults = true;  ///< errors, and a full disk
  bool expiry = true;
  bool tiny = true;     ///< pools that run out
  unsigned shards = 0;  ///< 0: drawn for each life
  bool tls = true;      ///< hosts offer STARTTLS, well or badly, and some queues demand it
  bool busy = true;     ///< turns of a loop take their time; some clients come with TLS
};

struct FlowResult {
  std::uint64_t hash = 0;
  std::vector<std::string> complaints;
  std::size_t mails = 0;
  std::size_t accepted = 0;  ///< recipients
  std::size_t deliveries = 0;
  std::size_t second_deliveries = 0;
  std::size_t bounces = 0;
  std::size_t expired = 0;
  std::size_t cancelled = 0;
  std::size_t ambiguous = 0;
  std::size_t crashes = 0;
  std::size_t connections_peak = 0;
  std::size_t reports = 0;
};

/// One seed: a machine, its peers, a workload, misfortunes; then peace, until all mail has come to
/// its end, and the reckoning.
class FlowRun : private MachineRun {
 public:
  FlowRun(std::uint64_t seed, const FlowProfile& profile);
  FlowResult run();

 private:
  struct Domain {
    std::string name;
    unsigned connections_max = 0;
    std::vector<std::unique_ptr<Receiver>> hosts;
  };

  void draw_domains();
  void draw_config();
  void draw_mails();
  void draw_rate(const std::string& domain, std::string& text);
  void draw_tls(const Domain& domain, std::string& text);
  void draw_backoff(std::string& text);
  void draw_faults();
  void draw_manners(Manners& manners);
  void draw_disk_faults();
  void draw_commands();
  void draw_command();
  Mail draw_mail(std::size_t number);
  std::string draw_content(std::size_t number, unsigned vmta);
  void make_peace();

  void on_connection(const IpAddress& local, const SocketAddress& remote, int step);
  bool start();
  bool stop();
  void crash();
  void live(Duration time);
  bool finish();
  bool rest_while_paused();
  unsigned draw_shards();

  FlowProfile profile_;
  std::vector<Domain> domains_;
  std::unique_ptr<Receiver> senders_home_;  ///< where reports go
  std::vector<std::unique_ptr<Injector>> injectors_;
  bool up_ = false;
  bool at_peace_ = false;
  unsigned total_max_ = 0;
  unsigned vmta_max_[2] = {};
  unsigned recipients_max_ = 0;
  std::map<std::pair<unsigned, unsigned>, int> queue_open_;  ///< by domain and virtual MTA
  int vmta_open_[2] = {};
  int total_open_ = 0;
  FlowResult result_;
};

}  // namespace ringpost::sim
