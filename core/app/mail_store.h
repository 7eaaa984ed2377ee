#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/deliver/mail_store.h"

namespace ringpost::app {

/// Stores mail on helper threads: in files (each in a folder of its own name first, synced, then
/// renamed; or appended to a mailbox under a lock, synced), or by giving it to a command. One per
/// shard; `worker` outlives it.
class ThreadMailStore final : public deliver::MailStore {
 public:
  explicit ThreadMailStore(Worker& worker) : worker_(worker) {}
  void store(deliver::StoreOp& op) override;

 private:
  Worker& worker_;
};

/// The content as files have it: no stuffed dots, no final dot line. `lines` ends its lines.
std::string plain_content(const Job& job, std::string_view lines);
/// Name of the mailbox of a recipient: its address in lower case, other octets than those of plain
/// names as %XX.
std::string mailbox_name(std::string_view address);
/// The words of a command line: parted by blanks outside double quotes, a doubled quote inside
/// them stands for one.
std::vector<std::string> command_words(std::string_view line);
/// The word with $from, $to, $user and $domain replaced.
std::string with_macros(std::string_view word, std::string_view from, std::string_view to,
                        bool keep_case);

/// Runs the command of a queue for each recipient without an outcome. Result as StoreOp's.
std::int32_t give_to_command(deliver::StoreOp& op);

}  // namespace ringpost::app
