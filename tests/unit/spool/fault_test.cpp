// What goes wrong on a disk: torn tails, damage, foreign and newer files, errors and no room.

#include <gtest/gtest.h>

#include <algorithm>

#include "spool/format.h"
#include "spool/segment_scan.h"
#include "spool/tools.h"
#include "tests/unit/spool/spool_fixture.h"

namespace ringpost::spool::testing {
namespace {

class SpoolFault : public SpoolTest {
 protected:
  /// The acceptance segment files that hold mail, as paths.
  std::vector<std::string> files_with(SegmentKind kind) {
    std::vector<std::string> found;
    for (const std::string& name : files_.names("/spool/log-0000")) {
      const std::string path = "/spool/log-0000/" + name;
      const auto header = decode_segment_header(files_.read(path).substr(0, kSector));
      if (header && header->kind == kind) {
        found.push_back(path);
      }
    }
    std::sort(found.begin(), found.end(), [&](const auto& a, const auto& b) {
      return decode_segment_header(files_.read(a).substr(0, kSector))->ordinal <
             decode_segment_header(files_.read(b).substr(0, kSector))->ordinal;
    });
    return found;
  }
  std::string content_place(const std::string& needle, std::uint64_t& offset) {
    for (const std::string& path : files_with(SegmentKind::acceptance)) {
      const std::size_t at = files_.read(path).find(needle);
      if (at != std::string::npos) {
        offset = at;
        return path;
      }
    }
    ADD_FAILURE() << needle << " is nowhere";
    return {};
  }
  void deliver_all(Session& run, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Session::Work& work = run.open_now(take_offer(run));
      EXPECT_EQ(0, work.job.opened.result);
      run.settle_now(work, OutcomeKind::delivered);
    }
    EXPECT_TRUE(run.turn_until([&] { return run.spool->stats().unsynced_outcomes == 0; }));
  }
};

TEST_F(SpoolFault, TornLastBatchIsCutAndTheRestServed) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  kill(run);
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 2\r\n", offset);
  files_.overwrite(path, offset + 100, std::string(512, '\0'));
  run = start();
  EXPECT_EQ(1U, run->report.messages);
  EXPECT_EQ(1U, run->report.tail_cuts);
  EXPECT_FALSE(run->report.damage());
  deliver_all(*run, 1);
}

TEST_F(SpoolFault, DamageBeforeTheTailIsQuarantinedAndTheRestServed) {
  auto run = start();
  for (std::uint64_t i = 1; i <= 4; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 700)));
  }
  kill(run);
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 2\r\n", offset);
  files_.overwrite(path, offset + 100, "damage");
  run = start();
  EXPECT_EQ(3U, run->report.messages);
  EXPECT_EQ(1U, run->report.damaged_records);
  EXPECT_EQ(0U, run->report.tail_cuts);
  ASSERT_EQ(1U, run->report.notes.size());
  EXPECT_NE(std::string::npos, run->report.notes[0].find(path));
  deliver_all(*run, 3);
  // The evidence is not overwritten.
  outcomes_.archive_all();
  run->settle_down(300);
  EXPECT_NE(std::string::npos, files_.read(path).find("damage"));
}

TEST_F(SpoolFault, LostBatchBeforeTheTailIsDamage) {
  auto run = start();
  for (std::uint64_t i = 1; i <= 4; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 300)));
  }
  kill(run);
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 2\r\n", offset);
  files_.overwrite(path, offset / kSector * kSector, std::string(kSector, '\0'));
  run = start();
  EXPECT_EQ(3U, run->report.messages);
  EXPECT_EQ(1U, run->report.damaged_batches + run->report.damaged_records);
  EXPECT_TRUE(run->report.damage());
}

TEST_F(SpoolFault, DamageInASealedSegmentIsFoundBeforeTheFirstSend) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  ASSERT_TRUE(run->stop());
  kill(run);
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 1\r\n", offset);
  files_.overwrite(path, offset + 300, "damage");
  run = start();
  EXPECT_EQ(2U, run->report.messages);
  Session::Work& bad = run->open_now(take_offer(*run));
  EXPECT_EQ(-5, bad.job.opened.result);
  Session::Work& good = run->open_now(take_offer(*run));
  EXPECT_EQ(0, good.job.opened.result);
  run->settle_now(bad, OutcomeKind::bounced);
  ASSERT_TRUE(run->turn_until([&] { return bad.settled; }));
  EXPECT_EQ(-5, bad.job.settled.result);
  EXPECT_EQ(1U, run->spool->stats().quarantined);
}

