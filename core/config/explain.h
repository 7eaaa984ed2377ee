#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/config/snapshot.h"

namespace ringpost::config {

/// A value and where it was written.
struct ExplainedValue {
  std::string value;
  std::string place;    ///< "FILE:LINE", or "default"
  std::string section;  ///< "<domain *> in <virtual-mta a>"; empty for a default
};

struct ExplainedSetting {
  std::string name;
  ExplainedValue effective;
  std::vector<ExplainedValue> overridden;  ///< strongest first, the default left out
  std::string no_effect;                   ///< why nothing uses it yet; empty: it acts
};

/// What applies to the mail of a domain through a virtual MTA, and why.
struct Explanation {
  std::string domain;
  std::string queue;           ///< "NAME/VMTA"
  std::string vmta_chosen_by;  ///< what chose the virtual MTA, with its place; empty: the caller
  std::string redirected_by;  ///< where queue-to or a group renamed the queue; empty if nothing did
  bool held = false;          ///< this version must not deliver the queue
  std::vector<ExplainedSetting> queue_settings;   ///< every setting of the queue
  std::vector<ExplainedSetting> vmta_settings;    ///< over all queues of the virtual MTA
  std::vector<ExplainedSetting> sender_settings;  ///< of the rule for the sender
  std::vector<std::string> source_hosts;          ///< "ADDRESS NAME"
};

/// Errors: not_found if no virtual MTA has this name (a pool is not enough), invalid if `domain`
/// cannot be one. An empty `vmta` means the one that the rules for `sender` (may be empty) and for
/// the domain choose, else `{default}`.
Result<Explanation> explain(const Snapshot& snapshot, std::string_view domain,
                            std::string_view vmta, std::string_view sender = {});

/// Every setting of the queue of this very name, in the order of the reference.
std::vector<ExplainedSetting> explain_queue(const Snapshot& snapshot, std::string_view queue,
                                            VmtaId vmta);
/// What holds over all queues of a virtual MTA.
std::vector<ExplainedSetting> explain_vmta(const Snapshot& snapshot, VmtaId vmta);

/// A table for people: each value with its place, and below it what it overrode.
std::string render_text(const Explanation& explanation);
std::string render_json(const Explanation& explanation);

}  // namespace ringpost::config
