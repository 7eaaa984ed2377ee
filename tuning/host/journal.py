"""The state file: what was there before each change, one JSON object a line, durable before the
change is made. The first line about a thing says what to restore; later ones only what was last
written there. A torn last line belongs to a change that was never begun."""

import json

FOLDER = "/var/lib/ringpost-tuning"
NAME = f"{FOLDER}/state"
FORMAT = 1


class JournalError(ValueError):
    """The state file cannot be used; the message says why."""


class Journal:
    def __init__(self, tree):
        self.tree = tree
        self.options = None
        self.hidden = False  # there may be a state, but only root can read it
        self.entries = {}  # key -> the first line about it, with "applied" of the last
        for line in self._lines():
            self._take(line)

    def _lines(self):
        try:
            text = self.tree.read(NAME)
        except PermissionError:
            self.hidden, text = True, None
        whole = (text or "").split("\n")[:-1]
        for number, line in enumerate(whole, 1):
            try:
                yield json.loads(line)
            except ValueError:
                raise JournalError(f"{self.tree.path(NAME)}:{number} is damaged; nothing was "
                                   "touched. The lines before it are sound: restore by hand, or "
                                   "remove this line and what follows it") from None

    def _take(self, line):
        if line.get("what") == "options":
            if line.get("format") != FORMAT:
                raise JournalError(f"{self.tree.path(NAME)} has format {line.get('format')}, "
                                   f"this program knows {FORMAT}")
            self.options = line["options"]
            return
        key = (line["what"], line["name"])
        known = self.entries.get(key)
        if known is None or self._replaces(known, line):
            # Order of the first mention is the order of undoing, reversed.
            self.entries.pop(key, None)
            self.entries[key] = line
        elif "applied" in line:
            known["applied"] = line["applied"]

    @staticmethod
    def _replaces(known, line):
        """What a restart has undone by itself is recorded anew."""
        return not known.get("lasting", True) and known.get("boot") != line.get("boot")

    @property
    def exists(self):
        return self.tree.exists(NAME)

    def begin(self):
        """Makes the folder and holds it, so that no second program changes the host meanwhile."""
        try:
            if not self.tree.exists(FOLDER):
                self.tree.make_folder(FOLDER, 0o700)
            free = self.tree.lock(FOLDER)
        except OSError as error:
            raise JournalError(f"cannot make {self.tree.path(FOLDER)}: {error.strerror}; nothing "
                               "was changed") from None
        if not free:
            raise JournalError("another apply or revert is at work; nothing was changed")

    def _append(self, line):
        try:
            self.tree.append_line(NAME, json.dumps(line, sort_keys=True))
        except OSError as error:
            raise JournalError(f"cannot write {self.tree.path(NAME)}: {error.strerror}; what it "
                               "would have recorded was not changed") from None

    def set_options(self, options):
        if options != self.options:
            line = {"what": "options", "format": FORMAT, "options": options}
            self._append(line)
            self._take(line)

    def record(self, line):
        """Makes a line durable before the change it is about."""
        key = (line["what"], line["name"])
        known = self.entries.get(key)
        same = known and known.get("applied") == line.get("applied")
        if same and not self._replaces(known, line):
            return
        self._append(line)
        self._take(line)

    def undo_order(self):
        return list(reversed(list(self.entries.values())))

    def remove(self):
        """Ends the state: the file, what a torn write left, and the folder if it is empty."""
        if self.tree.exists(NAME):
            self.tree.remove_file(NAME)
        if self.tree.exists(FOLDER) and not self.tree.folder(FOLDER):
            self.tree.remove_folder(FOLDER)
