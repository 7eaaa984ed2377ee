#!/usr/bin/env python3
"""Host tuning on made-up trees of proc, sys and etc, and on the kernel's own files in a network
namespace of the test. Nothing of this host is changed."""

import contextlib
import errno
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from harness import ROOT, PeerTest, main, need_root

TUNING = ROOT / "tuning"
sys.path.insert(0, str(TUNING))
from host import commands, journal, machine, profile, report, rules  # noqa: E402
from host.tree import Tree  # noqa: E402

# What a kernel has where nobody changed anything.
SYSCTLS = {
    "kernel.io_uring_disabled": "0", "kernel.numa_balancing": "1", "kernel.osrelease": "6.1.0-1",
    "kernel.random.boot_id": "11111111-1111", "fs.nr_open": "1048576",
    "fs.file-max": "9223372036854775807", "net.core.somaxconn": "4096",
    "net.core.default_qdisc": "pfifo_fast", "net.core.netdev_max_backlog": "1000",
    "net.core.netdev_budget": "300", "net.core.netdev_budget_usecs": "2000",
    "net.core.rps_sock_flow_entries": "0", "net.ipv4.tcp_max_syn_backlog": "1024",
    "net.ipv4.tcp_syncookies": "1", "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.ip_local_reserved_ports": "", "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_fin_timeout": "60", "net.ipv4.tcp_max_tw_buckets": "16384",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304", "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_congestion_control": "reno", "net.ipv4.tcp_slow_start_after_idle": "1",
    "net.ipv4.tcp_mtu_probing": "0", "net.ipv4.tcp_window_scaling": "1",
    "net.ipv4.tcp_timestamps": "1", "net.ipv4.tcp_sack": "1", "net.ipv4.conf.all.rp_filter": "1",
    "net.ipv6.route.max_size": "4096", "vm.swappiness": "60", "vm.dirty_background_bytes": "0",
    "vm.dirty_background_ratio": "10", "vm.dirty_bytes": "0", "vm.dirty_ratio": "20",
    "vm.max_map_count": "65530", "vm.zone_reclaim_mode": "0", "vm.min_free_kbytes": "45056",
}
LIMITS = ("Limit                     Soft Limit           Hard Limit           Units\n"
          "Max open files            1024                 {}                files\n"
          "Max locked memory         {}              {}              bytes\n")
UNIT = "/usr/lib/systemd/system/ringpostd.service"


class Host:
    """A made-up host below a folder."""

    def __init__(self, folder, cores=4, gib=16, speed=1000, queues=4, nodes=1, virtual=False):
        self.root = pathlib.Path(folder)
        for key, value in SYSCTLS.items():
            self.put("/proc/sys/" + key.replace(".", "/"), value + "\n")
        self.put("/proc/meminfo", f"MemTotal:       {gib * (1 << 20)} kB\n"
                 "HugePages_Total:       0\nHugepagesize:       2048 kB\n")
        self.put("/proc/cpuinfo", f"processor\t: 0\nflags\t\t: fpu{' hypervisor' * virtual}\n")
        self.put("/proc/self/limits", LIMITS.format(1024, 8388608, 8388608))
        self.put("/proc/self/mountinfo",
                 "25 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n"
                 "26 25 0:40 / /var/log/ringpost rw - tmpfs tmpfs rw,size="
                 f"{gib << 18}k\n")
        self.put("/proc/net/fib_trie", "     |-- 192.0.2.1\n        /32 host LOCAL\n"
                 "     |-- 127.0.0.1\n        /32 host LOCAL\n")
        self.put("/proc/net/softnet_stat", "000000ff 00000000 00000000\n")
        self.put("/sys/devices/system/cpu/online", f"0-{cores - 1}\n")
        each = cores // nodes
        for node in range(nodes):
            self.put(f"/sys/devices/system/node/node{node}/cpulist",
                     f"{node * each}-{(node + 1) * each - 1}\n")
        self.put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
        self.put("/sys/kernel/mm/transparent_hugepage/defrag",
                 "[always] defer defer+madvise madvise never\n")
        clock = "/sys/devices/system/clocksource/clocksource0"
        self.put(f"{clock}/current_clocksource", "tsc\n")
        self.put(f"{clock}/available_clocksource", "tsc hpet\n")
        for cpu in (0, 1):
            self.put(f"/sys/devices/system/cpu/cpufreq/policy{cpu}/scaling_governor", "powersave\n")
        self.disk("nvme0n1", "259:0", "259:1", "0", "[bfq] none mq-deadline\n")
        self.disk("sda", "8:0", "8:1", "1", "[none] mq-deadline bfq\n")
        self.card("eth0", speed, queues, cores, nodes - 1)
        self.put("/etc/sysctl.d/10-other.conf", "kernel.printk = 3\n")
        self.put("/etc/systemd/system/some.service", "[Service]\n")
        self.put(UNIT, "[Service]\nExecStart=/usr/sbin/ringpostd\n")
        self.put("/var/lib/other", "")

    def put(self, name, text, mode=0o644):
        path = self.root / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def get(self, name):
        return (self.root / name[1:]).read_text()

    def disk(self, name, number, part_number, rotational, scheduler):
        base = f"/sys/devices/pci/{name}"
        self.put(f"{base}/queue/rotational", rotational + "\n")
        self.put(f"{base}/queue/scheduler", scheduler)
        self.put(f"{base}/queue/rq_affinity", "1\n")
        self.put(f"{base}/{name}p1/partition", "1\n")
        self.link(f"/sys/block/{name}", f"../devices/pci/{name}")
        self.link(f"/sys/dev/block/{number}", f"../../devices/pci/{name}")
        self.link(f"/sys/dev/block/{part_number}", f"../../devices/pci/{name}/{name}p1")

    def card(self, name, speed, queues, cores, node):
        device = f"/sys/devices/pci/0000:{name}"
        self.put(f"{device}/numa_node", f"{node}\n")
        base = f"/sys/class/net/{name}"
        self.put(f"{base}/speed", f"{speed}\n")
        self.link(f"{base}/device", f"../../../devices/pci/0000:{name}")
        rows = "            CPU0\n  5:   1   IO-APIC   5-edge   ACPI:Ged\n"
        for queue in range(queues):
            self.put(f"{base}/queues/rx-{queue}/rps_cpus", "0\n")
            self.put(f"{base}/queues/rx-{queue}/rps_flow_cnt", "0\n")
            self.put(f"{base}/queues/tx-{queue}/xps_cpus", "0\n")
            self.put(f"/proc/irq/{40 + queue}/smp_affinity_list", f"0-{cores - 1}\n")
            self.put(f"{device}/msi_irqs/{40 + queue}", "msix\n")
            rows += f" {40 + queue}:   7   PCI-MSI   {queue}-edge   {name}-TxRx-{queue}\n"
        self.put(f"{device}/msi_irqs/60", "msix\n")
        self.put("/proc/irq/60/smp_affinity_list", "0\n")
        self.put("/proc/interrupts", rows + f" 60:   7   PCI-MSI   60-edge   {name}-async\n")

    def link(self, name, target):
        path = self.root / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def program(self, name, text):
        self.put(f"/usr/sbin/{name}", "#!/bin/sh\n" + text, 0o755)

    def set(self, key, value):
        self.put("/proc/sys/" + key.replace(".", "/"), value + "\n")

    def snapshot(self):
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_symlink():
                found[name] = ("link", os.readlink(path))
            elif path.is_dir():
                found[name] = ("folder", path.stat().st_mode)
            else:
                found[name] = ("file", path.stat().st_mode, path.read_bytes())
        return found


