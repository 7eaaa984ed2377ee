#!/usr/bin/env python3
"""Hostile clients at real sockets: SMTP smuggling in both directions, injection of header fields,
floods, garbage, TLS handshakes that are none; and a daemon that has given up root."""

import os
import pwd
import random
import smtplib
import socket
import ssl
import subprocess
import threading

import tls_peers
from harness import (PeerTest, Ringpostd, Sink, main, need, need_ringpostd, need_root,
                     wait_until)

# What some server somewhere takes for the end of content; only CR LF . CR LF is.
ODD_ENDS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r.\n",
            b"\n\r.\r\n", b"\r\n.\r\r\n", b"\n.\r", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n"]
SMUGGLED = (b"MAIL FROM:<evil@smuggled.test>\r\nRCPT TO:<victim@rcpt.test>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nx")


class Raw:
    """A connection that says what it is told and reads whole replies."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = self.socket.makefile("rb")

    def say(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        lines = []
        while True:
            line = self.stream.readline()
            lines.append(line)
            if len(line) < 4 or line[3:4] != b"-":
                return b"".join(lines)

    def rest(self):
        """All replies up to the end of the connection."""
        said = b""
        try:
            while more := self.stream.read1(65536):
                said += more
        except ConnectionError:
            pass
        return said

    def envelope(self, recipient=b"u@rcpt.test"):
        self.say(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<" + recipient + b">\r\n")
        return [self.reply() for _ in range(3)]

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class StrictReceiver:
    """Takes mail and keeps the octets of each session, to see what really went over the wire."""

    def __init__(self):
        self.sessions = []
        self.messages = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        lines = []
        self.sessions.append(lines)
        content = False
        client.sendall(b"220 strict\r\n")
        for line in client.makefile("rb"):
            lines.append(line)
            if content:
                if line == b".\r\n":
                    content = False
                    self.messages += 1
                    client.sendall(b"250 ok\r\n")
            elif line.startswith(b"DATA"):
                content = True
                client.sendall(b"354 go\r\n")
            elif line.startswith(b"EHLO"):
                client.sendall(b"250-strict\r\n250 8BITMIME\r\n")
            elif line.startswith(b"QUIT"):
                client.sendall(b"221 bye\r\n")
                break
            else:
                client.sendall(b"250 ok\r\n")
        client.close()

    def stop(self):
        self._listener.close()

    def commands(self):
        """Lines outside of content, of all sessions."""
        out = []
        for lines in self.sessions:
            content = False
            for line in lines:
                if content:
                    content = line != b".\r\n"
                    continue
                out.append(line)
                content = line.startswith(b"DATA")
        return out


class Hardening(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.sink = self.started(Sink(self.folder))

    def daemon(self, configuration="", **options):
        return self.started(Ringpostd(self.folder, configuration, sink_port=self.sink.port,
                                      **options))

    def test_content_that_hides_commands_is_refused(self):
        daemon = self.daemon()
        for end in ODD_ENDS:
            with Raw(daemon.port) as client:
                client.reply()
                client.envelope()
                client.say(b"DATA\r\n")
                self.assertTrue(client.reply().startswith(b"354"))
                client.say(b"Subject: x\r\n\r\nbody" + end + SMUGGLED + b"\r\n.\r\nQUIT\r\n")
                said = client.rest()
                # One reply to one message, and one to QUIT: nothing inside was a command.
                self.assertEqual(2, said.count(b"\r\n"), (end, said))
                if b"\x00" not in end:
                    self.assertTrue(said.startswith(b"550 5.6.11"), (end, said))
        wait_until(lambda: daemon.status()["totals"]["queued_recipients"] == 0, "an empty queue")
        record = self.sink.record.read_text() if self.sink.record.exists() else ""
        self.assertNotIn("victim@rcpt.test", record)

    def test_where_bare_line_ends_are_mended_one_message_stays_one(self):
        receiver = StrictReceiver()
        self.addCleanup(receiver.stop)
        daemon = self.started(Ringpostd(
            self.folder, "<source 127.0.0.1>\n  bare-newlines normalise\n</source>\n",
            sink_port=receiver.port))
        for end in ODD_ENDS:
            with Raw(daemon.port) as client:
                client.reply()
                client.envelope()
                client.say(b"DATA\r\n")
                client.reply()
                client.say(b"Subject: x\r\n\r\nbody" + end + SMUGGLED + b"\r\n.\r\nQUIT\r\n")
                said = client.rest()
                self.assertEqual(2, said.count(b"\r\n"), (end, said))
                self.assertTrue(said.startswith(b"250 "), (end, said))
        wait_until(lambda: receiver.messages == len(ODD_ENDS), "all of them, each once")
        self.check_wire(receiver)

    def test_content_of_chunks_never_ends_the_transaction(self):
        receiver = StrictReceiver()
        self.addCleanup(receiver.stop)
        daemon = self.started(Ringpostd(self.folder, sink_port=receiver.port))
        contents = [
            b"Subject: x\r\n\r\n.\r\n" + SMUGGLED + b"\r\n",
            b".\r\n" + SMUGGLED + b"\r\n.\r\n",
            b"Subject: x\r\n\r\nbody\r\n.\r\n" + SMUGGLED + b"\r\n.\r\nQUIT\r\n",
            b"Subject: x\r\n\r\nbody\r\n.",
            b"Subject: x\r\n\r\n..\r\n...\r\n.",
        ]
        for content in contents:
            with Raw(daemon.port) as client:
                client.reply()
                client.envelope()
                # Cut so that the dot begins a chunk.
                at = content.find(b".")
                client.say(b"BDAT %d\r\n" % at + content[:at])
                client.say(b"BDAT %d LAST\r\n" % (len(content) - at) + content[at:])
                self.assertTrue(client.reply().startswith(b"250"))
                self.assertTrue(client.reply().startswith(b"250"))
        wait_until(lambda: receiver.messages == len(contents), "all of them, each once")
        self.check_wire(receiver)

    def check_wire(self, receiver):
        for command in receiver.commands():
            self.assertTrue(command.endswith(b"\r\n"))
            self.assertNotIn(b"evil@", command)
            self.assertNotIn(b"victim@", command)
        for lines in receiver.sessions:
            octets = b"".join(lines)
            self.assertEqual(octets.count(b"\n"), octets.count(b"\r\n"))
            self.assertEqual(octets.count(b"\r"), octets.count(b"\r\n"))

    def test_control_fields_cannot_break_out_of_their_records(self):
        daemon = self.daemon("<source 127.0.0.1>\n  process-x-job yes\n  process-x-envid yes\n"
                             "  process-x-virtual-mta yes\n</source>\n")
        hostile = b'a",b\r\n\t"x\r\n d,2026,1'
        with Raw(daemon.port) as client:
            client.reply()
            client.envelope(b"one@rcpt.test")
            client.say(b"DATA\r\n")
            client.reply()
            client.say(b"X-Job: " + hostile + b"\r\nX-Envid: " + hostile + b"\r\n"
                       b"X-Evil\x00: 1\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n")
            said = client.rest()
        if said.startswith(b"250"):
            daemon.final_row("one@rcpt.test")
            rows = daemon.accounted()
            self.assertEqual(1, len(rows), rows)
            self.assertEqual({"d"}, {row["type"] for row in rows})
        else:
            self.assertTrue(said.startswith(b"5"), said)

    def test_floods_end_and_others_are_served(self):
        daemon = self.daemon("total-max-smtp-in 20\n")
        chance = random.Random(1)
        # More connections than there is room for: told so at once, and the room comes back.
        flood = [Raw(daemon.port) for _ in range(60)]
        greetings = [client.reply()[:3] for client in flood]
        self.assertIn(b"421", greetings)
        self.assertLessEqual(set(greetings), {b"220", b"421", b""})
        self.assertLessEqual(greetings.count(b"220"), 20)
        for client in flood:
            client.close()

        def welcome():
            with Raw(daemon.port) as client:
                return client.reply().startswith(b"220")
        wait_until(welcome, "room again")
        for octets, reply in (
                (chance.randbytes(300_000), b"421"),
                (b"EHLO x\r\n" + b"NOOP\r\n" * 5000, b"421"),
                (b"x" * 300_000, b"421 4.7.0"),
                (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"421"),
                (b"EHLO x\r\nBDAT 99999999999999999999 LAST\r\n", b"501"),
                (b"EHLO x\r\nBDAT -1\r\n", b"501"),
                (b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" + b"BDAT 0\r\n" * 5000,
                 b"421")):
            with Raw(daemon.port) as client:
                try:
                    client.say(octets)
                    client.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                said = client.rest()
                self.assertIn(reply, said, (octets[:40], said[-200:]))
                self.assertLess(len(said), 200_000)
        wait_until(welcome, "service")
        daemon.check_running()

    def test_handshakes_that_are_none(self):
        need("openssl")
        pem = tls_peers.Authority(self.folder).issue("mta.test")
        daemon = self.daemon(f"smtp-server-tls-certificate {pem}\n"
                             "<source 127.0.0.1>\n  allow-starttls yes\n</source>\n")
        hello = b"\x16\x03\x01"
        for octets in (b"\x00" * 70_000,
                       hello + b"\xff\xff" + b"\x01\xff\xff\xff" + b"x" * 70_000,
                       (hello + b"\x40\x00\x01\xff\xff\xff" + b"x" * 16380) * 12,
                       hello + b"\x00\x05\x01\x00\x00\x01\x00" * 9000,
                       (b"\x14\x03\x03\x00\x01\x01") * 20_000):
            with Raw(daemon.port) as client:
                client.reply()
                client.say(b"EHLO x\r\nSTARTTLS\r\n")
                client.reply()
                self.assertTrue(client.reply().startswith(b"220"))
                try:
                    client.say(octets)
                    client.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                self.assertLess(len(client.rest()), 4096)
        # Renegotiation, which would cost us a private operation for each of the client's.
        with subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-starttls", "smtp",
                 "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True) as client:
            client.stdin.write("R\n")
            client.stdin.flush()
            client.wait(20)
            self.assertIn("no renegotiation", client.stderr.read().lower())
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
            client.starttls(context=context)
            client.sendmail("a@b.test", ["u@rcpt.test"], "Subject: x\r\n\r\nx\r\n")
        wait_until(lambda: self.sink.received() == 1, "the message")
        totals = daemon.status()["totals"]
        self.assertGreaterEqual(totals["tls_failed"], 5)

    def test_root_is_given_up_once_ports_are_bound(self):
        need_root("the daemon is to give it up")
        user = pwd.getpwnam("nobody")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        daemon = Ringpostd(self.folder, "run-as-root no\nrun-as-user nobody\n",
                           sink_port=self.sink.port)
        low = self.low_port()
        daemon.configuration = daemon.configuration.replace(f":{daemon.port}\n", f":{low}\n", 1)
        daemon.port = low
        self.started(daemon)
        threads = list((os.scandir(f"/proc/{daemon.process.pid}/task")))
        self.assertGreater(len(threads), 2)
        for thread in threads:
            with open(os.path.join(thread.path, "status"), encoding="ascii") as file:
                state = dict(line.split(":", 1) for line in file)
            if state["Name"].strip().startswith("iou-"):
                continue  # of the kernel: each operation has the rights of who asked for it
            self.assertEqual({str(user.pw_uid)}, set(state["Uid"].split()), thread.name)
            self.assertEqual(1, int(state["NoNewPrivs"]))
            self.assertEqual({str(user.pw_gid)}, set(state["Gid"].split()))
            for name in ("CapEff", "CapPrm", "CapInh"):
                self.assertEqual(0, int(state[name], 16), name)
        with smtplib.SMTP("127.0.0.1", low, timeout=20) as client:
            client.sendmail("a@b.test", ["u@rcpt.test"], "Subject: x\r\n\r\nx\r\n")
        wait_until(lambda: self.sink.received() == 1, "the message")
        daemon.command("reload")
        for path in [daemon.spool, *daemon.spool.rglob("*"), *daemon.accounting_files()]:
            self.assertEqual(user.pw_uid, path.stat().st_uid, path)
        self.assertEqual(0, daemon.stop())
        # Nobody of that name: an error, not a daemon that stays root.
        daemon.configuration = daemon.configuration.replace("run-as-user nobody",
                                                            "run-as-user no-such-user")
        daemon.start(wait=False)
        self.assertEqual(1, daemon.wait(20))
        self.assertIn("run-as-user", daemon.output())

    def test_ports_below_1024_need_one_capability(self):
        """As the unit starts it: no root, one ambient capability, which serves binding alone."""
        need_root("another user is to be started")
        need("setpriv")
        user = pwd.getpwnam("nobody")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        taken = self.folder / "caps"
        daemon = Ringpostd(
            self.folder, "<domain taken.test>\n  type pipe\n"
            f"  command \"/bin/sh -c \"\"grep ^Cap /proc/self/status >{taken}\"\"\"\n</domain>\n",
            sink_port=self.sink.port)
        low = self.low_port()
        daemon.configuration = daemon.configuration.replace(f":{daemon.port}\n", f":{low}\n", 1)
        daemon.port = low
        daemon.arguments = ["setpriv", "--reuid=nobody", f"--regid={user.pw_gid}",
                            "--clear-groups", "--bounding-set=-all,+net_bind_service",
                            "--inh-caps=-all,+net_bind_service",
                            "--ambient-caps=-all,+net_bind_service", *daemon.arguments]
        self.started(daemon)
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            state = dict(line.split(":", 1) for line in file)
        for name in ("CapEff", "CapInh", "CapAmb"):
            self.assertEqual(0, int(state[name], 16), name)
        with smtplib.SMTP("127.0.0.1", low, timeout=20) as client:
            client.sendmail("a@b.test", ["u@rcpt.test", "u@taken.test"],
                            "Subject: x\r\n\r\nx\r\n")
        wait_until(lambda: self.sink.received() == 1, "the message")
        self.assertEqual("d", daemon.final_row("u@taken.test")["type"])
        rights = dict(line.split(":", 1) for line in taken.read_text().splitlines())
        for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            self.assertEqual(0, int(rights[name], 16), f"a command has {name}")

    @staticmethod
    def low_port():
        for port in range(1023, 700, -1):
            try:
                with socket.create_server(("127.0.0.1", port)):
                    return port
            except OSError:
                continue
        raise RuntimeError("no free port below 1024")


if __name__ == "__main__":
    main()
