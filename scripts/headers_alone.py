#!/usr/bin/env python3
"""Compiles headers of the project alone, and twice over, so that each brings what it needs.

    scripts/headers_alone.py [--all] [--compiler CXX] [FOLDER...]

A header that its own source file includes before everything else, and that begins with
`#pragma once`, is compiled alone by every build; it is left out unless --all.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def compile_alone(compiler, name):
    """None if `name` compiles, else what the compiler said."""
    command = shlex.split(compiler) + ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra",
                                       "-Werror", "-I", str(ROOT), "-x", "c++", "-"]
    unit = f'#include "{name}"\n#include "{name}"\n'
    done = subprocess.run(command, input=unit, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr


def built_alone(path):
    """Whether the build compiles this header before anything else could help it."""
    source = path.with_suffix(".cpp")
    if not source.exists() or not path.read_text().startswith("#pragma once"):
        return False
    first = next((line for line in source.read_text().splitlines()
                  if line.startswith("#include")), "")
    return first == f'#include "{path.relative_to(ROOT)}"'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("folders", nargs="*", default=["core", "net", "spool", "tests", "bench"])
    options = parser.parse_args()
    names = sorted(str(path.relative_to(ROOT)) for folder in options.folders
                   for path in (ROOT / folder).rglob("*.h")
                   if options.all or not built_alone(path))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, said in zip(names, pool.map(lambda n: compile_alone(options.compiler, n),
                                              names)):
            if said is not None:
                failed += 1
                print(f"{name} does not compile alone:\n{said}")
    print(f"{len(names)} headers, {failed} failed", file=sys.stderr)
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