def big(folder):
    return Host(folder, cores=16, gib=64, speed=25000, queues=8, nodes=2)


def run(command, host, *arguments, tree=None):
    """(exit code, what a program said) on a made-up host."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command(["--root", str(host.root), *arguments], tree=tree)
    return code, said.getvalue()


class Ending(Tree):
    """A tree whose process ends, as by kill -9, at step number `last`; or half way through it."""

    def __init__(self, root, last, torn):
        super().__init__(root)
        self.last, self.torn, self.count = last, torn, 0

    def step(self, what):
        self.count += 1
        if self.count == self.last and not (self.torn and what == "append"):
            os._exit(9)

    def _append(self, file, data):
        self.step("append")
        if self.count == self.last and self.torn:
            os.write(file, data[:len(data) // 2])
            os._exit(9)
        os.write(file, data)


def killed_at(command, host, step, torn, *arguments):
    """Runs a program that dies at a step; whether it lived to its end."""
    child = os.fork()
    if child == 0:
        try:
            run(command, host, *arguments, tree=Ending(str(host.root), step, torn))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Refusing(Tree):
    """A kernel that refuses values for some files."""

    def __init__(self, root, *names, error=errno.EINVAL):
        super().__init__(root)
        self.names, self.error = names, error

    def write_value(self, name, text):
        if name.endswith(self.names):
            raise OSError(self.error, os.strerror(self.error))
        super().write_value(name, text)


class TuningTest(PeerTest):
    def setUp(self):
        # The made-up trees are synced at each step: in memory that costs nothing.
        memory = "/dev/shm"
        usable = os.access(memory, os.W_OK) and not os.statvfs(memory).f_flag & os.ST_NOEXEC
        with mock.patch.object(tempfile, "tempdir", memory if usable else tempfile.tempdir):
            super().setUp()

    def assert_same(self, before, host):
        after = host.snapshot()
        wrong = {name: (before.get(name), after.get(name)) for name in {*before, *after}
                 if before.get(name) != after.get(name)}
        self.assertEqual({}, wrong)


class Programs(TuningTest):
    def whole_way(self, host, *options):
        before = host.snapshot()
        code, said = run(commands.check, host, *options)
        self.assertNotEqual(0, code, said)
        arguments = [*options, "--irq"]
        code, said = run(commands.apply, host, *arguments)
        self.assertEqual(0, code, said)
        self.assertNotIn("by hand", said)
        code, said = run(commands.check, host)
        self.assertEqual(0, code, said)
        self.assertIn("grade A", said)
        applied = host.snapshot()
        code, said = run(commands.apply, host)
        self.assertEqual(0, code)
        self.assertIn("nothing to change", said)
        self.assert_same(applied, host)
        code, said = run(commands.revert, host)
        self.assertEqual(0, code, said)
        self.assert_same(before, host)

    def test_default_there_and_back(self):
        self.whole_way(Host(self.folder), "--profile", "default")

    def test_dedicated_there_and_back(self):
        self.whole_way(big(self.folder), "--profile", "dedicated-10g")

    def test_small_vm_there_and_back(self):
        self.whole_way(Host(self.folder, cores=2, gib=2, queues=1, virtual=True), "--profile",
                       "small-vm")

    def test_values_that_are_better_already_are_kept(self):
        host = Host(self.folder)
        host.set("net.core.somaxconn", "65535")
        host.set("net.ipv4.tcp_wmem", "4096\t65536\t1048576")
        self.assertEqual(0, run(commands.apply, host)[0])
        self.assertEqual("65535\n", host.get("/proc/sys/net/core/somaxconn"))
        self.assertEqual("4096 65536 4194304\n", host.get("/proc/sys/net/ipv4/tcp_wmem"))
        lines = host.get("/etc/sysctl.d/90-ringpost.conf")
        self.assertIn("-net.ipv4.tcp_wmem = 4096 65536 4194304\n", lines)
        self.assertNotIn("somaxconn", lines)
        self.assertIn("nothing to change", run(commands.apply, host)[1])

    def test_what_was_in_our_place_comes_back_with_its_mode(self):
        host = Host(self.folder)
        host.put("/etc/sysctl.d/90-ringpost.conf", "vm.swappiness = 7\n", 0o600)
        before = host.snapshot()
        self.assertEqual(0, run(commands.apply, host)[0])
        self.assertEqual(0, run(commands.revert, host)[0])
        self.assert_same(before, host)

    def test_dry_runs_change_nothing(self):
        host = big(self.folder)
        before = host.snapshot()
        code, said = run(commands.apply, host, "--irq", "--dry-run")
        self.assertEqual(0, code, said)
        self.assertIn("would set /proc/sys/vm/swappiness = 1", said)
        run(commands.plan_irq, host)
        run(commands.check, host, "--json")
        run(commands.revert, host, "--dry-run")
        self.assert_same(before, host)
        run(commands.apply, host)
        applied = host.snapshot()
        code, said = run(commands.revert, host, "--dry-run")
        self.assertEqual(0, code)
        self.assertIn("would restore /proc/sys/vm/swappiness  (back to 60)", said)
        self.assert_same(applied, host)

    def test_unknown_keys_are_said_and_passed_over(self):
        host = big(self.folder)
        for name in ("kernel/io_uring_disabled", "net/ipv4/tcp_mtu_probing", "vm/max_map_count"):
            (host.root / "proc/sys" / name).unlink()
        before = host.snapshot()
        code, said = run(commands.apply, host)
        self.assertEqual(0, code, said)
        code, said = run(commands.check, host, "--json")
        found = {item["name"]: item["state"] for item in json.loads(said)["items"]}
        self.assertEqual(0, code)
        self.assertEqual("absent", found["vm.max_map_count"])
        self.assertNotIn("max_map_count", host.get("/etc/sysctl.d/90-ringpost.conf"))
        run(commands.revert, host)
        self.assert_same(before, host)

    def test_refused_values_are_said_and_the_rest_is_done(self):
        host = Host(self.folder)
        before = host.snapshot()
        tree = Refusing(str(host.root), "tcp_mtu_probing")
        code, said = run(commands.apply, host, tree=tree)
        self.assertEqual(1, code, said)
        self.assertRegex(said, r"REFUSED \S+tcp_mtu_probing = 1  \(the kernel says: Invalid")
        self.assertEqual("10\n", host.get("/proc/sys/vm/swappiness"))
        self.assertEqual(1, run(commands.check, host)[0])
        self.assertEqual(0, run(commands.revert, host)[0])
        self.assert_same(before, host)

    def test_a_refused_need_is_exit_code_2(self):
        host = Host(self.folder)
        host.set("kernel.io_uring_disabled", "2")
        code, said = run(commands.check, host)
        self.assertEqual(2, code)
        self.assertIn("grade D", said)
        tree = Refusing(str(host.root), "io_uring_disabled", error=errno.EPERM)
        self.assertEqual(2, run(commands.apply, host, tree=tree)[0])

    def test_a_refused_word_says_what_else_would_do(self):
        host = Host(self.folder)
        tree = Refusing(str(host.root), "default_qdisc", error=errno.ENOENT)
        said = run(commands.apply, host, tree=tree)[1]
        self.assertIn("No such file or directory; as good: fq_codel", said)
        host.set("net.core.default_qdisc", "fq_codel")
        self.assertEqual(0, run(commands.check, host)[0])

    def test_a_value_the_kernel_makes_another_of_is_refused(self):
        class Rounding(Tree):
            def write_value(self, name, text):
                super().write_value(name, "300\n" if name.endswith("max_map_count") else text)

        host = Host(self.folder)
        code, said = run(commands.apply, host, tree=Rounding(str(host.root)))
        self.assertEqual(1, code)
        self.assertIn("the kernel made 300 of it", said)

    def test_a_refused_restore_keeps_the_state(self):
        host = Host(self.folder)
        before = host.snapshot()
        run(commands.apply, host)
        code, said = run(commands.revert, host, tree=Refusing(str(host.root), "swappiness"))
        self.assertEqual(2, code, said)
        self.assertIn("REFUSED /proc/sys/vm/swappiness", said)
        self.assertEqual(0, run(commands.revert, host)[0])
        self.assert_same(before, host)

    def test_without_a_state_nothing_is_changed(self):
        class Full(Tree):
            def _append(self, file, data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        host = Host(self.folder)
        before = host.snapshot()
        code, said = run(commands.apply, host, tree=Full(str(host.root)))
        self.assertEqual(2, code)
        self.assertIn("stopped after 0 of", said)
        self.assertIn("No space left", said)
        self.assertEqual(0, run(commands.revert, host)[0])
        self.assert_same(before, host)

    def test_values_that_the_kernel_ties_together(self):
        class Tied(Tree):
            def write_value(self, name, text):
                other = {"dirty_bytes": "dirty_ratio", "dirty_ratio": "dirty_bytes"}
                base = name.rpartition("/")[2]
                if base == "dirty_bytes" and text.strip() == "0":
                    raise OSError(errno.EINVAL, "Invalid argument")
                super().write_value(name, text)
                if base in other:
                    super().write_value(f"/proc/sys/vm/{other[base]}", "0\n")

        host = Host(self.folder)
        before = host.snapshot()
        tree = Tied(str(host.root))
        self.assertEqual(0, run(commands.apply, host, tree=tree)[0])
        self.assertEqual("0\n", host.get("/proc/sys/vm/dirty_ratio"))
        self.assertEqual(0, run(commands.revert, host, tree=tree)[0])
        self.assert_same(before, host)

    def test_another_profile_needs_a_revert_first(self):
        host = big(self.folder)
        run(commands.apply, host, "--profile", "default")
        applied = host.snapshot()
        code, said = run(commands.apply, host, "--profile", "dedicated-10g")
        self.assertEqual(2, code)
        self.assertIn("run revert first", said)
        self.assert_same(applied, host)

    def test_two_at_once(self):
        host = Host(self.folder)
        run(commands.apply, host)
        applied = host.snapshot()
        held = Tree(str(host.root))
        self.assertTrue(held.lock(journal.FOLDER))
        self.addCleanup(held.unlock)
        code, said = run(commands.revert, host)
        self.assertEqual(2, code)
        self.assertIn("another apply or revert is at work", said)
        self.assert_same(applied, host)

    def test_after_a_restart_of_the_host(self):
        host = big(self.folder)
        before = host.snapshot()
        run(commands.apply, host)
        # Other numbers for the interrupts, values of sysctl.d set again, the rest as at first.
        host.set("kernel.random.boot_id", "22222222-2222")
        for number in range(40, 48):
            host.put(f"/proc/irq/{number}/smp_affinity_list", "3\n")
        host.put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
        self.assertEqual(0, run(commands.revert, host)[0])
        self.assertEqual("3\n", host.get("/proc/irq/40/smp_affinity_list"))
        self.assertEqual("60\n", host.get("/proc/sys/vm/swappiness"))
        # What apply finds after a restart is what revert has to give back.
        host.put("/proc/sys/kernel/random/boot_id", "11111111-1111\n")
        run(commands.apply, host)
        host.set("kernel.random.boot_id", "33333333-3333")
        host.put("/proc/irq/41/smp_affinity_list", "5\n")
        run(commands.apply, host)
        self.assertNotEqual("5\n", host.get("/proc/irq/41/smp_affinity_list"))
        run(commands.revert, host)
        self.assertEqual("5\n", host.get("/proc/irq/41/smp_affinity_list"))
        self.assertIn("etc/sysctl.d/10-other.conf", before)

    def test_a_damaged_state_is_not_guessed_at(self):
        host = Host(self.folder)
        run(commands.apply, host)
        path = host.root / journal.NAME[1:]
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:3]) + "{nonsense\n" + "".join(lines[3:]))
        applied = host.snapshot()
        code, said = run(commands.revert, host)
        self.assertEqual(2, code)
        self.assertIn("state:4 is damaged", said)
        self.assert_same(applied, host)

    def test_links_out_of_the_tree_are_not_followed(self):
        host = Host(self.folder / "tree")
        outside = self.folder / "outside"
        outside.write_text("60\n")
        inside = host.root / "proc/sys/vm/swappiness"
        inside.unlink()
        inside.symlink_to(outside)
        code, said = run(commands.apply, host)
        self.assertEqual(1, code)
        self.assertIn("REFUSED /proc/sys/vm/swappiness", said)
        self.assertEqual("60\n", outside.read_text())

    def test_usage_faults_are_one_clear_error(self):
        host = Host(self.folder)
        for arguments, part in ((["--profile", "huge"], "no profile 'huge'; there are: default"),
                                (["--skip", "vm.none"], "has no setting 'vm.none'"),
                                (["--ring-cores", "x"], "names no cores"),
                                (["--ring-cores", "2-9"], "not all of 2-9 are online"),
                                (["--config", "/etc/none"], "there is no")):
            code, said = run(commands.check, host, *arguments)
            self.assertEqual(2, code, said)
            self.assertIn(part, said)
            self.assertEqual(1, said.count("\n"), said)

    def test_what_is_skipped_is_left(self):
        host = Host(self.folder)
        arguments = ("--skip", "vm.swappiness", "--skip", "transparent huge pages")
        self.assertEqual(0, run(commands.apply, host, *arguments)[0])
        self.assertEqual("60\n", host.get("/proc/sys/vm/swappiness"))
        code, said = run(commands.check, host)  # the state file remembers what to skip
        self.assertEqual(0, code, said)

    def test_the_scripts_themselves(self):
        host = Host(self.folder)
        before = host.snapshot()
        for name, code in (("check", 1), ("plan-irq", 0), ("apply", 0), ("check", 0),
                           ("revert", 0)):
            done = subprocess.run([TUNING / name, "--root", host.root], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        self.assert_same(before, host)


class Interruptions(TuningTest):
    def test_apply_killed_at_every_step(self):
        host = Host(self.folder)
        host.program("nft", 'if [ "$1" = list ]; then exit 1; fi; cat >/dev/null; exit 0\n')
        host.set("net.netfilter.nf_conntrack_count", "5")
        host.set("net.netfilter.nf_conntrack_max", "262144")
        before = host.snapshot()
        steps = 0
        for torn in (False, True):
            for step in range(1, 500):
                lived = killed_at(commands.apply, host, step, torn, "--irq", "--notrack")
                self.assertEqual(0, run(commands.revert, host)[0])
                self.assert_same(before, host)
                if lived:
                    break
                steps += 1
        self.assertGreater(steps, 100)

    def test_apply_killed_and_repeated(self):
        host = Host(self.folder)
        before = host.snapshot()
        torn_lines = 0
        for step in range(3, 500, 5):
            lived = killed_at(commands.apply, host, step, True, "--irq")
            state = host.root / journal.NAME[1:]
            torn_lines += state.exists() and not state.read_text().endswith("\n")
            code, said = run(commands.apply, host, "--irq")
            self.assertEqual(0, code, said)
            self.assertEqual(0, run(commands.check, host)[0])
            self.assertEqual(0, run(commands.revert, host)[0])
            self.assert_same(before, host)
            if lived:
                break
        self.assertGreater(torn_lines, 5)

    def test_revert_killed_at_every_step(self):
        host = Host(self.folder)
        before = host.snapshot()
        for step in range(1, 500):
            run(commands.apply, host, "--irq")
            lived = killed_at(commands.revert, host, step, False)
            self.assertEqual(0, run(commands.revert, host)[0])
            self.assert_same(before, host)
            if lived:
                break
        self.assertGreater(step, 20)

    def test_a_torn_line_is_cut_before_the_next(self):
        (self.folder / "state").write_text("one\ntorn and longer than what follows")
        Tree(str(self.folder)).append_line("/state", "two")
        self.assertEqual("one\ntwo\n", (self.folder / "state").read_text())

    def test_an_interrupt_says_how_far_it_came(self):
        class Stopping(Tree):
            def write_value(self, name, text):
                if name.endswith("vm/swappiness"):
                    raise KeyboardInterrupt
                super().write_value(name, text)

        host = Host(self.folder)
        before = host.snapshot()
        code, said = run(commands.apply, host, tree=Stopping(str(host.root)))
        self.assertEqual(2, code)
        self.assertRegex(said, r"stopped after [1-9]\d* of \d+ changes: interrupted")
        run(commands.revert, host)
        self.assert_same(before, host)


class Checks(TuningTest):
    def item(self, host, name, *arguments):
        code, said = run(commands.check, host, "--json", *arguments)
        found = [one for one in json.loads(said)["items"] if one["name"] == name]
        self.assertEqual(1, len(found), f"{name}: {code} {said}")
        return found[0]

    def test_the_profile_follows_the_machine(self):
        for number, (host, name) in enumerate((
                (dict(cores=16, gib=64, speed=10000), "dedicated-10g"),
                (dict(cores=4, gib=64, speed=10000), "default"),
                (dict(cores=2, gib=4, speed=-1, virtual=True), "small-vm"),
                (dict(cores=2, gib=4, speed=1000), "default"))):
            made = Host(self.folder / str(number), **host)
            self.assertEqual(name, json.loads(run(commands.check, made, "--json")[1])["profile"])

    def test_a_file_that_wins_at_boot(self):
        host = Host(self.folder)
        run(commands.apply, host)
        host.put("/etc/sysctl.d/99-tuned.conf",
                 "# x\nvm.swappiness=90\nnet/core/somaxconn = 8192\n")
        found = self.item(host, "vm.swappiness at boot")
        self.assertIn("90 by /etc/sysctl.d/99-tuned.conf", found["found"])
        code, said = run(commands.check, host)
        self.assertEqual(1, code)
        self.assertNotIn("somaxconn at boot", said)

    def test_flushes_switched_off(self):
        host = Host(self.folder)
        host.put("/proc/self/mountinfo",
                 "25 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw,barrier=0\n")
        self.assertEqual(2, run(commands.check, host)[0])
        self.assertEqual("off on /", self.item(host, "disk flushes")["found"])

    def test_the_disk_of_the_spool_alone(self):
        host = Host(self.folder)
        host.put("/etc/ringpost/ringpost.conf", "host-name a\nspool /var/spool/ringpost # here\n"
                 "shards 3\nsmtp-listener 0.0.0.0:20025\n<acct-file /var/log/ringpost/a.csv>\n")
        code, said = run(commands.check, host)
        self.assertIn("solid state nvme0n1", said)
        self.assertNotIn("sda", said)
        self.assertEqual(1, code)
        found = self.item(host, "net.ipv4.ip_local_reserved_ports")
        self.assertEqual("with 20025", found["wanted"])
        run(commands.apply, host)
        self.assertEqual("20025\n", host.get("/proc/sys/net/ipv4/ip_local_reserved_ports"))
        plan = json.loads(run(commands.plan_irq, host, "--json")[1])
        self.assertEqual([0, 1, 2], plan["ring_cores"])
        self.assertEqual([3], plan["card_cores"])

    def test_ports_and_sources(self):
        host = big(self.folder)
        found = self.item(host, "connections to one receiver")
        self.assertEqual("differs", found["state"])
        self.assertIn("28232 ports, 1 source;", found["found"])
        host.put("/etc/ringpost.conf", "smtp-source-host 192.0.2.7 a.example.com\n"
                 "smtp-source-host 192.0.2.8 b.example.com\n")
        self.assertEqual("ok", self.item(host, "connections to one receiver")["state"])

    def test_limits_of_the_unit_and_of_the_running_daemon(self):
        host = Host(self.folder)
        host.put(UNIT, "[Service]\nLimitNOFILE=1000:2000\nLimitMEMLOCK=infinity\n")
        self.assertEqual("2000", self.item(host, "limit nofile")["found"])
        self.assertEqual("ok", self.item(host, "limit memlock")["state"])
        run(commands.apply, host)
        file = "/etc/systemd/system/ringpostd.service.d/50-tuning.conf"
        self.assertIn("\nLimitNOFILE=262144\n", host.get(file))
        self.assertNotIn("MEMLOCK", host.get(file))
        self.assertEqual("ok", self.item(host, "limit nofile")["state"])
        host.put("/proc/77/comm", "ringpostd\n")
        host.put("/proc/77/limits", LIMITS.format(2000, "unlimited", "unlimited"))
        found = self.item(host, "limit nofile")
        self.assertEqual(("differs", "2000 (ringpostd 77)", "restart ringpostd"),
                         (found["state"], found["found"], found["remedy"]))

    def test_clock_irqbalance_huge_pages_tmpfs(self):
        host = big(self.folder)
        base = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        host.put(base, "hpet\n")
        self.assertEqual("differs", self.item(host, "clock source")["state"])
        host.put("/proc/88/comm", "irqbalance\n")
        self.assertEqual("running", self.item(host, "irqbalance")["found"])
        host.put("/proc/meminfo", f"MemTotal: {64 << 20} kB\nHugePages_Total: 8192\n"
                 "Hugepagesize: 2048 kB\n")
        self.assertEqual("differs", self.item(host, "reserved huge pages")["state"])
        self.assertEqual("16384 MiB", self.item(host, "tmpfs /var/log/ringpost")["found"])
        host.put("/proc/net/softnet_stat", "000000ff 0000000a 0\n000000ff 00000001 0\n")
        self.assertEqual("11", self.item(host, "backlog drops")["found"])

    def test_port_25_out_of_connection_tracking(self):
        host = big(self.folder)
        host.set("net.netfilter.nf_conntrack_count", "5")
        host.set("net.netfilter.nf_conntrack_max", "2000000")
        loaded = host.root / "loaded"
        host.program("nft", f'case "$1" in list) test -e {loaded};; -f) cat >{loaded};;'
                     f' delete) rm {loaded};; esac\n')
        before = host.snapshot()
        code, said = run(commands.apply, host)
        self.assertIn("apply --notrack", said)
        self.assertFalse(loaded.exists())
        code, said = run(commands.apply, host, "--notrack")
        self.assertEqual(0, code, said)
        self.assertIn("tcp dport 25 notrack", loaded.read_text())
        self.assertEqual(0, run(commands.check, host)[0])
        self.assertEqual(0, run(commands.revert, host)[0])
        self.assert_same(before, host)

    def test_without_nft_it_is_refused(self):
        host = big(self.folder)
        host.set("net.netfilter.nf_conntrack_count", "5")
        host.set("net.netfilter.nf_conntrack_max", "2000000")
        code, said = run(commands.apply, host, "--notrack")
        self.assertEqual(1, code)
        self.assertIn("nft is not installed", said)


class Interrupts(TuningTest):
    def plan(self, host, *arguments):
        return json.loads(run(commands.plan_irq, host, "--json", *arguments)[1])

    def test_ring_cores_are_left_alone(self):
        host = big(self.folder)
        plan = self.plan(host)
        self.assertEqual(list(range(14)), plan["ring_cores"])
        self.assertEqual(14, plan["shards"])
        values = {step["path"]: step["value"] for step in plan["steps"]}
        placed = {value for path, value in values.items() if path.startswith("/proc/irq/")}
        self.assertEqual({"14", "15"}, placed)
        self.assertNotIn("/proc/irq/60/smp_affinity_list", values)
        self.assertNotIn("/proc/irq/5/smp_affinity_list", values)
        # Eight queues for two cores: nothing to share out in software.
        self.assertEqual("0", values["/sys/class/net/eth0/queues/rx-0/rps_cpus"])
        self.assertEqual("101", values["/sys/class/net/eth0/queues/tx-0/xps_cpus"])
        covered = sum(int(value, 16) for path, value in values.items() if "xps" in path)
        self.assertEqual(0xFFFF, covered)

    def test_cores_of_the_cards_node(self):
        host = big(self.folder)
        plan = self.plan(host, "--ring-cores", "0-5,8-13")
        placed = {step["value"] for step in plan["steps"] if "/irq/" in step["path"]}
        self.assertEqual({"14", "15"}, placed)  # the card is on node 1, cores 8 to 15
        plan = self.plan(host, "--ring-cores", "8-15")
        self.assertIn("node 1, where no core is free", plan["notes"][0])

    def test_where_every_core_has_a_ring_packets_are_steered(self):
        host = Host(self.folder, cores=4, queues=2)
        values = {step["path"]: step["value"] for step in self.plan(host)["steps"]}
        self.assertEqual("f", values["/sys/class/net/eth0/queues/rx-1/rps_cpus"])
        self.assertEqual("16384", values["/sys/class/net/eth0/queues/rx-1/rps_flow_cnt"])
        self.assertEqual("32768", values["/proc/sys/net/core/rps_sock_flow_entries"])

    def test_masks(self):
        for cpus in ([], [0], [0, 1, 31], [32], [0, 33, 64], list(range(200))):
            self.assertEqual(cpus, machine.mask_cpus(machine.cpu_mask(cpus)))
            self.assertEqual(cpus, machine.cpu_list(machine.cpu_ranges(cpus)))
        self.assertEqual("2,00000001", machine.cpu_mask([0, 33]))
        self.assertEqual([0, 1], machine.mask_cpus("00000000,00000003"))

    def test_a_virtual_card(self):
        host = Host(self.folder, cores=2, queues=1)
        (host.root / "sys/class/net/eth0/device").unlink()
        host.put("/sys/devices/pci/0000:00:04.0/virtio3/features", "\n")
        for number in (41, 42, 43):
            host.put(f"/sys/devices/pci/0000:00:04.0/msi_irqs/{number}", "msix\n")
            host.put(f"/proc/irq/{number}/smp_affinity_list", "0-1\n")
        host.link("/sys/class/net/eth0/device", "../../../devices/pci/0000:00:04.0/virtio3")
        host.put("/proc/interrupts",
                 " 41:  1  0  PCI-MSIX-0000:00:04.0   0-edge      virtio3-config\n"
                 " 42:  1  0  PCI-MSIX-0000:00:04.0   1-edge      virtio3-input.0\n"
                 " 43:  1  0  PCI-MSIX-0000:00:04.0   2-edge      virtio3-output.0\n"
                 "NMI:  0  0  Non-maskable interrupts\n")
        paths = [step["path"] for step in self.plan(host)["steps"] if "/irq/" in step["path"]]
        self.assertEqual(["/proc/irq/42/smp_affinity_list", "/proc/irq/43/smp_affinity_list"],
                         paths)


class Measuring(TuningTest):
    """tuning/measure with a benchmark that only says how swappy it found the host."""

    def measure(self, host, *options, bench=None):
        bench_file = self.folder / "bench"
        bench_file.write_text(bench or (
            "#!/bin/sh\nfor last; do :; done\n"
            f"printf '{{\"runs\": [{{\"figures\": {{\"messages_per_second\": %s, "
            f"\"cpu_us\": 2}}}}]}}' $(cat {host.root}/proc/sys/vm/swappiness) >$last.json\n"))
        bench_file.chmod(0o755)
        done = subprocess.run([TUNING / "measure", "--root", host.root, "--bench", bench_file,
                               "--profile", "default", *options], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout + done.stderr

    def test_before_and_after(self):
        host = Host(self.folder / "tree")
        before = host.snapshot()
        code, said = self.measure(host)
        self.assertEqual(0, code, said)
        self.assertRegex(said, r"messages_per_second +60\.0 +10\.0 +0\.17")
        self.assert_same(before, host)

    def test_it_reverts_when_the_benchmark_fails(self):
        host = Host(self.folder / "tree")
        before = host.snapshot()
        bench = f"#!/bin/sh\nfor last; do :; done\nif grep -q 60 {host.root}/proc/sys/vm/swappin" \
                "ess; then echo '{\"runs\": []}' >$last.json; else exit 3; fi\n"
        code, said = self.measure(host, bench=bench)
        self.assertEqual(2, code, said)
        self.assert_same(before, host)

    def test_a_tuned_host_is_no_before(self):
        host = Host(self.folder / "tree")
        run(commands.apply, host)
        applied = host.snapshot()
        code, said = self.measure(host)
        self.assertEqual(2, code)
        self.assertIn("run revert first", said)
        self.assert_same(applied, host)

    def test_it_may_stay_tuned(self):
        host = Host(self.folder / "tree")
        self.assertEqual(0, self.measure(host, "--keep")[0])
        self.assertEqual("10\n", host.get("/proc/sys/vm/swappiness"))


class Profiles(unittest.TestCase):
    def test_every_profile_is_sound_and_says_why(self):
        self.assertEqual(["default", "dedicated-10g", "small-vm"], profile.names())
        for name in profile.names():
            loaded = profile.load(name)
            self.assertGreater(len(loaded.settings), 30)
            for setting in loaded.settings:
                self.assertLess(len(setting["why"]), 110, setting.name)
                # A manual page, an RFC, or a file of the kernel's documentation.
                self.assertRegex(setting["source"], r"Linux [a-zA-Z0-9/_-]+|RFC \d+|\w\(\d\)")

    def test_faults_in_a_profile_are_named(self):
        head = "[profile]\ntitle = x\n"
        good = "matters = useful\nwhy = w\nsource = RFC 1\n"
        for text, part in (("[sysctl a.b]\nwant = 1\n", "lacks 'matters'"),
                           (f"[sysctl a.b]\n{good}", "neither want nor choose"),
                           (f"[thing a]\n{good}", "of no kind"),
                           (f"[sysctl a.b]\nwant = disk * 2\n{good}", "'disk' is neither a number"),
                           (f"[sysctl a.b]\nwant = open('x')\n{good}", "neither a number"),
                           (f"[sysctl a.b]\nwant = 1\naccept = more\n{good}", "no comparison"),
                           (f"[sysctl a]\nwant = 1, 2\naccept = exactly, exactly, exactly\n{good}",
                            "2 values and 3 comparisons"),
                           (f"[sysctl a]\nwant = 1\ncolour = red\n{good}", "lines: colour"),
                           ("[sysctl a.b]\nno sign\n", "no sign")):
            with mock.patch.object(pathlib.Path, "read_text", return_value=head + text):
                with self.assertRaisesRegex(profile.ProfileError, re.escape(part)):
                    profile.load("default")

    def test_values_from_memory(self):
        facts = {"memory": 8 << 30, "cores": 4, "addresses": 1}
        self.assertEqual([4096, 1 << 27], rules.numbers("4096, clamp(memory // 64, 8M, 1G)", facts))
        rule = rules.Numbers("10, 20", "at most, at least", facts)
        self.assertTrue(rule.holds("9\t21"))
        self.assertFalse(rule.holds("11 21"))
        self.assertFalse(rule.holds("9"))
        self.assertEqual("9 20", rule.value("9 1"))

    def test_the_table_in_the_documentation_is_current(self):
        path = ROOT / "docs" / "tuning.md"
        text = path.read_text()
        self.assertEqual(report.put_into(text), text,
                         "run tuning/table --write docs/tuning.md")


NAMESPACE = """
set -e
mount --bind /proc/sys/net "$1/proc/sys/net"
values() { for file in $2; do cat "$1/proc/sys/$file" 2>/dev/null || echo none; done; }
values "$1" "$3" >"$1/before"
tuning() { "$2/$3" --root "$1" ${4:-} >"$1/$5" 2>&1 && echo 0 || echo $?; }
tuning "$1" "$2" apply "--profile=$4" said-apply
values "$1" "$3" >"$1/applied"
tuning "$1" "$2" check "" said-check
tuning "$1" "$2" apply "" said-again
tuning "$1" "$2" revert "" said-revert
values "$1" "$3" >"$1/after"
"""


class Kernel(TuningTest):
    """The kernel's own files, in a network namespace, below a made-up tree for the rest."""

    def in_namespace(self, name):
        need_root("network and mount namespaces")
        host = Host(self.folder)
        keys = sorted({setting.name.replace(".", "/") for one in profile.names()
                       for setting in profile.load(one).settings
                       if setting.kind == "sysctl" and setting.name.startswith("net.")})
        here = [pathlib.Path("/proc/sys", key) for key in keys]
        before = [path.read_bytes() for path in here if path.exists()]
        done = subprocess.run(
            ["unshare", "--net", "--mount", "--propagation", "private", "bash", "-c", NAMESPACE,
             "bash", host.root, TUNING, " ".join(keys), name],
            capture_output=True, text=True, check=False)
        if "unshare failed" in done.stderr or "permission denied" in done.stderr:
            self.skipTest(f"no namespaces here: {done.stderr.strip()}")
        self.assertEqual("", done.stderr)
        after = [path.read_bytes() for path in here if path.exists()]
        self.assertEqual(before, after, "the host itself was changed")
        return host, done.stdout.split()

    def test_there_and_back(self):
        host, codes = self.in_namespace("default")
        self.assertEqual(["0", "0", "0", "0"], codes, host.get("/said-apply"))
        self.assertIn("nothing to change", host.get("/said-again"))
        self.assertEqual(host.get("/before"), host.get("/after"))
        self.assertNotEqual(host.get("/before"), host.get("/applied"))
        self.assertIn("set     /proc/sys/net/ipv4/tcp_tw_reuse = 1", host.get("/said-apply"))

    def test_what_the_kernel_refuses_there(self):
        """A namespace may not write the size of the table of tracked connections."""
        if not os.path.exists("/proc/sys/net/netfilter/nf_conntrack_max"):
            self.skipTest("connection tracking is not loaded")
        host, codes = self.in_namespace("dedicated-10g")
        said = host.get("/said-apply")
        self.assertEqual("2", codes[0], said)
        self.assertRegex(said, r"REFUSED \S+nf_conntrack_max = \d+  \(the kernel says: \w+")
        self.assertIn("set     /proc/sys/net/ipv4/tcp_wmem = 4096 65536 16777216", said)
        self.assertEqual("0", codes[3], host.get("/said-revert"))
        self.assertEqual(host.get("/before"), host.get("/after"))


if __name__ == "__main__":
    main()
