#include "core/app/signing.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/config/check.h"
#include "tests/unit/sign/signing_testing.h"

namespace ringpost::app {
namespace {

using sign::testing::kEd25519Pem;
using sign::testing::kRsa1024Pem;

/// A folder with key files, gone with the test.
class SigningConfig : public ::testing::Test {
 protected:
  SigningConfig() {
    char name[] = "/tmp/ringpost-keys.XXXXXX";
    folder_ = ::mkdtemp(name);
    write("rsa.pem", kRsa1024Pem);
    write("ed.pem", kEd25519Pem);
    write("bad.pem", "nonsense");
  }
  ~SigningConfig() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
  }
  /// `text` with @ for the folder.
  std::shared_ptr<const config::Snapshot> read(std::string text) {
    for (auto at = text.find('@'); at != std::string::npos; at = text.find('@')) {
      text.replace(at, 1, folder_ + "/");
    }
    config::CheckOptions options;
    options.host_name = "mta.test";
    const auto result = config::check_text("t.conf", text, options);
    EXPECT_TRUE(result.ok()) << config::render_text(result.diagnostics);
    return result.snapshot;
  }
  /// "s=SELECTOR d=DOMAIN ..." of the signatures that mail of `from` gets in this queue.
  static std::string chosen(const KeyRing& ring, const config::Snapshot& snapshot,
                            const std::string& queue, const std::string& from,
                            config::VmtaId vmta = config::kDefaultVmta) {
    const auto plan = ring.plan_for(snapshot.path_policy(queue, vmta), vmta);
    if (plan == nullptr) {
      return "none";
    }
    sign::HeaderSection header;
    sign::testing::read_header("From: " + from + "\r\n\r\n", header);
    std::vector<sign::ChosenKey> keys;
    sign::choose_keys(plan->rules, plan->scopes(), header, keys);
    std::string out;
    for (const sign::ChosenKey& key : keys) {
      out += (out.empty() ? "" : " ") + key.selector + "/" + key.domain + "/" + key.identity;
    }
    return out;
  }

  std::string folder_;
};

TEST_F(SigningConfig, KeysOfVirtualMtasComeBeforeThoseOfAll) {
  const auto snapshot = read(
      "domain-key g,example.com,@rsa.pem\n"
      "<virtual-mta v>\ndomain-key v,example.com,@rsa.pem\n</virtual-mta>\n"
      "<domain *>\ndkim-sign yes\n</domain>\n");
  const KeyRing ring(snapshot);
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@news.example.com"),
            "g/example.com/j@news.example.com");
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@example.com", 1), "v/example.com/j@example.com");
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@other.test"), "");
}

TEST_F(SigningConfig, NotSignedUnlessAsked) {
  const auto snapshot =
      read("domain-key g,*,@rsa.pem\n<domain a.test>\ndkim-sign yes\n</domain>\n");
  const KeyRing ring(snapshot);
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@x.test"), "g/x.test/j@x.test");
  EXPECT_EQ(chosen(ring, *snapshot, "b.test", "j@x.test"), "none");
}

TEST_F(SigningConfig, BlocksSignAlways) {
  const auto snapshot = read(
      "dkim-signature main {\n domain example.com\n selector b\n private-key-file @rsa.pem\n}\n");
  const KeyRing ring(snapshot);
  EXPECT_EQ(chosen(ring, *snapshot, "any.test", "j@example.com"), "b/example.com/j@example.com");
  EXPECT_EQ(chosen(ring, *snapshot, "any.test", "j@x.test"), "");
}

TEST_F(SigningConfig, AKeyInADomainSectionSignsForItsIdentity) {
  const auto snapshot = read(
      "<domain a.test>\ndkim-sign yes\ndkim-identity own.test\ndkim-selector s\n"
      "dkim-key-file @rsa.pem\nsecond-dkim-sign yes\nsecond-dkim-identity esp.test\n</domain>\n"
      "domain-key e,esp.test,@ed.pem\n");
  const KeyRing ring(snapshot);
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@x.test"),
            "s/own.test/@own.test s/esp.test/@esp.test");
}

