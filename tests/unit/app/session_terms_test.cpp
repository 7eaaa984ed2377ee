#include "core/app/session_terms.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/app/policy_book.h"
#include "core/app/signing.h"
#include "tests/unit/app/support.h"
#include "tests/unit/sign/signing_testing.h"

namespace ringpost::app {
namespace {

/// Settings of the virtual MTA, of the queue, and of a list of its replies.
struct Written {
  std::string vmta = "smtp-source-host 192.0.2.1 one.example\n";
  std::string queue{};
  std::string replies = "reply /slow down/ mode=backoff\n";
  std::string before{};  ///< further up in the file
};

std::shared_ptr<const config::Snapshot> read(const Written& written) {
  return snapshot_of(written.before + "<virtual-mta a>\n" + written.vmta +
                     "</virtual-mta>\n<smtp-pattern-list list>\n" + written.replies +
                     "</smtp-pattern-list>\n<domain x.example>\nsmtp-pattern-list list\n" +
                     written.queue + "</domain>\n");
}

QueuePolicyRef policy_of(const Written& written) {
  const auto snapshot = read(written);
  PolicyBook book(snapshot, 1, std::make_shared<const KeyRing>(snapshot));
  return book.settings_of("x.example", "a").policy;
}

std::uint64_t terms_of(const Written& written) { return policy_of(written)->terms; }

TEST(SessionTerms, AreTheSameWhereNothingChangesThatASessionActsBy) {
  const std::uint64_t plain = terms_of({});
  EXPECT_NE(plain, 0u);
  EXPECT_EQ(terms_of({}), plain);
  EXPECT_EQ(terms_of({.before = "# moved\n\n<domain other.example>\nmax-smtp-out 3\n</domain>\n"}),
            plain)
      << "the same rules some lines later";
  for (const char* same :
       {"max-smtp-out 3\n", "max-rcpt-per-message 7\n", "retry-after 7m\n", "bounce-after 3d\n",
        "max-connect-rate 3/s\n", "queue-priority 70\n", "backoff-max-smtp-out 1\n"}) {
    EXPECT_EQ(terms_of({.queue = same}), plain) << same;
  }
  // That there is a rate changes how mail is taken; how high it is does not.
  const std::uint64_t rated = terms_of({.queue = "max-msg-rate 10/s\n"});
  EXPECT_NE(rated, plain);
  EXPECT_EQ(terms_of({.queue = "max-msg-rate 20/s\n"}), rated);
}

TEST(SessionTerms, ChangeWithEachSettingThatASessionActsBy) {
  const std::uint64_t plain = terms_of({});
  for (const char* other :
       {"max-msg-per-connection 5\n", "max-errors-per-connection 5\n", "smtp-hosts h.example\n",
        "default-smtp-port 26\n", "require-starttls yes\n", "use-starttls no\n",
        "tls-verification certificate\n", "smtp-tls-allow-tlsv1.2 no\n", "ignore-8bitmime yes\n",
        "ignore-chunking yes\n", "log-commands yes\n", "type discard\n", "idle-timeout 7s\n",
        "data-send-timeout 7m\n", "smtp-421-means-mx-unavailable yes\n",
        "auth-username u\nauth-password p\nsmtp-hosts h.example\n"}) {
    EXPECT_NE(terms_of({.queue = other}), plain) << other;
  }
  EXPECT_NE(terms_of({.vmta = "smtp-source-host 192.0.2.2 one.example\n"}), plain);
  EXPECT_NE(terms_of({.vmta = "smtp-source-host 192.0.2.1 two.example\n"}), plain);
  EXPECT_NE(terms_of({.replies = "reply /slower/ mode=backoff\n"}), plain);
  EXPECT_NE(terms_of({.replies = "reply /slow down/ skip-mx\n"}), plain);
  EXPECT_NE(terms_of({.replies = "reply /slow down/ mode=backoff,backoff-to-normal-after=1h\n"}),
            plain);
  const std::string login = "smtp-hosts h.example\nauth-username u\nauth-password ";
  EXPECT_NE(terms_of({.queue = login + "p\n"}), terms_of({.queue = login + "q\n"}));
}

TEST(SessionTerms, OfBackoffModeAreTheirOwn) {
  const auto snapshot = read({.queue = "backoff-max-smtp-out 1\n"});
  PolicyBook book(snapshot);
  const schedule::QueueSettings settings = book.settings_of("x.example", "a");
  ASSERT_NE(settings.backoff, nullptr);
  EXPECT_NE(settings.backoff->policy->terms, settings.policy->terms);
}

TEST(SessionTerms, ChangeWithTheKeyThatSigns) {
  char name[] = "/tmp/ringpost-terms.XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const std::string file = folder + "/k.pem";
  const auto with = [&](const char* pem) {
    std::ofstream(file) << pem;
    ::chmod(file.c_str(), 0600);
    return terms_of(
        {.queue = "dkim-sign yes\n", .before = "domain-key s,example.com," + file + "\n"});
  };
  const std::uint64_t rsa = with(sign::testing::kRsa1024Pem);
  EXPECT_EQ(with(sign::testing::kRsa1024Pem), rsa);
  EXPECT_NE(with(sign::testing::kEd25519Pem), rsa) << "the same file with another key in it";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ringpost::app
