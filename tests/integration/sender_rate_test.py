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


# Seconds from the first message until the second may leave: a limit of one an hour is counted a
# second longer than an hour at most, octets by their number.
HOUR = (3440, 3605)
OCTETS = (3600, 36000)
DAY = (86400 / 2, 86405)
WARMUP = "warmup {\n  period 9d\n  start-rate 1/d\n  end-rate 9/d\n  }"

# A second message of each waits at that gate, for the setting of the last line.
GATES = {
    "octets": ("max-data-volume-rate 100/h", "data-rate", OCTETS),
    "rate": ("max-msg-rate 1/h", "message-rate", HOUR),
    "source-rate": ("source-ip-max-msg-rate 127.0.0.0/8 1/h", "source-message-rate", HOUR),
    "source-octets": ("source-ip-max-data-volume-rate 127.0.0.0/8 100/h", "source-data-rate",
                      OCTETS),
    "source-connects": ("max-msg-per-connection 1\n  source-ip-max-connect-rate 127.0.0.0/8 1/h",
                        "source-connect-rate", HOUR),
    "connects": ("max-msg-per-connection 1\n  max-connect-rate 1/h", "connect-rate", HOUR),
    "interval": ("max-msg-per-connection 1\n  smtp-out-rampup-interval 1h", "rampup-interval",
                 HOUR),
    "warm": (WARMUP, "warm-up", DAY),
}
# Of a group, which a message to the one domain and one to the other fill.
GROUPS = {
    "group": ("max-msg-rate 1/h", "group-message-rate", HOUR),
    "group-octets": ("max-data-volume-rate 100/h", "group-data-rate", OCTETS),
    "group-connects": ("max-connect-rate 1/h", "group-connect-rate", HOUR),
    "group-interval": ("smtp-out-rampup-interval 1h", "group-connect-rate", HOUR),
    "group-warm": (WARMUP, "warm-up", DAY),
    "group-backoff": ("backoff-max-msg-rate 1/h", "group-backoff-message-rate", HOUR),
    "group-backoff-octets": ("backoff-max-data-volume-rate 100/h", "group-backoff-data-rate",
                             OCTETS),
}
# Of a virtual MTA, and of a pool whose only member it is, over all its queues.
VMTAS = {
    "v-rate": ("max-msg-rate 1/h", "vmta-message-rate", HOUR),
    "v-connects": ("max-connect-rate 1/h", "vmta-connect-rate", HOUR),
    "v-octets": ("max-smtp-data-volume-rate 100/h", "vmta-data-rate", OCTETS),
    "v-warm": (WARMUP, "warm-up", DAY),
}
POOLS = {"p-rate": ("max-msg-rate 1/h", "pool-message-rate", HOUR)}


def setting_of(limit):
    return "warmup" if limit == WARMUP else limit.splitlines()[-1].split()[0]


def line_of(daemon, section, limit):
    """FILE:LINE of the limit's last directive in its section, as the daemon's file has it."""
    lines = daemon.file.read_text().splitlines()
    begin = lines.index(section)
    words = [line.split()[:1] for line in lines]
    return f"{daemon.file}:{words.index([setting_of(limit)], begin) + 1}"


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

    def take(self):
        """Before the reply to a message."""
        time.sleep(0.05)

    def recipient(self, source):
        with self.lock:
            self.recipients[source] += 1
            self.first.setdefault(source, time.monotonic())


