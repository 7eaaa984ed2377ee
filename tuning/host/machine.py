"""What a host is, read from its proc and sys."""

import re

VIRTUAL_DISKS = re.compile(r"^(?:loop|ram|zram|dm-|md|sr|fd|nbd)\d")
NO_INTERRUPT_OF_A_QUEUE = re.compile(r"config|control|async|event|mgmt|mbx|misc|stats|link|fdir")


def cpu_list(text):
    """'0-3,8' as [0, 1, 2, 3, 8]."""
    cpus = []
    for part in (text or "").strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            cpus += range(int(first), int(last or first) + 1)
    return sorted(set(cpus))


def cpu_ranges(cpus):
    """[0, 1, 2, 3, 8] as '0-3,8'."""
    parts = []
    for cpu in sorted(cpus):
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def cpu_mask(cpus):
    """[0, 33] as '2,00000001', the form of rps_cpus and xps_cpus."""
    bits = sum(1 << cpu for cpu in cpus)
    groups = []
    while True:
        groups.append(bits & 0xFFFFFFFF)
        bits >>= 32
        if not bits:
            break
    return ",".join([f"{groups[-1]:x}"] + [f"{group:08x}" for group in groups[-2::-1]])


def mask_cpus(text):
    """The reverse of cpu_mask, for masks of any width."""
    bits = int((text or "0").strip().replace(",", "") or "0", 16)
    return [cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1]


class Card:
    """A network card: its queues, and the interrupt of each where there is one."""

    def __init__(self, tree, name):
        base = f"/sys/class/net/{name}"
        self.name = name
        self.speed = int(tree.word(f"{base}/speed") or -1)
        queues = tree.folder(f"{base}/queues")
        self.receive = sorted(int(one[3:]) for one in queues if re.fullmatch(r"rx-\d+", one))
        self.transmit = sorted(int(one[3:]) for one in queues if re.fullmatch(r"tx-\d+", one))
        self.device = tree.resolve(f"{base}/device") or ""
        node = tree.word(f"{base}/device/numa_node") or tree.word(f"{base}/device/../numa_node")
        self.node = int(node or -1)
        self.interrupts = self._interrupts(tree)

    def _interrupts(self, tree):
        """(interrupt, name, queue) of each queue, by queue."""
        names = interrupt_names(tree)
        own = set()
        parent = self.device.rpartition("/")[0]
        for folder in (f"{self.device}/msi_irqs", f"{parent}/msi_irqs"):
            own |= {int(one) for one in tree.folder(folder) if one.isdigit()}
        short = self.device.rpartition("/")[2]
        patterns = [rf"\b{re.escape(self.name)}\b"]
        if re.fullmatch(r"virtio\d+", short):
            patterns.append(rf"^{short}-")
        mine = re.compile("|".join(patterns))
        found = []
        for number, name in names.items():
            if not (number in own or mine.search(name)) or NO_INTERRUPT_OF_A_QUEUE.search(name):
                continue
            if name in (self.name, short):
                found.append((number, name, 0))
                continue
            queue = re.search(r"(\d+)(?:@\S*)?$", name)
            if queue:
                found.append((number, name, int(queue[1])))
        return sorted(found, key=lambda one: (one[2], one[0]))


def interrupt_names(tree):
    """{number: name of the last holder} of /proc/interrupts."""
    names = {}
    for line in (tree.read("/proc/interrupts") or "").splitlines():
        match = re.match(r"\s*(\d+):\s+(?:\d+\s+)*(.+)$", line)
        if match:
            names[int(match[1])] = match[2].split()[-1]
    return names


class Machine:
    def __init__(self, tree):
        memory = re.search(r"^MemTotal:\s+(\d+) kB", tree.read("/proc/meminfo") or "", re.MULTILINE)
        if not memory:
            raise ValueError(f"{tree.path('/proc/meminfo')} does not say how much memory there is")
        self.memory = int(memory[1]) * 1024
        self.online = cpu_list(tree.word("/sys/devices/system/cpu/online"))
        info = tree.read("/proc/cpuinfo") or ""
        if not self.online:
            self.online = list(range(max(1, len(re.findall(r"^processor\s*:", info, re.M)))))
        self.cores = len(self.online)
        self.is_virtual = bool(re.search(r"^flags\s*:.*\bhypervisor\b", info, re.MULTILINE))
        self.kernel = tree.word("/proc/sys/kernel/osrelease") or "unknown"
        self.boot = tree.word("/proc/sys/kernel/random/boot_id") or ""
        self.nodes = {int(path.rpartition("node")[2].partition("/")[0]): cpu_list(tree.word(path))
                      for path in tree.match("/sys/devices/system/node/node[0-9]*/cpulist")}
        self.cards = [Card(tree, name) for name in tree.folder("/sys/class/net")
                      if tree.exists(f"/sys/class/net/{name}/device")]
        self.fastest_card = max([card.speed for card in self.cards], default=-1)
        self.addresses = source_addresses(tree)
        self.disks = [name for name in tree.folder("/sys/block") if not VIRTUAL_DISKS.match(name)]

    def sources(self):
        """Source addresses for one receiver address: those of its family, the scarcer one."""
        return family_minimum(self.addresses)

    def facts(self):
        """The names that profiles may reckon with."""
        return {"memory": self.memory, "cores": self.cores,
                "addresses": self.sources()}


def family_minimum(addresses):
    """How many there are of the family that has fewer, but some; 1 where there are none."""
    six = sum(":" in address for address in addresses)
    return min([count for count in (six, len(addresses) - six) if count], default=1)


def source_addresses(tree):
    """Addresses of this host that other hosts can be reached from."""
    found, last = set(), None
    for line in (tree.read("/proc/net/fib_trie") or "").splitlines():
        address = re.search(r"\|--\s+(\d+\.\d+\.\d+\.\d+)", line)
        last = address[1] if address else last
        if "/32 host LOCAL" in line and last and not last.startswith("127."):
            found.add(last)
    for line in (tree.read("/proc/net/if_inet6") or "").splitlines():
        fields = line.split()
        if len(fields) >= 6 and fields[3] == "00":  # global scope
            found.add(":".join(re.findall("....", fields[0])))
    return sorted(found)


def mounts(tree):
    """(device number, folder, type, options) of each mount, the later over the earlier."""
    rows = []
    for line in (tree.read("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, more = left.split(), right.split()
        if len(fields) >= 6 and len(more) >= 3:
            folder = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), fields[4])
            rows.append((fields[2], folder, more[0], f"{fields[5]},{more[2]}".split(",")))
    return rows


def mount_of(tree, folder):
    """The mount that a folder lies on; None if the table has none."""
    best = None
    for row in mounts(tree):
        below = folder == row[1] or folder.startswith(row[1].rstrip("/") + "/")
        if below and (best is None or len(row[1]) >= len(best[1])):
            best = row
    return best


def disk_of(tree, folder):
    """The whole disk, as in /sys/block, that a folder lies on; None where that is no disk."""
    mount = mount_of(tree, folder)
    place = tree.resolve(f"/sys/dev/block/{mount[0]}") if mount else None
    if not place:
        return None
    names = place.split("/")
    whole = [name for name in names[-2:] if tree.exists(f"/sys/block/{name}")]
    return whole[-1] if whole else None
