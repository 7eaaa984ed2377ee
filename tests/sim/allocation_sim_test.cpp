// Counts what the product allocates for a message once everything is warm: a machine of two shards
// over simulated ports takes mail and delivers it; each allocation is put down to the innermost
// function of the project on the stack, and those of the simulator itself do not count.

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "tests/sim/flow/steady.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RINGPOST_OWN_NEW 0
#else
#define RINGPOST_OWN_NEW 1
#endif

namespace ringpost::sim {
namespace {

constexpr int kDepth = 24;

struct Sample {
  void* frames[kDepth];
  int depth;
};

/// Written by operator new while `counting`; room for all of a test.
struct Record {
  static constexpr std::size_t kMost = 2'000'000;
  Sample* samples = nullptr;
  std::size_t count = 0;
  bool counting = false;
};
Record g_record;

}  // namespace
}  // namespace ringpost::sim

#if RINGPOST_OWN_NEW
// g++ sees the pairing of these only where it inlines one of them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t size) {
  using ringpost::sim::g_record;
  if (g_record.counting && g_record.count < ringpost::sim::Record::kMost) {
    g_record.counting = false;
    ringpost::sim::Sample& sample = g_record.samples[g_record.count++];
    sample.depth = ::backtrace(sample.frames, ringpost::sim::kDepth);
    g_record.counting = true;
  }
  void* memory = std::malloc(size);
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace ringpost::sim {
namespace {

std::string name_of(void* frame) {
  Dl_info info{};
  if (::dladdr(frame, &info) == 0 || info.dli_sname == nullptr) {
    return "";
  }
  int status = 0;
  char* plain = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::string name = plain != nullptr ? plain : info.dli_sname;
  std::free(plain);
  return name.substr(0, name.find('('));
}

/// The product's function that asked for it; empty when the simulator did.
std::string owner_of(const Sample& sample, std::map<void*, std::string>& names) {
  for (int i = 1; i < sample.depth; ++i) {
    const auto [entry, fresh] = names.try_emplace(sample.frames[i]);
    if (fresh) {
      entry->second = name_of(sample.frames[i]);
    }
    const std::string& name = entry->second;
    if (name.find("ringpost::sim::") != std::string::npos) {
      return "";
    }
    if (name.rfind("ringpost::", 0) == 0) {
      return name;
    }
  }
  return "unknown";
}

TEST(Allocation, AWarmMachineAllocatesNothingForAMessage) {
  if (!RINGPOST_OWN_NEW) {
    GTEST_SKIP() << "a sanitizer has its own allocator";
  }
  constexpr std::size_t kMessages = 2000;
  const auto samples = std::make_unique<Sample[]>(Record::kMost);
  g_record.samples = samples.get();
  void* warm_up[4];
  ::backtrace(warm_up, 4);
  std::map<std::string, std::size_t> by_owner;
  {
    Steady steady(2, 4);
    steady.prepare(3000);
    steady.send();
    steady.prepare(kMessages);
    g_record.counting = true;
    steady.send();
    g_record.counting = false;
    steady.reconcile();
  }
  ASSERT_LT(g_record.count, Record::kMost);
  ASSERT_GT(g_record.count, 0U) << "nothing is counted";
  std::map<void*, std::string> names;
  for (std::size_t i = 0; i < g_record.count; ++i) {
    ++by_owner[owner_of(samples[i], names)];
  }
  std::size_t on_shards = 0;
  for (const auto& [owner, count] : by_owner) {
    const bool log_writer = owner.rfind("ringpost::account::", 0) == 0;
    on_shards += owner.empty() || log_writer ? 0 : count;
    std::printf("%9.3f a message  %s\n", static_cast<double>(count) / kMessages,
                owner.empty() ? "(the simulator)" : owner.c_str());
  }
  // Segments come and go, now and then one for thousands of messages; no message costs any.
  EXPECT_LT(on_shards, kMessages / 20);
}

}  // namespace
}  // namespace ringpost::sim
