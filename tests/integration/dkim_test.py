#!/usr/bin/env python3
"""Signatures over odd messages, verified by python3-dkim and by OpenDKIM.

OpenDKIM asks the system's DNS: it runs in a network and mount namespace of its own, where that is
an authoritative server with our key records (needs root; without, that part is skipped).
"""

import base64
import fcntl
import json
import logging
import os
import pathlib
import random
import smtplib
import socket
import struct
import subprocess
import sys
import time
import unittest

try:
    import dkim
except ImportError:
    # Debian's packages belong to Debian's interpreter.
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    dkim = None

import peers
from harness import BIN, PeerTest, Ringpostd, main, need, need_ringpostd, wait_until

SIGN = BIN / "sign_message"
SEED = int(os.environ.get("RINGPOST_SEED", "1"))
COUNT = 400
DELIVERED = 200
# ioctl requests of <linux/sockios.h>.
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
# Postfix adds and completes header fields of local clients' mail; here it must keep what it gets.
VERBATIM = {"local_header_rewrite_clients": ""}
WORDS = ["ring", "post", "Grüße", "mail", "a", "of", "=?utf-8?q?x?=", "x" * 60, "spool;", "b=", "."]


# Fields that may occur once (RFC 5322 section 3.6); OpenDKIM refuses to look further otherwise.
SINGLE = {"to", "cc", "subject", "date", "reply-to", "message-id", "references", "sender"}


class Odd:
    """Messages that are legal and odd; one chance, so that a seed gives the same ones."""

    def __init__(self, chance):
        self.chance = chance
        self.strict = False  # no field that may occur once is repeated

    def text(self, most):
        return " ".join(self.chance.choice(WORDS) for _ in range(self.chance.randint(0, most)))

    def blank(self):
        return self.chance.choice(["", " ", "  ", "\t", " \t ", "\r\n ", "\r\n\t", " \r\n   "])

    def value(self):
        kind = self.chance.randrange(8)
        if kind == 0:
            return ""
        if kind == 1:
            return " " + "y" * self.chance.randint(200, 900)
        if kind == 2:
            return "".join(f"\r\n\tpart{i}{self.chance.choice(['', ' ', '  '])}"
                           for i in range(self.chance.randint(1, 300)))
        if kind == 3:
            return " first\r\n \t \r\n last  \t"
        return self.blank() + self.text(8) + self.blank() + self.text(8) + \
            self.chance.choice(["", " ", "\t\t"])

    def author(self):
        return self.chance.choice([
            " joe@example.com", "joe@example.com", " Joe <joe@example.com>",
            ' "Joe, the \\"x\\" (y)" <joe@example.com>',
            " (a (nested) comment) joe@example.com (b)",
            " Joe\r\n\t<joe@example.com>", " Friends: joe@example.com, b@other.test;",
            " =?utf-8?q?J=C3=B6?= <joe@EXAMPLE.com>", " Jö <joe@news.example.com>",
            ' "a;b=c d"@example.com', " <@relay.test:joe@example.com>",
            " joe@example.com, ann@example.com"])

    def header(self):
        fields = [("From", self.author())]
        if self.strict:
            fields.append(("Date", " Sat, 21 Nov 2026 10:00:00 +0000"))
        names = ["To", "Cc", "Subject", "Date", "Reply-To", "Message-ID", "MIME-Version",
                 "Content-Type", "X-Odd!#$%", "Received", "List-Unsubscribe", "References", "to",
                 "SUBJECT", "dkim-signature", "Sender", "X"]
        for name in self.chance.sample(names, self.chance.randint(0, len(names))):
            most = 4
            if self.strict and name.lower() in SINGLE:
                most = 0 if name.lower() in {known.lower() for known, _ in fields} else 1
            if self.strict and name == "dkim-signature":
                most = 0
            for _ in range(min(self.chance.choice([1, 1, 1, 2, 4]), most)):
                value = " v=1; nonsense" if name == "dkim-signature" else self.value()
                fields.append((name, self.author() if name == "Sender" else value))
        self.chance.shuffle(fields)
        return "".join(f"{name}:{value}\r\n" for name, value in fields)

    def body(self):
        chance = self.chance
        lines = ["", "", " ", "\t", ".", "..", ".x", " leading", "trailing  \t", "a  b\tc", "a b",
                 "From here", "ä" * 70, "z" * 998, "tab\t", "=20", "--", "  "]
        kind = chance.randrange(10)
        if kind == 0:
            return b""
        if kind == 1:
            return b"\r\n" * chance.randint(1, 100)
        if kind == 2:
            return b" \r\n\t\r\n" * chance.randint(1, 20)
        if kind == 3:
            return chance.randbytes(2000).translate(None, b"\r\n") + b"\r\n"
        if kind == 4:
            return (b"plain text of a usual length\r\n" * chance.randint(1, 3000)) + b"\r\n\r\n"
        body = "".join(chance.choice(lines) + "\r\n" for _ in range(chance.randint(1, 60)))
        return body.encode() + b"\r\n" * chance.choice([0, 0, 1, 7])

    def message(self):
        return self.header().encode() + b"\r\n" + self.body()


