#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

namespace fs = std::filesystem;

std::string read_whole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// What the next version does with a directive is not the matter of these files.
void leave_out_pending(std::vector<Diagnostic>& diagnostics) {
  std::erase_if(diagnostics, [](const Diagnostic& diagnostic) {
    return diagnostic.message.find("in this version") != std::string::npos;
  });
}

/// Every data/*.conf is held against the text beside it, which RINGPOST_UPDATE_DOCS=1 rewrites.
TEST(Diagnostics, GoldenFiles) {
  const fs::path folder = fs::path(RINGPOST_SOURCE_DIR) / "tests/unit/config/data";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".conf") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 5u);
  for (const fs::path& path : files) {
    MemoryFiles memory;
    memory.put(path.filename().string(), read_whole(path));
    memory.put("part.inc", read_whole(folder / "part.inc"));
    CheckResult result = check_file(path.filename().string(), {}, memory);
    leave_out_pending(result.diagnostics);
    const std::string shown =
        render_text(result.diagnostics) + (result.ok() ? "loads\n" : "refused\n");
    const fs::path golden = fs::path(path).replace_extension(".expected");
    if (std::getenv("RINGPOST_UPDATE_DOCS") != nullptr) {
      std::ofstream(golden, std::ios::binary) << shown;
    }
    EXPECT_EQ(read_whole(golden), shown) << path;
  }
}

TEST(Diagnostics, LinesMayEndInCarriageReturnsOnly) {
  const CheckResult result = test::check("host-name a.example\r<domain *>\rmax-smpt-out 5\r");
  ASSERT_EQ(result.diagnostics.size(), 2U) << render_text(result.diagnostics);
  EXPECT_EQ(result.diagnostics[1].line, 3U);
}

TEST(Diagnostics, FilesThatAreNoTextSayWhy) {
  const std::string zero("host-name a.example\n<domain \0>\n", 31);
  EXPECT_NE(render_text(test::check(zero).diagnostics).find("line 2 has a zero octet"),
            std::string::npos);
  const std::string wide("\xff\xfeh\0o\0", 6);
  EXPECT_NE(render_text(test::check(wide).diagnostics).find("it is in UTF-16; save it in UTF-8"),
            std::string::npos);
}

