#!/usr/bin/env python3
"""A new configuration in a running daemon: taken up whole or not at all."""

import signal
import smtplib
import socket
import subprocess

from harness import (PeerTest, Ringpostd, Sink, acknowledged, free_port, load, main,
                     need_ringpostd, settled, start_load, wait_until)


class Reload(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def change(self, daemon, old, new):
        self.assertIn(old, daemon.configuration)
        daemon.configuration = daemon.configuration.replace(old, new)
        daemon.file.write_text(daemon.configuration)

    def test_a_new_route_takes_new_mail_and_what_waited(self):
        first, second = self.started(Sink(self.folder)), self.started(
            Sink(self.folder, name="second"))
        dead = free_port()
        daemon = self.started(Ringpostd(
            self.folder, f"<domain moved.test>\n  route [127.0.0.1]:{dead}\n</domain>\n",
            sink_port=first.port))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("a@b.test", ["c@moved.test"], "Subject: 1\r\n\r\nx\r\n")
        wait_until(lambda: "deferred" in daemon.command("show", "queues", "moved.test"),
                   "the first attempt")
        self.change(daemon, f"[127.0.0.1]:{dead}", f"[127.0.0.1]:{second.port}")
        self.assertIn("configuration 2 is in force", daemon.command("reload"))
        self.assertEqual(0, second.received())
        daemon.command("schedule", "queue", "moved.test/*")
        wait_until(lambda: second.received() == 1, "delivery by the new route")
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("a@b.test", ["d@moved.test"], "Subject: 2\r\n\r\nx\r\n")
        wait_until(lambda: second.received() == 2, "delivery of new mail")
        self.assertEqual(0, first.received())

    def test_mail_of_a_shared_queue_follows_its_domains(self):
        sink = self.started(Sink(self.folder))
        shared = ("<domain a.test>\n  queue-to joint.queue\n</domain>\n"
                  "<domain b.test>\n  queue-to joint.queue\n</domain>\n"
                  f"<domain joint.queue>\n  route [127.0.0.1]:{free_port()}\n</domain>\n")
        daemon = self.started(Ringpostd(self.folder, shared, sink_port=sink.port))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for name in "abc":
                client.sendmail("s@s.test", ["u@a.test", f"{name}@b.test"], "Subject: x\r\n\r\nx")
        wait_until(lambda: "deferred" in daemon.command("show", "queues", "joint.queue"),
                   "the first attempt")
        for words in (["pause", "queue"], ["delete", "queue"], ["schedule", "queue"],
                      ["move", "queue", "--to", "{default}"], ["set", "queue", "--mode=backoff"],
                      ["disable", "source"]):
            named = "127.0.0.1,a.test/{default}" if words[0] == "disable" else "a.test/{default}"
            words.insert(2, named)
            self.assertIn("joint.queue/{default}", daemon.refused(*words), words)
        self.assertEqual(0, sink.received())
        self.change(daemon, shared, "")
        daemon.command("reload")
        wait_until(lambda: sink.received() == 6, "delivery by the domains' own route")
        for row in daemon.accounted():
            self.assertIn(row["type"], "dt")

    def test_a_faulty_file_changes_nothing_and_says_where(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, sink_port=sink.port))
        self.change(daemon, "total-max-smtp-in 5000", "total-max-smtp-in many")
        done = subprocess.run([daemon.arguments[0].replace("ringpostd", "ringpost"), "reload",
                               "--control", str(daemon.control)], capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(1, done.returncode, done.stdout)
        self.assertIn("nothing was changed", done.stderr)
        self.assertRegex(done.stderr, r"ringpost\.conf:\d+:\d+")
        code, _, ledger = load(self.folder, daemon.port, "-n", "20")
        self.assertEqual(0, code)
        self.assertTrue(settled(sink, ledger, daemon)[0])

    def test_what_needs_a_restart_is_named(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, sink_port=sink.port))
        other = free_port()
        self.change(daemon, f"smtp-listener 127.0.0.1:{daemon.port}",
                    f"smtp-listener 127.0.0.1:{other}")
        self.change(daemon, "\nshards 2\n", "\nshards 1\n")
        said = daemon.command("reload")
        for name in ("smtp-listener", "shards"):
            self.assertIn(f"{name} keeps its old value until a restart", said)
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            self.assertEqual(250, client.noop()[0])
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", other), timeout=5)

    def test_sighup_lowers_the_session_limit_for_new_sessions(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, sink_port=sink.port))
        held = smtplib.SMTP("127.0.0.1", daemon.port)
        self.change(daemon, "total-max-smtp-in 5000", "total-max-smtp-in 1")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration 2 is in force" in daemon.output(), "the reload")
        self.assertEqual(250, held.noop()[0])
        for _ in range(8):  # whichever shard the kernel chooses
            with self.assertRaises(smtplib.SMTPConnectError) as refused:
                smtplib.SMTP("127.0.0.1", daemon.port)
            self.assertEqual(421, refused.exception.smtp_code)
        held.quit()

        def served():
            try:
                with smtplib.SMTP("127.0.0.1", daemon.port):
                    return True
            except smtplib.SMTPException:
                return False
        wait_until(served, "a session once the other has ended")

    def test_reloads_under_load_lose_nothing(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, sink_port=sink.port))
        generator = start_load(self.folder, daemon.port, "-n", "5000", "--rate", "2500", "-c",
                               "20", "--domains", "20", "--pipelining", "next")
        self.programs.append(generator)
        limits = "<domain *>\n  max-smtp-out 2\n</domain>\n"
        daemon.configuration += limits
        reloads = 1
        while generator.running:
            self.change(daemon, "max-smtp-out 2" if reloads % 2 else "max-smtp-out 5",
                        "max-smtp-out 5" if reloads % 2 else "max-smtp-out 2")
            reloads += 1
            self.assertIn(f"configuration {reloads} is in force", daemon.command("reload"))
        self.assertGreater(reloads, 5)
        self.assertEqual(0, generator.wait(30))
        self.assertEqual(5000, acknowledged(generator.ledger))
        ok, told = settled(sink, generator.ledger, daemon)
        self.assertTrue(ok, told)
        self.assertEqual((0, 0), (told["duplicates"], told["marked_ambiguous"]))


if __name__ == "__main__":
    main()
