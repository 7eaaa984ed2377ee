"""The catalogue of what is measured. A work has cases; each case, run once, gives figures by name.

Rounds go over all cases of a work before the next round begins, so that a slow minute of the
machine meets every sender alike."""

import functools
import json
import os
import pathlib
import subprocess
import time

import harness
from suite import process, relay, scale, zero_copy
from suite.senders import SENDERS, Ringpost

# Messages a run of each sender takes at scale 1, so that runs last some seconds each.
SPEED = {"ringpost": 100_000, "postfix": 5_000, "exim": 2_000, "opensmtpd": 8_000,
         "haraka": 4_000}


class Case:
    """One row of a report. `run` gives a dictionary of figures."""

    def __init__(self, work, sender, variant, run, group=None):
        self.work = work
        self.sender = sender
        self.variant = variant
        self.run = run
        self.group = group  # cases that one run serves share it

    @property
    def key(self):
        return f"{self.work}/{self.sender}" + (f"/{self.variant}" if self.variant else "")


class Catalogue:
    """Makes cases for chosen senders, a disk and a scale of message counts."""

    def __init__(self, senders, disk, scale, shards):
        self.senders = senders
        self.disk = disk
        self.scale = scale
        self.shards = shards

    def count(self, sender, share=1.0):
        return max(200, int(SPEED[sender] * share * self.scale))

    def maker(self, sender, **fixed):
        kind = SENDERS[sender]
        if kind is Ringpost:
            fixed.setdefault("shards", self.shards)
        return functools.partial(kind, **fixed)

    def chosen(self, *names):
        return [name for name in names if name in self.senders]

    def relay_case(self, work, sender, variant="", share=1.0, shape=None, sink_options=(),
                   **fixed):
        def run():
            return relay.end_to_end(self.maker(sender, **fixed), self.disk,
                                    self.count(sender, share), shape or relay.Shape(),
                                    sink_options)
        return Case(work, sender, variant, run)

    # --- the works, in the order of a report

    def end_to_end(self):
        for sender in self.chosen("ringpost", "postfix", "exim", "opensmtpd", "haraka"):
            yield self.relay_case("end-to-end", sender)

    def large(self):
        for sender in self.chosen("ringpost", "postfix", "exim", "opensmtpd", "haraka"):
            yield self.relay_case("large", sender, share=0.3, shape=relay.Shape(size=65536))
        yield Case("large", "disk", "sequential, synced at the end",
                   lambda: {"megabytes_per_second": relay.disk_rate(self.disk)})

    def dkim(self):
        if self.chosen("ringpost"):
            case = self.relay_case("dkim", "ringpost", "RSA-2048", 0.3, dkim="rsa")
            case.run = functools.partial(signed, case.run)
            yield case
        for sender in self.chosen("postfix", "exim", "haraka"):
            yield self.relay_case("dkim", sender, "RSA-2048", 0.3, dkim="rsa")
        if self.chosen("ringpost"):
            yield self.relay_case("dkim", "ringpost", "Ed25519", 0.6, dkim="ed25519")
            yield self.relay_case("dkim", "ringpost", "both", 0.3, dkim="both")
        for name, processes in (("one core", 1), ("all cores", os.cpu_count())):
            yield Case("dkim", "openssl", f"RSA-2048 signatures, {name}",
                       lambda processes=processes: {"per_second": signatures_a_second(processes)})

    def tls(self):
        for sender in self.chosen("ringpost", "postfix"):
            yield self.relay_case("tls", sender, "both ways", 0.6, relay.Shape(tls=True))
            yield self.relay_case("tls", sender, "plain", 0.6)

    def queue(self):
        for sender in self.chosen("ringpost", "postfix", "exim", "opensmtpd", "haraka"):
            share = 1.0 if sender == "ringpost" else 0.6
            done = {}

            def run(part, sender=sender, share=share, done=done):
                # Both figures come of one run: whichever case is asked first makes it.
                if part not in done:
                    into, out = relay.ingest(self.maker(sender), self.disk,
                                             self.count(sender, share), relay.Shape())
                    done.update({"ingest": into, "drain": out})
                return done.pop(part)
            for part in ("ingest", "drain"):
                yield Case("queue", sender, part, functools.partial(run, part))

    def distance(self):
        for milliseconds in (20, 80, 150):
            if self.chosen("ringpost"):
                run = functools.partial(relay.distance, self.maker("ringpost"), self.disk,
                                        milliseconds, window=4)
                yield Case("distance", "ringpost", f"{milliseconds} ms, CHUNKING", run)
            for sender in self.chosen("ringpost", "postfix", "exim", "opensmtpd", "haraka"):
                # Ringpost sends ahead of replies only after 50 good transactions.
                run = functools.partial(relay.distance, self.maker(sender), self.disk,
                                        milliseconds, 120 if sender == "ringpost" else 20,
                                        sink_options=["--no-chunking"])
                yield Case("distance", sender, f"{milliseconds} ms", run)

    def many_domains(self):
        for sender in self.chosen("ringpost", "postfix"):
            yield self.relay_case("many-domains", sender, "10,000 domains", 0.6,
                                  relay.Shape(domains=10_000))

    def connections(self):
        for number in (1, 32, 2000):
            for sender in self.chosen("ringpost"):
                yield self.relay_case("connections", sender, f"{number} in", 0.5,
                                      relay.Shape(connections=number))

    def receivers(self):
        kinds = {"20 messages a connection": ["--close-after", 20],
                 "421 beyond 40 connections": ["--max-connections", 40],
                 "no PIPELINING, no CHUNKING": ["--no-pipelining", "--no-chunking"],
                 "reply after 5 ms": ["--latency", 5]}
        for name, options in kinds.items():
            if self.chosen("ringpost"):
                yield self.relay_case("receivers", "ringpost", name, 0.2, sink_options=options,
                                      extra="<domain *>\n  retry-after 1s\n</domain>")

    def latency(self):
        for sender in self.chosen("ringpost", "postfix"):
            speed = {"ringpost": 8_000, "postfix": 500}[sender]
            for name, rate, connections in (("idle", 20, 1), ("loaded", speed, 16)):
                def run(sender=sender, rate=rate, connections=connections):
                    return relay.latency(self.maker(sender), self.disk, rate, 5, connections)
                yield Case("latency", sender, f"{name}, {rate}/s", run)
        for name, pause in (("in a row", 0), ("20/s", 0.05)):
            yield Case("latency", "disk", f"one synced append of 8 KiB, {name}",
                       functools.partial(relay.synced_append, self.disk, pause, 100))

    def zero_copy(self):
        if not self.chosen("ringpost"):
            return
        for size in zero_copy.SIZES:
            messages = max(100, int(min(20_000, 600_000_000 / size) * self.scale))
            for name, without in (("copied", False), ("not copied", True)):
                yield Case("zero-copy", "ringpost", f"{size // 1024} KiB, {name}",
                           functools.partial(zero_copy.drained, self.maker("ringpost"), self.disk,
                                             size, messages, without))

    def accounting(self):
        for variant, files, unlike in (("no file", 0, False), ("1 file", 1, False),
                                       ("4 files", 4, False), ("4 unlike files", 4, True)):
            if self.chosen("ringpost"):
                make = self.maker("ringpost", accounting=files, unlike=unlike)
                run = functools.partial(relay.end_to_end, make, self.disk,
                                        self.count("ringpost"), relay.Shape())
                yield Case("accounting", "ringpost", variant, run)

    def start(self):
        if self.chosen("ringpost"):
            yield Case("start", "ringpost", "empty queue", lambda: {
                "milliseconds":
                    relay.seconds_to_first_reply(self.maker("ringpost"), self.disk) * 1e3})
            yield Case("start", "ringpost", "queue of messages",
                       lambda: queued(self, int(1_000_000 * self.scale)))

    def idle(self):
        if self.chosen("ringpost"):
            yield Case("idle", "ringpost", "connections in", lambda: idle_in(self, 10_000))
            yield Case("idle", "ringpost", "connections out", lambda: idle_out(self, 10_000))

    def scale_out(self):
        if not self.chosen("ringpost"):
            return
        messages = int(5_000_000 * self.scale)
        yield Case("scale", "ringpost", f"{messages:,} queued to 100,000 domains",
                   lambda: queued(self, messages, 100_000))
        for name, arguments in scale.BACKLOGS.items():
            yield Case("scale", "scheduler", name, functools.partial(scale.backlog, arguments))
        probe = scale.Scale(lambda shards: self.maker("ringpost", shards=shards), self.disk,
                            self.count("ringpost", 0.5))
        for title, source in ((scale.PARTS, probe.part), (scale.PERMITS, probe.permit)):
            for name, key in title.items():
                yield Case("scale", "between shards", name, functools.partial(source, key))
        for shards in (1, 8, 64):
            yield Case("scale", "simulated", f"{shards} shards",
                       functools.partial(probe.letters_of, shards))
        for shards in scale.SHARDS:
            yield Case("scale", "predicted", f"{shards} cores",
                       functools.partial(probe.predicted, shards))

    def checks(self):
        for sender in self.senders:
            def run(sender=sender):
                return relay.checked(self.maker(sender), self.disk, self.count(sender, 0.1),
                                     relay.Shape())
            yield Case("checks", sender, SENDERS[sender].synced + " synced, by its manual", run)

    def micro(self):
        for program in sorted(harness.BIN.glob("*_bench")):
            yield Case("micro", program.name, "", functools.partial(micro_figures, program))