TEST(Diagnostics, FindingsAfterReadingHaveTheirPlaceAndShowNoSecret) {
  const fs::path path = fs::path(testing::TempDir()) / "ringpost_finding.conf";
  std::ofstream(path) << "# first\n  smtp-server-tls-certificate /x.pem hidden-word\n";
  const CheckResult result = check_file(path.string(), {});
  ASSERT_TRUE(result.ok());
  const Diagnostic found = finding_at(*result.snapshot, {0, 2}, "it is gone");
  EXPECT_EQ(render_text({found}), path.string() +
                                      ":2:3: error: it is gone\n"
                                      "      smtp-server-tls-certificate\n"
                                      "      ^~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
  fs::remove(path);
}

TEST(Diagnostics, AWarmupThatIsNoBlockIsAnError) {
  for (const char* section : {"virtual-mta", "domain"}) {
    const std::string kind(section);
    const CheckResult result = test::check("<" + kind + " v>\n warmup 5\n</" + kind + ">\n");
    EXPECT_FALSE(result.ok());
    const std::string text = render_text(result.diagnostics);
    EXPECT_NE(text.find(":2:9: error: warmup opens a block"), std::string::npos) << text;
  }
}

const char* const kBlock = "warmup {\nperiod 9d\nstart-rate 30/h\nend-rate 900/h\n}\n";

/// Warnings of a configuration text about warm-ups, without the line that they point to.
std::vector<std::string> warm_up_warnings(const std::string& text) {
  std::vector<std::string> found;
  for (const Diagnostic& one : test::check(text).diagnostics) {
    if (one.severity == Severity::warning && one.message.find("warm-up") != std::string::npos) {
      found.push_back(std::to_string(one.line) + ": " + one.message);
    }
  }
  return found;
}

TEST(PointlessWarmups, ThoseOverWhichALowerRateLiesEverywhere) {
  using Found = std::vector<std::string>;
  const std::string head = "the warm-up is pointless: max-msg-rate";
  const std::string block = kBlock;
  const std::string host = "smtp-source-host 192.0.2.1 v.example\n";
  EXPECT_EQ(warm_up_warnings("<domain *>\nmax-msg-rate 30/h\n</domain>\n<domain a.example>\n" +
                             block + "</domain>\n"),
            (Found{"5: " + head + " of ringpost.conf:2 is never higher"}));
  EXPECT_EQ(
      warm_up_warnings("<virtual-mta v>\n" + host + "max-msg-rate 20/h\n<domain a.example>\n" +
                       block + "</domain>\n</virtual-mta>\n"),
      (Found{"5: " + head + " of the virtual MTA 'v' of ringpost.conf:3 is never higher"}));
  const std::string pool =
      "<virtual-mta-pool p>\nvirtual-mta v\nmax-msg-rate 10/h\n</virtual-mta-pool>\n";
  const Found of_pool = {"7: " + head + " of the pool 'p' of ringpost.conf:3 is never higher"};
  EXPECT_EQ(warm_up_warnings(pool + "<virtual-mta v>\n" + host + block + "</virtual-mta>\n"),
            of_pool)
      << "the whole virtual MTA warms up";
  EXPECT_EQ(warm_up_warnings(pool + "<virtual-mta v>\n" + host + "<domain *>\n" + block +
                             "</domain>\n</virtual-mta>\n"),
            (Found{"8: " + head + " of the pool 'p' of ringpost.conf:3 is never higher"}));
  EXPECT_EQ(warm_up_warnings("<domain *>\n" + block + "</domain>\n<domain a.example>\n" +
                             "max-msg-rate 1/h\n</domain>\n"),
            Found{})
      << "other domains have no such rate";
  EXPECT_EQ(warm_up_warnings("domain-macro m a.example,b.example\n<virtual-mta v>\n" + host +
                             "<domain *>\n" + block +
                             "</domain>\n</virtual-mta>\n"
                             "<domain *>\nmax-msg-rate 3/h\n</domain>\n"
                             "<domain $m>\nmax-msg-rate 4/h\n</domain>\n"),
            (Found{"5: " + head + " of ringpost.conf:13, or another one, is never higher"}));
}

TEST(PointlessWarmups, NotThoseOfADomainWhoseOwnSectionSaysOtherwise) {
  const std::string block = kBlock;
  const std::string all = "<domain *>\nmax-msg-rate 3/h\n</domain>\n";
  const std::string vmta = "<virtual-mta v>\nsmtp-source-host 192.0.2.1 v.example\n";
  const std::string end = "</virtual-mta>\n";
  const auto found = [&](const std::string& text) { return warm_up_warnings(all + text).size(); };
  const std::string higher = "<domain a.example>\nmax-msg-rate 5000/h\n</domain>\n";
  const std::string warm = "<domain a.example>\n" + block + "</domain>\n";
  EXPECT_EQ(found(higher + vmta + warm + end), 0U);
  EXPECT_EQ(found(vmta + warm + end), 1U);
  EXPECT_EQ(found(higher + vmta + "<domain *>\n" + block + "</domain>\n" + end), 0U)
      << "it does something for that domain";
  EXPECT_EQ(found(vmta + "max-smtp-out 5\n" + block + end), 0U)
      << "a rate of each queue is none of all together";
  EXPECT_EQ(found("domain-macro m a.example,b.example\n<domain $m>\nmax-msg-rate 5000/h\n"
                  "</domain>\n" +
                  vmta + warm + end),
            0U);
}

TEST(Diagnostics, UnderlinesAndSuggests) {
  const CheckResult result = test::check("<domain *>\n\tmax-smpt-out 5\n</domain>\n");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(render_text(result.diagnostics),
            "ringpost.conf:2:2: error: unknown directive 'max-smpt-out' in <domain>; did you mean "
            "'max-smtp-out'?\n"
            "     max-smpt-out 5\n"
            "     ^~~~~~~~~~~~\n");
}

TEST(Diagnostics, ColumnsCountCharacters) {
  const CheckResult result = test::check("host-name \"m\xc3\xbc\" zz\n");
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_EQ(result.diagnostics[0].column, 16u);
  EXPECT_EQ(result.diagnostics[0].length, 2u);
}

TEST(Diagnostics, UnprintableTextIsReplaced) {
  const std::string shown = render_text(test::check("\x1b[31mred\xff \xe2\x82 x\n").diagnostics);
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
  EXPECT_EQ(shown.find('\xff'), std::string::npos);
  const std::string json = render_json(test::check("\x1b[31m\xff\n").diagnostics);
  EXPECT_EQ(json.find('\xff'), std::string::npos);
}

TEST(Diagnostics, LongLinesAreClipped) {
  const CheckResult result = test::check("host-name a.example " + std::string(5000, 'x') + "\n");
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_LT(render_text(result.diagnostics).size(), 600u);
}

TEST(Diagnostics, AllFaultsInOneRun) {
  const CheckResult result = test::check(
      "frobnicate 1\n<domain *>\nmax-smtp-out x\nretry-after soon\n</domain>\n"
      "<source 10.0.0.300>\n</source>\nsmtp-listener 25\n");
  EXPECT_EQ(test::messages(result),
            (std::vector<std::string>{
                "1:1 error unknown directive 'frobnicate' at the global level",
                "3:14 error 'max-smtp-out': expected a whole number",
                "4:13 error 'retry-after': a duration is written like 4d12h, 15m or 90s",
                "6:9 error not an address or network",
                "8:15 error a listener is written ADDRESS:PORT, or [ADDRESS]:PORT for IPv6"}));
}

TEST(Diagnostics, StrictAndLenient) {
  CheckOptions lenient;
  lenient.lenient = true;
  const CheckResult unknown = test::check("frobnicate 1\n<nonsense>\nx y\n</nonsense>\n", lenient);
  EXPECT_TRUE(unknown.ok());
  EXPECT_EQ(count_of(unknown.diagnostics, Severity::warning), 2u);
  CheckOptions strict;
  strict.strict = true;
  EXPECT_TRUE(test::check("pid-file /run/x\n").ok());
  EXPECT_FALSE(test::check("pid-file /run/x\n", strict).ok());
  EXPECT_TRUE(test::check("host-name a.example\n", strict).ok());
}

TEST(Diagnostics, RepeatedInertDirectivesAreOneWarning) {
  const CheckResult result = test::check(
      "<source 192.0.2.1>\nprocess-x-dkim-key yes\n</source>\n<source 192.0.2.2>\n"
      "process-x-dkim-key no\n</source>\n");
  EXPECT_EQ(
      test::messages(result),
      (std::vector<std::string>{"2:1 warning 'process-x-dkim-key' has no effect: keys are taken "
                                "from the configuration only (and 1 more)"}));
}

TEST(Diagnostics, WrongScopeNamesTheRightOne) {
  EXPECT_EQ(test::messages(test::check("smtp-service yes\n")),
            (std::vector<std::string>{
                "1:1 error 'smtp-service' belongs in <source>, not at the global level"}));
}

TEST(Diagnostics, SecretsAreNeverShown) {
  const std::string text =
      "<smtp-user u>\npassword hunter2 extra\npasswrd hunter2\n</smtp-user>\n"
      "<domain *>\nauth-password \"hunter2\nauth_password = hunter2\n"
      "smtp-client-certificate /tmp/c.pem hunter2\n</domain>\nhttp-api-key hunter2\n"
      "api_token hunter2\n<smtp-user v> password hunter2 source x y z </smtp-user>\n";
  for (const bool strict : {false, true}) {
    CheckOptions options;
    options.strict = strict;
    const CheckResult result = test::check(text, options);
    EXPECT_FALSE(result.diagnostics.empty());
    const std::string shown = render_text(result.diagnostics);
    EXPECT_EQ(shown.find("hunter2"), std::string::npos) << shown;
    EXPECT_EQ(render_json(result.diagnostics).find("hunter2"), std::string::npos);
  }
}

TEST(Diagnostics, JsonHasAllFields) {
  const std::string json =
      render_json(test::check("max-smpt-out 1\nmax-message-sise 1\n").diagnostics);
  for (const char* part : {"\"severity\": \"error\"", "\"line\": 2", "\"column\": 1",
                           "\"suggestion\": \"max-message-size\"", "\"file\": \"ringpost.conf\""}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << json;
  }
}

TEST(Diagnostics, MoreThanTheLimitAreCounted) {
  CheckOptions options;
  options.limits.diagnostics = 3;
  const CheckResult result = test::check("a 1\nb 1\nc 1\nd 1\ne 1\n", options);
  ASSERT_EQ(result.diagnostics.size(), 4u);
  EXPECT_EQ(result.diagnostics[3].message, "2 more findings are not shown");
  EXPECT_FALSE(result.ok());
}

TEST(Diagnostics, TheLargestMessageFitsASpoolFile) {
  for (const char* text : {"spool-segment-size 16M\n", "max-message-size 65536K\n",
                           "max-message-size 16M\nspool-segment-size 16M\n",
                           "spool-segment-size 4G\n", "spool-segment-size 67108865\n"}) {
    const CheckResult result = test::check(text);
    EXPECT_FALSE(result.ok()) << text;
    ASSERT_EQ(result.diagnostics.size(), 1u) << text;
    EXPECT_NE(result.diagnostics[0].message.find("spool-segment-size is"), std::string::npos);
  }
  for (const char* text : {"spool-segment-size 16M\nmax-message-size 15M\n",
                           "max-message-size unlimited\nspool-segment-size 16M\n",
                           "max-message-size 63M\n", "spool-segment-size 4190208K\n"}) {
    const CheckResult result = test::check(text);
    EXPECT_TRUE(result.ok()) << text << render_text(result.diagnostics);
  }
}

TEST(Diagnostics, FoldersOfTheSpoolThatAreNotUsedAreNamed) {
  const CheckResult result =
      test::check("<spool /old>\ndeliver-only yes\n</spool>\nspool /new\nspool /more\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.snapshot->global().spools.front().path, "/new");
  ASSERT_EQ(result.diagnostics.size(), 2u) << render_text(result.diagnostics);
  for (const Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_NE(diagnostic.message.find("the spool is one folder, /new"), std::string::npos);
  }
}

class OnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ringpost-config-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string put(const std::string& name, const std::string& text, unsigned mode = 0600) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path.string();
  }
  fs::path folder_;
};

