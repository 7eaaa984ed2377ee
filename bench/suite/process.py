"""What a process and its children use: CPU time, memory, flushes of the disk."""

import os
import pathlib
import time


def family(pid):
    """A process and all its living descendants."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        left += children.get(one, [])
    return found


def cpu_seconds(pids):
    """CPU of processes, their descendants, and those of them that have ended."""
    ticks, seconds = 0, 0.0
    for one in {each for pid in pids for each in family(pid)}:
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            # The clock of all its threads (clock_getcpuclockid), since ticks are too coarse.
            seconds += time.clock_gettime(~one << 3 | 2)
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[13:15])
    return seconds + ticks / os.sysconf("SC_CLK_TCK")


def last_processor():
    """The number of the last processor this process may use."""
    return max(os.sched_getaffinity(0))


def pss_mib(pids):
    """Memory of processes and their descendants, shared pages counted once."""
    total = 0
    for one in {each for pid in pids for each in family(pid)}:
        try:
            text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def private_mib(pid):
    """Memory of one process that it shares with nobody and no file, in MiB."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines()
               if line.startswith("Anonymous:")) / 1024


def disk_flushes(folder):
    """Flush requests the device below `folder` has finished since boot; None if it counts none."""
    device = os.stat(folder).st_dev
    path = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for stat in (path / "stat", path / ".." / "stat"):  # a partition has no count of its own
        try:
            fields = stat.read_text().split()
        except OSError:
            continue
        if len(fields) >= 17 and int(fields[15]):
            return int(fields[15])
    return None


def drop_page_cache():
    """What is read next comes from the disk. Needs root, and a kernel that lets it."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
