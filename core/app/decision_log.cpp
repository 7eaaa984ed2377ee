#include "core/app/decision_log.h"

#include "core/app/log.h"
#include "core/app/notify_desk.h"

namespace ringpost::app {

std::string describe(const schedule::Decision& decision) {
  const std::string queue = decision.name + "/" + decision.vmta;
  return decision.kind == schedule::Decision::Kind::backoff
             ? "queue " + queue + " is in back-off mode"
             : "queue " + queue + " does not use source address " + decision.source.text();
}

std::string reason_of(const schedule::Decision& decision) {
  switch (decision.cause) {
    case schedule::Cause::command: return "an operator's command";
    case schedule::Cause::no_source: return "none of its source addresses may be used";
    case schedule::Cause::reply: break;
  }
  return "the reply '" + decision.reply + "' fits /" + decision.pattern + "/ (" + decision.place +
         ")";
}

void DecisionLog::decided(const schedule::Decision& decision) {
  const bool backoff = decision.kind == schedule::Decision::Kind::backoff;
  ++(backoff ? backoffs_begun : sources_disabled);
  std::string line = describe(decision) + ": " + reason_of(decision);
  if (decision.until.us != 0) {
    line += "; for " + std::to_string((decision.until - decision.since).whole_seconds()) + " s";
  }
  log_warning(line);
  if (notify_ != nullptr) {
    notify_->tell(decision, true, line);
  }
}

void DecisionLog::ended(const schedule::Decision& decision, std::string_view why) {
  const bool backoff = decision.kind == schedule::Decision::Kind::backoff;
  ++(backoff ? backoffs_ended : sources_enabled);
  const std::string line = "no longer so by " + std::string(why) + ": " + describe(decision);
  log_info(line);
  if (notify_ != nullptr) {
    notify_->tell(decision, false, line);
  }
}

}  // namespace ringpost::app
