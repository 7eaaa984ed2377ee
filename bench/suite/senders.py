"""The MTAs that are measured beside each other, each as one class: the same port on loopback, one
sink as next hop for every domain, its queue in a folder of its own on the measured disk, no
limit below what it can do. `hold` keeps what comes in the queue until release() is called."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import harness
import peers
from suite import haraka
from suite.process import family

AWAY = harness.ROOT / "build" / "peers"
DKIM_DOMAIN = "load.example"
DKIM_SELECTOR = "bench"


def make_key(folder, kind="rsa"):
    """A DKIM key in PEM: RSA-2048 or Ed25519."""
    path = pathlib.Path(folder) / f"{kind}.pem"
    algorithm = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa" else ["ED25519"]
    subprocess.run(["openssl", "genpkey", "-algorithm", *algorithm, "-out", path], check=True,
                   capture_output=True)
    path.chmod(0o640)
    return path


class Sender:
    """What all have in common. `dkim` is "rsa", "ed25519", "both" or None; `tls` both ways."""

    name = ""
    synced = ""  # what is on disk before 250
    # With Nagle's algorithm on, it waits for acknowledgements that Linux delays by 40 ms.
    wants_quick_acks = False
    # Whether the processes that deliver a held queue are those that took it.
    drains_itself = True

    def __init__(self, folder, sink_port, hold=False, dkim=None, tls=None, connections=None):
        self.folder = pathlib.Path(folder)
        self.sink_port = sink_port
        self.hold = hold
        self.dkim = dkim
        self.tls = tls  # a PEM of key and certificate
        self.connections = connections  # to the sink, at most; None: as many as it likes
        self.programs = []

    def pids(self):
        return [program.process.pid for program in self.programs if program.running]

    def stop(self, timeout=60):
        for program in reversed(self.programs):
            try:
                program.stop(timeout)
            except (OSError, TimeoutError, subprocess.TimeoutExpired):
                program.kill()

    def start(self):
        raise NotImplementedError

    def release(self):
        raise NotImplementedError


class Ringpost(Sender):
    """`accounting` files, in memory as packages have them; `unlike`: each of a form of its own."""

    name = "ringpost"
    synced = "content and envelope"
    FORMS = ("", "  format-text json\n", "  iso-times no\n",
             "  fields type,timeLogged,timeQueued,orig,rcpt,dsnStatus,vmta,jobId,msgId\n")

    def __init__(self, folder, sink_port, extra="", shards=2, accounting=1, unlike=False,
                 sink_host="127.0.0.1", **options):
        super().__init__(folder, sink_port, **options)
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-bench.", dir="/dev/shm"))
        lines = [extra, "<domain *>"]
        if self.connections:
            lines.append(f"  max-smtp-out {self.connections}")
        lines += (["  use-starttls yes", "  require-starttls yes"] if self.tls else
                  ["  use-starttls no"])
        if self.dkim:
            lines.append("  dkim-sign yes")
        lines.append("</domain>")
        for kind, selector in (("rsa", DKIM_SELECTOR), ("ed25519", "ed")):
            if self.dkim in (kind, "both"):
                key = make_key(folder, kind)
                lines.append(f"domain-key {selector},{DKIM_DOMAIN},{key}")
        self.daemon = harness.Ringpostd(folder, "\n".join(filter(None, lines)) + "\n",
                                        sink_port=sink_port, shards=shards,
                                        sink_host=sink_host)
        self.daemon.configuration = self.daemon.configuration.replace(
            "total-max-smtp-in 5000", "total-max-smtp-in 20000")
        self.port = self.daemon.port
        self._set_accounting(accounting, unlike)

    def _set_accounting(self, files, unlike):
        first = self.daemon.configuration.index("<acct-file")
        end = self.daemon.configuration.index("</acct-file>\n") + len("</acct-file>\n")
        sections = [f"<acct-file {self.memory}/acct.{number}>\n  records d,b,t\n" +
                    (self.FORMS[number % len(self.FORMS)] if unlike else "") + "</acct-file>\n"
                    for number in range(files)]
        self.daemon.configuration = (self.daemon.configuration[:first] + "".join(sections) +
                                     self.daemon.configuration[end:])

    def stop(self, timeout=60):
        super().stop(timeout)
        shutil.rmtree(self.memory, ignore_errors=True)

    def start(self):
        if self.tls:
            self.daemon.configuration = self.daemon.configuration.replace(
                "<source 127.0.0.1>\n", f"smtp-server-tls-certificate {self.tls}\n"
                "<source 127.0.0.1>\n  allow-starttls yes\n")
        self.programs = [self.daemon]
        self.daemon.start()
        if self.hold:
            self.daemon.command("pause", "domain", "*")

    def release(self):
        self.daemon.command("resume", "domain", "*")


class Postfix(Sender):
    name = "postfix"
    synced = "content and envelope"

    def start(self):
        settings = {
            "qmgr_message_active_limit": "200000",
            "default_process_limit": "200", "initial_destination_concurrency": "100",
            "default_destination_concurrency_limit": str(self.connections or 100),
            "smtp_connection_reuse_count_limit": "0", "smtp_connection_cache_on_demand": "yes",
        }
        if self.connections:
            settings["initial_destination_concurrency"] = str(self.connections)
        if self.hold:
            settings["defer_transports"] = "smtp"
        if self.tls:
            settings.update({
                "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(self.tls),
                "smtp_tls_security_level": "encrypt", "smtp_tls_connection_reuse": "no"})
        if self.dkim:
            signer = OpenDkim(self.folder)
            self.programs.append(signer.start())
            settings.update({"smtpd_milters": f"inet:127.0.0.1:{signer.port}",
                             "milter_default_action": "tempfail"})
        self.daemon = peers.Postfix(self.folder, next_hop_port=self.sink_port, settings=settings)
        self.port = self.daemon.port
        self.programs.append(self.daemon)
        self.daemon.start()

    def release(self):
        etc = self.folder / "postfix" / "etc"
        for command in (["postconf", "-c", etc, "-e", "defer_transports="],
                        ["postfix", "-c", etc, "reload"], ["postqueue", "-c", etc, "-f"]):
            subprocess.run(command, check=True, capture_output=True, timeout=60)


class OpenDkim(harness.Program):
    """Signs what Postfix shows it."""

    def __init__(self, folder):
        harness.need("opendkim")
        self.port = harness.free_port()
        key = make_key(folder)
        user = pwd.getpwnam("opendkim")
        os.chown(key, user.pw_uid, user.pw_gid)
        key.chmod(0o600)
        configuration = pathlib.Path(folder) / "opendkim.conf"
        # The key lies below a folder that everybody may write to, which it would refuse.
        configuration.write_text(
            f"Socket inet:{self.port}@127.0.0.1\nDomain {DKIM_DOMAIN}\n"
            f"Selector {DKIM_SELECTOR}\nKeyFile {key}\nCanonicalization relaxed/relaxed\n"
            "Mode s\nUserID opendkim\nRequireSafeKeys no\n")
        super().__init__("opendkim", ["opendkim", "-f", "-x", configuration], folder)

    def start(self):
        super().start()
        harness.wait_until(lambda: listens(self.port) or not self.running, "opendkim")
        self.check_running()
        return self


def listens(port):
    """Whether a TCP socket listens on a loopback port (a milter says nothing of itself)."""
    wanted = f":{port:04X}"
    rows = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(wanted) and row.split()[3] == "0A" for row in rows)


EXIM = """
primary_hostname = exim.test
exim_user = {user}
exim_group = {user}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
exim_path = {program}
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
message_size_limit = 100M
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
remote_max_parallel = 1
split_spool_directory = true
queue_only = {queue_only}
pipelining_advertise_hosts = *
acl_smtp_rcpt = take
acl_smtp_data = take
never_users =

