#!/usr/bin/env python3
"""Accounting files and the management port of a running daemon."""

import collections
import csv
import gzip
import http.client
import io
import json
import os
import pathlib
import smtplib
import subprocess
import threading
import urllib.error
import urllib.request

from harness import (PeerTest, Ringpostd, Sink, acknowledged, free_port, main, need_ringpostd,
                     need_root, reconcile, start_load, wait_until)

INSTALL = pathlib.Path(__file__).parents[2] / "tuning" / "accounting" / "install"


def send(daemon, recipients, subject):
    with smtplib.SMTP("127.0.0.1", daemon.port) as client:
        client.ehlo("injector.test")
        client.mail("s@load.test")
        for recipient in recipients:
            client.rcpt(recipient)
        code, text = client.data(f"Subject: {subject}\r\nX-Ref: r7\r\n\r\nhello\r\n")
        assert code == 250, text


def fetch(port, path, key=None, body=None):
    """Status and body of one request to the management port."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body,
                                     headers={"X-API-Key": key} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Accounting(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.archive = self.folder / "archive"
        self.archive.mkdir()

    def daemon(self, configuration):
        sink = self.started(Sink(self.folder))
        return self.started(Ringpostd(self.folder, configuration, sink_port=sink.port))

    def archived(self):
        return sorted(self.archive.glob("packed-*.csv.gz"))

    def test_several_files_each_in_its_form(self):
        lines = self.folder / "lines.json"
        columns = self.folder / "columns.csv"
        daemon = self.daemon(
            f"<acct-file {lines}>\n  format-text json\n  iso-times no\n"
            "  fields type,rcpt,header_subject,queue,dlvSize,srcMta\n</acct-file>\n"
            f"<acct-file {columns}>\n  records d\n  record-fields d rcpt,header_X-Ref,userString\n"
            "  user-string lot,5\n  queue-filter !b.test/*\n  world-readable yes\n</acct-file>\n"
            "<domain c.test>\n  disable-acct-records d\n</domain>\n")
        for domain in ("a", "b", "c"):
            send(daemon, [f"u@{domain}.test"], "one, \"two\"")
        wait_until(lambda: daemon.status()["totals"]["delivered"] == 3, "the deliveries")
        wait_until(lambda: len(lines.read_text().splitlines()) == 2, "the rows of two domains")
        rows = [json.loads(line) for line in lines.read_text().splitlines()]
        first = next(row for row in rows if row["rcpt"] == "u@a.test")
        self.assertEqual("one, \"two\"", first["header_subject"])
        self.assertEqual("a.test/{default}", first["queue"])
        self.assertIsInstance(first["dlvSize"], int)
        self.assertEqual("injector.test (127.0.0.1)", first["srcMta"])
        self.assertEqual("type,rcpt,header_X-Ref,userString\r\nd,u@a.test,r7,\"lot,5\"\r\n",
                         columns.read_bytes().decode())
        self.assertEqual(0o644, columns.stat().st_mode & 0o777)
        daemon.final_row("u@b.test")

    def test_receipts_and_queues(self):
        """r and tq beside the others and alone; over a kill each recipient has one receipt."""
        path, alone = self.folder / "r.csv", self.folder / "tq.csv"
        daemon = self.daemon(
            f"<acct-file {path}>\n  records d,r\n"
            "  record-fields d,r timeLogged,rcpt,timeFirstAttempt,rcvSourceIp,rcvDestinationIp,"
            "seq\n</acct-file>\n"
            f"<acct-file {alone}>\n  records tq\n</acct-file>\n"
            f"<domain dead.test>\n  route [127.0.0.1]:{free_port()}\n</domain>\n"
            "<domain *>\n  retry-after 1s,1h\n</domain>\n")
        send(daemon, ["a@live.test", "b@live.test", "c@dead.test"], "x")

        def rows(kind, name=path):
            with open(name, newline="") as file:
                return [row for row in csv.DictReader(file) if row["type"] == kind]
        wait_until(lambda: len(rows("d")) == 2 and len(rows("tq", alone)) == 2, "the rows")
        daemon.kill()
        daemon.start()
        send(daemon, ["d@live.test"], "x")
        wait_until(lambda: len(rows("d")) == 3, "the next delivery")
        receipts = rows("r")
        self.assertEqual(["a@live.test", "b@live.test", "c@dead.test", "d@live.test"],
                         sorted(row["rcpt"] for row in receipts))
        self.assertEqual({"127.0.0.1"}, {row["rcvSourceIp"] for row in receipts} |
                         {row["rcvDestinationIp"] for row in receipts})
        self.assertEqual({""}, {row["timeFirstAttempt"] for row in receipts})
        for row in rows("d"):
            self.assertLessEqual(row["timeFirstAttempt"], row["timeLogged"])
            self.assertNotEqual("", row["timeFirstAttempt"])
        queue = rows("tq", alone)[0]
        self.assertEqual("dead.test/{default}", queue["queue"])
        self.assertEqual("127.0.0.1", queue["dlvDestinationIp"])
        self.assertIn("connection refused", queue["dsnDiag"])
        self.assertTrue(queue["dsnStatus"].startswith("4.4.1 "))

    def test_flush_brings_away_what_is_finished(self):
        path = self.folder / "packed.csv"
        daemon = self.daemon(
            f"<acct-file {path}>\n  fields type,rcpt\n  move-to {self.archive}\n"
            "  compress gzip\n  move-interval 1d\n</acct-file>\n")
        for number in range(3):
            send(daemon, [f"u{number}@a.test"], "x")
            daemon.final_row(f"u{number}@a.test")
            wait_until(lambda: f"u{number}@" in path.read_text(), "the row")
            daemon.command("acct", "flush", "-c", daemon.file)
            # The daemon's own thread may have been the quicker one.
            wait_until(lambda n=number: len(self.archived()) == n + 1, "the packed file", 10)
            self.assertEqual("type,rcpt\r\n", path.read_bytes().decode())
        daemon.command("acct", "flush", "-c", daemon.file)
        self.assertEqual(3, len(self.archived()), "nothing new, no file")
        rows = []
        for packed in self.archived():
            rows += list(csv.DictReader(io.StringIO(gzip.decompress(packed.read_bytes()).decode())))
        self.assertEqual(["u0@a.test", "u1@a.test", "u2@a.test"], [row["rcpt"] for row in rows])
        self.assertEqual([], list(self.folder.glob("packed-*")))
        self.assertEqual([], list(self.archive.glob("*.end")) + list(self.archive.glob("*.part")))
        send(daemon, ["late@a.test"], "x")
        daemon.final_row("late@a.test")
        self.assertEqual(0, daemon.stop())
        daemon.command("acct", "flush", "-c", daemon.file)  # without a daemon nothing is closed
        self.assertEqual("type,rcpt\r\nd,late@a.test\r\n", path.read_bytes().decode())

    def test_a_full_memory_loses_and_doubles_nothing(self):
        """Rows of all kinds, many times what the tmpfs holds, while the writer is killed."""
        need_root("mounts a file system")
        memory = self.folder / "memory"
        memory.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", memory],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"mounting is not permitted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", memory], check=False)
        sink = self.started(Sink(self.folder, "--defer-first", "1"))
        daemon = self.started(Ringpostd(
            self.folder, f"<acct-file {memory}/packed.csv>\n  records d,b,t,tq,r\n"
            f"  move-to {self.archive}\n  compress gzip\n</acct-file>\n"
            "<domain *>\n  retry-recipients-after 1s\n  retry-after 1s\n</domain>\n"
            f"<domain dead.test>\n  route [127.0.0.1]:{free_port()}\n  bounce-after 4s\n"
            "</domain>\n", sink_port=sink.port))
        generator = start_load(self.folder, daemon.port, "-n", "1500", "-c", "8", "--rate", "800",
                               "--size", "300", "--domains", "5", "--allow-failures")
        self.programs.append(generator)
        for number in range(2):
            wait_until(lambda n=number: acknowledged(generator.ledger) > 300 * (n + 1), "mail")
            send(daemon, [f"u{number}@dead.test"], "x")
            daemon.kill()
            daemon.start()
        self.assertEqual(0, generator.wait(60), generator.tail())
        wait_until(lambda: daemon.status()["totals"]["spool_messages"] == 0, "the last ending", 60)
        daemon.command("acct", "flush", "-c", daemon.file)
        self.assertEqual(0, daemon.stop())
        files = [memory / "packed.csv"]
        for number, packed in enumerate(self.archived()):
            files.append(self.folder / f"unpacked-{number}.csv")
            files[-1].write_bytes(gzip.decompress(packed.read_bytes()))
        self.assertGreater(len(files), 3, "it was full more than once")
        kinds = collections.Counter()
        for path in files:
            with open(path, newline="") as file:
                kinds.update((row["type"], row["rcpt"]) for row in csv.DictReader(file))
        told = collections.Counter(kind for kind, _ in kinds)
        self.assertLess(0, min(told[kind] for kind in ("d", "b", "t", "tq", "r")), told)
        dead = [kinds[kind, f"u{number}@dead.test"] for kind in "br" for number in range(2)]
        self.assertEqual([1, 1, 1, 1], dead)
        holds, summary = reconcile(generator.ledger, sink.record, files)
        self.assertTrue(holds, summary)

    def test_rebuild_from_the_journal(self):
        daemon = self.daemon("")
        for number in range(4):
            send(daemon, [f"u{number}@a.test", f"v{number}@b.test"], "x")
        wait_until(lambda: len(daemon.accounted()) == 8, "the rows")
        self.assertEqual(0, daemon.stop())
        before = daemon.accounting.read_bytes()
        for name, times, rows in (("all", [], 8), ("later", ["--from", "2100-01-01"], 0),
                                  ("before", ["--to", "2100-01-01T10:30"], 8)):
            target = self.folder / name
            target.mkdir()
            told = json.loads(daemon.command("acct", "rebuild", "--json", "-c", daemon.file,
                                             "--target", target, *times))
            self.assertEqual({"outcomes": 8, "rows": rows, "lost": 0}, told)
        rebuilt = (self.folder / "all" / "acct.csv").read_bytes()
        self.assertEqual(sorted(before.splitlines()), sorted(rebuilt.splitlines()))
        with self.assertRaises(RuntimeError):
            daemon.command("acct", "rebuild", "-c", str(daemon.file), "--target",
                           str(self.folder / "all"))

    def test_jobs_are_installed_and_removed(self):
        root = self.folder / "root"
        for kind, files in (("cron", ["etc/cron.d/ringpost-acct"]),
                            ("timer", ["etc/systemd/system/ringpost-acct-flush.service",
                                       "etc/systemd/system/ringpost-acct-flush.timer"]),
                            ("remove", [])):
            for _ in range(2):
                subprocess.run([INSTALL, kind, "--root", root, "--config", "/etc/r.conf",
                                "--ringpost", "/opt/ringpost", "--user", "mta"], check=True)
                found = sorted(str(path.relative_to(root)) for path in root.rglob("*")
                               if path.is_file())
                self.assertEqual(files, found)
                text = "".join((root / name).read_text() for name in files)
                self.assertNotIn("@", text)
                if files:
                    self.assertIn("/opt/ringpost acct flush -c /etc/r.conf", text)
        refused = subprocess.run([INSTALL, "cron", "--root", root, "--config", "/a b"],
                                 capture_output=True, check=False)
        self.assertEqual(2, refused.returncode)

    def test_metrics_and_health(self):
        port, folder = free_port(), self.folder / "own"
        folder.mkdir()
        daemon = self.daemon(f"http-mgmt-port {port}\nhttp-api-key s3cret\n"
                             f"http-access 127.0.0.1 none\n<acct-file {folder}/a.csv>\n"
                             "</acct-file>\n")
        self.assertEqual(403, fetch(port, "/metrics")[0])
        send(daemon, ["u@a.test"], "x")
        daemon.final_row("u@a.test")
        code, text = fetch(port, "/metrics", "s3cret")
        self.assertEqual(200, code)
        samples = dict(line.rsplit(" ", 1) for line in text.splitlines()
                       if not line.startswith("#"))
        delivered = [int(value) for name, value in samples.items()
                     if name.startswith("ringpost_delivered_recipients_total{")]
        self.assertEqual(1, sum(delivered))
        self.assertEqual("1", samples["ringpost_accounting_records_total"])
        code, text = fetch(port, "/health", "s3cret")
        health = json.loads(text)
        self.assertEqual(code == 200, health["healthy"], text)
        self.assertNotIn("log-writer", {reason["area"] for reason in health["reasons"]})
        code, text = fetch(port, "/status", "s3cret")
        self.assertEqual(1, json.loads(text)["result"]["totals"]["delivered"])
        self.assertEqual(404, fetch(port, "/nothing", "s3cret")[0])
        # The rules of access change with a reload.
        daemon.file.write_text(daemon.configuration.replace("127.0.0.1 none", "127.0.0.1 monitor"))
        daemon.command("reload")
        self.assertEqual(200, fetch(port, "/metrics")[0])
        # A command that takes its time keeps nobody from looking: this one waits for a folder.
        folder.rename(self.folder / "elsewhere")
        told = []
        flush = threading.Thread(target=lambda: told.append(fetch(
            port, "/command", "s3cret", b'{"command":"acct-flush"}')))
        flush.start()
        wait_until(lambda: "accounting files cannot" in fetch(port, "/status")[1], "the failure")
        self.assertEqual(200, fetch(port, "/metrics")[0])
        self.assertIn("log-writer", fetch(port, "/health")[1])
        self.assertTrue(flush.is_alive())
        (self.folder / "elsewhere").rename(folder)
        flush.join()
        self.assertEqual((200, True), (told[0][0], json.loads(told[0][1])["ok"]), told)

    def test_commands_by_http_are_safe_from_other_pages(self):
        port = free_port()
        daemon = self.daemon(f"http-mgmt-port {port}\nhttp-api-key s3cret\n"
                             "http-access 127.0.0.1 admin\n")
        pause = json.dumps({"command": "pause", "pattern": "held.test"})

        def ask(method, path, body=None, **fields):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request(method, path, body, {name.replace("_", "-"): value
                                                        for name, value in fields.items()})
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            finally:
                connection.close()

        def paused():
            return "held.test" in (daemon.spool / "paused").read_text() \
                if (daemon.spool / "paused").exists() else False
        own = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
        token = json.loads(ask("GET", "/token", **own)[1])["token"]
        page = {**own, "X_CSRF_Token": token}
        for method, changes in (
                ("GET", {}), ("PUT", {}), ("POST", {"X_CSRF_Token": ""}),
                ("POST", {"Origin": "https://evil.test"}), ("POST", {"Origin": "null"}),
                ("POST", {"Sec_Fetch_Site": "cross-site"}), ("POST", {"Host": "evil.test"})):
            with self.subTest(method, **changes):
                code, _ = ask(method, "/command", pause, **{**page, **changes})
                self.assertEqual(403 if method == "POST" else 405, code)
        self.assertEqual(403, ask("GET", "/token", **{**own, "Origin": "https://evil.test"})[0])
        self.assertEqual(403, ask("POST", "/command", pause)[0])
        self.assertEqual(413, ask("POST", "/command", "x" * 70000, X_API_Key="s3cret")[0])
        self.assertFalse(paused())
        code, text = ask("POST", "/command", pause, **page)
        self.assertEqual((200, True), (code, json.loads(text)["ok"]), text)
        self.assertTrue(paused())
        code, text = ask("POST", "/command", pause.replace("pause", "resume"), X_API_Key="s3cret",
                         Host="anything.test", Origin="https://a.tool.test")
        self.assertEqual((200, True), (code, json.loads(text)["ok"]), text)
        self.assertFalse(paused())
        self.assertIn("says pause", daemon.output())


if __name__ == "__main__":
    main()
