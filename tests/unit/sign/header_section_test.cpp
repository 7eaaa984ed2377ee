#include "net/sign/header_section.h"

#include <gtest/gtest.h>

#include <string>

#include "net/sign/header_choice.h"
#include "tests/unit/sign/signing_testing.h"

namespace ringpost::sign {
namespace {

using testing::read_header;
using testing::stuffed;

// "name=text|" for each field, line ends shown as ~.
std::string shown(std::string_view content, std::size_t piece) {
  HeaderSection section;
  read_header(stuffed(content), section, piece);
  std::string out;
  for (const HeaderField& field : section.fields()) {
    out.append(field.name).append("=").append(field.value()).append("|");
  }
  for (std::size_t at = 0; (at = out.find("\r\n", at)) != std::string::npos;) {
    out.replace(at, 2, "~");
  }
  return out;
}

void expect_fields(std::string_view content, std::string_view fields) {
  for (const std::size_t piece : {content.size() + 3, std::size_t{1}, std::size_t{3}}) {
    EXPECT_EQ(shown(content, piece), fields) << "pieces of " << piece << " of " << content;
  }
}

TEST(HeaderSection, Fields) {
  expect_fields("From: a@b\r\nTo:c\r\n\r\nX: body\r\n", "From= a@b~|To=c~|");
  expect_fields("From: a\r\n\tb\r\n c\r\nTo:\r\n\r\n", "From= a~\tb~ c~|To=~|");
  expect_fields("From : a\r\nTo\t:b\r\n\r\n", "From= a~|To=b~|");
  expect_fields("To: 1\r\nto: 2\r\nTO: 3\r\n\r\n", "To= 1~|to= 2~|TO= 3~|");
  expect_fields("X: \xff\xc3\xa4\r\n\r\n", "X= \xff\xc3\xa4~|");
  expect_fields("X: a:b: c\r\n\r\n", "X= a:b: c~|");
}

TEST(HeaderSection, EndsWhereTheBodyBegins) {
  expect_fields("", "");
  expect_fields("\r\nX: body\r\n", "");
  expect_fields("text\r\nX: body\r\n", "");
  expect_fields("From: a\r\ntext without an empty line\r\nX: y\r\n", "From= a~|");
  expect_fields("From: a\r\n", "From= a~|");
  expect_fields(" leading blank\r\nX: y\r\n", "");
  expect_fields("From: a\r\n \r\nX: y\r\n\r\n", "From= a~ ~|X= y~|");
}

TEST(HeaderSection, StuffingIsUndone) { expect_fields(".X: y\r\n.Z: .\r\n\r\n", ".X= y~|.Z= .~|"); }

TEST(HeaderSection, IsReusedAndHoldsLongOnes) {
  HeaderSection section;
  std::string content;
  for (int i = 0; i < 2000; ++i) {
    content += "X-" + std::to_string(i) + ": " + std::string(100, 'v') + "\r\n";
  }
  read_header(stuffed(content + "\r\n"), section);
  ASSERT_EQ(section.fields().size(), 2000U);
  EXPECT_EQ(section.fields()[1999].name, "X-1999");
  read_header(stuffed("A: b\r\n\r\n"), section);
  ASSERT_EQ(section.fields().size(), 1U);
  std::size_t count = 9;
  EXPECT_EQ(section.find("x", &count), nullptr);
  EXPECT_EQ(count, 0U);
  EXPECT_EQ(section.find("a", &count)->value(), " b\r\n");
  EXPECT_EQ(count, 1U);
}

// Prefix and kept ranges arrive as runs of their own.
TEST(HeaderSection, IsFedInRuns) {
  HeaderSection section;
  section.feed("Received: x\r\n\ty\r\n");
  section.feed("From: a\r\n");
  EXPECT_FALSE(section.ended());
  section.feed("Subject: z\r\n\r\nbody");
  EXPECT_TRUE(section.ended());
  section.feed("X: not looked at\r\n");
  section.finish();
  ASSERT_EQ(section.fields().size(), 3U);
  EXPECT_EQ(section.fields()[2].name, "Subject");
}

TEST(HeaderSection, OfAMessageWithEdits) {
  const std::string_view content =
      "X-Job: j\r\nFrom: a\r\nX-Id: i\r\nTo: b\r\n\r\nX: body\r\n.\r\n";
  const ByteRange kept[] = {{10, 19}, {28, static_cast<std::uint32_t>(content.size())}};
  HeaderSection section;
  section.read("Received: r\r\n", content, kept);
  std::string names;
  for (const HeaderField& field : section.fields()) {
    names.append(field.name).append(" ");
  }
  EXPECT_EQ(names, "Received From To ");
}

std::string canonical(std::string_view field, Canon canon) {
  HeaderSection section;
  read_header(stuffed(std::string(field) + "\r\n"), section);
  std::string out;
  for (const HeaderField& one : section.fields()) {
    append_canonical(one, canon, out);
  }
  return out;
}

// RFC 6376 section 3.4.5.
TEST(CanonicalField, TheStandardsExample) {
  const std::string fields = "A: X\r\nB : Y\t\r\n\tZ  \r\n";
  EXPECT_EQ(canonical(fields, Canon::relaxed), "a:X\r\nb:Y Z\r\n");
  EXPECT_EQ(canonical(fields, Canon::simple), fields);
}

TEST(CanonicalField, Relaxed) {
  EXPECT_EQ(canonical("Subject:\r\n", Canon::relaxed), "subject:\r\n");
  EXPECT_EQ(canonical("Subject:  \t \r\n", Canon::relaxed), "subject:\r\n");
  EXPECT_EQ(canonical("Subject:\r\n a\r\n \r\n\tb\r\n \r\n", Canon::relaxed), "subject:a b\r\n");
  EXPECT_EQ(canonical("SuB-jEcT \t: A  B\xff\r\n", Canon::relaxed), "sub-ject:A B\xff\r\n");
  EXPECT_EQ(canonical("X:a\r\n\tb\r\n", Canon::relaxed), "x:a b\r\n");
}

std::string selected(std::string_view content, const HeaderChoice& choice) {
  HeaderSection section;
  read_header(stuffed(content), section);
  std::vector<SignedField> fields;
  choice.select(section, fields);
  std::string out;
  for (const SignedField& one : fields) {
    out.append(one.name).append("=");
    if (one.field != nullptr) {
      append_relaxed_value(one.field->value(), out);
    }
    out.append("|");
  }
  return out;
}

// RFC 6376 section 5.4.2: from the last one up.
TEST(HeaderChoice, BottomUpAndOversigned) {
  HeaderChoice choice;
  choice.clear_oversigned();
  const std::string content =
      "To: 1\r\nX-A: a1\r\nFrom: f\r\nto: 2\r\nReceived: r\r\nTO: 3\r\nX-A: a2\r\n\r\n";
  EXPECT_EQ(selected(content, choice), "From=f|To=3|To=2|To=1|");
  ASSERT_TRUE(choice.oversign(std::vector<std::string>{"from", "To", "X-B"}).ok());
  ASSERT_TRUE(choice.sign_also(std::vector<std::string>{"x-a"}).ok());
  EXPECT_EQ(selected(content, choice), "From=f|From=|To=3|To=2|To=1|To=|X-B=|x-a=a2|x-a=a1|");
}

TEST(HeaderChoice, TheStandardChoice) {
  EXPECT_EQ(
      selected("X: y\r\nFrom: f\r\nList-Unsubscribe: u\r\nReceived: r\r\n\r\n", HeaderChoice()),
      "From=f|From=|Reply-To=|Subject=|Date=|To=|Cc=|MIME-Version=|Content-Type=|"
      "List-Unsubscribe=u|");
}

TEST(HeaderChoice, RefusesWhatCannotBeSigned) {
  HeaderChoice choice;
  for (const std::string name : {"", "a b", "a:b", "a;b", "n\xc3\xa4me", "received", "Return-Path",
                                 "DKIM-Signature", "bcc"}) {
    EXPECT_FALSE(choice.sign_also(std::vector<std::string>{name}).ok()) << name;
    EXPECT_FALSE(choice.oversign(std::vector<std::string>{name}).ok()) << name;
  }
  EXPECT_FALSE(choice.sign_also(std::vector<std::string>{std::string(71, 'x')}).ok());
}

}  // namespace
}  // namespace ringpost::sign
