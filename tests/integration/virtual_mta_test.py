#!/usr/bin/env python3
"""Where mail leaves from, as the receiver sees it: source addresses of both families with the names
they are greeted by, an address that the host does not have and gets, ranges and hashes, and which
rule chooses the virtual MTA. In a network namespace, whose addresses are the test's own."""

import ctypes
import json
import smtplib
import socketserver
import subprocess
import threading

from harness import PeerTest, Ringpostd, free_port, main, need_ringpostd, need_root, wait_until

NEW_NETWORK = 0x40000000


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def setUpModule():
    need_root("addresses of a network namespace")
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK) != 0:
        raise RuntimeError("no network namespace of its own")
    ip("link", "set", "lo", "up")


class Handler(socketserver.StreamRequestHandler):
    """SMTP that takes all, without extensions, and notes who came."""

    def handle(self):
        helo = sender = None
        recipients = []
        if self.client_address[0] in self.server.throttled:
            self.wfile.write(b"421 4.7.0 too many connections from your address\r\n")
            return
        self.wfile.write(b"220 receiver.test\r\n")
        for line in self.rfile:
            words = line.decode().split()
            verb = words[0].upper() if words else ""
            if verb in ("EHLO", "HELO"):
                helo = words[1]
            elif verb == "MAIL":
                sender, recipients = words[1][6:-1], []
            elif verb == "RCPT":
                recipients.append(words[1][4:-1])
            elif verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                for recipient in recipients:
                    self.server.came.append((recipient, self.client_address[0], helo, sender))
            self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
            if verb == "QUIT":
                return


