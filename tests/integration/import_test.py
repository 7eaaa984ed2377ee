#!/usr/bin/env python3
"""Mail moves from one spool to another by export and import: with its state, and exactly once,
however often the import is killed and repeated."""

import json
import os
import random
import signal
import smtplib
import subprocess
import time

from harness import BIN, PeerTest, Ringpostd, Sink, main, need_ringpostd, wait_until

MESSAGES = int(os.environ.get("MESSAGES", "400"))
KILLS = int(os.environ.get("KILLS", "5"))


def ringpost(*arguments, check=True):
    done = subprocess.run([BIN / "ringpost", *map(str, arguments)], capture_output=True,
                          text=True, timeout=120, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"ringpost {arguments}: {done.stdout}{done.stderr}")
    return done


class Import(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.chance = random.Random(int(os.environ.get("SEED", "5")))

    def old_host(self, port):
        """A spool whose mail was put off, with one ending that its sender is yet to hear of."""
        folder = self.folder / "old"
        folder.mkdir()
        # Nothing answers at this port: the queue is deferred; addresses at dead.test bounce.
        daemon = self.started(Ringpostd(
            folder, f"<domain *>\n  route [127.0.0.1]:{port}\n  retry-after 1h\n</domain>\n",
            reports=True))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for number in range(MESSAGES):
                content = f"Subject: {number}\r\nX-Job: j{number % 3}\r\n\r\n.dot\r\n" \
                    + "x" * (number * 7 % 900) + "\r\n"
                content += "long\r\n" * 40_000 if number == 7 else ""
                client.sendmail(f"s{number}@home.test",
                                [f"u{number}@d{number % 5}.test", f"v{number}@d0.test"], content)
        wait_until(lambda: daemon.status()["totals"]["deferred_recipients"] >= 2 * MESSAGES,
                   "all mail to be put off")
        daemon.stop()
        return daemon

    def start_import(self, spool, archive):
        return subprocess.Popen([BIN / "ringpost", "spool", "import", spool, archive],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_everything_arrives_once(self):
        sink = self.started(Sink(self.folder))
        old = self.old_host(1)
        archive = self.folder / "archive"
        ringpost("spool", "export", old.spool, archive)
        lines = (archive / "messages.jsonl").read_text().splitlines()
        self.assertEqual(MESSAGES, len(lines))
        spool = self.folder / "new" / "spool"
        spool.parent.mkdir()
        began = time.monotonic()
        ringpost("spool", "import", self.folder / "measured", archive)
        whole = time.monotonic() - began
        for _ in range(KILLS):
            program = self.start_import(spool, archive)
            time.sleep(self.chance.uniform(0, 1.1) * whole)
            program.send_signal(signal.SIGKILL)
            program.wait()
        ringpost("spool", "import", spool, archive)
        again = ringpost("spool", "import", spool, archive)
        self.assertIn(f"{MESSAGES} were there", again.stdout)
        figures = json.loads(ringpost("spool", "check", spool, "--json").stdout)
        self.assertEqual(2 * MESSAGES, figures["total"]["recipients"])
        new = self.started(Ringpostd(self.folder / "new", spool=spool, sink_port=sink.port))
        self.assertNotEqual(0, ringpost("spool", "import", spool, archive, check=False).returncode)
        new.command("schedule", "*")
        wait_until(lambda: new.status()["totals"]["spool_messages"] == 0, "an empty spool", 60)
        rows = wait_until(lambda: (lambda found: found if len(found) >= 2 * MESSAGES else None)(
            [row for row in new.accounted() if row["type"] == "d"]), "all rows")
        self.assertEqual(2 * MESSAGES, len(rows))
        self.assertEqual({f"u{n}@d{n % 5}.test" for n in range(MESSAGES)}
                         | {f"v{n}@d0.test" for n in range(MESSAGES)},
                         {row["rcpt"] for row in rows})
        new.stop()
        # Settled or not: what was imported is never taken again.
        self.assertIn(f"{MESSAGES} were there",
                      ringpost("spool", "import", spool, archive).stdout)

    def test_faulty_entries_are_named_and_the_rest_is_taken(self):
        old = self.old_host(1)
        archive = self.folder / "archive"
        ringpost("spool", "export", old.spool, archive)
        listing = archive / "messages.jsonl"
        lines = listing.read_text().splitlines()
        lines[1] = lines[1][:-20]
        lines[2] = lines[2].replace('"attempts":', '"attempts":-')
        (archive / json.loads(lines[4])["file"]).unlink()
        listing.write_text("\n".join(lines) + "\n")
        spool = self.folder / "new"
        done = ringpost("spool", "import", spool, archive, check=False)
        self.assertNotEqual(0, done.returncode)
        for line in (2, 3, 5):
            self.assertIn(f"line {line}:", done.stderr)
        self.assertIn(f"{MESSAGES - 3} messages", done.stdout)
        refused = ringpost("spool", "import", old.spool, archive, check=False)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("this very spool", refused.stderr)


if __name__ == "__main__":
    main()
