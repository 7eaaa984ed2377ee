"""Which core takes which interrupt and handles which card's packets.

Shards are pinned to the first cores, one each. Cores beyond them are spare: they take the
interrupts of the cards and the work behind them, and the ring cores are left alone. Where every
core has a ring, the queues are spread over all of them, and packets are steered to the core whose
socket they are for.
"""

from . import rules
from .machine import cpu_list, cpu_mask, cpu_ranges, mask_cpus

FLOWS = 32768  # entries of the table that steers packets to the reader of their socket


class Step:
    """One value of the plan. form: list, mask or number, how found and wanted are compared."""

    def __init__(self, card, path, value, form, meaning):
        self.card, self.path, self.value = card, path, value
        self.form, self.meaning = form, meaning

    def holds(self, found):
        if self.form == "list":
            return cpu_list(found) == cpu_list(self.value)
        if self.form == "mask":
            return mask_cpus(found) == mask_cpus(self.value)
        return found.strip() == self.value


class Plan:
    """ring and spare: cores; shards: how many of them the configuration should say, None if it
    agrees; notes: sentences for the reader; steps: what to write."""

    def __init__(self, machine, settings, shards=None, ring_cores=None):
        self.steps, self.notes = [], []
        self.shards = None
        self._choose_cores(machine, settings, shards, ring_cores)
        steering = False
        for number, card in enumerate(machine.cards):
            steering |= self._plan_card(machine, card, number)
        if steering:
            self.steps.append(Step("all", "/proc/sys/net/core/rps_sock_flow_entries", str(FLOWS),
                                   "number", "packets go to the core that reads their socket"))
        if not machine.cards:
            self.notes.append("no network card with a device behind it; nothing to place")

    def _choose_cores(self, machine, settings, shards, ring_cores):
        online = machine.online
        if ring_cores is not None:
            self.ring = [cpu for cpu in ring_cores if cpu in online]
            if self.ring != ring_cores:
                raise rules.RuleError(f"not all of {cpu_ranges(ring_cores)} are online; these are: "
                                      f"{cpu_ranges(online)}")
        else:
            spare = rules.numbers(settings.get("spare-cores", "0") if settings else "0",
                                  machine.facts())[0]
            count = shards if shards else len(online) - min(spare, len(online) - 1)
            self.ring = online[:count]
            if spare and shards is None:
                self.shards = count
        self.spare = [cpu for cpu in online if cpu not in self.ring]
        self.serving = self.spare or online

    def _plan_card(self, machine, card, number):
        """Adds the steps of one card; whether packets have to be steered by socket."""
        local = [cpu for cpu in self.serving if cpu in machine.nodes.get(card.node, self.serving)]
        cores = local or self.serving
        if not local:
            self.notes.append(f"{card.name} is on node {card.node}, where no core is free for it")
        # A second card begins with another core than the first.
        shift = number * max(1, len(card.receive))
        for interrupt, name, queue in card.interrupts:
            cpu = cores[(queue + shift) % len(cores)]
            self.steps.append(Step(card.name, f"/proc/irq/{interrupt}/smp_affinity_list", str(cpu),
                                   "list", f"queue {queue}, {name}"))
        if not card.interrupts:
            self.notes.append(f"{card.name} has no interrupt of a queue that could be placed")
        few = len(card.receive) < len(cores)
        steering = few and not self.spare
        for queue in card.receive:
            base = f"/sys/class/net/{card.name}/queues/rx-{queue}"
            self.steps.append(Step(card.name, f"{base}/rps_cpus", cpu_mask(cores) if few else "0",
                                   "mask", "fewer queues than cores: shared out in software" if few
                                   else "each core has a queue: nothing to share out"))
            if steering:
                self.steps.append(Step(card.name, f"{base}/rps_flow_cnt",
                                       str(FLOWS // len(card.receive)), "number",
                                       "this queue's part of the table of flows"))
        if len(card.transmit) > 1:  # with one queue the kernel has no such file to read
            for queue in card.transmit:
                cpus = [cpu for place, cpu in enumerate(machine.online)
                        if place % len(card.transmit) == queue]
                self.steps.append(Step(card.name,
                                       f"/sys/class/net/{card.name}/queues/tx-{queue}/xps_cpus",
                                       cpu_mask(cpus), "mask", f"sends of cores {cpu_ranges(cpus)}"
                                       if cpus else "more queues than cores: unused"))
        return steering

    def text(self, tree):
        """The plan for a reader, as lines."""
        lines = [f"ring cores   {cpu_ranges(self.ring)}  ({len(self.ring)} shards)",
                 f"card cores   {cpu_ranges(self.serving)}"
                 + ("" if self.spare else "  (no core is spare: cards and rings share them)")]
        if self.shards:
            lines.append(f"             set 'shards {self.shards}' in the configuration")
        for step in self.steps:
            found = tree.word(step.path)
            if found is None:
                mark, now = "not here", "not on this kernel"
            else:
                mark = "ok" if step.holds(found) else "differs"
                now = f"now {found}"
            lines.append(f"{mark:8} {step.path:52} {step.value:12} {now:22} {step.meaning}")
        return lines + self.notes
