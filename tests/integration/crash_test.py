#!/usr/bin/env python3
"""Kills, power cuts, stops and a full disk under load: nothing acknowledged is lost, nothing
arrives twice unmarked, each recipient ends in one accounting row.

The environment changes how much: KILLS, CUTS, STOPS (how many of each), QUEUED (messages of the
start-up test), COMPACTIONS (kills while segments are rewritten, a minute or two each; none unless
asked for) and SEED. The defaults of KILLS and CUTS are the promise.
"""

import array
import collections
import fcntl
import os
import pathlib
import random
import smtplib
import socket
import subprocess
import threading
import time

from harness import (PeerTest, Ringpostd, Sink, acknowledged, load, main, need, need_ringpostd,
                     need_root, reconcile, start_load, wait_until)

KILLS = int(os.environ.get("KILLS", "20"))
CUTS = int(os.environ.get("CUTS", "10"))
STOPS = int(os.environ.get("STOPS", "5"))
QUEUED = int(os.environ.get("QUEUED", "10000"))
COMPACTIONS = int(os.environ.get("COMPACTIONS", "0"))

# EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32), and its flag that drops what the journal has not yet.
EXT4_IOC_SHUTDOWN = 0x8004587D
GOING_FLAGS_NOLOGFLUSH = 2

ALL_RECORDS = "d,b,t,tq,r"
DOMAINS = 20
BASIC = ("journal-max 64M\nspool-spare 2\n"
         "<domain *>\n  retry-after 1s\n  retry-recipients-after 1s\n</domain>\n")


def routes(first, last, port):
    return "".join(f"<domain d{number}.example>\n  route [127.0.0.1]:{port}\n</domain>\n"
                   for number in range(first, last + 1))


class Closer:
    """Takes connections and closes them: each tells that a whole queue cannot be served."""

    def __init__(self, test):
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        test.addCleanup(self.thread.join)
        test.addCleanup(self.listener.shutdown, socket.SHUT_RDWR)

    def run(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                connection.close()
        except OSError:
            self.listener.close()


class CrashTest(PeerTest):
    """A daemon between a generator and four receivers: one takes all but a domain that it refuses
    for good, one defers each recipient once, one closes without a reply after having taken some,
    one closes each connection."""

    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.chance = random.Random(int(os.environ.get("SEED", "7")))
        self.rows_seen = set()

    def start_sinks(self):
        plain = self.started(Sink(self.folder, "--reject-rcpt", "@d10."))
        defers = self.started(Sink(self.folder, "--defer-first", "1", name="defers"))
        drops = self.started(Sink(self.folder, "--drop-after-dot", "3", name="drops"))
        self.sinks = [plain, defers, drops]
        self.closer = Closer(self)
        return (BASIC + routes(1, 6, defers.port) + routes(7, 9, drops.port) +
                f"<domain d11.example>\n  route [127.0.0.1]:{self.closer.port}\n"
                "  bounce-after 5s\n  max-smtp-out 1\n</domain>\n")

    def begin_load(self, daemon, *options):
        program = start_load(self.folder, daemon.port, "-n", "0", "--duration", "900", "--rate",
                             "2000", "-c", "20", "--size", "100-20000", "--domains", str(DOMAINS),
                             "--allow-failures", "--give-up", "60", "--pipelining", "next",
                             *options)
        self.programs.append(program)
        return program

    def run_for_a_while(self, generator):
        """Until some more is acknowledged, then a random moment longer."""
        begun = acknowledged(generator.ledger)
        wait_until(lambda: acknowledged(generator.ledger) > begun + 200, "acknowledgements", 60)
        time.sleep(self.chance.uniform(0, 0.25))  # the moment of the crash is what is drawn

    def remember_rows(self, daemon):
        """The last rows of the accounting file: they must be there to the end."""
        with open(daemon.accounting, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (64 << 10)))
            lines = file.read().split(b"\r\n")
        self.rows_seen.update(lines[1:-1])

    def check_rows(self, daemon, told, slack):
        """Rows of each kind were written; none that was seen is lost or came twice; and each
        connection that told of a whole queue has its row, but for `slack` that crashes took."""
        self.assertEqual(set("d b t tq r".split()), set(told["rows"]), told)
        lines = collections.Counter(
            line for path in daemon.accounting_files() for line in path.read_bytes().split(b"\r\n"))
        self.assertGreater(len(self.rows_seen), 100)
        self.assertEqual([], [line for line in self.rows_seen if lines[line] != 1][:5])
        put_off = sum(row["type"] == "tq" and row["queue"].startswith("d11.")
                      for row in daemon.accounted())
        closed = self.closer.connections
        print(f"{self.id()}: {closed} connections closed, {put_off} rows of it")
        self.assertLessEqual(put_off, closed)
        self.assertGreaterEqual(put_off, closed - slack)

    def reconciled(self, daemon, ledger):
        return reconcile(ledger, [sink.record for sink in self.sinks], daemon.accounting_files())

    def finish(self, ledger, daemon, at_least, seconds=120):
        """Waits until the spool is empty and accounted, then holds all against all."""
        def drained():
            daemon.check_running()
            return daemon.status()["totals"]["queued_recipients"] == 0
        told = {}
        try:
            wait_until(drained, "an empty spool", seconds, 0.2)
        finally:
            ok, told = self.reconciled(daemon, ledger)
            print(f"{self.id()}: {told}")
        # An ended daemon has accounted everything.
        self.assertEqual(0, daemon.stop(60), daemon.tail())
        ok, told = self.reconciled(daemon, ledger)
        print(f"{self.id()}: {told}")
        self.assertTrue(ok, told)
        self.assertGreater(told["acknowledged"], at_least)
        return told


