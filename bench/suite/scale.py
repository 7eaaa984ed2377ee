"""What shards share, what that costs, and what follows for more of them than this machine has.

The model: a message costs c(n) = c(1) + (1 - 1/n) a of CPU on n shards, since with n of them the
queue of a message has its home on another shard than its spool in (n - 1) of n cases. a is the
larger of what the letters of such a message cost by their parts and twice what two shards cost more
than one end to end. n cores, one shard each, then carry n / c(n) messages a second, while the log
writer, one thread for all, and the disk keep up: what they would have to do stands beside."""

import json
import re
import statistics
import subprocess

import harness
from suite import relay

SHARDS = (1, 2, 4, 8, 16, 32, 64)
BACKLOGS = {"1,000 recipients in 1,000 queues": "1000/1000",
            "1,000,000 in 1,000 queues": "1000000/1000",
            "5,000,000 in 1,000 queues": "5000000/1000",
            "100,000 in 100,000 queues": "100000/100000",
            "1,000,000 in 100,000 queues": "1000000/100000",
            "5,000,000 in 100,000 queues": "5000000/100000"}
PARTS = {"letter, one core": "BM_Letter/64", "letter from another core": "BM_LetterFromAnotherCore",
         "letter there and back": "BM_LetterThereAndBack",
         "look at the boxes of 2": "BM_LookAtEmptyBoxes/2",
         "look at the boxes of 64": "BM_LookAtEmptyBoxes/64", "parcel": "BM_Parcel"}
PERMITS = {f"{what}, {shards} {'shard' if shards == 1 else 'shards'}, "
           f"{'one queue' if queues == 1 else '100,000 queues'}": f"{name}/{shards}/{queues}"
           for what, name in (("connection permit, lease in hand", "BM_ConnectionPermit"),
                              ("ten permits of a shared rate at their owner",
                               "BM_SharedRatePermit"))
           for queues in (1, 100000) for shards in (1, 2, 8, 64)} | {
    "permit of a queue's own rate, one queue": "BM_RatePermit/1",
    "permit of a queue's own rate, 100,000 queues": "BM_RatePermit/100000"}
SIZE = 4096
OVERHEAD = 1.07  # of the spool's bytes over the content's: record, batch and journal


def parts(program, pattern, seconds=0.2):
    """Figures of one benchmark program: {name: {"ns", counters}}."""
    done = subprocess.run([harness.BIN / program, "--benchmark_format=json",
                           f"--benchmark_filter={pattern}", f"--benchmark_min_time={seconds}"],
                          capture_output=True, text=True, check=True, timeout=900)
    figures = {}
    for row in json.loads(done.stdout)["benchmarks"]:
        name = row["name"].removesuffix("/real_time").split("/iterations")[0]
        time = row["real_time"] if row["name"].endswith("real_time") else row["cpu_time"]
        figures[name] = {"nanoseconds": time} | {
            key: row[key] for key in ("bytes_each", "admission_ns", "allocations") if key in row}
    return figures


def backlog(arguments):
    (figures,) = parts("schedule_bench", f"BM_Backlog/{arguments}/").values()
    return figures


def letters():
    """{shards: {"letters"}} a message, of whole simulated machines."""
    done = subprocess.run([harness.BIN / "sim_scale"], capture_output=True, text=True, check=True,
                          timeout=300)
    found = re.findall(r"(\d+) shards: ([\d.]+) letters", done.stdout)
    return {int(shards): {"letters": float(number)} for shards, number in found}


def cost(maker, disk, messages, shards):
    """CPU seconds a message end to end: the middle one of three runs."""
    runs = [relay.end_to_end(maker(shards), disk, messages, relay.Shape())["cpu_us"]
            for _ in range(3)]
    return statistics.median(runs) / 1e6


class Scale:
    """Measures once what the rows of the report then show."""

    def __init__(self, maker, disk, messages):
        self.maker = maker
        self.disk = disk
        self.messages = messages
        self.known = {}

    def measured(self, name, measure):
        if name not in self.known:
            self.known[name] = measure()
        return self.known[name]

    def letter_parts(self):
        return self.measured("parts", lambda: parts("loop_bench", "."))

    def part(self, name):
        return self.letter_parts()[name]

    def permit(self, name):
        return self.measured("permits", lambda: parts("schedule_bench", "Permit"))[name]

    def letters_of(self, shards):
        return self.measured("letters", letters)[shards]

    def away_cost(self):
        """Seconds that a message costs more whose queue has its home elsewhere, and c(1)."""
        one = self.measured("one", lambda: cost(self.maker, self.disk, self.messages, 1))
        two = self.measured("two", lambda: cost(self.maker, self.disk, self.messages, 2))
        most = self.measured("letters", letters)
        each = self.letter_parts()
        by_parts = (most[64]["letters"] / (63 / 64) *
                    (each["BM_LetterFromAnotherCore"]["nanoseconds"] +
                     each["BM_Letter/64"]["nanoseconds"]) + each["BM_Parcel"]["nanoseconds"]) / 1e9
        return max(by_parts, 2 * (two - one)), one

    def predicted(self, shards):
        away, one = self.away_cost()
        each = one + (1 - 1 / shards) * away
        rate = shards / each
        writer = self.measured("writer", row_cost)
        return {"messages_per_second": rate, "cpu_us": each * 1e6,
                "share_percent": 100 * one / each, "disk_mb": rate * SIZE * OVERHEAD / 1e6,
                "writer_percent": 100 * rate * writer}


def row_cost():
    """Seconds of the log writer for a row of one file."""
    (row,) = parts("account_bench", "write_records/files:1/", 1).values()
    return row["nanoseconds"] / 1e9
