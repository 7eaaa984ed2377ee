#!/usr/bin/env python3
"""Which virtual MTA mail leaves by, as the receiving side sees it: Postfix notes the address it was
connected from and the name it was greeted with, for sources on several loopback addresses."""

import collections
import json
import re
import smtplib

import peers
from harness import PeerTest, Ringpostd, free_port, main, need_ringpostd, wait_until

CONFIGURATION = """
<virtual-mta one>
  smtp-source-host 127.0.0.2 one.mta.test
</virtual-mta>
<virtual-mta two>
  smtp-source-host 127.0.0.3 two-a.mta.test
  smtp-source-host 127.0.0.4 two-b.mta.test
</virtual-mta>
<virtual-mta three>
  smtp-source-host 127.0.0.5 three.mta.test
  weight 3
</virtual-mta>
<virtual-mta lost>
  smtp-source-host 192.0.2.77 lost.mta.test
</virtual-mta>
<virtual-mta-pool some>
  virtual-mta one
  virtual-mta three
  virtual-mta lost
</virtual-mta-pool>
<virtual-mta-pool sticky>
  source-hash recipient
  virtual-mta one
  virtual-mta two
  virtual-mta three
</virtual-mta-pool>
<sender two@from.test>
  vmta two
</sender>
source {
  domain routed.test use-vmta three
}
<pattern-list choice>
  rcpt-to /^vip/ virtual-mta=one
  header Subject /sticky/ virtual-mta=sticky
  header Subject /pool/ virtual-mta=some
</pattern-list>
<address-list gone>
  domain gone.test
</address-list>
<source 127.0.0.1>
  pattern-list choice
  process-x-virtual-mta yes
  suppression-lists gone
</source>
<domain *>
  retry-after 1s
</domain>
"""

GREETED = re.compile(rb"^Received: from (\S+) \(unknown \[([0-9.]+)\]\)", re.MULTILINE)
ADDRESSED = re.compile(rb"^X-Original-To: (\S+)", re.MULTILINE)