class Holding(Counting):
    """A receiver that answers no message before it is let go."""

    def __init__(self):
        super().__init__()
        self.gone = threading.Event()

    def take(self):
        self.gone.wait(60)

    def stop(self, _=None):
        self.gone.set()
        super().stop()

    def handle_error(self, request, client_address):
        """Who ends while it waits for a reply breaks the connection."""


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
                self.server.take()
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

    def told(self, daemon, recipient, state):
        """What `why` says of the mail, once it waits there."""
        def row():
            return json.loads(daemon.command("why", recipient, "--json"))["recipients"][0]

        wait_until(lambda: row()["state"] == state, f"{recipient} to be {state}")
        return row()

    def check(self, daemon, recipient, wait, section):
        limit, gate, opens = wait
        row = self.told(daemon, recipient, f"waiting: {gate}")
        self.assertEqual(setting_of(limit), row["setting"].split()[0], row)
        self.assertEqual(line_of(daemon, section, limit), row["place"], row)
        if opens is None:  # until a connection is closed, nobody knows when
            self.assertEqual(0, row["until"], row)
        else:
            self.assertGreaterEqual(row["until"] - time.time(), opens[0], row)
            self.assertLessEqual(row["until"] - time.time(), opens[1], row)

    def test_why_names_the_gate_and_the_line_of_its_limit(self):
        sink = self.started(Sink(self.folder))
        text = ("<source 127.0.0.1>\n  default-virtual-mta v\n  process-x-virtual-mta yes\n"
                "</source>\n")
        waits = {}
        for name in ("v", "p-rate-member", *VMTAS):
            limit = VMTAS[name][0] + "\n" if name in VMTAS else ""
            text += (f"<virtual-mta {name}>\n  smtp-source-host 127.0.0.1 v.test\n"
                     f"  {limit}</virtual-mta>\n")
        for name, (limit, _, _) in POOLS.items():
            text += (f"<virtual-mta-pool {name}>\n  virtual-mta {name}-member\n  {limit}\n"
                     "</virtual-mta-pool>\n")
        for name, wait in (VMTAS | POOLS).items():
            kind = "virtual-mta-pool" if name in POOLS else "virtual-mta"
            waits[name] = (f"a.{name}.example", f"b.{name}.example", wait, f"<{kind} {name}>", name)
        for name, wait in GATES.items():
            section = f"<domain {name}.example>"
            text += f"{section}\n  {wait[0]}\n</domain>\n"
            waits[name] = (f"{name}.example", f"{name}.example", wait, section, "v")
        for name, wait in GROUPS.items():
            text += f"domain-macro {name} a.{name}.example,b.{name}.example shared\n"
            text += f"<domain ${name}>\n  {wait[0]}\n</domain>\n"
            waits[name] = (f"a.{name}.example", f"b.{name}.example", wait, f"<domain ${name}>", "v")
        text += "<domain web.example>\n  type http-delivery\n</domain>\n"
        daemon = self.started(Ringpostd(self.folder, text, sink_port=sink.port))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            def send(user, domain, vmta="v"):
                client.sendmail("a@from.example", [f"{user}@{domain}"],
                                f"X-Virtual-MTA: {vmta}\r\n\r\n" + "text " * 60 + "\r\n")

            for first, second, (_, gate, _), _, vmta in waits.values():
                if "backoff" in gate:
                    for domain in (first, second):
                        daemon.command("set", "queue", f"{domain}/v", "--mode=backoff")
                send("first", first, vmta)
            wait_until(lambda: sink.received() == len(waits), "the first messages")
            for _, second, _, _, vmta in waits.values():
                send("second", second, vmta)
            send("x", "web.example")
        for name, (_, second, wait, section, _) in waits.items():
            with self.subTest(name):
                self.check(daemon, f"second@{second}", wait, section)
        row = self.told(daemon, "x@web.example", "waiting: held")
        self.assertEqual("type http-delivery", row["setting"])
        self.assertEqual(line_of(daemon, "<domain web.example>", "type"), row["place"])
        self.assertEqual(len(waits), sink.received())

    def test_why_names_the_limit_of_connections_that_mail_waits_for(self):
        peer = Holding()
        self.started(peer)
        text = ("<source 127.0.0.1>\n  default-virtual-mta v-full\n  process-x-virtual-mta yes\n"
                "</source>\n<virtual-mta v-full>\n  smtp-source-host 127.0.0.1 v.test\n"
                "  max-smtp-out 1\n</virtual-mta>\n<virtual-mta w>\n"
                "  smtp-source-host 127.0.0.1 w.test\n</virtual-mta>\n"
                "<domain queue.example>\n  max-smtp-out 1\n</domain>\n"
                "total-max-smtp-out 3\n")
        daemon = self.started(Ringpostd(self.folder, text, sink_port=peer.port))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            def send(recipient, vmta):
                client.sendmail("a@from.example", [recipient],
                                f"X-Virtual-MTA: {vmta}\r\n\r\ntext\r\n")

            firsts = (("one@queue.example", "w"), ("one@a.example", "v-full"),
                      ("one@other.example", "w"))
            for count, (recipient, vmta) in enumerate(firsts, 1):
                send(recipient, vmta)
                wait_until(lambda count=count: sum(peer.recipients.values()) == count, recipient)
            send("two@queue.example", "w")
            send("two@b.example", "v-full")
            send("two@last.example", "w")
        self.check(daemon, "two@queue.example",
                   ("max-smtp-out 1", "queue-connections", None), "<domain queue.example>")
        self.check(daemon, "two@b.example",
                   ("max-smtp-out 1", "vmta-connections", None), "<virtual-mta v-full>")
        self.check(daemon, "two@last.example",
                   ("total-max-smtp-out 3", "total-connections", None),
                   "host-name mta.test")
        self.assertEqual(len(firsts), sum(peer.recipients.values()))

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
