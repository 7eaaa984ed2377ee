#!/usr/bin/env python3
"""A process that may open no further descriptor: all listeners wait without burning the processor,
say so once, and go on when there is room."""

import functools
import os
import resource
import smtplib
import socket
import time
import urllib.request

from harness import PeerTest, Ringpostd, free_port, main, need_ringpostd, wait_until


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Descriptors(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def test_listeners_wait_for_descriptors(self):
        web = free_port()
        daemon = self.started(Ringpostd(
            self.folder, f"http-mgmt-port {web}\nhttp-access 127.0.0.1 monitor\n"))
        pid = daemon.process.pid
        # The lowest free number is the first that is refused.
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        first_free = min(set(range(len(used) + 1)) - used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, before[1]))
        waiting = []

        def knock(address):
            waiting.append(socket.socket(
                socket.AF_UNIX if isinstance(address, str) else socket.AF_INET))
            waiting[-1].connect(address)

        def refused(listener, address):
            knock(address)
            return listener + " cannot accept" in daemon.output()

        try:
            # Numbers that were in use a moment ago may be free: these two keep those they get. An
            # SMTP connection gives its own back as the ring takes it, so it knocks until refused.
            others = {"the control socket": str(daemon.control),
                      "the management port": ("127.0.0.1", web)}
            for address in list(others.values()) * 8:
                knock(address)
            others["SMTP listeners"] = ("127.0.0.1", daemon.port)
            for listener, address in others.items():
                wait_until(functools.partial(refused, listener, address), listener, pause=0.1)
            spent = processor_seconds(pid)
            time.sleep(1.5)
            spent = processor_seconds(pid) - spent
            self.assertLess(spent, 0.2, "a listener spins")
            said = daemon.output()
            self.assertEqual(1, said.count("the control socket cannot accept"))
            self.assertEqual(1, said.count("the management port cannot accept"))
            self.assertLessEqual(said.count("SMTP listeners cannot accept"), 2, "one a shard")
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            for connection in waiting:
                connection.close()
        self.assertIn("totals", daemon.status())
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
            self.assertEqual(250, client.ehlo("x")[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/health", timeout=20) as answer:
            self.assertEqual(200, answer.status)


if __name__ == "__main__":
    main()
