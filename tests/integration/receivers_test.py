#!/usr/bin/env python3
"""ringpostd delivers to Postfix and to Exim; what they keep equals what was injected, octet for
octet, for messages of every shape, a 25 MB one, and one with a thousand recipients."""

import os

import messages
import peers
from harness import PeerTest, Ringpostd, content_from_id, main, need_ringpostd, wait_until

COUNT = int(os.environ.get("MESSAGES", "520"))
BIG = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" * 2 + b"\r\n"


class Receivers(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def inject(self, daemon):
        """Everything the peer is to keep, as {id: content}; recipients of `many` are a thousand."""
        sent = messages.varied(COUNT)
        big = messages.varied(1, tag="big")
        big = {name: content + BIG * (25_000_000 // len(BIG)) for name, content in big.items()}
        many = messages.varied(1, tag="many")
        injector = messages.Injector(daemon.port)
        for name, content in {**sent, **big}.items():
            reply = injector.send(content, [f"{name}@rcpt.test"])
            self.assertEqual(250, reply[0], f"{name}: {reply}")
        for content in many.values():
            reply = injector.send(content, [f"r{i}@rcpt.test" for i in range(1000)])
            self.assertEqual(250, reply[0], reply)
        injector.close()
        return {**sent, **big}, many

    @staticmethod
    def identity(content):
        line = content_from_id(content).split(b"\r\n", 1)[0]
        return line.split(b":", 1)[1].strip().decode()

    def compare(self, peer, messages_expected, one_per_recipient):
        daemon = self.started(Ringpostd(self.folder, sink_port=peer.port, message_size="40M",
                                        segment_size="64M"))
        sent, many = self.inject(daemon)
        wait_until(lambda: len(peer.messages()) >= len(sent) + messages_expected,
                   f"{peer.name} to have all", 240, 0.2)
        got = {}
        copies = 0
        thousand = next(iter(many.items()))
        for path in peer.messages():
            content = path.read_bytes()
            name = self.identity(content)
            if name == thousand[0]:
                self.assertEqual(content_from_id(thousand[1]), content_from_id(content))
                copies += 1 if one_per_recipient else content.split(b"\n\n")[0].count(b"@rcpt.test")
                continue
            self.assertNotIn(name, got, "delivered twice")
            got[name] = content_from_id(content)
        self.assertEqual(set(sent), set(got))
        for name, content in sent.items():
            self.assertTrue(content_from_id(content) == got[name], f"{name} was changed")
        # Both offer CHUNKING, so that most contents went by BDAT, several ahead of their replies.
        self.assertGreater(daemon.status()["totals"]["chunks_sent"], len(sent) // 4)
        return copies

    def test_postfix_gets_every_octet(self):
        peer = self.started(peers.Postfix(self.folder))
        self.assertEqual(1000, self.compare(peer, 1000, True))

    def test_exim_gets_every_octet(self):
        peer = self.started(peers.Exim(self.folder))
        # Envelope-to lists the recipients; To names one more.
        self.assertEqual(1000 + 1, self.compare(peer, 1, False))


if __name__ == "__main__":
    main()
