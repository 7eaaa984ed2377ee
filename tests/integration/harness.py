"""What the integration tests share: programs started on free loopback ports in a folder of their
own, ended by their process ids, and waits that poll what is waited for and have an end.

RINGPOST_BIN names the folder of ringpostd, ringpost, ringpost-sink and ringpost-load.
"""

import csv
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("RINGPOST_BIN", ROOT / "build" / "release" / "bin"))
RECONCILE = ROOT / "scripts" / "reconcile"
ID_FIELD = b"X-Ringpost-Load-Id:"


def free_port():
    """A loopback port nobody uses, below the range the kernel gives to connecting sockets."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue
    raise RuntimeError("no free port")


def wait_until(condition, what, timeout=30, pause=0.02):
    """Polls `condition` until it gives something true, which is returned."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout} s for {what}")
        time.sleep(pause)


def answers(port, timeout=1):
    """Whether a server on the port says something that begins with 220."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
            client.settimeout(timeout)
            return client.recv(512).startswith(b"220")
    except OSError:
        return False


def established(connection):
    """Whether neither end of a TCP socket has closed it, as far as the kernel has heard."""
    try:
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0]
    except OSError:  # it was closed here
        return False
    return state == 1  # TCP_ESTABLISHED


def last_arrival(connection):
    """When the last octets came, or before any the connection itself, as time.monotonic() tells:
    by the kernel's clock of 4 ms or so, however late the thread that asks is."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)
    return time.monotonic() - int.from_bytes(told[52:], sys.byteorder) / 1000  # last_data_recv


def content_from_id(content):
    """What must be equal on both ends: the content from its id field on, lines ended by CRLF."""
    start = content.find(ID_FIELD)
    text = content[start if start >= 0 else 0:]
    text = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return text if text.endswith(b"\r\n") else text + b"\r\n"


class Program:
    """A process with its output in a file. stop() and kill() wait for its end."""

    def __init__(self, name, arguments, folder, environment=None):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.process = None
        self.arguments = [str(argument) for argument in arguments]
        self.environment = dict(os.environ, **(environment or {}))

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment)
        return self

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, timeout=60):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"{self.name} did not end in {timeout} s:\n{self.tail()}") from None

    def stop(self, timeout=30, number=signal.SIGTERM):
        """Asks the program to end; gives its exit code."""
        if self.running:
            self.process.send_signal(number)
        return self.wait(timeout) if self.process else None

    def kill(self):
        if self.running:
            self.process.kill()
        if self.process:
            self.process.wait(30)

    def tail(self, lines=25):
        return f"--- {self.name}\n" + "\n".join(self.output().splitlines()[-lines:])

    def check_running(self):
        if not self.running:
            raise RuntimeError(f"{self.name} ended by itself\n{self.tail()}")


class Sink(Program):
    """ringpost-sink with a record file."""

    def __init__(self, folder, *options, port=None, address="127.0.0.1", name="sink"):
        self.port = port or free_port()
        self.record = pathlib.Path(folder) / f"{name}.record"
        super().__init__(name, [BIN / "ringpost-sink", "--listen", f"{address}:{self.port}",
                                "--record", self.record, "--json", *options], folder)

    def start(self):
        super().start()
        wait_until(lambda: "listening on" in self.output() or not self.running, "the sink")
        self.check_running()
        return self

    def received(self):
        """Recorded deliveries so far."""
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def summary(self):
        """Stops the sink and gives its counters."""
        self.stop()
        return json.loads(self.output().splitlines()[-1])


def load(folder, port, *options, timeout=120):
    """Runs ringpost-load to its end; gives (exit code, summary, ledger)."""
    program = start_load(folder, port, *options)
    code = program.wait(timeout)
    lines = program.output().splitlines()
    if not lines or not lines[-1].startswith("{"):
        if code == 3:
            raise RuntimeError(f"nothing listened\n{program.tail()}")
        raise RuntimeError(program.tail())
    return code, json.loads(lines[-1]), program.ledger


def start_load(folder, port, *options):
    ledger = pathlib.Path(folder) / "ledger"
    program = Program("load", [BIN / "ringpost-load", "--to", f"127.0.0.1:{port}", "--json",
                               "--ledger", ledger, *options], folder)
    program.log = pathlib.Path(folder) / f"load.{time.monotonic_ns()}.log"
    program.ledger = ledger
    return program.start()


