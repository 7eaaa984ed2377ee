"""Carrying changes out, each recorded before, and taking them back."""

import os

TABLE = "inet ringpost_notrack"


class Value:
    """A value of a kernel file. lasting: something in /etc sets it again after a restart of the
    host; also: paths of values that the kernel changes with this one; instead: what would do as
    well, for the reader."""

    def __init__(self, path, text, holds, lasting, also=(), instead=()):
        self.path, self.text, self.holds = path, text, holds
        self.lasting, self.also, self.instead = lasting, also, instead

    def __str__(self):
        return f"{self.path} = {self.text}"


class File:
    """A file of ours in /etc; folders above it are made."""

    def __init__(self, path, text):
        self.path, self.text = path, text

    def __str__(self):
        return f"write {self.path}"


class Link:
    """A symbolic link of ours."""

    def __init__(self, path, target):
        self.path, self.target = path, target

    def __str__(self):
        return f"link {self.path} -> {self.target}"


class Table:
    """The nftables table that takes port 25 out of connection tracking."""

    def __init__(self, rules):
        self.path, self.rules = TABLE, rules

    def __str__(self):
        return f"load nftables table {TABLE}"


class Outcome:
    """What happened to one change: done, refused, and a sentence."""

    def __init__(self, what, state, text=""):
        self.what, self.state, self.text = what, state, text


def is_done(tree, change):
    """Whether a change is there already."""
    if isinstance(change, Value):
        found = tree.word(change.path)
        return found is not None and change.holds(found)
    if isinstance(change, File):
        return tree.read(change.path) == change.text
    if isinstance(change, Link):
        return tree.link_target(change.path) == change.target
    return table_is_loaded(tree)


def table_is_loaded(tree):
    return tree.run("nft", "list", "table", *TABLE.split(), changes=False)[0] == 0


class Applier:
    def __init__(self, tree, journal, boot):
        self.tree, self.journal, self.boot = tree, journal, boot

    def apply(self, change):
        """Records and carries out one change. JournalError if it cannot be recorded: then nothing
        was changed."""
        if isinstance(change, Value):
            return self._value(change)
        if isinstance(change, File):
            return self._file(change)
        if isinstance(change, Link):
            return self._link(change)
        return self._table(change)

    def _value(self, change):
        try:
            previous = self.tree.read(change.path)
            others = [(path, self.tree.read(path)) for path in change.also]
        except OSError as error:
            return Outcome(change, "refused", error.strerror)
        if previous is None:
            return Outcome(change, "refused", "not on this kernel")
        line = {"what": "value", "lasting": change.lasting, "boot": self.boot}
        self.journal.record({**line, "name": change.path, "previous": previous,
                             "applied": change.text})
        # Recorded later, restored first: giving the other value back is what clears this one.
        for path, text in others:
            if text is not None:
                self.journal.record({**line, "name": path, "previous": text})
        try:
            self.tree.write_value(change.path, change.text + "\n")
        except OSError as error:
            hint = f"; as good: {', '.join(change.instead)}" if change.instead else ""
            return Outcome(change, "refused", f"the kernel says: {error.strerror}{hint}")
        found = self.tree.word(change.path)
        if found is None or not change.holds(found):
            return Outcome(change, "refused", f"the kernel made {found} of it")
        return Outcome(change, "done", f"was {' '.join(previous.split())}")

    def _folders(self, path):
        """Makes the folders above a path, each recorded."""
        missing, folder = [], os.path.dirname(path)
        while not self.tree.exists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for name in reversed(missing):
            self.journal.record({"what": "folder", "name": name})
            self.tree.make_folder(name)

    def _file(self, change):
        try:
            previous = self.tree.read(change.path)
            mode = self.tree.mode(change.path) if previous is not None else 0o644
        except OSError as error:
            return Outcome(change, "refused", error.strerror)
        try:
            self._folders(change.path)
            self.journal.record({"what": "file", "name": change.path, "previous": previous,
                                 "mode": mode, "applied": change.text})
            self.tree.write_file(change.path, change.text, mode)
        except OSError as error:
            return Outcome(change, "refused", error.strerror)
        return Outcome(change, "done", "new" if previous is None else "replaced")

    def _link(self, change):
        if self.tree.exists(change.path) or self.tree.link_target(change.path) is not None:
            return Outcome(change, "refused", "something else is there")
        try:
            self._folders(change.path)
            self.journal.record({"what": "link", "name": change.path, "applied": change.target})
            self.tree.make_link(change.path, change.target)
        except OSError as error:
            return Outcome(change, "refused", error.strerror)
        return Outcome(change, "done", "new")

    def _table(self, change):
        if self.tree.program("nft") is None:
            return Outcome(change, "refused", "nft is not installed")
        self.journal.record({"what": "table", "name": TABLE, "lasting": False, "boot": self.boot})
        code, said = self.tree.run("nft", "-f", "-", text=change.rules)
        if code != 0:
            return Outcome(change, "refused", f"nft says: {said}")
        return Outcome(change, "done", "loaded")


