#!/usr/bin/env python3
"""The rate of a sender, over all domains that its mail goes to: the receiver sees no more, also
after a restart, and mail of others passes."""

import smtplib
import time

from harness import PeerTest, Ringpostd, Sink, main, need_ringpostd, wait_until

RATE = 4  # recipients a second, in all
CONFIGURATION = f"""
<sender news@from.example>
  max-msg-rate {RATE}/s
  bounce-sender bounces@from.example
</sender>
"""


class SenderRate(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def submit(self, port, name, count):
        with smtplib.SMTP("127.0.0.1", port) as client:
            for i in range(count):
                client.sendmail(f"{name}@from.example", [f"{name}-{i}@d{i % 3}.example"],
                                f"Message-ID: <{name}-{i}@x>\r\n\r\ntext\r\n")

    def test_the_rate_holds_over_domains_and_restarts_and_others_pass(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=sink.port))
        self.submit(daemon.port, "news", 60)
        begin = time.monotonic()
        self.submit(daemon.port, "other", 30)
        wait_until(lambda: sink.record.read_bytes().count(b"other-") == 30,
                   "the mail of others")

        def news():
            return sink.record.read_bytes().count(b"news-")

        wait_until(lambda: news() >= 2 * RATE, "mail of the sender")
        seconds = time.monotonic() - begin
        self.assertLessEqual(news(), RATE * (seconds + 2))
        rows = daemon.command("why", "news-59@d2.example")
        self.assertIn("sender-message-rate", rows)
        self.assertIn(f"max-msg-rate {RATE}/s", rows)

        daemon.kill()
        before, begin = news(), time.monotonic()
        daemon.start()
        wait_until(lambda: news() >= before + 2 * RATE, "mail after the start")
        seconds = time.monotonic() - begin
        self.assertLessEqual(news() - before, RATE * (seconds + 2))


if __name__ == "__main__":
    main()
