#include "spool/spool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "spool/record_reader.h"
#include "tests/unit/spool/spool_fixture.h"

namespace ringpost::spool::testing {
namespace {

TEST_F(SpoolTest, CommittedMessageIsOfferedAndLentAsItCame) {
  auto run = start();
  const TestMail mail = make_mail(1, 1500, 3);
  MessageId id;
  ASSERT_EQ(0, run->deliver_in(mail, &id));
  const Offered first = take_offer(*run);
  const Offered second = take_offer(*run);
  EXPECT_EQ("d0.1.example", first.domain);
  EXPECT_EQ(2U, first.count);
  EXPECT_EQ(id, first.id);
  EXPECT_EQ("d1.1.example", second.domain);
  EXPECT_EQ(2U, second.first);
  Session::Work& work = run->open_now(first);
  ASSERT_EQ(0, work.job.opened.result);
  const MessageView& view = work.job.view;
  EXPECT_EQ(mail.prefix + mail.content, body_of(view));
  EXPECT_EQ(mail.from, view.envelope.reverse_path);
  ASSERT_EQ(3U, view.envelope.recipients.size());
  EXPECT_EQ(mail.to[2], view.envelope.recipients[2].address);
  EXPECT_EQ("client.example", view.envelope.helo);
  EXPECT_EQ("192.0.2.7", view.envelope.origin.text());
}

TEST_F(SpoolTest, ReceiptsComeOncePerRecipientHoweverTheRunEnds) {
  options_.receipts = true;
  const auto receipts = [&] {
    std::vector<std::string> names;
    for (const Accounted& record : outcomes_.records) {
      if (record.type == RecordType::received) {
        names.push_back(record.recipient);
        EXPECT_EQ("192.0.2.25", record.received_at.text());
        EXPECT_EQ(OutcomeKind::pending, record.kind);
      }
    }
    return names;
  };
  auto run = start();
  const TestMail first = make_mail(1, 500, 2);
  ASSERT_EQ(0, run->deliver_in(first));
  ASSERT_TRUE(run->turn_until([&] { return receipts().size() == 2; }));
  // The commit is on disk, what the journal was told of it is not: a start makes good for it.
  const TestMail second = make_mail(2, 500, 3);
  ASSERT_EQ(0, run->deliver_in(second));
  EXPECT_EQ(2U, receipts().size());
  cut_power(run);
  run = start();
  ASSERT_TRUE(run->turn_until([&] { return receipts().size() == 5; }));
  ASSERT_TRUE(run->stop());
  kill(run);
  options_.receipts = false;
  run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(3, 500)));
  run->settle_down();
  std::vector<std::string> wanted = first.to;
  wanted.insert(wanted.end(), second.to.begin(), second.to.end());
  EXPECT_EQ(wanted, receipts()) << "in their order, and none that nobody asks for";
}

TEST_F(SpoolTest, TheFirstAttemptIsRemembered) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 500)));
  Session::Work& work = run->open_now(take_offer(*run));
  const std::int64_t tried = run->loop().now().wall.unix_seconds();
  run->settle_now(work, OutcomeKind::deferred, "later");
  run->driver.pass(Duration::hours(3));
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  kill(run);  // found in an outcome
  run = start();
  run->settle_down();
  ASSERT_TRUE(run->stop());
  kill(run);  // found in a checkpoint
  run = start();
  const Offered again = take_offer(*run);
  EXPECT_EQ(1, again.attempts);
  run->settle_now(run->open_now(again), OutcomeKind::delivered);
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 2; }));
  for (const Accounted& record : outcomes_.records) {
    EXPECT_EQ(tried, record.first_attempt.unix_seconds());
  }
}

