"""Other people's servers as peers of the tests, each with a configuration of its own in the test's
folder: Postfix and Exim as receivers into a maildir, nsd and unbound as DNS servers."""

import os
import pathlib
import pwd
import shutil
import subprocess

from harness import ROOT, Program, answers, free_port, need, need_root, wait_until

EXIM = ROOT / "build" / "peers" / "exim" / "usr" / "sbin" / "exim4"


def maildir_messages(folder):
    """Paths of the finished messages of a maildir."""
    new = pathlib.Path(folder) / "new"
    return sorted(new.iterdir()) if new.is_dir() else []


class Postfix(Program):
    """Takes mail for every domain: into one maildir, or on to a next hop."""

    def __init__(self, folder, next_hop_port=None, name="postfix", settings=None):
        need("postfix")
        need_root("Postfix changes its user")
        self.port = free_port()
        self.folder = pathlib.Path(folder) / name
        self.maildir = self.folder / "mail" / "all"
        self.next_hop_port = next_hop_port
        self.settings = settings or {}
        super().__init__(name, ["postfix", "-c", self.folder / "etc", "start-fg"], folder)

    def main_cf(self):
        user = pwd.getpwnam("postfix")
        values = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data",
            "maillog_file": "/dev/stdout",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtp_bind_address": "127.0.0.1",
            "myhostname": "postfix.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "local_transport": "error:no local mail",
            "disable_dns_lookups": "yes",
            "smtp_host_lookup": "native",
            "message_size_limit": "0",
            "virtual_mailbox_limit": "0",
            "smtpd_recipient_limit": "20000",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_recipient_restrictions": "",
            "smtp_tls_security_level": "none",
            "default_process_limit": "100",
            "in_flow_delay": "0",
        }
        if self.next_hop_port:
            values["default_transport"] = f"smtp:[127.0.0.1]:{self.next_hop_port}"
            values["relay_domains"] = ""
        else:
            values.update({
                "virtual_mailbox_domains": "static:all",
                "virtual_mailbox_base": self.folder / "mail",
                "virtual_mailbox_maps": "static:all/",
                "virtual_uid_maps": f"static:{user.pw_uid}",
                "virtual_gid_maps": f"static:{user.pw_gid}",
                "virtual_minimum_uid": "1",
            })
        values.update(self.settings)
        return "".join(f"{key} = {value}\n" for key, value in values.items())

    def master_cf(self):
        rows = [(f"127.0.0.1:{self.port}", "inet", "smtpd")]
        rows += [(name, "unix", name) for name in ("cleanup", "rewrite:trivial-rewrite", "bounce",
                                                   "trace:bounce", "defer:bounce", "smtp",
                                                   "virtual", "anvil", "scache", "error",
                                                   "proxymap", "tlsmgr")]
        text = ""
        for name, kind, command in rows:
            if kind == "unix" and ":" in name:
                name, command = name.split(":")
            most = {"cleanup": "0", "bounce": "0", "defer": "0", "trace": "0", "anvil": "1",
                    "scache": "1", "tlsmgr": "1"}.get(name, "-")
            private = "n" if kind == "inet" or name == "cleanup" else "y"
            unprivileged = "n" if name == "virtual" else "y"
            text += f"{name} {kind} {private} {unprivileged} n - {most} {command}\n"
        text += "qmgr unix n - n 300 1 qmgr\npickup unix n - n 60 1 pickup\n"
        text += "postlog unix-dgram n - n - 1 postlogd\n"
        return text

    def start(self):
        etc = self.folder / "etc"
        etc.mkdir(parents=True)
        for name in ("queue", "data", "mail"):
            (self.folder / name).mkdir()
        for name in ("data", "mail"):
            shutil.chown(self.folder / name, "postfix", "postfix")
        (etc / "main.cf").write_text(self.main_cf())
        (etc / "master.cf").write_text(self.master_cf())
        super().start()
        wait_until(lambda: answers(self.port) or not self.running, "Postfix", 60)
        self.check_running()
        return self

    def stop(self, timeout=30, number=15):
        if self.running:
            subprocess.run(["postfix", "-c", self.folder / "etc", "stop"], capture_output=True,
                           timeout=timeout, check=False)
        return super().stop(timeout)

    def messages(self):
        return maildir_messages(self.maildir)

    def queue_is_empty(self):
        return not any(path.is_file() for name in ("incoming", "active", "deferred", "maildrop")
                       for path in (self.folder / "queue" / name).rglob("*"))


