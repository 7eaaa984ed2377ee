#include "net/ingest/edits.h"

#include <gtest/gtest.h>

#include "tests/unit/ingest/ingest_world.h"

namespace ringpost::ingest {
namespace {

/// Sends one message through a service under `change`d rules for loopback.
struct Sent {
  std::string reply;
  StoredMessage message;
};

Sent send(const std::function<void(IngestConfig&, SourcePolicy&)>& change,
          const std::string& content, const std::string& mail = "MAIL FROM:<a@b>") {
  IngestWorld w;
  SourcePolicy& policy = w.config->policies[1];
  policy.add_received = policy.add_message_id = false;
  policy.date = DateField::leave;
  w.config->vmtas = {"default", "v1", "v2"};
  change(*w.config, policy);
  policy.prepare();
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO c\r\n" + mail + "\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  EXPECT_TRUE(w.hears(client, "354"));
  client.send(content + ".\r\nQUIT\r\n");
  EXPECT_TRUE(w.run_until([&] { return client.ended(); }));
  const auto lines = client.lines();
  Sent sent;
  sent.reply = lines[lines.size() - 2];
  if (!w.sink.stored.empty()) {
    sent.message = w.sink.stored[0];
  }
  return sent;
}

void no_change(IngestConfig&, SourcePolicy&) {}

void commands(IngestConfig&, SourcePolicy& policy) {
  policy.fields = {{"x-virtual-mta", FieldCommand::vmta, true},
                   {"x-job", FieldCommand::job, false},
                   {"x-mailer-id", FieldCommand::weak_job, true},
                   {"x-envid", FieldCommand::envid, true},
                   {"x-secret", FieldCommand::none, true}};
}

TEST(HeaderEdits, NothingAskedForNothingDone) {
  const std::string content = "X-Job: j\r\nX-Virtual-MTA: v1\r\n\r\nbody\r\n";
  const Sent sent = send(no_change, content);
  EXPECT_EQ(sent.message.sent, content + ".\r\n");
  EXPECT_EQ(sent.message.vmta, "default");
  EXPECT_EQ(sent.message.job, "");
}

TEST(HeaderEdits, WatchedFieldsTakeNoRoomFromCommands) {
  const auto watching = [](IngestConfig& config, SourcePolicy& policy) {
    commands(config, policy);
    policy.watched = {"subject", "date"};
  };
  const std::string content = "Subject: " + std::string(450, 's') + "\r\n " +
                              std::string(450, 's') + "\r\nDate: now\r\nSubject: again\r\n" +
                              "X-Job: " + std::string(400, 'j') + "\r\n\r\nbody\r\n";
  const Sent sent = send(watching, content);
  EXPECT_EQ(sent.message.job, std::string(400, 'j')) << sent.reply;
  EXPECT_EQ(sent.message.sent, content + ".\r\n") << "what is watched stays";
}

TEST(HeaderEdits, ObeysAndRemovesCommandFields) {
  const Sent sent = send(commands,
                         "X-Virtual-MTA: V1\r\nSubject: s\r\nX-Job: the\r\n job\r\nX-Envid: a b\r\n"
                         "X-Secret: 1\r\nX-Secret: 2\r\nTo: t\r\n\r\nX-Secret: body\r\n");
  EXPECT_EQ(sent.message.vmta, "V1");
  EXPECT_EQ(sent.message.job, "the job");
  EXPECT_EQ(sent.message.envelope_id, "a+20b");
  EXPECT_EQ(sent.message.sent,
            "Subject: s\r\nX-Job: the\r\n job\r\nTo: t\r\n\r\nX-Secret: body\r\n.\r\n");
}

TEST(HeaderEdits, StrongerSourcesWin) {
  const Sent sent = send(commands, "X-Mailer-Id: weak\r\nX-Job: strong\r\nX-Envid: h\r\n\r\n",
                         "MAIL FROM:<a@b> ENVID=fromMAIL");
  EXPECT_EQ(sent.message.job, "strong");
  EXPECT_EQ(sent.message.envelope_id, "fromMAIL");
  EXPECT_EQ(send(commands, "X-Mailer-Id: weak\r\n\r\n").message.job, "weak");
}

TEST(HeaderEdits, UnknownVirtualMtaIsRefusedOrDefaulted) {
  const std::string content = "X-Virtual-MTA: nope\r\n\r\n";
  EXPECT_EQ(send(commands, content).reply, "550 5.7.1 The header names a virtual MTA unknown here");
  const Sent lenient = send(
      [](IngestConfig& config, SourcePolicy& policy) {
        commands(config, policy);
        policy.refuse_unknown_vmta = false;
      },
      content);
  EXPECT_EQ(lenient.message.vmta, "default");
}

TEST(HeaderEdits, AllowedVirtualMtasBoundTheChoice) {
  const auto only_v2 = [](IngestConfig& config, SourcePolicy& policy) {
    commands(config, policy);
    policy.allowed_vmtas = {"v2"};
  };
  EXPECT_EQ(send(only_v2, "X-Virtual-MTA: v1\r\n\r\n").reply.substr(0, 9), "550 5.7.1");
  EXPECT_EQ(send(only_v2, "X-Virtual-MTA: V2\r\n\r\n").message.vmta, "V2");
}

TEST(HeaderEdits, OverlongCommandsAreRefused) {
  EXPECT_EQ(send(commands, "X-Job: " + std::string(600, 'j') + "\r\n\r\n").reply.substr(0, 9),
            "550 5.6.0");
  EXPECT_EQ(send(commands, "X-Envid: " + std::string(40, ' ') + std::string(101, 'e') + "\r\n\r\n")
                .reply.substr(0, 9),
            "550 5.6.0");
}

TEST(HeaderEdits, AddsOnlyWhatIsMissing) {
  const auto add = [](IngestConfig&, SourcePolicy& policy) {
    policy.add_message_id = true;
    policy.date = DateField::add_if_missing;
  };
  EXPECT_EQ(send(add, "Date: d\r\nMessage-ID: <m>\r\n\r\n").message.prefix, "");
  const std::string prefix = send(add, "Date: d\r\n\r\nMessage-ID: in body\r\n").message.prefix;
  EXPECT_EQ(prefix.substr(0, 13), "Message-ID: <");
  EXPECT_EQ(prefix.size(), 13 + MessageId::kTextSize + 14);
  const std::string dated = send(add, "Message-ID: <m>\r\n\r\n").message.prefix;
  EXPECT_EQ(dated.substr(0, 22), "Date: Fri, 15 Jan 2027");
}

TEST(HeaderEdits, ADateOfOurOwnMayBeThatOfTheSending) {
  const auto late = [](IngestConfig&, SourcePolicy& policy) {
    policy.date = DateField::add_if_missing;
    policy.date_when_sent = true;
  };
  EXPECT_TRUE(send(late, "Message-ID: <m>\r\n\r\n").message.info.dated_late);
  EXPECT_FALSE(send(late, "Date: d\r\n\r\n").message.info.dated_late) << "it is the sender's";
  const auto at_once = [](IngestConfig&, SourcePolicy& policy) {
    policy.date = DateField::replace;
  };
  EXPECT_FALSE(send(at_once, "Date: d\r\n\r\n").message.info.dated_late);
}

TEST(HeaderEdits, ReplacesDateAndRemovesReceived) {
  const Sent sent = send(
      [](IngestConfig&, SourcePolicy& policy) {
        policy.date = DateField::replace;
        policy.remove_received = true;
        policy.add_received = policy.hide_source = true;
      },
      "Received: 1\r\n\tby x\r\nReceived: 2\r\nA: b\r\nDate: old\r\nReceived: 3\r\n\r\nbody\r\n");
  EXPECT_EQ(sent.message.sent.find("old"), std::string::npos);
  EXPECT_EQ(sent.message.sent.substr(0, 34), "Received: by mx.example (Ringpost)");
  EXPECT_EQ(sent.message.sent.substr(sent.message.prefix.size()), "A: b\r\n\r\nbody\r\n.\r\n");
}

TEST(HeaderEdits, TextWithoutHeaderGetsASeparator) {
  const auto add = [](IngestConfig&, SourcePolicy& policy) {
    policy.date = DateField::add_if_missing;
  };
  const Sent text = send(add, "just text\r\n");
  EXPECT_EQ(text.message.sent.substr(text.message.sent.size() - 18), "\r\n\r\njust text\r\n.\r\n");
  const Sent empty = send(add, "");
  EXPECT_EQ(empty.message.sent, empty.message.prefix + ".\r\n");
  const Sent body = send(add, "\r\nbody\r\n");
  EXPECT_EQ(body.message.sent, body.message.prefix + "\r\nbody\r\n.\r\n");
  EXPECT_EQ(body.message.prefix.substr(body.message.prefix.size() - 7), "+0000\r\n");
}

TEST(HeaderEdits, SaysWhichVirtualMtaWasChosenWhereNoFieldDoes) {
  const auto show = [](bool obeyed) {
    return [obeyed](IngestConfig&, SourcePolicy& policy) {
      policy.add_vmta_field = true;
      policy.default_vmta = "v2";
      policy.fields = {{"x-virtual-mta", obeyed ? FieldCommand::vmta : FieldCommand::none, obeyed}};
    };
  };
  EXPECT_EQ(send(show(false), "A: b\r\n\r\n").message.sent,
            "X-Virtual-MTA: v2\r\nA: b\r\n\r\n.\r\n");
  EXPECT_EQ(send(show(false), "x-virtual-mta: v1\r\n\r\n").message.sent,
            "x-virtual-mta: v1\r\n\r\n.\r\n");
  EXPECT_EQ(send(show(true), "X-Virtual-MTA: v1\r\n\r\n").message.sent,
            "X-Virtual-MTA: v1\r\n\r\n.\r\n");
  EXPECT_EQ(send(show(true), "text\r\n").message.sent, "X-Virtual-MTA: v2\r\n\r\ntext\r\n.\r\n");
}

TEST(HeaderEdits, JobsTakeTheirPrefix) {
  const auto prefixed = [](IngestConfig& config, SourcePolicy& policy) {
    commands(config, policy);
    policy.job_prefix = "[{auth}]{auth}-";
  };
  EXPECT_EQ(send(prefixed, "X-Job: 7\r\n\r\n").message.job, "[]-7");  // nobody authenticated
  EXPECT_EQ(send(prefixed, "Subject: none\r\n\r\n").message.job, "");
  const auto endless = [](IngestConfig& config, SourcePolicy& policy) {
    commands(config, policy);
    policy.job_prefix = std::string(600, 'p');
  };
  EXPECT_EQ(send(endless, "X-Job: 7\r\n\r\n").reply, "550 5.6.0 The job in the header is too long");
}

TEST(HeaderEdits, MessageIdsNameTheHost) {
  const auto numbered = [](IngestConfig& config, SourcePolicy& policy) {
    policy.add_message_id = true;
    config.host_id = 12;
  };
  const std::string sent = send(numbered, "A: b\r\n\r\n").message.sent;
  EXPECT_NE(sent.find(".12@mx.example>\r\n"), std::string::npos) << sent;
}

TEST(HeaderEdits, RemovalsBeyondTheRangesAreRefused) {
  std::string scattered;
  for (int i = 0; i < 16; ++i) {
    scattered += "Keep: k\r\nX-Secret: s\r\n";
  }
  EXPECT_EQ(send(commands, scattered + "\r\n").reply,
            "554 5.6.0 Too many header fields that must be removed");
}

TEST(HeaderEdits, HeloCannotForgeFields) {
  IngestWorld w;
  w.start();
  TestClient& client = w.connect();
  client.send("EHLO a(b);<c>\xff\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n");
  ASSERT_TRUE(w.hears(client, "250 2.0.0 Ok: queued"));
  EXPECT_EQ(w.sink.stored.at(0).prefix.substr(0, 36), "Received: from a?b???c?? ([127.0.0.1");
}

}  // namespace
}  // namespace ringpost::ingest
