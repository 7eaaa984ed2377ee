#include "core/app/search.h"

#include "core/schedule/queue_pattern.h"

namespace ringpost::app {

MessageSearch::MessageSearch(Loop& loop, spool::Spool& spool, PriorityView& priorities)
    : loop_(loop), spool_(spool), priorities_(priorities) {
  for (Read& read : reads_) {
    read.bind<&MessageSearch::on_read>(this);
  }
}

void MessageSearch::start(SearchRound& round, Completion& done) {
  RP_ASSERT(idle());
  round_ = &round;
  done_ = &done;
  slots_left_ = kSlotsPerRound;
  read_on();
}

void MessageSearch::read_on() {
  SearchRound& round = *round_;
  while (reading_ < kReadsAtOnce && !round.finished && slots_left_ > 0 &&
         round.examined < kMessagesPerRound && round.rows.size() < round.query.rows_max) {
    SpoolHandle handle;
    if (!spool_.next_message(round.cursor, slots_left_, handle)) {
      round.finished = slots_left_ > 0;
      break;
    }
    ++round.examined;
    for (Read& read : reads_) {
      if (!read.used) {
        read.used = true;
        read.message = handle;
        ++reading_;
        spool_.inspect(read);
        break;
      }
    }
  }
  if (reading_ == 0) {
    round_ = nullptr;
    loop_.complete(*done_, 0);
  }
}

void MessageSearch::on_read(Completion& completion) {
  auto& read = static_cast<Read&>(completion);
  if (read.result == 0) {
    collect(read);
    spool_.release(read);
  }
  read.used = false;
  --reading_;
  read_on();
}

void MessageSearch::collect(const Read& read) {
  const Envelope& envelope = read.view.envelope;
  const SearchQuery& query = round_->query;
  if (!schedule::glob_matches(query.sender, envelope.reverse_path) ||
      !schedule::glob_matches(query.job, envelope.job) ||
      !schedule::glob_matches(query.vmta, envelope.vmta)) {
    return;
  }
  for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    spool::RecipientBrief brief;
    if (!schedule::glob_matches(query.recipient, envelope.recipients[i].address) ||
        !spool_.recipient(read.message, i, brief) || brief.settled) {
      continue;
    }
    SearchRow row;
    row.priority = priorities_.priority_now(read.view.id, envelope, envelope.recipients[i]);
    if (query.priority && row.priority != *query.priority) {
      continue;
    }
    row.id = read.view.id;
    row.recipient = envelope.recipients[i].address;
    row.sender = envelope.reverse_path;
    row.vmta = envelope.vmta;
    row.job = envelope.job;
    row.received = envelope.received;
    row.size_bytes = read.view.content.size;
    row.attempts = brief.attempts;
    row.next_attempt = brief.next_attempt;
    row.under_way = brief.issued;
    round_->rows.push_back(std::move(row));
  }
}

}  // namespace ringpost::app
