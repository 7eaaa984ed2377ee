#!/usr/bin/env python3
"""The Debian package: what is in it; and its life on a host of its own, which is this one seen
through an overlay, without network: installed, first day as docs/operations.md tells it, upgraded
over a spool with mail, removed, purged."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BIN, ROOT, PeerTest, main, need, need_ringpostd, need_root

LIFE = ROOT / "tests" / "integration" / "package_life.sh"

# Stands for systemd in there: knows what the unit files say and does it.
SYSTEMCTL = r"""#!/usr/bin/env python3
import os, re, signal, subprocess, sys, time
UNITS, PID = "/usr/lib/systemd/system/", "/run/ringpost.pid"
def settings(unit):
    return dict(re.findall(r"^(\w+)=(.*)$", open(UNITS + unit).read(), re.M))
def start(unit):
    has = settings(unit)
    if unit.endswith(".mount"):
        os.makedirs(has["Where"], exist_ok=True)
        subprocess.check_call(["mount", "-t", has["Type"], "-o", has["Options"], "tmpfs",
                               has["Where"]])
        return
    user = ["runuser", "-u", has["User"], "--"]
    os.makedirs("/run/" + has["RuntimeDirectory"], exist_ok=True)
    subprocess.check_call(["chown", has["User"], "/run/" + has["RuntimeDirectory"]])
    subprocess.check_call(user + has["ExecStartPre"].split(), stdout=subprocess.DEVNULL)
    log = open("/run/ringpost.log", "ab")
    child = subprocess.Popen(user + has["ExecStart"].split(), stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log, start_new_session=True)
    open(PID, "w").write(str(child.pid))
    for _ in range(3000):
        if subprocess.call(["ringpost", "status"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL) == 0:
            return
        if child.poll() is not None:
            break
        time.sleep(0.02)
    sys.exit("ringpostd did not start:\n" + open("/run/ringpost.log").read())
def tell(number):
    # runuser waits for the daemon, which is its child.
    pid = subprocess.check_output(["pgrep", "-P", open(PID).read()], text=True).strip()
    os.kill(int(pid), number)
    return pid
def stop():
    pid = tell(signal.SIGTERM)
    while os.path.exists("/proc/" + pid):
        time.sleep(0.02)
verb, units = sys.argv[1], [word for word in sys.argv[2:] if not word.startswith("-")]
for unit in units:
    if verb in ("enable", "start"):
        start(unit)
    elif verb == "reload":
        tell(signal.SIGHUP)
    elif verb in ("stop", "restart"):
        stop()
        if verb == "restart":
            start(unit)
    else:
        sys.exit("systemctl " + verb)
"""

OWN_HOST = r"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind /dev dev
ip link set lo up
echo force-unsafe-io >etc/dpkg/dpkg.cfg.d/overlay  # nothing in here is to last
mkdir tmp/first && cp "$2"/*.deb tmp/
cat >usr/bin/systemctl.new && chmod 755 usr/bin/systemctl.new
mv usr/bin/systemctl.new usr/bin/systemctl
exec chroot . sh -c "$3"
"""


def package(folder, *options):
    built = subprocess.run([ROOT / "scripts" / "package", "--build", BIN.parent, "--out", folder,
                            *options], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(built.stdout + built.stderr)
    return pathlib.Path(built.stdout.splitlines()[-1])


def first_day():
    """The shell blocks of the runbook's first day, in their order."""
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.split("## First day", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def with_version(file, version, folder):
    """The same package, told to be another one."""
    tree = folder / version
    subprocess.check_call(["dpkg-deb", "-R", file, tree])
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*", f"Version: {version}", control.read_text(),
                              flags=re.M))
    target = folder / f"ringpost_{version}_test.deb"
    subprocess.check_call(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, target],
                          stdout=subprocess.DEVNULL)
    return target