begin acl
take:
  accept

begin routers
everyone:
  driver = manualroute
  transport = onward
  route_list = * 127.0.0.1
  self = send

begin transports
onward:
  driver = smtp
  port = {sink_port}
  allow_localhost
  hosts_avoid_tls = *
  connection_max_messages = 0
{dkim}

begin retry
*  *  F,1h,1m
"""


class Exim(Sender):
    name = "exim"
    drains_itself = False
    synced = "content and envelope"

    def start(self):
        program = peers.EXIM
        if not program.exists():
            raise RuntimeError("exim is not unpacked (scripts/install-packages bench)")
        place = self.folder / "exim"
        place.mkdir()
        user = pwd.getpwnam("Debian-exim")
        for path in (place, place / "spool", place / "log"):
            path.mkdir(exist_ok=True)
            os.chown(path, user.pw_uid, user.pw_gid)
        dkim = ""
        if self.dkim:
            key = make_key(self.folder)
            os.chown(key, user.pw_uid, user.pw_gid)
            dkim = (f"  dkim_domain = {DKIM_DOMAIN}\n  dkim_selector = {DKIM_SELECTOR}\n"
                    f"  dkim_private_key = {key}\n  dkim_canon = relaxed")
        self.port = harness.free_port()
        self.configuration = place / "exim.conf"
        self.configuration.write_text(EXIM.format(
            user="Debian-exim", folder=place, program=program, port=self.port, dkim=dkim,
            queue_only="true" if self.hold else "false", sink_port=self.sink_port))
        daemon = harness.Program("exim", [program, "-C", self.configuration, "-bdf", "-q1m"]
                                 if not self.hold else
                                 [program, "-C", self.configuration, "-bdf"], self.folder)
        self.programs = [daemon.start()]
        harness.wait_until(lambda: harness.answers(self.port) or not daemon.running, "Exim", 60)
        daemon.check_running()

    def release(self):
        # Several at once: one runner delivers one message after the other.
        for number in range(4 * os.cpu_count()):
            runner = harness.Program(f"runner{number}",
                                     [peers.EXIM, "-C", self.configuration, "-q"], self.folder)
            self.programs.append(runner.start())


class OpenSmtpd(Sender):
    """Its folders are compiled in: it gets its own in place of them, in a mount namespace."""

    name = "opensmtpd"
    synced = "nothing"
    wants_quick_acks = True

    def start(self):
        tree = AWAY / "opensmtpd"
        if not tree.exists():
            raise RuntimeError("OpenSMTPD is not unpacked (scripts/install-packages bench)")
        self.port = harness.free_port()
        for name in ("spool", "run"):
            (self.folder / name).mkdir()
        (self.folder / "spool").chmod(0o711)
        limit = "".join(f"mta limit conn-delay-{one} 0\n" for one in
                        ("host", "source", "connector", "relay", "domain"))
        limit += f"mta limit max-conn-per-relay {self.connections or 100}\n"
        (self.folder / "smtpd.conf").write_text(
            f"smtp limit max-mails 1000000\nmta limit session-mail-max 1000000\n"
            "mta limit session-transaction-delay 0\n"
            f"{limit}smtp max-message-size \"100M\"\n"
            f"listen on 127.0.0.1 port {self.port} hostname mta.test\n"
            f"action \"relay\" relay host smtp://127.0.0.1:{self.sink_port}\n"
            "match from any for any action \"relay\"\n")
        script = (f"mount --make-rprivate / && mount --bind {self.folder}/spool /var/spool/smtpd &&"
                  f" mount --bind {self.folder}/run /run &&"
                  f" mount --bind {tree}/usr/libexec/opensmtpd /usr/libexec/opensmtpd &&"
                  f" exec {tree}/usr/sbin/smtpd -F -f {self.folder}/smtpd.conf"
                  + (" -P mta" if self.hold else ""))
        daemon = harness.Program("opensmtpd", ["unshare", "-m", "sh", "-c", script], self.folder)
        self.programs = [daemon.start()]
        harness.wait_until(lambda: harness.answers(self.port) or not daemon.running, "OpenSMTPD")
        daemon.check_running()

    def release(self):
        # smtpctl asks the daemon through a socket that only that namespace shows.
        pid = self.programs[0].process.pid
        subprocess.run(["nsenter", f"--mount=/proc/{pid}/ns/mnt",
                        "setpriv", "--regid", "opensmtpq", "--clear-groups",
                        AWAY / "opensmtpd/usr/sbin/smtpctl", "resume", "mta"],
                       check=True, capture_output=True, timeout=60)


class Haraka(Sender):
    name = "haraka"
    drains_itself = False
    synced = "content, not the folder"
    wants_quick_acks = True

    def start(self):
        program = haraka.program(AWAY)
        if not shutil.which("node") or not program.exists():
            raise RuntimeError("Haraka is not installed (scripts/install-packages bench)")
        self.port = harness.free_port()
        self.place = self.folder / "haraka"
        key = make_key(self.folder) if self.dkim else None
        haraka.configure(self.place, program.parents[1], self.port, self.sink_port, self.hold,
                         (DKIM_DOMAIN, DKIM_SELECTOR, key) if key else None, self.connections)
        self._run()

    def _run(self):
        daemon = harness.Program("haraka", ["node", haraka.program(AWAY), "-c", self.place],
                                 self.folder)
        self.programs = [daemon.start()]
        harness.wait_until(lambda: harness.answers(self.port) or not daemon.running, "Haraka", 60)
        daemon.check_running()

    def release(self):
        # It takes its queue up when it starts.
        self.programs[0].stop(30)
        haraka.allow_delivery(self.place)
        self._run()


SENDERS = {one.name: one for one in (Ringpost, Postfix, Exim, OpenSmtpd, Haraka)}


def living(sender):
    """How many processes a sender has now."""
    return len({pid for one in sender.pids() for pid in family(one)})
