#!/usr/bin/env python3
"""Mail through ringpostd to the sink: content, refusals, retries, injectors, stops and starts."""

import smtplib
import subprocess

import messages
from harness import (PeerTest, Program, Ringpostd, Sink, free_port, load, main, need,
                     need_ringpostd, settled, wait_until)


class Delivery(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def pair(self, *sink_options, configuration=""):
        sink = self.started(Sink(self.folder, *sink_options))
        daemon = self.started(Ringpostd(self.folder, configuration, sink_port=sink.port))
        return sink, daemon

    def assert_settled(self, sink, ledger, daemon):
        ok, told = settled(sink, ledger, daemon)
        self.assertTrue(ok, told)
        return told

    def test_mixed_load_arrives_as_it_was_sent(self):
        sink, daemon = self.pair("--threads", "2")
        code, summary, ledger = load(self.folder, daemon.port, "-n", "2000", "--size", "mix",
                                     "--domains", "7", "-c", "20", "--pipelining", "next")
        self.assertEqual((0, 2000), (code, summary["acked"]))
        told = self.assert_settled(sink, ledger, daemon)
        self.assertEqual(0, told["duplicates_marked"])

    def test_a_sink_without_extensions(self):
        sink, daemon = self.pair("--no-ehlo", "--no-pipelining", "--no-chunking")
        code, _, ledger = load(self.folder, daemon.port, "-n", "300", "--size", "mix")
        self.assertEqual(0, code)
        self.assert_settled(sink, ledger, daemon)

    def test_injection_by_bdat(self):
        sink, daemon = self.pair()
        code, _, ledger = load(self.folder, daemon.port, "-n", "500", "--bdat", "4",
                               "--size", "10-60000")
        self.assertEqual(0, code)
        self.assert_settled(sink, ledger, daemon)

    def test_a_deferred_recipient_is_tried_again(self):
        sink, daemon = self.pair("--defer-first", "1", configuration=(
            "<domain *>\n  retry-after 1s\n  retry-recipients-after 1s\n</domain>\n"))
        code, _, ledger = load(self.folder, daemon.port, "-n", "50", "--recipients", "3")
        self.assertEqual(0, code)
        self.assert_settled(sink, ledger, daemon)
        self.assertEqual(150, sink.summary()["deferred"])

    def test_a_refused_recipient_bounces_and_its_companions_do_not(self):
        sink, daemon = self.pair("--reject-rcpt", "nobody@")
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("a@load.test", ["nobody@x.test", "some@x.test"],
                            "Subject: x\r\n\r\nhello\r\n")
        self.assertEqual("b", daemon.final_row("nobody@x.test")["type"])
        self.assertEqual("d", daemon.final_row("some@x.test")["type"])
        self.assertEqual(1, sink.received())

    def test_421_after_a_few_messages_loses_nothing(self):
        sink, daemon = self.pair("--close-after", "7", configuration=(
            "<domain *>\n  retry-after 1s\n</domain>\n"))
        code, _, ledger = load(self.folder, daemon.port, "-n", "500", "--domains", "3")
        self.assertEqual(0, code)
        self.assert_settled(sink, ledger, daemon)

    def test_a_reply_that_never_came_is_marked(self):
        sink, daemon = self.pair("--drop-after-dot", "10", configuration=(
            "<domain *>\n  retry-after 1s\n  retry-recipients-after 1s\n</domain>\n"))
        code, _, ledger = load(self.folder, daemon.port, "-n", "200")
        self.assertEqual(0, code)
        told = self.assert_settled(sink, ledger, daemon)
        self.assertGreater(told["duplicates_marked"], 0)

    def test_swaks_smtplib_and_smtp_source_inject(self):
        need("swaks", "smtp-source")
        sink, daemon = self.pair()
        subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(daemon.port), "--to",
                        "a@x.test,b@y.test", "--from", "c@z.test", "--helo", "h.test"],
                       check=True, capture_output=True, timeout=60)
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.sendmail("b@y.test", ["d@x.test"], "Subject: x\r\n\r\n.dot\r\n")
        subprocess.run(["smtp-source", "-m", "50", "-s", "5", "-r", "2", "-l", "5000", "-t",
                        "e@x.test", f"127.0.0.1:{daemon.port}"], check=True,
                       capture_output=True, timeout=60)
        wait_until(lambda: sink.received() >= 2 + 1 + 100, "delivery", 60)

    def test_a_clean_stop_keeps_what_is_queued(self):
        sink = self.started(Sink(self.folder))
        sink.stop()
        daemon = self.started(Ringpostd(self.folder, "<domain *>\n  retry-after 1s\n</domain>\n",
                                        sink_port=sink.port))
        code, _, ledger = load(self.folder, daemon.port, "-n", "300", "--size", "mix")
        self.assertEqual(0, code)
        self.assertEqual(0, daemon.stop(60), daemon.tail())
        self.assertEqual(0, sink.received())
        sink.start()
        daemon.start()
        self.assert_settled(sink, ledger, daemon)

    def test_a_second_daemon_on_the_spool_is_refused(self):
        _, daemon = self.pair()
        other = self.folder / "other.conf"
        text = daemon.configuration.replace(str(daemon.control), str(self.folder / "control2"))
        other.write_text(text.replace(f"smtp-listener 127.0.0.1:{daemon.port}",
                                      f"smtp-listener 127.0.0.1:{free_port()}"))
        second = Program("second", [daemon.arguments[0], "-c", other], self.folder).start()
        self.assertNotEqual(0, second.wait(30))
        self.assertIn(str(daemon.process.pid), second.output())
        daemon.check_running()

    def test_smuggled_line_ends_are_refused(self):
        sink, daemon = self.pair()
        for content in (b"Subject: x\r\n\r\na\n.\nb\r\n", b"Subject: x\r\n\r\na\r.\r\nb\r\n",
                        b"Subject: x\r\n\r\na\n.\r\nb\r\n"):
            client = messages.Injector(daemon.port)
            client.expect(250, client.command(b"MAIL FROM:<a@b.test>"))
            client.expect(250, client.command(b"RCPT TO:<c@d.test>"))
            client.expect(354, client.command(b"DATA"))
            client.socket.sendall(content + b".\r\n")
            self.assertEqual(5, client.reply()[0] // 100)
            client.file.close()
            client.socket.close()
        self.assertEqual(0, sink.received())

    def test_pause_and_resume(self):
        sink, daemon = self.pair()
        daemon.command("pause", "queue", "d1.example/*")
        code, _, ledger = load(self.folder, daemon.port, "-n", "20", "--domains", "2")
        self.assertEqual(0, code)
        wait_until(lambda: sink.received() == 10, "the queue that is not paused")
        daemon.command("resume", "queue", "d1.example/*")
        self.assert_settled(sink, ledger, daemon)


if __name__ == "__main__":
    main()
