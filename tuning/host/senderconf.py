"""The few lines of a ringpost.conf that matter to the host. Not a check of that file: that is
`ringpost check config`."""

import os
import re

PLACES = ("/etc/ringpost/ringpost.conf", "/etc/ringpost.conf")


class SenderConf:
    """What was found; each field is empty or None where no file or no such line is."""

    def __init__(self, tree, name=None):
        self.name = name or next((one for one in PLACES if tree.exists(one)), None)
        text = tree.read(self.name) if self.name else None
        if name and text is None:
            raise ValueError(f"there is no {tree.path(name)}")
        self.shards = None
        self.spools, self.accounting = [], []
        self.sources, self.ports = set(), set()
        for line in (text or "").splitlines():
            self._take(line.partition("#")[0].split())

    def _take(self, words):
        if len(words) < 2:
            return
        key, value = words[0].lower(), words[1].rstrip(">")
        if key in ("shards", "run-as-shards", "threads") and value.isdigit():
            self.shards = int(value)
        elif key == "spool" and value.startswith("/"):
            self.spools.append(value)
        elif key == "<acct-file" and value.startswith("/"):
            self.accounting.append(os.path.dirname(value))
        elif key == "smtp-source-host":
            self.sources.add(value)
        elif key in ("smtp-listener", "http-mgmt-port"):
            port = re.search(r"(?:^|:)(\d+)$", value)
            if port:
                self.ports.add(int(port[1]))
