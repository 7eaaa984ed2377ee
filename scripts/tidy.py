#!/usr/bin/env python3
"""Checks the tree for what no compiler refuses: sizes, banned calls, misplaced headers, leftovers.

Run from anywhere: scripts/tidy.py [FILE...]. Without files, all of the project. Prints one line
per finding as file:line: sentence, and exits 1 if there is any.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

LINE_MAX = 100
FUNCTION_MAX = 70
HEADER_MAX = 250
SOURCE_MAX = 800

CPP = (".h", ".cpp")
TEXT = CPP + (".py", ".sh", ".cmake", ".txt", ".md", ".yml", ".json")
ROOMS = ("core/", "net/", "spool/")
TOPS = ROOMS + ("bench/", "tests/", "scripts/", "tuning/", ".ci/")

# What a room does not call, and what it uses in its place.
BANNED = [
    (r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(", "core/base/text.h"),
    (r"\b(?:atoi|atol|atoll|strtol|strtoul|strtoull|strtod|sscanf)\s*\(", "parse_decimal"),
    (r"\bstd::sto[a-z]+\s*\(", "parse_decimal"),
    (r"\b(?:rand|srand|random)\s*\(|\bstd::random_device\b|\bstd::mt19937",
     "Random of core/base, or the Entropy port for secrets"),
    (r"\b(?:system|popen)\s*\(", "no shell from the daemon"),
    (r"\b(?:sleep|usleep|nanosleep|sleep_for|sleep_until)\s*\(", "a timer of the loop"),
    (r"\bgettimeofday\s*\(|(?<![\w.>])time\s*\(\s*(?:nullptr|NULL|0|&)", "the Clock port"),
    (r"\bstd::chrono::(?:system|steady|high_resolution)_clock\b", "the Clock port"),
    (r"\b(?:localtime|gmtime|ctime|asctime)\s*\(", "the _r form, or core/base"),
    (r"\b(?:inet_ntoa|inet_addr|gethostbyname|getaddrinfo)\s*\(", "IpAddress, or the Dns port"),
    (r"(?<![\w.>])strerror\s*\(", "Error::from_errno"),
    (r"(?<![\w.>:])assert\s*\(", "RP_ASSERT"),
    (r"(?<![\w.>])(?:std::)?(?:exit|_exit|quick_exit)\s*\(", "an Error to the caller"),
    (r"(?<![\w.>])(?:std::)?signal\s*\(", "sigaction, in core/app"),
    (r"\bstd::(?:function|regex|cout|cerr|clog|endl|async)\b", "STYLE: not in rooms"),
    (r"\bstd::(?:vector<bool>|auto_ptr|bind)\b", "std::bitset, unique_ptr, a lambda"),
    (r"\bco_(?:await|yield|return)\b", "a state machine over completions"),
    (r"\b(?:throw|dynamic_cast|goto)\b", "Result<T>, a door, a loop"),
    (r"\busing\s+namespace\b", "the full name"),
]
# Rules of the table above that a file has leave to break, with the reason.
LEAVE = {
    ("core/app/", "exit"): "main ends the process",
    ("core/app/", "std::cout"): "the command-line tool prints",
    ("core/app/", "std::cerr"): "the command-line tool prints",
    ("core/app/", "signal"): "the place that owns signals",
    ("core/app/", "_clock"): "the command-line tool has no loop",
    ("core/app/", "sleep"): "the command-line tool has no loop",
}
# Files of tables that are compiled one by one, and programs of one file.
TWINS_LEAVE = ("core/config/options_", "tests/fuzz/", "bench/")
HEADERS_BANNED = {"iostream", "regex", "functional", "filesystem", "thread", "future", "sstream"}
# Heavy headers that some rooms need; the reason stands beside each.
HEADERS_LEAVE = {
    ("thread", "net/wire/"): "starts the pinned threads and the worker pool",
    ("thread", "core/app/"): "starts the shards",
    ("thread", "core/account/"): "starts the log writer",
    ("filesystem", "core/app/"): "command-line tool",
    ("functional", "core/app/"): "command-line tool",
    ("iostream", "core/app/"): "command-line tool",
    ("sstream", "core/app/"): "command-line tool",
}
# Libraries that live in one place behind an interface.
CONFINED = [
    (re.compile(r"^(?:liburing|ares|linux/io_uring)"),
     ("net/wire/", "bench/", "tests/", "core/app/version.cpp"), "net/wire/*.cpp"),
    (re.compile(r"^openssl/"),
     ("net/wire/", "net/sign/", "net/auth/", "bench/", "tests/", "core/app/version.cpp"),
     "net/wire/*.cpp, net/sign/*.cpp and net/auth/*.cpp"),
    (re.compile(r"^re2/"), ("core/config/", "core/schedule/", "core/app/", "net/", "tests/"),
     "its adapter"),
    (re.compile(r"^CLI/"), ("core/app/", "bench/"), "core/app and bench"),
    (re.compile(r"^nlohmann/"), ("core/app/", "core/account/", "core/config/", "bench/", "tests/"),
     "cold adapters"),
]
# The marks are spelt in halves so that this file does not find itself.
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|not " r"implemented|place"
                      r"holder|st" r"ub(?:bed)?(?! resolver))\b", re.IGNORECASE)
LEFTOVER_CASE = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# A reader elsewhere can follow neither a path of one machine nor the number of a ticket.
LOCAL = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w|\bissues? #?\d", re.IGNORECASE)
LITERAL = re.compile(r'"(?:\\.|[^"\\])*"')
HOLLOW = re.compile(r"\bSUCCEED\(\)|\b(?:EXPECT|ASSERT)_TRUE\(true\)")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def project_files():
    """Paths of the project's own files, relative to its top, committed or about to be."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
    return sorted(name for name in names
                  if (ROOT / name).is_file() and not name.startswith(("build/", ".git/")))


