#pragma once

#include <cstdint>
#include <string>

#include "bench/tools/load_options.h"
#include "core/base/random.h"

namespace ringpost::tools {

/// A message to be sent: all that the ledger and the wire need.
struct LoadMessage {
  std::string id;
  std::string content;  ///< as the author wrote it, not dot-stuffed
  bool bdat_only = false;
  bool eight_bit = false;
  unsigned recipients = 1;
  std::uint64_t sequence = 0;
  std::uint64_t hash = 0;
};

/// Makes messages from options and a sequence number: the same seed and number give the same
/// content, and every run has ids of its own. One per thread; the fixed-size body is kept.
class MessageMaker {
 public:
  MessageMaker(const LoadOptions& options, std::uint64_t run_tag);

  /// Fills `message` anew, keeping its memory. Without `chunking` no message needs BDAT.
  void make(std::uint64_t sequence, bool chunking, LoadMessage& message);
  /// The k-th recipient of a message.
  std::string recipient(std::uint64_t sequence, unsigned k) const;

 private:
  void append_header(LoadMessage& message, const char* subject, const char* type);
  void append_body(LoadMessage& message, std::uint64_t size, Random& random);
  void make_mixed(LoadMessage& message, bool chunking, Random& random);

  const LoadOptions& options_;
  std::uint64_t run_tag_;
  std::string filler_;
};

}  // namespace ringpost::tools
