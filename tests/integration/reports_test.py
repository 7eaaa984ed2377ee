#!/usr/bin/env python3
"""Delivery status notifications as a sender's program reads them: who is told what, once, over
kills too, and what is left to a next host that reports itself."""

import collections
import email
import email.policy
import json
import re
import smtplib
import socketserver
import threading
import time

from harness import PeerTest, Ringpostd, free_port, main, need_ringpostd, wait_until

Arrival = collections.namedtuple("Arrival", "mail recipients content")


class Receiver(socketserver.ThreadingTCPServer):
    """A small SMTP server: recipients that begin with `bad` are refused, those with `later` put
    off. What arrived is kept with the commands as they came."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, dsn=False):
        self.offers_dsn = dsn
        self.arrived = []
        super().__init__(("127.0.0.1", 0), Conversation)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def reports(self):
        return [arrival for arrival in self.arrived if arrival.mail.startswith("<>")]


class Conversation(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.talk()
        except ConnectionError:
            pass  # the daemon was killed

    def talk(self):
        mail, recipients = "", []
        self.say("220 receiver.test")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if verb in (b"EHLO", b"HELO"):
                self.say("250-receiver.test")
                self.say("250-8BITMIME\r\n250 " + ("DSN" if self.server.offers_dsn
                                                   else "PIPELINING"))
            elif verb == b"MAIL":
                mail, recipients = text[10:], []
                self.say("250 2.1.0 ok")
            elif verb == b"RCPT":
                self.rcpt(text[8:], recipients)
            elif verb == b"DATA":
                if not recipients:
                    self.say("554 5.5.1 nobody")
                    continue
                self.say("354 go on")
                self.server.arrived.append(Arrival(mail, recipients, self.content()))
                self.say("250 2.0.0 kept")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def rcpt(self, text, recipients):
        if text.startswith("<bad"):
            self.say("550 5.1.1 no such mailbox here")
        elif text.startswith("<later"):
            self.say("451 4.2.1 mailbox busy")
        else:
            recipients.append(text)
            self.say("250 2.1.5 ok")

    def content(self):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise ConnectionError("cut off within content")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class Report:
    """A notification, read by Python's own parser."""

    def __init__(self, arrival):
        self.message = email.message_from_bytes(arrival.content, policy=email.policy.default)
        self.to = arrival.recipients
        self.parts = list(self.message.iter_parts())
        fields = self.parts[1].get_payload()
        self.message_fields, self.recipients = fields[0], fields[1:]

    def of(self, address):
        return next(fields for fields in self.recipients
                    if fields["Final-Recipient"] == f"rfc822; {address}")