class Receiver(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, address, port):
        self.address_family = 10 if ":" in address else 2
        self.came = []
        self.throttled = ()  # source addresses
        super().__init__((address, port), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()


def vmta(name, *sources):
    return (f"<virtual-mta {name}>\n"
            + "".join(f"  smtp-source-host {address} {helo}\n" for address, helo in sources)
            + "</virtual-mta>\n")


class VirtualMtas(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.port = free_port()
        self.receivers = [Receiver(address, self.port) for address in ("127.0.0.1", "::1")]
        for receiver in self.receivers:
            self.addCleanup(receiver.server_close)
            self.addCleanup(receiver.shutdown)

    def daemon(self, configuration, **options):
        return self.started(Ringpostd(self.folder, configuration, sink_port=self.port, **options))

    @staticmethod
    def send(daemon, *recipients, sender="any@from.test", port=None, headers=""):
        with smtplib.SMTP("127.0.0.1", port or daemon.port) as client:
            for recipient in recipients:
                client.sendmail(sender, [recipient], f"{headers}Subject: x\r\n\r\nhello\r\n")

    def came(self, count, timeout=30):
        """{recipient: (source address, HELO name)} once so many have come."""
        def all_of_them():
            rows = [row for receiver in self.receivers for row in receiver.came]
            return rows if len(rows) >= count else None
        rows = wait_until(all_of_them, f"{count} recipients", timeout)
        self.assertEqual(count, len(rows))
        return {recipient: (address, helo) for recipient, address, helo, _ in rows}

    def test_addresses_of_both_families_and_their_names(self):
        for address in ("fd00::2", "fd00::3"):
            ip("address", "add", f"{address}/128", "dev", "lo", "nodad")
        sources = [("127.0.0.2", "a.test"), ("127.0.0.3", "b.test"),
                   ("fd00::2", "c.test"), ("fd00::3", "d.test")]
        daemon = self.daemon(
            vmta("many", *sources)
            + "<source 127.0.0.1>\n  default-virtual-mta many\n</source>\n"
            "<domain *>\n  max-msg-per-connection 1\n</domain>\n"
            f"<domain six.test>\n  route [IPv6:::1]:{self.port}\n</domain>\n")
        self.send(daemon, *[f"u{i}@{name}.test" for i in range(16) for name in ("four", "six")])
        came = self.came(32)
        for name, expected in (("four", sources[:2]), ("six", sources[2:])):
            self.assertEqual(set(expected), {pair for recipient, pair in came.items()
                                             if recipient.endswith(f"@{name}.test")})
        row = daemon.final_row("u0@six.test")
        self.assertEqual(came["u0@six.test"][0], row["dlvSourceIp"])

    def test_an_address_that_comes_and_goes(self):
        daemon = self.daemon(
            vmta("late", ("10.9.8.7", "late.test")) + vmta("other", ("127.0.0.4", "other.test"))
            + "<virtual-mta-pool both>\n  virtual-mta late\n  virtual-mta other\n"
            "</virtual-mta-pool>\n"
            "<source 127.0.0.1>\n  process-x-virtual-mta yes\n</source>\n")
        self.assertRegex(daemon.output(), r"10\.9\.8\.7 of virtual MTA late is not an address of")
        self.send(daemon, "waits@a.test", headers="X-Virtual-MTA: late\r\n")
        pooled = [f"p{i}@{i}.test" for i in range(8)]
        self.send(daemon, *pooled, headers="X-Virtual-MTA: both\r\n")
        came = self.came(8)
        self.assertEqual({("127.0.0.4", "other.test")}, set(came.values()))
        wait_until(lambda: "no-source" in daemon.command("why", "waits@a.test"), "the reason")
        self.assertIn("not an address of this host", daemon.command("show", "sources"))
        ip("address", "add", "10.9.8.7/32", "dev", "lo")
        came = self.came(9)  # it is looked at every 15 s
        self.assertEqual(("10.9.8.7", "late.test"), came["waits@a.test"])
        self.assertIn("10.9.8.7 of virtual MTA late is on this host again", daemon.output())
        self.send(daemon, *[f"q{i}@{i}.test" for i in range(16)],
                  headers="X-Virtual-MTA: both\r\n")
        self.assertIn(("10.9.8.7", "late.test"), [
            pair for recipient, pair in self.came(25).items() if recipient[0] == "q"])
        ip("address", "del", "10.9.8.7/32", "dev", "lo")
        daemon.command("reload")  # which looks at once
        self.send(daemon, *[f"r{i}@{i}.test" for i in range(8)], headers="X-Virtual-MTA: both\r\n")
        self.assertEqual({("127.0.0.4", "other.test")}, {
            pair for recipient, pair in self.came(33).items() if recipient[0] == "r"})

    def test_a_range_by_domain_and_one_address_more(self):
        pool = "vmta spread {{\n  source-hash true\n  bind-ip-range 127.0.0.20-127.0.0.{}\n}}\n"
        head = "<source 127.0.0.1>\n  default-virtual-mta spread\n</source>\n"
        daemon = self.daemon(pool.format(23) + head)
        domains = [f"{i}.test" for i in range(60)]
        self.send(daemon, *[f"{user}@{domain}" for domain in domains for user in "ab"])
        came = self.came(120)
        before = {domain: came[f"a@{domain}"][0] for domain in domains}
        self.assertEqual(before, {domain: came[f"b@{domain}"][0] for domain in domains})
        self.assertEqual({f"127.0.0.{i}" for i in range(20, 24)}, set(before.values()))
        daemon.file.write_text(daemon.configuration.replace("127.0.0.23", "127.0.0.24"))
        daemon.command("reload")
        self.send(daemon, *[f"c@{domain}" for domain in domains])
        came = self.came(180)
        moved = [came[f"c@{domain}"][0] for domain in domains
                 if came[f"c@{domain}"][0] != before[domain]]
        self.assertEqual({"127.0.0.24"}, set(moved), "a new member takes its part and no more")
        self.assertLess(len(moved), 30, "12 is its part")

    def test_the_strongest_rule_chooses(self):
        names = ["header", "sender", "list", "relay", "route", "source"]
        relay = free_port()
        daemon = self.daemon(
            "".join(vmta(name, (f"127.0.0.{30 + i}", f"{name}.test"))
                    for i, name in enumerate(names))
            + "<sender s@from.test>\n  vmta sender\n</sender>\n"
            "<pattern-list rules>\n  rcpt-to /^listed/ virtual-mta=list\n"
            "  mail-from /^listed@/ virtual-mta=list\n</pattern-list>\n"
            "source {\n  domain routed.test use-vmta route\n}\n"
            "<source 127.0.0.1>\n  process-x-virtual-mta yes\n  pattern-list rules\n"
            "  default-virtual-mta source\n</source>\n"
            f"relay {{\n  listen 127.0.0.1:{relay}\n  allow-mail-from *@from.test\n"
            "  allow-recipient @\n  route-to-vmta relay\n}\n")
        header = "X-Virtual-MTA: header\r\n"
        self.send(daemon, "listed1@routed.test", sender="s@from.test", headers=header)
        self.send(daemon, "listed2@routed.test", sender="s@from.test")
        self.send(daemon, "listed3@routed.test", sender="t@from.test")
        self.send(daemon, "a@routed.test", sender="listed@from.test")
        self.send(daemon, "b@routed.test", sender="t@from.test")
        self.send(daemon, "c@plain.test", sender="t@from.test")
        # At the relay's own listener.
        self.send(daemon, "listed4@routed.test", sender="s@from.test", port=relay)
        self.send(daemon, "d@routed.test", sender="t@from.test", port=relay)
        with self.assertRaises(smtplib.SMTPException):
            self.send(daemon, "e@routed.test", sender="t@elsewhere.test", port=relay)
        chosen = {recipient.split("@")[0]: helo.split(".")[0]
                  for recipient, (_, helo) in self.came(8).items()}
        self.assertEqual({"listed1": "header", "listed2": "sender", "listed3": "list", "a": "list",
                          "b": "route", "c": "source", "listed4": "sender", "d": "relay"}, chosen)

    def test_queues_that_back_off_leave_by_another_address_and_return_one_by_one(self):
        self.receivers[0].throttled = ("127.0.0.40",)
        daemon = self.daemon(
            vmta("first", ("127.0.0.40", "first.test")).replace(
                "</virtual-mta>", "  <domain *>\n    retry-after 1s\n"
                "    backoff-to-normal-after 1h\n"
                "    backoff-reroute-to-virtual-mta second\n  </domain>\n</virtual-mta>")
            + vmta("second", ("127.0.0.41", "second.test"))
            + "<source 127.0.0.1>\n  default-virtual-mta first\n</source>\n")

        def decisions():
            return {row["queue"]: row
                    for row in json.loads(daemon.command("automation", "list", "--json"))}
        self.send(daemon, "a@one.test", "a@two.test", "b@one.test")
        self.assertEqual({("127.0.0.41", "second.test")}, set(self.came(3).values()))
        self.assertEqual({"one.test/first", "two.test/first"}, set(decisions()))
        one = decisions()["one.test/first"]
        told = daemon.command("automation", "explain", one["id"])
        self.assertIn("too many connections from your address", told)
        self.assertEqual(3600, one["until"] - one["since"])
        self.assertEqual(0, daemon.stop())
        daemon.start()
        self.assertEqual({"one.test/first", "two.test/first"}, set(decisions()))
        self.receivers[0].throttled = ()
        daemon.command("automation", "cancel", one["id"])
        self.assertEqual({"two.test/first"}, set(decisions()))
        self.send(daemon, "c@one.test", "c@two.test")
        came = self.came(5)
        self.assertEqual(("127.0.0.40", "first.test"), came["c@one.test"])
        self.assertEqual(("127.0.0.41", "second.test"), came["c@two.test"])

    def test_queues_put_together_share_limits_and_hosts_take_over(self):
        joined = Receiver("127.0.0.5", self.port)
        self.addCleanup(joined.server_close)
        self.addCleanup(joined.shutdown)
        self.receivers.append(joined)
        daemon = self.daemon(
            "<domain one.test>\n  queue-to both.queue\n</domain>\n"
            "<domain two.test>\n  queue-to both.queue\n</domain>\n"
            f"<domain both.queue>\n  smtp-hosts [127.0.0.5]:{self.port}\n  max-msg-rate 5/s\n"
            "</domain>\n"
            # Nobody listens at the first of these.
            f"<domain spare.test>\n  smtp-hosts [127.0.0.6]:{self.port};[127.0.0.5]:{self.port}\n"
            "</domain>\n", shards=2)
        self.send(daemon, *[f"u{i}@{name}.test" for i in range(8) for name in ("one", "two")])
        self.send(daemon, "u@spare.test")
        wait_until(lambda: len(joined.came) == 17, "all of them")
        wait_until(lambda: len([row for row in daemon.accounted() if row["type"] == "d"]) == 17,
                   "their rows")
        queues = {row["queue"] for row in daemon.accounted() if row["rcpt"] != "u@spare.test"}
        self.assertEqual({"both.queue/{default}"}, queues)


if __name__ == "__main__":
    main()