TEST_F(SpoolFault, UnreadableMediumQuarantinesOnlyWhatLiesThere) {
  auto run = start();
  for (std::uint64_t i = 1; i <= 6; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 6'000)));
  }
  ASSERT_TRUE(run->stop());
  kill(run);
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 3\r\n", offset);
  run = start();
  files_.break_medium(path, offset + 4'200, 10);
  int good = 0;
  for (int i = 0; i < 6; ++i) {
    good += run->open_now(take_offer(*run)).job.opened.result == 0 ? 1 : 0;
  }
  EXPECT_GE(good, 4);
  EXPECT_LT(good, 6);
  EXPECT_EQ(6U - static_cast<unsigned>(good), run->spool->stats().quarantined);
}

TEST_F(SpoolFault, ColdMessagesArePopulatedInRuns) {
  auto run = start();
  for (std::uint64_t i = 1; i <= 8; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 600)));
  }
  ASSERT_TRUE(run->stop());
  kill(run);
  run = start();
  ASSERT_TRUE(run->turn_until([&] { return admissions_.offered.size() == 8; }));
  run->driver.slow = true;
  std::vector<Session::Work*> works;
  const std::size_t before = run->disk.waiting();
  for (int i = 0; i < 8; ++i) {
    works.push_back(&run->issue(admissions_.offered[static_cast<std::size_t>(i)]));
  }
  run->turn();
  EXPECT_EQ(1U, run->disk.waiting() - before);
  run->driver.slow = false;
  ASSERT_TRUE(run->turn_until([&] {
    return std::all_of(works.begin(), works.end(), [](const auto* w) { return w->opened; });
  }));
  EXPECT_EQ(0, works[7]->job.opened.result);
}

TEST_F(SpoolFault, StaleRecordsOfAnEarlierLifeAreNotSeen) {
  auto run = start();
  // Fill segments, settle all, archive: files are recycled with old records in them.
  for (std::uint64_t i = 0; i < 150; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 1'500)));
    run->settle_now(run->open_now(take_offer(*run)), OutcomeKind::delivered);
  }
  outcomes_.archive_all();
  run->settle_down(100);
  ASSERT_EQ(0, run->deliver_in(make_mail(500, 700)));
  kill(run);
  std::size_t stale = 0;
  for (const std::string& path : files_with(SegmentKind::acceptance)) {
    const std::string bytes = files_.read(path);
    const auto header = decode_segment_header(bytes.substr(0, kSector));
    SegmentScan scan;
    scan_bytes(bytes, *header, scan);
    stale += bytes.find("sender1") != std::string::npos ? 1 : 0;
    EXPECT_EQ(0U, scan.damaged_records + scan.damaged_batches + scan.torn);
  }
  EXPECT_GE(stale, 1U);
  run = start();
  EXPECT_EQ(1U, run->report.messages);
  Session::Work& work = run->open_now(take_offer(*run));
  EXPECT_EQ("sender500@example.net", work.job.view.envelope.reverse_path);
}

TEST_F(SpoolFault, ContentThatLooksLikeARecordIsContent) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  run->settle_down(3);
  const std::string path = files_with(SegmentKind::acceptance).front();
  // A message that carries a copy of a whole batch of this very segment.
  TestMail mail = make_mail(2, 100);
  const std::string batch = files_.read(path).substr(kSector, 2 * kSector);
  mail.content = "Subject: 2\r\n\r\n" + std::string(1000, 'p') + batch + batch + "\r\n.\r\n";
  ASSERT_EQ(0, run->deliver_in(mail));
  ASSERT_EQ(0, run->deliver_in(make_mail(3, 300)));
  kill(run);
  run = start();
  EXPECT_EQ(3U, run->report.messages);
  EXPECT_FALSE(run->report.damage());
  EXPECT_EQ(0U, run->report.tail_cuts);
}

