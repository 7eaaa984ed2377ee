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

#include "core/config/check.h"
#include "tests/sim/flow/injector.h"
#include "tests/sim/flow/machine.h"
#include "tests/sim/flow/receiver.h"

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

const SocketAddress kServer{IpAddress::v4(127, 0, 0, 1), 2525};

constexpr const char* kConfiguration =
    "host-name mail.sender.example\n"
    "smtp-listener 127.0.0.1:2525\n"
    "spool /spool\n"
    "<acct-file /acct.csv>\n</acct-file>\n"
    "<source 127.0.0.1>\nalways-allow-relaying yes\n</source>\n"
    "<domain *>\nmax-smtp-out 4\nconnection-idle-timeout 1m\n</domain>\n";

class Steady {
 public:
  Steady() : world_(7), network_(world_, {}), files_(8), accounts_(9) {
    for (unsigned d = 0; d < 4; ++d) {
      const std::string domain = "d" + std::to_string(d) + ".example";
      const IpAddress ip = IpAddress::v4(12, 0, 1, static_cast<std::uint8_t>(1 + d));
      zone_.add_mx(domain, 10, "mx." + domain);
      zone_.add_a("mx." + domain, ip.text());
      hosts_.push_back(std::make_unique<Receiver>(outside_, SocketAddress{ip, 25}));
    }
    for (int i = 0; i < 4; ++i) {
      injectors_.push_back(std::make_unique<Injector>(outside_, kServer));
    }
    config::CheckResult checked = config::check_text("simulated", kConfiguration, {});
    EXPECT_TRUE(checked.ok());
    machine_ = std::make_unique<Machine>(
        MachineRoom{world_, network_, zone_, files_, accounts_, checked.snapshot, false, pauses_},
        2);
    EXPECT_TRUE(machine_->start());
  }
  ~Steady() { EXPECT_EQ("", machine_->stop()); }

  /// So many messages to all domains in turn.
  void prepare(std::size_t count) {
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t number = ledger_.mails.size();
      Mail mail;
      mail.from = "s" + std::to_string(number) + "@inject.example";
      mail.to.push_back("r" + std::to_string(number) + "@d" + std::to_string(number % 4) +
                        ".example");
      mail.content = "Subject: " + std::to_string(number) +
                     "\r\nMessage-ID: <m@inject.example>\r\n\r\n" + std::string(800, 'x') + "\r\n";
      mail.expected = Injector::wire_form(mail.content);
      ledger_.mails.push_back(std::move(mail));
    }
  }
  /// Sends what is prepared, until all is delivered and accounted.
  void send() {
    for (; sent_ < ledger_.mails.size(); ++sent_) {
      injectors_[sent_ % injectors_.size()]->submit(sent_);
    }
    EXPECT_TRUE(world_.run_until([&] { return ledger_.deliveries == ledger_.mails.size(); },
                                 Duration::minutes(10)));
    world_.run_for(Duration::seconds(1));
  }
  void reconcile() {
    ledger_.reconcile(accounts_.text_of("/acct.csv"));
    EXPECT_TRUE(ledger_.complaints().empty()) << ledger_.complaints().front();
  }

 private:
  SimWorld world_;
  SimNetwork network_;
  SimZone zone_;
  SimFiles files_;
  MemoryFiles accounts_;
  Ledger ledger_;
  Outside outside_{world_, network_, ledger_};
  std::vector<std::unique_ptr<Receiver>> hosts_;
  std::vector<std::unique_ptr<Injector>> injectors_;
  std::string pauses_;
  std::size_t sent_ = 0;
  std::unique_ptr<Machine> machine_;
};

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
    Steady steady;
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
