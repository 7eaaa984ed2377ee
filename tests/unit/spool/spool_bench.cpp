#include "tests/unit/spool/spool_bench.h"

#include <algorithm>

namespace ringpost::spool::testing {

SpoolOptions tiny_options() {
  SpoolOptions options;
  options.folder = "/spool";
  options.segment_bytes = 64 << 10;
  options.block_bytes = kSector;
  options.spare_segments = 2;
  options.spare_segments_max = 3;
  options.journal_segment_bytes = 16 << 10;
  options.journal_reserve_segments = 2;
  options.journal_max_bytes = 8 << 20;
  options.journal_batch_bytes = 4096;
  options.small_message_max = 4096;
  options.message_max = 24 << 10;
  options.head_room = 2048;
  options.stream_write = 2048;
  options.stream_gather = 8192;
  options.first_extent = 4096;
  options.batch_bytes_max = 16 << 10;
  options.chunk_bytes = 1024;
  options.chunks = 512;
  options.writers_max = 64;
  options.streams_max = 8;
  options.max_messages = 10'000;
  options.window_bytes = 8 << 10;
  options.checkpoint_bytes_per_turn = 256;
  options.retry_interval = Duration::milliseconds(200);
  return options;
}

TestMail make_mail(std::uint64_t number, std::size_t content_bytes, std::size_t recipients) {
  TestMail mail;
  mail.from = "sender" + std::to_string(number) + "@example.net";
  for (std::size_t i = 0; i < recipients; ++i) {
    mail.to.push_back("user" + std::to_string(i) + "@d" + std::to_string(i / 2) + "." +
                      std::to_string(number) + ".example");
  }
  mail.content = "Subject: " + std::to_string(number) + "\r\n\r\n";
  while (mail.content.size() + 5 < content_bytes) {
    mail.content += static_cast<char>('a' + (mail.content.size() * 7 + number) % 26);
  }
  mail.content += "\r\n.\r\n";
  return mail;
}

std::string body_of(const MessageView& view) {
  std::string text(view.prefix);
  for (const ByteRange& range : view.kept) {
    text += view.body.substr(range.begin, range.size());
  }
  return text;
}

Session::Session(sim::SimFiles& the_files, const SpoolOptions& options, TestAdmissions& admissions,
                 TestOutcomes& outcomes, std::uint64_t seed, unsigned shards, unsigned shard,
                 Now start, ReportSink* reports)
    : files(the_files),
      disk(the_files, seed),
      driver(disk, seed + 1, start),
      entropy(seed + 2),
      loop_(0, driver, mailroom_, letters_) {
  auto opened = SpoolFolder::open(disk, entropy, options.folder, shards, "4711");
  if (!opened) {
    error = opened.error();
    return;
  }
  folder = std::make_unique<SpoolFolder>(std::move(*opened));
  spool = std::make_unique<Spool>(options, folder->id(), folder->logs_of(shard),
                                  LogPorts{loop_, disk, entropy, admissions, outcomes, reports});
  auto found = spool->start();
  if (!found) {
    error = found.error();
    return;
  }
  report = *found;
  loop_.add_hook(*spool);
  stop_.bind<&Session::on_stopped>(this);
}

Session::~Session() = default;

Session::Commit& Session::submit(const TestMail& mail, std::uint64_t declared) {
  Commit& commit = commits_.emplace_back();
  commit.bind<&Commit::on_done>(&commit);
  auto begun = spool->begin(declared);
  if (!begun) {
    commit.done = true;
    commit.result = begun.error().code == ErrorCode::no_space ? -28 : -105;
    return commit;
  }
  MessageWriter& writer = **begun;
  for (std::size_t at = 0; at < mail.content.size(); at += 700) {
    if (!writer.append(std::string_view(mail.content).substr(at, 700))) {
      writer.abandon();
      commit.done = true;
      commit.result = -105;
      return commit;
    }
    if (declared > 0 || mail.content.size() > 4096) {
      turn();
    }
  }
  std::vector<Recipient> recipients;
  for (const std::string& address : mail.to) {
    const std::size_t at = recipients.size();
    recipients.push_back({address, {}, notify::kUnspecified});
    recipients[at].priority = at < mail.priorities.size() ? mail.priorities[at] : kNormalPriority;
  }
  const ByteRange kept[] = {{0, 9}, {9, static_cast<std::uint32_t>(mail.content.size())}};
  Submission submission;
  submission.envelope.reverse_path = mail.from;
  submission.signing = mail.signing;
  submission.envelope.recipients = recipients;
  submission.envelope.vmta = mail.vmta;
  submission.envelope.noted = mail.noted;
  submission.envelope.sender_rule = mail.sender_rule;
  submission.envelope.job = "job-1";
  submission.envelope.helo = "client.example";
  submission.envelope.origin = IpAddress::v4(192, 0, 2, 7);
  submission.envelope.received_at = IpAddress::v4(192, 0, 2, 25);
  submission.envelope.received = loop_.now().wall;
  submission.content.wire_bytes = static_cast<std::uint32_t>(mail.content.size());
  submission.content.size = submission.content.wire_bytes - 3;
  submission.content.dated_late = mail.dated_late;
  submission.edits.prefix = mail.prefix;
  submission.edits.kept = kept;
  writer.commit(submission, commit);
  return commit;
}

std::int32_t Session::deliver_in(const TestMail& mail, MessageId* id) {
  Commit& commit = submit(mail);
  if (!turn_until([&] { return commit.done; })) {
    return -110;
  }
  if (id != nullptr) {
    *id = commit.id;
  }
  return commit.result;
}

Session::Work& Session::plan(const Offered& offered) {
  Work& work = works_.emplace_back();
  work.job.message = offered.message;
  work.job.opened.bind<&Work::on_opened>(&work);
  work.job.settled.bind<&Work::on_settled>(&work);
  for (std::uint32_t i = 0; i < offered.count; ++i) {
    JobRecipient recipient;
    recipient.index = offered.first + i;
    recipient.attempts = offered.attempts;
    recipient.ambiguous_before = offered.ambiguous;
    work.job.recipients.push_back(recipient);
  }
  return work;
}

Session::Work& Session::issue(const Offered& offered) {
  Work& work = plan(offered);
  spool->open(work.job);
  return work;
}

Session::Work& Session::open_now(const Offered& offered) {
  Work& work = issue(offered);
  turn_until([&] { return work.opened; });
  return work;
}

void Session::settle_now(Work& work, OutcomeKind kind, std::string_view text) {
  for (JobRecipient& recipient : work.job.recipients) {
    recipient.outcome.kind = kind;
    recipient.outcome.phase = kind == OutcomeKind::expired ? Phase::queue : Phase::final_reply;
    recipient.outcome.reply_code = 250;
    recipient.outcome.text = work.job.keep_text(text);
    recipient.next_attempt = loop_.now().wall + Duration::minutes(10);
  }
  work.job.facts.host = "mx.example";
  spool->settle(work.job);
}

bool Session::stop() {
  spool->stop(stop_);
  return turn_until([&] { return stopped_; });
}

}  // namespace ringpost::spool::testing
