#!/usr/bin/env python3
"""Mail that no host gets: discarded, stored in files, handed to a command. One final record each,
over a kill as well."""

import mailbox
import smtplib

from harness import PeerTest, Ringpostd, main, need_ringpostd, wait_until

CONFIGURATION = '''
<domain *>
  retry-after 1s
  retry-recipients-after 1s
</domain>
<domain gone.test>
  type discard
</domain>
<domain refused.test>
  type discard
  discard-as-bounce yes
</domain>
<domain plain.test>
  type file
  file-destination {folder}/plain
</domain>
<domain box.test>
  type file
  file-format append-mbox
  file-destination {folder}/box
</domain>
<domain taken.test>
  type pipe
  command "/bin/sh -c ""cat >{folder}/$0"" $user"
</domain>
<domain later.test>
  type pipe
  command "/bin/sh -c ""touch {folder}/tried; test -e {folder}/ready || exit 75"""
</domain>
'''


class Local(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        for name in ("plain", "box"):
            (self.folder / name).mkdir()
        self.daemon = self.started(Ringpostd(
            self.folder, CONFIGURATION.format(folder=self.folder)))

    def send(self, recipients, body="hi\r\n.dot\r\nFrom x\r\n"):
        with smtplib.SMTP("127.0.0.1", self.daemon.port) as client:
            return client.sendmail("a@from.test", recipients, "Subject: x\r\n\r\n" + body)

    def test_each_way_ends_in_its_record(self):
        ways = {"u@gone.test": ("d", "discard"), "u@refused.test": ("b", "discard"),
                "u@plain.test": ("d", "file"), "U@box.test": ("d", "file"),
                "fine@taken.test": ("d", "pipe")}
        self.daemon.command("pause", "queue", "*/*")
        self.send(list(ways))
        self.send(["u@box.test"])
        self.daemon.kill()
        self.daemon.start()
        self.daemon.command("resume", "queue", "*/*")
        for recipient, (kind, way) in ways.items():
            row = self.daemon.final_row(recipient)
            self.assertEqual((kind, way), (row["type"], row["dlvType"]), recipient)
        self.daemon.final_row("u@box.test")
        stored = list((self.folder / "plain").iterdir())
        self.assertEqual(1, len(stored))
        self.assertTrue(stored[0].read_bytes().endswith(b"\r\n\r\nhi\r\n.dot\r\nFrom x\r\n"))
        box = mailbox.mbox(self.folder / "box" / "u@box.test.mbox")
        self.addCleanup(box.close)
        self.assertEqual(["hi\n.dot\n>From x\n"] * 2, [one.get_payload() for one in box])
        self.assertTrue((self.folder / "fine").read_text().endswith("\n\nhi\n.dot\nFrom x\n"))

    def test_what_fails_is_tried_again(self):
        self.send(["u@later.test"])
        wait_until((self.folder / "tried").exists, "the refusal")
        (self.folder / "ready").touch()
        self.assertEqual("d", self.daemon.final_row("u@later.test")["type"])
        (self.folder / "plain").rmdir()
        self.send(["u@plain.test"])
        wait_until(lambda: "cannot write into" in self.daemon.command("show", "queues", "--json"),
                   "the missing folder")
        (self.folder / "plain").mkdir()
        self.assertEqual("d", self.daemon.final_row("u@plain.test")["type"])


if __name__ == "__main__":
    main()
