"""Profile and host compared: for each setting what was found, what is wanted and what to change."""

import re

from . import changes, checks, irq, rules
from .machine import disk_of

SYSCTL_FILE = "/etc/sysctl.d/90-ringpost.conf"
UNITS = ("ringpostd.service", "ringpost.service")
UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system",
                "/lib/systemd/system")
BOOT_UNIT = "/etc/systemd/system/ringpost-tuning.service"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/ringpost-tuning.service"
LIMITS = {"nofile": ("Max open files", "LimitNOFILE", "524288"),
          "memlock": ("Max locked memory", "LimitMEMLOCK", "8388608")}


class Item:
    """state: ok, differs, absent (this host has no such thing). remedy: who mends it: apply, or
    a sentence for the operator."""

    def __init__(self, name, setting, found="", wanted="", state="absent", remedy="apply",
                 change=()):
        self.name, self.found, self.wanted, self.state = name, found, wanted, state
        self.matters, self.why, self.source = setting["matters"], setting["why"], setting["source"]
        self.remedy, self.changes = remedy, list(change)


class Host:
    """What the comparison needs to know beside the profile."""

    def __init__(self, tree, machine, conf, options, programs):
        self.tree, self.machine, self.conf = tree, machine, conf
        self.options = options    # profile, irq, notrack, skip, ring_cores
        self.programs = programs  # the folder of apply, for the unit that runs it at boot


def compare(profile, host):
    """All items of a profile on a host."""
    items = []
    for setting in profile.settings:
        if setting.name in host.options["skip"]:
            continue
        if setting.kind == "sysctl":
            items.append(_sysctl(setting, host))
        elif setting.kind == "file":
            items += _files(setting, host)
        elif setting.kind == "check":
            items += checks.run(setting, host, Item)
    items += _irq(profile, host)
    limits = [one for one in profile.settings
              if one.kind == "limit" and one.name not in host.options["skip"]]
    items += _limits(limits, host)
    items += _lasting(profile, host, items)
    return items


def sysctl_path(key):
    return "/proc/sys/" + key.replace(".", "/")


def _sysctl(setting, host):
    path = sysctl_path(setting.name)
    rule = setting.rule(host.machine.facts())
    also = [sysctl_path(key) for key in setting.get("also", "").split()]
    return _value(setting.name, setting, host, path, rule, also)


def _value(name, setting, host, path, rule, also=()):
    try:
        text = host.tree.read(path)
    except OSError as error:
        return Item(name, setting, error.strerror, rule.text(), "differs", "look why")
    if text is None:
        return Item(name, setting, "not on this kernel", rule.text())
    found = text.strip()
    shown = rule.taken(found) if isinstance(rule, rules.Words) else " ".join(found.split())
    if also and found == "0":  # then the other value holds, a share of the memory
        shown = ", ".join(f"{one.rpartition('/')[2]} {host.tree.word(one)}" for one in also)
    holds = rule.holds(found)
    lasting = setting.kind == "sysctl"
    text = rule.value(found)
    instead = [word for word in getattr(rule, "words", ()) if word != text]
    change = changes.Value(path, text, rule.holds, lasting, also, instead)
    return Item(name, setting, shown, rule.text(), "ok" if holds else "differs",
                change=[] if holds else [change])


def _files(setting, host):
    rule = setting.rule(host.machine.facts())
    if "{disk}" not in setting["path"]:
        paths = host.tree.match(setting["path"])
        if not paths:
            return [Item(setting.name, setting, "not on this host", rule.text())]
        names = [setting.name if len(paths) == 1 else f"{setting.name} {path.split('/')[-2]}"
                 for path in paths]
        return [_value(name, setting, host, path, rule) for name, path in zip(names, paths)]
    found = []
    for disk in _disks(setting, host):
        path = setting["path"].format(disk=disk)
        found.append(_value(f"{setting.name} {disk}", setting, host, path, rule))
    return found