def is_script(path):
    """A file without suffix that begins with #!."""
    if path.suffix:
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def without_comments(text):
    """C++ text with comments and literals blanked, newlines kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                         r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.DOTALL)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


class Tidy:
    def __init__(self):
        self.findings = []
        self.included = set()

    def report(self, name, line, sentence):
        self.findings.append(f"{name}:{line}: {sentence}")

    def check(self, name):
        path = ROOT / name
        if path.suffix not in TEXT and not is_script(path):
            return
        text = path.read_text(errors="replace")
        lines = text.splitlines()
        self.check_lines(name, path, lines)
        if path.suffix in CPP:
            self.check_cpp(name, path, text, lines)

    def check_lines(self, name, path, lines):
        code = path.suffix not in (".md", ".json", ".txt") or path.name == "CMakeLists.txt"
        for number, line in enumerate(lines, 1):
            if code and len(line) > LINE_MAX:
                self.report(name, number, f"{len(line)} columns, the limit is {LINE_MAX}")
            if code and line != line.rstrip():
                self.report(name, number, "blanks at the end")
            if code and path.suffix != ".py" and "\t" in line:
                self.report(name, number, "a tab")
            # A reply's text may well say that a command is not known here.
            words = LITERAL.sub('""', line) if path.suffix in CPP else line
            match = (LEFTOVER if path.suffix in CPP else LEFTOVER_CASE).search(words)
            if match and path.suffix != ".md":
                self.report(name, number, f"left-over mark '{match.group(0)}'")
            if LOCAL.search(line):
                self.report(name, number, "names a local path or a ticket; say the thing itself")

    def check_cpp(self, name, path, text, lines):
        header = path.suffix == ".h"
        limit = HEADER_MAX if header else SOURCE_MAX
        if len(lines) > limit:
            self.report(name, len(lines), f"{len(lines)} lines, the limit is {limit}")
        if header and "#pragma once" not in text:
            self.report(name, 1, "a header begins with #pragma once")
        in_room = name.startswith(ROOMS)
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match:
                self.check_include(name, number, match.group(1), match.group(2), in_room)
            if HOLLOW.search(line):
                self.report(name, number, "an assertion that cannot fail")
        if in_room:
            self.check_banned(name, without_comments(text).splitlines())

    def check_include(self, name, number, bracket, target, in_room):
        if bracket == '"':
            self.included.add(target)
            return
        folder = name.rsplit("/", 1)[0] + "/"
        if in_room and target in HEADERS_BANNED and (target, folder) not in HEADERS_LEAVE:
            self.report(name, number, f"<{target}> is not for rooms")
        for pattern, places, where in CONFINED:
            if pattern.match(target) and not name.startswith(places):
                self.report(name, number, f"<{target}> belongs in {where} only")
            elif pattern.match(target) and name.startswith("net/") and name.endswith(".h"):
                self.report(name, number, f"<{target}> belongs in {where}, not in a header")

    def check_banned(self, name, lines):
        for number, line in enumerate(lines, 1):
            for pattern, instead in BANNED:
                match = re.search(pattern, line)
                if not match:
                    continue
                word = match.group(0)
                if any(name.startswith(place) and part in word for place, part in LEAVE):
                    continue
                self.report(name, number, f"'{word.strip()}' is banned here: {instead}")

    def check_functions(self, names):
        names = [name for name in names if name.endswith(CPP)]
        if not names:
            return
        listed = subprocess.run(
            ["ctags", "-x", "--c++-kinds=f", "--languages=c++", "--langmap=c++:+.h",
             "--fields=+ne", "--_xformat=%{end} %{line} %{name} %F", "-L", "-"],
            cwd=ROOT, input="\n".join(names), capture_output=True, text=True, check=True)
        for row in listed.stdout.splitlines():
            parts = row.split(" ")
            if len(parts) < 4 or not parts[0].isdigit() or not parts[1].isdigit():
                continue
            size = int(parts[0]) - int(parts[1]) + 1
            if size > FUNCTION_MAX:
                self.report(parts[-1], parts[1],
                            f"{parts[2]} has {size} lines, the limit is {FUNCTION_MAX}")

    def check_twins(self, names):
        """Two sources of one folder that define a private name alike: one of them is a copy.

        Builds that compile the sources of a folder together would not compile either.
        """
        names = [name for name in names
                 if name.endswith(".cpp") and not name.startswith(TWINS_LEAVE)
                 and not name.endswith("_sim_test.cpp")]
        listed = subprocess.run(
            ["ctags", "-x", "--c++-kinds=fvsceg", "--languages=c++",
             "--_xformat=%{name}\t%{kind}\t%{scope}\t%{signature}\t%{line}\t%F", "-L", "-"],
            cwd=ROOT, input="\n".join(names), capture_output=True, text=True, check=True)
        first = {}
        for row in listed.stdout.splitlines():
            name, kind, scope, signature, line, path = row.split("\t")
            spaces, anonymous, inner = scope.partition("::__anon")
            if not anonymous or "::" in inner or name.startswith(("operator", "__anon", "TEST")):
                continue
            parameters = re.sub(r"\w+(?=[,)])", "", signature) if kind == "function" else ""
            other = first.setdefault((path.rsplit("/", 1)[0], spaces, name, parameters), path)
            if other != path:
                self.report(path, line, f"'{name}' is defined in {other} too; share or rename it")
        self.check_aliases(names)

    def check_aliases(self, names):
        """One alias in two sources of a folder is one alias only if it stands for the same."""
        first = {}
        for path in names:
            for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
                found = re.match(r"using (\w+) = (.+);$", line)
                if found is None:
                    continue
                name, meaning = found.groups()
                other, meant = first.setdefault((path.rsplit("/", 1)[0], name), (path, meaning))
                if meant != meaning:
                    self.report(path, number, f"'{name}' is {meant} in {other}; rename it")

    def check_dead_headers(self, names):
        for name in names:
            if name.endswith(".h") and name not in self.included:
                self.report(name, 1, "no file includes this header")


def main(arguments):
    everything = project_files()
    names = [str(pathlib.Path(a).resolve().relative_to(ROOT)) for a in arguments] or everything
    tidy = Tidy()
    for name in names:
        tidy.check(name)
    tidy.check_functions([name for name in names if name.startswith(TOPS)])
    if not arguments:
        tidy.check_twins([name for name in everything if name.startswith(TOPS)])
        tidy.check_dead_headers(name for name in everything if name.startswith(TOPS))
    for finding in sorted(set(tidy.findings)):
        print(finding)
    print(f"{len(names)} files, {len(set(tidy.findings))} findings", file=sys.stderr)
    return 1 if tidy.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
