#!/usr/bin/env python3
"""Where the first hosts of a destination take nothing, each connection to the next one counts in
the connection rates of its queue and of its group, by what the hosts see."""

import smtplib
import socketserver
import threading

from harness import PeerTest, Ringpostd, Sink, last_arrival, main, need_ringpostd, wait_until

COUNT, PERIOD = 3, 2  # connections, seconds
CLOSED = [f"127.0.0.{i}" for i in range(11, 16)]
GROUP = ["one.group.example", "two.group.example"]


class ClosedHosts:
    """Hosts at one port of several addresses that greet with 421."""

    def __init__(self, port):
        self.times = []
        self.servers = []
        owner = self

        class Closed(socketserver.StreamRequestHandler):
            def handle(self):
                owner.times.append(last_arrival(self.connection))
                self.wfile.write(b"421 closed\r\n")

        for address in CLOSED:
            server = socketserver.ThreadingTCPServer((address, port), Closed, False)
            server.allow_reuse_address = server.daemon_threads = True
            server.server_bind()
            server.server_activate()
            self.servers.append(server)

    def start(self):
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop(self, _=None):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def tail(self):
        return f"{len(self.times)} connections"


class ConnectRate(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def delivered_past_closed_hosts(self, recipients, head, section):
        sink = self.started(Sink(self.folder))
        closed = ClosedHosts(sink.port)
        self.started(closed)
        hosts = ";".join(f"[{host}]:{sink.port}" for host in (*CLOSED, "127.0.0.1"))
        daemon = self.started(Ringpostd(
            self.folder, f"{head}<domain {section}>\n  smtp-hosts {hosts}\n"
            f"  max-connect-rate {COUNT}/{PERIOD}s\n</domain>\n"))
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("a@from.example", recipients, "Subject: x\r\n\r\ntext\r\n")
        wait_until(lambda: sink.received() == len(recipients), "the mail", 60, 0.1)
        times = sorted(closed.times)
        for i in range(len(times) - COUNT):
            # The other side may be late at times.
            self.assertGreaterEqual(times[i + COUNT] - times[i], PERIOD - 0.3)
        return times

    def test_of_a_queue(self):
        times = self.delivered_past_closed_hosts(["a@queue.example"], "", "queue.example")
        self.assertEqual(len(CLOSED), len(times), "each of them is tried once")

    def test_of_a_group(self):
        times = self.delivered_past_closed_hosts(
            [f"a@{domain}" for domain in GROUP],
            f"domain-macro group {','.join(GROUP)} shared\n", "$group")
        # Shards do not know which hosts others have found closed.
        self.assertLessEqual(len(CLOSED), len(times))
        self.assertLessEqual(len(times), 2 * len(CLOSED))


if __name__ == "__main__":
    main()
