#!/usr/bin/env python3
"""Mail routed by MX records that a real authoritative server and a real resolver serve."""

import smtplib

import peers
from harness import PeerTest, Ringpostd, Sink, free_port, main, need_ringpostd, wait_until

HEAD = "@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
ZONES = {
    # The better host is dead: the next one takes it.
    "first.test": HEAD + "@ MX 10 dead\n@ MX 20 alive\ndead A 127.0.0.9\nalive A 127.0.0.2\n",
    # Two hosts of one preference share the connections.
    "equal.test": HEAD + "@ MX 10 a\n@ MX 10 b\na A 127.0.0.2\nb A 127.0.0.3\n",
    "address.test": HEAD + "@ A 127.0.0.3\n",
    "kept.test": HEAD + "@ A 127.0.0.3\n",
    "null.test": HEAD + "@ MX 0 .\n",
    "alias.test": HEAD + "@ MX 10 mx\nmx CNAME real\nreal A 127.0.0.2\n",
    # Nobody answers there: these two have that in common, and the third besides.
    "dead.test": HEAD + "@ MX 10 mx\nmx A 127.0.0.9\n",
    "shared.test": HEAD + "@ MX 10 mx.rolled.test.\n",
    "rolled.test": HEAD + "@ MX 10 mx\nmx A 127.0.0.9\n",
    "nowhere.test": HEAD + "@ MX 10 missing\n",
    # Delegated to a server that is not there: SERVFAIL, which must never become a bounce.
    "broken.test": HEAD + "lame NS ns.lame\nns.lame A 127.0.0.8\n",
}


# A queue whose name is no domain, and whose host is dead.
SHARED = ("<domain kept.test>\n  queue-to joint.null.test\n</domain>\n"
          "<domain joint.null.test>\n  smtp-hosts 127.0.0.9\n</domain>\n")


class Dns(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        port = free_port()
        self.sinks = [self.started(Sink(self.folder, port=port, address=f"127.0.0.{number}",
                                        name=f"sink{number}")) for number in (2, 3)]
        nsd = self.started(peers.Nsd(self.folder, ZONES))
        unbound = self.started(peers.Unbound(self.folder, ZONES, nsd.port))
        self.daemon = self.started(Ringpostd(
            self.folder, f"name-server 127.0.0.1:{unbound.port}\n"
            f"<domain *>\n  default-smtp-port {port}\n  allow-private-mx yes\n  retry-after 1s\n"
            "  retry-after-dns-error 1s\n  connect-timeout 5s\n</domain>\n"
            "<mx-rollup-list>\n  mx mx.rolled.test big.rollup\n</mx-rollup-list>\n"
            "<domain big.rollup>\n  smtp-hosts 127.0.0.3\n</domain>\n"
            f"{SHARED}route spare {{\n  destination 127.0.0.2:{port}\n  backup true\n}}\n"))

    def send(self, *recipients):
        with smtplib.SMTP("127.0.0.1", self.daemon.port) as client:
            for recipient in recipients:
                client.sendmail("a@load.test", [recipient], "Subject: x\r\n\r\nhello\r\n")

    def recipients_at(self, sink):
        if not sink.record.exists():
            return set()
        return {line.split("\t")[1] for line in sink.record.read_text().splitlines()}

    def test_a_dead_host_is_passed_over(self):
        self.send("u@first.test")
        wait_until(lambda: "u@first.test" in self.recipients_at(self.sinks[0]), "the second MX")

    def test_the_spare_host_takes_what_nobody_else_does(self):
        self.send("u@dead.test")
        wait_until(lambda: "u@dead.test" in self.recipients_at(self.sinks[0]), "the spare host")

    def test_domains_of_one_mail_host_share_a_queue(self):
        recipients = {f"u{i}@{name}.test" for i in range(5) for name in ("shared", "rolled")}
        self.send(*recipients)
        wait_until(lambda: recipients <= self.recipients_at(self.sinks[1]), "the shared route")
        queues = self.daemon.command("show", "queues")
        self.assertIn("big.rollup/{default}", queues)
        self.assertIn("big.rollup/*", self.daemon.refused("pause", "queue", "shared.test/*"))
        self.daemon.command("pause", "queue", "first.test/*")

    def test_a_reload_without_its_shared_queue_returns_no_mail(self):
        self.send("u@kept.test")
        wait_until(lambda: "refused" in self.daemon.command("show", "queues", "joint.null.test"),
                   "an attempt")
        self.daemon.configuration = self.daemon.configuration.replace(SHARED, "")
        self.daemon.file.write_text(self.daemon.configuration)
        self.daemon.command("reload")
        wait_until(lambda: "u@kept.test" in self.recipients_at(self.sinks[1]), "its own host")
        self.assertEqual("d", self.daemon.final_row("u@kept.test")["type"])

    def test_equal_hosts_share(self):
        recipients = {f"u{i}@equal.test" for i in range(40)}
        self.send(*recipients)
        wait_until(lambda: self.recipients_at(self.sinks[0]) | self.recipients_at(self.sinks[1])
                   == recipients, "all of them")

    def test_without_mx_the_address_is_taken(self):
        self.send("u@address.test")
        wait_until(lambda: "u@address.test" in self.recipients_at(self.sinks[1]), "the A record")

    def test_an_alias_as_mail_host_is_followed(self):
        self.send("u@alias.test")
        wait_until(lambda: "u@alias.test" in self.recipients_at(self.sinks[0]), "the alias")

    def test_null_mx_and_missing_names_bounce(self):
        self.send("u@null.test", "u@none.null.test")
        row = self.daemon.final_row("u@null.test")
        self.assertEqual("b", row["type"])
        self.assertIn("5.1.10", row["dsnStatus"])
        self.assertEqual("b", self.daemon.final_row("u@none.null.test")["type"])

    def test_a_broken_zone_defers(self):
        self.send("u@lame.broken.test", "u@address.test")
        wait_until(lambda: "u@address.test" in self.recipients_at(self.sinks[1]), "the other")
        wait_until(lambda: any(row["rcpt"] == "u@lame.broken.test" and row["type"] == "t"
                               for row in self.daemon.accounted()) or
                   "lame.broken.test" in self.daemon.command("show", "queues"), "a deferral", 60)
        self.assertFalse([row for row in self.daemon.accounted()
                          if row["rcpt"] == "u@lame.broken.test" and row["type"] in ("d", "b")])


if __name__ == "__main__":
    main()