class Kills(CrashTest):
    def test_kill_under_load(self):
        daemon = self.started(Ringpostd(self.folder, self.start_sinks(),
                                        sink_port=self.sinks[0].port, records=ALL_RECORDS))
        generator = self.begin_load(daemon)
        for _ in range(KILLS):
            self.run_for_a_while(generator)
            self.remember_rows(daemon)
            daemon.kill()
            daemon.start()
        generator.stop(90)
        told = self.finish(generator.ledger, daemon, KILLS * 100)
        self.check_rows(daemon, told, 1)

    def test_kill_and_another_number_of_shards(self):
        """Logs are dealt anew: those of more shards than now are adopted and drained."""
        configuration = self.start_sinks()
        daemon = self.started(Ringpostd(self.folder, configuration,
                                        sink_port=self.sinks[0].port, records=ALL_RECORDS))
        generator = self.begin_load(daemon)
        text = daemon.configuration
        for shards in (1, 3, 1, 2):
            self.run_for_a_while(generator)
            daemon.kill()
            daemon.configuration = text.replace("\nshards 2\n", f"\nshards {shards}\n")
            daemon.start()
            self.assertEqual(shards, daemon.status()["shards"])
        generator.stop(90)
        self.finish(generator.ledger, daemon, 500)


class Compaction(CrashTest):
    """Only where COMPACTIONS says how many kills: segments are looked at once a minute."""

    def test_kill_while_segments_are_rewritten(self):
        sink = self.started(Sink(self.folder))
        later = self.started(Sink(self.folder, name="later"))
        self.sinks = [sink, later]
        held = "<domain d1.example>\n  retry-after 1h\n</domain>\n"
        basic = BASIC
        daemon = self.started(Ringpostd(self.folder, basic + routes(1, 1, later.port) + held,
                                        sink_port=sink.port, message_size="128K",
                                        segment_size="1M", records=ALL_RECORDS))
        daemon.command("pause", "domain", "d1.example")
        generator = start_load(self.folder, daemon.port, "-n", "0", "--duration", "900", "--rate",
                               "400", "-c", "20", "--size", "100-20000", "--domains",
                               str(DOMAINS), "--allow-failures", "--give-up", "60",
                               "--pipelining", "next")
        self.programs.append(generator)
        for _ in range(COMPACTIONS):
            begun = daemon.status()["totals"]["compacted_messages"]
            wait_until(lambda before=begun: daemon.status()["totals"]["compacted_messages"] >
                       before, "a segment to be rewritten", 300, 0.01)
            time.sleep(self.chance.uniform(0, 0.05))  # the moment of the crash is what is drawn
            daemon.kill()
            daemon.start()
        generator.stop(90)
        daemon.command("resume", "domain", "d1.example")
        self.finish(generator.ledger, daemon, COMPACTIONS * 100)


if not COMPACTIONS:
    del Compaction