class Reverter:
    """Restores what the state file says, the last change first. Can be repeated at any point."""

    def __init__(self, tree, boot):
        self.tree, self.boot = tree, boot

    def undo(self, line, dry_run=False):
        """An Outcome, or None where nothing has to be done."""
        name = line["name"]
        gone = not line.get("lasting", True) and line.get("boot") != self.boot
        if gone:
            return None  # a restart of the host has undone it
        try:
            return getattr(self, f"_{line['what']}")(line, name, dry_run)
        except OSError as error:
            return Outcome(name, "refused", error.strerror or str(error))

    def _value(self, line, name, dry_run):
        found = self.tree.read(name)
        if found is None:
            return Outcome(name, "gone", "no longer on this host")
        previous = line["previous"]
        if found == previous:
            return None
        note = ""
        if "applied" in line and found.split() != line["applied"].split() and "[" not in found:
            note = f", had been changed to {' '.join(found.split())} since"
        if not dry_run:
            text = previous
            if self.tree.is_host and "[" in previous:
                text = previous.partition("[")[2].partition("]")[0] + "\n"
            self.tree.write_value(name, text)
            if (self.tree.read(name) or "").split() != previous.split():
                return Outcome(name, "refused", f"the kernel made {self.tree.word(name)} of it")
        return Outcome(name, "done", f"back to {' '.join(previous.split()) or 'empty'}{note}")

    def _file(self, line, name, dry_run):
        spare = self.tree.spare_name(name)
        if self.tree.exists(spare) and not dry_run:
            self.tree.remove_file(spare)
        found = self.tree.read(name)
        if found == line["previous"]:
            return None
        note = "" if found == line.get("applied") else ", had been changed since"
        if line["previous"] is None:
            if not dry_run:
                self.tree.remove_file(name)
            return Outcome(name, "done", f"removed{note}")
        if not dry_run:
            self.tree.write_file(name, line["previous"], line["mode"])
        return Outcome(name, "done", f"as before{note}")

    def _link(self, line, name, dry_run):
        target = self.tree.link_target(name)
        if target is None:
            return None
        if target != line["applied"]:
            return Outcome(name, "gone", f"now points to {target}, which is not ours")
        if not dry_run:
            self.tree.remove_link(name)
        return Outcome(name, "done", "removed")

    def _folder(self, line, name, dry_run):
        if not self.tree.exists(name):
            return None
        if self.tree.folder(name):
            return None if dry_run else Outcome(name, "gone", "kept, others have files there")
        if not dry_run:
            self.tree.remove_folder(name)
        return Outcome(name, "done", "removed")

    def _table(self, line, name, dry_run):
        if not table_is_loaded(self.tree):
            return None
        if not dry_run:
            code, said = self.tree.run("nft", "delete", "table", *TABLE.split())
            if code != 0:
                return Outcome(name, "refused", f"nft says: {said}")
        return Outcome(name, "done", "removed")
