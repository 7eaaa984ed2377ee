#!/usr/bin/env python3
"""A receiver that throttles: the queue backs off, the receiver sees the limits of that mode, a
restart keeps it, and it ends by command and by time."""

import json
import time

from harness import PeerTest, Ringpostd, Sink, load, main, need_ringpostd, settled, wait_until

BACKOFF_RATE = 10  # messages a second

CONFIGURATION = f"""
<domain *>
  max-smtp-out 6
  retry-after 1s
  connection-idle-timeout 5s
  backoff-retry-after 1s
  backoff-max-smtp-out 1
  backoff-max-msg-rate {BACKOFF_RATE}/s
  backoff-to-normal-after 60s
</domain>
"""


def connections_to(port):
    """Established connections whose local end is the port: what the receiver has open. Reading the
    table takes time, in which one may go and another come: those that two readings have, one after
    the other, were open at once."""
    wanted = f"0100007F:{port:04X}"

    def peers():
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return {row[2] for row in rows if row[1] == wanted and row[3] == "01"}

    return len(peers() & peers())


class Backoff(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def decisions(self, daemon):
        return json.loads(daemon.command("show", "backoff", "--json"))

    def throttled(self):
        """A sink that answers 421 to a third connection, and a queue that met it."""
        sink = self.started(Sink(self.folder, "--max-connections", "2", "--reply-delay", "30"))
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=sink.port))
        code, _, ledger = load(self.folder, daemon.port, "-n", "150", "-c", "2",
                               "--domains", "1")
        self.assertEqual(0, code)
        wait_until(lambda: self.decisions(daemon), "back-off mode")
        return sink, daemon, ledger

    def test_changes_of_mode_are_mailed(self):
        told = self.started(Sink(self.folder, name="told"))
        busy = self.started(Sink(self.folder, "--max-connections", "2", "--reply-delay", "30"))
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION.replace(
            "retry-after", "backoff-notify ops@notify.test,on-call@notify.test\n  retry-after", 1)
            + f"<domain notify.test>\n  route [127.0.0.1]:{told.port}\n</domain>\n",
            sink_port=busy.port))
        load(self.folder, daemon.port, "-n", "150", "-c", "2", "--domains", "1")
        wait_until(lambda: told.received() == 2, "a mail to each")
        for address in ("ops@notify.test", "on-call@notify.test"):
            row = daemon.final_row(address)
            self.assertEqual(("d", ""), (row["type"], row["orig"]))
        totals = daemon.status()["totals"]
        self.assertEqual((2, 0), (totals["notices_sent"], totals["notices_lost"]))
        (decision,) = self.decisions(daemon)
        daemon.command("automation", "cancel", decision["id"])
        # What comes within a minute waits; an end in order does not lose it.
        self.assertEqual(0, daemon.stop())
        daemon.start()
        wait_until(lambda: told.received() == 4, "the mails on the end of it")

    def watch(self, sink, seconds):
        """Messages and the most connections that the receiver saw meanwhile."""
        before, most, end = sink.received(), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            most = max(most, connections_to(sink.port))
            time.sleep(0.02)
        return sink.received() - before, most

    def test_a_throttling_receiver_sees_the_limits_of_backoff_mode(self):
        sink, daemon, ledger = self.throttled()
        (decision,) = self.decisions(daemon)
        self.assertTrue(decision["reply"].startswith("421 4.3.2 too many connections"), decision)
        self.assertEqual("shipped list", decision["place"])
        self.assertIn("too many", decision["pattern"])
        self.assertEqual(60, decision["until"] - decision["since"])
        self.assertIn(decision["id"], daemon.command("automation", "list"))
        self.assertIn("fits /", daemon.command("automation", "explain", decision["id"]))

        wait_until(lambda: connections_to(sink.port) <= 1, "sessions of normal mode to end")
        seconds = 2
        received, connections = self.watch(sink, seconds)
        self.assertLessEqual(connections, 1)
        # At both ends of the time a message may fall to the other side.
        self.assertLessEqual(received, BACKOFF_RATE * seconds + 2)
        self.assertGreater(received, BACKOFF_RATE)

        self.assertEqual(0, daemon.stop())
        daemon.start()
        (again,) = self.decisions(daemon)
        self.assertEqual((decision["since"], decision["reply"]), (again["since"], again["reply"]))
        received, connections = self.watch(sink, 1)
        self.assertLessEqual(connections, 1)
        self.assertLessEqual(received, BACKOFF_RATE + 2)

        daemon.command("automation", "cancel", decision["id"])
        totals = daemon.status()["totals"]
        self.assertEqual(1, totals["backoffs_ended"])
        good, told = settled(sink, ledger, daemon, 60)
        self.assertTrue(good, told)

    def test_commands_set_modes_and_sources(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(
            self.folder, "<domain *>\n  backoff-to-normal-after 1s\n</domain>\n"
            "<virtual-mta two>\n  smtp-source-host 127.0.0.2 two.test\n</virtual-mta>\n",
            sink_port=sink.port))
        daemon.command("set", "queue", "later.test/two", "--mode=backoff")
        self.assertEqual(["backoff:later.test/two"],
                         [row["id"] for row in self.decisions(daemon)])
        self.assertEqual("none\n", daemon.command("automation", "list"), "no command's doing")
        wait_until(lambda: not self.decisions(daemon), "the end of its time", 10)
        daemon.command("disable", "source", "127.0.0.2,two")
        self.assertEqual("127.0.0.2 */two\n", (daemon.spool / "sources").read_text())
        self.assertEqual(0, daemon.stop())
        daemon.start()
        daemon.command("enable", "source", "127.0.0.2")
        self.assertEqual("", (daemon.spool / "sources").read_text())

    def test_what_was_answered_outlives_a_kill(self):
        daemon = self.started(Ringpostd(self.folder, "<domain *>\n  backoff-to-normal-after 1h\n"
                                        "</domain>\n"))
        names = [f"d{number}.test" for number in range(4)]
        for name in names:
            daemon.command("set", "queue", name + "/{default}", "--mode=backoff")
        daemon.kill()
        daemon.start()
        self.assertEqual([f"backoff:{name}/{{default}}" for name in names],
                         [row["id"] for row in self.decisions(daemon)])
        daemon.command("set", "queue", names[0] + "/{default}", "--mode=normal")
        daemon.command("set", "queue", names[1] + "/{default}", "--mode=normal")
        daemon.kill()
        daemon.start()
        self.assertEqual([f"backoff:{name}/{{default}}" for name in names[2:]],
                         [row["id"] for row in self.decisions(daemon)])


if __name__ == "__main__":
    main()