class Stops(CrashTest):
    def test_clean_stops_leave_nothing_ambiguous(self):
        sink = self.started(Sink(self.folder))
        defers = self.started(Sink(self.folder, "--defer-first", "1", name="defers"))
        self.sinks = [sink, defers]
        daemon = self.started(Ringpostd(self.folder, BASIC + routes(1, 6, defers.port),
                                        sink_port=sink.port))
        generator = self.begin_load(daemon)
        for _ in range(STOPS):
            self.run_for_a_while(generator)
            self.assertEqual(0, daemon.stop(60), daemon.tail())
            daemon.start()
        generator.stop(90)
        told = self.finish(generator.ledger, daemon, STOPS * 100)
        self.assertEqual((0, 0), (told["marked_ambiguous"], told["duplicates"]), told)
        self.assertNotIn("last stop not clean", daemon.output())


class Retries(CrashTest):
    def test_attempts_and_waits_survive(self):
        """A recipient that waits an hour still waits after a kill, and its attempts are known."""
        defers = self.started(Sink(self.folder, "--defer-first", "1", name="defers"))
        self.sinks = [defers]
        daemon = self.started(Ringpostd(
            self.folder, "<domain *>\n  retry-recipients-after 1h\n</domain>\n",
            sink_port=defers.port))
        code, _, ledger = load(self.folder, daemon.port, "-n", "200", "--domains", "3")
        self.assertEqual(0, code)
        count = acknowledged(ledger)
        wait_until(lambda: self.transient(daemon) == count, "an attempt at each", 60)
        time.sleep(0.3)  # beyond settle-sync-interval: the outcomes are written
        for end in (daemon.kill, daemon.stop):
            end()
            daemon.start()
            self.assertEqual(count, daemon.status()["totals"]["queued_recipients"])
        self.assertEqual(0, defers.received())
        daemon.command("schedule", "queue", "*")
        told = self.finish(ledger, daemon, count - 1)
        finals = [row for row in daemon.accounted() if row["type"] == "d"]
        self.assertEqual({"2"}, {row["attempts"] for row in finals})
        self.assertEqual((count, 0), (self.transient(daemon), told["marked_ambiguous"]))

    @staticmethod
    def transient(daemon):
        return sum(row["type"] == "t" for row in daemon.accounted())


class StartUp(CrashTest):
    def test_start_with_a_long_queue(self):
        """Time and memory are printed, not judged: QUEUED=100000 shows the promised figure."""
        sink = Sink(self.folder)
        self.sinks = [sink]
        daemon = self.started(Ringpostd(
            self.folder, "<domain *>\n  retry-after 1h\n</domain>\n", sink_port=sink.port))
        code, _, ledger = load(self.folder, daemon.port, "-n", str(QUEUED), "-c", "20", "--size",
                               "4096", "--domains", "100", "--pipelining", "next", timeout=600)
        self.assertEqual(0, code)
        before = self.resident(daemon)
        daemon.kill()
        begun = time.monotonic()
        daemon.start()
        ready = time.monotonic() - begun
        wait_until(lambda: daemon.status()["totals"]["queued_recipients"] == QUEUED,
                   "all to be queued", 60)
        queued = time.monotonic() - begun
        print(f"{self.id()}: {QUEUED} queued messages: ready after {ready:.2f} s, all queued "
              f"after {queued:.2f} s, {self.resident(daemon)} KiB resident ({before} KiB before)")
        self.started(sink)
        daemon.command("schedule", "queue", "*")
        self.finish(ledger, daemon, QUEUED - 1, 300)

    @staticmethod
    def resident(daemon):
        status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        return next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))


class LoopDevice(CrashTest):
    """With an ext4 file system of its own."""

    MEGABYTES = 1024

    def setUp(self):
        need_root("mounts a file system")
        need("mkfs.ext4", "losetup", "mount")
        super().setUp()
        self.mount_point = self.folder / "disk"
        self.mount_point.mkdir()
        image = self.folder / "image"
        with open(image, "wb") as file:
            file.truncate(self.MEGABYTES << 20)
        self.run_tool("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", image)
        done = subprocess.run(["losetup", "--find", "--show", image], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"loop devices are not permitted here: {done.stderr.strip()}")
        self.device = done.stdout.strip()
        self.addCleanup(lambda: subprocess.run(["losetup", "-d", self.device], check=False))
        done = subprocess.run(["mount", "-o", "noatime", self.device, self.mount_point],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"mounting is not permitted here: {done.stderr.strip()}")
        self.addCleanup(self.unmount)

    def unmount(self):
        for program in self.programs:
            program.kill()
        subprocess.run(["umount", self.mount_point], capture_output=True, check=False)

    @staticmethod
    def run_tool(*arguments):
        subprocess.run([str(argument) for argument in arguments], check=True,
                       capture_output=True, timeout=120)

    def cut_power(self, daemon):
        """The file system loses what was not synced; the process has no time to notice."""
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, array.array("I", [GOING_FLAGS_NOLOGFLUSH]))
        finally:
            os.close(descriptor)
        daemon.kill()
        # The kernel lets go of a dead process's ring, and of the files in it, a moment later.
        wait_until(lambda: subprocess.run(["umount", self.mount_point], capture_output=True,
                                          check=False).returncode == 0, "umount", 30)
        self.run_tool("mount", "-o", "noatime", self.device, self.mount_point)


