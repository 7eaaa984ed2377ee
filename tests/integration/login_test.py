#!/usr/bin/env python3
"""Users known by something else than a password of ours: by the certificate that their client
shows, and by their account on the host, which PAM is asked about."""

import base64
import os
import pathlib
import smtplib
import ssl
import subprocess
import sys

import tls_peers
from harness import BIN, PeerTest, Ringpostd, Sink, main, need, need_ringpostd, wait_until

SOURCE = ("<source 127.0.0.1>\n  require-auth yes\n  allow-starttls yes\n</source>\n"
          "<source {auth}>\n  always-allow-relaying yes\n</source>\n")


class Certificates(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.sink = self.started(Sink(self.folder))
        self.authority = tls_peers.Authority(self.folder)
        self.files = {name: self.authority.issue(name) for name in ("mta.test", "joe", "nobody")}
        self.files["old"] = self.authority.issue("old", days=-1)
        self.files["self"] = self.authority.issue("self", self_signed=True)

    def daemon(self, *settings):
        users = "".join(
            f"<smtp-user {name}>\n  authentication-method certificate\n"
            f"  tls-certificate {self.files[name]}\n</smtp-user>\n"
            for name in ("joe", "old", "self"))
        return self.started(Ringpostd(
            self.folder, f"smtp-server-tls-certificate {self.files['mta.test']}\n"
            + "\n".join(settings) + "\n" + SOURCE + users
            + "<smtp-user pat>\n  password sesame\n</smtp-user>\n", sink_port=self.sink.port))

    def client(self, daemon, shows=None):
        """An encrypted session in which the client has shown that certificate."""
        client = smtplib.SMTP("127.0.0.1", daemon.port, timeout=20)
        self.addCleanup(client.close)
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.check_hostname = False
        if shows:
            context.load_cert_chain(self.files[shows])
        client.starttls(context=context)
        client.ehlo()
        return client

    def external(self, daemon, shows=None, name=""):
        """The code of the reply to AUTH EXTERNAL."""
        word = base64.b64encode(name.encode()).decode() or "="
        return self.client(daemon, shows).docmd("AUTH", f"EXTERNAL {word}")[0]

    def offer(self, client):
        return set(client.esmtp_features["auth"].split())

    def test_only_who_has_shown_the_certificate(self):
        daemon = self.daemon(f"smtp-server-tls-ca-file {self.authority.certificate}")
        bare = self.client(daemon)
        self.assertEqual({"PLAIN", "LOGIN"}, self.offer(bare))
        self.assertEqual(504, bare.docmd("AUTH", "EXTERNAL =")[0])
        bare.login("pat", "sesame")  # who has a password needs no certificate
        joe = self.client(daemon, "joe")
        self.assertEqual({"PLAIN", "LOGIN", "EXTERNAL"}, self.offer(joe))
        self.assertEqual(235, joe.docmd("AUTH", "EXTERNAL =")[0])
        joe.sendmail("a@b.test", ["user@example.org"], "Subject: x\r\n\r\nhello\r\n")
        self.assertEqual(235, self.external(daemon, "joe", "joe"))
        self.assertEqual(535, self.external(daemon, "joe", "pat"))
        self.assertEqual(535, self.external(daemon, "joe", "self"))
        for other in ("nobody", "old", "self"):
            with self.subTest(other):
                self.assertEqual(535, self.external(daemon, other))
                self.assertEqual(535, self.external(daemon, other, other))
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.client(daemon, "joe").login("joe", "")
        wait_until(lambda: self.sink.received() == 1, "what joe sent")
        totals = daemon.status()["totals"]
        self.assertEqual((3, 10), (totals["authenticated"], totals["auth_failed"]))

    def test_without_an_authority_the_file_decides_and_renewal_needs_a_reload(self):
        daemon = self.daemon()
        self.assertEqual(235, self.external(daemon, "self"))
        self.assertEqual(535, self.external(daemon, "nobody"))
        renewed = self.authority.issue("self", alias="renewed", self_signed=True)
        both = self.files["self"].read_text() + renewed.read_text()
        self.files["renewed"] = renewed
        self.assertEqual(535, self.external(daemon, "renewed"))
        self.files["self"].write_text(both)
        daemon.command("reload")
        self.assertEqual(235, self.external(daemon, "renewed"))
        self.files["self"].write_text("none\n")
        self.assertIn("it holds no certificate", daemon.command("reload") + daemon.output())
        self.assertEqual(535, self.external(daemon, "renewed"))

    def test_openssl_as_the_client(self):
        need("openssl")
        daemon = self.daemon(f"smtp-server-tls-ca-file {self.authority.certificate}")
        for version in ("-tls1_2", "-tls1_3"):
            said = subprocess.run(
                ["openssl", "s_client", "-starttls", "smtp", "-crlf", "-quiet", version,
                 "-connect", f"127.0.0.1:{daemon.port}", "-cert", self.files["joe"],
                 "-key", self.files["joe"]], check=False, capture_output=True, text=True,
                input="EHLO client.test\nAUTH EXTERNAL\n\nQUIT\n", timeout=20).stdout
            self.assertIn("235 2.7.0", said)

    def test_the_check_tells_what_cannot_work(self):
        def check(text):
            file = self.folder / "check.conf"
            file.write_text(text)
            done = subprocess.run([BIN / "ringpost", "check", "config", file], check=False,
                                  capture_output=True, text=True, timeout=30)
            return done.stdout
        user = "<smtp-user u>\n  authentication-method certificate\n  %s\n</smtp-user>\n"
        self.assertIn("needs tls-certificate FILE", check(user % ""))
        told = check(user % f"tls-certificate {self.folder}/missing")
        self.assertIn("the user cannot authenticate", told)
        self.assertIn("no listener can ask", told)
        self.assertIn("has expired", check(user % f"tls-certificate {self.files['old']}"))


class Accounts(PeerTest):
    """In a mount namespace with a passwd, a shadow and a service file of its own."""

    def setUp(self):
        need_ringpostd()
        need("unshare", "openssl")
        if os.geteuid() != 0:
            self.skipTest("needs root: accounts of its own in a namespace")
        super().setUp()

    def run_inside(self, *words):
        done = subprocess.run(["unshare", "-m", sys.executable, __file__, "--inside", self.folder,
                               *words], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 77:
            self.skipTest(done.stderr.strip())
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_passwords_of_accounts(self):
        self.run_inside("good")

    def test_a_user_that_may_not_read_the_shadow_file(self):
        self.run_inside("blind")

    def test_no_service_file(self):
        self.run_inside("nothing")


class Inside:
    """What Accounts runs in the namespace."""

    def __init__(self, folder, scene):
        self.folder = pathlib.Path(folder)
        self.scene = scene
        own = {"passwd": "alice:x:4242:4242::/:/usr/sbin/nologin\n"
                         "locked:x:4243:4243::/:/usr/sbin/nologin\n"
                         "mta:x:4244:4244::/:/usr/sbin/nologin\n",
               "shadow": f"alice:{self.hashed('tiger')}:19000:0:99999:7:::\n"
                         f"locked:{self.hashed('tiger')}:19000:0:99999:7::19001:\n"}
        for name, lines in own.items():
            copy = self.folder / name
            copy.write_text(pathlib.Path("/etc", name).read_text() + lines)
            self.mount(copy, f"/etc/{name}")
        os.chmod(self.folder / "shadow", 0o600)
        services = self.folder / "pam.d"
        services.mkdir()
        if scene != "nothing":
            (services / "ringpost").write_text(
                "auth required pam_unix.so\naccount required pam_unix.so\n")
        (services / "other").write_text("auth required pam_deny.so\n"
                                        "account required pam_deny.so\n")
        self.mount(services, "/etc/pam.d")

    @staticmethod
    def mount(source, target):
        done = subprocess.run(["mount", "--bind", source, target], check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            sys.exit(77)

    @staticmethod
    def hashed(password):
        return subprocess.run(["openssl", "passwd", "-6", password], check=True,
                              capture_output=True, text=True).stdout.strip()

    def reply(self, daemon, user, password):
        client = smtplib.SMTP("127.0.0.1", daemon.port, timeout=30)
        client.ehlo()
        try:
            client.user, client.password = user, password
            return client.auth("PLAIN", client.auth_plain)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code
        finally:
            client.close()

    def run(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=False, capture_output=True)
        unprivileged = "run-as-root no\nrun-as-user mta\n" if self.scene == "blind" else ""
        if unprivileged:
            os.chmod(self.folder, 0o777)
        users = "".join(f"<smtp-user {name}>\n  authentication-method system\n</smtp-user>\n"
                        for name in ("alice", "locked", "unknown"))
        daemon = Ringpostd(
            self.folder, unprivileged + "<source 127.0.0.1>\n  require-auth yes\n"
            "  allow-unencrypted-plain-auth yes\n  smtp-max-auth-failure-rate 4/m\n</source>\n"
            + users)
        daemon.start()
        try:
            getattr(self, self.scene)(daemon)
        finally:
            daemon.stop()
        assert "tiger" not in daemon.output(), "a secret in the log"

    def good(self, daemon):
        assert self.reply(daemon, "alice", "tiger") == 235
        assert self.reply(daemon, "alice", "lion") == 535
        assert self.reply(daemon, "alice", "tiger\0lion") == 501
        assert self.reply(daemon, "locked", "tiger") == 535
        assert self.reply(daemon, "unknown", "tiger") == 535
        assert self.reply(daemon, "root", "tiger") == 535, "an account that is no user"
        # The fourth failure was the last that is looked at, but for an address that is known.
        assert self.reply(daemon, "locked", "tiger") == 421
        assert "cannot work" not in daemon.output(), daemon.output()

    def blind(self, daemon):
        assert self.reply(daemon, "alice", "tiger") == 454
        assert "cannot read /etc/shadow" in daemon.output(), daemon.output()
        wait_until(lambda: "accounts of the host cannot be checked" in daemon.output(), "a word")

    def nothing(self, daemon):
        assert self.reply(daemon, "alice", "tiger") == 535
        assert "no service file /etc/pam.d/ringpost" in daemon.output(), daemon.output()


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "--inside":
        Inside(*sys.argv[2:]).run()
    else:
        main()