// What reception noted for signatures comes back with the message, over a restart too.
TEST_F(SpoolTest, FactsForSignaturesComeBack) {
  const auto same = [](const SigningFacts& a, const SigningFacts& b) {
    return a.forms == b.forms && a.simple == b.simple && a.relaxed == b.relaxed &&
           a.options == b.options;
  };
  std::vector<TestMail> mails;
  for (std::uint8_t forms = 0; forms < 4; ++forms) {
    TestMail mail = make_mail(forms, 900);
    mail.signing.forms = forms;
    if ((forms & SigningFacts::kSimple) != 0) {
      mail.signing.simple = {{1, 2, 3}, 5'000'000'000};
    }
    if ((forms & SigningFacts::kRelaxed) != 0) {
      mail.signing.relaxed = {{4, 5, 6}, 0};
    }
    mail.signing.options = forms == 2 ? "s=one" : "";
    mails.push_back(mail);
  }
  auto run = start();
  std::map<std::uint64_t, SigningFacts> facts;
  for (const TestMail& mail : mails) {
    MessageId id;
    ASSERT_EQ(0, run->deliver_in(mail, &id));
    facts[id.low] = mail.signing;
  }
  kill(run);
  run = start();
  for (std::size_t i = 0; i < mails.size(); ++i) {
    const Offered offered = take_offer(*run);
    Session::Work& work = run->open_now(offered);
    ASSERT_EQ(0, work.job.opened.result);
    EXPECT_TRUE(same(work.job.view.signing, facts.at(offered.id.low))) << offered.id.low;
    EXPECT_EQ(work.job.view.prefix, mails[0].prefix);
    run->settle_now(work, OutcomeKind::delivered, "ok");
  }
}

// A Date field that is that of the sending is written at each opening, after a restart too.
TEST_F(SpoolTest, ALateDateIsThatOfTheAttempt) {
  TestMail mail = make_mail(1, 900);
  mail.prefix = "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n";
  mail.dated_late = true;
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(mail));
  kill(run);
  run = start();
  Session::Work& work = run->open_now(take_offer(*run));
  ASSERT_EQ(0, work.job.opened.result);
  EXPECT_EQ(work.job.view.prefix.substr(0, 22), "Date: Fri, 15 Jan 2027");
  run->settle_now(work, OutcomeKind::delivered, "ok");
}

TEST_F(SpoolTest, OutcomesReachAccountingOnceAndInOrder) {
  auto run = start();
  for (std::uint64_t i = 0; i < 50; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 900)));
    Session::Work& work = run->open_now(take_offer(*run));
    run->settle_now(work, i % 2 == 0 ? OutcomeKind::delivered : OutcomeKind::bounced, "reply");
    ASSERT_TRUE(run->turn_until([&] { return work.settled; }));
  }
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 50; }));
  EXPECT_TRUE(outcomes_.consistent);
  EXPECT_EQ("sender7@example.net", outcomes_.records[7].reverse_path);
  EXPECT_EQ(OutcomeKind::bounced, outcomes_.records[7].kind);
  EXPECT_EQ("reply", outcomes_.records[7].text);
  EXPECT_EQ("mx.example", outcomes_.records[7].host);
  EXPECT_EQ(1, outcomes_.records[7].attempts);
  EXPECT_EQ(0U, run->spool->stats().messages);
}