# Works that are run once, whatever the number of rounds.
ONCE = {"checks", "distance", "start", "idle", "scale", "micro"}
WORKS = {name.replace("_", "-"): getattr(Catalogue, name) for name in (
    "checks", "end_to_end", "large", "dkim", "tls", "queue", "distance", "many_domains",
    "connections", "receivers", "latency", "zero_copy", "accounting", "start", "idle", "micro")}
WORKS["scale"] = Catalogue.scale_out  # the name is taken by the scale of message counts


def signed(run):
    """Figures of a run with signatures, and how many of those signatures it made that would fit
    into the CPU time which generator and sink left, were there nothing else to do."""
    figures = run()
    cores = os.cpu_count()
    left = cores - figures["messages_per_second"] * figures["others_cpu_us"] / 1e6
    bare = signatures_a_second(cores) * left / cores
    return {**figures, "signature_percent": figures["messages_per_second"] / bare * 100}


def signatures_a_second(processes):
    done = subprocess.run(["openssl", "speed", "-seconds", "2", "-mr", "-multi", str(processes),
                           "rsa2048"], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("+F2:"))
    seconds_each = float(line.split(":")[3])
    # Several processes tell operations a second, as one does since 3.2; before, seconds for one.
    return 1 / seconds_each if seconds_each < 1 else seconds_each


