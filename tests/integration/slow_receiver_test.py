#!/usr/bin/env python3
"""A receiver without PIPELINING that answers slowly, and for a while not at all: the RCPTs that
reach it, not those that were meant to, keep to the message rates of a queue, of a group, of a
sender and by source address."""

import collections
import smtplib
import socketserver
import threading
import time

from harness import PeerTest, Ringpostd, last_arrival, main, need_ringpostd, wait_until

COUNT, PERIOD = 8, 2  # recipients, seconds
DELAY = 0.1           # of each reply, seconds
STOPS, GOES_ON = 3, 7  # seconds after the first RCPT, between which no MAIL is answered
RECIPIENTS = 48       # of each of them
KINDS = ("queue", "sender", "source", "group")
DOMAINS = [f"d{i}.group.example" for i in range(12)]
CONFIGURATION = f"""
<domain queue.example>
  max-msg-rate {COUNT}/{PERIOD}s
  pacing burst
  max-smtp-out 20
</domain>
<sender news@from.example>
  max-msg-rate {COUNT}/{PERIOD}s
</sender>
<domain source.example>
  source-ip-max-msg-rate 0/0 {COUNT}/{PERIOD}s
  max-smtp-out 20
</domain>
domain-macro group {",".join(DOMAINS)} shared
<domain $group>
  max-msg-rate {COUNT}/{PERIOD}s
  max-smtp-out 20
</domain>
"""


class SlowReceiver(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        self.first = None
        self.times = collections.defaultdict(list)  # of RCPTs, by what limits them
        self.taken = collections.Counter()          # recipients

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self, _=None):
        self.shutdown()
        self.server_close()

    def tail(self):
        return f"{sum(self.taken.values())} recipients taken"

    def asked(self, recipient, connection):
        came = last_arrival(connection)
        with self.lock:
            self.first = self.first or came
            kind = recipient.decode().partition("@")[2].partition(".")[0]
            self.times[kind if kind in KINDS else "group"].append(came)

    def stopped_for(self):
        """Seconds until MAIL is answered again."""
        past = time.monotonic() - self.first if self.first else 0
        return GOES_ON - past if STOPS <= past < GOES_ON else 0

    def most_in_a_window(self, kind, seconds):
        times, begin, most = sorted(self.times[kind]), 0, 0
        for end, now in enumerate(times):
            while times[begin] <= now - seconds:
                begin += 1
            most = max(most, end - begin + 1)
        return most


class Dialogue(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 slow.test\r\n")
        recipients = []
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"MAIL":
                recipients = []
                time.sleep(self.server.stopped_for())
            elif word == b"RCPT":
                recipients.append(line.split(b"<")[1].split(b">")[0])
                self.server.asked(recipients[-1], self.connection)
            elif word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.taken.update(recipients)
            time.sleep(0 if word == b"EHLO" else DELAY)
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


class Rates(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def test_rates_hold_by_the_rcpts_that_leave(self):
        peer = SlowReceiver()
        self.started(peer)
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=peer.port))
        meant = [f"r{i}@{kind}.example" for kind in KINDS[:3] for i in range(RECIPIENTS)]
        meant += [f"r{i}@{DOMAINS[i // 4 % len(DOMAINS)]}" for i in range(RECIPIENTS)]
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for i in range(0, len(meant), 4):
                sender = "news" if meant[i].endswith("@sender.example") else "a"
                client.sendmail(f"{sender}@from.example", meant[i:i + 4],
                                "Subject: x\r\n\r\ntext\r\n")
        wait_until(lambda: len(peer.taken) == len(meant), "all of the mail", 60, 0.2)
        for kind in KINDS:
            self.assertGreaterEqual(len(peer.times[kind]), RECIPIENTS)
            # The other side may be late at times.
            most = peer.most_in_a_window(kind, PERIOD - 0.3)
            self.assertLessEqual(most, COUNT, kind)
        self.assertEqual({1}, set(peer.taken.values()))

        def rows():
            return [row for row in daemon.accounted() if row["type"] in ("d", "b", "t")]

        wait_until(lambda: len(rows()) >= len(meant), "accounting")
        self.assertEqual(sorted(meant), sorted(row["rcpt"] for row in rows()))
        self.assertEqual({"d"}, {row["type"] for row in rows()})


if __name__ == "__main__":
    main()
