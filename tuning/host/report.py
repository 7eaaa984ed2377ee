"""The comparison for a reader: table, grade, JSON; and the table of docs/tuning.md."""

import shutil
import sys
import textwrap

from . import profile as profiles

MARKS = {"ok": "ok", "differs": "DIFFERS", "absent": "-"}
BEGIN = "<!-- table: written by tuning/table --write -->"
END = "<!-- end of table -->"


def grade(items):
    """(letter, exit code). A: all as wanted. B, C: at most a fifth, or more, of what is useful
    differs. D, F: one thing, or several, that Ringpost needs."""
    counted = [item for item in items if item.state != "absent"]
    needed = sum(item.matters == "needed" and item.state == "differs" for item in counted)
    useful = [item.state for item in counted if item.matters == "useful"]
    wrong = useful.count("differs")
    if needed:
        return ("D" if needed == 1 else "F"), 2
    if wrong:
        return ("B" if wrong * 5 <= len(useful) else "C"), 1
    return "A", 0


def _mark(item):
    if item.state == "differs" and item.matters == "note":
        return "note"
    if item.state == "differs" and item.matters == "needed":
        return "NEEDED"
    return MARKS[item.state]


def table(items, width=None):
    """The table as lines, wrapped to the terminal, or to 140 columns where there is none."""
    if width is None:
        width = shutil.get_terminal_size((140, 50)).columns if sys.stdout.isatty() else 140
    widths = [7, 38, 25, 25]
    widths.append(max(24, width - sum(widths) - 2 * len(widths)))
    rows = [("", "setting", "found", "wanted", "why")]
    for item in items:
        why = item.why
        if item.state == "differs" and item.remedy != "apply":
            why += f" -> {item.remedy}"
        rows.append((_mark(item), item.name, str(item.found), str(item.wanted), why))
    lines = []
    for row in rows:
        cells = [textwrap.wrap(cell, size) or [""] for cell, size in zip(row, widths)]
        for number in range(max(len(cell) for cell in cells)):
            parts = [(cell[number] if number < len(cell) else "").ljust(size)
                     for cell, size in zip(cells, widths)]
            lines.append("  ".join(parts).rstrip())
    return lines


def summary(items):
    letter, code = grade(items)
    wrong = [item for item in items if item.state == "differs"]
    counts = [f"{sum(item.matters == kind for item in wrong)} {kind}"
              for kind in profiles.MATTERS]
    right = sum(item.state == "ok" for item in items)
    absent = sum(item.state == "absent" for item in items)
    return (f"grade {letter}: {right} as wanted, {len(wrong)} differ ({', '.join(counts)}), "
            f"{absent} not on this host"), code


def as_dictionary(items, **head):
    keys = ("name", "state", "matters", "found", "wanted", "why", "source", "remedy")
    letter, code = grade(items)
    return {**head, "grade": letter, "exit_code": code,
            "items": [{key: getattr(item, key) for key in keys} for item in items]}


def _cell(setting):
    if setting is None:
        return "–"
    if setting.get("choose"):
        return " or ".join(f"`{word}`" for word in setting["choose"].split()[:3])
    if setting.get("want"):
        accept = setting.get("accept", "")
        words = {"at least": " or more", "at most": " or less"}
        return f"`{setting['want']}`" + words.get(accept, "")
    if setting.kind == "irq":
        return f"spare cores `{setting['spare-cores']}`, carried out: {setting['carry-out']}"
    amount = setting.get("per-destination")
    share = setting.get("share")
    return f"`{amount}`" if amount else f"{share} %" if share else "checked"


def documentation():
    """The table of all profiles, in Markdown."""
    names = profiles.names()
    loaded = [profiles.load(name) for name in names]
    keys = []
    for one in loaded:
        keys += [(setting.kind, setting.name) for setting in one.settings
                 if (setting.kind, setting.name) not in keys]
    lines = ["| setting | " + " | ".join(names) + " | matters | why | source |",
             "|" + "---|" * (len(names) + 4)]
    for kind, name in keys:
        own = [one.setting(kind, name) for one in loaded]
        first = next(setting for setting in own if setting)
        title = f"`{name}`" if kind == "sysctl" else f"{kind} {name}".strip()
        matters = list(dict.fromkeys(setting["matters"] for setting in own if setting))
        lines.append(f"| {title} | " + " | ".join(_cell(setting) for setting in own) +
                     f" | {', '.join(matters)} | {first['why']} | {first['source']} |")
    return "\n".join(lines) + "\n"


def put_into(text):
    """A document with the table between its marks renewed."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"no lines '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n\n{documentation()}\n{END}{after}"
