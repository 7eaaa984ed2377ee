"""Sending with and without a copy over a path that allows the latter, to find the size from which
it pays. The daemon and its generator are at one end, the sink at the other."""

import json

import harness
import uncopied
from suite import process, relay

SIZES = (4096, 8192, 16384, 32768, 65536, 1048576)
NEVER = "2G"


def drained(maker, disk, size, messages, zero_copy):
    """CPU time of the daemon for each message of a queue that goes to the far end. One shard on the
    first processor; receiving, which copies, and the sink are on the last one."""
    with relay.folder_on(disk) as folder, uncopied.Path() as path:
        path.receive_on(process.last_processor())
        sink = harness.Program("sink", path.far(
            "taskset", "-c", process.last_processor(), harness.BIN / "ringpost-sink", "--listen",
            f"{uncopied.FAR}:2525", "--json", "--quit-after", messages), folder)
        threshold = "0" if zero_copy else NEVER
        with relay.ended(sink.start()):
            harness.wait_until(lambda: "listening on" in sink.output(), "the sink")
            with relay.ended(maker(folder, 2525, sink_host=uncopied.FAR, shards=1, hold=True,
                                   extra=f"zero-copy-threshold {threshold}")) as sender:
                sender.start()
                shape = relay.Shape(size=size, connections=8, domains=8)
                with relay.ended(relay.start_load(folder, sender, messages, shape)) as generator:
                    relay.told_by(generator, 120)
                cpu = process.cpu_seconds(sender.pids())
                sender.release()
                sink.wait(120)
                cpu = process.cpu_seconds(sender.pids()) - cpu
                sunk = json.loads(sink.output().splitlines()[-1])
                sends, copied = notices(sender.daemon, messages if zero_copy else 0)
    if zero_copy and sends < messages / 5:
        raise RuntimeError(f"{sends} of {messages} sent without a copy, {copied} copied")
    return {"cpu_us": cpu / messages * 1e6,
            "first_to_last_per_second": sunk["messages_per_second"],
            "megabytes_per_second": sunk["messages_per_second"] * size / 1e6,
            "uncopied": sends, "copied": copied}


def notices(daemon, expected):
    """Zero-copy sends the kernel has told about; content goes plainly where notices are late."""
    totals = {}

    def steady():
        before = dict(totals)
        totals.update(daemon.status()["totals"])
        names = ("zero_copy_sends", "zero_copy_copied")
        return (not expected or totals["zero_copy_sends"]) and all(
            totals[name] == before.get(name) for name in names)
    harness.wait_until(steady, "the kernel's notices", 20, 0.2)
    return totals["zero_copy_sends"], totals["zero_copy_copied"]
