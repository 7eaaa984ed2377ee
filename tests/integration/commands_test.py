#!/usr/bin/env python3
"""What an operator does to a running daemon: readiness, tables, trace, delete, spool tools."""

import fcntl
import json
import os
import pty
import re
import smtplib
import socket
import struct
import subprocess
import termios

from harness import (BIN, PeerTest, Ringpostd, Sink, free_port, load, main, need_ringpostd,
                     wait_until)

CLEAR = b"\x1b[H\x1b[2J"


class Commands(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def unreachable(self):
        """A daemon whose mail waits, and the ids of three queued messages."""
        daemon = self.started(Ringpostd(self.folder, "<domain *>\n  retry-after 1h\n</domain>\n",
                                        sink_port=free_port()))
        ids = []
        for recipients in (["a@one.test", "b@one.test"], ["c@two.test"], ["d@other.example"]):
            with smtplib.SMTP("127.0.0.1", daemon.port) as client:
                client.ehlo()
                client.mail("s@load.test")
                for recipient in recipients:
                    client.rcpt(recipient)
                code, text = client.data("Subject: x\r\n\r\nhello\r\n")
                self.assertEqual(250, code)
                ids.append(text.decode().split()[-1])
        wait_until(lambda: all(row["state"].startswith("deferred")
                               for row in json.loads(daemon.command("show", "queues", "--json"))),
                   "the first attempts")
        return daemon, ids

    def test_drain(self):
        """Takes no more, delivers what there is, tells of it, and ends."""
        sink = self.started(Sink(self.folder, "--reply-delay", "20"))
        daemon = self.started(Ringpostd(
            self.folder, "<domain later.test>\n  route [127.0.0.1]:9\n  retry-after 1h\n"
            "</domain>\n", sink_port=sink.port))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("s@load.test", ["a@later.test"], "Subject: x\r\n\r\nhello\r\n")
        code, summary, _ = load(self.folder, daemon.port, "-n", "200", "-c", "4")
        self.assertEqual((0, 200), (code, summary["acked"]))
        wait_until(lambda: daemon.status()["totals"]["deferred_recipients"] == 1, "the deferral")
        refused = subprocess.run([BIN / "ringpost", "--control", daemon.control, "drain",
                                  "--seconds", "1", "--keep-running"],
                                 capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(0, refused.returncode, refused.stderr)
        self.assertEqual("draining", daemon.status()["state"])
        with self.assertRaises(OSError):
            smtplib.SMTP("127.0.0.1", daemon.port, timeout=5)
        told = daemon.command("drain", "--leave-deferred")
        self.assertIn("1 recipients left, 1 of them put off", told)
        self.assertEqual(0, daemon.wait(30))
        self.assertEqual(200, sink.received())
        daemon.start()
        self.assertEqual(1, daemon.status()["totals"]["queued_recipients"])

    def test_systemd_is_told_when_it_is_ready(self):
        path = self.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(60)
            daemon = Ringpostd(self.folder, sink_port=free_port())
            daemon.environment = dict(os.environ, NOTIFY_SOCKET=str(path))
            self.started(daemon, wait=False)
            self.assertIn(b"READY=1", notify.recv(4096))
            with smtplib.SMTP("127.0.0.1", daemon.port) as client:
                self.assertEqual(250, client.noop()[0])
            self.assertEqual(0, daemon.stop())
            self.assertIn(b"STOPPING=1", notify.recv(4096))

    def test_completion_offers_what_may_follow(self):
        script = subprocess.run([BIN / "ringpost", "completion"], capture_output=True, text=True,
                                timeout=30, check=True).stdout

        def offered(*words):
            line = " ".join(f"'{word}'" for word in ("ringpost",) + words)
            done = subprocess.run(
                ["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}\n"
                 "_ringpost; printf '%s\\n' \"${COMPREPLY[@]}\""],
                capture_output=True, text=True, timeout=30, check=True)
            return done.stdout.split()
        self.assertIn("show", offered("s"))
        self.assertEqual(["topqueues"], offered("show", "topq"))
        self.assertEqual(["--dry-run"], offered("pause", "queue", "--d"))
        self.assertEqual([], offered("show", "queues", "gmail.com", ""))

    def test_status_without_a_daemon_says_so(self):
        done = subprocess.run([BIN / "ringpost", "status", "--control", self.folder / "none"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(2, done.returncode)
        self.assertIn("is ringpostd running?", done.stderr)

    def test_tables_and_their_json_agree(self):
        daemon, _ = self.unreachable()
        rows = json.loads(daemon.command("show", "queues", "--json"))
        self.assertEqual(["one.test/{default}", "other.example/{default}", "two.test/{default}"],
                         sorted(row["queue"] for row in rows))
        self.assertEqual(4, sum(row["ready"] + row["deferred"] for row in rows))
        table = daemon.command("show", "queues")
        for row in rows:
            self.assertIn(row["queue"], table)
        self.assertEqual(1, len(json.loads(daemon.command("show", "queues", "two.test",
                                                          "--json"))))
        domains = json.loads(daemon.command("show", "domains", "*.test", "--json"))
        self.assertEqual({"one.test", "two.test"}, {row["domain"] for row in domains})
        self.assertEqual(4, daemon.status()["totals"]["queued_recipients"])

    def test_views_sort_filter_and_limit(self):
        daemon, _ = self.unreachable()

        def rows(*arguments):
            return json.loads(daemon.command("show", *arguments, "--json"))
        top = rows("topqueues", "--limit", "1")
        self.assertEqual(["one.test/{default}"], [row["queue"] for row in top])
        names = [row["queue"] for row in rows("queues", "--sort", "-queue")]
        self.assertEqual(sorted(names, reverse=True), names)
        self.assertEqual(["two.test/{default}"],
                         [row["queue"] for row in rows("queues", "--match", "TWO.")])
        vmtas = rows("vmtas")
        self.assertEqual([("{default}", 3, 4)],
                         [(row["vmta"], row["queues"], row["queued"]) for row in vmtas])
        done = subprocess.run([BIN / "ringpost", "show", "queues", "--sort", "colour",
                               "--control", daemon.control],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("next_attempt", done.stderr)  # what there is instead

    def test_every_view_has_its_options(self):
        daemon, _ = self.unreachable()
        for view, column in {"queues": "queue", "topqueues": "ready", "domains": "domain",
                             "vmtas": "vmta", "jobs": "job", "sessions": "stage", "hosts": "host",
                             "sources": "address", "backoff": "id", "bounces": "category",
                             "warmup": "day", "cold": "queue"}.items():
            rows = json.loads(daemon.command("show", view, "--sort", f"-{column}", "--limit", "2",
                                             "--match", "t", "--json"))
            self.assertLessEqual(len(rows), 2)
            self.assertNotEqual("", daemon.command("show", view, "--match", "no such text"))
        told = daemon.command("show", "status", "--match", "queue")
        self.assertRegex(told, r"queued_recipients +4")
        self.assertNotIn("sessions_in", told)
        told = json.loads(daemon.command("show", "settings", "one.test", "--match", "RETRY-AFTER",
                                         "--json"))
        self.assertIn("retry-after", told["settings"])
        self.assertNotIn("max-smtp-out", told["settings"])
        self.assertNotIn("max-smtp-out",
                         daemon.command("show", "settings", "one.test", "--match", "retry"))

    def on_terminal(self, daemon, *arguments, columns=80, until=None):
        """What a terminal of so many columns sees; ends it at the `until`-th clear screen."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen([BIN / "ringpost", *arguments, "--control", daemon.control],
                              stdout=slave, stderr=slave) as program:
            os.close(slave)
            seen = b""
            try:
                while until is None or seen.count(CLEAR) < until:
                    piece = os.read(master, 65536)
                    if not piece:
                        break
                    seen += piece
            except OSError:  # the other side is closed
                pass
            program.terminate()
        return seen.decode().replace("\r\n", "\n")

    def test_tables_fit_a_terminal_and_are_renewed(self):
        daemon, ids = self.unreachable()
        for arguments in (["show", "queues"], ["show", "hosts"], ["list"], ["trace", ids[0]],
                          ["top", "--every", "1", "--rounds", "1"], ["show", "status"]):
            shown = self.on_terminal(daemon, *arguments)
            self.assertIn("one.test" if arguments[1:] != ["status"] else "delivered",
                          shown.replace("127.0.0.1", "one.test"), arguments)
            self.assertEqual(arguments == ["list"], " messages read" in shown, "progress")
            sentence = arguments[0] == "trace" or "status" in arguments  # these begin with one
            for line in shown.split("\n")[sentence:]:
                # A line of progress is written over.
                self.assertLessEqual(len(re.sub(r".*\r|\x1b\[[0-9]*[A-Za-z]", "", line)), 80, shown)
        for what in (["show", "queues"], ["show", "backoff"], ["show", "status"],
                     ["show", "settings", "one.test"]):
            shown = self.on_terminal(daemon, *what, "--watch", "1", until=2)
            self.assertEqual("", shown.split(CLEAR.decode())[0], what)

    def test_hosts_and_sessions_are_shown_as_they_are(self):
        daemon, _ = self.unreachable()
        hosts = json.loads(daemon.command("show", "hosts", "--json"))
        self.assertEqual(["unreachable lately"], [row["state"] for row in hosts])
        self.assertEqual([], json.loads(daemon.command("show", "sessions", "--json")))
        with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never greets
            daemon.stop()
            daemon = self.started(Ringpostd(self.folder, sink_port=silent.getsockname()[1]))
            daemon.command("schedule", "queue", "*")
            sessions = wait_until(
                lambda: json.loads(daemon.command("show", "sessions", "two.test", "--json")),
                "a session")
            self.assertEqual([("two.test/{default}", "talking", 0)],
                             [(row["queue"], row["stage"], row["messages"]) for row in sessions])
            self.assertEqual(f"127.0.0.1:{silent.getsockname()[1]}", sessions[0]["remote"])

    def test_top_draws_each_core_and_the_queues(self):
        daemon, _ = self.unreachable()
        drawn = daemon.command("top", "--every", "1", "--rounds", "2")
        self.assertEqual(2, drawn.count("accepted /s"))
        shards = daemon.status()["shards"]
        self.assertEqual(2 * shards, sum(line.split()[:1] == [str(core)]
                                         for line in drawn.splitlines()
                                         for core in range(shards)))
        self.assertIn("one.test/{default}", drawn)

    def test_show_settings_tells_what_is_in_force(self):
        daemon, _ = self.unreachable()
        told = json.loads(daemon.command("show", "settings", "one.test", "--json"))
        self.assertEqual("1h", told["settings"]["retry-after"]["value"])
        self.assertIn("retry-after", daemon.command("show", "settings", "one.test"))

    def test_trace_tells_what_each_recipient_waits_for(self):
        daemon, ids = self.unreachable()
        told = json.loads(daemon.command("trace", ids[0], "--json"))
        self.assertEqual(["a@one.test", "b@one.test"],
                         sorted(row["recipient"] for row in told["recipients"]))
        for row in told["recipients"]:
            self.assertEqual("one.test/{default}", row["queue"])
            self.assertGreater(row["until"], 0)
            self.assertEqual("retry-after 1h", row["setting"])
            self.assertRegex(row["place"], r".*\.conf:\d+$")
        self.assertEqual(told, json.loads(daemon.command("why", ids[0], "--json")))
        done = subprocess.run([BIN / "ringpost", "trace", "0" * 26, "--control", daemon.control],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(1, done.returncode)

    def test_words_of_the_original_work_or_say_what_to_use(self):
        daemon, ids = self.unreachable()

        def run(*words):
            return subprocess.run([BIN / "ringpost", *words, "--control", daemon.control],
                                  capture_output=True, text=True, timeout=30, check=False)
        for words in ("show status", "show ver", "show topq --maxitems 2", "show queues --paused",
                      "show topdomains", "show domains --vmta {default}", "show disabled sources",
                      "show jobs", "schedule --retry-recipients one.test/*",
                      "list --maxitems 2 --rcpt a@* --orig s@*",
                      "delete --queue two.test --dry-run",
                      "pause job 7 --dry-run", f"trace {ids[0]}", f"test config {daemon.file}",
                      "disable source 192.0.2.1 one.test/* --dry-run", "show queues --mode backoff",
                      "set queue --mode=normal one.test/{default} --dry-run", "reload",
                      "rotate acct"):
            done = run(*words.split())
            self.assertEqual(0, done.returncode, f"{words}: {done.stdout}{done.stderr}")
        for words in ("reset counters", "resolve gmail.com", "rotate log", "show license",
                      "delete --rcpt a@one.test", "set priority --rcpt a@b 3", "show status --xml"):
            done = run(*words.split())
            self.assertEqual(1, done.returncode, words)
            self.assertRegex(done.stderr, "ringpost: .{10}", words)

    def test_list_and_why_find_queued_mail(self):
        daemon, ids = self.unreachable()

        def found(*arguments):
            return json.loads(daemon.command("list", *arguments, "--json"))
        self.assertEqual(["a@one.test", "b@one.test", "c@two.test", "d@other.example"],
                         sorted(row["recipient"] for row in found()))
        self.assertEqual([(ids[0], "s@load.test", 0)],  # the host failed, not the recipient
                         [(row["id"], row["sender"], row["attempts"])
                          for row in found("--recipient", "B@one.*")])
        self.assertEqual([], found("--sender", "nobody@*"))
        self.assertEqual([], found("--job", "j1"))
        self.assertEqual(2, len(found("--limit", "2")))
        self.assertIn("there is more", daemon.command("list", "--limit", "2"))
        told = daemon.command("why", "d@other.example")
        self.assertIn("retry-after 1h", told)
        self.assertIn(ids[2], told)
        daemon.command("delete", "domain", "*.test")
        wait_until(lambda: len(found()) == 1, "the deletion")
        done = subprocess.run([BIN / "ringpost", "why", "a@one.test", "--control", daemon.control],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("settled", done.stderr)

    def test_commands_on_domains_and_vmtas_touch_their_queues(self):
        daemon, _ = self.unreachable()

        def touched(*arguments):
            told = json.loads(daemon.command(*arguments, "--dry-run", "--json"))
            return told["queues"], told["recipients"]
        self.assertEqual((2, 3), touched("pause", "domain", "*.test"))
        self.assertEqual((1, 1), touched("delete", "domain", "two.test"))
        self.assertEqual((3, 4), touched("schedule", "vmta", "{default}"))
        self.assertEqual((0, 0), touched("pause", "vmta", "other"))

    def test_a_dry_run_counts_what_the_command_then_does(self):
        """One group of two domains over both shards, one virtual MTA with the address."""
        daemon = self.started(Ringpostd(self.folder, (
            "<source 127.0.0.1>\n  process-x-virtual-mta yes\n</source>\n"
            "<virtual-mta v1>\n  smtp-source-host 127.0.0.2 v1.test\n</virtual-mta>\n"
            "<virtual-mta v2>\n  smtp-source-host 127.0.0.3 v2.test\n</virtual-mta>\n"
            "domain-macro big one.test,two.test shared\n<domain $big>\n  max-smtp-out 9\n"
            "</domain>\n<domain *>\n  retry-after 1h\n</domain>\n"), sink_port=free_port()))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for vmta, recipients in (("v1", ["a@one.test", "b@one.test"]), ("v1", ["c@two.test"]),
                                     ("v1", ["d@else.test"]), ("v2", ["e@one.test"])):
                client.sendmail("s@load.test", recipients,
                                f"X-Virtual-MTA: {vmta}\r\nSubject: x\r\n\r\nhello\r\n")
        wait_until(lambda: [row["state"].startswith("deferred") for row in json.loads(
            daemon.command("show", "queues", "--json"))] == [True] * 4, "the first attempts")

        def touched(*words):
            told = json.loads(daemon.command(*words, "--json"))
            return told["queues"], told["recipients"]
        moved = 0
        for command, counts in (
                ("disable source 127.0.0.2", (3, 4)),  # v2 has it not
                ("enable source 127.0.0.2,one.test/v1", (0, 0)),  # the rule for all holds
                ("enable source 127.0.0.2,v1", (0, 0)),
                ("enable source 127.0.0.2", (3, 4)),
                ("disable source 127.0.0.2,big/v1", (2, 3)),
                ("disable source 127.0.0.2,one.test/v1", (0, 0)),
                ("enable source 127.0.0.2,big/*", (2, 3)),
                ("disable source 127.0.0.9", (0, 0)),
                ("set queue one.test/v1 --mode=backoff", (1, 2)),
                ("set queue big/v1 --mode=backoff", (1, 1)),
                ("set queue big/v1 --mode=normal", (2, 3)),
                ("pause queue big/v1", (2, 3)),
                ("pause domain *.test", (2, 2)),
                ("resume vmta v1", (3, 4)),
                ("resume queue big", (1, 1)),
                ("schedule queue big/*", (3, 4)),
                ("move queue else.test/v1 --to v2", (1, 1)),
                ("move domain two.test --to v2", (1, 1)),
                ("move vmta v1 --to v2", (1, 2)),
                ("delete queue big/v2", (2, 4)),
                ("set queue later.test/v1 --mode=backoff", (1, 0)),
                ("set queue later.test/v1 --mode=normal", (1, 0))):
            words = command.split()
            self.assertEqual(counts, touched(*words, "--dry-run"), command)
            self.assertEqual(counts, touched(*words), command)
            moved += counts[1] if words[0] == "move" else 0
            wait_until(lambda there=1 + moved: touched(
                "schedule", "vmta", "v2", "--dry-run")[1] == there or words[0] != "move", "it")
        names = [row["queue"] for row in json.loads(daemon.command("show", "queues", "--json"))]
        self.assertEqual([], [name for name in names if name.startswith("big/")])

    def test_delete_cancels_and_accounts_only_what_it_names(self):
        daemon, _ = self.unreachable()
        counted = daemon.command("delete", "queue", "*.test/*", "--dry-run", "--json")
        self.assertEqual(3, json.loads(counted)["recipients"])
        self.assertEqual(4, daemon.status()["totals"]["queued_recipients"])
        daemon.command("delete", "queue", "*.test/*")
        wait_until(lambda: daemon.status()["totals"]["queued_recipients"] == 1, "the deletion")
        rows = wait_until(lambda: [row for row in daemon.accounted() if row["type"] == "b"],
                          "the rows")
        wait_until(lambda: len([row for row in daemon.accounted() if row["type"] == "b"]) == 3,
                   "all rows")
        self.assertEqual({"a@one.test", "b@one.test", "c@two.test"},
                         {row["rcpt"] for row in daemon.accounted() if row["type"] == "b"}, rows)

    def test_pauses_survive_a_restart(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, sink_port=sink.port))
        daemon.command("pause", "queue", "d1.example/*")
        daemon.stop()
        daemon.start()
        code, _, _ = load(self.folder, daemon.port, "-n", "20", "--domains", "2")
        self.assertEqual(0, code)
        wait_until(lambda: sink.received() == 10, "the queue that is not paused")
        self.assertEqual(10, daemon.status()["totals"]["queued_recipients"])
        daemon.command("resume", "queue", "d1.example/*")
        wait_until(lambda: sink.received() == 20, "the other")

    def test_spool_tools_read_a_stopped_spool_only(self):
        daemon, ids = self.unreachable()

        def tool(*arguments):
            return subprocess.run([BIN / "ringpost", "spool", *arguments], capture_output=True,
                                  text=True, timeout=60, check=False)
        busy = tool("check", daemon.spool)
        self.assertEqual(2, busy.returncode)
        self.assertIn(str(daemon.process.pid), busy.stderr)
        daemon.stop()
        figures = json.loads(tool("stat", daemon.spool, "--json").stdout)
        self.assertEqual((3, 4), (figures["total"]["messages"], figures["total"]["recipients"]))
        self.assertEqual(0, tool("check", daemon.spool).returncode)
        self.assertEqual("", tool("check", daemon.spool).stderr, "no noise where nobody looks")
        near, far = pty.openpty()
        subprocess.run([BIN / "ringpost", "spool", "check", daemon.spool], stderr=far,
                       stdout=subprocess.DEVNULL, timeout=60, check=True)
        os.close(far)
        shown = os.read(near, 4096).decode()
        os.close(near)
        self.assertIn("reading summaries, segment 1 of", shown)
        self.assertTrue(shown.endswith("\r\x1b[K"), "the line is gone at the end")
        target = self.folder / "out"
        self.assertEqual(0, tool("export", daemon.spool, target).returncode)
        for identity in ids:
            content = (target / f"{identity}.eml").read_bytes()
            self.assertTrue(content.endswith(b"Subject: x\r\n\r\nhello\r\n"), content)


if __name__ == "__main__":
    main()
