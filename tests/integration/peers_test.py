#!/usr/bin/env python3
"""The peers and tools by themselves: a failing test elsewhere must not be theirs."""

import smtplib
import subprocess

import harness
import messages
import peers
from harness import PeerTest, Sink, content_from_id, load, main, need, reconcile, wait_until


class Tools(PeerTest):
    def exchange(self, load_options, sink_options=(), count=400):
        sink = self.started(Sink(self.folder, *sink_options))
        code, summary, ledger = load(self.folder, sink.port, "-n", str(count), *load_options)
        ok, told = reconcile(ledger, sink.record)
        self.assertTrue(ok, told)
        return code, summary, told, sink

    def test_mixed_messages_arrive_as_sent(self):
        code, summary, told, _ = self.exchange(["--size", "mix", "--pipelining", "next"],
                                               ["--threads", "2"])
        self.assertEqual((0, 400), (code, summary["acked"]))
        self.assertGreater(told["received"], 400)

    def test_without_any_extension(self):
        code, summary, _, _ = self.exchange(["--size", "mix"], ["--no-pipelining", "--no-chunking"])
        self.assertEqual((0, 400), (code, summary["acked"]))

    def test_windows_of_bdat(self):
        code, summary, _, _ = self.exchange(["--bdat", "4", "--size", "100-9000"])
        self.assertEqual((0, 400), (code, summary["acked"]))

    def test_refusals_are_told_and_nothing_else_is_lost(self):
        code, summary, told, sink = self.exchange(["--recipients", "3"],
                                                  ["--reject-rcpt", ".1@", "--reject-rcpt", "u7."])
        self.assertEqual((1, 399, 1), (code, summary["acked"], summary["refused"]))
        self.assertEqual(399 * 2, told["received"])
        self.assertEqual(402, sink.summary()["rejected"])

    def test_refusals_without_pipelining(self):
        code, summary, _, _ = self.exchange(["--pipelining", "none"], ["--reject-rcpt", "u7."])
        self.assertEqual((1, 399, 1), (code, summary["acked"], summary["refused"]))

    def test_greylisting_defers_the_first_attempts(self):
        sink = self.started(Sink(self.folder, "--defer-first", "2"))
        for expected in (1, 1, 0):
            code, _, _ = load(self.folder, sink.port, "-n", "1", "--recipient", "one@x.test")
            self.assertEqual(expected, code)
        self.assertEqual(2, sink.summary()["deferred"])

    def test_closing_after_some_messages_loses_nothing(self):
        _, summary, told, sink = self.exchange(["--allow-failures"], ["--close-after", "10"])
        self.assertEqual(told["acknowledged"], summary["acked"])
        self.assertGreaterEqual(sink.summary()["connections"], summary["acked"] // 10)

    def test_a_dropped_reply_is_an_unknown_fate(self):
        _, summary, told, sink = self.exchange(["--allow-failures"], ["--drop-after-dot", "10"])
        self.assertGreater(summary["unknown"], 0)
        self.assertEqual(summary["unknown"], told["unknown_received"])
        self.assertEqual(summary["unknown"], sink.summary()["dropped"])

    def test_latency_is_waited_for(self):
        _, summary, _, _ = self.exchange(["-c", "4"], ["--latency", "20", "--reply-delay", "10"],
                                         count=8)
        self.assertGreaterEqual(summary["latency_us"]["p50"], 29_000)

    def test_a_dead_server_is_reported(self):
        program = harness.start_load(self.folder, harness.free_port(), "--give-up", "0.3")
        self.assertEqual(3, program.wait(20))

    def test_reconcile_finds_what_is_wrong(self):
        ledger, record = self.folder / "l", self.folder / "r"
        ledger.write_text("acked\ta\t1\th\tx@t,y@t\nunknown\tb\t1\th\tz@t\tlost\n")
        record.write_text("a\tx@t\t1\th\na\ty@t\t1\th\n")
        self.assertTrue(reconcile(ledger, record)[0])
        record.write_text("a\tx@t\t1\th\n")
        self.assertEqual(1, reconcile(ledger, record)[1]["missing"])
        record.write_text("a\tx@t\t1\th\na\ty@t\t1\tOTHER\n")
        self.assertEqual(1, reconcile(ledger, record)[1]["damaged"])
        record.write_text("a\tx@t\t1\th\na\ty@t\t1\th\na\ty@t\t1\th\n")
        ok, told = reconcile(ledger, record)
        self.assertEqual((False, 1), (ok, told["duplicates"]))
        self.assertTrue(reconcile(ledger, record, duplicates_allowed=1)[0])
        accounting = self.folder / "a.csv"
        accounting.write_text("type,rcpt,ambiguous\nd,x@t,0\nd,y@t,1\n")
        self.assertTrue(reconcile(ledger, record, [accounting])[0])
        accounting.write_text("type,rcpt,ambiguous\nd,x@t,0\nd,x@t,0\nd,y@t,1\n")
        self.assertEqual(1, reconcile(ledger, record, [accounting])[1]["without_one_final_row"])
        record.write_text("a\tx@t\t1\th\na\ty@t\t1\th\nq\ty@t\t1\th\n")
        self.assertEqual(1, reconcile(ledger, record)[1]["foreign"])


class Receivers(PeerTest):
    def keep_varied(self, peer):
        sent = messages.varied(40)
        injector = messages.Injector(peer.port)
        for content in sent.values():
            reply = injector.send(content, ["b@rcpt.test"])
            self.assertEqual(250, reply[0], reply)
        injector.close()
        wait_until(lambda: len(peer.messages()) >= len(sent), "the maildir", 60)
        got = sorted(content_from_id(path.read_bytes()) for path in peer.messages())
        self.assertEqual(sorted(content_from_id(content) for content in sent.values()), got)

    def test_postfix_keeps_content(self):
        self.keep_varied(self.started(peers.Postfix(self.folder)))

    def test_exim_keeps_content(self):
        self.keep_varied(self.started(peers.Exim(self.folder)))

    def test_postfix_relays_to_the_sink(self):
        sink = self.started(Sink(self.folder))
        relay = self.started(peers.Postfix(self.folder, next_hop_port=sink.port))
        code, _, ledger = load(self.folder, relay.port, "-n", "100", "-c", "4")
        self.assertEqual(0, code)
        wait_until(lambda: sink.received() >= 100, "delivery by Postfix", 60)
        ok, told = reconcile(ledger, sink.record)
        self.assertTrue(ok, told)


class Injectors(PeerTest):
    def test_swaks_smtplib_and_smtp_source_reach_the_sink(self):
        need("swaks", "smtp-source")
        sink = self.started(Sink(self.folder))
        subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(sink.port), "--to",
                        "a@x.test", "--from", "b@y.test", "--helo", "h.test"], check=True,
                       capture_output=True, timeout=30)
        with smtplib.SMTP("127.0.0.1", sink.port) as client:
            client.sendmail("b@y.test", ["c@x.test"], "Subject: x\r\n\r\n.dot\r\n")
        subprocess.run(["smtp-source", "-m", "5", "-s", "2", "-t", "d@x.test",
                        f"127.0.0.1:{sink.port}"], check=True, capture_output=True, timeout=30)
        self.assertEqual(7, sink.received())


class Dns(PeerTest):
    ZONE = ("@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
            "@ MX 10 mx\nmx A 127.0.0.2\nnull MX 0 .\n")

    def test_authority_and_resolver_answer(self):
        nsd = self.started(peers.Nsd(self.folder, {"one.test": self.ZONE}))
        unbound = self.started(peers.Unbound(self.folder, ["one.test"], nsd.port))
        for port in (nsd.port, unbound.port):
            self.assertEqual(["10 mx.one.test."], peers.dig(port, "one.test", "MX"))
            self.assertEqual(["0 ."], peers.dig(port, "null.one.test", "MX"))
            self.assertEqual([], peers.dig(port, "none.one.test", "MX"))


if __name__ == "__main__":
    main()
