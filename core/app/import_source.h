#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "core/app/cli_progress.h"
#include "spool/import.h"

namespace ringpost::app {

/// Reads what `ringpost spool export` wrote: messages.jsonl, one message a line, and a file of
/// content for each. An entry that cannot be read is told on standard error, with its line, and
/// passed over.
class ArchiveSource final : public spool::ImportSource {
 public:
  /// `progress` is told of each message read, and outlives this.
  ArchiveSource(std::string folder, ProgressLine& progress)
      : folder_(std::move(folder)), progress_(progress) {}

  /// Looks at all files once. not_found: there is no export in the folder.
  Status open();
  /// Of the spool that was exported, in hexadecimal; empty: unknown.
  const std::string& spool_id() const noexcept { return spool_id_; }
  std::uint64_t faulty() const noexcept { return faulty_; }

  std::uint64_t largest() override { return largest_; }
  Result<bool> next(spool::ImportMessage& out) override;
  void refused(const spool::ImportMessage& message, std::string_view why) override;

 private:
  void tell(const std::string& why);
  bool read_content(const std::string& name, std::uint64_t size, std::string& out);

  std::string folder_;
  ProgressLine& progress_;
  std::string spool_id_;
  std::ifstream list_;
  std::uint64_t line_ = 0;
  std::uint64_t largest_ = 0;
  std::uint64_t faulty_ = 0;
};

}  // namespace ringpost::app
