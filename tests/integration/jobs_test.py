#!/usr/bin/env python3
"""Jobs and moves as an operator handles them: paused, deleted, moved, over kill -9 and restart."""

import json
import smtplib
import subprocess

from harness import (BIN, PeerTest, Ringpostd, Sink, free_port, load, main, need_ringpostd,
                     wait_until)

CONFIGURATION = """<pattern-list ranks>
  rcpt-to /^first-/ recipient-priority=90
  rcpt-to /^last-/ recipient-priority=10
</pattern-list>
<source 127.0.0.1>
  pattern-list ranks
  process-x-job yes
  process-x-virtual-mta yes
</source>
<virtual-mta v1>
  smtp-source-host 127.0.0.1 one.test
</virtual-mta>
<virtual-mta v2>
  smtp-source-host 127.0.0.1 two.test
</virtual-mta>
<domain *>
  retry-after 1h
</domain>
"""


class Jobs(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def daemon(self, sink_port):
        return self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=sink_port))

    def send(self, daemon, job, count):
        """Messages of the job to d.test by v1; their ids."""
        ids = []
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.ehlo()
            for number in range(count):
                client.mail("s@load.test")
                client.rcpt(f"{job}-{number}@d.test")
                code, text = client.data(f"X-Job: {job}\r\nX-Virtual-MTA: v1\r\n"
                                         "Subject: x\r\n\r\nhello\r\n")
                self.assertEqual(250, code)
                ids.append(text.decode().split()[-1])
        return ids

    def rows(self, daemon, *arguments):
        return json.loads(daemon.command(*arguments, "--json"))

    def wait_for_first_attempt(self, daemon):
        wait_until(lambda: [row for row in self.rows(daemon, "show", "queues")
                            if row["state"].startswith("deferred")], "the first attempt")

    def jobs(self, daemon):
        return {row["job"]: (row["state"], row["queued"])
                for row in self.rows(daemon, "show", "jobs")}

    def test_a_paused_job_waits_over_a_crash_and_the_others_go(self):
        sink = self.started(Sink(self.folder))
        daemon = self.daemon(sink.port)
        self.assertEqual((0, 0), tuple(self.rows(daemon, "pause", "job", "new*", "--dry-run")[key]
                                       for key in ("queues", "recipients")))
        daemon.command("pause", "job", "new*")
        ids = self.send(daemon, "news", 6)
        self.send(daemon, "other", 4)
        wait_until(lambda: sink.received() == 4, "the job that is not paused")
        wait_until(lambda: self.jobs(daemon) == {"news": ("paused", 6)}, "the table")
        self.assertEqual(["news"], [row["job"] for row in self.rows(
            daemon, "show", "jobs", "n*", "--match", "paused", "--sort", "-ready")])
        self.assertEqual(6, len(self.rows(daemon, "list", "--job", "news")))
        self.assertIn("job-paused", daemon.command("why", ids[0]))
        told = self.rows(daemon, "trace", ids[0])
        self.assertEqual(("news", "news"), (told["job"], told["recipients"][0]["job"]))
        self.assertIn("6 recipients", daemon.command("delete", "job", "news", "--dry-run"))
        daemon.kill()
        daemon.start()
        wait_until(lambda: self.jobs(daemon) == {"news": ("paused", 6)}, "what the start found")
        self.assertEqual(4, sink.received())
        daemon.command("resume", "job", "news")
        wait_until(lambda: sink.received() == 10, "the resumed job")

    def test_priorities_of_lists_and_commands_hold_over_a_kill(self):
        port = free_port()
        daemon = self.started(Ringpostd(
            self.folder, CONFIGURATION.replace("retry-after", "max-smtp-out 1\n  retry-after"),
            sink_port=port))
        daemon.command("pause", "queue", "d.test")
        for job in ("last", "common", "raised", "first"):
            self.send(daemon, job, 15)
        refused = subprocess.run([BIN / "ringpost", "set", "priority", "101", "--job", "raised",
                                  "--control", daemon.control], capture_output=True, text=True,
                                 timeout=30, check=False)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("101", refused.stderr)

        def ranks():
            return {row["job"]: row["priority"] for row in self.rows(daemon, "show", "jobs")}
        expected = {"last": "10", "common": "50", "raised": "50", "first": "90"}
        wait_until(lambda: ranks() == expected, "what the list gives")
        self.assertIn("would touch 1 queues with 15",
                      daemon.command("set", "priority", "--jobId", "raised", "70", "--dry-run"))
        self.assertEqual(expected, ranks())
        daemon.command("set", "priority", "--queue", "d.test", "--job", "raised", "70")
        expected["raised"] = "70"
        self.assertEqual(expected, ranks())
        daemon.kill()
        daemon.start()
        wait_until(lambda: ranks() == expected, "what the start found")
        self.assertEqual({"raised"}, {row["job"] for row in self.rows(daemon, "list", "--priority",
                                                                      "70")})
        self.assertEqual({"90": 15, "70": 15, "50": 15, "10": 15},
                         self.rows(daemon, "show", "queues")[0]["priorities"])
        later = self.send(daemon, "raised", 1)[0]
        wait_until(lambda: self.rows(daemon, "trace", later)["recipients"][0].get("priority") == 50,
                   "mail that came later")
        sink = self.started(Sink(self.folder, port=port))
        daemon.command("resume", "queue", "d.test")
        wait_until(lambda: sink.received() == 61, "all mail")
        order = [line.split("\t")[1].split("-")[0]
                 for line in sink.record.read_text().splitlines()]
        # Messages that a session has taken ahead may overtake each other, and lower ones get turns.
        places = {job: sum(at for at, one in enumerate(order) if one == job) / order.count(job)
                  for job in expected}
        self.assertEqual(["first", "raised", "common", "last"], sorted(places, key=places.get))

    def test_a_deleted_job_ends_and_a_scheduled_one_is_tried(self):
        daemon = self.daemon(free_port())
        self.send(daemon, "a", 3)
        self.send(daemon, "b", 2)
        self.wait_for_first_attempt(daemon)
        daemon.command("delete", "job", "a")
        wait_until(lambda: self.jobs(daemon) == {"b": ("active", 2)}, "the deletion")
        wait_until(lambda: len([row for row in daemon.accounted() if row["type"] == "b"]) == 3,
                   "the rows")
        before = daemon.status()["totals"]["resolutions"]
        self.assertIn("touched 1 queues with 2", daemon.command("schedule", "job", "*"))
        wait_until(lambda: daemon.status()["totals"]["resolutions"] > before, "another attempt")

    def test_what_was_deleted_stays_so_over_a_kill(self):
        daemon = self.daemon(free_port())
        code, _, _ = load(self.folder, daemon.port, "-n", "9000", "-c", "4", "--domains", "2")
        self.assertEqual(0, code)
        self.send(daemon, "a", 300)
        daemon.command("delete", "job", "a")
        daemon.command("delete", "queue", "d1.example/*")
        daemon.kill()
        daemon.start()
        queued = {row["queue"]: row["queued"] for row in self.rows(daemon, "show", "queues")
                  if row["queued"]}
        self.assertEqual({"d2.example/{default}": 4500}, queued)

    def test_a_move_holds_over_kill_and_restart_and_nothing_is_doubled(self):
        port = free_port()
        daemon = self.daemon(port)
        self.send(daemon, "a", 5)
        self.send(daemon, "b", 5)
        self.wait_for_first_attempt(daemon)

        def queued():
            return {row["queue"]: row["queued"] for row in self.rows(daemon, "show", "queues")
                    if row["queued"]}
        refused = subprocess.run([BIN / "ringpost", "move", "job", "a", "--to", "v9", "--control",
                                  daemon.control], capture_output=True, text=True, timeout=30,
                                 check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn("v9", refused.stderr)
        self.assertIn("would touch 1 queues with 5",
                      daemon.command("move", "job", "a", "--to", "v2", "--dry-run"))
        self.assertEqual({"d.test/v1": 10}, queued())
        daemon.command("move", "job", "a", "--to", "v2")
        wait_until(lambda: queued() == {"d.test/v1": 5, "d.test/v2": 5}, "the move")
        # There and back again: the start must not follow the first one only.
        daemon.command("move", "queue", "d.test/v1", "--to", "v2")
        wait_until(lambda: queued() == {"d.test/v2": 10}, "the second move")
        daemon.command("move", "job", "b", "--to", "v1")
        wait_until(lambda: queued() == {"d.test/v1": 5, "d.test/v2": 5}, "the third move")
        daemon.kill()
        daemon.start()
        wait_until(lambda: queued() == {"d.test/v1": 5, "d.test/v2": 5}, "what the start found")
        self.send(daemon, "a", 1)
        sink = self.started(Sink(self.folder, port=port))
        daemon.command("schedule", "queue", "*")
        wait_until(lambda: sink.received() == 11, "all mail")
        wait_until(lambda: len([row for row in daemon.accounted() if row["type"] == "d"]) == 11,
                   "all rows")
        by = {row["rcpt"]: row["vmta"] for row in daemon.accounted() if row["type"] == "d"}
        self.assertEqual({f"a-{number}@d.test": "v2" for number in range(1, 5)},
                         {name: vmta for name, vmta in by.items()
                          if name[0] == "a" and name != "a-0@d.test"})
        self.assertEqual({"v1"}, {vmta for name, vmta in by.items() if name[0] == "b"})
        self.assertEqual({"v1", "v2"}, {row["vmta"] for row in daemon.accounted()
                                        if row["type"] == "d" and row["rcpt"] == "a-0@d.test"})


if __name__ == "__main__":
    main()
