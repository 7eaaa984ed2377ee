#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "net/ingest/edits.h"
#include "net/ingest/session.h"

// What the engine tells the session.

namespace ringpost::ingest {
namespace {

using smtp::ServerReply;

constexpr ServerReply kNoEnvelopeRoom{452, "4.3.1", "Too many messages under way, try again later"};
constexpr ServerReply kNoRecipientRoom{452, "4.5.3", "No room for more recipients"};
constexpr ServerReply kRelayDenied{550, "5.7.1", "Relaying denied for your address"};
constexpr ServerReply kAuthRequired{530, "5.7.0", "Authentication required"};
constexpr ServerReply kNoSuchVmta{550, "5.5.0", "The rules name a virtual MTA unknown here"};
constexpr std::string_view kDefaultVmta = "{default}";
constexpr ServerReply kSenderBusy{451, "4.7.1", "Too many sessions submit mail of this sender"};
constexpr ServerReply kSuppressed{550, "5.7.1", "Nothing may be sent to this recipient"};
constexpr ServerReply kSenderDenied{550, "5.7.1", "This sender may not be named here"};
constexpr ServerReply kRecipientDenied{550, "5.7.1", "This recipient may not be named here"};
constexpr ServerReply kNoMailboxes{550, "5.1.1", "No mailboxes here; give a full address"};

/// The fields of a message that rules look at.
class SummaryFields : public FieldValues {
 public:
  SummaryFields(const smtp::ContentSummary& summary, const SourcePolicy& policy)
      : summary_(summary), policy_(policy) {}
  std::string_view value(std::string_view name) const override {
    for (const smtp::FieldMark& mark : summary_.fields) {
      if (mark.has_value && equals_ignoring_case(policy_.field_names[mark.control], name)) {
        return summary_.value_of(mark);
      }
    }
    return {};
  }