TEST_F(SpoolFault, UnknownVersionsRefuseToStart) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  kill(run);
  const std::string path = files_with(SegmentKind::acceptance).front();
  const std::string before = files_.read(path).substr(8, 4);
  files_.overwrite(path, 8, std::string_view("\x09\0\0\0", 4));
  Session newer_segment(files_, options_, admissions_, outcomes_, 5);
  EXPECT_EQ(ErrorCode::unknown_version, newer_segment.error.code);
  EXPECT_NE(std::string::npos, newer_segment.error.detail.find(path));
  newer_segment.spool.reset();
  newer_segment.folder.reset();
  files_.overwrite(path, 8, before);
  files_.overwrite("/spool/spool", 8, std::string_view("\x09\0\0\0", 4));
  Session newer_spool(files_, options_, admissions_, outcomes_, 6);
  EXPECT_EQ(ErrorCode::unknown_version, newer_spool.error.code);
}

TEST_F(SpoolFault, LogsWithoutIdentityAreNotTakenOver) {
  start().reset();
  sim::SimDisk disk(files_, 1);
  ASSERT_TRUE(disk.unlink("/spool/spool").ok());
  Session run(files_, options_, admissions_, outcomes_, 5);
  EXPECT_EQ(ErrorCode::damaged, run.error.code);
}

TEST_F(SpoolFault, FullDiskRefusesMailAndDeliversWhatIsThere) {
  options_.journal_reserve_segments = 4;
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  run->settle_down(200);
  files_.capacity = files_.used();
  std::uint64_t accepted = 1;
  std::int32_t result = 0;
  for (std::uint64_t i = 2; i < 500 && result == 0; ++i) {
    result = run->deliver_in(make_mail(i, 2'500));
    accepted += result == 0 ? 1 : 0;
  }
  EXPECT_EQ(-28, result);
  deliver_all(*run, accepted);
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == accepted; }));
  outcomes_.archive_all();
  // Room comes back by recycling alone.
  ASSERT_TRUE(run->turn_until([&] { return run->deliver_in(make_mail(900, 700)) == 0; }, 50));
}

