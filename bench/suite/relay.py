"""One run: generator, one MTA, sink, all on this machine; what came of it as a dictionary."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import harness
from suite import process


@contextlib.contextmanager
def folder_on(disk):
    """A folder for one run on the measured disk, readable for the users that MTAs change to."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-bench.", dir=disk))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def ended(program):
    """Ends what was started, whatever happens."""
    try:
        yield program
    finally:
        try:
            program.stop(60)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            program.kill()


def certificate(folder):
    """A PEM of key and certificate for both ends."""
    pem, part = folder / "tls.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", pem, "-out", part, "-days",
                    "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + part.read_text())
    return pem


def kind_of(make):
    """The class behind a maker."""
    return getattr(make, "func", make)


def acks(kind):
    return ["--quick-acks"] if kind and kind.wants_quick_acks else []


def start_sink(folder, kind, *options):
    """The sink for a kind of sender."""
    options = [*options, *acks(kind)]
    port = harness.free_port()
    sink = harness.Program("sink", [harness.BIN / "ringpost-sink", "--listen", f"127.0.0.1:{port}",
                                    "--json", *options], folder)
    sink.port = port
    sink.start()
    harness.wait_until(lambda: "listening on" in sink.output(), "the sink")
    return sink


def start_load(folder, sender, messages, shape, *options, pipelining="next"):
    """The generator; `shape` has size, connections, domains and perhaps tls."""
    program = harness.Program("load", [
        harness.BIN / "ringpost-load", "--to", f"127.0.0.1:{sender.port}", "--json", "-n", messages,
        "--size", shape.size, "-c", shape.connections, "--domains", shape.domains,
        "--pipelining", pipelining, *(["--tls"] if shape.tls else []), *acks(type(sender)),
        *options], folder)
    return program.start()


class Shape:
    """What is sent, and how."""

    def __init__(self, size=4096, connections=32, domains=50, tls=False):
        self.size = size
        self.connections = connections
        self.domains = domains
        self.tls = tls


def told_by(generator, timeout):
    """The generator's own summary; it must have been given a 250 for every message."""
    if generator.wait(timeout) != 0:
        raise RuntimeError(generator.tail())
    return json.loads(generator.output().splitlines()[-1])


def end_to_end(make, disk, messages, shape, sink_options=(), limit=300):
    """From the first connection of the generator to the last message at the sink."""
    with folder_on(disk) as folder:
        tls = certificate(folder) if shape.tls else None
        if tls:
            sink_options = [*sink_options, "--tls", tls]
        # Without a record: what it costs to keep one is not the MTA's.
        with ended(start_sink(folder, kind_of(make), "--quit-after", messages,
                              *sink_options)) as sink:
            with ended(make(folder, sink.port, tls=tls)) as sender:
                sender.start()
                cpu = process.cpu_seconds(sender.pids())
                begun = time.monotonic()
                with ended(start_load(folder, sender, messages, shape)) as generator:
                    sink.wait(limit)
                    seconds = time.monotonic() - begun
                    cpu = process.cpu_seconds(sender.pids()) - cpu
                    memory = process.pss_mib(sender.pids())
                    told = told_by(generator, 60)
            others = told["cpu_seconds"] + json.loads(sink.output().splitlines()[-1])["cpu_seconds"]
        return {"messages_per_second": messages / seconds,
                "accepted_per_second": told["messages_per_second"],
                "cpu_us": cpu / messages * 1e6, "others_cpu_us": others / messages * 1e6,
                "pss_mib": memory,
                "reply_p50_us": told["latency_us"]["p50"],
                "reply_p99_us": told["latency_us"]["p99"],
                "megabytes_per_second": messages * int(shape.size) / seconds / 1e6}


def ingest(make, disk, messages, shape, limit=300):
    """Taking mail that is not delivered yet, then its delivery: {ingest}, {drain}."""
    with folder_on(disk) as folder:
        tls = certificate(folder) if shape.tls else None
        with ended(start_sink(folder, kind_of(make), "--quit-after", messages)) as sink:
            with ended(make(folder, sink.port, tls=tls, hold=True)) as sender:
                sender.start()
                cpu = process.cpu_seconds(sender.pids())
                with ended(start_load(folder, sender, messages, shape)) as generator:
                    told = told_by(generator, limit)
                cpu_in = process.cpu_seconds(sender.pids())
                begun = time.monotonic()
                sender.release()
                sink.wait(limit)
                seconds = time.monotonic() - begun
                sunk = json.loads(sink.output().splitlines()[-1])
                cpu_out = process.cpu_seconds(sender.pids())
        into = {"messages_per_second": told["messages_per_second"],
                "cpu_us": (cpu_in - cpu) / messages * 1e6,
                "reply_p50_us": told["latency_us"]["p50"],
                "reply_p99_us": told["latency_us"]["p99"]}
        out = {"messages_per_second": messages / seconds,
               "first_to_last_per_second": sunk["messages_per_second"],
               "cpu_us": (cpu_out - cpu_in) / messages * 1e6 if sender.drains_itself else None}
        return into, out