TEST_F(SpoolTest, LargeMessagesStreamWithAndWithoutDeclaredSize) {
  auto run = start();
  for (const std::uint64_t declared : {0, 20'000, 5'000}) {
    const TestMail mail = make_mail(declared + 1, 20'000, 2);
    Session::Commit& commit = run->submit(mail, declared);
    ASSERT_TRUE(run->turn_until([&] { return commit.done; }));
    ASSERT_EQ(0, commit.result);
    Session::Work& work = run->open_now(take_offer(*run));
    ASSERT_EQ(0, work.job.opened.result);
    EXPECT_EQ(mail.prefix + mail.content, body_of(work.job.view));
  }
}

TEST_F(SpoolTest, MessageLargerThanTheSpoolTakesIsRefused) {
  auto run = start();
  EXPECT_FALSE(run->spool->begin(30 << 10).ok());
  Session::Commit& commit = run->submit(make_mail(1, 30 << 10));
  ASSERT_TRUE(run->turn_until([&] { return commit.done; }));
  EXPECT_NE(0, commit.result);
  EXPECT_EQ(0, run->deliver_in(make_mail(2, 800)));
}

TEST_F(SpoolTest, AbandonedMessagesLeaveNothingBehind) {
  auto run = start();
  run->settle_down();
  for (int i = 0; i < 100; ++i) {
    auto small = run->spool->begin(0);
    ASSERT_TRUE(small.ok());
    ASSERT_TRUE((*small)->append(std::string(500, 'x')).ok());
    (*small)->abandon();
    auto large = run->spool->begin(20'000);
    ASSERT_TRUE(large.ok()) << i << large.error().describe();
    ASSERT_TRUE((*large)->append(std::string(9'000, 'y')).ok());
    (*large)->abandon();
    run->settle_down(3);
  }
  EXPECT_EQ(0U, run->spool->stats().messages);
  ASSERT_TRUE(run->stop());
  run.reset();
  run = start();
  EXPECT_EQ(0U, run->report.messages);
}

TEST_F(SpoolTest, BatchGathersWhatIsCommittedWhileAnotherIsWritten) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(0, 600)));
  const std::uint64_t before = run->spool->stats().commits;
  std::vector<Session::Commit*> commits;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    commits.push_back(&run->submit(make_mail(i, 600)));
  }
  ASSERT_TRUE(run->turn_until([&] { return commits.back()->done; }));
  for (const Session::Commit* commit : commits) {
    EXPECT_EQ(0, commit->result);
  }
  EXPECT_LE(run->spool->stats().commits - before, 3U);
}

TEST_F(SpoolTest, CleanRestartBringsBackWhatIsUnsettledUnmarked) {
  auto run = start();
  MessageId kept;
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700), &kept));
  const Offered stays = take_offer(*run);
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  Session::Work& gone = run->open_now(take_offer(*run));
  run->settle_now(gone, OutcomeKind::delivered);
  Session::Work& deferred = run->open_now(stays);
  run->settle_now(deferred, OutcomeKind::deferred, "try later");
  ASSERT_TRUE(run->stop());
  run.reset();
  run = start();
  EXPECT_TRUE(run->report.clean);
  EXPECT_EQ(1U, run->report.messages);
  EXPECT_EQ(0U, run->report.ambiguous);
  EXPECT_EQ(0U, run->report.scanned_segments);
  const Offered again = take_offer(*run);
  EXPECT_EQ(kept, again.id);
  EXPECT_EQ(1, again.attempts);
  EXPECT_GT(again.next.us, 0);
  EXPECT_FALSE(again.ambiguous);
  Session::Work& work = run->open_now(again);
  ASSERT_EQ(0, work.job.opened.result);
  EXPECT_EQ(make_mail(1, 700).prefix + make_mail(1, 700).content, body_of(work.job.view));
}

TEST_F(SpoolTest, IssuedAndUnsettledComesBackAmbiguousAfterAKill) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  const Offered issued = take_offer(*run);
  run->open_now(issued);
  run->settle_down(5);
  kill(run);
  run = start();
  EXPECT_FALSE(run->report.clean);
  EXPECT_EQ(2U, run->report.messages);
  EXPECT_EQ(1U, run->report.ambiguous);
  std::map<MessageId, bool> ambiguous;
  for (int i = 0; i < 2; ++i) {
    const Offered offered = take_offer(*run);
    ambiguous[offered.id] = offered.ambiguous;
    Session::Work& work = run->open_now(offered);
    EXPECT_EQ(offered.ambiguous, work.job.recipients[0].ambiguous_before);
    run->settle_now(work, OutcomeKind::delivered);
  }
  EXPECT_TRUE(ambiguous[issued.id]);
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 2; }));
  for (const Accounted& record : outcomes_.records) {
    EXPECT_EQ(ambiguous[record.id], record.ambiguous);
  }
}

TEST_F(SpoolTest, ReturnedRecipientsAreNoLongerIssued) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700, 2)));
  Session::Work& work = run->open_now(take_offer(*run));
  run->settle_now(work, OutcomeKind::returned);
  ASSERT_TRUE(run->turn_until([&] { return work.settled; }));
  kill(run);
  run = start();
  EXPECT_EQ(0U, run->report.ambiguous);
  EXPECT_EQ(0, take_offer(*run).attempts);
}

