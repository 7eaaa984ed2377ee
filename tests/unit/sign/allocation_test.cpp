// Hashing a message while it streams in, finding its keys and finding kept signatures allocate
// nothing; a header section and its canonical form nothing once their buffers have grown.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "net/sign/body_hasher.h"
#include "net/sign/key_book.h"
#include "net/sign/signature_cache.h"
#include "tests/unit/sign/signing_testing.h"

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

// Not inlined: g++ would see malloc and free without their pairs and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
// What asks without exceptions (std::stable_sort) must not get memory of another kind.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace ringpost::sign {
namespace {

TEST(Allocations, NoneWhereMailStreams) {
  std::string content = "From: a@b\r\nSubject: x\r\n\ty\r\n\r\n";
  for (int i = 0; i < 200; ++i) {
    content += "some  text \r\n\r\n";
  }
  const std::string wire = testing::stuffed(content);
  const KeyBook book = *KeyBook::make({{"s", "example.com", testing::ed25519_key()}});
  SignatureCache cache(2);
  HeaderSection section;
  testing::read_header(wire, section);
  const std::string fields(500, 'f');
  for (std::uint64_t i = 0; i < 2; ++i) {
    cache.keep({MessageId{1, i}, 0, 0}, fields, 0);
  }
  KeyMatch match[KeyBook::kMatchesMax];
  const std::size_t before = allocations.load();
  const BodyHasher hasher = testing::hashed(wire, BodyHasher::Begin::content, 7);
  const std::size_t found = book.find("Sub.Example.com", "", match);
  for (std::uint64_t i = 0; i < 5; ++i) {
    cache.keep({MessageId{2, i}, 0, 0}, fields, 0);
  }
  const bool kept = !cache.find({MessageId{2, 4}, 0, 0}, WallTime{0}).empty();
  testing::read_header(wire, section);
  const std::size_t after = allocations.load();
  EXPECT_EQ(after, before);
  EXPECT_TRUE(kept);
  EXPECT_EQ(found, 1U);
  EXPECT_GT(hasher.hash(Canon::simple).canonical_bytes, 1000U);
  EXPECT_EQ(section.fields().size(), 2U);
}

}  // namespace
}  // namespace ringpost::sign