def distance(make, disk, milliseconds, least=20, window=1, sink_options=(), limit=120):
    """Messages a second on one connection to a receiver that answers late, over the whole run and
    over its latter half, by when a sender knows its receiver; round trips a message in that."""
    messages = max(least, 5_000 // milliseconds * window)
    with folder_on(disk) as folder:
        record = folder / "record"
        with ended(start_sink(folder, kind_of(make), "--quit-after", messages, "--latency",
                              milliseconds, "--record", record, "--times",
                              *sink_options)) as sink:
            with ended(make(folder, sink.port, connections=1)) as sender:
                sender.start()
                shape = Shape(connections=8, domains=1)
                with ended(start_load(folder, sender, messages, shape)) as generator:
                    sink.wait(limit)
                    told_by(generator, 60)
                sunk = json.loads(sink.output().splitlines()[-1])
        if sunk["connections"] > messages / 2:
            return {"connections": sunk["connections"]}  # one a message: none has a rate
        times = sorted(int(line.split("\t")[4]) for line in record.read_text().splitlines())
        half = times[len(times) // 2:]
        rate = (messages - 1) / sunk["active_seconds"] / sunk["connections"]
        steady = (len(half) - 1) * 1e9 / (half[-1] - half[0]) / sunk["connections"]
        return {"per_connection_per_second": rate, "steady_per_second": steady,
                "connections": sunk["connections"], "round_trips": 1000 / milliseconds / steady}


def latency(make, disk, rate, seconds, connections, limit=120):
    """Final dot to 250 and 250 to delivered, at a given rate."""
    messages = max(100, int(rate * seconds))
    with folder_on(disk) as folder:
        record, ledger = folder / "record", folder / "ledger"
        with ended(start_sink(folder, kind_of(make), "--quit-after", messages, "--record", record,
                              "--times")) as sink:
            with ended(make(folder, sink.port)) as sender:
                sender.start()
                shape = Shape(connections=connections)
                with ended(start_load(folder, sender, messages, shape, "--rate", rate,
                                      "--ledger", ledger, "--times")) as generator:
                    sink.wait(limit)
                    told = told_by(generator, 60)
        acked = {}
        for line in ledger.read_text().splitlines():
            fields = line.split("\t")
            acked[fields[1]] = int(fields[5])
        # A message can be delivered before the generator has read its 250.
        waits = [max(0, int(fields[4]) - acked[fields[0]]) / 1e3 for fields in
                 (line.split("\t") for line in record.read_text().splitlines())
                 if fields[0] in acked]
        cuts = statistics.quantiles(waits, n=100)
        return {"rate": rate, "reply_p50_us": told["latency_us"]["p50"],
                "reply_p99_us": told["latency_us"]["p99"], "delivered_p50_us": cuts[49],
                "delivered_p99_us": cuts[98]}


def checked(make, disk, messages, shape, limit=120):
    """Every message once, whole; and how often the disk was flushed for one message at a time."""
    with folder_on(disk) as folder:
        tls = certificate(folder) if shape.tls else None
        record, ledger = folder / "record", folder / "ledger"
        more = ["--tls", tls] if tls else []
        with ended(start_sink(folder, kind_of(make), "--record", record, *more)) as sink:
            with ended(make(folder, sink.port, tls=tls)) as sender:
                sender.start()
                with ended(start_load(folder, sender, messages, shape, "--ledger",
                                      ledger)) as generator:
                    told_by(generator, limit)

                def arrived():
                    return record.exists() and record.read_bytes().count(b"\n") >= messages
                harness.wait_until(arrived, "all messages", limit, 0.1)
                time.sleep(0.2)  # a second delivery would come now
                flushes = process.disk_flushes(disk)
                alone = Shape(connections=1, domains=1, tls=shape.tls)
                with ended(start_load(folder, sender, 50, alone, "--ledger",
                                      folder / "second", pipelining="none")) as generator:
                    told_by(generator, limit)
                if flushes is not None:
                    flushes = (process.disk_flushes(disk) - flushes) / 50
                whole, summary = harness.reconcile(ledger, record)
        # The fifty of the second generator are foreign to this ledger.
        told = {key: summary[key] for key in ("missing", "damaged", "duplicates")}
        return {"exactly_once": not any(told.values()), **told, "flushes_per_message": flushes}


def seconds_to_first_reply(make, disk):
    """From exec of the binary to 250 of EHLO, empty queue."""
    with folder_on(disk) as folder:
        sender = make(folder, harness.free_port())
        daemon = sender.daemon
        daemon.file.write_text(daemon.configuration)
        begun = time.monotonic()
        with ended(daemon):
            daemon.start(wait=False)
            while time.monotonic() - begun < 30:
                try:
                    with socket.create_connection(("127.0.0.1", daemon.port), timeout=5) as client:
                        stream = client.makefile("rb")
                        stream.readline()
                        client.sendall(b"EHLO bench.example\r\n")
                        if stream.readline().startswith(b"250"):
                            return time.monotonic() - begun
                except OSError:
                    time.sleep(0.001)
        raise RuntimeError(daemon.tail())


def disk_rate(disk, megabytes=512):
    """Megabytes a second into a growing file, synced at the end."""
    block = bytes(range(256)) * 4096
    with folder_on(disk) as folder, open(folder / "file", "wb", buffering=0) as file:
        begun = time.monotonic()
        for _ in range(megabytes):
            file.write(block)
        subprocess.run(["sync", "-d", folder / "file"], check=True)
        return megabytes * len(block) / (time.monotonic() - begun) / 1e6


def synced_append(disk, pause=0.0, count=400, size=8192):
    """Microseconds of one durable write into a file filled with zeroes before: what the commit of
    a message of 4 KiB and its record is. `pause`: seconds between writes, in which disk and
    processor fall asleep as they do between the messages of an idle MTA."""
    with folder_on(disk) as folder, open(folder / "file", "wb", buffering=0) as file:
        file.write(bytes(count * size))
        os.fsync(file.fileno())
        block, times = [b"x" * size], []
        for number in range(count):
            time.sleep(pause)
            begun = time.monotonic()
            os.pwritev(file.fileno(), block, number * size, os.RWF_DSYNC)
            times.append((time.monotonic() - begun) * 1e6)
        cuts = statistics.quantiles(times, n=100)
        return {"commit_p50_us": cuts[49], "commit_p99_us": cuts[98]}