TEST_F(SpoolTest, ExpiryIsSettledWithoutOpeningFirst) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  const Offered offered = take_offer(*run);
  Session::Work work;
  work.job.message = offered.message;
  work.job.settled.bind<&Session::Work::on_settled>(&work);
  work.job.recipients.push_back({});
  run->settle_now(work, OutcomeKind::expired, "too old");
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  EXPECT_EQ(OutcomeKind::expired, outcomes_.records[0].kind);
  EXPECT_EQ(0, outcomes_.records[0].attempts);
  EXPECT_EQ("user0@d0.1.example", outcomes_.records[0].recipient);
  EXPECT_EQ(0U, run->spool->stats().messages);
}

TEST_F(SpoolTest, ExpiryOfColdMailLeavesNothingBehind) {
  auto run = start();
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 700)));
  }
  ASSERT_TRUE(run->stop());
  kill(run);
  run = start();
  for (int i = 0; i < 10; ++i) {
    run->settle_now(run->plan(take_offer(*run)), OutcomeKind::expired);
  }
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 10; }));
  EXPECT_EQ(0U, run->spool->stats().messages);
  std::size_t live = 0;
  run->spool->for_each_message([&](const MessageBrief&) { ++live; });
  EXPECT_EQ(0U, live);
}

TEST_F(SpoolTest, AWalkInSmallStepsMeetsEveryLiveMessageOnce) {
  auto run = start();
  std::vector<MessageId> ids(5);
  for (std::uint64_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 700), &ids[i]));
  }
  Session::Work& work = run->open_now(take_offer(*run));
  run->settle_now(work, OutcomeKind::delivered);
  run->settle_down(5);
  std::vector<SpoolHandle> met;
  MessageCursor cursor;
  for (;;) {
    std::uint32_t budget = 1;
    SpoolHandle handle;
    if (run->spool->next_message(cursor, budget, handle)) {
      met.push_back(handle);
    } else if (budget > 0) {
      break;
    }
    ASSERT_LT(met.size(), 10U);
  }
  std::vector<SpoolHandle> live;
  for (const MessageId& id : ids) {
    SpoolHandle handle;
    if (run->spool->find(id, handle)) {
      live.push_back(handle);
    }
  }
  std::sort(met.begin(), met.end());
  std::sort(live.begin(), live.end());
  EXPECT_EQ(4U, live.size());
  EXPECT_EQ(live, met);
  RecipientBrief brief;
  ASSERT_TRUE(run->spool->recipient(live[0], 0, brief));
  EXPECT_FALSE(brief.settled);
  EXPECT_FALSE(run->spool->recipient(live[0], 1, brief));
}

TEST_F(SpoolTest, OpeningAMessageThatIsGoneSaysSo) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  const Offered offered = take_offer(*run);
  Session::Work& work = run->open_now(offered);
  run->settle_now(work, OutcomeKind::delivered);
  run->settle_down(5);
  EXPECT_EQ(-2, run->open_now(offered).job.opened.result);
}

TEST_F(SpoolTest, SegmentsAndJournalAreRecycled) {
  auto run = start();
  for (std::uint64_t i = 0; i < 600; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 2'000)));
    Session::Work& work = run->open_now(take_offer(*run));
    ASSERT_EQ(0, work.job.opened.result);
    run->settle_now(work, OutcomeKind::delivered);
    ASSERT_TRUE(run->turn_until([&] { return work.settled; }));
    outcomes_.archive_all();
  }
  run->settle_down(400);
  // 600 messages are over 20 segments' worth; a handful of files did.
  EXPECT_LE(run->spool->stats().segments, 6U);
  EXPECT_LE(run->spool->stats().journal_bytes, 6 * options_.journal_segment_bytes);
  EXPECT_GE(run->spool->stats().checkpoints, 2U);
  EXPECT_EQ(600U, outcomes_.records.size());
  EXPECT_TRUE(outcomes_.consistent);
}

