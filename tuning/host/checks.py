"""Comparisons that are more than one value. Each gives items; most are mended by the operator."""

import os
import re

from . import changes, machine, rules

NO_BARRIER = {"nobarrier", "barrier=0"}
SYSCTL_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d",
                  "/lib/sysctl.d")


def run(setting, host, item):
    """The items of a [check NAME] section."""
    check = CHECKS.get(setting.name)
    if check is None:
        raise rules.RuleError(f"no check '{setting.name}'; there are: {', '.join(CHECKS)}")
    return check(setting, host, item)


def _barriers(setting, host, item):
    """Mount options of the spool's file system, or of all that could carry one."""
    rows = [machine.mount_of(host.tree, spool) for spool in host.conf.spools]
    rows = [row for row in rows if row] or [
        row for row in machine.mounts(host.tree) if row[2] in ("ext4", "ext3", "xfs", "btrfs")]
    off = [row[1] for row in rows if NO_BARRIER & set(row[3])]
    if not rows:
        return [item("disk flushes", setting, "no file system known", "on")]
    return [item("disk flushes", setting, f"off on {', '.join(off)}" if off else "on", "on",
                 "differs" if off else "ok", "mount it without nobarrier or barrier=0")]


def _port_range(host):
    words = (host.tree.word("/proc/sys/net/ipv4/ip_local_port_range") or "").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else None


def _reserved(host):
    return machine.cpu_list(host.tree.word("/proc/sys/net/ipv4/ip_local_reserved_ports"))


def _ports(setting, host, item):
    found = _port_range(host)
    if not found:
        return [item("ports", setting, "not on this kernel")]
    low, high = found
    count = high - low + 1 - len([port for port in _reserved(host) if low <= port <= high])
    sources = machine.family_minimum(host.conf.sources or host.machine.addresses)
    wanted = rules.numbers(setting["per-destination"], host.machine.facts())[0]
    good = count * sources >= wanted
    # Seconds until the port of a closed connection may be used for the same receiver again.
    lasts = 1 if host.tree.word("/proc/sys/net/ipv4/tcp_tw_reuse") == "1" else 60
    return [item("connections to one receiver", setting,
                 f"{count * sources} ({count} ports, {sources} source"
                 f"{'s' if sources > 1 else ''}; {count * sources // lasts}/s)",
                 f"{wanted} or more", "ok" if good else "differs",
                 "more source addresses, or a wider ip_local_port_range")]


def _reserved_ports(setting, host, item):
    name = "net.ipv4.ip_local_reserved_ports"
    path = "/proc/sys/net/ipv4/ip_local_reserved_ports"
    text, found = host.tree.word(path), _port_range(host)
    if text is None or not found:
        return [item(name, setting, "not on this kernel")]
    # Of the range that will be, where the profile widens it.
    inside = sorted(port for port in host.conf.ports if 10240 <= port <= 65535)
    missing = [port for port in inside if port not in _reserved(host)]
    wanted = machine.cpu_ranges(sorted({*_reserved(host), *inside}))
    shown = f"with {machine.cpu_ranges(inside)}" if inside else "no listener inside"
    change = changes.Value(path, wanted, lambda now: set(inside) <= set(machine.cpu_list(now)),
                           lasting=False)
    return [item(name, setting, text or "none", shown, "differs" if missing else "ok",
                 change=[change] if missing else [])]


def _conntrack(setting, host, item):
    name = "port 25 and conntrack"
    count = host.tree.word("/proc/sys/net/netfilter/nf_conntrack_count")
    if count is None:
        return [item(name, setting, "conntrack is not loaded", "untracked")]
    loaded = changes.table_is_loaded(host.tree)
    most = host.tree.word("/proc/sys/net/netfilter/nf_conntrack_max") or "?"
    asked = host.options["notrack"]
    rules_file = os.path.join(host.programs, "notrack.nft")
    change = []
    if asked and not loaded:
        with open(rules_file, encoding="utf-8") as file:
            change = [changes.Table(file.read())]
    found = "untracked" if loaded else f"tracked, {count} of {most} entries in use"
    return [item(name, setting, found, "untracked", "ok" if loaded else "differs",
                 "apply" if asked else "read docs/tuning.md, then apply --notrack", change)]


def _huge_pages(setting, host, item):
    text = host.tree.read("/proc/meminfo") or ""
    total = re.search(r"^HugePages_Total:\s+(\d+)", text, re.MULTILINE)
    size = re.search(r"^Hugepagesize:\s+(\d+) kB", text, re.MULTILINE)
    if not total or not size:
        return [item("huge pages", setting, "not on this kernel")]
    share = int(total[1]) * int(size[1]) * 1024 * 100 // host.machine.memory
    most = int(setting["share"])
    return [item("reserved huge pages", setting, f"{total[1]} ({share} % of memory)",
                 f"{most} % or less", "ok" if share <= most else "differs",
                 "lower vm.nr_hugepages, unless another program needs them")]


