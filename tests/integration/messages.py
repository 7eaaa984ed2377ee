"""Messages of every awkward shape, and the injectors that send them as they are."""

import random
import socket

from harness import ID_FIELD

KINDS = ("prose", "dots", "long", "eight_bit", "empty", "no_newline", "blank", "folded", "base64",
         "spaces")


def varied(count, seed=1, tag="t"):
    """`count` messages as {id: content}, lines ended by CRLF; every kind in turn."""
    chance = random.Random(seed)
    messages = {}
    for number in range(count):
        identity = f"{tag}{seed}-{number:06d}"
        kind = KINDS[number % len(KINDS)]
        head = (b"%s %s\r\nFrom: a@load.test\r\nTo: b@rcpt.test\r\n"
                b"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@load.test>\r\n"
                b"Subject: %s\r\n" % (ID_FIELD, identity.encode(), identity.encode(),
                                      kind.encode()))
        if kind == "folded":
            head += b"X-Long: " + b"\r\n\t".join(b"part%d" % i for i in range(40)) + b"\r\n"
        if kind == "eight_bit":
            head += (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     b"Content-Transfer-Encoding: 8bit\r\n")
        messages[identity] = head + b"\r\n" + body(kind, chance)
    return messages


def body(kind, chance):
    """The body of one kind, with a random part."""
    words = [b"mail", b"spool", b"ring", b"post", b"queue", b"a", b"of", b"."]
    prose = b"".join(b" ".join(chance.choice(words) for _ in range(chance.randrange(1, 12))) +
                     b"x\r\n" for _ in range(chance.randrange(1, 60)))
    return {
        "prose": lambda: prose,
        "dots": lambda: b".\r\n..\r\n.x\r\n...\r\n. \r\nmid.dot\r\n" + b".\r\n" * 20 + prose,
        "long": lambda: b"".join(b"y" * (998 - i) + b"\r\n" for i in range(10)),
        "eight_bit": lambda: "Grüße ünd 你好 📮\r\n".encode() * chance.randrange(1, 30),
        "empty": lambda: b"",
        "no_newline": lambda: prose + b"no end",
        "blank": lambda: b"\r\n" * chance.randrange(1, 50),
        "folded": lambda: prose,
        "base64": lambda: (b"QUJD" * 19 + b"\r\n") * chance.randrange(1, 400),
        "spaces": lambda: b" \r\n\t\r\ntrailing  \r\n  leading\r\n",
    }[kind]()


def stuffed(content):
    """As DATA carries it, final dot included."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    lines = content.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n"
                    for line in lines) + b".\r\n"


class Injector:
    """A plain SMTP client that sends content untouched; BDAT where the last line has no end."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.capabilities = self.command(b"EHLO load.test")[1].upper()

    def reply(self):
        """(code, text) of the next reply."""
        text = ""
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError("connection closed")
            text += line.decode("latin-1")
            if line[3:4] != b"-":
                return int(line[:3]), text

    def command(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def send(self, content, recipients, sender="sender@load.test"):
        """Sends one message; gives the final (code, text)."""
        eight = b" BODY=8BITMIME" if any(byte > 127 for byte in content) else b""
        self.expect(250, self.command(b"MAIL FROM:<%s>%s" % (sender.encode(), eight)))
        lines = b"".join(b"RCPT TO:<%s>\r\n" % recipient.encode() for recipient in recipients)
        self.socket.sendall(lines)
        for _ in recipients:
            self.expect(250, self.reply())
        if not content.endswith(b"\r\n") and "CHUNKING" in self.capabilities:
            self.socket.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
            return self.reply()
        self.expect(354, self.command(b"DATA"))
        self.socket.sendall(stuffed(content))
        return self.reply()

    @staticmethod
    def expect(code, reply):
        if reply[0] != code:
            raise AssertionError(f"expected {code}, got {reply[1]}")

    def close(self):
        try:
            self.command(b"QUIT")
        except OSError:
            pass
        self.file.close()
        self.socket.close()