// Spares of larger segments, used before or never, as an earlier configuration or an import leave
// them: they are used in the new size or go.
TEST_F(SpoolTest, ASpareThatIsNeededIsMadeAtOnce) {
  files_.faults.never_at_leisure = true;
  auto run = start();
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 2'000))) << i;
  }
  // Nothing was settled, so each of these segments was a new file.
  EXPECT_GE(run->spool->stats().segments, 6U);
  kill(run);
}

TEST_F(SpoolTest, SparesOfAnotherSizeAreNotInTheWay) {
  options_.segment_bytes = 128 << 10;
  options_.journal_segment_bytes = 32 << 10;
  auto run = start();
  run->settle_down(200);
  kill(run);
  options_.segment_bytes = 64 << 10;
  options_.journal_segment_bytes = 16 << 10;
  run = start();
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 2'000)));
    run->settle_now(run->open_now(take_offer(*run)), OutcomeKind::delivered);
    outcomes_.archive_all();
  }
  run->settle_down(400);
  std::map<std::uint64_t, unsigned> sizes;
  for (const std::string& name : files_.names("/spool/log-0000")) {
    if (name.starts_with("a-") || name.starts_with("j-")) {
      ++sizes[files_.read("/spool/log-0000/" + name).size()];
    }
  }
  EXPECT_EQ(sizes.size(), 2U);
  EXPECT_TRUE(sizes.contains(64 << 10) && sizes.contains(16 << 10));
}

TEST_F(SpoolTest, JournalStaysUntilTheArchiveHasPassedIt) {
  auto run = start();
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 600)));
    run->settle_now(run->open_now(take_offer(*run)), OutcomeKind::delivered);
  }
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 200; }));
  const std::uint64_t before = run->spool->stats().journal_bytes;
  EXPECT_GE(before, 3 * options_.journal_segment_bytes);
  ASSERT_TRUE(run->stop());
  run.reset();
  // Nothing was archived and the accounting file is gone: all of it comes again.
  outcomes_.lose_unarchived();
  EXPECT_TRUE(outcomes_.records.empty());
  run = start();
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 200; }));
  EXPECT_TRUE(outcomes_.consistent);
  outcomes_.archive_all();
  run->settle_down(300);
  EXPECT_LT(run->spool->stats().journal_bytes, before);
}

TEST_F(SpoolTest, JournalMaxStopsAcceptanceAndHalfOfItRaisesTheAlarm) {
  options_.journal_max_bytes = 6 * options_.journal_segment_bytes;
  auto run = start();
  bool alarmed = false;
  Session::Commit* refused = nullptr;
  for (std::uint64_t i = 0; i < 1000 && refused == nullptr; ++i) {
    Session::Commit& commit = run->submit(make_mail(i, 600));
    ASSERT_TRUE(run->turn_until([&] { return commit.done; }));
    if (commit.result != 0) {
      refused = &commit;
      break;
    }
    run->settle_now(run->open_now(take_offer(*run)), OutcomeKind::delivered);
    run->settle_down(3);
    alarmed = alarmed || run->spool->stats().journal_alarm;
  }
  ASSERT_NE(nullptr, refused);
  EXPECT_EQ(-28, refused->result);
  EXPECT_TRUE(alarmed);
  outcomes_.archive_all();
  ASSERT_TRUE(run->turn_until([&] { return run->spool->begin(0).ok(); }));
}

TEST_F(SpoolTest, FullAdmissionSinkIsAskedAgain) {
  admissions_.refuse_every = 2;
  auto run = start();
  for (std::uint64_t i = 0; i < 30; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 600, 6)));
  }
  ASSERT_TRUE(run->turn_until([&] { return admissions_.offered.size() == 90; }));
  std::set<std::pair<MessageId, std::uint32_t>> seen;
  for (const Offered& offered : admissions_.offered) {
    EXPECT_TRUE(seen.insert({offered.id, offered.first}).second);
  }
}