def tmpfs_size(options, memory):
    """The octets a tmpfs may grow to."""
    for option in options:
        match = re.fullmatch(r"size=(\d+)([kmg%]?)", option, re.IGNORECASE)
        if match:
            unit = match[2].lower()
            if unit == "%":
                return memory * int(match[1]) // 100
            return int(match[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[unit]
    return memory // 2


def _tmpfs(setting, host, item):
    memory = host.machine.memory
    wanted = rules.numbers(setting["want"], host.machine.facts())[0]
    items = []
    for folder in sorted(set(host.conf.accounting)) or [setting["folder"]]:
        mount = machine.mount_of(host.tree, folder)
        name = f"tmpfs {folder}"
        if not mount or mount[2] != "tmpfs":
            where = mount[2] if mount else "no file system"
            items.append(item(name, setting, f"on {where}", f"tmpfs of {wanted >> 20} MiB",
                              "differs", "mount a tmpfs there, or leave it on disk"))
            continue
        size = tmpfs_size(mount[3], memory)
        items.append(item(name, setting, f"{size >> 20} MiB", f"{wanted >> 20} MiB or more",
                          "ok" if size >= wanted else "differs", "mount it with a larger size="))
    own = [row for row in machine.mounts(host.tree) if row[2] == "tmpfs" and row[1] in
           set(host.conf.accounting) | {setting["folder"]}]
    share = sum(tmpfs_size(row[3], memory) for row in own) * 100 // memory
    if own:
        most = int(setting["share"])
        items.append(item("tmpfs together", setting, f"{share} % of memory", f"{most} % or less",
                          "ok" if share <= most else "differs", "mount with smaller size="))
    return items


def _clocksource(setting, host, item):
    base = "/sys/devices/system/clocksource/clocksource0"
    found = host.tree.word(f"{base}/current_clocksource")
    rule = setting.rule(host.machine.facts())
    if found is None:
        return [item("clock source", setting, "not on this host", rule.text())]
    offered = host.tree.word(f"{base}/available_clocksource") or ""
    better = [word for word in rule.words if word in offered.split()]
    remedy = f"look in the kernel log why {better[0]} was left" if better else \
        "the kernel offers none that is fast"
    return [item("clock source", setting, found, rule.text(),
                 "ok" if rule.holds(found) else "differs", remedy)]


def _irqbalance(setting, host, item):
    runs = any(pid.isdigit() and host.tree.word(f"/proc/{pid}/comm") == "irqbalance"
               for pid in host.tree.folder("/proc"))
    return [item("irqbalance", setting, "running" if runs else "not running", "not running",
                 "differs" if runs else "ok", "systemctl disable --now irqbalance")]


def _backlog_drops(setting, host, item):
    text = host.tree.read("/proc/net/softnet_stat")
    if not text:
        return [item("backlog drops", setting, "not on this kernel")]
    dropped = sum(int(line.split()[1], 16) for line in text.splitlines() if line.strip())
    return [item("backlog drops", setting, str(dropped), "0", "differs" if dropped else "ok",
                 "watch whether it grows; then place interrupts with apply --irq")]


def overriding_files(profile, host, item, own, setting):
    """Files that are read after ours and give one of our keys a value we do not accept."""
    last = {}
    places = {}
    for folder in SYSCTL_FOLDERS:  # of two files with one name the first folder's counts
        for base in host.tree.folder(folder):
            if base.endswith(".conf"):
                places.setdefault(base, f"{folder}/{base}")
    for base in sorted(places):
        if base > os.path.basename(own):
            take_keys(host.tree, places[base], last)
    take_keys(host.tree, "/etc/sysctl.conf", last)
    found = []
    for one in profile.settings:
        if one.kind == "sysctl" and one.name in last:
            place, value = last[one.name]
            rule = one.rule(host.machine.facts())
            if not rule.holds(value):
                found.append(item(f"{one.name} at boot", setting, f"{value} by {place}",
                                  rule.text(), "differs", "take the line out of that file"))
    return found


def take_keys(tree, place, last):
    """Adds the keys of a file of sysctl.d to `last`, each with the file and the value."""
    for line in (tree.read(place) or "").splitlines():
        match = re.match(r"\s*-?([\w./-]+)\s*=\s*(.*?)\s*$", line)
        if match and not line.lstrip().startswith(("#", ";")):
            last[match[1].replace("/", ".")] = (place, match[2])


CHECKS = {"barriers": _barriers, "ports": _ports, "reserved-ports": _reserved_ports,
          "conntrack": _conntrack, "huge pages": _huge_pages, "tmpfs": _tmpfs,
          "clocksource": _clocksource, "irqbalance": _irqbalance, "backlog drops": _backlog_drops}