EXIM_CONFIGURATION = """
primary_hostname = exim.test
exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
exim_path = {program}
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
{tls}
host_lookup =
rfc1413_hosts =
message_size_limit = 100M
recipients_max = 0
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
deliver_drop_privilege = true
chunking_advertise_hosts = {chunking}
pipelining_advertise_hosts = *
accept_8bitmime = true
smtputf8_advertise_hosts = *
acl_smtp_rcpt = {rcpt}
acl_smtp_data = take
never_users =

begin acl
take:
  accept
known:
  deny !authenticated = *
       message = 5.7.0 authentication required
  accept

begin routers
everyone:
  driver = accept
  transport = keep

begin transports
keep:
  driver = appendfile
  directory = {folder}/maildir
  create_directory = true
  maildir_format = true
  envelope_to_add = true
  return_path_add = true
  batch_max = 2000
  maildir_retries = 20
  mode = 0644

begin retry
*  *  F,1h,1m
{authenticators}
"""


EXIM_AUTHENTICATORS = """
begin authenticators
{name}:
  driver = plaintext
  public_name = {name}
  server_prompts = {prompts}
  server_condition = ${{if and{{ {{eq{{{user}}}{{$auth{first}}}}} \\
    {{eq{{{password}}}{{$auth{second}}}}} }}}}
  server_set_id = $auth{first}
"""


class Exim(Program):
    """Takes mail for every address into one maildir; recipients stand in Envelope-to. With `login`
    (mechanism, user, password) only of that user; with a `certificate` it offers STARTTLS, by
    GnuTLS."""

    def __init__(self, folder, chunking="*", certificate=None, login=None):
        need_root("Exim changes its user")
        if not EXIM.exists():
            need("exim4 (build/peers)")
        self.port = free_port()
        self.folder = pathlib.Path(folder) / "exim"
        self.maildir = self.folder / "maildir"
        self.chunking = chunking
        self.certificate = certificate
        self.login = login
        super().__init__("exim", [EXIM, "-C", self.folder / "exim.conf", "-bdf", "-q5s"], folder)

    def start(self):
        self.folder.mkdir()
        user = pwd.getpwnam("Debian-exim")
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, user.pw_uid, user.pw_gid)
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        tls = "tls_advertise_hosts ="
        if self.certificate:
            # Readable for the user it changes to.
            pem = self.folder / "exim.pem"
            pem.write_bytes(self.certificate.read_bytes())
            os.chown(pem, user.pw_uid, user.pw_gid)
            tls = (f"tls_advertise_hosts = *\ntls_certificate = {pem}\n"
                   f"tls_privatekey = {pem}")
        (self.folder / "exim.conf").write_text(EXIM_CONFIGURATION.format(
            tls=tls, user="Debian-exim", group="Debian-exim", folder=self.folder, port=self.port,
            program=EXIM, chunking=self.chunking, rcpt="known" if self.login else "take",
            authenticators=self.authenticators()))
        super().start()
        wait_until(lambda: answers(self.port) or not self.running, "Exim", 60)
        self.check_running()
        return self

    def authenticators(self):
        if not self.login:
            return ""
        name, user, password = self.login
        # PLAIN sends a name to act for first, then user and password; LOGIN the two alone.
        first = 2 if name == "PLAIN" else 1
        return EXIM_AUTHENTICATORS.format(
            name=name, user=user, password=password, first=first, second=first + 1,
            prompts=":" if name == "PLAIN" else "Username:: : Password::")

    def messages(self):
        return maildir_messages(self.maildir)

    def tail(self, lines=25):
        log = self.folder / "log" / "mainlog"
        more = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
        return super().tail(lines) + "\n".join(more)


