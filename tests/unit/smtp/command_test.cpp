#include "net/smtp/command.h"

#include <gtest/gtest.h>

#include <string>

namespace ringpost::smtp {
namespace {

TEST(Command, SplitsVerbAndArgument) {
  EXPECT_EQ(parse_command("rcpt To:<a@b>").verb, Verb::rcpt);
  EXPECT_EQ(parse_command("rcpt To:<a@b>").argument, "To:<a@b>");
  EXPECT_EQ(parse_command("DATA  \t ").argument, "");
  EXPECT_EQ(parse_command("DATAX").verb, Verb::unknown);
  EXPECT_EQ(parse_command(" DATA").verb, Verb::unknown);
  EXPECT_EQ(parse_command("").verb, Verb::unknown);
}

TEST(Command, ReadsMailParameters) {
  MailArguments mail;
  ASSERT_EQ(parse_mail("FROM:<> RET=FULL  SIZE=18446744073709551615", {}, mail), nullptr);
  EXPECT_TRUE(mail.path.null());
  EXPECT_EQ(mail.ret, DsnReturn::full);
  EXPECT_EQ(mail.declared_bytes, 18446744073709551615U);
  EXPECT_EQ(parse_mail("FROM:<> RET=FULL RET=FULL", {}, mail), &replies::kParameterTwice);
  EXPECT_EQ(parse_mail("FROM:<> SIZE=-1", {}, mail), &replies::kBadSize);
  EXPECT_EQ(parse_mail("FROM:<> ENVID=" + std::string(100, 'a'), {}, mail), nullptr);
  EXPECT_EQ(parse_mail("FROM:<> ENVID=" + std::string(101, 'a'), {}, mail), &replies::kBadEnvid);
}

TEST(Command, ReadsRcptParameters) {
  RcptArguments rcpt;
  ASSERT_EQ(parse_rcpt("TO:<a@b> NOTIFY=DELAY,SUCCESS", {}, false, rcpt), nullptr);
  EXPECT_EQ(rcpt.notify, notify::kDelay | notify::kSuccess);
  ASSERT_EQ(parse_rcpt("TO:<a@b>", {}, false, rcpt), nullptr);
  EXPECT_EQ(rcpt.notify, notify::kUnspecified);
  EXPECT_EQ(parse_rcpt("TO:<\xc3\xa4@b>", {}, false, rcpt), &replies::kNeedsUtf8);
  EXPECT_EQ(parse_rcpt("TO:<\xc3\xa4@b>", {}, true, rcpt), nullptr);
  EXPECT_EQ(parse_rcpt("TO:<a@b> ORCPT=utf-8;\xc3\xa4", {}, false, rcpt), &replies::kBadOrcpt);
}

TEST(Command, ReadsBdat) {
  BdatArguments bdat;
  ASSERT_EQ(parse_bdat("18446744073709551615 LAST", bdat), nullptr);
  EXPECT_EQ(bdat.octets, 18446744073709551615U);
  EXPECT_TRUE(bdat.last);
  ASSERT_EQ(parse_bdat("0", bdat), nullptr);
  EXPECT_FALSE(bdat.last);
  for (const char* bad :
       {"", "LAST", "-1", "1 FIRST", "1 LAST x", "18446744073709551616", "0x10"}) {
    EXPECT_EQ(parse_bdat(bad, bdat), &replies::kBdatSyntax) << bad;
  }
}

}  // namespace
}  // namespace ringpost::smtp
