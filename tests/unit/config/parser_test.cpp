#include "core/config/parser.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

/// Parses and keeps what the tree points into.
class Parsed {
 public:
  explicit Parsed(const std::string& text, ParseLimits limits = {}) : log_(sources_, 1000) {
    MemoryFiles files;
    files.put("main.conf", text);
    files.put("a.inc", "max-smtp-out 7\n");
    files.put("b.inc", "<domain b.example>\nmax-smtp-out 8\n</domain>\n");
    files.put("loop.inc", "include loop.inc\n");
    files.put("open.inc", "<domain open.example>\nmax-smtp-out 9\n");
    files.put("deep.inc", "include deeper.inc\n");
    files.put("deeper.inc", "include main.conf\n");
    Parser parser(sources_, log_, files, limits, false);
    root_ = parser.parse("main.conf");
  }

  const Section& root() const { return root_; }
  /// The tree in one line: kind(arguments){name=value;...}.
  std::string tree() const { return shown_section(root_); }
  std::vector<std::string> findings() {
    CheckResult result;
    result.diagnostics = log_.finish(false);
    return test::messages(result);
  }

 private:
  static std::string shown_section(const Section& section) {
    std::string out;
    for (const Directive& directive : section.directives) {
      out += std::string(directive.name.text) + "=";
      for (std::size_t i = 0; i < directive.values.size(); ++i) {
        const Word& value = directive.values[i];
        out += (i > 0 ? "|" : "") + std::string(value.pattern ? "~" : "") + std::string(value.text);
      }
      out += ";";
    }
    for (const Section& inner : section.sections) {
      out += std::string(inner.kind.text) + "(";
      for (const Word& argument : inner.arguments) {
        out += std::string(argument.text);
      }
      out += "){" + shown_section(inner) + "}";
    }
    return out;
  }

  SourceMap sources_;
  DiagnosticLog log_;
  Section root_;
};

std::string tree(const std::string& text) { return Parsed(text).tree(); }

TEST(Parser, DirectivesAndSections) {
  EXPECT_EQ(tree("host-name a.example\n<domain *>\n  max-smtp-out 5\n</domain>\n"),
            "host-name=a.example;domain(*){max-smtp-out=5;}");
  EXPECT_EQ(tree(""), "");
  EXPECT_EQ(tree("\n\n   \n"), "");
  EXPECT_EQ(tree("host-name a"), "host-name=a;") << "no final newline";
  EXPECT_EQ(tree("\xef\xbb\xbfhost-name a\r\nlog-file b\r\n"), "host-name=a;log-file=b;");
  EXPECT_EQ(tree("<domain  x  >\n</domain x>\n<domain y></domain>"), "domain(x){}domain(y){}");
}

TEST(Parser, CommentsOfAllKinds) {
  EXPECT_EQ(tree("# a\nhost-name a # b\n// c\n; d\nlog-file /x//y;z\n"),
            "host-name=a;log-file=/x//y;z;");
  EXPECT_EQ(tree("<!-- a -->host-name a<!-- b --> \n<!-- many\nlog-file x\n--> log-file y\n"),
            "host-name=a<!--|b|-->;log-file=y;")
      << "a comment sign inside a word is part of the word";
  EXPECT_EQ(tree("host-name a <!-- b --> \n"), "host-name=a;");
  EXPECT_EQ(tree("log-file \"a # b\"\n"), "log-file=a # b;");
  Parsed open("host-name a\n<!-- never closed\nlog-file x\n");
  EXPECT_EQ(open.tree(), "host-name=a;");
  EXPECT_EQ(open.findings().at(0), "2:1 error a comment that begins here is not closed by -->");
}

