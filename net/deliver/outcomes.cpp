#include "net/deliver/outcomes.h"

namespace ringpost::deliver {

namespace {

// The text behind an enhanced status code, which the outcome carries apart.
std::string_view text_without_status(const smtp::Reply& reply) {
  if (!reply.status.known() || reply.local) {
    return reply.text;
  }
  const std::size_t space = reply.text.find(' ');
  return space == std::string_view::npos ? std::string_view{} : reply.text.substr(space + 1);
}

}  // namespace

OutcomeKind kind_of_reply(const smtp::Reply& reply) noexcept {
  if (reply.positive()) {
    return OutcomeKind::delivered;
  }
  return reply.permanent() ? OutcomeKind::bounced : OutcomeKind::deferred;
}

OutcomeKind kind_of_rcpt_reply(const smtp::Reply& reply) noexcept {
  const bool too_many = reply.code == 552 && !reply.local &&
                        (!reply.status.known() || reply.status == EnhancedStatus{5, 5, 3});
  return too_many ? OutcomeKind::deferred : kind_of_reply(reply);
}

Outcome make_outcome(Job& job, OutcomeKind kind, Phase phase, const smtp::Reply& reply,
                     std::string_view words) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.phase = phase;
  outcome.reply_code = reply.local ? std::uint16_t{0} : reply.code;
  outcome.status = reply.status;
  outcome.text = job.keep_text(reply.code != 0 ? text_without_status(reply) : words);
  return outcome;
}

void note_recipient_reply(Job& job, std::size_t recipient, const smtp::Reply& reply) {
  if (reply.negative()) {
    job.recipients[recipient].outcome =
        make_outcome(job, kind_of_rcpt_reply(reply), Phase::rcpt, reply, {});
  }
}

void settle_pending(Job& job, const Outcome& outcome) {
  for (JobRecipient& recipient : job.recipients) {
    if (recipient.outcome.kind == OutcomeKind::pending) {
      recipient.outcome = outcome;
    }
  }
}

void note_transaction_over(Job& job, const smtp::ClientAction& over, std::string_view words) {
  OutcomeKind kind = OutcomeKind::deferred;
  switch (over.end) {
    case smtp::TransactionEnd::answered:
    case smtp::TransactionEnd::all_refused: kind = kind_of_reply(over.reply); break;
    case smtp::TransactionEnd::unattempted: kind = OutcomeKind::returned; break;
    case smtp::TransactionEnd::interrupted:
    case smtp::TransactionEnd::ambiguous: break;
  }
  // What came in place of a reply (out of step, or to another command) is no word on this message:
  // its code must not be taken for one.
  const bool is_answer = over.end == smtp::TransactionEnd::answered ||
                         over.end == smtp::TransactionEnd::all_refused || over.reply.code == 421;
  Outcome outcome =
      make_outcome(job, kind, over.phase, is_answer ? over.reply : smtp::Reply{}, words);
  outcome.ambiguous = over.end == smtp::TransactionEnd::ambiguous;
  settle_pending(job, outcome);
}

}  // namespace ringpost::deliver
