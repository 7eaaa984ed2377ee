"""The programs check, apply, revert, plan-irq and table."""

import argparse
import json
import os
import pathlib
import signal
import sys

from . import changes, items, journal, machine, profile, report, rules, senderconf
from .tree import Tree

PROGRAMS = pathlib.Path(__file__).resolve().parents[1]
TROUBLE = (journal.JournalError, profile.ProfileError, rules.RuleError, ValueError, OSError)


def _parser(text, applies=False):
    parser = argparse.ArgumentParser(description=text,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="/", help="a copied tree of proc, sys and etc instead")
    parser.add_argument("--profile", help=f"one of {', '.join(profile.names())}; without: the one "
                        "applied, else the one that fits this host")
    parser.add_argument("--config", help="the ringpost.conf; without: /etc/ringpost/ringpost.conf")
    parser.add_argument("--skip", action="append", metavar="SETTING",
                        help="leave this one out, by its name in a profile; may be repeated")
    parser.add_argument("--ring-cores", metavar="0-5", help="the cores that have a shard")
    if applies:
        parser.add_argument("--irq", action=argparse.BooleanOptionalAction, default=None,
                            help="carry out tuning/plan-irq, or do not")
        parser.add_argument("--notrack", action="store_true", default=None,
                            help="take port 25 out of connection tracking, by nftables")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return parser


def _ask(parser, arguments):
    """Usage errors are the caller's: exit code 2, as argparse does."""
    return parser.parse_args(arguments)


class Session:
    """What the programs have in common: the host, its state file, the options that hold."""

    def __init__(self, given, tree=None):
        if not os.path.isdir(given.root):
            raise ValueError(f"there is no folder {given.root}")
        self.tree = tree or Tree(given.root)
        self.journal = journal.Journal(self.tree)
        self.machine = machine.Machine(self.tree)
        known = self.journal.options or {}
        self.options = {key: known.get(key) if getattr(given, key, None) is None
                        else getattr(given, key) for key in
                        ("profile", "config", "skip", "ring_cores", "irq", "notrack")}
        self.because = "named" if given.profile else "applied here" if known else ""
        if not self.options["profile"]:
            self.options["profile"], self.because = profile.choose(self.machine)
        self.options["skip"] = self.options["skip"] or []
        self.profile = profile.load(self.options["profile"])
        self._check_skipped()
        self.conf = senderconf.SenderConf(self.tree, self.options["config"])
        # What is stored is what was said; what is compared knows the cores as numbers.
        cores = self.options["ring_cores"]
        if cores is not None and not machine.cpu_list(cores):
            raise ValueError(f"'{cores}' names no cores; an example is 0-5")
        compared = dict(self.options, ring_cores=machine.cpu_list(cores) if cores else None)
        self.host = items.Host(self.tree, self.machine, self.conf, compared, str(PROGRAMS))

    def _check_skipped(self):
        known = {setting.name for setting in self.profile.settings} | {"irq"}
        for name in self.options["skip"]:
            if name not in known:
                raise ValueError(f"the profile {self.profile.name} has no setting '{name}'")

    def compare(self):
        return items.compare(self.profile, self.host)

    def head(self):
        return (f"profile {self.profile.name} ({self.because}), kernel {self.machine.kernel}, "
                f"{self.machine.cores} cores, {self.machine.memory / (1 << 30):.1f} GiB, "
                f"configuration {self.conf.name or 'not found'}")


def _fail(program, error):
    print(f"{program}: {error}", file=sys.stderr)
    return 2


def check(arguments=None, tree=None):
    parser = _parser("Compares this host with a profile. Exit code 0: all as wanted; 1: something "
                     "useful\ndiffers; 2: something needed differs, or the check could not be "
                     "made.")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = _ask(parser, arguments)
    try:
        session = Session(given, tree)
        found = session.compare()
    except TROUBLE as error:
        return _fail("check", error)
    text, code = report.summary(found)
    # It has only looked: `tuning/check | head` may end it.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if given.json:
        print(json.dumps(report.as_dictionary(
            found, profile=session.profile.name, because=session.because,
            kernel=session.machine.kernel, cores=session.machine.cores,
            memory=session.machine.memory), indent=2))
        return code
    print(session.head())
    print("\n".join(report.table(found)))
    print(text)
    return code


def plan_irq(arguments=None, tree=None):
    parser = _parser("Which core takes which interrupt and which card's packets. Changes nothing; "
                     "apply --irq\ncarries it out.")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = _ask(parser, arguments)
    try:
        session = Session(given, tree)
        plan = items.irq_plan(session.profile, session.host)
    except TROUBLE as error:
        return _fail("plan-irq", error)
    if given.json:
        print(json.dumps({"ring_cores": plan.ring, "card_cores": plan.serving,
                          "shards": plan.shards, "notes": plan.notes,
                          "steps": [{"card": step.card, "path": step.path, "value": step.value,
                                     "found": session.tree.word(step.path)}
                                    for step in plan.steps]}, indent=2))
    else:
        print("\n".join(plan.text(session.tree)))
    return 0


def _interrupted(_number, _frame):
    raise KeyboardInterrupt


def _reload_units(tree, touched):
    if any("/systemd/system/" in name for name in touched) and tree.exists("/run/systemd/system"):
        code, said = tree.run("systemctl", "daemon-reload")
        if code != 0:
            print(f"systemctl daemon-reload: {said}", file=sys.stderr)