def queued(catalogue, messages, domains=50):
    """Memory of a long queue; a start with it, cold, until all of it is in the schedule."""
    with relay.folder_on(catalogue.disk) as folder:
        # Nothing listens at the sink's port, and nothing is tried again for an hour.
        sender = catalogue.maker("ringpost", extra="<domain *>\n  retry-after 1h\n</domain>")(
            folder, harness.free_port(), hold=True)
        with relay.ended(sender):
            sender.start()
            rest = process.private_mib(sender.daemon.process.pid)
            shape = relay.Shape(size=512, domains=domains)
            with relay.ended(relay.start_load(folder, sender, messages, shape)) as generator:
                relay.told_by(generator, 1800)
            full = process.private_mib(sender.daemon.process.pid)
            sender.daemon.stop(120)
            process.drop_page_cache()
            begun = time.monotonic()
            sender.daemon.start()
            # Ready is too early: all of the queue is in the schedule when it is counted there.
            while sender.daemon.status()["totals"]["queued_recipients"] < messages:
                if time.monotonic() - begun > 300:
                    raise TimeoutError("not all of the queue came back")
                time.sleep(0.02)
            seconds = time.monotonic() - begun
            again = process.private_mib(sender.daemon.process.pid)
    return {"queued": messages, "bytes_each": (full - rest) * 1048576 / messages,
            "bytes_each_after_start": (again - rest) * 1048576 / messages,
            "milliseconds": seconds * 1e3}


def idle_in(catalogue, number):
    with relay.folder_on(catalogue.disk) as folder:
        sender = catalogue.maker("ringpost", hold=True)(folder, harness.free_port())
        with relay.ended(sender):
            sender.start()
            pid = sender.daemon.process.pid
            rest = process.private_mib(pid)
            shape = relay.Shape(connections=number)
            with relay.ended(relay.start_load(folder, sender, 200, shape, "--rate",
                                              10)) as generator:
                found = wait_for_connections("local", sender.port, number)
                full = process.private_mib(pid)
                relay.told_by(generator, 120)
    return {"connections": found, "bytes_each": (full - rest) * 1048576 / max(1, found)}


def idle_out(catalogue, number):
    """A minute before each reply keeps every connection waiting for its first one."""
    with relay.folder_on(catalogue.disk) as folder:
        extra = "total-max-smtp-out 20000\n<domain *>\n  max-smtp-out 1\n</domain>"
        with relay.ended(relay.start_sink(folder, None, "--latency", 60_000)) as sink:
            sender = catalogue.maker("ringpost", extra=extra)(folder, sink.port, hold=True)
            with relay.ended(sender):
                sender.start()
                shape = relay.Shape(domains=number, size=512)
                with relay.ended(relay.start_load(folder, sender, number,
                                                  shape)) as generator:
                    relay.told_by(generator, 120)
                pid = sender.daemon.process.pid
                rest = process.private_mib(pid)
                sender.release()
                found = wait_for_connections("remote", sink.port, number)
                full = process.private_mib(pid)
                sink.kill()
    return {"connections": found, "bytes_each": (full - rest) * 1048576 / max(1, found)}


def wait_for_connections(column, port, number, timeout=60):
    """The most connections seen until there are `number` or the time is over."""
    most, end = 0, time.monotonic() + timeout
    while most < number and time.monotonic() < end:
        most = max(most, established(column, port))
        time.sleep(0.2)
    return most


def established(column, port):
    """TCP connections with that port at one end: "local", the listener's, or "remote"."""
    # Not by the descriptors of a process: those of a ring are registered and not shown there.
    field, wanted = {"local": 1, "remote": 2}[column], f":{port:04X}"
    rows = (row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    # A set: a table that changes while it is read shows some connections twice.
    return len({(row[1], row[2]) for row in rows
                if row[field].endswith(wanted) and row[3] == "01"})


def micro_figures(program):
    done = subprocess.run([program, "--benchmark_format=json", "--benchmark_min_time=0.2"],
                          capture_output=True, text=True, check=True, timeout=600)
    figures = {}
    for row in json.loads(done.stdout)["benchmarks"]:
        scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[row["time_unit"]]
        figures[row["name"] + " ns"] = row["cpu_time"] * scale
        if "allocations" in row:
            figures[row["name"] + " allocations"] = row["allocations"]
    return figures