TEST_F(SpoolFault, FullDiskTakesMailAgainWhenSomebodyMakesRoom) {
  auto run = start();
  run->settle_down(200);
  files_.capacity = files_.used();
  std::int32_t result = 0;
  for (std::uint64_t i = 1; i < 500 && result == 0; ++i) {
    result = run->deliver_in(make_mail(i, 2'500));
  }
  EXPECT_EQ(-28, result);
  const std::uint64_t queued = run->spool->stats().messages;
  run->settle_down(100);
  EXPECT_EQ(-28, run->deliver_in(make_mail(600, 2'500)));
  EXPECT_TRUE(run->spool->may_issue());
  files_.capacity += 4 * options_.segment_bytes;
  ASSERT_TRUE(run->turn_until([&] { return run->deliver_in(make_mail(900, 700)) == 0; }, 50));
  deliver_all(*run, queued + 1);
}

TEST_F(SpoolFault, WhatIsToStayFreeStaysFree) {
  options_.min_free_bytes = 1 << 20;
  auto run = start();
  run->settle_down(200);
  files_.capacity = files_.used() + (1 << 20);
  EXPECT_EQ(0, run->deliver_in(make_mail(1, 700)));
  files_.capacity = files_.used() + (1 << 20) - 1;
  ASSERT_TRUE(run->turn_until([&] { return run->deliver_in(make_mail(2, 700)) == -28; }, 200));
  files_.capacity = ~std::uint64_t{0};
  ASSERT_TRUE(run->turn_until([&] { return run->deliver_in(make_mail(3, 700)) == 0; }, 200));
}

TEST_F(SpoolFault, ASpoolThatOnlyDeliversTakesNothing) {
  {
    auto run = start();
    ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  }
  options_.deliver_only = true;
  auto run = start();
  EXPECT_EQ(-28, run->deliver_in(make_mail(2, 700)));
  deliver_all(*run, 1);
}

// With room for the journal or for mail, but not for both, the journal has it; and with room for
// both, but not for the journal's reserve, no mail is taken.
TEST(SpoolRoom, RoomForOutcomesComesBeforeRoomForMail) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const std::uint64_t journals : {0, 1}) {
      SpoolOptions options = tiny_options();
      sim::SimFiles files(seed);
      files.capacity = kSector + options.segment_bytes + journals * options.journal_segment_bytes +
                       options.journal_segment_bytes / 2;
      TestAdmissions admissions;
      TestOutcomes outcomes;
      Session run(files, options, admissions, outcomes, seed);
      run.settle_down(100);
      EXPECT_EQ(options.journal_segment_bytes, run.spool->stats().journal_bytes);
      EXPECT_EQ(-28, run.deliver_in(make_mail(1, 700))) << seed << ", " << journals;
      EXPECT_TRUE(run.spool->may_issue());
    }
  }
}

// A flush that failed may have taken the pieces of every upload in that file with it.
TEST_F(SpoolFault, FailedFlushRefusesAllUploadsOfItsSegment) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  run->settle_down(100);
  TestMail mail = make_mail(2, 10'000);
  auto writer = run->spool->begin(10'000);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->append(mail.content).ok());
  run->settle_down(20);  // its pieces are written, not synced
  files_.faults.sync_error = 100;
  Session::Commit& other = run->submit(make_mail(3, 10'000), 10'000);
  ASSERT_TRUE(run->turn_until([&] { return other.done; }));
  EXPECT_EQ(-5, other.result);
  files_.faults = {};
  const Recipient to[] = {{"a@example.com", {}, notify::kUnspecified}};
  Submission submission;
  submission.envelope.recipients = to;
  submission.content.wire_bytes = static_cast<std::uint32_t>(mail.content.size());
  submission.content.size = submission.content.wire_bytes - 3;
  Session::Commit commit;
  commit.bind<&Session::Commit::on_done>(&commit);
  (*writer)->commit(submission, commit);
  ASSERT_TRUE(run->turn_until([&] { return commit.done; }));
  EXPECT_EQ(-5, commit.result);
}

TEST_F(SpoolFault, FailedCommitIsRefusedAndNotDeliveredAfterARestart) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  run->settle_down(100);
  files_.faults.sync_error = 100;
  Session::Commit& commit = run->submit(make_mail(2, 700));
  ASSERT_TRUE(run->turn_until([&] { return commit.done; }));
  EXPECT_EQ(-5, commit.result);
  files_.faults = {};
  // The next goes to another segment and is fine.
  EXPECT_EQ(0, run->deliver_in(make_mail(3, 700)));
  ASSERT_TRUE(run->turn_until([&] {
    return run->spool->stats().journal_errors > 0 || run->spool->stats().unsynced_outcomes == 0;
  }));
  run->settle_down(200);
  kill(run);
  run = start();
  EXPECT_EQ(2U, run->report.messages);
  EXPECT_EQ(1U, run->report.refused_dropped);
  for (int i = 0; i < 2; ++i) {
    Session::Work& work = run->open_now(take_offer(*run));
    EXPECT_NE("sender2@example.net", work.job.view.envelope.reverse_path);
  }
}

// After a flush that failed and a kill, a record may stand in the page cache and nowhere else; the
// next start finds it there, seals the segment with it, and then the power goes.
TEST_F(SpoolFault, MailThatOnlyThePageCacheHeldIsCutAfterAPowerCut) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  kill(run);
  run = start();
  EXPECT_EQ(2U, run->report.messages);
  ASSERT_TRUE(run->stop());
  cut_power(run);
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 2\r\n", offset);
  files_.overwrite(path, offset / kSector * kSector, std::string(kSector, '\0'));
  run = start();
  EXPECT_EQ(0U, run->report.scanned_segments);
  EXPECT_EQ(1U, run->report.messages);
  EXPECT_EQ(1U, run->report.tail_cuts);
  EXPECT_FALSE(run->report.damage());
  deliver_all(*run, 1);
}

// The same of an outcome: it was read back and accounted, so it must outlast the power cut.
TEST_F(SpoolFault, OutcomeThatOnlyThePageCacheHeldIsMadeSureBeforeItIsAccounted) {
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  ASSERT_EQ(0, run->deliver_in(make_mail(2, 700)));
  Session::Work& first = run->open_now(take_offer(*run));
  run->settle_down(100);
  files_.faults.sync_error = 100;
  run->settle_now(first, OutcomeKind::delivered);
  ASSERT_TRUE(run->turn_until([&] { return run->spool->stats().journal_errors > 0; }));
  kill(run);
  files_.faults = {};
  run = start();
  EXPECT_EQ(1U, run->report.messages);
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  cut_power(run);
  run = start();
  EXPECT_EQ(1U, run->report.messages);
  EXPECT_EQ(0U, run->report.lost_outcomes);
  EXPECT_EQ("sender2@example.net", run->open_now(take_offer(*run)).job.view.envelope.reverse_path);
}

TEST_F(SpoolFault, SequencesGoOnBehindTheArchiveWhenTheJournalIsLost) {
  auto run = start();
  ASSERT_TRUE(run->stop());
  run.reset();
  sim::SimDisk disk(files_, 1);
  for (const std::string& path : files_with(SegmentKind::journal)) {
    ASSERT_TRUE(disk.unlink(path).ok());
  }
  outcomes_.archive[0] = outcomes_.last_sequence[0] = 5'000;
  run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  deliver_all(*run, 1);
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  EXPECT_LT(5'000U, outcomes_.records[0].sequence);
  EXPECT_TRUE(outcomes_.consistent);
}

TEST_F(SpoolFault, AnAttemptIsMarkedEvenIfThePowerGoesAtOnce) {
  options_.settle_sync_interval = Duration::hours(1);
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700)));
  run->settle_down(100);
  EXPECT_TRUE(run->open_now(take_offer(*run)).opened);
  cut_power(run);
  run = start();
  EXPECT_EQ(1U, run->report.ambiguous);
  EXPECT_TRUE(take_offer(*run).ambiguous);
}

