#!/usr/bin/env python3
"""A queue that warms up: the receiver sees the rate of the day, over restarts and kills; what was
counted survives them, and the commands show it."""

import datetime
import json
import time

from harness import PeerTest, Ringpostd, Sink, load, main, need_ringpostd, settled, wait_until

RATE = 10  # messages a second, as RATE * 3600 an hour
YESTERDAY = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)

CONFIGURATION = f"""
<domain *>
  max-smtp-out 4
  retry-after 1s
  warmup {{
    period 3d
    start-rate {RATE * 3600 // 2}/h
    end-rate {RATE * 3600 * 4}/h
    start {YESTERDAY}
  }}
</domain>
"""


class Warmup(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def row(self, daemon):
        (row,) = json.loads(daemon.command("show", "warmup", "--json"))
        return row

    def watch(self, sink, seconds):
        """Messages that the receiver saw meanwhile, and how long that was."""
        begin, before = time.monotonic(), sink.received()
        time.sleep(seconds)
        count = sink.received() - before
        return count, time.monotonic() - begin

    def test_the_days_rate_holds_over_restarts_and_kills_and_the_count_survives(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=sink.port))
        code, _, ledger = load(self.folder, daemon.port, "-n", "100", "-c", "2", "--domains", "1")
        self.assertEqual(0, code)
        wait_until(lambda: sink.received() > 5, "the first messages")
        received, seconds = self.watch(sink, 2)
        self.assertLessEqual(received, RATE * seconds + 2)
        self.assertGreater(received, 0)
        row = self.row(daemon)
        self.assertEqual((2, 3, f"{RATE * 3600}/h", False),
                         (row["day"], row["days"], row["rate"], row["done"]))
        self.assertGreaterEqual(sink.received() + 1, row["sent_today"])
        self.assertEqual(RATE * 3600 * 24, row["allowance"])
        self.assertIn("2 of 3", daemon.command("show", "warmup"))

        begin, before = time.monotonic(), sink.received()
        self.assertEqual(0, daemon.stop())
        daemon.start()
        self.assertGreaterEqual(self.row(daemon)["sent_today"], before)
        self.assertEqual(row["began"], self.row(daemon)["began"])
        for _ in range(2):
            wait_until(lambda: sink.received() > before + 3, "messages after the start")
            daemon.kill()
            daemon.start()
        received, seconds = sink.received() - before, time.monotonic() - begin
        self.assertLessEqual(received, RATE * seconds + 2)
        row = self.row(daemon)
        self.assertEqual(2, row["day"])
        self.assertGreaterEqual(row["sent_today"], before, "what the end in order wrote down")

        # Reload: the count goes on under another plan, whose day it is.
        daemon.configuration = daemon.configuration.replace("period 3d", "period 6d")
        daemon.file.write_text(daemon.configuration)
        daemon.command("reload")
        wait_until(lambda: self.row(daemon)["days"] == 6, "the reload")
        self.assertEqual(2, self.row(daemon)["day"])
        self.assertGreaterEqual(self.row(daemon)["sent_today"], row["sent_today"])
        _, told = settled(sink, ledger, daemon, 60)
        self.assertFalse(told["missing"] or told["without_one_final_row"], told)


if __name__ == "__main__":
    main()