TEST_F(SigningConfig, WildcardsAndFolders) {
  std::filesystem::create_directory(folder_ + "/keys");
  write("keys/s.one.test.pem", kRsa1024Pem);
  write("keys/s.two.test.pem", kEd25519Pem);
  write("keys/t.one.test.pem", kRsa1024Pem);
  const auto snapshot = read(
      "domain-key s,*,@keys\ndomain-key w,*.wild.test,@rsa.pem\n<domain *>\ndkim-sign yes\n"
      "</domain>\n");
  const KeyRing ring(snapshot);
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@one.test"), "s/one.test/j@one.test");
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@two.test"), "s/two.test/j@two.test");
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@x.wild.test"), "w/x.wild.test/j@x.wild.test");
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@wild.test"), "");
  EXPECT_EQ(ring.entries().size(), 3U);
}

TEST_F(SigningConfig, UnusableKeysAreNamedAndLeftOut) {
  const auto snapshot = read(
      "domain-key a,one.test,@bad.pem\ndomain-key b,two.test,@gone.pem\n"
      "domain-key c,three.test,@ed.pem\n<domain *>\ndkim-sign yes\ndkim-headers Received\n"
      "</domain>\n<domain b.test>\ndkim-key-file @rsa.pem\n</domain>\n");
  const KeyRing ring(snapshot);
  ASSERT_EQ(ring.warnings().size(), 4U);
  EXPECT_NE(ring.warnings()[0].find("t.conf:1"), std::string::npos);
  EXPECT_NE(ring.warnings()[0].find("bad.pem"), std::string::npos);
  EXPECT_NE(ring.warnings()[1].find("gone.pem"), std::string::npos);
  EXPECT_NE(ring.warnings()[2].find("Received"), std::string::npos);
  EXPECT_NE(ring.warnings()[3].find("dkim-selector"), std::string::npos);
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@one.test"), "");
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@three.test"), "c/three.test/j@three.test");
}

TEST_F(SigningConfig, AnAlgorithmChoosesAmongTheKeys) {
  const auto snapshot = read(
      "domain-key r,x.test,@rsa.pem\ndomain-key e,x.test,@ed.pem\n<domain *>\ndkim-sign yes\n"
      "</domain>\n<domain e.test>\ndkim-algorithm ed25519-sha256\n</domain>\n");
  const KeyRing ring(snapshot);
  EXPECT_EQ(chosen(ring, *snapshot, "a.test", "j@x.test"), "r/x.test/j@x.test e/x.test/j@x.test");
  EXPECT_EQ(chosen(ring, *snapshot, "e.test", "j@x.test"), "e/x.test/j@x.test");
}

// Equal configurations sign alike; a changed key file makes another fingerprint at the next load.
TEST_F(SigningConfig, FingerprintsFollowTheKeys) {
  const std::string text = "domain-key s,*,@k.pem\n<domain *>\ndkim-sign yes\n</domain>\n";
  const auto fingerprint = [&] {
    const auto snapshot = read(text);
    return KeyRing(snapshot).plan_for(snapshot->path_policy("a.test", 0), 0)->fingerprint;
  };
  write("k.pem", kRsa1024Pem);
  const std::uint64_t first = fingerprint();
  EXPECT_EQ(fingerprint(), first);
  write("k.pem", kEd25519Pem);
  EXPECT_NE(fingerprint(), first);
}

TEST_F(SigningConfig, BodiesAreHashedOnlyInFormsThatAreUsed) {
  const auto forms = [&](const std::string& text) {
    const sign::CanonSet set = body_forms(*read(text));
    return std::string(set.simple ? "s" : "") + (set.relaxed ? "r" : "");
  };
  EXPECT_EQ(forms("host-name a.test\n"), "");
  EXPECT_EQ(forms("<domain *>\ndkim-sign yes\n</domain>\n"), "r");
  EXPECT_EQ(forms("domain-key s,*,@rsa.pem\n<domain a.test>\ndkim-body-canon simple\n</domain>\n"),
            "sr");
}

}  // namespace
}  // namespace ringpost::app