def _disks(setting, host):
    """The disks a setting is for: that of the spool, or all where that is not known."""
    own = {disk_of(host.tree, spool) for spool in host.conf.spools} - {None}
    kinds = {"1": "rotating", "0": "solid"}
    return [disk for disk in (sorted(own) or host.machine.disks)
            if setting.get("disks", "all") in
            ("all", kinds.get(host.tree.word(f"/sys/block/{disk}/queue/rotational")))]


# ---- limits

def unit_name(tree):
    """The daemon's unit; None where none is installed."""
    return next((unit for unit in UNITS for folder in UNIT_FOLDERS
                 if tree.exists(f"{folder}/{unit}")), None)


def limits_file(unit):
    return f"/etc/systemd/system/{unit}.d/50-tuning.conf"


def _unit_value(tree, unit, key):
    """The last value that the unit and its drop-ins give, None without."""
    texts = []
    for folder in reversed(UNIT_FOLDERS):
        texts.append(tree.read(f"{folder}/{unit}") or "")
    for folder in reversed(UNIT_FOLDERS):
        texts += [tree.read(path) or "" for path in tree.match(f"{folder}/{unit}.d/*.conf")]
    found = [match for text in texts for match in re.findall(rf"(?m)^{key}=(\S+)", text)]
    return found[-1].rpartition(":")[2] if found else None


def _process_limits(tree):
    """(who, text of its limits): the running daemon, else this very process."""
    for pid in tree.folder("/proc"):
        if pid.isdigit() and tree.word(f"/proc/{pid}/comm") == "ringpostd":
            return f"ringpostd {pid}", tree.read(f"/proc/{pid}/limits") or ""
    return None, tree.read("/proc/self/limits") or ""


def _amount(text):
    if text in ("infinity", "unlimited"):
        return float("inf")
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(match[1]) * rules.UNITS.get(match[2], 1) if match else -1


def _limits(settings, host):
    """The limits of the daemon: of the process if it runs, of its unit, or of this session."""
    unit = unit_name(host.tree)
    running, text = _process_limits(host.tree)
    items, lines = [], []
    for setting in settings:
        label, key, default = LIMITS[setting.name]
        endless = setting["want"] == "unlimited"
        want = "infinity" if endless else \
            str(rules.numbers(setting["want"], host.machine.facts())[0])
        row = re.search(rf"^{label}\s+(\S+)\s+(\S+)", text, re.MULTILINE)
        now = row[2] if row else "unknown"
        planned = (_unit_value(host.tree, unit, key) or default) if unit else now
        good = _amount(planned) >= _amount(want)
        wanted = "unlimited" if endless else f"{want} or more"
        remedy = "apply" if unit else "set it where ringpostd is started"
        found = planned
        if running and good and _amount(now) < _amount(want):
            found, good, remedy = f"{now} ({running})", False, "restart ringpostd"
        elif not unit:
            found = f"{now} (this session)" if not running else f"{now} ({running})"
        items.append(Item(f"limit {setting.name}", setting, found, wanted,
                          "ok" if good else "differs", remedy))
        own = host.tree.read(limits_file(unit)) if unit else None
        if unit and (_amount(planned) < _amount(want) or f"{key}={want}" in (own or "")):
            lines.append(f"{key}={want}")
    if unit and lines:
        content = "# Written by tuning/apply; tuning/revert removes it.\n[Service]\n" + \
            "".join(f"{line}\n" for line in lines)
        file = changes.File(limits_file(unit), content)
        if not changes.is_done(host.tree, file):
            for item in items:
                item.changes += [file] if item.state == "differs" else []
    return items


# ---- interrupts

def irq_plan(profile, host):
    setting = profile.setting("irq")
    return irq.Plan(host.machine, setting, host.conf.shards, host.options["ring_cores"])


def carries_out_irq(profile, host):
    asked = host.options["irq"]
    setting = profile.setting("irq")
    return asked if asked is not None else bool(setting and setting.get("carry-out") == "yes")