class Nsd(Program):
    """Authoritative DNS for zones given as {name: zone file text}."""

    def __init__(self, folder, zones):
        need("nsd")
        self.port = free_port()
        self.folder = pathlib.Path(folder) / "nsd"
        self.zones = zones
        super().__init__("nsd", ["nsd", "-d", "-c", self.folder / "nsd.conf"], folder)

    def start(self):
        self.folder.mkdir()
        text = ("server:\n"
                f"  ip-address: 127.0.0.1@{self.port}\n  do-ip6: no\n  username: \"\"\n"
                f"  zonesdir: \"{self.folder}\"\n  zonelistfile: \"{self.folder}/list\"\n"
                f"  pidfile: \"{self.folder}/pid\"\n  xfrdfile: \"{self.folder}/xfrd\"\n"
                f"  xfrdir: \"{self.folder}\"\n  database: \"\"\n  server-count: 1\n"
                "  logfile: \"/dev/stderr\"\nremote-control:\n  control-enable: no\n")
        for name, zone in self.zones.items():
            (self.folder / f"{name}.zone").write_text(f"$ORIGIN {name}.\n$TTL 60\n{zone}")
            text += f"zone:\n  name: \"{name}\"\n  zonefile: \"{name}.zone\"\n"
        (self.folder / "nsd.conf").write_text(text)
        super().start()
        name = next(iter(self.zones))
        wait_until(lambda: dns_answers(self.port, name) or not self.running, "nsd")
        self.check_running()
        return self


def sign_zone(folder, name, text):
    """Signs a zone; gives (the signed zone's text, the file of its key for a validator)."""
    need("ldns-signzone")
    place = pathlib.Path(folder) / "signed"
    place.mkdir()
    key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name], cwd=place,
                         check=True, capture_output=True, text=True).stdout.strip()
    (place / "zone").write_text(f"$ORIGIN {name}.\n$TTL 60\n{text}")
    subprocess.run(["ldns-signzone", "zone", key], cwd=place, check=True, capture_output=True)
    return (place / "zone.signed").read_text(), place / f"{key}.key"


class Unbound(Program):
    """A caching resolver that asks one authoritative server for the given zones; with an `anchor`,
    a file with the key of a zone, it validates."""

    def __init__(self, folder, zones, authority_port, anchor=None):
        need("unbound")
        self.anchor = anchor
        self.port = free_port()
        self.folder = pathlib.Path(folder) / "unbound"
        self.zones = list(zones)
        self.authority_port = authority_port
        super().__init__("unbound", ["unbound", "-d", "-p", "-c", self.folder / "unbound.conf"],
                         folder)

    def start(self):
        self.folder.mkdir()
        text = ("server:\n  interface: 127.0.0.1\n"
                f"  port: {self.port}\n  do-ip6: no\n  username: \"\"\n  chroot: \"\"\n"
                f"  directory: \"{self.folder}\"\n  use-syslog: no\n  logfile: \"\"\n"
                "  do-not-query-localhost: no\n"
                "  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n")
        if self.anchor:
            text += f"  module-config: \"validator iterator\"\n  trust-anchor-file: {self.anchor}\n"
        else:
            text += "  module-config: \"iterator\"\n"
        # Names under test. and of loopback addresses are answered by unbound itself unless it is
        # told not to (RFC 6761, 6303).
        text += "  local-zone: \"test.\" nodefault\n"
        text += "  local-zone: \"127.in-addr.arpa.\" nodefault\n"
        text += "remote-control:\n  control-enable: no\n"
        for name in self.zones:
            text += (f"stub-zone:\n  name: \"{name}.\"\n"
                     f"  stub-addr: 127.0.0.1@{self.authority_port}\n")
        (self.folder / "unbound.conf").write_text(text)
        super().start()
        wait_until(lambda: dns_answers(self.port, self.zones[0]) or not self.running, "unbound")
        self.check_running()
        return self


def dig(port, name, kind):
    """The answer section as dig +short prints it, as a list of lines."""
    done = subprocess.run(["dig", "+short", "+tries=1", "+time=2", "@127.0.0.1", "-p", str(port),
                           name, kind], capture_output=True, text=True, timeout=20, check=False)
    return [line for line in done.stdout.splitlines() if line and not line.startswith(";")]


def dns_answers(port, name):
    return bool(dig(port, name, "SOA"))
