#include "core/schedule/leases.h"

#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace ringpost::schedule {
namespace {

/// Books of several shards and the letters between them, in order for each pair.
struct Books {
  struct Port : LeaseTransport {
    bool send(unsigned shard, const LeaseMessage& message) override {
      if (all->full) {
        return false;
      }
      all->letters[from][shard].push_back(message);
      return true;
    }
    Books* all = nullptr;
    unsigned from = 0;
  };

  explicit Books(unsigned shards) : letters(shards), ports(shards) {
    for (unsigned i = 0; i < shards; ++i) {
      letters[i].resize(shards);
      ports[i].all = this;
      ports[i].from = i;
      books.push_back(std::make_unique<LeaseBook>(i, shards));
    }
  }
  LeaseBook& operator[](unsigned shard) { return *books[shard]; }
  bool deliver(unsigned from, unsigned to) {
    if (letters[from][to].empty()) {
      return false;
    }
    const LeaseMessage message = letters[from][to].front();
    letters[from][to].pop_front();
    books[to]->on_message(message, from);
    return true;
  }
  void flush() {
    for (unsigned i = 0; i < books.size(); ++i) {
      books[i]->flush(ports[i]);
    }
  }
  void settle() {
    bool any = true;
    for (int rounds = 0; any && rounds < 10'000; ++rounds) {
      flush();
      any = false;
      for (unsigned from = 0; from < books.size(); ++from) {
        any = any || !books[from]->quiet();
        for (unsigned to = 0; to < books.size(); ++to) {
          any = deliver(from, to) || any;
        }
      }
    }
    ASSERT_FALSE(any) << "the shards never stop talking";
  }

  std::vector<std::vector<std::deque<LeaseMessage>>> letters;
  std::vector<Port> ports;
  std::vector<std::unique_ptr<LeaseBook>> books;
  bool full = false;
};

/// Serves whoever waits at a scope; gives how many got a unit.
int serve(LeaseBook& book, Scope& scope) {
  int served = 0;
  while (book.next_open() == &scope) {
    Waiter& waiter = *scope.head();
    waiter.place->remove(waiter);
    waiter.place = nullptr;
    waiter.ticket = 0;
    book.take(scope);
    ++served;
  }
  return served;
}

TEST(Leases, UnlimitedNeedsNoMessages) {
  Books books(2);
  Scope& scope = books[0].scope(3, 0, 1);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(LeaseBook::has_room(scope, false));
    books[0].take(scope);
  }
  EXPECT_TRUE(books[0].quiet());
}

TEST(Leases, SmallLimitsGoUnitByUnitAndInTurnOverShards) {
  Books books(2);
  Scope& a = books[0].scope(2, 1, 1);
  Scope& b = books[1].scope(2, 1, 1);
  EXPECT_FALSE(a.leased);
  Waiter on_a[2];
  Waiter on_b;
  books[0].wait(a, on_a[0], false);
  books[0].wait(a, on_a[1], false);
  books.settle();
  EXPECT_EQ(serve(books[0], a), 1);
  books[1].wait(b, on_b, false);
  books.settle();
  EXPECT_EQ(serve(books[1], b), 0);
  EXPECT_GT(a.pressure(), 0u);
  // Freed units go to the shards in the order in which they asked.
  books[0].release(a);
  books.settle();
  EXPECT_EQ(serve(books[0], a) + serve(books[1], b), 1);
  (a.used > 0 ? books[0].release(a) : books[1].release(b));
  books.settle();
  EXPECT_EQ(serve(books[0], a) + serve(books[1], b), 1);
  EXPECT_EQ(a.waiters() + b.waiters(), 0u);
}

TEST(Leases, UnusedLeasesAreRecalledForOthers) {
  Books books(2);
  Scope& a = books[0].scope(2, 16, 1);
  Scope& b = books[1].scope(2, 16, 1);
  ASSERT_TRUE(a.leased);
  std::vector<Waiter> on_a(16);
  for (Waiter& waiter : on_a) {
    books[0].wait(a, waiter, false);
  }
  books.settle();
  EXPECT_EQ(serve(books[0], a), 16);
  std::vector<Waiter> on_b(8);
  for (Waiter& waiter : on_b) {
    books[1].wait(b, waiter, false);
  }
  books.settle();
  EXPECT_EQ(serve(books[1], b), 0);
  EXPECT_GT(a.debt, 0u);
  int got = 0;
  for (int i = 0; i < 8; ++i) {
    books[0].release(a);
    books.settle();
    got += serve(books[1], b);
  }
  EXPECT_GE(got, 7) << "the poorer shard comes up to the other's share";
  EXPECT_LE(books[0].granted(2), 16u);
}

TEST(Leases, QueuesWithoutAnyConnectionAreServedBeforeThoseThatGrow) {
  Books books(1);
  Scope& scope = books[0].scope(9, 4, 1);
  Waiter first[4];
  for (Waiter& waiter : first) {
    books[0].wait(scope, waiter, false);
  }
  books.settle();
  ASSERT_EQ(serve(books[0], scope), 4);
  Waiter growing;
  Waiter starving;
  books[0].wait(scope, growing, true);
  EXPECT_EQ(scope.pressure(), 0u) << "who has one asks nobody to give up theirs";
  books[0].wait(scope, starving, false);
  EXPECT_EQ(scope.pressure(), 1u);
  EXPECT_EQ(scope.head(), &starving);
  EXPECT_FALSE(LeaseBook::has_room(scope, false));
}