TEST(Parser, Quotes) {
  EXPECT_EQ(tree(R"(log-file "a b")"), "log-file=a b;");
  EXPECT_EQ(tree(R"(log-file "a \" \\ b")"), R"(log-file=a " \ b;)");
  EXPECT_EQ(tree(R"(log-file "a ""b"" c")"), R"(log-file=a "b" c;)");
  EXPECT_EQ(tree(R"(<domain x> queue-to "" </domain>)"), "domain(x){queue-to=;}");
  EXPECT_EQ(tree(R"(<acct-file "/a b/c.csv">)"
                 "\n</acct-file>"),
            "acct-file(/a b/c.csv){}");
  Parsed open("log-file \"abc\nhost-name x\n");
  EXPECT_EQ(open.tree(), "log-file=abc;host-name=x;");
  EXPECT_EQ(open.findings().at(0), "1:10 error a double quote is not closed on this line");
}

TEST(Parser, OneLineSections) {
  EXPECT_EQ(tree("<virtual-mta w> smtp-source-host 198.51.100.25 198.51.100.26 helo-domain "
                 "\"w.example\" max-smtp-out 5 max-connect-rate 2/m </virtual-mta>\nhost-name x"),
            "host-name=x;virtual-mta(w){smtp-source-host=198.51.100.25|198.51.100.26;"
            "helo-domain=w.example;max-smtp-out=5;max-connect-rate=2/m;}");
  EXPECT_EQ(tree("<domain y> max-msg-rate 100/s <!-- x --> max-smtp-out 20 </domain>"),
            "domain(y){max-msg-rate=100/s;max-smtp-out=20;}");
  EXPECT_EQ(tree("<domain y> max-smtp-out 1 max-msg-rate 2/m\nqueue-to route max-smtp-out\n"
                 "</domain>"),
            "domain(y){max-smtp-out=1;max-msg-rate=2/m;queue-to=route|max-smtp-out;}")
      << "only what stands on the opening line is split";
  EXPECT_EQ(tree("<domain y> queue-to \"max-smtp-out\" max-smtp-out 3 </domain>"),
            "domain(y){queue-to=max-smtp-out;max-smtp-out=3;}");
}

TEST(Parser, Assignments) {
  EXPECT_EQ(tree("host_name = \"a b\"\nlog-file=x\nlog_file= y\n"),
            "host_name=a b;log-file=x;log_file=y;");
  EXPECT_EQ(tree("<smtp-listener 1.2.3.4:25>\nsource = {in}\n</smtp-listener>"),
            "smtp-listener(1.2.3.4:25){source={in};}");
  EXPECT_EQ(tree("smtp-listener 0/0:25 source=x tls=no"), "smtp-listener=0/0:25|source=x|tls=no;");
}

TEST(Parser, Braces) {
  EXPECT_EQ(tree("domain g {\n  domain a.example\n  max-smtp-out 4\n}\nhost-name x\n"),
            "host-name=x;domain(g){domain=a.example;max-smtp-out=4;}");
  EXPECT_EQ(tree("domain t { domain a.example max-smtp-out 20 max-per-host-out 20 }"),
            "domain(t){domain=a.example;max-smtp-out=20;max-per-host-out=20;}");
  EXPECT_EQ(tree("domain t {\nwarmup { period 10 days start-rate 3/h end-rate 4/h }\n}"),
            "domain(t){warmup(){period=10|days;start-rate=3/h;end-rate=4/h;}}");
  EXPECT_EQ(tree("domain t { max-smtp-out 1 warmup { period 1d } }"),
            "domain(t){max-smtp-out=1;warmup(){period=1d;}}");
  EXPECT_EQ(tree("domain x{\nmax-smtp-out 1\n}"), "domain(x){max-smtp-out=1;}");
  EXPECT_EQ(
      tree("<source {pmta-auth}>\n</source>\n<smtp-user u>\nsource {pmta-auth}\n</smtp-user>"),
      "source({pmta-auth}){}smtp-user(u){source={pmta-auth};}");
  EXPECT_EQ(tree("source {\ndefault-domain * use-vmta x\n}"),
            "source(){default-domain=*|use-vmta|x;}");
}

TEST(Parser, ListsGoOnAfterACommaOrTheNameOfAMacro) {
  EXPECT_EQ(tree("domain-macro m a.example,\n  b.example,\n\n# no\nc.example\nhost-name x\n"),
            "domain-macro=m|a.example,|b.example,|c.example;host-name=x;");
  EXPECT_EQ(tree("domain-macro m\na.example,b.example\nhost-name x\n"),
            "domain-macro=m|a.example,b.example;host-name=x;");
  EXPECT_EQ(tree("domain-macro m a.example,\nhost-name x\n"),
            "domain-macro=m|a.example,;host-name=x;");
  EXPECT_EQ(tree("domain-macro m a.example,\n<domain $m>\n</domain>"),
            "domain-macro=m|a.example,;domain($m){}");
  EXPECT_EQ(tree("host-name a,\nlog-file x\n"), "host-name=a,;log-file=x;");
}

TEST(Parser, Patterns) {
  const auto in_list = [](const std::string& lines) {
    return tree("<smtp-pattern-list l>\n" + lines + "</smtp-pattern-list>\n");
  };
  EXPECT_EQ(in_list("reply /a b\\/c/ mode=backoff\n"),
            "smtp-pattern-list(l){reply=~a b\\/c|mode=backoff;}");
  EXPECT_EQ(in_list("reply // bounce-queue\n"), "smtp-pattern-list(l){reply=~|bounce-queue;}");
  EXPECT_EQ(in_list("reply /http://x/ mode=backoff\n"),
            "smtp-pattern-list(l){reply=~http://x|mode=backoff;}");
  EXPECT_EQ(in_list("reply /broken\nover lines/ mode=backoff\n"),
            "smtp-pattern-list(l){reply=~brokenover lines|mode=backoff;}");
  EXPECT_EQ(tree("<bounce-category-patterns>\n/spam/ spam-related\n/x/other\n// rest\n"
                 "</bounce-category-patterns>"),
            "bounce-category-patterns(){=~spam|spam-related;=~x|other;=~|rest;}");
  EXPECT_EQ(tree("<smtp-pattern-list l> reply /a/ mode=backoff reply /b/ skip-mx "
                 "</smtp-pattern-list>"),
            "smtp-pattern-list(l){reply=~a|mode=backoff;reply=~b|skip-mx;}");
  Parsed open(
      "<smtp-pattern-list l>\nreply /never mode=backoff\nreply /b/ skip-mx\n"
      "</smtp-pattern-list>\n");
  EXPECT_EQ(open.tree(), "smtp-pattern-list(l){reply=~b|skip-mx;}");
  EXPECT_EQ(open.findings().at(0),
            "2:7 warning the pattern has no closing slash; the rule is left out");
}

TEST(Parser, UnclosedSectionsAreClosedWhereTheNextOneShows) {
  Parsed parsed(
      "<domain a.example>\nmax-smtp-out 1\n<source 10.0.0.1>\nsmtp-service no\n"
      "</source>\nhost-name x\n");
  EXPECT_EQ(parsed.tree(),
            "host-name=x;domain(a.example){max-smtp-out=1;}"
            "source(10.0.0.1){smtp-service=no;}");
  EXPECT_EQ(parsed.findings(),
            (std::vector<std::string>{"1:1 error section <domain> is not closed before <source> "
                                      "begins"}));
  Parsed inner("<virtual-mta v>\n<domain *>\nmax-smtp-out 1\n</virtual-mta>\nhost-name x\n");
  EXPECT_EQ(inner.tree(), "host-name=x;virtual-mta(v){domain(*){max-smtp-out=1;}}");
  EXPECT_EQ(inner.findings(),
            (std::vector<std::string>{"2:1 error section <domain> is not closed"}));
  Parsed last("<domain a.example>\nmax-smtp-out 1\n");
  EXPECT_EQ(last.tree(), "domain(a.example){max-smtp-out=1;}");
  EXPECT_EQ(last.findings().size(), 1u);
}

TEST(Parser, StrayEndsAreWarnings) {
  EXPECT_EQ(Parsed("</domain>\nhost-name x\n").findings(),
            (std::vector<std::string>{"1:1 warning no section of this kind is open here"}));
  EXPECT_EQ(Parsed("}\nhost-name x\n").findings(),
            (std::vector<std::string>{"1:1 warning no block is open here"}));
}

TEST(Parser, TagFaults) {
  EXPECT_EQ(Parsed("<domain x\nmax-smtp-out 1\n</domain>\n").findings(),
            (std::vector<std::string>{"1:1 error the tag is not closed by '>'"}));
  EXPECT_EQ(Parsed("<domain>\n</domain>\n").findings(),
            (std::vector<std::string>{"1:1 error section <domain> needs PATTERN|$MACRO"}));
  EXPECT_EQ(Parsed("<domain a b>\n</domain>\n").findings(),
            (std::vector<std::string>{"1:11 error section <domain> takes one argument"}));
  EXPECT_EQ(Parsed("<dommain a>\nwhatever\n</dommain>\n").findings(),
            (std::vector<std::string>{"1:1 error unknown section 'dommain'"}));
  EXPECT_EQ(
      Parsed("<virtual-mta a>\n<email-patterns>\n</email-patterns>\n</virtual-mta>\n").findings(),
      (std::vector<std::string>{
          "2:1 error section <email-patterns> cannot stand in <virtual-mta>"}));
}

TEST(Parser, Includes) {
  EXPECT_EQ(tree("<domain x>\ninclude a.inc\nmax-msg-rate 1/s\n</domain>\n"),
            "domain(x){max-smtp-out=7;max-msg-rate=1/s;}");
  EXPECT_EQ(tree("<domain x> include a.inc max-msg-rate 1/s </domain>\nhost-name y"),
            "host-name=y;domain(x){max-smtp-out=7;max-msg-rate=1/s;}");
  EXPECT_EQ(tree("include b.inc\nhost-name y"), "host-name=y;domain(b.example){max-smtp-out=8;}");
  EXPECT_EQ(tree("<domain x>\ninclude *.nothing\n</domain>"), "domain(x){}");
  Parsed open("include open.inc\nhost-name y\n");
  EXPECT_EQ(open.tree(), "host-name=y;domain(open.example){max-smtp-out=9;}");
  EXPECT_EQ(open.findings(),
            (std::vector<std::string>{"1:1 error section <domain> is not closed in this file"}));
}

TEST(Parser, IncludeFaults) {
  EXPECT_EQ(Parsed("include missing.inc\n").findings(),
            (std::vector<std::string>{"1:9 error cannot read 'missing.inc': " +
                                      std::string(text_of(ErrorCode::not_found))}));
  EXPECT_EQ(
      Parsed("include loop.inc\n").findings(),
      (std::vector<std::string>{"1:9 error cannot read 'loop.inc': the file includes itself"}));
  EXPECT_EQ(
      Parsed("include deep.inc\n").findings(),
      (std::vector<std::string>{"1:9 error cannot read 'main.conf': the file includes itself"}));
  EXPECT_EQ(Parsed("include https://x.example/a\n").findings(),
            (std::vector<std::string>{"1:9 error files cannot be included over the network"}));
  EXPECT_EQ(Parsed("include\n").findings(),
            (std::vector<std::string>{"1:1 error include needs the name of a file"}));
}

TEST(Parser, LimitsHold) {
  ParseLimits limits;
  limits.nesting = 2;
  EXPECT_EQ(Parsed("<virtual-mta a>\n<domain b>\n<warmup>\nx\n", limits).findings().at(2),
            "3:1 error sections are nested too deeply; the rest of the file is not read");
  limits = {};
  limits.line_bytes = 20;
  EXPECT_EQ(Parsed("host-name aaaaaaaaaaaaaaaaaaaaaaaaa\nhost-name b\n", limits).tree(),
            "host-name=b;");
  limits = {};
  limits.file_bytes = 10;
  EXPECT_FALSE(Parsed("host-name aaaaaaaaaaaa\n", limits).findings().empty());
  limits = {};
  limits.files = 2;
  EXPECT_EQ(Parsed("include a.inc\ninclude a.inc\ninclude a.inc\n", limits).findings().size(), 2u);
  limits = {};
  limits.total_bytes = 30;
  EXPECT_EQ(Parsed("include a.inc\ninclude a.inc\n", limits).findings().size(), 2u);
  EXPECT_EQ(Parsed(std::string("host-name a\0b\n", 14)).findings().at(0),
            "0:0 error cannot read 'main.conf': it is not a text file: line 1 has a zero octet");
}

}  // namespace
}  // namespace ringpost::config