TEST_F(SpoolTest, InspectLendsWithoutIssuing) {
  auto run = start();
  MessageId id;
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700), &id));
  struct Asked : InspectOp {
    bool done = false;
    void on_done(Completion&) { done = true; }
  } op;
  op.bind<&Asked::on_done>(&op);
  ASSERT_TRUE(run->spool->find(id, op.message));
  run->spool->inspect(op);
  ASSERT_TRUE(run->turn_until([&] { return op.done; }));
  ASSERT_EQ(0, op.result);
  EXPECT_EQ("user0@d0.1.example", op.view.envelope.recipients[0].address);
  run->spool->release(op);
  std::size_t live = 0;
  run->spool->for_each_message([&](const MessageBrief& brief) {
    ++live;
    EXPECT_EQ(id, brief.id);
    EXPECT_EQ(0U, brief.issued);
  });
  EXPECT_EQ(1U, live);
  id.low += 1;
  EXPECT_FALSE(run->spool->find(id, op.message));
}

// A notification of a zero-copy send may come long after the last outcome; until the use of the
// view ends, the bytes under it stay what they were.
TEST_F(SpoolTest, WhatIsLentIsNotRecycled) {
  auto run = start();
  const TestMail mail = make_mail(1, 3'000, 2);
  ASSERT_EQ(0, run->deliver_in(mail));
  const Offered offered = take_offer(*run);
  ASSERT_EQ(2U, offered.count);
  struct Asked : InspectOp {
    bool done = false;
    void on_done(Completion&) { done = true; }
  } op;
  op.bind<&Asked::on_done>(&op);
  op.message = offered.message;
  run->spool->inspect(op);
  ASSERT_TRUE(run->turn_until([&] { return op.done; }));
  run->settle_now(run->open_now(offered), OutcomeKind::delivered);
  for (std::uint64_t i = 2; i < 200; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 2'000)));
    run->settle_now(run->open_now(take_offer(*run)), OutcomeKind::delivered);
  }
  outcomes_.archive_all();
  run->settle_down(400);
  EXPECT_EQ(mail.prefix + mail.content, body_of(op.view));
  const std::uint64_t held = run->spool->stats().segment_bytes;
  run->spool->release(op);
  run->settle_down(20);
  EXPECT_EQ(held - options_.segment_bytes, run->spool->stats().segment_bytes);
  EXPECT_EQ(0U, run->spool->stats().messages);
}

TEST_F(SpoolTest, CommitAfterTheStopIsRefusedAndHoldsNothingUp) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  auto writer = run->spool->begin(0);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->append("Subject: late\r\n\r\n.\r\n").ok());
  Completion stopped;
  struct Done {
    bool done = false;
    void on_done(Completion&) { done = true; }
  } done;
  stopped.bind<&Done::on_done>(&done);
  run->spool->stop(stopped);
  run->settle_down(5);
  const Recipient to[] = {{"a@example.com", {}, notify::kUnspecified}};
  Submission submission;
  submission.envelope.recipients = to;
  submission.content.wire_bytes = 20;
  submission.content.size = 17;
  Session::Commit commit;
  commit.bind<&Session::Commit::on_done>(&commit);
  (*writer)->commit(submission, commit);
  ASSERT_TRUE(run->turn_until([&] { return commit.done && done.done; }));
  EXPECT_EQ(-108, commit.result);
}

TEST_F(SpoolTest, SecondInstanceIsToldWhoHoldsTheSpool) {
  auto run = start();
  Session second(files_, options_, admissions_, outcomes_, 77);
  EXPECT_EQ(ErrorCode::locked, second.error.code);
  EXPECT_EQ("4711", second.error.detail);
}

TEST_F(SpoolTest, SurplusLogsAreAdoptedDrainedAndRetired) {
  auto run = start(3, 2);
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  ASSERT_TRUE(run->stop());
  run.reset();
  admissions_.offered.clear();
  run = start(1, 0);
  const Offered offered = take_offer(*run);
  EXPECT_EQ(2, offered.message.log);
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  EXPECT_EQ(0, take_offer(*run).message.log);
  run->settle_now(run->open_now(offered), OutcomeKind::delivered);
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  outcomes_.archive_all();
  ASSERT_TRUE(run->turn_until([&] {
    const auto names = files_.names("/spool/log-0002");
    return std::none_of(names.begin(), names.end(),
                        [](const std::string& name) { return name[0] == 'a'; });
  }));
  // One journal file stays: it carries the sequence, should the log ever take mail again.
  ASSERT_TRUE(run->turn_until([&] { return files_.names("/spool/log-0002").size() == 1; }));
  EXPECT_EQ('j', files_.names("/spool/log-0002")[0][0]);
}

