#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "net/wire/ring_disk.h"
#include "net/wire/thread_worker.h"
#include "tests/unit/wire/wire_shard.h"

namespace ringpost {
namespace {

class DiskTest : public ::testing::Test {
 protected:
  DiskTest() {
    char name[] = "/tmp/ringpost-disk-XXXXXX";
    folder = ::mkdtemp(name);
    pace.rate = 1ULL << 40U;
    RingDiskOptions options;
    options.pace = &pace;
    disk = std::make_unique<RingDisk>(*shard.ring, worker, worker, options);
  }
  ~DiskTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string path(const std::string& name) const { return folder + "/" + name; }

  template <class Op>
  std::int32_t finish(Op& op, void (RingDisk::*start)(Op&)) {
    Ended ended;
    op.template bind<&Ended::on_end>(&ended);
    (disk.get()->*start)(op);
    EXPECT_TRUE(shard.run_until([&] { return ended.done; }));
    return ended.result;
  }
  std::string content(FileId file) {
    std::string bytes(static_cast<std::size_t>(*disk->size(file)), '\0');
    EXPECT_EQ(*disk->read(file, 0, bytes), bytes.size());
    return bytes;
  }

  WireShard shard;
  WorkerPool pool{2};
  ThreadWorker worker{pool, *shard.driver};
  FillPace pace;
  std::string folder;
  std::unique_ptr<RingDisk> disk;
};

TEST_F(DiskTest, VectoredWritesLandInOrder) {
  const auto file = disk->create(path("log"));
  ASSERT_TRUE(file.ok());
  std::string whole;
  std::vector<std::string> parts;
  for (std::uint32_t i = 0; i < kWriteSlicesMax; ++i) {
    parts.push_back(std::to_string(i) + ",");
    whole += parts.back();
  }
  std::vector<Slice> slices;
  for (const std::string& part : parts) {
    slices.push_back(Slice::of(part));
  }
  for (const bool durable : {false, true}) {
    WriteOp op;
    op.file = *file;
    op.offset = durable ? whole.size() : 0;
    op.slices = slices.data();
    op.slice_count = kWriteSlicesMax;
    op.durable = durable;
    EXPECT_EQ(finish(op, &RingDisk::write), static_cast<std::int32_t>(whole.size()));
  }
  SyncOp sync;
  sync.file = *file;
  EXPECT_EQ(finish(sync, &RingDisk::sync), 0);
  EXPECT_EQ(content(*file), whole + whole);
  EXPECT_EQ(shard.ring->stats().disk_writes, 2U);
  EXPECT_EQ(shard.ring->stats().disk_syncs, 1U);
  disk->close(*file);
}

TEST_F(DiskTest, SynchronousWritesAndReads) {
  const auto file = disk->create(path("f"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(disk->write_now(*file, 5, "world", true).ok());
  EXPECT_TRUE(disk->write_now(*file, 0, "hello", false).ok());
  EXPECT_EQ(content(*file), "helloworld");
  char small[4];
  EXPECT_EQ(*disk->read(*file, 8, small), 2U);  // fewer only at the end
  EXPECT_EQ(*disk->read(*file, 100, small), 0U);
  disk->close(*file);
  const auto again = disk->open(path("f"), false);
  ASSERT_TRUE(again.ok());
  EXPECT_NE(again->value, file->value);
  const Status refused = disk->write_now(*again, 0, "x", false);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().detail.find(path("f")), std::string::npos);
}

TEST_F(DiskTest, MappingSeesLaterWritesAndOutlivesTheFile) {
  const auto file = disk->create(path("m"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(disk->write_now(*file, 0, std::string(10'000, 'a'), false).ok());
  auto mapping = disk->map(*file);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ((*mapping)->bytes().size(), 10'000U);
  const std::string change = "changed";
  const Slice slice = Slice::of(change);
  WriteOp op;
  op.file = *file;
  op.offset = 5000;
  op.slices = &slice;
  op.slice_count = 1;
  ASSERT_EQ(finish(op, &RingDisk::write), static_cast<std::int32_t>(change.size()));
  EXPECT_EQ((*mapping)->bytes().substr(5000, change.size()), change);
  disk->close(*file);
  EXPECT_TRUE(disk->unlink(path("m")).ok());
  EXPECT_EQ((*mapping)->bytes().substr(0, 3), "aaa");
  PopulateOp populate;
  populate.address = (*mapping)->bytes().data() + 123;
  populate.size = 9000;
  EXPECT_EQ(finish(populate, &RingDisk::populate), 0);
  const auto empty = disk->create(path("empty"));
  ASSERT_TRUE(empty.ok());
  const auto nothing = disk->map(*empty);
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE((*nothing)->bytes().empty());
}

TEST_F(DiskTest, PopulateTellsWhatTouchingWouldKill) {
  // Behind the end of the file a touch raises SIGBUS, as it does where the medium fails.
  const auto file = disk->create(path("short"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(disk->write_now(*file, 0, std::string(100'000, 'x'), false).ok());
  auto mapping = disk->map(*file);
  ASSERT_TRUE(mapping.ok());
  ASSERT_EQ(::truncate(path("short").c_str(), 0), 0);
  PopulateOp populate;
  populate.address = (*mapping)->bytes().data();
  populate.size = 50'000;
  EXPECT_EQ(finish(populate, &RingDisk::populate), -EIO);
}

TEST_F(DiskTest, PrepareMakesZeroesAndKeepsWhereAsked) {
  PrepareOp op;
  op.path = path("segment");
  op.size = 3 * 1024 * 1024 + 17;
  ASSERT_EQ(finish(op, &RingDisk::prepare), 0);
  const auto file = disk->open(op.path, true);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(content(*file), std::string(op.size, '\0'));
  ASSERT_TRUE(disk->write_now(*file, 10, "old content", false).ok());
  op.zero = false;
  ASSERT_EQ(finish(op, &RingDisk::prepare), 0);
  EXPECT_EQ(content(*file).substr(10, 11), "old content");
  op.zero = true;
  ASSERT_EQ(finish(op, &RingDisk::prepare), 0);
  EXPECT_EQ(content(*file), std::string(op.size, '\0'));
  op.size = 70'000;
  ASSERT_EQ(finish(op, &RingDisk::prepare), 0);
  EXPECT_EQ(content(*file), std::string(op.size, '\0')) << "a longer file is cut";
}

TEST_F(DiskTest, PreparingTakesItsTimeUntilSomebodyWaits) {
  pace.rate = 1;  // a second for each step of 256 KiB, more than a minute for all
  PrepareOp wanted;
  wanted.path = path("wanted");
  wanted.size = 16 * 1024 * 1024;
  wanted.urgent = true;
  ASSERT_EQ(finish(wanted, &RingDisk::prepare), 0);
  EXPECT_EQ(pace.awaited, 0);

  PrepareOp spare;
  spare.path = path("spare");
  spare.size = 16 * 1024 * 1024;
  Ended ended;
  spare.bind<&Ended::on_end>(&ended);
  disk->prepare(spare);
  shard.turns(5);
  EXPECT_FALSE(ended.done);
  disk->hurry(spare);
  EXPECT_EQ(pace.awaited, 1);
  ASSERT_TRUE(shard.run_until([&] { return ended.done; }));
  EXPECT_EQ(ended.result, 0);
  EXPECT_EQ(pace.awaited, 0);
}

TEST_F(DiskTest, PreparedZeroesFillNoMemory) {
  PrepareOp op;
  op.path = path("segment");
  op.size = 4 * 1024 * 1024;
  ASSERT_EQ(finish(op, &RingDisk::prepare), 0);
  const int direct = ::open(op.path.c_str(), O_WRONLY | O_DIRECT);
  if (direct < 0) {
    GTEST_SKIP() << "this file system writes through the page cache only";
  }
  ::close(direct);
  const auto file = disk->open(op.path, false);
  const auto mapping = disk->map(*file);
  const std::string_view bytes = (*mapping)->bytes();
  std::vector<unsigned char> present(op.size / 4096);
  ASSERT_EQ(::mincore(const_cast<char*>(bytes.data()), bytes.size(), present.data()), 0);
  const auto pages = std::count_if(present.begin(), present.end(),
                                   [](unsigned char page) { return (page & 1) != 0; });
  EXPECT_EQ(pages, 0);
}

TEST_F(DiskTest, ShortWritesThatNeedNoSyncAreDoneAtOnce) {
  const auto file = disk->create(path("journal"));
  ASSERT_TRUE(file.ok());
  const std::string text = "written";
  const Slice slice = Slice::of(text);
  WriteOp op;
  op.file = *file;
  op.slices = &slice;
  op.slice_count = 1;
  const std::uint64_t before = shard.ring->stats().submissions;
  Ended ended;
  op.bind<&Ended::on_end>(&ended);
  disk->write(op);
  EXPECT_EQ(content(*file), text);
  EXPECT_FALSE(ended.done) << "no handler runs inside a call of the port";
  EXPECT_EQ(shard.ring->stats().submissions, before);
  EXPECT_TRUE(shard.run_until([&] { return ended.done; }));
  EXPECT_EQ(ended.result, static_cast<std::int32_t>(text.size()));
}

TEST_F(DiskTest, PrepareFailsCleanly) {
  PrepareOp nowhere;
  nowhere.path = path("no/such/folder");
  nowhere.size = 4096;
  EXPECT_EQ(finish(nowhere, &RingDisk::prepare), -ENOENT);
  // More than any file can hold: nothing may be left behind.
  PrepareOp huge;
  huge.path = path("huge");
  huge.size = std::uint64_t{1} << 60;
  const std::int32_t result = finish(huge, &RingDisk::prepare);
  EXPECT_TRUE(result == -EFBIG || result == -ENOSPC) << result;
  EXPECT_TRUE(disk->list(folder)->empty());
}

TEST_F(DiskTest, FullDiskIsReportedAsSuch) {
  auto full = disk->open("/dev/full", true);
  ASSERT_TRUE(full.ok());
  const std::string text = "anything";
  const Slice slice = Slice::of(text);
  WriteOp op;
  op.file = *full;
  op.slices = &slice;
  op.slice_count = 1;
  EXPECT_EQ(finish(op, &RingDisk::write), -ENOSPC);
  const Status now = disk->write_now(*full, 0, text, false);
  ASSERT_FALSE(now.ok());
  EXPECT_EQ(now.error().code, ErrorCode::no_space);
  EXPECT_EQ(shard.ring->stats().disk_errors, 1U);
}

TEST_F(DiskTest, NamesAndFolders) {
  EXPECT_EQ(disk->open(path("none"), true).error().code, ErrorCode::not_found);
  EXPECT_EQ(disk->list(path("none")).error().code, ErrorCode::not_found);
  EXPECT_EQ(disk->unlink(path("none")).error().code, ErrorCode::not_found);
  for (const char* name : {"b", "a", "c"}) {
    ASSERT_TRUE(disk->create(path(name)).ok());
  }
  EXPECT_EQ(disk->create(path("a")).error().code, ErrorCode::already_exists);
  EXPECT_EQ(*disk->list(folder), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(disk->rename(path("b"), path("d")).ok());
  EXPECT_EQ(disk->rename(path("b"), path("d")).error().code, ErrorCode::not_found);
  EXPECT_TRUE(disk->unlink(path("a")).ok());
  EXPECT_TRUE(disk->make_folder(path("sub")).ok());
  EXPECT_TRUE(disk->make_folder(path("sub")).ok());
  EXPECT_EQ(disk->make_folder(path("c")).error().code, ErrorCode::already_exists);
  EXPECT_TRUE(disk->sync_folder(folder).ok());
  EXPECT_EQ(disk->sync_folder(path("none")).error().code, ErrorCode::not_found);
  EXPECT_EQ(*disk->list(folder), (std::vector<std::string>{"c", "d", "sub"}));
  EXPECT_GT(*disk->free_bytes(folder), 0U);
  ASSERT_EQ(::rmdir(path("sub").c_str()), 0);
}

TEST_F(DiskTest, LockIsExclusiveAndNamesItsHolder) {
  auto held = disk->lock(path("lock"), "4711");
  ASSERT_TRUE(held.ok());
  const auto second = disk->lock(path("lock"), "4712");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::locked);
  EXPECT_EQ(second.error().detail, "4711");
  *held = nullptr;
  const auto third = disk->lock(path("lock"), "4713");
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(disk->lock(path("lock"), "x").error().detail, "4713");
}

TEST_F(DiskTest, ManyWritesAndSyncsAtOnce) {
  const auto file = disk->create(path("many"));
  ASSERT_TRUE(file.ok());
  constexpr std::size_t kWrites = 64;
  std::array<WriteOp, kWrites> writes;
  std::array<SyncOp, kWrites> syncs;
  std::array<Ended, kWrites * 2> ended;
  const std::string text(1000, 'w');
  const Slice slice = Slice::of(text);
  for (std::size_t i = 0; i < kWrites; ++i) {
    writes[i].bind<&Ended::on_end>(&ended[i * 2]);
    writes[i].file = *file;
    writes[i].offset = i * text.size();
    writes[i].slices = &slice;
    writes[i].slice_count = 1;
    writes[i].durable = i % 2 == 0;
    disk->write(writes[i]);
    syncs[i].bind<&Ended::on_end>(&ended[i * 2 + 1]);
    syncs[i].file = *file;
    disk->sync(syncs[i]);
  }
  ASSERT_TRUE(shard.run_until([&] {
    return std::all_of(ended.begin(), ended.end(), [](const Ended& e) { return e.done; });
  }));
  EXPECT_EQ(content(*file), std::string(text.size() * kWrites, 'w'));
}

// Writes under way when the port goes must not read memory that is gone after it.
TEST_F(DiskTest, GoesAwayOnlyWhenTheKernelIsDone) {
  const auto file = disk->create(path("late"));
  ASSERT_TRUE(file.ok());
  auto text = std::make_unique<std::string>(1 << 20, 'z');
  const Slice slice = Slice::of(*text);
  WriteOp op;
  Ended ended;
  op.bind<&Ended::on_end>(&ended);
  op.file = *file;
  op.slices = &slice;
  op.slice_count = 1;
  op.durable = true;
  disk->write(op);
  shard.ring->turn(Duration{});
  disk.reset();
  text->assign(text->size(), '!');
  std::ifstream in(path("late"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  // Done or cancelled, but not under way any more.
  EXPECT_EQ(bytes.find('!'), std::string::npos);
}

}  // namespace
}  // namespace ringpost
