"""What was measured where: enough to tell two reports apart."""

import datetime
import os
import pathlib
import platform
import subprocess

import harness


def said(*command):
    """The first line a command prints; nothing if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def describe(disk):
    processor = next((line.split(":", 1)[1].strip() for line in
                      pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    release = dict(line.split("=", 1) for line in
                   pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {
        "date": datetime.date.today().isoformat(),
        "name": platform.node(),
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "kernel": platform.release(),
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "file_system": said("findmnt", "-no", "FSTYPE,SOURCE", "-T", disk),
        "compiler": said("c++", "--version"),
        "openssl": said("openssl", "version"),
        "commit": said("git", "-C", str(harness.ROOT), "describe", "--always", "--dirty"),
    }