TEST_F(SpoolTest, SteadyStateKeepsWritersWithinTheirBounds) {
  options_.writers_max = 3;
  auto run = start();
  std::vector<MessageWriter*> writers;
  for (int i = 0; i < 3; ++i) {
    auto writer = run->spool->begin(0);
    ASSERT_TRUE(writer.ok());
    writers.push_back(*writer);
  }
  const auto refused = run->spool->begin(0);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(ErrorCode::no_capacity, refused.error().code);
  writers[1]->abandon();
  EXPECT_TRUE(run->spool->begin(0).ok());
}

TEST_F(SpoolTest, PrioritiesOfGroupsSurviveAKill) {
  auto run = start();
  TestMail plain = make_mail(1, 700, 2);
  TestMail mixed = make_mail(2, 700);
  mixed.to = {"a@one.test", "b@one.test", "c@one.test", "d@two.test"};
  mixed.priorities = {0, 0, 100, 30};
  TestMail ruled = make_mail(3, 700);
  ruled.sender_rule = 0x1234567890abcdefULL;
  ruled.priorities = {51};
  for (const TestMail& mail : {plain, mixed, ruled}) {
    ASSERT_EQ(0, run->deliver_in(mail));
  }
  for (const bool killed : {false, true}) {
    if (killed) {
      kill(run);
      admissions_.offered.clear();
      run = start();
    }
    ASSERT_TRUE(run->turn_until([&] { return admissions_.offered.size() >= 5; }));
    std::map<std::uint64_t, std::vector<std::pair<std::uint32_t, int>>> told;
    for (const Offered& offered : admissions_.offered) {
      told[offered.id.low & 0xff].emplace_back(offered.first, offered.priority);
    }
    std::vector<std::vector<std::pair<std::uint32_t, int>>> all;
    for (const auto& [id, groups] : told) {
      all.push_back(groups);
    }
    using Groups = std::vector<std::pair<std::uint32_t, int>>;
    EXPECT_EQ(all, (std::vector<Groups>{{{0, 50}}, {{0, 0}, {2, 100}, {3, 30}}, {{0, 51}}}));
  }
  const Offered offered = admissions_.offered[2];
  Session::Work& work = run->open_now(offered);
  ASSERT_EQ(0, work.job.opened.result);
  EXPECT_EQ(100, work.job.view.envelope.recipients[2].priority);
}

// What an earlier revision wrote ends before the priorities, and is all of normal priority.
TEST(IndexReader, TheEndStandsForNormalPriorities) {
  const std::string groups = std::string(
      "\x02v1\x00\x02\x01\x05"
      "a.one\x03\x05"
      "b.two",
      19);
  const std::string choices("\x00\x00\x00\x00", 4);
  const std::string older = choices + std::string("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x01", 10);
  const auto read = [](const std::string& index) {
    IndexReader reader(index);
    std::vector<int> priorities;
    for (IndexGroup group; reader.next(group);) {
      priorities.push_back(group.priority);
    }
    return priorities;
  };
  for (const std::string& more : {std::string(), choices, older}) {
    EXPECT_EQ(read(groups + more), (std::vector<int>{50, 50})) << more.size();
  }
  EXPECT_EQ(read(groups + older + std::string("\x00\x64", 2)), (std::vector<int>{0, 100}));
  EXPECT_EQ(read(groups + older + "\xff\x07"), (std::vector<int>{100, 7})) << "no more than can be";
  EXPECT_EQ(read(groups + older + "\x07"), (std::vector<int>{7, 50}));
  EXPECT_TRUE(IndexReader(groups + older + "\x07\x08").receipts());
}

}  // namespace
}  // namespace ringpost::spool::testing