class Package(PeerTest):
    @classmethod
    def setUpClass(cls):
        need_ringpostd()
        need("dpkg-deb", "dpkg-shlibdeps")
        cls.built = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-package."))
        cls.addClassCleanup(shutil.rmtree, cls.built)
        cls.file = package(cls.built)

    def test_it_holds_what_a_host_needs(self):
        file = self.file
        listed = subprocess.check_output(["dpkg-deb", "-c", file], text=True).splitlines()
        paths = {line.split()[5].removeprefix(".") for line in listed}
        self.assertEqual({"root/root"}, {line.split()[1] for line in listed})
        for path in ("/usr/sbin/ringpostd", "/usr/bin/ringpost", "/etc/ringpost/ringpost.conf",
                     "/etc/cron.d/ringpost-acct", "/etc/pam.d/ringpost",
                     "/usr/lib/ringpost/ringpost-pam", "/usr/lib/systemd/system/ringpost.service",
                     "/usr/lib/systemd/system/ringpost-acct-flush.timer",
                     "/usr/lib/systemd/system/var-lib-ringpost-acct.mount",
                     "/usr/share/man/man8/ringpostd.8.gz", "/usr/share/man/man1/ringpost.1.gz",
                     "/usr/share/man/man5/ringpost.conf.5.gz",
                     "/usr/share/bash-completion/completions/ringpost",
                     "/usr/share/ringpost/tuning/check", "/usr/share/doc/ringpost/operations.md"):
            self.assertIn(path, paths)
        root = self.folder / "unpacked"
        subprocess.check_call(["dpkg-deb", "-x", file, root])
        for path in [*(root / "usr/lib").rglob("*"), *(root / "etc").rglob("*")]:
            if path.suffix in (".service", ".timer", ".mount") or path.name == "ringpost-acct":
                self.assertNotRegex(path.read_text(), r"@[A-Z]+@", path)
        subprocess.check_call(["bash", "-n",
                               root / "usr/share/bash-completion/completions/ringpost"])
        done = subprocess.run([BIN / "ringpost", "check", "config", "--strict",
                               root / "etc/ringpost/ringpost.conf"], check=False,
                              capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        fields = subprocess.check_output(["dpkg-deb", "-f", file], text=True)
        self.assertIn("liburing2", fields)

    def on_own_host(self, script):
        mount = self.folder / "host"
        mount.mkdir()
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c",
             OWN_HOST, "sh", mount, self.folder, script], input=SYSTEMCTL, capture_output=True,
            text=True, timeout=280, check=False)
        if "mount: " in done.stderr and "overlay" in done.stderr:
            raise unittest.SkipTest("this kernel does not let an overlay be mounted here")
        self.assertEqual(0, done.returncode, done.stdout[-4000:] + done.stderr[-4000:])
        return done.stdout

    def test_it_lives_from_installation_to_purge(self):
        need_root("mounts")
        need("swaks", "ip", "runuser")
        with_version(self.file, "0.1.0", self.folder)
        with_version(self.file, "0.1.1", self.folder)
        script = "set -ex; export LC_ALL=C; cd /tmp; mv ringpost_0.1.1_*.deb first/\n"
        script += "mv ringpost_0.1.0_test.deb ringpost_0.1.0_amd64.deb\n"
        script += "\n".join(first_day())
        script += f"\necho FIRST DAY DONE\n{LIFE.read_text()}\nlife\nend\necho ALL DONE\n"
        told = self.on_own_host(script)
        self.assertIn("FIRST DAY DONE", told)
        self.assertIn("ALL DONE", told)

    def test_cmake_installs_below_a_prefix(self):
        root = self.folder / "root"
        done = subprocess.run(["cmake", "--install", BIN.parent, "--prefix", "/opt/ringpost"],
                              env=dict(os.environ, DESTDIR=str(root)), capture_output=True,
                              text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        unit = (root / "opt/ringpost/lib/systemd/system/ringpost.service").read_text()
        self.assertIn("ExecStart=/opt/ringpost/sbin/ringpostd -c /opt/ringpost/etc/ringpost/"
                      "ringpost.conf\n", unit)
        self.assertTrue(os.access(root / "opt/ringpost/bin/ringpost", os.X_OK))


if __name__ == "__main__":
    main()