class Keys:
    """One key of every kind, with their records."""

    def __init__(self, folder):
        need("openssl")
        self.files, self.records = {}, {}
        kinds = {"r1": ["genrsa", "-traditional", "1024"],
                 "r2": ["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
                 "e1": ["genpkey", "-algorithm", "ed25519"]}
        for selector, arguments in kinds.items():
            path = pathlib.Path(folder) / f"{selector}.pem"
            text = subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout
            path.touch(0o600)
            path.write_bytes(text)
            self.files[selector] = path
        self.zone = "@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
        for selector, path in self.files.items():
            line = run("record", path, selector, "example.com").decode()
            self.zone += line
            name = line.split(" ")[0].encode()
            self.records[name] = "".join(line.split('"')[1::2]).encode()

    def txt(self, name, timeout=5):
        del timeout
        return self.records.get(name)


def run(*arguments, content=b""):
    done = subprocess.run([SIGN, *map(str, arguments)], input=content, capture_output=True,
                          check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return done.stdout


class DkimTest(PeerTest):
    """Keys, odd messages, and what python3-dkim says of signatures."""

    def setUp(self):
        if not SIGN.exists():
            raise RuntimeError(f"not built: {SIGN}")
        super().setUp()
        self.keys = Keys(self.folder)
        self.chance = random.Random(SEED)
        self.odd = Odd(self.chance)
        self.quiet = logging.getLogger("dkim")
        self.quiet.setLevel(logging.CRITICAL)

    def key(self, selector, domain="example.com"):
        return f"key={selector},{domain},{self.keys.files[selector]}"

    def wishes(self):
        """A random way to sign: which keys, forms and tags."""
        chance = self.chance
        selectors = chance.choice([["r2"], ["r2"], ["e1"], ["r1", "e1"], ["r2", "e1"]])
        wishes = [self.key(selector) for selector in selectors]
        wishes += [f"header={chance.choice(['simple', 'relaxed'])}",
                   f"body={chance.choice(['simple', 'relaxed'])}", f"now={int(time.time())}",
                   f"cut={chance.choice([1, 2, 17, 100, 65536])}", "identity=@news.example.com"]
        if chance.random() < 0.3:
            wishes[-1] = "identity=sender-or-from"
        if chance.random() < 0.3:
            wishes.append("expire=86400")
        if chance.random() < 0.2:
            wishes.append("query=dns/txt")
        if chance.random() < 0.2:
            wishes.append("length=yes")
        if chance.random() < 0.3:
            wishes.append("headers=X-Odd!#$%,X,Comments," + ",".join(f"X-Long-Name-Number-{i}"
                                                                     for i in range(40)))
        if chance.random() < 0.3:
            wishes.append("oversign=From,Subject,Sender,X-None")
        return wishes, len(selectors)

    def verified(self, message, index):
        try:
            return dkim.DKIM(message, logger=self.quiet).verify(index, dnsfunc=self.keys.txt)
        except dkim.DKIMException as error:
            return str(error)

    def need_dkim(self):
        if dkim is None:
            self.skipTest("not installed: python3-dkim (scripts/install-packages)")

    def check_fields(self, signed, count):
        fields = signed.split(b"DKIM-Signature:")[1:count + 1]
        for field in fields:
            lines = field.split(b"\r\n")
            self.assertLessEqual(len(b"DKIM-Signature:" + lines[0]), 78)
            for line in lines[1:]:
                if not line.startswith(b" "):
                    break
                self.assertLessEqual(len(line), 78, line)
                self.assertGreater(len(line.strip()), 0)

    def need_opendkim(self):
        need("opendkim-testmsg", "nsd", "unshare")
        if os.geteuid() != 0:
            self.skipTest("needs root: namespaces of its own for DNS")

    def check_by_opendkim(self, folder, least):
        """All files of `folder`, and one with changed content, which it must not accept."""
        changed = run("sign", self.key("r2"), f"now={int(time.time())}",
                      content=b"From: joe@example.com\r\nDate: x\r\n\r\nhello\r\n")
        changed = changed.replace(b"hello", b"hallo")
        (folder / "changed.eml").write_bytes(changed)
        (self.folder / "zone").write_text(self.keys.zone)
        done = subprocess.run(
            ["unshare", "-mn", sys.executable, __file__, "--opendkim", self.folder],
            capture_output=True, text=True, check=False, timeout=240)
        if done.returncode == 77:
            self.skipTest(done.stderr.strip())
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        answers = dict(line.split("\t") for line in done.stdout.splitlines())
        self.assertGreater(len(answers), least)
        self.assertIn("bad", answers.pop("changed.eml"))
        self.assertEqual({}, {name: why for name, why in answers.items() if why != "ok"})


class Dkim(DkimTest):
    def test_python_verifies_odd_messages(self):
        self.need_dkim()
        for number in range(COUNT):
            message = self.odd.message()
            wishes, count = self.wishes()
            signed = run("sign", *wishes, content=message)
            self.assertTrue(signed.endswith(message))
            added = signed[:-len(message)].count(b"DKIM-Signature:")
            self.assertIn(added, (count, 0) if "identity=sender-or-from" in wishes else (count,))
            self.check_fields(signed, count)
            for index in range(added):
                self.assertIs(self.verified(signed, index), True,
                              f"message {number} of seed {SEED}, {wishes}:\n{signed!r}")

    def test_python_refuses_what_was_changed(self):
        self.need_dkim()
        content = (b"From: joe@example.com\r\nTo: a@b.test\r\nSubject: one\r\n two\r\n\r\n"
                   b"first line\r\nsecond  line\r\n")
        for header, body in (("simple", "simple"), ("relaxed", "relaxed")):
            signed = run("sign", self.key("r2"), self.key("e1"), f"header={header}", f"body={body}",
                         f"now={int(time.time())}", content=content)
            changes = [(b"first", b"First"), (b"To: a", b"To: c"),
                       (b"Subject: one", b"Subject:one"),
                       (b"\r\nTo:", b"\r\nTo: x@y.test\r\nTo:"),
                       (b"\r\n\r\nfirst", b"\r\n\r\n\r\nfirst"),
                       (b"From:", b"From: eve@example.com\r\nFrom:"),
                       (b"second  line", b"second line"), (b"line\r\n", b"line \r\n")]
            for old, new in changes:
                # Each occurs once in the content; the signatures stand before it.
                self.assertIn(old, content)
                broken = signed[:-len(content)] + content.replace(old, new, 1)
                forgiving = body == "relaxed" and old in (b"second  line", b"line\r\n") or \
                    header == "relaxed" and old == b"Subject: one"
                for index in range(2):
                    self.assertEqual(self.verified(broken, index) is True, forgiving,
                                     f"{header}/{body}: {old} -> {new}")

    def test_a_second_identity_signs_too(self):
        self.need_dkim()
        content = b"From: joe@example.com\r\nSubject: x\r\n\r\nhello\r\n"
        self.keys.records[b"r1._domainkey.esp.test."] = \
            self.keys.records[b"r1._domainkey.example.com."]
        signed = run("sign", self.key("r2"), self.key("r1", "esp.test"), "second=@esp.test",
                     f"now={int(time.time())}", content=content)
        self.assertEqual(2, signed.count(b"DKIM-Signature:"))
        self.assertIn(b"d=esp.test; s=r1", signed)
        self.assertIs(self.verified(signed, 0), True)
        self.assertIs(self.verified(signed, 1), True)

    def test_published_records_are_compared(self):
        records = self.keys.records
        rsa, ed = (records[f"{name}._domainkey.example.com.".encode()].decode()
                   for name in ("r2", "e1"))
        path = self.keys.files["r2"]
        self.assertIn(b"matches", run("check", path, rsa))
        self.assertIn(b"other_key", run("check", path, ed))
        self.assertIn(b"other_key", run("check", path,
                                        records[b"r1._domainkey.example.com."].decode()))
        self.assertIn(b"revoked", run("check", path, "v=DKIM1; p="))
        self.assertIn(b"missing", run("check", path))
        bare = subprocess.run(["openssl", "rsa", "-in", path, "-RSAPublicKey_out", "-outform",
                               "DER"], check=True, capture_output=True).stdout
        self.assertIn(b"matches", run("check", path, "p=" + base64.b64encode(bare).decode()))

    def test_opendkim_verifies_odd_messages(self):
        self.need_opendkim()
        folder = self.folder / "signed"
        folder.mkdir()
        self.odd.strict = True
        for number in range(COUNT // 2):
            content = self.odd.message()
            wishes, _ = self.wishes()
            # OpenDKIM 2.11 as Debian builds it knows RSA alone.
            wishes = [wish for wish in wishes if not wish.startswith("key=")] + [self.key("r2")]
            signed = run("sign", *wishes, content=content)
            if signed != content:
                (folder / f"{number:04d}.eml").write_bytes(signed)
        self.check_by_opendkim(folder, COUNT // 3)


class Delivered(DkimTest):
    """Mail that went through the daemon and a real receiver, as the receiver kept it."""

    def setUp(self):
        need_ringpostd()
        super().setUp()

    def keys_of(self, *selectors):
        return "".join(f"domain-key {name},example.com,{self.keys.files[name]}\n"
                       for name in selectors)

    def sent(self, daemon, receiver, messages):
        """Submits messages; gives what arrived by X-Odd-Id, CRLF line ends."""
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            for number, message in enumerate(messages):
                text = b"X-Number: %d\r\n" % number + message
                client.sendmail("a@b.test", ["user@example.org"], text,
                                mail_options=["BODY=8BITMIME"])
        wait_until(lambda: len(receiver.messages()) >= len(messages), "all messages", 60)
        arrived = {}
        for path in receiver.messages():
            text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            number = int(text.split(b"\r\nX-Number: ")[1].split(b"\r\n")[0])
            # What the receiver put before it is not signed.
            arrived[number] = text
        return arrived

    def test_delivered_mail_verifies(self):
        """Odd messages, two keys, a large one; over the daemon and Postfix."""
        self.need_dkim()
        need("postfix")
        postfix = self.started(peers.Postfix(self.folder, settings=VERBATIM))
        daemon = self.started(Ringpostd(
            self.folder, self.keys_of("r2", "e1") +
            "<domain *>\n  dkim-sign yes\n  dkim-identity @example.com\n"
            "  dkim-add-timestamp yes\n  dkim-expire-after 1d\n</domain>\n",
            sink_port=postfix.port))
        self.odd.strict = True
        messages = [self.odd.message() for _ in range(30)]
        messages.append(b"From: joe@example.com\r\n\r\n" + b"line of text\r\n" * 60000)
        messages.append(b"From: joe@example.com\r\n\r\n")
        messages.append(b"From: joe@example.com\r\nSubject: x\r\n\r\n..\r\n.\r\n.x\r\n")
        arrived = self.sent(daemon, postfix, messages)
        for number in range(len(messages)):
            text = arrived[number]
            self.assertEqual(2, text.count(b"\r\nDKIM-Signature:") +
                             text.startswith(b"DKIM-Signature:"), text[:2000])
            for index in range(2):
                self.assertIs(self.verified(text, index), True, f"{number}: {text[:3000]!r}")
        self.assertEqual(2 * len(messages), daemon.status()["totals"]["signatures"])

    def test_opendkim_and_python_verify_delivered_mail(self):
        """Hundreds of odd messages as Postfix kept them, by both verifiers."""
        self.need_dkim()
        self.need_opendkim()
        need("postfix")
        postfix = self.started(peers.Postfix(self.folder, settings=VERBATIM))
        daemon = self.started(Ringpostd(
            self.folder, self.keys_of("r2") +
            "<domain *>\n  dkim-sign yes\n  dkim-identity @example.com\n</domain>\n",
            sink_port=postfix.port))
        self.odd.strict = True
        messages = [self.odd.message() for _ in range(DELIVERED)]
        arrived = self.sent(daemon, postfix, messages)
        folder = self.folder / "signed"
        folder.mkdir()
        for number, text in arrived.items():
            self.assertIs(self.verified(text, 0), True, f"{number}: {text[:3000]!r}")
            (folder / f"{number:04d}.eml").write_bytes(text)
        self.check_by_opendkim(folder, DELIVERED)

    def test_published_keys_are_compared(self):
        need("nsd")
        dns = self.started(peers.Nsd(self.folder, {"example.com": self.keys.zone}))
        file = self.folder / "keys.conf"
        file.write_text(f"name-server 127.0.0.1:{dns.port}\nspool {self.folder}/spool\n"
                        + self.keys_of("r2", "e1"))

        def check(*arguments):
            return subprocess.run([BIN / "ringpost", "check", "dkim", "-c", file, *arguments],
                                  capture_output=True, text=True, timeout=60, check=False)
        done = check()
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual(2, done.stdout.count(": matches: "), done.stdout)
        file.write_text(file.read_text() + f"domain-key r2,example.com,{self.keys.files['r1']}\n"
                        f"domain-key new,example.com,{self.keys.files['r1']}\n")
        done = check("news.example.com", "--json")
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        states = [key["state"] for key in json.loads(done.stdout)["keys"]]
        self.assertEqual(["matches", "matches", "other_key", "missing"], states)
        self.assertIn('new._domainkey.example.com. IN TXT ( "v=DKIM1', check().stdout)

    def test_rotation_options_and_missing_keys(self):
        self.need_dkim()
        need("postfix")
        postfix = self.started(peers.Postfix(self.folder, settings=VERBATIM))
        daemon = self.started(Ringpostd(
            self.folder, self.keys_of("r2") +
            f"domain-key gone,missing.test,{self.folder}/gone.pem\n"
            "<source 127.0.0.1>\n  process-x-dkim-options yes\n</source>\n"
            "<domain *>\n  dkim-sign yes\n  dkim-body-canon simple\n</domain>\n",
            sink_port=postfix.port))
        self.assertIn("gone.pem", daemon.output())
        body = b"\r\n\r\nhello\r\n"
        arrived = self.sent(daemon, postfix, [
            b"From: joe@example.com" + body, b"From: joe@missing.test" + body,
            b"From: joe@missing.test\r\nX-DKIM-Options: d=example.com" + body])
        self.assertIs(self.verified(arrived[0], 0), True)
        self.assertNotIn(b"DKIM-Signature", arrived[1])
        self.assertIs(self.verified(arrived[2], 0), True)
        self.assertNotIn(b"X-DKIM-Options", arrived[2])
        self.assertIn(b"c=relaxed/simple", arrived[2])
        daemon.configuration = daemon.configuration.replace(
            f"r2,example.com,{self.keys.files['r2']}", f"e1,example.com,{self.keys.files['e1']}")
        daemon.file.write_text(daemon.configuration)
        daemon.command("reload")
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("a@b.test", ["user@example.org"],
                            b"X-Number: 9\r\nFrom: joe@example.com" + body)
        wait_until(lambda: len(postfix.messages()) == 4, "the message after the rotation", 60)
        last = [path.read_bytes() for path in postfix.messages()
                if b"X-Number: 9" in path.read_bytes()][0].replace(b"\n", b"\r\n")
        self.assertIn(b"s=e1", last)
        self.assertIs(self.verified(last, 0), True)


def opendkim(folder):
    """Inside the namespaces: verifies all files of `folder`/signed, a line of output for each."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
    bound = subprocess.run(["mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf"],
                           capture_output=True, text=True, check=False)
    if bound.returncode != 0:
        print(f"cannot give OpenDKIM a DNS of its own: {bound.stderr.strip()}", file=sys.stderr)
        return 77
    nsd = peers.Nsd(folder, {"example.com": (folder / "zone").read_text()})
    nsd.port = 53
    nsd.start()
    try:
        for path in sorted((folder / "signed").iterdir()):
            with open(path, "rb") as message:
                done = subprocess.run(["opendkim-testmsg", "-t", folder], stdin=message,
                                      capture_output=True, text=True, check=False, timeout=30)
            said = " ".join((done.stdout + done.stderr).split())
            verdict = "ok" if done.returncode == 0 and not said else f"bad {done.returncode} {said}"
            print(path.name, verdict, sep="\t")
    finally:
        nsd.stop(10)
    return 0


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if sys.argv[1:2] == ["--opendkim"]:
        sys.exit(opendkim(pathlib.Path(sys.argv[2])))
    main()