def _irq(profile, host):
    setting = profile.setting("irq")
    if not setting or "irq" in host.options["skip"]:
        return []
    asked = dict(setting.lines, matters="useful") if host.options["irq"] else setting.lines
    plan = irq_plan(profile, host)
    carry = carries_out_irq(profile, host)
    right, wrong = 0, []
    for step in plan.steps:
        found = host.tree.word(step.path)
        if found is None:
            continue
        if step.holds(found):
            right += 1
        else:
            wrong.append(changes.Value(step.path, step.value, step.holds, lasting=False))
    name = "interrupts and queues"
    if not right + len(wrong):
        return [Item(name, asked, "no card to place", "as tuning/plan-irq")]
    items = [Item(name, asked, f"{right} of {right + len(wrong)} as planned", "as tuning/plan-irq",
                  "differs" if wrong else "ok", "apply" if carry else "apply --irq",
                  wrong if carry else [])]
    if plan.shards and host.conf.name:
        items.append(Item("shards", setting, host.conf.shards or "auto", plan.shards, "differs",
                          f"'shards {plan.shards}' in {host.conf.name}: cores for the cards"))
    return items


# ---- what makes it last over a restart of the host

def sysctl_text(profile, host, items):
    """The content of our file in sysctl.d: what was changed, what is as wanted, and what it holds
    already; not what this host has more of by itself."""
    by_name = {item.name: item for item in items}
    held = {}
    checks.take_keys(host.tree, SYSCTL_FILE, held)
    lines = [f"# Profile {profile.name}, written by tuning/apply; tuning/revert removes it.",
             "# A key with '-' before it may be missing without an error."]
    for setting in profile.settings:
        item = by_name.get(setting.name)
        if setting.kind != "sysctl" or item is None or item.state == "absent":
            continue
        rule = setting.rule(host.machine.facts())
        _, value = held.get(setting.name, ("", ""))
        if item.changes:
            value = item.changes[0].text
        elif not rule.holds(value):
            value = item.found
            if isinstance(rule, rules.Numbers) and value.split() != rule.value().split():
                continue
        lines += [f"# {setting['why']}", f"-{setting.name} = {value}"]
    return "\n".join(lines) + "\n"


def _setting(matters, why, source):
    return {"matters": matters, "why": why, "source": source}


def _lasting(profile, host, items):
    """Our file in sysctl.d, what stands against it, and the unit for all that has no such file."""
    made = []
    if not any(setting.kind == "sysctl" for setting in profile.settings):
        return made
    file = changes.File(SYSCTL_FILE, sysctl_text(profile, host, items))
    found = host.tree.read(SYSCTL_FILE)
    state = "ok" if found == file.text else "differs"
    made.append(Item("sysctl.d", _setting("useful", "the values are set again after a restart",
                                          "sysctl.d(5)"),
                     "missing" if found is None else "current" if state == "ok" else "another",
                     "current", state, change=[] if state == "ok" else [file]))
    made += checks.overriding_files(profile, host, Item, SYSCTL_FILE, _setting(
        "useful", "a file read later in the boot gives another value", "sysctl.d(5)"))
    passing = [setting.name for setting in profile.settings if setting.kind == "file"]
    if host.tree.exists("/etc/systemd/system") and (
            passing or carries_out_irq(profile, host) or host.options["notrack"]):
        made.append(_boot_unit(host))
    return made


def _boot_unit(host):
    text = ("# Written by tuning/apply; tuning/revert removes it.\n"
            "[Unit]\n"
            "Description=Host tuning for Ringpost: disks, interrupts, huge pages\n"
            f"Before={' '.join(UNITS)}\n"
            "After=network.target systemd-sysctl.service\n"
            "\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
            f"ExecStart={host.programs}/apply\n"
            "\n[Install]\nWantedBy=multi-user.target\n")
    wanted = [changes.File(BOOT_UNIT, text), changes.Link(BOOT_LINK, BOOT_UNIT)]
    open_ones = [change for change in wanted if not changes.is_done(host.tree, change)]
    return Item("unit at boot", _setting("useful", "what sysctl.d cannot hold is set again after "
                                         "a restart", "systemd.service(5)"),
                "missing" if len(open_ones) == 2 else "another" if open_ones else "enabled",
                "enabled", "differs" if open_ones else "ok", change=open_ones)
