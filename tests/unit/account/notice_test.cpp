// What a delivery status notification says, octet by octet.

#include "core/account/notice.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace ringpost::account {
namespace {

constexpr WallTime kArrived{1'795'000'000'000'000};
constexpr WallTime kEnded{1'795'000'090'000'000};
constexpr WallTime kWritten{1'795'000'100'000'000};

NoticeRecipient refused() {
  NoticeRecipient to;
  to.address = "bob@example.org";
  to.original = "rfc822;Bob+2Bx@example.org";
  to.status = {5, 1, 1};
  to.reply_code = 550;
  to.text = "no such user";
  to.host = "mx.example.org";
  to.host_address = IpAddress::v4(192, 0, 2, 1);
  to.last_attempt = kEnded;
  return to;
}

Notice notice_about(std::span<const NoticeRecipient> recipients) {
  Notice notice;
  notice.host_name = "mail.example.com";
  notice.token = "0abc.0.f";
  notice.sender = "list@example.com";
  notice.envelope_id = "run+3D7";
  notice.contact = "postmaster@example.com";
  notice.arrived = kArrived;
  notice.now = kWritten;
  notice.recipients = recipients;
  return notice;
}

std::string with_line_ends(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '\n' ? "\r\n" : std::string(1, c);
  }
  return out;
}

TEST(Notice, OfAFailure) {
  const std::array recipients = {refused()};
  Notice notice = notice_about(recipients);
  const std::array<std::string_view, 2> original = {"Received: from a\r\n", "Subject: hello\r\n"};
  notice.original = original;
  std::string text;
  const ContentInfo info = write_notice(notice, text);
  EXPECT_EQ(text, with_line_ends(R"(Date: Wed, 18 Nov 2026 11:08:20 +0000
From: Mail Delivery System <MAILER-DAEMON@mail.example.com>
To: <list@example.com>
Subject: Your mail could not be delivered
Message-ID: <0abc.0.f@mail.example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="=_report.0abc.0.f"

--=_report.0abc.0.f
Content-Type: text/plain; charset=us-ascii

This is the mail system of mail.example.com.

Your message of Wed, 18 Nov 2026 11:06:40 +0000
could not be delivered to the recipients below. No further
attempt will be made.

  <bob@example.org>
    mx.example.org [192.0.2.1]
    answered: 550 5.1.1 no such user

For help write to <postmaster@example.com>.

--=_report.0abc.0.f
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Original-Envelope-Id: run=7
Arrival-Date: Wed, 18 Nov 2026 11:06:40 +0000

Original-Recipient: rfc822; Bob+x@example.org
Final-Recipient: rfc822; bob@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 no such user
Last-Attempt-Date: Wed, 18 Nov 2026 11:08:10 +0000

--=_report.0abc.0.f
Content-Type: text/rfc822-headers

Received: from a
Subject: hello

--=_report.0abc.0.f--
.
)"));
  EXPECT_EQ(info.wire_bytes, text.size());
  EXPECT_EQ(info.size, text.size() - 3);
  EXPECT_EQ(text.substr(info.header_bytes - 4, 4), "\r\n\r\n");
  EXPECT_FALSE(info.dot_lines);
  EXPECT_FALSE(info.eight_bit);
}

TEST(Notice, OfADelaySaysHowLongItIsTried) {
  NoticeRecipient to = refused();
  to.status = {4, 4, 1};
  to.reply_code = 0;
  to.host = {};
  to.text = "no host could be reached";
  to.retry_until = kWritten;
  const std::array recipients = {to};
  Notice notice = notice_about(recipients);
  notice.action = NoticeAction::delayed;
  std::string text;
  write_notice(notice, text);
  EXPECT_NE(text.find("Action: delayed\r\nStatus: 4.4.1\r\n"
                      "Diagnostic-Code: x-ringpost; no host could be reached\r\n"),
            std::string::npos);
  EXPECT_NE(text.find("Will-Retry-Until: Wed, 18 Nov 2026 11:08:20 +0000\r\n"), std::string::npos);
  EXPECT_EQ(text.find("rfc822-headers"), std::string::npos) << "nothing of the message was given";
}

TEST(Notice, SaysWhereTheMessageCameFromAndItsNameHere) {
  NoticeRecipient to = refused();
  to.last_attempt = {};
  const std::array recipients = {to};
  Notice notice = notice_about(recipients);
  notice.received_from = "app.example.com";
  notice.origin = IpAddress::v4(198, 51, 100, 7);
  notice.log_id = "0ABC";
  std::string text;
  write_notice(notice, text);
  EXPECT_NE(text.find("Received-From-MTA: dns; app.example.com\r\nArrival-Date: "),
            std::string::npos);
  EXPECT_NE(text.find("Final-Log-ID: 0ABC\r\n"), std::string::npos);
  EXPECT_EQ(text.find("Last-Attempt-Date"), std::string::npos) << "there was none";
  notice.received_from = "what ever; (";
  write_notice(notice, text);
  EXPECT_NE(text.find("Received-From-MTA: dns; [198.51.100.7]\r\n"), std::string::npos);
}

TEST(Notice, CountsWhatIsStuffedAndWhatIsNotAscii) {
  const std::array recipients = {refused()};
  Notice notice = notice_about(recipients);
  const std::array<std::string_view, 1> original = {"Subject: \xc3\xa4\r\n\r\n..dot\r\nend\r\n"};
  notice.original = original;
  notice.original_eight_bit = true;
  notice.whole = true;
  std::string text;
  const ContentInfo info = write_notice(notice, text);
  EXPECT_TRUE(info.eight_bit);
  EXPECT_TRUE(info.dot_lines);
  EXPECT_EQ(info.size, text.size() - 3 - 1);
  EXPECT_NE(text.find("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"),
            std::string::npos);
}

TEST(Notice, AddressesBeyondAsciiHaveTheirOwnForm) {
  NoticeRecipient to = refused();
  to.address = "\xc3\xa4@example.org";
  const std::array recipients = {to, refused()};
  const Notice notice = notice_about(recipients);
  std::string text;
  write_notice(notice, text);
  EXPECT_NE(text.find("Content-Type: message/global-delivery-status\r\n"), std::string::npos);
  EXPECT_NE(text.find("Final-Recipient: utf-8; \xc3\xa4@example.org\r\n"), std::string::npos);
  EXPECT_NE(text.find("Final-Recipient: rfc822; bob@example.org\r\n"), std::string::npos);
}

TEST(Notice, AFrameAroundALargeMessageIsTheSameNotice) {
  const std::array recipients = {refused()};
  Notice notice = notice_about(recipients);
  const std::array<std::string_view, 2> original = {"Subject: x\r\n\r\n..dot\r", "\n..a\r\nb\r\n"};
  notice.original = original;
  notice.whole = true;
  std::string text;
  const ContentInfo info = write_notice(notice, text);
  NoticeFrame frame;
  write_frame(notice, frame);
  WireCount count;
  std::string pieces;
  for (const std::string_view run :
       {std::string_view(frame.before), original[0], original[1], std::string_view(frame.after)}) {
    for (std::size_t at = 0; at < run.size(); at += 7) {
      count.add(run.substr(at, 7));
    }
    pieces.append(run);
  }
  EXPECT_EQ(pieces, text);
  const ContentInfo counted = count.info(frame.header_bytes);
  EXPECT_EQ(counted.wire_bytes, info.wire_bytes);
  EXPECT_EQ(counted.size, text.size() - 3 - 2);
  EXPECT_EQ(info.size, counted.size);
  EXPECT_EQ(counted.header_bytes, info.header_bytes);
  EXPECT_TRUE(counted.dot_lines && info.dot_lines);
}

// RFC 3464 section 2.2.1 and 2.3.1 have these fields in ASCII.
TEST(Notice, WhatXtextHidesIsShownWhereItIsAscii) {
  NoticeRecipient to = refused();
  to.original = "rfc822;a+2Bb+E4@example.org";
  const std::array recipients = {to};
  Notice notice = notice_about(recipients);
  notice.envelope_id = "run+3D+FF";
  std::string text;
  EXPECT_FALSE(write_notice(notice, text).eight_bit);
  EXPECT_NE(text.find("Original-Recipient: rfc822; a+b+E4@example.org\r\n"), std::string::npos);
  EXPECT_NE(text.find("Original-Envelope-Id: run=+FF\r\n"), std::string::npos);
}

TEST(Notice, NobodyWritesLinesOfTheirOwn) {
  NoticeRecipient to = refused();
  to.text = "no\r\n.\r\nSubject: x";
  to.original = "rfc822;a+0D+0AX-Evil:+20y";
  const std::array recipients = {to};
  const Notice notice = notice_about(recipients);
  std::string text;
  const ContentInfo info = write_notice(notice, text);
  EXPECT_EQ(text.find("\r\nSubject: x"), std::string::npos);
  EXPECT_EQ(text.find("\r\nX-Evil"), std::string::npos);
  EXPECT_FALSE(info.dot_lines);
}

}  // namespace
}  // namespace ringpost::account