class Reports(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def receiver(self, **options):
        server = Receiver(**options)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def daemon(self, receiver, configuration=""):
        return self.started(Ringpostd(self.folder, "postmaster help@mta.test\n" + configuration,
                                      sink_port=receiver.port, reports=True))

    def submit(self, daemon, sender, recipients, content=b"Subject: hello\r\n\r\nbody\r\n",
               options=()):
        """`recipients`: an address, or one with RCPT parameters behind it."""
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.ehlo()
            self.assertEqual(250, client.mail(sender, options)[0])
            for recipient in recipients:
                address, *parameters = recipient.split(" ")
                self.assertEqual(250, client.rcpt(address, parameters)[0])
            self.assertEqual(250, client.data(content)[0])

    def quiet(self, daemon):
        """Waits until nothing is queued or owed any more."""
        wait_until(lambda: daemon.status()["totals"]["spool_messages"] == 0, "an empty spool")

    def test_failures_are_reported_as_the_envelope_asks(self):
        receiver = self.receiver()
        daemon = self.daemon(receiver, "<domain quiet.test>\n  deliver-local-dsn no\n</domain>\n")
        self.submit(daemon, "s1@home.test",
                    ["good@d.test", "bad1@d.test ORCPT=rfc822;Bad+2Bone@first.test", "bad2@d.test",
                     "bad3@d.test NOTIFY=NEVER", "bad4@d.test NOTIFY=SUCCESS,DELAY"],
                    options=["ENVID=run+3D7", "RET=HDRS"])
        self.submit(daemon, "s2@home.test", ["bad5@d.test"], b"Subject: whole\r\n\r\n.dot\r\nx\r\n",
                    ["RET=FULL"])
        self.submit(daemon, "", ["bad6@d.test"])
        self.submit(daemon, "s3@quiet.test", ["bad7@d.test"])
        self.submit(daemon, "bad8@home.test", ["bad9@d.test"])  # whose own mailbox refuses
        self.submit(daemon, "s4@home.test", ["good@d.test NOTIFY=SUCCESS ORCPT=rfc822;g@d.test"])
        self.quiet(daemon)
        reports = {arrival.recipients[0]: Report(arrival) for arrival in receiver.reports()}
        self.assertEqual(3, len(receiver.reports()))
        self.assertEqual({"<s1@home.test>", "<s2@home.test>", "<s4@home.test>"}, set(reports))
        self.check_headers_report(reports["<s1@home.test>"])
        whole = reports["<s2@home.test>"]
        self.assertEqual("message/rfc822", whole.parts[2].get_content_type())
        self.assertEqual(".dot\nx\n",
                         whole.parts[2].get_content().get_content().replace("\r\n", "\n"))
        relayed = reports["<s4@home.test>"]
        self.assertEqual("relayed", relayed.of("good@d.test")["Action"])
        self.assertEqual("rfc822; g@d.test", relayed.of("good@d.test")["Original-Recipient"])
        rows = [row for row in daemon.accounted() if row["rcpt"] == "s1@home.test"]
        self.assertEqual([("d", "", "{default}")],
                         [(row["type"], row["orig"], row["vmta"]) for row in rows])
        def bounces():
            return json.loads(daemon.command("show", "bounces", "--json"))
        expected = [{"category": "bad-mailbox", "bounced": 9, "deferred": 0}]
        wait_until(lambda: bounces() == expected, f"{expected}, not {bounces()}")
        self.assertIn("bad-mailbox", daemon.command("show", "bounces"))
        totals = daemon.status()["totals"]
        self.assertEqual((4, 1), (totals["reports_made"], totals["reports_omitted"]))
        self.assertEqual(6, totals["accepted_messages"])

    def check_headers_report(self, report):
        message = report.message
        self.assertEqual("multipart/report", message.get_content_type())
        self.assertEqual("delivery-status", message.get_param("report-type"))
        self.assertEqual("auto-replied", message["Auto-Submitted"])
        self.assertEqual("s1@home.test", message["To"].addresses[0].addr_spec)
        self.assertIn("help@mta.test", report.parts[0].get_content())
        self.assertIn("no such mailbox here", report.parts[0].get_content())
        self.assertEqual("dns; mta.test", report.message_fields["Reporting-MTA"])
        self.assertEqual("run=7", report.message_fields["Original-Envelope-Id"])
        self.assertEqual(2, len(report.recipients), "one is delivered, two want no word")
        first = report.of("bad1@d.test")
        self.assertEqual("rfc822; Bad+one@first.test", first["Original-Recipient"])
        self.assertEqual(("failed", "5.1.1"), (first["Action"], first["Status"]))
        self.assertEqual("smtp; 550 5.1.1 no such mailbox here", first["Diagnostic-Code"])
        self.assertIsNone(report.of("bad2@d.test")["Original-Recipient"])
        self.assertEqual("text/rfc822-headers", report.parts[2].get_content_type())
        self.assertIn("Subject: hello", report.parts[2].as_string())
        self.assertNotIn("body", report.parts[2].as_string())

    def test_large_messages_are_returned_up_to_the_limit(self):
        receiver = self.receiver()
        daemon = self.daemon(receiver, "dsn-return-full-max 800K\n")
        line = b".x" * 38 + b"\r\n"
        whole = b"Subject: whole\r\n\r\n" + line * 9000
        for number in range(6):  # more than go at once
            self.submit(daemon, f"s{number}@home.test", ["bad@d.test"], whole, ["RET=FULL"])
        self.submit(daemon, "s6@home.test", ["bad@d.test"], whole + line * 2000, ["RET=FULL"])
        self.quiet(daemon)
        reports = {arrival.recipients[0]: arrival for arrival in receiver.reports()}
        self.assertEqual({f"<s{number}@home.test>" for number in range(7)}, set(reports))
        for number in range(6):
            content = reports[f"<s{number}@home.test>"].content
            self.assertIn(b"Content-Type: message/rfc822\r\n\r\nReceived: ", content)
            self.assertEqual(1, content.count(whole + b"\r\n--=_report."), number)
        self.assertLess(len(reports["<s6@home.test>"].content), 4096)

    def test_a_next_host_that_reports_gets_what_the_client_said(self):
        receiver = self.receiver(dsn=True)
        daemon = self.daemon(receiver)
        self.submit(daemon, "s@home.test",
                    ["good@d.test NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;g@first.test"],
                    options=["ENVID=id7", "RET=FULL"])
        self.quiet(daemon)
        self.assertEqual(1, len(receiver.arrived))
        arrival = receiver.arrived[0]
        self.assertIn("RET=FULL", arrival.mail)
        self.assertIn("ENVID=id7", arrival.mail)
        self.assertIn("NOTIFY=SUCCESS,FAILURE", arrival.recipients[0])
        self.assertIn("ORCPT=rfc822;g@first.test", arrival.recipients[0])

    def test_delays_and_return_paths_of_their_own(self):
        receiver = self.receiver()
        daemon = self.daemon(
            receiver, "<domain *>\n  notify-of-delay-every 1s\n  bounce-after 6s\n"
            "  retry-after 1s\n  retry-recipients-after 1s\n</domain>\n"
            "<sender campaign@home.test>\n  bounce-sender bounces@home.test\n</sender>\n")
        self.submit(daemon, "s1@home.test", ["later1@d.test NOTIFY=DELAY,FAILURE",
                                             "later2@d.test"])
        self.submit(daemon, "campaign@home.test", ["x@d.test", "bad@d.test", "y@d.test"],
                    options=["XVERP==+"])
        self.quiet(daemon)
        self.assertEqual({"<bounces=x+d.test@home.test>", "<bounces=y+d.test@home.test>"},
                         {arrival.mail.split(" ")[0] for arrival in receiver.arrived
                          if not arrival.mail.startswith("<>")})
        reports = [Report(arrival) for arrival in receiver.reports()]
        delays = [report for report in reports if report.recipients[0]["Action"] == "delayed"]
        failures = [report for report in reports if report.recipients[0]["Action"] == "failed"]
        self.assertGreaterEqual(len(delays), 2)
        self.assertEqual(len(delays), len({delay.message["Message-ID"] for delay in delays}))
        for delay in delays:
            self.assertEqual(["<s1@home.test>"], delay.to)
            self.assertEqual(["rfc822; later1@d.test"],
                             [fields["Final-Recipient"] for fields in delay.recipients])
            self.assertIsNotNone(delay.recipients[0]["Will-Retry-Until"])
            self.assertEqual("dns; [127.0.0.1]", delay.recipients[0]["Remote-MTA"])
            self.assertEqual("smtp; 451 4.2.1 mailbox busy",
                             delay.recipients[0]["Diagnostic-Code"])
            self.assertEqual("4.2.1", delay.recipients[0]["Status"])
            self.assertIsNotNone(delay.recipients[0]["Last-Attempt-Date"])
        self.assertEqual({"<s1@home.test>", "<bounces=bad+d.test@home.test>"},
                         {failure.to[0] for failure in failures})
        expired = next(failure for failure in failures if failure.to == ["<s1@home.test>"])
        self.assertEqual({"4.4.7"}, {fields["Status"] for fields in expired.recipients})

    def test_a_delay_without_any_host_says_why(self):
        receiver = self.receiver()
        daemon = self.daemon(
            receiver, "<domain *>\n  notify-of-delay-every 2s\n  bounce-after 10m\n"
            "  retry-after 1s\n</domain>\n"
            f"<domain dead.test>\n  route [127.0.0.1]:{free_port()}\n</domain>\n")
        self.submit(daemon, "s1@home.test", [f"u{number}@dead.test NOTIFY=DELAY"
                                             for number in range(2)])
        wait_until(lambda: receiver.reports(), "a report of delay")
        for fields in Report(receiver.reports()[0]).recipients:
            self.assertEqual("delayed", fields["Action"])
            self.assertEqual("4.4.1", fields["Status"])
            self.assertIsNone(fields["Remote-MTA"])
            self.assertRegex(fields["Diagnostic-Code"], "^x-ringpost; .*refused")
            self.assertIsNotNone(fields["Last-Attempt-Date"])

    def test_kills_lose_no_report_and_mark_what_is_repeated(self):
        receiver = self.receiver()
        daemon = self.daemon(receiver)
        count = 400
        for first in range(0, count, 100):
            with smtplib.SMTP("127.0.0.1", daemon.port) as client:
                for number in range(first, first + 100):
                    client.sendmail(f"s{number}@home.test", [f"bad{number}@d.test"],
                                    f"Subject: {number}\r\n\r\nx\r\n")
            daemon.kill()
            daemon.start()
        for _ in range(3):
            time.sleep(0.03)
            daemon.kill()
            daemon.start()
        self.quiet(daemon)
        ids = collections.defaultdict(set)
        for arrival in receiver.reports():
            report = Report(arrival)
            number = re.fullmatch(r"<s(\d+)@home.test>", arrival.recipients[0]).group(1)
            self.assertEqual(f"rfc822; bad{number}@d.test",
                             report.recipients[0]["Final-Recipient"])
            ids[number].add(report.message["Message-ID"])
        self.assertEqual({str(number) for number in range(count)}, set(ids))
        self.assertEqual({1}, {len(each) for each in ids.values()},
                         "a report that a kill repeats has the same Message-ID")


if __name__ == "__main__":
    main()
