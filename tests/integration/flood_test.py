#!/usr/bin/env python3
"""A list of which every address fails at once: endings, reports, disk and memory stay bounded, and
each recipient has its one row.

    FAILURES=1000000 tests/integration/flood_test.py    # the long form; some minutes and 4 GiB
"""

import collections
import csv
import os
import socketserver
import threading
import time

from harness import (PeerTest, Ringpostd, Sink, main, need_ringpostd, start_load, wait_until)

FAILURES = int(os.environ.get("FAILURES", "20000"))
SENDERS = ("one@home.test", "two@home.test")
# A report takes some 4.4 KiB of spool and 0.5 KiB of memory; what else the ending of a queue needs
# for each recipient is less than that.
REPORTS_AN_HOUR = 100
MEMORY_BYTES_EACH = 400


class Refuser(socketserver.ThreadingTCPServer):
    """Greets with 554, which ends a queue as a whole."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Greeting)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Greeting(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"554 5.7.1 nobody here takes mail from you\r\n")
        self.rfile.readline()


class Flood(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def memory(self, daemon):
        """Without the pages of mapped files, which the kernel takes back when it wants to."""
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status
                        if line.startswith("RssAnon"))

    def rows(self, daemon):
        """How many recipients have their row, which each has once and which is a bounce."""
        rows = collections.Counter()
        for path in daemon.accounting_files():
            with open(path, newline="", encoding="ascii") as file:
                rows.update((row["type"], row["rcpt"]) for row in csv.DictReader(file)
                            if row["rcpt"] and row["rcpt"].endswith(".bad.test"))
        self.assertEqual({1}, set(rows.values()))
        self.assertEqual({"b"}, {kind for kind, _ in rows})
        return len(rows)

    def fill(self, daemon):
        """Mail of each sender, all of it queued."""
        each = FAILURES // len(SENDERS)
        loads = []
        for number, sender in enumerate(SENDERS):
            folder = self.folder / f"load{number}"
            folder.mkdir()
            loads.append(start_load(
                folder, daemon.port, "-n", str(each), "-c", "16", "--size", "400", "--from", sender,
                "--domains", "20", "--domain-suffix", f"s{number}.bad.test"))
            self.programs.append(loads[-1])
        for load in loads:
            self.assertEqual(0, load.wait(1200), load.tail())
        self.assertEqual(FAILURES, daemon.status()["totals"]["queued_recipients"])

    def test_a_million_endings_at_once_are_bounded(self):
        refuser, sink = Refuser(), self.started(Sink(self.folder))
        self.addCleanup(refuser.server_close)
        self.addCleanup(refuser.shutdown)
        daemon = self.started(Ringpostd(
            self.folder, f"max-report-rate {REPORTS_AN_HOUR}/h\n"
            f"<domain *.bad.test>\n  route [127.0.0.1]:{refuser.port}\n"
            "  bounce-upon-5xx-greeting yes\n  retry-after 1s\n</domain>\n",
            sink_port=sink.port, reports=True))
        daemon.command("pause", "queue", "*.bad.test/*")
        self.fill(daemon)
        before = self.memory(daemon)
        began = time.monotonic()
        daemon.command("resume", "queue", "*.bad.test/*")
        most = {"spool_live_bytes": 0, "memory": 0}

        def over():
            totals = daemon.status()["totals"]
            most["memory"] = max(most["memory"], self.memory(daemon))
            most["spool_live_bytes"] = max(most["spool_live_bytes"], totals["spool_live_bytes"])
            return totals["spool_messages"] == 0
        full = daemon.status()["totals"]["spool_live_bytes"]
        wait_until(over, "an empty spool", 30 + FAILURES / 500, 0.2)
        seconds = time.monotonic() - began
        totals = daemon.status()["totals"]
        # Of shards that have not seen a full share, the limit is less; it is never more.
        self.assertLessEqual(totals["reports_made"], REPORTS_AN_HOUR * len(SENDERS))
        self.assertGreater(totals["reports_made"], 0)
        self.assertEqual(FAILURES, totals["reports_made"] + totals["reports_suppressed"])
        self.assertEqual(totals["reports_made"], sink.received())
        self.assertLessEqual(most["spool_live_bytes"], full + 8 * 1024 * totals["reports_made"])
        grown = most["memory"] - before
        self.assertLess(grown, 64 * 1024 * 1024 + MEMORY_BYTES_EACH * FAILURES)
        behind = FAILURES - self.rows(daemon)
        # What accounting has not seen at a stop is in the journal, and the next start writes it.
        self.assertEqual(0, daemon.stop())
        daemon.start()
        wait_until(lambda: self.rows(daemon) == FAILURES, "a row for each", 30 + FAILURES / 500, 2)
        print(f"{FAILURES} endings in {seconds:.1f} s, {totals['reports_made']} reports, "
              f"{grown >> 20} MiB of memory more, at most {most['spool_live_bytes'] >> 20} MiB of "
              f"mail in the spool, {full >> 20} before; accounting was {behind} rows behind")


if __name__ == "__main__":
    main()
