#!/usr/bin/env python3
"""Kills and power cuts under load: nothing acknowledged is lost, nothing arrives twice unmarked.

KILLS and CUTS in the environment change how many of each; the defaults are the promise.
"""

import array
import fcntl
import os
import pathlib
import random
import subprocess
import sys
import time
import unittest

from harness import (PeerTest, Ringpostd, Sink, acknowledged, need, need_ringpostd, need_root,
                     settled, start_load, wait_until)

KILLS = int(os.environ.get("KILLS", "20"))
CUTS = int(os.environ.get("CUTS", "10"))

# EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32), and its flag that drops what the journal has not yet.
EXT4_IOC_SHUTDOWN = 0x8004587D
GOING_FLAGS_NOLOGFLUSH = 2

CONFIGURATION = ("journal-max 64M\nspool-spare 2\n"
                 "<domain *>\n  retry-after 1s\n  retry-recipients-after 1s\n</domain>\n")


class CrashTest(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.chance = random.Random(int(os.environ.get("SEED", "7")))

    def begin_load(self, daemon):
        program = start_load(self.folder, daemon.port, "-n", "0", "--duration", "600", "--rate",
                             "3000", "-c", "20", "--size", "100-20000", "--domains", "20",
                             "--allow-failures", "--give-up", "60", "--pipelining", "next")
        self.programs.append(program)
        return program

    def run_for_a_while(self, generator):
        """Until some more is acknowledged, then a random moment longer."""
        begun = acknowledged(generator.ledger)
        wait_until(lambda: acknowledged(generator.ledger) > begun + 50, "acknowledgements", 60)
        time.sleep(self.chance.uniform(0, 0.25))  # the moment of the crash is what is drawn

    def finish(self, generator, sink, daemon):
        generator.stop(90)
        ok, told = settled(sink, generator.ledger, daemon, 180)
        print(f"{self.id()}: {told}")
        self.assertTrue(ok, told)
        self.assertGreater(told["acknowledged"], 1000)


class Kills(CrashTest):
    def test_kill_under_load(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=sink.port))
        generator = self.begin_load(daemon)
        for _ in range(KILLS):
            self.run_for_a_while(generator)
            daemon.kill()
            daemon.start()
        self.finish(generator, sink, daemon)


class PowerCuts(CrashTest):
    def setUp(self):
        need_root("mounts a file system")
        need("mkfs.ext4", "losetup", "mount")
        super().setUp()
        self.mount_point = self.folder / "disk"
        self.mount_point.mkdir()
        image = self.folder / "image"
        with open(image, "wb") as file:
            file.truncate(1 << 30)
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
        self.run_tool("umount", self.mount_point)
        self.run_tool("mount", "-o", "noatime", self.device, self.mount_point)

    def test_power_cut_under_load(self):
        sink = self.started(Sink(self.folder))
        daemon = self.started(Ringpostd(self.folder, CONFIGURATION, sink_port=sink.port,
                                        spool=pathlib.Path(self.mount_point) / "spool"))
        generator = self.begin_load(daemon)
        for _ in range(CUTS):
            self.run_for_a_while(generator)
            self.cut_power(daemon)
            daemon.start()
        self.finish(generator, sink, daemon)

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


if __name__ == "__main__":
    sys.exit(unittest.main())
