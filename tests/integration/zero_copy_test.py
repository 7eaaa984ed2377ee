#!/usr/bin/env python3
"""Large messages leave without a copy where the path allows it, as the kernel's own reports say."""

import urllib.request

import uncopied
from harness import (PeerTest, Ringpostd, Sink, free_port, load, main, need_ringpostd, need_root,
                     reconcile, wait_until)

SMALL, LARGE = 4096, 65536
EACH = 60


class FarSink(Sink):
    """ringpost-sink at the other end of a path."""

    def __init__(self, folder, path):
        super().__init__(folder, address=uncopied.FAR)
        self.arguments = path.far(*self.arguments)


class ZeroCopy(PeerTest):
    def setUp(self):
        need_root("network namespaces and an XDP program")
        need_ringpostd()
        super().setUp()

    def delivered(self, sink, address):
        """EACH small and EACH large messages go through a daemon into the sink, once and whole."""
        self.metrics_port = free_port()
        daemon = self.started(Ringpostd(self.folder, f"http-mgmt-port {self.metrics_port}\n",
                                        sink_port=sink.port, sink_host=address, shards=1))
        for size in (SMALL, LARGE):
            ledger = self.folder / f"{size}.ledger"
            code, told, made = load(self.folder, daemon.port, "-n", EACH, "--size", size, "-c", 2,
                                    "--domains", 2)
            self.assertEqual(0, code, told)
            made.rename(ledger)
        wait_until(lambda: sink.received() >= 2 * EACH, "all messages")
        # The kernel lets go of the bytes of the last ones when they are acknowledged.
        wait_until(lambda: sum(self.zero_copy()) > 0, "the first notice")
        ledger = self.folder / "ledger"
        ledger.write_text("".join((self.folder / f"{size}.ledger").read_text()
                                  for size in (SMALL, LARGE)))
        whole, summary = reconcile(ledger, sink.record)
        self.assertTrue(whole, summary)

    def zero_copy(self):
        """(sends without a copy, sends that were copied after all), by the daemon's metrics."""
        page = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(page, timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return tuple(sum(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
                     for name in ("ringpost_zero_copy_sends_total{",
                                  "ringpost_zero_copy_copied_total{"))

    def test_the_kernel_sends_from_the_spool_where_the_path_allows(self):
        with uncopied.Path() as path:
            self.delivered(self.started(FarSink(self.folder, path)), uncopied.FAR)
            wait_until(lambda: sum(self.zero_copy()) >= EACH, "all notices")
            self.assertEqual((EACH, 0), self.zero_copy())

    def test_loopback_copies_and_connections_stop_asking(self):
        self.delivered(self.started(Sink(self.folder)), "127.0.0.1")
        sends, copied = self.zero_copy()
        self.assertEqual(0, sends)
        # A connection asks until it has heard of eight copies in a row.
        self.assertGreaterEqual(copied, 1)
        self.assertLess(copied, EACH, "connections go on asking")


if __name__ == "__main__":
    main()
