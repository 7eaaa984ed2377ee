#!/usr/bin/env python3
"""Mail to Exim as a smart host that takes mail of known users alone: over TLS, in clear where told,
and what is seen of a wrong password."""

import smtplib

import peers
import tls_peers
from harness import PeerTest, Ringpostd, main, need_ringpostd, wait_until


class SmartHost(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def daemon(self, host, *settings):
        return self.started(Ringpostd(
            self.folder, f"<domain rcpt.test>\n  smtp-hosts [127.0.0.1]:{host.port}\n"
            + "".join(f"  {line}\n" for line in settings) + "</domain>\n"))

    @staticmethod
    def send(daemon):
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
            client.sendmail("a@load.test", ["user@rcpt.test"], "Subject: x\r\n\r\nhello\r\n")

    def test_login_over_tls(self):
        pem = tls_peers.Authority(self.folder).issue("exim.test")
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                folder = self.folder / mechanism
                folder.mkdir()
                folder.chmod(0o755)
                host = self.started(peers.Exim(folder, certificate=pem,
                                               login=(mechanism, "joe", "s3cret")))
                daemon = self.started(Ringpostd(
                    folder, f"<domain rcpt.test>\n  smtp-hosts [127.0.0.1]:{host.port}\n"
                    "  auth-username joe\n  auth-password s3cret\n</domain>\n"))
                self.send(daemon)
                wait_until(host.messages, "the message")
                self.assertIn(b"with esmtpsa", host.messages()[0].read_bytes())
                self.assertEqual(0, daemon.status()["totals"]["logins_refused"])
                said = daemon.command("show", "settings", "rcpt.test") + daemon.output()
                self.assertIn("auth-password", said)
                self.assertNotIn("s3cret", said)
                daemon.stop()

    def test_in_clear_only_where_told_and_a_wrong_password_is_seen(self):
        host = self.started(peers.Exim(self.folder, login=("PLAIN", "joe", "s3cret")))
        daemon = self.daemon(host, "auth-username joe", "auth-password s3cret", "retry-after 1s")
        self.send(daemon)

        def why():
            return daemon.command("why", "user@rcpt.test", check=False)
        wait_until(lambda: "TLS is required" in why(), "the reason")
        told = daemon.file.read_text()
        in_clear = "\n  use-unencrypted-plain-auth yes"
        daemon.file.write_text(told.replace("auth-password s3cret",
                                            "auth-password wr0ng" + in_clear))
        daemon.command("reload")
        wait_until(lambda: "AUTH: Incorrect authentication data" in why(), "the host's words")
        self.assertIn("Incorrect authentication", daemon.command("show", "queues", "--json"))
        self.assertEqual([], host.messages())
        daemon.file.write_text(told.replace("auth-password s3cret",
                                            "auth-password s3cret" + in_clear))
        daemon.command("reload")
        wait_until(host.messages, "the message")
        self.assertIn(b"with esmtpa", host.messages()[0].read_bytes())
        self.assertEqual("d", daemon.final_row("user@rcpt.test")["type"])
        everything = daemon.output() + "".join(
            path.read_text() for path in daemon.accounting_files())
        self.assertNotIn("s3cret", everything)
        self.assertNotIn("wr0ng", everything)


if __name__ == "__main__":
    main()
