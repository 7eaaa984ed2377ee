#!/usr/bin/env python3
"""The event log's details as text and JSON, what it must not hold, and dialogues watched live."""

import base64
import json
import smtplib
import subprocess

from harness import BIN, PeerTest, Ringpostd, Sink, main, need_ringpostd, wait_until

PASSWORD = "hunter2-and-more"


class Events(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.sink = self.started(Sink(self.folder))

    @staticmethod
    def send(daemon, recipient, login=False):
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
            if login:
                client.login("joe", PASSWORD)
            client.sendmail("a@load.test", [recipient], "Subject: x\r\n\r\nthe body\r\n")

    def test_details_as_text_in_a_file_that_is_rotated(self):
        log = self.folder / "event.log"
        daemon = self.started(Ringpostd(
            self.folder, sink_port=self.sink.port, configuration=(
                f"log-file {log}\n"
                f"<smtp-user joe>\n  password {PASSWORD}\n</smtp-user>\n"
                "<source 127.0.0.1>\n  log-connections yes\n  log-commands yes\n"
                "  allow-unencrypted-plain-auth yes\n</source>\n"
                "<domain told.test>\n  log-connections yes\n  log-commands yes\n"
                "  log-resolution yes\n  log-transfer-failures yes\n</domain>\n"
                "<domain data.test>\n  log-data yes\n</domain>\n")))
        self.send(daemon, "user@told.test", login=True)
        self.send(daemon, "user@silent.test")
        wait_until(lambda: self.sink.received() == 2, "both messages")
        text = wait_until(lambda: "closed: quit" in log.read_text() and log.read_text(), "the end")
        self.assertIn("< AUTH PLAIN (not shown)", text)
        self.assertNotIn(PASSWORD, text)
        self.assertIn(" in ", text)
        self.assertIn("< rcpt TO:<user@told.test>", text)
        self.assertRegex(
            text, r" info out \d\.\d+ told\.test/\S+ \[127\.0\.0\.1:\d+\] > RCPT TO:<user@told")
        self.assertIn("> DATA", text)
        self.assertNotIn("silent.test/", text)
        self.assertNotIn("the body", text)
        log.rename(self.folder / "event.log.1")
        daemon.process.send_signal(10)  # SIGUSR1
        wait_until(log.exists, "the new log")
        self.send(daemon, "user@data.test")
        wait_until(lambda: "> the body" in log.read_text(), "the content in the new log")
        totals = daemon.status()["totals"]
        self.assertGreater(totals["event_lines"], 20)
        self.assertEqual(0, totals["event_lines_dropped"])

    def test_details_of_one_source_alone(self):
        """Of sessions in: those of a user whose source asks for it, not those of its address."""
        daemon = self.started(Ringpostd(
            self.folder, sink_port=self.sink.port, configuration=(
                f"<smtp-user joe>\n  password {PASSWORD}\n  source {{told}}\n</smtp-user>\n"
                "<source {told}>\n  always-allow-relaying yes\n  log-data yes\n"
                "  log-commands yes\n  log-connections yes\n</source>\n"
                "<source 127.0.0.1>\n  allow-unencrypted-plain-auth yes\n</source>\n")))
        self.send(daemon, "silent@any.test")
        self.send(daemon, "user@any.test", login=True)
        wait_until(lambda: self.sink.received() == 2, "both messages")
        text = wait_until(lambda: "< QUIT" in daemon.output() and daemon.output(), "the end")
        self.assertRegex(text, r" info in \d\.\d+ .*< RCPT TO:<user@any.test>|< rcpt TO:<user@any")
        self.assertIn("< the body", text)
        self.assertEqual(1, text.count("the body"))
        self.assertNotIn("silent@any.test", text)
        self.assertNotIn(" out ", text)
        for secret in (PASSWORD, base64.b64encode(f"\0joe\0{PASSWORD}".encode()).decode()):
            self.assertNotIn(secret, text)

    def test_json_and_level(self):
        daemon = self.started(Ringpostd(
            self.folder, sink_port=self.sink.port, configuration=(
                "log-format json\nlog-level warning\n"
                "<domain told.test>\n  log-commands yes\n  log-transfer-failures yes\n"
                "  retry-after 1h\n  smtp-hosts [127.0.0.1]:9\n</domain>\n")))
        self.send(daemon, "user@told.test")
        lines = wait_until(
            lambda: [json.loads(line) for line in daemon.output().splitlines()
                     if line.startswith("{") and "no transfer" in line], "the failure")
        self.assertEqual(("warning", "failure", "out"),
                         tuple(lines[0][key] for key in ("level", "kind", "direction")))
        self.assertTrue(lines[0]["queue"].startswith("told.test/"))
        self.assertNotIn('"ready"', daemon.output())
        daemon.file.write_text(daemon.file.read_text().replace("log-level warning",
                                                               "log-level info"))
        daemon.command("reload")
        wait_until(lambda: "is in force" in daemon.output(), "a line of the new level")

    def test_live(self):
        daemon = self.started(Ringpostd(self.folder, sink_port=self.sink.port))
        watching = []
        for what in (("live.test", "--data"), ("127.0.0.1",)):
            seen = (self.folder / f"seen{len(watching)}").open("w+b")
            self.addCleanup(seen.close)
            program = subprocess.Popen(
                [BIN / "ringpost", "trace", "--live", *what, "--seconds", "60", "--control",
                 daemon.control], stdout=seen, stderr=seen)
            self.addCleanup(program.wait, 10)
            self.addCleanup(program.terminate)
            watching.append(seen)

        def text(number):
            watching[number].seek(0)
            return watching[number].read().decode()
        wait_until(lambda: "watching" in text(0) and "watching" in text(1), "the watchers")
        self.send(daemon, "user@live.test")
        self.send(daemon, "user@other.test")
        wait_until(lambda: "> the body" in text(0), "the content")
        wait_until(lambda: "> RCPT TO:<user@other.test>" in text(1), "the other dialogue")
        self.assertNotIn("other.test", text(0))
        self.assertIn(" in ", text(1))
        self.assertNotIn("the body", text(1))
        # Nothing of it was configured to be logged.
        self.assertNotIn("RCPT TO", daemon.output())
        self.assertIn("neither", subprocess.run(
            [BIN / "ringpost", "trace", "--live", "two words", "--control", daemon.control],
            capture_output=True, text=True, check=False, timeout=20).stderr)


if __name__ == "__main__":
    main()
