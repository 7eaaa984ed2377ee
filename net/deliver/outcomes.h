#pragma once

#include <string_view>

#include "core/mail/job.h"
#include "net/smtp/client_action.h"

namespace ringpost::deliver {

/// What a negative reply to RCPT means for its recipient: 552 that speaks of too many recipients
/// is temporary (RFC 5321 section 4.5.3.1.10), the rest is as its first digit says.
OutcomeKind kind_of_rcpt_reply(const smtp::Reply& reply) noexcept;
/// Delivered, deferred or bounced by the reply's first digit.
OutcomeKind kind_of_reply(const smtp::Reply& reply) noexcept;

/// An outcome with code, status and text of `reply`; the text is kept in the job. Where the reply
/// is empty, `words` are the text.
Outcome make_outcome(Job& job, OutcomeKind kind, Phase phase, const smtp::Reply& reply,
                     std::string_view words);

/// Notes the reply to one recipient's RCPT; a positive one settles nothing yet.
void note_recipient_reply(Job& job, std::size_t recipient, const smtp::Reply& reply);

/// Gives every recipient that has no outcome yet the one that follows from the transaction's end.
/// `words` describe the failure where no reply does.
void note_transaction_over(Job& job, const smtp::ClientAction& over, std::string_view words);

/// Gives every recipient without an outcome this one.
void settle_pending(Job& job, const Outcome& outcome);

}  // namespace ringpost::deliver