TEST(Leases, ReloadLowersRaisesAndLiftsALimit) {
  Books books(2);
  Scope& a = books[0].scope(2, 10, 1);
  Scope& b = books[1].scope(2, 10, 1);
  std::vector<Waiter> on_a(8);
  for (Waiter& waiter : on_a) {
    books[0].wait(a, waiter, false);
  }
  books.settle();
  ASSERT_EQ(serve(books[0], a), 8);
  books[0].scope(2, 4, 2);
  books[1].scope(2, 4, 2);
  books.settle();
  std::vector<Waiter> on_b(6);
  for (Waiter& waiter : on_b) {
    books[1].wait(b, waiter, false);
  }
  for (int open = 8; open > 4; --open) {
    books.settle();
    ASSERT_EQ(serve(books[1], b), 0) << open;
    books[0].release(a);
  }
  books[0].release(a);
  books.settle();
  EXPECT_EQ(serve(books[1], b), 1);
  books[0].scope(2, 0, 3);
  books[1].scope(2, 0, 3);
  books.settle();
  EXPECT_EQ(serve(books[1], b), 5);
  books[0].scope(2, 12, 4);
  books[1].scope(2, 12, 4);
  books.settle();
  EXPECT_EQ(a.used + b.used, 9u);
  EXPECT_GE(books[0].granted(2), 9u) << "what was open under no limit counts under the new one";
  EXPECT_LE(books[0].granted(2), 12u);
}

// A lowered limit: what is open closes, and nothing opens in its place before the owner says so.
TEST(Leases, WhatWasHeldUnderAHigherLimitIsNotUsedAgain) {
  Books books(2);
  Scope& a = books[0].scope(2, 40, 1);
  Scope& b = books[1].scope(2, 40, 1);
  std::vector<Waiter> first(30);
  for (std::size_t i = 0; i < first.size(); ++i) {
    books[i % 2].wait(i % 2 == 0 ? a : b, first[i], false);
  }
  books.settle();
  ASSERT_EQ(serve(books[0], a) + serve(books[1], b), 30);
  books[0].scope(2, 16, 2);
  books[1].scope(2, 16, 2);
  ASSERT_TRUE(a.leased && b.leased);
  Waiter more;
  books[1].wait(b, more, true);
  for (int open = 30; open >= 16; --open) {
    EXPECT_EQ(serve(books[1], b), 0) << open;
    const bool here = b.used > 0;
    books[here ? 1 : 0].release(here ? b : a);
    EXPECT_EQ(serve(books[1], b), 0) << open;
    books.settle();
  }
  ASSERT_EQ(a.used + b.used, 15u);
  EXPECT_EQ(serve(books[1], b), 1);
}

// The same where connections to a mail host were open before there was any limit for it.
TEST(Leases, WhatWasOpenBeforeAHostHadALimitGoesBackAsItCloses) {
  Books books(2);
  for (int i = 0; i < 30; ++i) {
    books[i % 2].opened(2);
  }
  ASSERT_EQ(books[0].host_scope(2, 0, 1), nullptr);
  Scope& a = *books[0].host_scope(2, 16, 2);
  Scope& b = *books[1].host_scope(2, 16, 2);
  ASSERT_TRUE(a.leased && b.leased);
  Waiter more;
  books[1].wait(b, more, true);
  for (int open = 30; open >= 16; --open) {
    EXPECT_EQ(serve(books[1], b), 0) << open;
    books[b.used > 0 ? 1 : 0].closed(2);
    EXPECT_EQ(serve(books[1], b), 0) << open;
    books.settle();
  }
  ASSERT_EQ(a.used + b.used, 15u);
  EXPECT_EQ(serve(books[1], b), 1);
}

// All units over all shards, however the letters are delayed and the mailboxes fill up.
TEST(Leases, NeverExceedTheLimitAndServeEveryWaiter) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const auto shards = static_cast<unsigned>(1 + random.below(8));
    const auto limit = static_cast<std::uint32_t>(1 + random.below(random.chance(50) ? 6 : 80));
    Books books(shards);
    std::deque<Waiter> waiters;
    std::vector<Scope*> scopes;
    for (unsigned i = 0; i < shards; ++i) {
      scopes.push_back(&books[i].scope(77, limit, 1));
    }
    int waiting = 0;
    const auto check = [&] {
      std::uint32_t used = 0;
      for (const Scope* scope : scopes) {
        used += scope->used;
      }
      ASSERT_LE(used, limit) << "seed " << seed;
    };
    for (int step = 0; step < 1500 || waiting > 0; ++step) {
      ASSERT_LT(step, 200'000) << "somebody starves, seed " << seed;
      const auto shard = static_cast<unsigned>(random.below(shards));
      Scope& scope = *scopes[shard];
      books.full = random.chance(10);
      if (step < 1500 && random.chance(30)) {
        waiters.emplace_back();
        books[shard].wait(scope, waiters.back(), random.chance(50));
        ++waiting;
      } else if (scope.used > 0 && random.chance(60)) {
        books[shard].release(scope);
      }
      books[shard].flush(books.ports[shard]);
      books.deliver(static_cast<unsigned>(random.below(shards)), shard);
      waiting -= serve(books[shard], scope);
      check();
      if (HasFatalFailure()) {
        return;
      }
    }
  }
}

}  // namespace
}  // namespace ringpost::schedule