def apply(arguments=None, tree=None):
    given = _ask(_parser("Brings this host to a profile. What was there before is kept in "
                         f"{journal.NAME};\nrevert restores it. Can be repeated: what is as wanted "
                         "is not touched. Exit code 0: done;\n1: the kernel refused something "
                         "useful; 2: it refused something needed, or apply had to stop.",
                         applies=True), arguments)
    try:
        session = Session(given, tree)
        known = session.journal.options
        if known and known["profile"] != session.options["profile"]:
            raise ValueError(f"profile '{known['profile']}' is applied here; run revert first")
        found = session.compare()
    except TROUBLE as error:
        return _fail("apply", error)
    wanted = _each_once(found)
    print(session.head())
    if not wanted:
        print("nothing to change")
    elif given.dry_run:
        for item, change in wanted:
            print(f"would {'set ' if isinstance(change, changes.Value) else ''}{change}"
                  f"  ({item.name}: found {item.found})")
        print(f"{len(wanted)} changes; nothing was changed")
    code = 0
    if not given.dry_run:
        code = _carry_out(session, wanted)
        found = session.compare() if wanted else found
    _say_rest([item for item in found if item.state == "differs" and not item.changes])
    return code


def _each_once(found):
    """(item, change) of all items; a change that several items want comes once."""
    wanted = {}
    for item in found:
        for change in item.changes:
            wanted.setdefault(change.path, (item, change))
    return list(wanted.values())


def _say_rest(rest):
    for item in rest:
        print(f"by hand: {item.name}: found {item.found}, wanted {item.wanted}: {item.remedy}")


def _carry_out(session, wanted):
    """Makes the changes, says what became of each; the exit code."""
    tree = session.tree
    if tree.is_host and os.geteuid() != 0 and wanted:
        return _fail("apply", "only root can change the host; --dry-run shows what would be done")
    done, refused = [], []
    previous = signal.signal(signal.SIGTERM, _interrupted)
    try:
        if wanted:
            session.journal.begin()
        if wanted or session.journal.exists:
            session.journal.set_options(session.options)
        applier = changes.Applier(tree, session.journal, session.machine.boot)
        for item, change in wanted:
            outcome = applier.apply(change)
            (done if outcome.state == "done" else refused).append((item, outcome))
            mark = "set    " if outcome.state == "done" else "REFUSED"
            print(f"{mark} {change}  ({outcome.text})")
        _reload_units(tree, [change.path for _, change in wanted])
    except KeyboardInterrupt:
        return _stopped(len(done) + len(refused), len(wanted), "interrupted")
    except (journal.JournalError, OSError) as error:
        return _stopped(len(done) + len(refused), len(wanted), str(error))
    finally:
        tree.unlock()
        signal.signal(signal.SIGTERM, previous)
    if wanted:
        print(f"{len(done)} changed, {len(refused)} refused; {journal.NAME} has what was there "
              "before")
    if any(item.matters == "needed" for item, _ in refused):
        return 2
    return 1 if refused else 0


def _stopped(made, wanted, why):
    print(f"apply: stopped after {made} of {wanted} changes: {why}\n"
          "revert takes back what was changed; apply goes on", file=sys.stderr)
    return 2


def revert(arguments=None, tree=None):
    parser = argparse.ArgumentParser(
        description=f"Restores what {journal.NAME} says was there before apply, also when\napply "
        "or revert itself was interrupted. Exit code 0: restored; 2: not all of it.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="/", help="a copied tree of proc, sys and etc instead")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    given = parser.parse_args(arguments)
    try:
        tree = tree or Tree(given.root)
        state = journal.Journal(tree)
        if state.hidden or (state.entries and tree.is_host and os.geteuid() != 0
                            and not given.dry_run):
            raise ValueError("only root can read the state and change the host")
        if not given.dry_run and tree.exists(journal.FOLDER):
            state.begin()
        return _take_back(tree, state, given.dry_run)
    except KeyboardInterrupt:
        return _fail("revert", "interrupted; run it again, it goes on")
    except TROUBLE as error:
        return _fail("revert", error)
    finally:
        if tree:
            tree.unlock()


def _take_back(tree, state, dry_run):
    boot = tree.word("/proc/sys/kernel/random/boot_id") or ""
    reverter = changes.Reverter(tree, boot)
    refused, count, touched = 0, 0, []
    for line in state.undo_order():
        outcome = reverter.undo(line, dry_run)
        if outcome is None:
            continue
        if outcome.state == "refused":
            refused += 1
        count += outcome.state == "done"
        touched.append(line["name"])
        mark = {"done": "would restore" if dry_run else "restored",
                "gone": "left", "refused": "REFUSED"}[outcome.state]
        print(f"{mark} {outcome.what}  ({outcome.text})")
    if dry_run:
        print(f"{count} to restore; nothing was changed")
        return 0
    _reload_units(tree, touched)
    if refused:
        print(f"{count} restored, {refused} refused; {journal.NAME} is kept", file=sys.stderr)
        return 2
    print(f"{count} restored" if state.exists else "nothing is recorded, nothing to restore")
    state.remove()
    return 0


def table(arguments=None):
    parser = argparse.ArgumentParser(description="The table of all profiles, in Markdown.")
    parser.add_argument("--write", metavar="FILE", type=pathlib.Path,
                        help="put it between the marks of this document")
    given = parser.parse_args(arguments)
    if not given.write:
        print(report.documentation(), end="")
        return 0
    try:
        given.write.write_text(report.put_into(given.write.read_text()))
    except TROUBLE as error:
        return _fail("table", error)
    return 0