class PowerCuts(LoopDevice):
    # Lives shorter than the accounting files' sync-interval leave a journal segment per log each.
    MEGABYTES = 1024 + 40 * CUTS

    def test_power_cut_under_load(self):
        configuration = self.start_sinks()
        daemon = self.started(Ringpostd(self.folder, configuration,
                                        sink_port=self.sinks[0].port,
                                        spool=pathlib.Path(self.mount_point) / "spool",
                                        records=ALL_RECORDS))
        generator = self.begin_load(daemon)
        for _ in range(CUTS):
            self.run_for_a_while(generator)
            self.remember_rows(daemon)
            self.cut_power(daemon)
            daemon.start()
        generator.stop(90)
        told = self.finish(generator.ledger, daemon, CUTS * 100)
        self.check_rows(daemon, told, CUTS)

    def test_the_cut_really_loses_what_is_not_synced(self):
        """The tool of the other test: without it a pass would prove nothing."""
        synced, loose = self.mount_point / "synced", self.mount_point / "loose"
        with open(synced, "wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self.mount_point, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        loose.write_bytes(b"y" * 4096)

        class Nothing:
            @staticmethod
            def kill():
                pass

        self.cut_power(Nothing)
        self.assertEqual(b"x" * 4096, synced.read_bytes())
        self.assertNotEqual(b"y" * 4096, loose.read_bytes() if loose.exists() else b"")


class FullDisk(LoopDevice):
    MEGABYTES = 512

    def fill_disk(self):
        """Takes all the room that is left, to the last block."""
        ballast = self.mount_point / "ballast"
        with open(ballast, "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass
            os.fsync(file.fileno())
        return ballast

    @staticmethod
    def reply_to_a_message(daemon, number):
        """Code of the first reply that is no success, else of the reply to the final dot."""
        with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
            client.ehlo("test")
            for code, _ in (client.mail("a@b.example", ["SIZE=1000000"]),
                            client.rcpt(f"full{number}@d20.example")):
                if code >= 400:
                    return code
            try:
                return client.data(b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 60000)[0]
            except smtplib.SMTPDataError as refusal:
                return refusal.smtp_code

    def test_full_disk(self):
        """452 to injectors while deliveries go on; mail is taken again when there is room."""
        sink = Sink(self.folder)
        self.sinks = [sink]
        daemon = self.started(Ringpostd(self.folder, BASIC, sink_port=sink.port,
                                        spool=pathlib.Path(self.mount_point) / "spool"))
        code, _, ledger = load(self.folder, daemon.port, "-n", "2000", "--size", "100-20000",
                               "--domains", "5", timeout=200)
        self.assertEqual(0, code)
        ballast = self.fill_disk()
        codes = []

        def refused():
            self.fill_disk()
            codes.append(self.reply_to_a_message(daemon, len(codes)))
            # Each shard fills its own last segment, and the kernel chooses the shard.
            return len(codes) >= 12 and 250 not in codes[-12:]
        wait_until(refused, "the disk to be full", 120)
        self.assertEqual({250, 452}, set(codes))
        self.started(sink)
        count = acknowledged(ledger) + codes.count(250)
        wait_until(lambda: sink.received() >= count, "delivery with a full disk", 60)
        wait_until(lambda: daemon.status()["totals"]["queued_recipients"] == 0, "the outcomes", 30)
        ballast.unlink()
        wait_until(lambda: self.reply_to_a_message(daemon, 9000) == 250,
                   "mail to be taken again", 60, 0.5)
        wait_until(lambda: sink.received() > count, "the delivery of the last", 60)
        # What was refused left nothing, what was taken left one row each.
        self.assertEqual(0, daemon.stop(60), daemon.tail())
        ours = [row for row in daemon.accounted() if row["type"] in ("d", "b")]
        self.assertEqual(count + 1, len(ours))
        self.assertEqual(count + 1, len({row["rcpt"] for row in ours}))


if __name__ == "__main__":
    main()
