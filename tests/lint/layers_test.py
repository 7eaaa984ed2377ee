#!/usr/bin/env python3
"""Holds the real includes of the project against scripts/layers.txt."""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
ROW = re.compile(r"^(\w+)\s+(\S+)\s*:\s*(.*)$")


def read_table(path):
    """The table as {folder: (room, set of rooms it may see or None for all)}."""
    rows = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = ROW.match(line)
        if not match:
            raise ValueError(f"{path}:{number}: a row is 'room folder : rooms'")
        room, folder, sees = match.groups()
        rows[folder] = (room, None if sees.strip() == "*" else set(sees.split()))
    rooms = {room for room, _ in rows.values()}
    for room, sees in rows.values():
        unknown = (sees or set()) - rooms
        if unknown:
            raise ValueError(f"{path}: room {room} sees unknown rooms {sorted(unknown)}")
    return rows


def violations(root, rows):
    """Every include that the table does not allow, as 'file:line: sentence'."""
    rooms = {folder: room for folder, (room, _) in rows.items()}
    found = []
    for folder, (room, sees) in rows.items():
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                place = f"{path.relative_to(root)}:{number}"
                target = match.group(1)
                owner = rooms.get(str(pathlib.PurePosixPath(target).parent))
                if owner is None:
                    found.append(f'{place}: "{target}" is not a header of any room; project '
                                 "includes are rooted at the repository")
                elif not (root / target).is_file():
                    found.append(f'{place}: "{target}" does not exist')
                elif owner != room and sees is not None and owner not in sees:
                    found.append(f"{place}: {room} may not see {owner} ({target})")
    return found


class Layers(unittest.TestCase):
    def test_includes_follow_the_table(self):
        found = violations(ROOT, read_table(ROOT / "scripts" / "layers.txt"))
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_every_source_folder_stands_in_the_table(self):
        rows = read_table(ROOT / "scripts" / "layers.txt")
        missing = set()
        for top in ("core", "net", "spool"):
            for path in (ROOT / top).rglob("*"):
                folder = str(path.parent.relative_to(ROOT))
                if path.suffix in (".h", ".cpp") and folder not in rows:
                    missing.add(folder)
        self.assertEqual(set(), missing)

    def test_table_has_no_cycle(self):
        rows = {room: sees or set() for room, sees in
                read_table(ROOT / "scripts" / "layers.txt").values() if sees is not None}
        done = set()
        while True:
            ready = {room for room, sees in rows.items() if room not in done and sees <= done}
            if not ready:
                break
            done |= ready
        self.assertEqual(set(rows), done, "these rooms see each other in a circle")

    def test_a_forbidden_edge_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "low").mkdir()
            (root / "high").mkdir()
            (root / "high" / "h.h").write_text("")
            (root / "low" / "l.h").write_text('#include "high/h.h"\n#include "l.h"\n')
            rows = {"low": ("low", set()), "high": ("high", {"low"})}
            found = violations(root, rows)
        self.assertEqual(2, len(found))
        self.assertIn("low/l.h:1: low may not see high", found[0])
        self.assertIn("low/l.h:2", found[1])


if __name__ == "__main__":
    sys.exit(unittest.main())