TEST_F(SpoolFault, AfterAJournalErrorNothingIsIssuedUntilOutcomesAreSafeElsewhere) {
  auto run = start();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 700)));
  }
  run->settle_down(100);
  Session::Work& first = run->open_now(take_offer(*run));
  run->settle_now(first, OutcomeKind::delivered);
  ASSERT_TRUE(run->turn_until([&] { return first.settled; }));
  files_.faults.sync_error = 100;
  ASSERT_TRUE(run->turn_until([&] { return run->spool->stats().journal_errors > 0; }));
  EXPECT_FALSE(run->spool->may_issue());
  Session::Work& waiting = run->issue(take_offer(*run));
  run->settle_down(10);
  EXPECT_FALSE(waiting.opened);
  EXPECT_EQ(1U, run->spool->stats().waiting_opens);
  files_.faults = {};
  ASSERT_TRUE(run->turn_until([&] { return waiting.opened; }));
  EXPECT_EQ(0, waiting.job.opened.result);
  EXPECT_TRUE(run->spool->may_issue());
  ASSERT_TRUE(run->turn_until([&] { return outcomes_.records.size() == 1; }));
  cut_power(run);
  run = start();
  EXPECT_EQ(2U, run->report.messages);
  EXPECT_EQ(0U, run->report.lost_outcomes);
}

TEST_F(SpoolFault, TooManyUnsyncedOutcomesHoldBackNewJobs) {
  options_.unsettled_max = 4;
  options_.settle_sync_interval = Duration::hours(1);
  auto run = start();
  for (std::uint64_t i = 0; i < 6; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 400)));
  }
  run->settle_down(100);
  std::vector<Session::Work*> works;
  for (int i = 0; i < 4; ++i) {
    works.push_back(&run->open_now(take_offer(*run)));
  }
  for (Session::Work* work : works) {
    EXPECT_TRUE(run->spool->may_issue());
    run->settle_now(*work, OutcomeKind::delivered);
  }
  EXPECT_FALSE(run->spool->may_issue());
}

TEST_F(SpoolFault, DamagedJournalIsReportedAndItsMailComesBack) {
  auto run = start();
  for (std::uint64_t i = 0; i < 4; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 500)));
    run->settle_now(run->open_now(take_offer(*run)), OutcomeKind::delivered);
    ASSERT_TRUE(run->turn_until([&] { return run->spool->stats().unsynced_outcomes == 0; }));
  }
  kill(run);
  for (const std::string& path : files_with(SegmentKind::journal)) {
    const std::size_t at = files_.read(path).find("sender1@example.net");
    if (at != std::string::npos) {
      files_.overwrite(path, at, "SENDER");
    }
  }
  run = start();
  EXPECT_GE(run->report.lost_outcomes, 1U);
  EXPECT_TRUE(run->report.damage());
  EXPECT_EQ(1U, run->report.messages);
  EXPECT_EQ("sender1@example.net", run->open_now(take_offer(*run)).job.view.envelope.reverse_path);
}

