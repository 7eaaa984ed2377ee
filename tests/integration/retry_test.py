#!/usr/bin/env python3
"""When mail is tried again: attempts and times stand over kills and ends in order, new mail wakes a
queue where it is told to, and mail that is too old is returned while its receiver is away."""

import json
import smtplib
import time

from harness import PeerTest, Ringpostd, Sink, free_port, main, need_ringpostd, wait_until


class Retry(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    @staticmethod
    def send(daemon, recipient, job=""):
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.ehlo()
            client.mail("s@load.test")
            client.rcpt(recipient)
            header = f"X-Job: {job}\r\n" if job else ""
            return client.data(header + "Subject: x\r\n\r\nhello\r\n")[1].decode().split()[-1]

    @staticmethod
    def row(daemon, message):
        (row,) = json.loads(daemon.command("trace", message, "--json"))["recipients"]
        return row

    def test_attempts_and_times_stand_over_kills_and_ends_in_order(self):
        sink = self.started(Sink(self.folder, "--defer-rcpt", "later"))
        nobody = free_port()
        daemon = self.started(Ringpostd(
            self.folder, "<domain *>\n  retry-recipients-after 1h\n  retry-after 2h\n</domain>\n"
            f"<domain dead.test>\n  route [127.0.0.1]:{nobody}\n</domain>\n",
            sink_port=sink.port))
        refused = self.send(daemon, "later@a.test")
        dead = self.send(daemon, "u@dead.test")
        wait_until(lambda: self.row(daemon, refused)["attempts"] == 1, "the first attempt")
        wait_until(lambda: "retry-after 2h" in daemon.command("why", "u@dead.test"), "the other")
        before = self.row(daemon, refused), self.row(daemon, dead)
        for end in (daemon.stop, daemon.kill):
            end()
            daemon.start()
            row = self.row(daemon, refused)
            self.assertEqual(1, row["attempts"])
            self.assertAlmostEqual(before[0]["until"], row["until"], delta=1)
            if end == daemon.stop:
                # After a crash each such queue has one attempt before its time.
                self.assertAlmostEqual(before[1]["until"], self.row(daemon, dead)["until"], delta=1)
        daemon.command("schedule", "queue", "a.test/*")
        wait_until(lambda: self.row(daemon, refused)["attempts"] == 2, "an attempt by command")

    def test_what_was_scheduled_stays_due_over_kills_and_ends_in_order(self):
        sink = self.started(Sink(self.folder, "--defer-rcpt", "later"))
        daemon = self.started(Ringpostd(
            self.folder, "<source 127.0.0.1>\n  process-x-job yes\n</source>\n"
            "<virtual-mta v2>\n</virtual-mta>\n"
            "<domain *>\n  retry-recipients-after 1h\n</domain>\n", sink_port=sink.port))
        names = "queue", "other", "job", "moved"
        ids = {name: self.send(daemon, f"later@{name}.test", name) for name in names}
        wait_until(lambda: all(self.row(daemon, one)["attempts"] == 1 for one in ids.values()),
                   "the first attempts")
        first = self.row(daemon, ids["other"])["until"]
        daemon.command("pause", "queue", "*")
        for command in ("schedule queue queue.test/{default}", "schedule job j*",
                        "schedule domain moved.test", "move queue moved.test --to v2"):
            daemon.command(*command.split())
        rules = (daemon.spool / "moves").read_text()
        self.assertEqual(3, sum(line.startswith("schedule-") for line in rules.splitlines()))
        for end in (daemon.stop, daemon.kill):
            end()
            daemon.start()
        self.assertEqual([0, 1, 0, 0], [sum(row["deferred"] for row in json.loads(daemon.command(
            "show", "queues", f"{name}.test", "--json"))) for name in names])
        time.sleep(1.1)  # an attempt within a second of the command is taken for an earlier one
        daemon.command("resume", "queue", "*")
        wait_until(lambda: all(self.row(daemon, ids[name])["attempts"] == 2
                               for name in ("queue", "job", "moved")), "the next attempts")
        before = {name: self.row(daemon, ids[name])["until"] for name in names}
        self.assertAlmostEqual(first, before["other"], delta=1)
        for end in (daemon.kill, daemon.stop):
            end()
            daemon.start()
            for name in names:
                row = self.row(daemon, ids[name])
                self.assertEqual(1 + (name != "other"), row["attempts"], name)
                self.assertAlmostEqual(before[name], row["until"], delta=1, msg=name)

    def test_new_mail_wakes_a_queue_that_waits_where_told_to(self):
        ports = free_port(), free_port()
        daemon = self.started(Ringpostd(
            self.folder, "<domain *>\n  retry-after 1h\n</domain>\n" + "".join(
                f"<domain {name}.test>\n  route [127.0.0.1]:{port}\n"
                f"  retry-upon-new-mail {wakes}\n</domain>\n"
                for name, port, wakes in (("eager", ports[0], "yes"), ("calm", ports[1], "no")))))
        for name in ("eager", "calm"):
            self.send(daemon, f"a@{name}.test")
            wait_until(lambda name=name: "retry-after 1h" in
                       daemon.command("why", f"a@{name}.test"), "the first attempt")
        sinks = [self.started(Sink(self.folder, port=port, name=f"sink{port}")) for port in ports]
        for name in ("calm", "eager"):
            self.send(daemon, f"b@{name}.test")
        wait_until(lambda: sinks[0].received() == 2, "both messages of the one")
        self.assertEqual(0, sinks[1].received())

    def test_mail_is_returned_in_time_while_its_receiver_is_away(self):
        daemon = self.started(Ringpostd(
            self.folder, "<domain *>\n  retry-after 1h\n  bounce-after 2s\n</domain>\n",
            sink_port=free_port()))
        self.send(daemon, "u@away.test")
        row = daemon.final_row("u@away.test")
        self.assertEqual("b", row["type"])
        self.assertIn("4.4.7", row["dsnStatus"])
        self.assertIn("refused", row["dsnDiag"])


if __name__ == "__main__":
    main()
