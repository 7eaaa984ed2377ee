"""The profile files: one section is one setting, a profile may extend another."""

import configparser
import pathlib

from . import rules

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "profiles"
KINDS = ("sysctl", "file", "limit", "check")
MATTERS = ("needed", "useful", "note")
LINES = {"want", "accept", "choose", "also", "path", "disks", "matters", "why", "source", "leave",
         "per-destination", "share", "folder", "carry-out", "spare-cores"}


class ProfileError(ValueError):
    """A profile file that cannot be used; the message names it."""


class Setting:
    """One section: its kind, its name, its lines."""

    def __init__(self, kind, name, lines):
        self.kind, self.name, self.lines = kind, name, lines

    def __getitem__(self, key):
        return self.lines[key]

    def get(self, key, default=None):
        return self.lines.get(key, default)

    def rule(self, facts):
        """What is wanted, for the facts of a machine."""
        if "choose" in self.lines:
            return rules.Words(self["choose"])
        return rules.Numbers(self["want"], self.get("accept", "exactly"), facts)


class Profile:
    def __init__(self, name, title, about, settings):
        self.name, self.title, self.about, self.settings = name, title, about, settings

    def setting(self, kind, name=""):
        return next((one for one in self.settings if (one.kind, one.name) == (kind, name)), None)


def names(folder=FOLDER):
    """default first, then the others."""
    found = sorted(path.stem for path in folder.glob("*.conf"))
    return sorted(found, key=lambda name: name != "default")


def _parsed(path):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",),
                                       comment_prefixes=("#",), inline_comment_prefixes=None)
    try:
        parser.read_string(path.read_text(), str(path))
    except (OSError, configparser.Error) as error:
        raise ProfileError(f"{path}: {error}") from None
    return {section: dict(parser[section]) for section in parser.sections()}


def load(name, folder=FOLDER, seen=()):
    """A profile with what it extends merged in, in the order of the settings there."""
    path = folder / f"{name}.conf"
    if not path.is_file():
        raise ProfileError(f"no profile '{name}'; there are: {', '.join(names(folder))}")
    if name in seen:
        raise ProfileError(f"{path}: extends itself")
    sections = _parsed(path)
    head = sections.pop("profile", {})
    merged = {}
    if "extends" in head:
        base = load(head["extends"], folder, (*seen, name))
        merged = {(one.kind, one.name): dict(one.lines) for one in base.settings}
    for title, lines in sections.items():
        kind, _, rest = title.partition(" ")
        if kind not in (*KINDS, "irq") or (kind in KINDS) != bool(rest):
            raise ProfileError(f"{path}: section [{title}] is of no kind: {', '.join(KINDS)}, irq")
        merged.setdefault((kind, rest), {}).update(lines)
    settings = [Setting(kind, rest, lines) for (kind, rest), lines in merged.items()
                if lines.get("leave") != "yes"]
    for setting in settings:
        _check(path, setting)
    return Profile(name, head.get("title", name), head.get("about", ""), settings)


def _check(path, setting):
    where = f"{path}: [{setting.kind} {setting.name}]"
    unknown = set(setting.lines) - LINES
    if unknown:
        raise ProfileError(f"{where} has unknown lines: {', '.join(sorted(unknown))}")
    for line in ("matters", "why", "source"):
        if not setting.get(line):
            raise ProfileError(f"{where} lacks '{line}'")
    if setting["matters"] not in MATTERS:
        raise ProfileError(f"{where}: matters is one of {', '.join(MATTERS)}")
    if setting.kind in ("sysctl", "file", "limit") and not (setting.get("want")
                                                            or setting.get("choose")):
        raise ProfileError(f"{where} says neither want nor choose")
    try:
        if setting.kind in ("sysctl", "file"):
            setting.rule({"memory": 1 << 34, "cores": 8, "addresses": 4})
    except rules.RuleError as error:
        raise ProfileError(f"{where}: {error}") from None


def choose(machine):
    """(profile name, why) for a machine, where nobody names one."""
    memory_gib = machine.memory / (1 << 30)
    if machine.fastest_card >= 10000 and machine.cores >= 8 and memory_gib >= 15:
        return "dedicated-10g", (f"{machine.fastest_card // 1000} Gbit/s, {machine.cores} cores, "
                                 f"{memory_gib:.0f} GiB")
    if machine.is_virtual and machine.cores <= 2 and memory_gib <= 4.5:
        return "small-vm", f"virtual, {machine.cores} cores, {memory_gib:.1f} GiB"
    speed = f"{machine.fastest_card} Mbit/s" if machine.fastest_card > 0 else "speed unknown"
    return "default", f"{machine.cores} cores, {memory_gib:.0f} GiB, network {speed}"