class Routing(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.peer = self.started(peers.Postfix(self.folder))
        self.daemon = self.started(
            Ringpostd(self.folder, CONFIGURATION, sink_port=self.peer.port))

    def send(self, sender, recipients, subject="x", headers=""):
        with smtplib.SMTP("127.0.0.1", self.daemon.port) as client:
            return client.sendmail(sender, recipients, f"{headers}Subject: {subject}\r\n\r\nhi\r\n")

    def seen_by_recipient(self, count):
        """{recipient: [(address, HELO), ...]} once Postfix has so many messages."""
        wait_until(lambda: len(self.peer.messages()) >= count, f"{count} messages", 60)
        out = collections.defaultdict(list)
        for path in self.peer.messages():
            content = path.read_bytes()
            helo, address = GREETED.search(content).groups()
            recipient = ADDRESSED.search(content).group(1).decode().lower()
            out[recipient].append((address.decode(), helo.decode()))
        return out

    def seen(self, count):
        """{recipient: (address, HELO)} once Postfix has one message for each of so many."""
        out = self.seen_by_recipient(count)
        self.assertEqual(count, len(out))
        return {recipient: pairs[0] for recipient, pairs in out.items()}

    def test_rules_split_a_message_and_survive_a_kill(self):
        self.daemon.command("pause", "queue", "*/*")
        self.send("any@from.test", ["u@routed.test", "vip@routed.test", "v@routed.test"])
        self.send("two@from.test", ["vip@x.test", "u@x.test"])
        self.send("two@from.test", ["y@x.test"], headers="X-Virtual-MTA: three\r\n")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.send("any@from.test", ["u@gone.test"])
        self.daemon.kill()
        self.daemon.start()
        self.daemon.command("resume", "queue", "*/*")
        seen = self.seen(6)
        one, three = ("127.0.0.2", "one.mta.test"), ("127.0.0.5", "three.mta.test")
        self.assertEqual(three, seen["u@routed.test"])
        self.assertEqual(three, seen["v@routed.test"])
        self.assertEqual(one, seen["vip@routed.test"])
        self.assertEqual(three, seen["y@x.test"])
        pairs = {("127.0.0.3", "two-a.mta.test"), ("127.0.0.4", "two-b.mta.test")}
        self.assertIn(seen["vip@x.test"], pairs)
        self.assertIn(seen["u@x.test"], pairs)
        self.assertEqual("one", self.daemon.final_row("vip@routed.test")["vmta"])
        self.assertEqual("three", self.daemon.final_row("u@routed.test")["vmta"])

    def test_pools_share_by_weight_among_members_that_can_send(self):
        self.assertIn("not an address of this host", self.daemon.command("show", "sources"))
        self.assertIn("192.0.2.77", self.daemon.output())
        for i in range(120):
            self.send("a@from.test", [f"p{i}@pool.test"], "pool")
        counts = collections.Counter(address for address, _ in self.seen(120).values())
        self.assertEqual({"127.0.0.2", "127.0.0.5"}, set(counts))
        self.assertTrue(14 <= counts["127.0.0.2"] <= 48, counts)  # 30 and four deviations

    def test_a_recipient_stays_with_its_member(self):
        for i in range(12):
            self.send("a@from.test", [f"s{i}@a.test", f"t{i}@b.test"], "sticky")
            self.send("a@from.test", [f"S{i}@A.test", f"t{i}@B.test"], "sticky")
        seen = self.seen_by_recipient(48)
        self.assertEqual(24, len(seen))
        members = {"127.0.0.2": 1, "127.0.0.3": 2, "127.0.0.4": 2, "127.0.0.5": 3}
        for recipient, pairs in seen.items():
            self.assertEqual(2, len(pairs), recipient)
            self.assertEqual(1, len({members[address] for address, _ in pairs}), recipient)
        used = {members[address] for pairs in seen.values() for address, _ in pairs}
        self.assertEqual({1, 2, 3}, used)


class Moves(PeerTest):
    def test_mail_of_a_member_that_goes_leaves_by_the_others(self):
        need_ringpostd()
        peer = self.started(peers.Postfix(self.folder))
        nobody = free_port()
        members = {name: f"<virtual-mta {name}>\n  smtp-source-host 127.0.0.{octet} {name}.test\n"
                         "</virtual-mta>\n" for name, octet in (("stays", 2), ("goes", 3))}
        head = (f"<domain *>\n  route [127.0.0.1]:{nobody}\n  retry-after 1h\n</domain>\n"
                "<source 127.0.0.1>\n  default-virtual-mta both\n</source>\n")
        pool = "<virtual-mta-pool both>\n{}</virtual-mta-pool>\n"
        daemon = self.started(Ringpostd(
            self.folder, head + "".join(members.values()) +
            pool.format("  virtual-mta stays\n  virtual-mta goes\n")))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for i in range(16):
                client.sendmail("a@from.test", [f"u{i}@late.test"], "Subject: x\r\n\r\nhi\r\n")
        wait_until(lambda: daemon.command("show", "queues").count("deferred: queue-retry") == 2,
                   "both queues to wait")
        daemon.file.write_text(daemon.configuration.replace(str(nobody), str(peer.port))
                               .replace(members["goes"], "").replace("  virtual-mta goes\n", ""))
        daemon.command("reload")

        def left():
            rows = json.loads(daemon.command("show", "queues", "late.test/goes", "--json"))
            return not any(row["ready"] or row["deferred"] for row in rows)
        wait_until(left, "the queue to be left")
        daemon.command("schedule", "queue", "late.test/*")
        wait_until(lambda: len(peer.messages()) == 16, "all of them")
        senders = {GREETED.search(path.read_bytes()).groups() for path in peer.messages()}
        self.assertEqual({(b"stays.test", b"127.0.0.2")}, senders)


if __name__ == "__main__":
    main()
