#!/usr/bin/env python3
"""The rate of a sender, over all domains that its mail goes to: the receiver sees no more, also
after a restart, and mail of others passes. Limits of one host and of single source addresses, as a
receiver counts them."""

import collections
import json
import smtplib
import socketserver
import threading
import time

from harness import PeerTest, Ringpostd, Sink, established, main, need_ringpostd, wait_until

RATE = 4  # recipients a second, in all
CONFIGURATION = f"""
<sender news@from.example>
  max-msg-rate {RATE}/s
  bounce-sender bounces@from.example
</sender>
"""

# From 127.0.0.2 two connections, from any other three, of these 20 recipients a second from the
# one; four to the host.
SOURCES = """
<virtual-mta both>
  smtp-source-host 127.0.0.2 two.test
  smtp-source-host 127.0.0.3 three.test
  <domain *>
    route [127.0.0.1]:PORT
    max-per-host-out 4
    source-ip-max-smtp-out 127.0.0.2 2
    source-ip-max-smtp-out 127.0.0.0/8 3
    source-ip-max-msg-rate 127.0.0.3 20/s
  </domain>
</virtual-mta>
<source 127.0.0.1>
  default-virtual-mta both
</source>
"""


# A second message of each waits at that gate, for that setting.
GATES = {
    "octets": ("max-data-volume-rate 100/h", "data-rate"),
    "rate": ("max-msg-rate 1/h", "message-rate"),
    "source-rate": ("source-ip-max-msg-rate 127.0.0.0/8 1/h", "source-message-rate"),
    "source-octets": ("source-ip-max-data-volume-rate 127.0.0.0/8 100/h", "source-data-rate"),
    "source-connects": ("max-msg-per-connection 1\n  source-ip-max-connect-rate 127.0.0.0/8 1/h",
                        "source-connect-rate"),
    "connects": ("max-msg-per-connection 1\n  max-connect-rate 1/h", "connect-rate"),
}
# Of a group, which a message to the one domain and one to the other fill.
GROUPS = {
    "group": ("max-msg-rate 1/h", "group-message-rate"),
    "group-octets": ("max-data-volume-rate 100/h", "group-data-rate"),
    "group-backoff": ("backoff-max-msg-rate 1/h", "group-backoff-message-rate"),
    "group-backoff-octets": ("backoff-max-data-volume-rate 100/h", "group-backoff-data-rate"),
}


class Counting(socketserver.ThreadingTCPServer):
    """A receiver that takes its time and counts by the address that mail comes from.

    Connections are counted by what the kernel knows, however late the threads of this side run:
    accept() gives them in the order in which they were made, so whichever is still established
    when a later one is accepted was open when that one was made."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        self.open = []
        self.most = collections.Counter()
        self.recipients = collections.Counter()
        self.first = {}

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self, _=None):
        self.shutdown()
        self.server_close()

    def tail(self):
        return f"{self.most} {self.recipients}"

    def get_request(self):
        connection, (source, port) = super().get_request()
        self.open = [one for one in self.open if established(one[0])] + [(connection, source)]
        self.most |= collections.Counter(address for _, address in self.open)
        self.most |= collections.Counter(all=len(self.open))
        return connection, (source, port)

    def recipient(self, source):
        with self.lock:
            self.recipients[source] += 1
            self.first.setdefault(source, time.monotonic())


class Dialogue(socketserver.StreamRequestHandler):
    """One connection. It is for the other side to end it, and to be counted until it has."""

    def handle(self):
        source = self.client_address[0]
        self.wfile.write(b"220 slow.test\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"RCPT":
                self.server.recipient(source)
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                time.sleep(0.05)
            if word == b"QUIT":
                continue  # nobody waits for the reply
            self.wfile.write(b"250 ok\r\n")


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

    def test_why_names_the_gate_and_the_line_of_its_limit(self):
        sink = self.started(Sink(self.folder))
        text = "<virtual-mta v>\n  smtp-source-host 127.0.0.1 v.test\n</virtual-mta>\n"
        text += "<source 127.0.0.1>\n  default-virtual-mta v\n</source>\n"
        waits = {}
        for name, (limit, gate) in GATES.items():
            text += f"<domain {name}.example>\n  {limit}\n</domain>\n"
            waits[name] = (f"{name}.example", f"{name}.example", limit, gate)
        for name, (limit, gate) in GROUPS.items():
            text += f"domain-macro {name} a.{name}.example,b.{name}.example shared\n"
            text += f"<domain ${name}>\n  {limit}\n</domain>\n"
            waits[name] = (f"a.{name}.example", f"b.{name}.example", limit, gate)
        daemon = self.started(Ringpostd(self.folder, text, sink_port=sink.port))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            def send(user, domain):
                client.sendmail("a@from.example", [f"{user}@{domain}"],
                                "Subject: x\r\n\r\n" + "text " * 60 + "\r\n")

            for first, second, _, gate in waits.values():
                if "backoff" in gate:
                    for domain in (first, second):
                        daemon.command("set", "queue", f"{domain}/v", "--mode=backoff")
                send("first", first)
            wait_until(lambda: sink.received() == len(waits), "the first messages")
            for _, second, _, _ in waits.values():
                send("second", second)
        for name, (_, second, limit, gate) in waits.items():
            with self.subTest(name):
                def row(user=f"second@{second}"):
                    told = json.loads(daemon.command("why", user, "--json"))
                    return told["recipients"][0]

                wait_until(lambda row=row, gate=gate: row()["state"] == f"waiting: {gate}", gate)
                row = row()
                self.assertEqual(limit.splitlines()[-1].split()[0], row["setting"].split()[0], row)
                self.assertRegex(row["place"], r".*\.conf:\d+$")
        self.assertEqual(len(waits), sink.received())

    def test_limits_of_sources_and_hosts_as_the_receiver_counts(self):
        peer = Counting()
        self.started(peer)
        daemon = self.started(Ringpostd(self.folder, SOURCES.replace("PORT", str(peer.port))))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for i in range(200):
                client.sendmail("a@from.example", [f"r{i}@to.example"], "Subject: x\r\n\r\nt\r\n")
        wait_until(lambda: peer.recipients["127.0.0.3"] > 0, "mail from the slower address")
        wait_until(lambda: sum(peer.recipients.values()) == 200, "all of the mail")
        seconds = time.monotonic() - peer.first["127.0.0.3"]
        self.assertEqual(2, peer.most["127.0.0.2"])
        self.assertLessEqual(peer.most["127.0.0.3"], 3)
        self.assertEqual(4, peer.most["all"])
        self.assertLessEqual(peer.recipients["127.0.0.3"], 20 * (seconds + 2))
        self.assertEqual({"127.0.0.2", "127.0.0.3"}, set(peer.recipients))


if __name__ == "__main__":
    main()