TEST_F(OnDisk, IncludesAreRelativeAndSorted) {
  put("conf.d/2.conf", "host-name two.example\n");
  put("conf.d/1.conf", "host-name one.example\ninclude more/x.conf\n");
  put("conf.d/more/x.conf", "host-name x.example\n");
  const CheckResult result = check_file(put("main.conf", "include conf.d/*.conf\n"), {});
  ASSERT_TRUE(result.ok()) << render_text(result.diagnostics);
  const auto& names = result.snapshot->global().host_names;
  ASSERT_EQ(names.size(), 3u);
  EXPECT_EQ(names[0], "one.example");
  EXPECT_EQ(names[1], "x.example");
  EXPECT_EQ(names[2], "two.example");
}

TEST_F(OnDisk, ManyIncludedFilesAreNotDeep) {
  for (int i = 0; i < 40; ++i) {
    put("conf.d/" + std::to_string(i) + ".conf", "relay-domain d.example\n");
  }
  EXPECT_TRUE(check_file(put("main.conf", "include conf.d/*\n"), {}).ok());
}

TEST_F(OnDisk, LoopsThroughLinksAreFound) {
  const std::string path = put("main.conf", "include link.conf\n");
  fs::create_symlink(path, folder_ / "link.conf");
  const CheckResult result = check_file(path, {});
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_NE(result.diagnostics[0].message.find("includes itself"), std::string::npos);
}

TEST_F(OnDisk, WhatIsNoFileIsRefused) {
  EXPECT_FALSE(check_file((folder_ / "missing.conf").string(), {}).ok());
  EXPECT_FALSE(check_file(folder_.string(), {}).ok());
  EXPECT_FALSE(check_file("/dev/zero", {}).ok());
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(check_file(pipe, {}).ok());
}

TEST_F(OnDisk, SecretsThatOthersCanReadAreWarnedAbout) {
  const std::string text = "<smtp-user u>\npassword x\n</smtp-user>\n";
  const auto exposed = [](const CheckResult& result) {
    return std::any_of(result.diagnostics.begin(), result.diagnostics.end(), [](const auto& d) {
      return d.message.find("every user can read") != std::string::npos;
    });
  };
  EXPECT_TRUE(exposed(check_file(put("a.conf", text, 0644), {})));
  EXPECT_FALSE(exposed(check_file(put("b.conf", text, 0600), {})));
  EXPECT_FALSE(exposed(check_file(put("c.conf", "host-name x\n", 0644), {})));
}

}  // namespace
}  // namespace ringpost::config
