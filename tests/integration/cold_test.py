#!/usr/bin/env python3
"""A cold virtual MTA is given so many a day and the warm one the rest; a member of a pool so many,
and the others the rest; over restarts and kills."""

import collections
import json

from harness import PeerTest, Ringpostd, Sink, acknowledged, load, main, need_ringpostd, wait_until

CONFIGURATION = """
<virtual-mta cold>
  smtp-source-host 127.0.0.2 cold.test
</virtual-mta>
<virtual-mta warm>
  smtp-source-host 127.0.0.3 warm.test
  cold-virtual-mta cold
  <domain *>
    max-cold-virtual-mta-msg 7/day
  </domain>
</virtual-mta>
<virtual-mta new>
  smtp-source-host 127.0.0.4 new.test
  <domain *>
    max-cold-virtual-mta-msg 5/day
  </domain>
</virtual-mta>
<virtual-mta old>
  smtp-source-host 127.0.0.5 old.test
</virtual-mta>
<virtual-mta-pool both>
  virtual-mta new
  virtual-mta old
</virtual-mta-pool>
"""


class Cold(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def by_vmta(self, daemon):
        return collections.Counter(row["vmta"] for row in daemon.accounted()
                                   if row["type"] == "d")

    def send(self, daemon, count, total):
        """That many more messages to one domain are delivered; how many by each virtual MTA."""
        code, _, ledger = load(self.folder, daemon.port, "-n", str(count), "-c", "2",
                               "--domains", "1")
        self.assertEqual((0, total), (code, acknowledged(ledger)))
        wait_until(lambda: sum(self.by_vmta(daemon).values()) >= total, f"{total} deliveries", 30)
        return self.by_vmta(daemon)

    def check(self, vmta, capped, other, number):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(
            self.folder, CONFIGURATION + "<source 127.0.0.1>\n  default-virtual-mta "
            f"{vmta}\n</source>\n", sink_port=sink.port, shards=3))
        self.assertEqual({capped: number, other: 30 - number}, self.send(daemon, 30, 30))
        (row,) = json.loads(daemon.command("show", "cold", "--json"))
        self.assertEqual((number, number, 0), (row["today"], row["max"], row["later"]))
        self.assertTrue(row["queue"].endswith("/" + capped))
        self.assertEqual(0, daemon.stop())
        daemon.start()
        self.assertEqual({capped: number, other: 40 - number}, self.send(daemon, 10, 40))
        daemon.kill()
        daemon.start()
        self.assertEqual({capped: number, other: 50 - number}, self.send(daemon, 10, 50))

    def test_the_first_of_a_day_go_to_the_cold_one(self):
        self.check("warm", "cold", "warm", 7)

    def test_a_member_of_a_pool_is_given_so_many(self):
        self.check("both", "new", "old", 5)


if __name__ == "__main__":
    main()
