#!/usr/bin/env python3
"""Users and proxies: who may submit mail after AUTH, from where, and whose address counts."""

import base64
import smtplib
import socket
import ssl
import subprocess

import tls_peers
from harness import (BIN, PeerTest, Ringpostd, Sink, free_port, main, need, need_ringpostd,
                     wait_until)


def hashed(name, password):
    """A line of a users file, by ringpost passwd."""
    return subprocess.run([BIN / "ringpost", "passwd", name], input=password + "\n", check=True,
                          capture_output=True, text=True, timeout=30).stdout


class Auth(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.sink = self.started(Sink(self.folder))
        self.users = self.folder / "users"
        self.users.write_text("# users\n" + hashed("joe", "correct horse"))

    def daemon(self, configuration):
        return self.started(Ringpostd(
            self.folder, f"auth_type = \"auth_file\"\nauth_file = \"{self.users}\"\n"
            + configuration, sink_port=self.sink.port))

    def client(self, port):
        client = smtplib.SMTP("127.0.0.1", port, timeout=20)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def send(self, client, recipient="user@example.org", sender="a@b.test"):
        return client.sendmail(sender, [recipient], "Subject: x\r\n\r\nhello\r\n")

    def test_a_source_that_requires_authentication(self):
        daemon = self.daemon(
            "<source 127.0.0.1>\n  require-auth yes\n  allow-unencrypted-plain-auth yes\n"
            "  auth-mechanisms plain, login, cram-md5\n</source>\n"
            "<smtp-user ann>\n  password open sesame\n  source {hers}\n</smtp-user>\n"
            "<source {auth}>\n  always-allow-relaying yes\n</source>\n"
            "<source {hers}>\n  always-allow-relaying yes\n  max-rcpt-per-message 1\n</source>\n"
            .replace("password open sesame", 'password "open sesame"'))
        client = self.client(daemon.port)
        self.assertEqual({"PLAIN", "LOGIN", "CRAM-MD5"},
                         set(client.esmtp_features["auth"].split()))
        self.assertEqual(530, client.mail("a@b.test")[0])
        for mechanism in ("AUTH PLAIN", "AUTH LOGIN"):
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                self.login(self.client(daemon.port), mechanism, "joe", "wrong")
            self.assertEqual(535, refused.exception.smtp_code)
            good = self.client(daemon.port)
            self.login(good, mechanism, "joe", "correct horse")
            self.send(good)
        hers = self.client(daemon.port)
        hers.user, hers.password = "ann", "open sesame"
        hers.auth("CRAM-MD5", hers.auth_cram_md5)
        hers.mail("a@b.test")
        self.assertEqual(250, hers.rcpt("one@example.org")[0])
        self.assertEqual(452, hers.rcpt("two@example.org")[0])
        wait_until(lambda: self.sink.received() == 2, "what joe sent")
        self.assertNotIn("correct horse", daemon.output())
        totals = daemon.status()["totals"]
        self.assertEqual((3, 2), (totals["authenticated"], totals["auth_failed"]))

    @staticmethod
    def login(client, mechanism, user, password):
        client.user, client.password = user, password
        if mechanism == "AUTH PLAIN":
            client.auth("PLAIN", client.auth_plain)
        else:
            client.auth("LOGIN", client.auth_login)

    def swaks(self, port, *options):
        need("swaks")
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{port}", "--from", "a@b.test", "--to",
             "user@example.org", "--ehlo", "swaks.test", *options], capture_output=True, text=True,
            timeout=30, check=False)
        return done.returncode, done.stdout

    def test_only_after_starttls(self):
        authority = tls_peers.Authority(self.folder)
        implicit = free_port()
        daemon = self.daemon(
            f"smtp-server-tls-certificate {authority.issue('mta.test')}\n"
            f"smtp-listener 127.0.0.1:{implicit} {{\n  immediate-tls yes\n}}\n"
            "<source 127.0.0.1>\n  require-auth yes\n  allow-starttls yes\n"
            "  allow-proxy-protocol no\n</source>\n")
        login = ("--auth-user", "joe", "--auth-password", "correct horse")
        # 28: AUTH was asked for and not offered; 0: sent.
        code, said = self.swaks(daemon.port, "--auth", *login)
        self.assertEqual(28, code, said)
        self.assertNotIn("AUTH ", said.split("EHLO")[1])
        for mechanism in ("PLAIN", "LOGIN"):
            code, said = self.swaks(daemon.port, "--tls", "--auth", mechanism, *login)
            self.assertEqual(0, code, said)
            self.assertIn("235 2.7.0", said)
        code, said = self.swaks(implicit, "--tls-on-connect", "--auth", *login)
        self.assertEqual(0, code, said)
        code, said = self.swaks(daemon.port, "--tls", "--auth", "PLAIN", "--auth-user", "joe",
                                "--auth-password", "wrong")
        self.assertEqual(28, code, said)
        self.assertIn("535 5.7.8", said)
        wait_until(lambda: self.sink.received() == 3, "what joe sent")
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as clear:
            clear.ehlo()
            self.assertEqual(538, clear.docmd("AUTH", "PLAIN AGpvZQBjb3JyZWN0IGhvcnNl")[0])

    def test_a_handshake_behind_the_header_of_a_proxy(self):
        authority = tls_peers.Authority(self.folder)
        port = free_port()
        self.daemon(
            f"smtp-server-tls-certificate {authority.issue('mta.test')}\n"
            f"smtp-listener 127.0.0.1:{port} {{\n  immediate-tls yes\n}}\n"
            "<source 127.0.0.1>\n  allow-proxy-protocol yes\n</source>\n"
            "<source 203.0.113.0/24>\n  always-allow-relaying yes\n</source>\n")
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=authority.certificate)
        session = context.wrap_bio(inward, outward, server_hostname="mta.test")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            pending = b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 25\r\n"

            def drive(step):
                nonlocal pending
                while True:
                    try:
                        done = step()
                        break
                    except ssl.SSLWantReadError:
                        # The header and the first flight leave in one segment.
                        raw.sendall(pending + outward.read())
                        pending = b""
                        inward.write(raw.recv(65536))
                raw.sendall(outward.read())
                return done
            drive(session.do_handshake)
            self.assertTrue(drive(lambda: session.read(512)).startswith(b"220 mta.test"))

    def test_users_change_with_a_reload(self):
        daemon = self.daemon("<source 127.0.0.1>\n  require-auth yes\n"
                             "  allow-unencrypted-plain-auth yes\n</source>\n")
        self.login(self.client(daemon.port), "AUTH PLAIN", "joe", "correct horse")
        self.users.write_text(hashed("joe", "another") + "broken line\n")
        daemon.command("reload")
        self.assertIn(f"{self.users}:2", daemon.output())
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.login(self.client(daemon.port), "AUTH PLAIN", "joe", "correct horse")
        self.login(self.client(daemon.port), "AUTH PLAIN", "joe", "another")

    def test_a_relay_block(self):
        port = free_port()
        secret = self.folder / "relay.users"
        secret.write_text(hashed("relay", "pw"))
        daemon = self.daemon(
            f"relay main {{\n  listen 127.0.0.1:{port}\n  auth plain\n  auth-login\n"
            f"  auth-secret {secret}\n  allow-mail-from *@good.test\n  allow-recipient @\n}}\n")
        client = self.client(port)
        self.assertEqual({"PLAIN", "LOGIN"}, set(client.esmtp_features["auth"].split()))
        self.assertEqual(530, client.mail("a@good.test")[0])
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.login(client, "AUTH PLAIN", "joe", "correct horse")
        self.login(client, "AUTH LOGIN", "relay", "pw")
        self.assertEqual(550, client.mail("a@bad.test")[0])
        self.send(client, sender="a@good.test")
        wait_until(lambda: self.sink.received() == 1, "the message")
        self.assertNotIn("auth", self.client(daemon.port).esmtp_features)

    def test_guessing_is_slowed_down(self):
        daemon = self.daemon("<source 127.0.0.1>\n  require-auth yes\n"
                             "  allow-unencrypted-plain-auth yes\n"
                             "  smtp-max-auth-failure-rate 2/m\n</source>\n")
        codes = []
        for _ in range(4):
            client = self.client(daemon.port)
            text = base64.b64encode(b"\0joe\0wrong").decode()
            codes.append(client.docmd("AUTH", "PLAIN " + text)[0])
        self.assertEqual([535, 535, 421, 421], codes)

    def test_behind_a_proxy_the_conveyed_address_counts(self):
        daemon = self.daemon("<source 127.0.0.1>\n  allow-proxy-protocol yes\n</source>\n"
                             "<source 203.0.113.0/24>\n  always-allow-relaying yes\n</source>\n")

        def said(header):
            with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as raw:
                raw.settimeout(10)
                raw.sendall(header)
                heard = b""
                try:
                    while b"221" not in heard:
                        more = raw.recv(4096)
                        if not more:
                            break
                        heard += more
                except ConnectionError:
                    pass
                return heard
        talk = b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nQUIT\r\n"
        head = b"PROXY TCP4 %s 127.0.0.1 5000 25\r\n"
        self.assertIn(b"250 2.1.5", said(head % b"203.0.113.9" + talk))
        self.assertIn(b"550 5.7.1", said(head % b"198.51.100.9" + talk))
        self.assertEqual(b"", said(talk))
        self.assertEqual(1, daemon.status()["totals"]["proxy_refused"])


if __name__ == "__main__":
    main()