class Ringpostd(Program):
    """The daemon, its configuration and its spool."""

    def __init__(self, folder, configuration="", spool=None, sink_port=None, shards=2,
                 message_size="12M", segment_size="16M", reports=False, records="d,b,t",
                 sink_host="127.0.0.1"):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.control = self.folder / "control"
        self.accounting = self.folder / "acct.csv"
        self.spool = pathlib.Path(spool) if spool else self.folder / "spool"
        route = ""
        if sink_port:
            route = f"<domain *>\n  route [{sink_host}]:{sink_port}\n</domain>\n"
        self.configuration = (
            "host-name mta.test\n"
            f"smtp-listener 127.0.0.1:{self.port}\n"
            f"spool {self.spool}\n"
            f"control-socket {self.control}\n"
            f"shards {shards}\n"
            "total-max-smtp-in 5000\n"
            f"max-message-size {message_size}\n"
            f"spool-segment-size {segment_size}\n"
            f"<acct-file {self.accounting}>\n  records {records}\n</acct-file>\n"
            "<source 127.0.0.1>\n  always-allow-relaying yes\n"
            f"  suppress-local-dsn {'no' if reports else 'yes'}\n</source>\n"
            f"{route}{configuration}")
        self.file = self.folder / "ringpost.conf"
        super().__init__("ringpostd", [BIN / "ringpostd", "-c", self.file], folder)

    def start(self, wait=True):
        self.file.write_text(self.configuration)
        super().start()
        if wait:
            wait_until(lambda: self.ready() or not self.running, "ringpostd to be ready", 60)
            self.check_running()
        return self

    def command(self, *arguments, check=True):
        """Runs the command-line tool against this daemon; gives what it printed."""
        done = subprocess.run([BIN / "ringpost", *arguments, "--control", self.control],
                              capture_output=True, text=True, timeout=30, check=False)
        if check and done.returncode != 0:
            words = " ".join(str(one) for one in arguments)
            raise RuntimeError(f"ringpost {words}: {done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, *arguments):
        """Runs a command that must fail; gives what it complained of."""
        done = subprocess.run([BIN / "ringpost", *arguments, "--control", self.control],
                              capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0:
            raise RuntimeError(f"ringpost {' '.join(arguments)} was obeyed: {done.stdout}")
        return done.stderr

    def ready(self):
        if not self.control.exists():
            return False
        done = subprocess.run([BIN / "ringpost", "status", "--control", self.control],
                              capture_output=True, timeout=30, check=False)
        return done.returncode == 0

    def status(self):
        return json.loads(self.command("status", "--json"))

    def accounting_files(self):
        return sorted(path for path in self.accounting.parent.glob("acct*.csv*")
                      if path.suffix in (".csv", ".gz", ".zst"))

    def accounted(self):
        """All rows of the accounting files, as dictionaries."""
        rows = []
        for path in self.accounting_files():
            with open(path, newline="", errors="replace") as file:
                rows += list(csv.DictReader(file))
        return rows

    def final_row(self, recipient, timeout=30):
        """The one final accounting row of a recipient, once it is there."""
        def found():
            return [row for row in self.accounted()
                    if row["rcpt"] == recipient and row["type"] in ("d", "b")]
        rows = wait_until(found, f"the final row of {recipient}", timeout)
        if len(rows) != 1:
            raise AssertionError(f"{len(rows)} final rows of {recipient}")
        return rows[0]


def reconcile(ledger, record, accounting=(), duplicates_allowed=0, excused=None):
    """(whether all holds, summary) of scripts/reconcile; `record` is one file or several."""
    command = [RECONCILE, "--ledger", ledger, "--duplicates-allowed", str(duplicates_allowed)]
    for path in record if isinstance(record, (list, tuple)) else [record]:
        command += ["--record", path]
    for path in accounting:
        command += ["--accounting", path]
    if excused:
        command += ["--excused", excused]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return done.returncode == 0, json.loads(done.stdout)


def acknowledged(ledger):
    """Recipients of acknowledged messages in a ledger."""
    if not ledger.exists():
        return 0
    whole = ledger.read_text().split("\n")[:-1]  # the last line is being written
    return sum(len(line.split("\t")[4].split(",")) for line in whole
               if line.startswith("acked\t"))


def settled(sink, ledger, daemon, timeout=120):
    """Waits until all that was acknowledged has arrived and is accounted; what reconcile says."""
    result = (False, {})

    def whole():
        nonlocal result
        daemon.check_running()
        if sink.received() < acknowledged(ledger):
            return False
        result = reconcile(ledger, sink.record, daemon.accounting_files())
        told = result[1]
        return not told["missing"] and not told["without_one_final_row"]

    try:
        wait_until(whole, "delivery and accounting of all that was acknowledged", timeout, 0.2)
    except TimeoutError:
        result = reconcile(ledger, sink.record, daemon.accounting_files())
    return result


class PeerTest(unittest.TestCase):
    """A test with a folder of its own; what it starts is ended, and told about if it fails."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-test."))
        self.folder.chmod(0o755)
        self.programs = []
        self.addCleanup(self._clean)

    def started(self, program, *arguments, **named):
        self.programs.append(program)
        program.start(*arguments, **named)
        return program

    def _clean(self):
        for program in reversed(self.programs):
            try:
                program.stop(10)
            except (TimeoutError, OSError):
                program.kill()
        told = getattr(getattr(self, "_outcome", None), "result", None)
        failed = told is not None and any(
            test is self for test, _ in list(told.failures) + list(told.errors))
        if failed:
            for program in self.programs:
                print(program.tail())
        if failed and os.environ.get("RINGPOST_KEEP"):
            print(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def need(*names):
    """Fails a test where a peer is not installed; RINGPOST_SKIP_MISSING=1 skips it instead."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    missing = [name for name in names if not shutil.which(name, path=path)]
    if missing:
        text = f"not installed: {', '.join(missing)} (scripts/install-packages)"
        if os.environ.get("RINGPOST_SKIP_MISSING"):
            raise unittest.SkipTest(text)
        raise RuntimeError(text)


def need_root(why):
    if os.geteuid() != 0:
        raise unittest.SkipTest(f"needs root: {why}")


def need_ringpostd():
    missing = [name for name in ("ringpostd", "ringpost", "ringpost-sink", "ringpost-load")
               if not (BIN / name).exists()]
    if missing:
        raise RuntimeError(f"not built in {BIN}: {', '.join(missing)}")


def main():
    """Runs the tests of a file. 0: all passed; 77: nothing failed but something was skipped, which
    a runner must not show as passed; 1: something failed."""
    result = unittest.main(exit=False).result
    if not result.wasSuccessful() or result.testsRun == 0:
        sys.exit(1)
    for test, reason in result.skipped:
        print(f"SKIPPED {test.id()}: {reason}", file=sys.stderr)
    sys.exit(77 if result.skipped else 0)
