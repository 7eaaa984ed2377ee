#pragma once

#include <cstdint>
#include <string>

#include "core/base/time.h"
#include "spool/recovery.h"

namespace ringpost::app {

/// One line on standard error that says how far a long command is. It renews itself some times a
/// second and is gone when the command ends; where standard error is no terminal, there is none.
class ProgressLine final : public spool::ToolProgress {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() override { clear(); }

  /// Whether anybody sees it: what a line costs to write may be saved.
  bool wanted() const { return terminal_; }
  void show(const std::string& line);
  /// Before other output; the line comes back with the next show().
  void clear();
  void on_segment(std::string_view purpose, std::uint16_t log, std::size_t done,
                  std::size_t total) override;

 private:
  bool terminal_;
  bool shown_ = false;
  Instant next_;
};

}  // namespace ringpost::app
