#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace ringpost::tools {

/// How ringpost-sink behaves; filled from the command line, then read by all threads.
struct SinkOptions {
  std::string listen = "127.0.0.1:2526";
  unsigned threads = 1;
  std::string host_name = "sink.example";

  bool ehlo = true;
  bool pipelining = true;
  bool eight_bit = true;
  bool size = true;
  bool smtputf8 = true;
  bool dsn = true;
  bool enhanced_codes = true;
  bool chunking = true;
  std::uint64_t size_max = 0;  ///< octets; 0 advertises SIZE without a limit

  unsigned defer_first = 0;
  std::vector<std::string> reject_rcpt;
  std::vector<std::string> defer_rcpt;
  unsigned close_after = 0;
  unsigned drop_after_dot_percent = 0;
  unsigned drop_in_data_percent = 0;
  unsigned connections_max = 0;
  Duration latency;
  Duration reply_delay;
  std::uint64_t seed = 1;

  std::string tls;  ///< PEM of key and certificate; STARTTLS is offered with it
  std::string record;
  bool times = false;
  bool quick_acks = false;  ///< TCP acknowledges at once, always
  std::string maildir;
  unsigned stats_interval_seconds = 0;
  bool json = false;
  std::uint64_t quit_after = 0;
};

}  // namespace ringpost::tools