 private:
  const smtp::ContentSummary& summary_;
  const SourcePolicy& policy_;
};

}  // namespace

void IngestSession::on_hello(std::string_view name, bool) {
  helo_bytes_ = static_cast<std::uint8_t>(std::min(name.size(), helo_.size()));
  std::memcpy(helo_.data(), name.data(), helo_bytes_);
}

ServerReply IngestSession::on_mail(const smtp::MailArguments& mail) {
  if (policy_->require_auth && !engine_.authenticated()) {
    return kAuthRequired;
  }
  if (!is_allowed(mail.path.text, policy_->senders)) {
    ++shard_.stats.relay_denied;
    return kSenderDenied;
  }
  if (!count_sender(mail.path.text)) {
    ++shard_.stats.sender_busy;
    return kSenderBusy;
  }
  if (!transaction_.open(mail)) {
    ++shard_.stats.no_room;
    return kNoEnvelopeRoom;
  }
  return smtp::replies::kSenderOk;
}

ServerReply IngestSession::add_postmasters(const smtp::RcptArguments& rcpt) {
  const auto& addresses = config_->postmasters;
  if (transaction_.recipients() + addresses.size() > shard_.recipients.capacity()) {
    return kNoRecipientRoom;
  }
  for (const std::string& address : addresses) {
    smtp::RcptArguments to = rcpt;
    to.path.text = address;
    if (!transaction_.add(to)) {
      ++shard_.stats.no_room;
      return kNoRecipientRoom;
    }
  }
  return smtp::replies::kRecipientOk;
}

ServerReply IngestSession::on_rcpt(const smtp::RcptArguments& rcpt) {
  if (config_->is_for_postmasters(rcpt.path)) {
    return add_postmasters(rcpt);
  }
  if (rcpt.path.domain.empty()) {
    return kNoMailboxes;
  }
  const MailRules* rules = config_->mail_rules.get();
  if (!policy_->may_relay && !config_->is_relay_domain(rcpt.path.domain) &&
      (rules == nullptr || !rules->is_relay_address(rcpt.path.text))) {
    ++shard_.stats.relay_denied;
    return kRelayDenied;
  }
  if (rules != nullptr && rules->is_suppressed(policy_->rules, rcpt.path.text)) {
    ++shard_.stats.suppressed;
    return kSuppressed;
  }
  if (!is_allowed(rcpt.path.text, policy_->recipients)) {
    ++shard_.stats.relay_denied;
    return kRecipientDenied;
  }
  // Some may stand for several: see add_postmasters().
  if (transaction_.recipients() >= shard_.recipients.capacity() || !transaction_.add(rcpt)) {
    ++shard_.stats.no_room;
    return kNoRecipientRoom;
  }
  return smtp::replies::kRecipientOk;
}

ServerReply IngestSession::on_content_begin() {
  RP_ASSERT(writer_ == nullptr && !committing_);
  auto writer = shard_.sink.begin(transaction_.declared_bytes());
  if (!writer) {
    storage_refused_ = true;
    return storage_reply(writer.error().code);
  }
  storage_refused_ = false;
  writer_ = *writer;
  if (policy_->body_forms.any()) {
    body().start(policy_->body_forms, sign::BodyHasher::Begin::content);
  }
  return smtp::replies::kOk;
}

void IngestSession::on_content(std::string_view run) {
  tell_content(run);
  const Status status = writer_->append(run);
  if (!status) {
    storage_refused_ = true;
    engine_.refuse_content(storage_reply(status.error().code));
  } else if (policy_->body_forms.any()) {
    body().feed(run);
  }
}

void IngestSession::note_body(SigningFacts& signing) {
  const auto note = [&](sign::Canon canon, std::uint8_t form, BodyDigest& out) {
    const sign::BodyHash& hash = body().hash(canon);
    out = {hash.digest, hash.canonical_bytes};
    signing.forms = static_cast<std::uint8_t>(signing.forms | form);
  };
  if (!policy_->body_forms.any()) {
    return;
  }
  body().finish();
  if (policy_->body_forms.simple) {
    note(sign::Canon::simple, SigningFacts::kSimple, signing.simple);
  }
  if (policy_->body_forms.relaxed) {
    note(sign::Canon::relaxed, SigningFacts::kRelaxed, signing.relaxed);
  }
}

void IngestSession::on_content_end(const smtp::ContentSummary& summary) {
  const Now now = shard_.loop.now();
  tell_content_end();
  Submission submission;
  Envelope& envelope = submission.envelope;
  transaction_.fill(envelope, shard_.recipients);
  TraceFacts facts;
  facts.hostname = config_->hostname;
  facts.helo = {helo_.data(), helo_bytes_};
  facts.origin = peer_.ip;
  facts.extended = engine_.extended();
  facts.secured = engine_.secured();
  facts.authenticated = engine_.authenticated();
  facts.smtputf8 = envelope.smtputf8;
  facts.when = now.wall;
  facts.token = {shard_.token_high, ++shard_.token_low};
  facts.host_id = config_->host_id;
  facts.user = engine_.authenticated() ? std::string_view(check_op_.user) : "";
  if (shard_.recipients.added().size() == 1) {
    facts.sole_recipient = shard_.recipients.added().front().address;
  }
  const ServerReply* refusal = shard_.edits.make(summary, *policy_, *config_, facts);
  if (refusal == nullptr) {
    refusal = choose_vmtas(envelope, summary);
  }
  if (refusal != nullptr) {
    ++shard_.stats.content_refused;
    drop_writer();
    transaction_.clear();
    return engine_.complete_message(*refusal);
  }
  shard_.edits.write_prefix(summary, *policy_, facts, envelope.vmta);
  choose_return_path(envelope);
  envelope.recipients = shard_.recipients.grouped();
  envelope.job = shard_.edits.job();
  if (envelope.envelope_id.empty()) {
    envelope.envelope_id = shard_.edits.envid();
  }
  envelope.helo = facts.helo;
  envelope.reports = policy_->reports;
  envelope.noted = {summary.noted.begin(), summary.noted.size()};
  envelope.user = facts.user;
  envelope.origin = peer_.ip;
  envelope.received_at = local_;
  envelope.received = now.wall;
  submission.content = summary.info;
  submission.content.dated_late = shard_.edits.dated_late();
  submission.edits = shard_.edits.edits();
  submission.signing.options = shard_.edits.dkim_options();
  note_body(submission.signing);
  message_bytes_ = summary.info.wire_bytes;
  message_recipients_ = static_cast<std::uint32_t>(envelope.recipients.size());
  committing_ = true;
  MessageWriter* writer = writer_;
  writer_ = nullptr;
  writer->commit(submission, commit_op_);
  // All views were copied: the envelope's blocks serve others while the disk works.
  transaction_.clear();
}

// After the rules have looked at what the client said.
void IngestSession::choose_return_path(Envelope& envelope) {
  envelope.sender_rule = 0;
  if (envelope.reverse_path.empty()) {
    return;
  }
  if (const MailRules* rules = config_->mail_rules.get(); rules != nullptr) {
    envelope.sender_rule = rules->rule_key(envelope.reverse_path);
    const std::string_view own = rules->return_path(envelope.reverse_path);
    envelope.reverse_path = own.empty() ? envelope.reverse_path : own;
  }
  if (policy_->verp_default && envelope.verp[0] == 0) {
    envelope.verp = {'-', '='};
  }
  for (Recipient& recipient : shard_.recipients.added()) {
    recipient.alone = envelope.has_verp();
  }
}

// A session counts for one sender at a time, from its first MAIL to the next of another one.
bool IngestSession::count_sender(std::string_view reverse_path) {
  const MailRules* rules = config_->mail_rules.get();
  SharedCount* count = rules == nullptr ? nullptr : rules->sessions_of(reverse_path);
  if (count == sender_sessions_) {
    return true;
  }
  if (count != nullptr && !count->take()) {
    return false;
  }
  if (sender_sessions_ != nullptr) {
    sender_sessions_->give_back();
  }
  sender_sessions_ = count;
  return true;
}

// Recipients whose virtual MTA is another than the first one's carry it with them.
const ServerReply* IngestSession::choose_vmtas(Envelope& envelope,
                                               const smtp::ContentSummary& summary) {
  const std::string_view named = shard_.edits.vmta();
  envelope.vmta = named.empty() ? std::string_view(policy_->default_vmta) : named;
  const MailRules* rules = config_->mail_rules.get();
  if (rules == nullptr) {
    return nullptr;
  }
  const SummaryFields fields(summary, *policy_);
  ChoiceQuestion question;
  question.source = policy_->rules;
  question.named = named;
  question.reverse_path = envelope.reverse_path;
  question.fields = &fields;
  question.local = local_;
  bool first = true;
  for (Recipient& recipient : shard_.recipients.added()) {
    question.recipient = recipient.address;
    question.domain = recipient.domain();
    Choice choice = rules->choose(question);
    if (choice.vmta.empty()) {
      if (policy_->refuse_unknown_vmta) {
        return &kNoSuchVmta;
      }
      choice.vmta = kDefaultVmta;
    }
    if (first) {
      envelope.vmta = choice.vmta;
      first = false;
    } else if (choice.vmta != envelope.vmta) {
      recipient.vmta = choice.vmta;
    }
    recipient.pool_key = choice.pool_key;
    recipient.priority = choice.priority;
    if (choice.pool_key == 0 && rules->same_for_all(question.source, named)) {
      for (Recipient& other : shard_.recipients.added()) {
        other.priority = choice.priority;
      }
      break;
    }
  }
  return nullptr;
}

void IngestSession::on_abort(smtp::AbortReason reason) {
  if (reason == smtp::AbortReason::content_refused && !storage_refused_) {
    ++shard_.stats.content_refused;
  }
  storage_refused_ = false;
  content_told_ = 0;
  transaction_.clear();
  drop_writer();
}

// abandon() also ends a wait for room; if room_op_ is ready already, its handler still runs.
void IngestSession::drop_writer() {
  waiting_for_room_ = false;
  if (writer_ != nullptr) {
    writer_->abandon();
    writer_ = nullptr;
  }
}

}  // namespace ringpost::ingest