TEST_F(SpoolFault, CheckFindsDamageAndStatCounts) {
  auto run = start();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(0, run->deliver_in(make_mail(i, 700, 2)));
  }
  {
    sim::SimDisk disk(files_, 1);
    const auto refused = stat(disk, "/spool");
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(ErrorCode::locked, refused.error().code);
    EXPECT_NE(std::string::npos, refused.error().detail.find("4711"));
  }
  ASSERT_TRUE(run->stop());
  kill(run);
  sim::SimDisk disk(files_, 1);
  const auto figures = stat(disk, "/spool");
  ASSERT_TRUE(figures.ok()) << figures.error().describe();
  EXPECT_EQ(3U, figures->total.messages);
  EXPECT_EQ(6U, figures->total.recipients);
  EXPECT_EQ(2U, figures->logs[0].domains.at("d0.2.example"));
  auto checked = check(disk, "/spool");
  ASSERT_TRUE(checked.ok());
  EXPECT_FALSE(checked->total.damage());
  std::uint64_t offset = 0;
  const std::string path = content_place("Subject: 2\r\n", offset);
  files_.overwrite(path, offset + 60, "damage");
  checked = check(disk, "/spool");
  ASSERT_TRUE(checked.ok());
  EXPECT_EQ(1U, checked->total.damaged_records);
  ASSERT_EQ(1U, checked->total.notes.size());
}

TEST_F(SpoolFault, ToolsTellHowFarTheyAre) {
  struct Teller : ToolProgress {
    void on_segment(std::string_view purpose, std::uint16_t, std::size_t done,
                    std::size_t total) override {
      EXPECT_LT(done, total) << purpose;
      ++told[std::string(purpose)];
    }
    std::map<std::string, int> told;
  };
  auto run = start();
  ASSERT_EQ(0, run->deliver_in(make_mail(1, 700, 2)));
  ASSERT_TRUE(run->stop());
  kill(run);
  sim::SimDisk disk(files_, 1);
  Teller teller;
  ASSERT_TRUE(check(disk, "/spool", &teller));
  EXPECT_EQ(1, teller.told["reading summaries"]);
  EXPECT_EQ(1, teller.told["reading messages"]);
  ASSERT_TRUE(export_messages(disk, "/spool", "/out", &teller));
  EXPECT_EQ(1, teller.told["exporting"]);
}

TEST_F(SpoolFault, ExportWritesMessagesAsTheyWouldBeSent) {
  auto run = start();
  TestMail mail = make_mail(1, 100, 2);
  mail.content = "Subject: 1\r\n\r\n..leading dot\r\nlast\r\n.\r\n";
  MessageId id;
  ASSERT_EQ(0, run->deliver_in(mail, &id));
  ASSERT_TRUE(run->stop());
  kill(run);
  sim::SimDisk disk(files_, 1);
  const auto done = export_messages(disk, "/spool", "/out");
  ASSERT_TRUE(done.ok()) << done.error().describe();
  EXPECT_EQ(1U, done->messages);
  EXPECT_EQ(2U, done->recipients);
  EXPECT_EQ(mail.prefix + "Subject: 1\r\n\r\n.leading dot\r\nlast\r\n",
            files_.read("/out/" + id.text() + ".eml"));
  const std::string list = files_.read("/out/messages.jsonl");
  EXPECT_NE(std::string::npos, list.find("\"from\":\"sender1@example.net\""));
  EXPECT_NE(std::string::npos, list.find("\"address\":\"user1@d0.1.example\""));
  EXPECT_EQ('\n', list.back());
  const auto again = export_messages(disk, "/spool", "/out");
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(ErrorCode::already_exists, again.error().code);
}

}  // namespace
}  // namespace ringpost::spool::testing
